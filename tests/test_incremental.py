"""What the next run reads: the overlap and what has changed, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable
from support.catalog import selecting
from support.command import Run, run_tap
from support.oracle import books, truth
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

Config = dict[str, Any]

#: Of those read by version, the ledger is also read again where it can change.
INCREMENTAL = {"business_partners", "invoices", "invoice_rows", "products"}


def bookmarks(run: Run, stream: str) -> list[Any]:
    return [
        partition.get("replication_key_value")
        for partition in run.state["bookmarks"][stream]["partitions"]
    ]


def test_a_second_run_reads_only_the_overlap(config: Config, tmp_path: Path) -> None:
    first = run_tap(tmp_path, config)
    second = run_tap(tmp_path, config, state=first.state)
    assert second.exit_code == 0, second.log
    assert first.streams() >= INCREMENTAL
    assert not second.streams() & INCREMENTAL


def test_an_empty_run_makes_at_most_two_requests_per_stream(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting(*INCREMENTAL, "ledger_receipts")
    first = run_tap(tmp_path, config, catalog=catalog)
    sandbox.reset_statistics()
    run_tap(tmp_path, config, catalog=catalog, state=first.state)
    routes = sandbox.statistics().by_route()
    for path in ("/invoices", "/businesspartners", "/products"):
        assert 1 <= routes[path] <= 2
        assert routes[f"{path}/{{id}}"] == 0
    # One by version; two around the closed periods and one in the open ones, with their details.
    assert routes["/ledgerreceipts"] <= 4
    assert routes["/ledgerreceipts/{id}"] <= 3


@pytest.mark.parametrize(("lookback", "is_read"), [(14400, True), (60, False)])
def test_a_change_committed_late_is_read_within_the_lookback(
    sandbox: Sandbox, config: Config, tmp_path: Path, lookback: int, *, is_read: bool
) -> None:
    """Its stamp is older than the bookmark of a run that could not see it yet."""
    catalog = selecting("invoices")
    first = run_tap(tmp_path, config, catalog=catalog)
    company = sandbox.companies[0]
    edited = editable(company)[0]
    sandbox.advance_clock(-3600)
    company.edit("invoices", edited)
    sandbox.advance_clock(3600)
    second = run_tap(tmp_path, config | {"lookback": lookback}, catalog=catalog, state=first.state)
    assert [record["id"] for record in second.records("invoices")] == [edited] * is_read


def test_a_change_of_the_hour_that_comes_twice_is_read_in_its_second_pass(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    """Stamped 03:50 before the clocks go back, it is read at 03:10 after it."""
    catalog = selecting("invoices")
    sandbox.set_clock("2027-10-30T12:00:00+00:00")
    first = run_tap(tmp_path, config, catalog=catalog)
    company = sandbox.companies[0]
    edited = editable(company)[0]
    sandbox.set_clock("2027-10-31T00:50:00+00:00")
    company.edit("invoices", edited)
    sandbox.set_clock("2027-10-31T01:10:00+00:00")
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    assert edited in {record["id"] for record in second.records("invoices")}
    target = Target().load(first).load(second)
    assert target.rows("invoices") == truth(sandbox, "invoices")


def test_a_third_run_brings_exactly_the_changes(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    target = Target()
    first = run_tap(tmp_path, config)
    second = run_tap(tmp_path, config, state=first.state)
    target.load(first).load(second)
    company = sandbox.companies[0]
    edited, invalidated, *_ = editable(company)
    created = company.create_invoice()
    company.edit("invoices", edited)
    company.invalidate(invalidated)
    third = run_tap(tmp_path, config, state=second.state)
    assert {record["id"] for record in third.records("invoices")} == {
        edited,
        invalidated,
        created,
    }
    target.load(third)
    for stream in books.TABLES:
        if "ledger" in stream:
            continue  # an edit deletes a receipt: ghosts are told of elsewhere
        current = truth(sandbox, stream)
        if stream == "invoice_rows":
            versions = {row["id"]: row["version"] for row in target.rows("invoices")}
            rows = [r for r in target.rows(stream) if r["version"] == versions[r["invoice_id"]]]
            assert rows == current
        else:
            assert target.rows(stream) == current
    receipts = {row["id"]: row for row in target.rows("ledger_receipts")}
    assert all(receipts[receipt["id"]] == receipt for receipt in truth(sandbox, "ledger_receipts"))


def test_bookmarks_are_the_beginning_of_the_run_in_utc(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.set_clock("2026-10-25T00:30:00+00:00")
    run = run_tap(tmp_path, config, catalog=selecting("invoices"))
    (bookmark,) = bookmarks(run, "invoices")
    # The server's clock counts, not ours.
    assert bookmark.startswith("2026-10-25T00:3")
    assert len(bookmark) == len("2026-10-25T00:30:00Z")


def test_state_is_kept_per_company(tmp_path: Path) -> None:
    with Sandbox(companies=2, invoices=80, colliding_ids=True, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        first = run_tap(tmp_path, config, catalog=selecting("invoices"))
        company = sandbox.companies[1]
        changed = editable(company)[0]
        company.edit("invoices", changed)
        second = run_tap(tmp_path, config, catalog=selecting("invoices"), state=first.state)
    assert [(r["company_id"], r["id"]) for r in second.records("invoices")] == [
        (company.id, changed)
    ]


def test_a_failed_company_keeps_its_bookmark(tmp_path: Path) -> None:
    with Sandbox(companies=2, invoices=30, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        broken, sound = sandbox.companies
        sandbox.add_fault(path="/invoices/*", status=400, html=False, times=None, company=broken.id)
        run = run_tap(tmp_path, config, catalog=selecting("invoices"))
    assert run.exit_code == 1
    assert {r["company_id"] for r in run.records("invoices")} == {sound.id}
    saved = {
        partition["context"]["company_id"]: partition.get("replication_key_value")
        for partition in run.state["bookmarks"]["invoices"]["partitions"]
    }
    assert saved[broken.id] is None
    assert saved[sound.id]
    assert f"invoices of company {broken.id}" in run.log


def test_a_backfill_leaves_the_bookmarks_alone(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("invoices")
    normal = run_tap(tmp_path, config, catalog=catalog)
    versions = sorted(record["version"] for record in truth(sandbox, "invoices"))
    start, end = versions[10], versions[40]
    backfill = run_tap(
        tmp_path,
        config | {"start_date": start, "end_date": end},
        catalog=catalog,
        state=normal.state,
    )
    read = {record["version"] for record in backfill.records("invoices")}
    assert read == {version for version in versions if start <= version <= end}
    assert bookmarks(backfill, "invoices") == bookmarks(normal, "invoices")


def test_start_date_leaves_out_what_is_older(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    versions = sorted(record["version"] for record in truth(sandbox, "invoices"))
    run = run_tap(tmp_path, config | {"start_date": versions[30]}, catalog=selecting("invoices"))
    assert {record["version"] for record in run.records("invoices")} == set(versions[30:])


@pytest.mark.parametrize("asked", [True, False])
def test_activate_version_comes_after_the_last_record(
    config: Config, tmp_path: Path, *, asked: bool
) -> None:
    run = run_tap(tmp_path, config | {"emit_activate_version_messages": asked})
    activated = [m["stream"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"]
    assert bool(activated) is asked
    for stream in activated:
        kinds = [m["type"] for m in run.messages if m.get("stream") == stream]
        assert kinds[-1] == "ACTIVATE_VERSION"
        versions = {m.get("version") for m in run.messages if m.get("stream") == stream}
        assert len(versions - {None}) == 1
    assert not INCREMENTAL & set(activated)


def test_a_failed_full_table_stream_activates_nothing(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/persons/*", status=400, html=False, times=None)
    run = run_tap(tmp_path, config | {"emit_activate_version_messages": True})
    activated = {m["stream"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"}
    assert run.exit_code == 1
    assert "persons" not in activated
    assert "dimensions" in activated
