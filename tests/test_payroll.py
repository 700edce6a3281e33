"""The payroll: exact like the rest, and never read unless it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import when_asked
from support.catalog import selecting
from support.command import Run, outcomes, run_tap
from support.oracle import key_of, payroll, truth
from support.target import Target

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow


Config = dict[str, Any]

STREAMS = tuple(payroll.TABLES)
PERSONAL = {
    stream
    for stream in (*payroll.DOCUMENTS, *payroll.OWNED)
    if stream not in {"labor_union_settings", "salary_types", "salary_periods"}
}


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    """Two companies that use the same ids."""
    with Sandbox(companies=2, invoices=60, colliding_ids=True, requests_per_second=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def full_run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {**companies.config(), "requests_per_second": 1000}
    return run_tap(tmp_path_factory.mktemp("run"), config, catalog=selecting(*STREAMS))


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
    assert tuple(target.keys[stream]) == key_of(stream)
    expected = truth(companies, stream)
    assert target.rows(stream) == expected
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
    assert Target().load(run).rows("salary_slips") == truth(sandbox, "salary_slips")


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
        elif stream in STREAMS and stream not in payroll.ITEMS:
            assert outcome["verdict"] == "readable"
