"""Receipts heal themselves: a period that was read as a whole tells which of them are current."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.oracle import truth
from support.proxy import Answer, Proxy, Question, without
from test_deletions import Warehouse, receipt_of, tombstones, with_receipt

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.exact import Record
    from support.target import Target

pytestmark = pytest.mark.slow


STREAMS = ("fiscal_years", "tracking_periods", "ledger_receipts", "ledger_transactions")


@pytest.fixture
def open_books() -> Iterator[Proxy]:
    """A proxy before a company with more than two pages of receipts, all in open periods."""
    with Sandbox(invoices=500, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        sandbox.companies[0].reopen_periods("2000-01-01", "2100-01-01")
        yield proxy


def swept(target: Target) -> dict[int, str | None]:
    return {row["id"]: row.get("swept_at") for row in target.rows("tracking_periods")}


def test_a_lost_state_leaves_no_ghost(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path, config, *STREAMS)
    warehouse.run()
    assert all(swept(warehouse.target).values())
    company = sandbox.companies[0]
    company.edit("invoices", with_receipt(company)[0])
    company.invalidate(with_receipt(company)[1])
    warehouse.state = {}
    run = warehouse.run()
    assert not tombstones(run, "ledger_receipts")
    for stream in ("ledger_receipts", "ledger_transactions"):
        assert warehouse.current(stream) == truth(sandbox, stream)


def test_a_closed_period_keeps_the_time_of_its_sweep(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path, config, *STREAMS)
    warehouse.run()
    first = swept(warehouse.target)
    warehouse.run()
    second = swept(warehouse.target)
    is_open = {
        period["id"]: period["status"] != "CLOSED"
        for year in sandbox.companies[0].truth("fiscalyears")
        for period in year["trackingPeriods"]
    }
    assert {number: second[number] != first[number] for number in first} == is_open
    warehouse.run(deletion_check="off")
    assert swept(warehouse.target) == second


def test_a_document_edited_behind_the_sweep_has_one_receipt(
    open_books: Proxy, tmp_path: Path
) -> None:
    """Its receipt has been read; the new one comes at the end of the same list."""
    company = open_books.sandbox.companies[0]
    warehouse = Warehouse(tmp_path, open_books.config(), *STREAMS)
    warehouse.run()
    company.edit("invoices", with_receipt(company)[0])
    receipts = {one["id"]: one.get("ledgerReceiptId") or 0 for one in company.truth("invoices")}
    invoice = min(with_receipt(company), key=receipts.__getitem__)
    batches: list[Question] = []

    def edit(question: Question) -> Answer | None:
        if question.path.startswith("/ledgerreceipts/") and "," in question.path:
            batches.append(question)
            if len(batches) == 2:
                company.edit("invoices", invoice)
        return None

    open_books.before = edit
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    having = [r for r in warehouse.current("ledger_receipts") if r.get("invoice_id") == invoice]
    assert [row["id"] for row in having] == [receipt_of(company, invoice)]
    open_books.before = lambda _: None
    warehouse.run()
    assert warehouse.current("ledger_receipts") == truth(open_books.sandbox, "ledger_receipts")


def test_a_receipt_that_one_list_lacks_although_it_exists_stays(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path, proxy.config(), *STREAMS)
    warehouse.run()
    company = sandbox.companies[0]
    proxy.altering("/ledgerreceipts", without(receipt_of(company, with_receipt(company)[0])))
    run = warehouse.run()
    assert "missing from the list although they exist" in run.log
    assert not tombstones(run, "ledger_receipts")
    assert warehouse.current("ledger_receipts") == truth(sandbox, "ledger_receipts")


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_a_start_date_sweeps_nothing_away(
    sandbox: Sandbox, config: Record, tmp_path: Path, *, is_state_lost: bool
) -> None:
    warehouse = Warehouse(tmp_path, config, *STREAMS)
    warehouse.run()
    if is_state_lost:
        warehouse.state = {}
    warehouse.run(start_date="2026-06-01")
    assert warehouse.current("ledger_receipts") == truth(sandbox, "ledger_receipts")


def test_a_missing_right_sweeps_nothing_away(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path, config | {"on_missing_permission": "warn"}, *STREAMS)
    warehouse.run()
    sandbox.companies[0].set_right("salaries.payroll")
    warehouse.state = {}
    for _ in range(2):
        warehouse.run()
    assert warehouse.current("ledger_receipts") == truth(sandbox, "ledger_receipts")


def test_a_rejected_receipt_is_not_swept_away(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, config, *STREAMS)
    warehouse.run()
    number = receipt_of(company, with_receipt(company)[0])
    company.spoil("ledgerreceipts", number, {"receiptNumber": ["none"]})
    assert warehouse.run().exit_code == 1
    assert warehouse.current("ledger_receipts") == truth(sandbox, "ledger_receipts")
