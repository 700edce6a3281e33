"""The payroll: exact like the rest, and never read unless it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import inflection
import pytest
from support import (
    COMPONENTS,
    Record,
    Run,
    Target,
    expected_record,
    run_tap,
    selecting,
    when_asked,
)

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_procountor.sandbox.company import Company

Config = dict[str, Any]

#: Stream, kind of the sandbox's truth, components of the specification.
DOCUMENTS = {
    "employees": ("employees", "Employee"),
    "labor_union_settings": ("labor_union_settings", "LaborUnionSettingsBasicData"),
    "salary_lists": ("salary_lists", "SalaryListBasicData", "SalaryList"),
    "salary_slips": ("salary_slips", "SalarySlipBasicData", "SalarySlip"),
    "salary_types": ("salary_types", "SalaryType"),
}

#: Stream, kind of the sandbox's truth, component, the owner's id in the row.
OWNED = {
    "employee_salary_info": ("employee_salary_info", "SalaryInfo", "employee_id"),
    "employee_salary_bases": ("employee_salary_bases", "SalaryBase", "employee_id"),
    "employments": ("employments", "Employment", "employee_id"),
    "tax_cards": ("tax_cards", "TaxCard", "employee_id"),
    "labor_union_memberships": (
        "labor_union_memberships",
        "LaborUnionMembership",
        "employee_id",
    ),
    "holiday_pays": ("holiday_pays", "HolidayPay", "employee_id"),
    "working_hour_reductions": (
        "working_hour_reductions",
        "WorkingHourReduction",
        "employee_id",
    ),
    "salary_slip_accounting": (
        "salary_slip_accounting",
        "SalarySlipAccounting",
        "salary_slip_id",
    ),
    "salary_periods": ("salary_periods", "SalaryPeriod", "salary_period_list_id"),
}

#: Row stream: the stream of its owners, the array inside them, the owner's fields in the row.
ROWS = {
    "salary_slip_rows": (
        "salary_slips",
        "rows",
        {"salary_slip_id": "id", "employee_id": "employee_id"},
        "SalarySlipRow",
    ),
    "salary_slip_transactions": (
        "salary_slip_accounting",
        "transactions",
        {"salary_slip_id": "salary_slip_id"},
        "SalarySlipTransaction",
    ),
    "salary_list_slips": (
        "salary_lists",
        "salary_slips",
        {"salary_list_id": "id"},
        "SalarySlipBasicData",
    ),
}
STREAMS = (*DOCUMENTS, *OWNED, *ROWS, "salaries_basic_info")
PERSONAL = {
    stream
    for stream in (*DOCUMENTS, *OWNED)
    if stream not in {"labor_union_settings", "salary_types", "salary_periods"}
}


def truth(company: Company, stream: str) -> list[Record]:
    """Return the rows that a stream must have of a company."""
    if stream in DOCUMENTS:
        kind, *components = DOCUMENTS[stream]
        return [
            expected_record(document, *components, company_id=company.id)
            for document in company.truth(kind)
        ]
    if stream in OWNED:
        return [*_owned(company, *OWNED[stream])]
    if stream in ROWS:
        return [*_rows(company, *ROWS[stream])]
    return [
        expected_record(document, "SalariesBasicInfo", company_id=company.id)
        | {"year": document["yearlyFigures"]["year"]}
        for document in company.truth("salaries_basic_info")
    ]


def _owned(company: Company, kind: str, component: str, owner_id: str) -> Iterator[Record]:
    for document in company.truth(kind):
        owner = document.pop(inflection.camelize(owner_id, uppercase_first_letter=False))
        expected = expected_record(document, component, company_id=company.id)
        expected[owner_id] = owner
        if kind == "salary_periods":
            kind_of_pay = ("Kuukausipalkat", "Tuntipalkat")[owner % 2]
            expected["salary_period_list_name"] = f"{kind_of_pay} {document['holidayCreditYear']}"
        yield expected


def _rows(
    company: Company, owners: str, array: str, owner_fields: dict[str, str], component: str
) -> Iterator[Record]:
    known = expected_record(
        dict.fromkeys(COMPONENTS[component]["properties"]), component, company_id=company.id
    )
    for owner in truth(company, owners):
        for item in owner[array]:
            row = {name: value for name, value in item.items() if name in known}
            additional = {name: value for name, value in item.items() if name not in known}
            row |= {"company_id": company.id}
            row |= {name: owner[field] for name, field in owner_fields.items()}
            yield row | ({"additional_fields": additional} if additional else {})


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    """Two companies that use the same ids."""
    with Sandbox(companies=2, invoices=60, colliding_ids=True, requests_per_second=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def full_run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {**companies.config(), "requests_per_second": 1000}
    return run_tap(tmp_path_factory.mktemp("run"), config, catalog=selecting(*STREAMS))


@pytest.fixture
def reporting(config: Config, tmp_path: Path) -> Config:
    return config | {"run_report_path": str(tmp_path / "report.json")}


def outcomes(config: Config) -> dict[str, dict[str, Any]]:
    with open(config["run_report_path"], encoding="utf-8") as file:  # noqa: PTH123
        return {outcome["stream"]: outcome for outcome in json.load(file)["streams"]}


def test_all_streams_of_the_payroll_are_compared() -> None:
    declared = {
        vars(stream)["name"] for stream in STREAM_TYPES if stream.__module__.endswith(".payroll")
    }
    assert declared == set(STREAMS)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_is_the_truth_field_by_field(
    companies: Sandbox, full_run: Run, stream: str
) -> None:
    assert full_run.exit_code == 0, full_run.log
    target = Target().load(full_run)
    keys = target.keys[stream]

    def key(row: Record) -> tuple[Any, ...]:
        return tuple(row[name] for name in keys)

    expected = [row for company in companies.companies for row in truth(company, stream)]
    assert target.rows(stream) == sorted(expected, key=key)
    assert len(full_run.records(stream)) == len(expected) > 0


def test_nothing_is_read_unless_it_is_selected(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    assert run.streams().isdisjoint(STREAMS)
    assert not [one for one in sandbox.statistics().requests if "/payrolls" in one.path]


def test_slips_cost_a_page_and_a_batch_for_200(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config, catalog=selecting("salary_slips", "salary_slip_rows"))
    slips = len(sandbox.companies[0].truth("salary_slips"))
    assert len(run.records("salary_slips")) == slips > 400
    routes = sandbox.statistics().by_route()
    pages = -(-slips // 200)
    assert routes["/payrolls/salaryslips"] == pages
    assert routes["/payrolls/salaryslips/{id}"] == pages


def test_a_list_that_loses_a_row_while_it_is_read_is_read_again(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    first = company.truth("salary_slips")[0]["id"]
    # Later rows move to where the reader has already been.
    with when_asked(
        sandbox, "/payrolls/salaryslips", lambda: company.delete("salary_slips", first), nth=2
    ):
        run = run_tap(tmp_path, config, catalog=selecting("salary_slips"))
    assert run.exit_code == 0, run.log
    assert sandbox.statistics().by_route()["/payrolls/salaryslips"] > 3
    ids = [record["id"] for record in run.records("salary_slips")]
    assert set(ids) - {first} == {slip["id"] for slip in company.truth("salary_slips")}
    assert len(ids) == len(set(ids))


def test_a_slip_deleted_between_list_and_detail_is_named(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    slip = company.truth("salary_slips")[100]["id"]
    with when_asked(
        sandbox, "/payrolls/salaryslips/{id}", lambda: company.delete("salary_slips", slip)
    ):
        run = run_tap(tmp_path, config, catalog=selecting("salary_slips"))
    assert run.exit_code == 0, run.log
    assert f"deleted while being read: {slip}" in run.log
    assert Target().load(run).rows("salary_slips") == truth(company, "salary_slips")


def test_slips_whose_details_do_not_come_are_rejected(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/payrolls/salaryslips/*", status=404, html=False)
    run = run_tap(tmp_path, config, catalog=selecting("salary_slips", "rejected_records"))
    assert run.exit_code == 1
    rejected = run.records("rejected_records")
    assert {one["reason"] for one in rejected} == {
        "Its details did not come from /payrolls/salaryslips."
    }
    assert len(rejected) + len(run.records("salary_slips")) == len(
        sandbox.companies[0].truth("salary_slips")
    )
    assert len(rejected) == 200


def test_who_has_left_is_read_and_deletions_are_found(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    catalog = selecting("employees", "employments", "salary_slips", "salary_slip_rows")
    thorough = config | {"deletion_check": "full"}
    first = run_tap(tmp_path, thorough, catalog=catalog)
    assert {record["active"] for record in first.records("employees")} == {True, False}
    slip = company.truth("salary_slips")[7]
    company.delete("salary_slips", slip["id"])
    second = run_tap(tmp_path, thorough, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    gone = {
        stream: [record for record in second.records(stream) if "_sdc_deleted_at" in record]
        for stream in ("employees", "employments", "salary_slips", "salary_slip_rows")
    }
    assert [record["id"] for record in gone["salary_slips"]] == [slip["id"]]
    assert {record["id"] for record in gone["salary_slip_rows"]} == {
        row["id"] for row in slip["rows"]
    }
    assert not gone["employees"] + gone["employments"]


def test_without_the_right_or_the_module_it_is_said(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    catalog = selecting(*STREAMS)
    company.set_right("salaries.payroll")
    run = run_tap(tmp_path, reporting, catalog=catalog)
    assert run.exit_code == 1
    assert not run.streams()
    for stream in STREAMS:
        said = outcomes(reporting)[stream]["failure"] or outcomes(reporting)[stream]["advice"]
        assert "rant 'Salaries: Payroll' (salaries.payroll)" in said
    company.set_right("salaries.payroll", "VIEWING_RIGHTS")
    company.set_payroll(enabled=False)
    run = run_tap(tmp_path, reporting, catalog=catalog)
    assert run.exit_code == 1
    assert not run.streams()
    for stream in STREAMS:
        said = outcomes(reporting)[stream]["failure"] or outcomes(reporting)[stream]["advice"]
        assert "probably not in use: payroll" in said


def test_a_limit_to_the_own_salaries_is_named(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].set_right("salaries.personalSalariesOnly", value=True)
    run = run_tap(tmp_path, reporting, catalog=selecting(*STREAMS))
    assert run.exit_code == 1
    for stream, outcome in outcomes(reporting).items():
        if stream in PERSONAL:
            assert outcome["verdict"] == "rows may be hidden"
            assert "salaries.personalSalariesOnly" in outcome["advice"]
        elif stream in STREAMS and stream not in ROWS:
            assert outcome["verdict"] == "readable"
