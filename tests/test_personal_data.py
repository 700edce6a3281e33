"""Personal data can be hashed or left out, whatever happens to the records."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.catalog import selecting
from support.command import Run, run_tap
from support.exact import Digits, Record
from support.meltano import meltano_project

if TYPE_CHECKING:
    from tap_procountor.sandbox import Sandbox
    from tap_procountor.sandbox.company import Company

ROOT = Path(__file__).parent.parent
SEED = "suola ja pippuri"

RECOMMENDED = yaml.safe_load((ROOT / "tests" / "personal_data.yml").read_text("utf-8"))
STREAM_MAPS = RECOMMENDED["config"]["stream_maps"]
STREAMS = (
    "employees",
    "persons",
    "salary_slips",
    "salary_slip_rows",
    "salary_lists",
    "salary_list_slips",
    "rejected_records",
)


@pytest.fixture
def mapping(config: dict[str, Any]) -> dict[str, Any]:
    """Settings with the recommended maps."""
    return config | {"stream_maps": STREAM_MAPS, "stream_map_config": {"hash_seed": SEED}}


def catalog_of(*streams: str) -> Record:
    """Return a catalog with the streams, but without the columns that are left out."""
    catalog = selecting(*streams)
    left_out = [pattern[1:] for pattern in RECOMMENDED["select"] if pattern.startswith("!")]
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            names = [name for name in entry["breadcrumb"] if name != "properties"]
            path = ".".join([stream["tap_stream_id"], *names])
            if names and any(fnmatch.fnmatch(path, pattern) for pattern in left_out):
                entry["metadata"]["selected"] = False
    return catalog


def secrets_of(company: Company) -> set[str]:
    """Return what must not be seen anywhere."""
    employees, persons = company.truth("employees"), company.truth("persons")
    names = {employee["lastName"] + " " + employee["firstName"] for employee in employees}
    streets = {one["employeeAddress"]["street"] for one in employees if one["employeeAddress"]}
    accounts = {one["paymentInfo"]["accountNumber"] for one in persons}
    emails = {one["registryInfo"]["email"] for one in persons}
    identifiers = {one["invoicingInfo"]["identifier"] for one in persons}
    birthdays = {one["invoicingInfo"]["dateOfBirth"] for one in persons}
    ssns = {one["ssn"] for one in employees}
    return names | streets | accounts | emails | identifiers | birthdays | ssns


def check(run: Run, company: Company) -> None:
    """Compare what has come with what may."""
    output = json.dumps(run.messages, ensure_ascii=False) + run.log
    assert {secret for secret in secrets_of(company) if secret in output} == set()
    employees = {one["id"]: one for one in company.truth("employees")}
    for record in run.records("employees"):
        employee = employees[record["id"]]
        assert record["ssn"] == sha256((SEED + employee["ssn"]).encode()).hexdigest()
        address = employee["employeeAddress"]
        assert record["employee_address"] == (address and {"city": address["city"]})
        assert record["active"] == employee["active"]
    persons = {one["id"]: one for one in company.truth("persons")}
    for record in run.records("persons"):
        info = persons[record["id"]]["invoicingInfo"]
        hashed = sha256((SEED + info["identifier"]).encode()).hexdigest()
        assert record["invoicing_info"]["identifier"] == hashed
        assert record["invoicing_info"]["language"] == info["language"]
        assert record["registry_info"]["mobile_phone"]
    slips = {slip["id"]: slip for slip in company.truth("salary_slips")}
    for record in run.records("salary_slips"):
        assert record["net_pay"] == Digits(slips[record["id"]]["netPay"])
    assert {record["id"] for record in run.records("salary_list_slips")} == slips.keys()
    for record in run.records("salary_lists"):
        assert all(slip.keys() == {"id"} for slip in record["salary_slips"])


def test_the_recommended_maps_hash_and_leave_out(
    sandbox: Sandbox, mapping: dict[str, Any], tmp_path: Path
) -> None:
    run = run_tap(tmp_path, mapping, catalog=catalog_of(*STREAMS))
    assert run.exit_code == 0, run.log
    company = sandbox.companies[0]
    assert len(run.records("employees")) == len(company.truth("employees"))
    assert len(run.records("persons")) == len(company.truth("persons"))
    check(run, company)


def test_a_rejected_record_is_masked_too(
    sandbox: Sandbox, mapping: dict[str, Any], tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    spoilt = company.truth("employees")[3]["id"]
    company.spoil("employees", spoilt, {"automatedTaxCard": "JOO", "active": "EI"})
    run = run_tap(tmp_path, mapping, catalog=catalog_of(*STREAMS))
    assert run.exit_code == 1
    (rejected,) = run.records("rejected_records")
    assert rejected["record_key"] == f"id {spoilt}"
    assert "record" not in rejected
    check(run, company)


def test_maps_deal_with_rows_that_are_gone(
    sandbox: Sandbox, mapping: dict[str, Any], tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    thorough = mapping | {"deletion_check": "full"}
    catalog = catalog_of("employees", "salary_lists")
    first = run_tap(tmp_path, thorough, catalog=catalog)
    gone = {kind: company.truth(kind)[2]["id"] for kind in ("employees", "salary_lists")}
    for kind, number in gone.items():
        company.delete(kind, number)
    run = run_tap(tmp_path, thorough, catalog=catalog, state=first.state)
    assert run.exit_code == 0, run.log
    for kind, number in gone.items():
        marked = [one["id"] for one in run.records(kind) if "_sdc_deleted_at" in one]
        assert marked == [number]


def test_maps_of_streams_that_are_not_selected_do_no_harm(
    mapping: dict[str, Any], tmp_path: Path
) -> None:
    run = run_tap(tmp_path, mapping, catalog=selecting("company"))
    assert run.exit_code == 0, run.log
    assert run.streams() == {"company"}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("sha256((", "The setting 'stream_maps' cannot be used: Failed to parse"),
        ("sha256(middle_name)", "A stream map of 'employees' fails on a record"),
        ("sha256(employee_address)", "A stream map of 'employees' fails on a record"),
    ],
)
def test_a_map_that_fails_is_explained(
    config: dict[str, Any], tmp_path: Path, expression: str, said: str
) -> None:
    maps = {"stream_maps": {"employees": {"ssn": expression}}}
    run = run_tap(tmp_path, config | maps, catalog=selecting("employees"))
    assert run.exit_code == 1
    assert not run.records("employees")
    assert said in run.log.splitlines()[-1]
    assert "Traceback" not in run.log


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Meltano project that follows the recommendation."""
    file = meltano_project(tmp_path) / "meltano.yml"
    project = yaml.safe_load(file.read_text("utf-8"))
    project["plugins"]["extractors"][0] |= RECOMMENDED
    file.write_text(yaml.safe_dump(project), "utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_meltano_hands_over_the_recommendation(sandbox: Sandbox, project: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_PROCOUNTOR_REQUESTS_PER_SECOND": "1000",
        "PERSONAL_DATA_SEED": SEED,
        **{f"TAP_PROCOUNTOR_{name.upper()}": value for name, value in sandbox.config().items()},
    }
    process = subprocess.run(
        ["meltano", "invoke", "tap-procountor"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-5000:]
    lines = [line for line in process.stdout.splitlines() if line.startswith('{"type"')]
    run = Run(0, [json.loads(line, parse_float=Digits) for line in lines], "")
    assert run.streams() > {"employees", "salary_slips", "invoices"}
    assert run.streams().isdisjoint({"tax_cards", "labor_union_memberships"})
    wanted = {"persons", *STREAMS}
    run.messages = [one for one in run.messages if one.get("stream") in wanted]
    check(run, sandbox.companies[0])
