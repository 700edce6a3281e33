"""A document that spoils an answer is rejected alone, remembered, and comes once it is mended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.catalog import selecting
from support.command import run_tap
from support.oracle import truth
from support.proxy import JSON, NOT_FOUND, Answer, Proxy, Question
from test_deletions import Warehouse, receipt_of, tombstones, with_receipt

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.exact import Record

pytestmark = pytest.mark.slow


ERROR = b'{"errors":[{"status":500,"message":"INTERNAL_ERROR"}]}'


def poisoned(path: str, ids: set[int], answer: Answer) -> Callable[[Question], Answer | None]:
    """Answer so as soon as one of the ids is among those asked for."""

    def before(question: Question) -> Answer | None:
        asked: set[str] = set(question.query.get("invoiceIds", ()))
        if question.path.startswith(f"{path}/") and not asked:
            asked = {*question.path.removeprefix(f"{path}/").split(",")}
        return answer if asked & {*map(str, ids)} else None

    return before


@pytest.mark.parametrize("status", [500, 400, 413, 414])
def test_of_a_batch_that_fails_only_the_poisoned_one_is_rejected(
    tmp_path: Path, status: int
) -> None:
    with Sandbox(invoices=400, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        number = truth(sandbox, "invoices")[17]["id"]
        proxy.before = poisoned("/invoices", {number}, Answer(status, body=ERROR))
        began = time.monotonic()
        run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices", "rejected_records"))
        assert time.monotonic() - began < 60
        assert run.exit_code == 1
        assert f"id {number}" in run.log
        expected = {row["id"] for row in truth(sandbox, "invoices")} - {number}
        assert {row["id"] for row in run.records("invoices")} == expected
        (rejected,) = run.records("rejected_records")
        assert rejected["record_key"] == f"id {number}"


def test_where_nothing_comes_the_stream_fails_and_keeps_its_bookmark(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    every = {row["id"] for row in truth(sandbox, "invoices")}
    proxy.before = poisoned("/invoices", every, Answer(400, body=ERROR))
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices", "rejected_records"))
    assert run.exit_code == 1
    assert not run.records("rejected_records")
    (partition,) = run.state["bookmarks"]["invoices"]["partitions"]
    assert "replication_key_value" not in partition
    # The whole, halves, quarters and eighths.
    assert len(proxy.questions("/invoices/[0-9,]+")) == 15


def test_where_very_many_fail_the_rest_of_the_batch_is_rejected(
    tmp_path: Path,
) -> None:
    with Sandbox(invoices=200, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        ids = [row["id"] for row in truth(sandbox, "invoices")]
        good = {*ids[:50]}
        proxy.before = poisoned("/invoices", {*ids} - good, Answer(400, body=ERROR))
        warehouse = Warehouse(tmp_path, proxy.config(), "invoices", "rejected_records")
        run = warehouse.run()
        assert run.exit_code == 1
        assert {row["id"] for row in run.records("invoices")} == good
        assert len(run.records("rejected_records")) == len(ids) - len(good)
        assert len(proxy.questions("/invoices/[0-9,]+")) < 60
        proxy.before = lambda _: None
        assert warehouse.run().exit_code == 0
        assert warehouse.current("invoices") == truth(sandbox, "invoices")


STREAMS: dict[str, tuple[str, str]] = {
    "invoices": ("invoices", "notes"),
    "products": ("products", "name"),
    "ledger_receipts": ("ledgerreceipts", "name"),
    "business_partners": ("businesspartners", "name"),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_what_was_rejected_is_asked_for_until_it_comes(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str
) -> None:
    """Its version stays as it was, and the lookback is long over."""
    kind, field = STREAMS[stream]
    company = sandbox.companies[0]
    company.close_periods("2000-01-01", "2100-01-01")
    number = truth(sandbox, stream)[5]["id"]
    company.spoil(kind, number, {field: ["no text"]})
    warehouse = Warehouse(tmp_path, config, stream, "rejected_records")
    assert warehouse.run().exit_code == 1
    for _ in range(2):
        sandbox.advance_clock(86_400)
        run = warehouse.run()
        assert run.exit_code == 1
        assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {number}"]
        assert number not in {row["id"] for row in run.records(stream)}
    company.spoil(kind, number, {})
    sandbox.advance_clock(86_400)
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert number in {row["id"] for row in run.records(stream)}
    sandbox.advance_clock(86_400)
    run = warehouse.run()
    assert run.exit_code == 0
    assert number not in {row["id"] for row in run.records(stream)}


def test_what_was_rejected_of_a_list_in_one_answer_is_asked_for_again(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    number = sandbox.companies[0].truth("journals")[5]["id"]

    def spoil(content: Any) -> None:
        for row in content:
            if row["id"] == number:
                row["status"] = ["no text"]

    proxy.altering("/journals", spoil)
    warehouse = Warehouse(tmp_path, proxy.config(), "journals", "rejected_records")
    for _ in range(2):
        run = warehouse.run()
        assert run.exit_code == 1
        assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {number}"]
        sandbox.advance_clock(86_400)
    proxy.after = lambda _, answer: answer
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert [row["id"] for row in run.records("journals")] == [number]


def test_what_was_rejected_and_is_gone_is_forgotten(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    company.reopen_periods("2000-01-01", "2100-01-01")
    number = truth(sandbox, "invoices")[3]["id"]
    company.spoil("invoices", number, {"notes": ["no text"]})
    warehouse = Warehouse(tmp_path, config, "invoices")
    assert warehouse.run().exit_code == 1
    sandbox.advance_clock(86_400)
    company.delete("invoices", number)
    for _ in range(2):
        run = warehouse.run()
        assert run.exit_code == 0, run.log


def test_a_row_that_was_rejected_has_its_document_asked_for_again(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    invoice = next(one for one in company.truth("invoices") if len(one["invoiceRows"]) > 1)
    rows = [dict(row) for row in invoice["invoiceRows"]]
    rows[1]["id"] = None
    company.spoil("invoices", invoice["id"], {"invoiceRows": rows})
    warehouse = Warehouse(tmp_path, config, "invoices", "invoice_rows", "rejected_records")
    assert warehouse.run().exit_code == 1
    sandbox.advance_clock(86_400)
    run = warehouse.run()
    assert run.exit_code == 1
    assert {row["id"] for row in run.records("invoices")} == {invoice["id"]}
    company.spoil("invoices", invoice["id"], {})
    sandbox.advance_clock(86_400)
    assert warehouse.run().exit_code == 0
    assert warehouse.current("invoice_rows") == truth(sandbox, "invoice_rows")


def log_of(run: Any, number: int) -> list[Record]:
    return [row for row in run.records("invoice_status_log") if row["invoice_id"] == number]


@pytest.mark.parametrize("answer", [Answer(404, body=NOT_FOUND), Answer(500, JSON, ERROR)])
def test_a_bulk_of_invoices_that_fails_for_one_brings_the_others(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, answer: Answer
) -> None:
    number = truth(sandbox, "invoices")[17]["id"]
    catalog = selecting("invoice_status_log", "rejected_records")
    whole = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert whole.exit_code == 0
    assert log_of(whole, number)
    proxy.before = poisoned("/invoices/transactions", {number}, answer)
    run = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert run.exit_code == 1
    (rejected,) = run.records("rejected_records")
    assert rejected["record_key"] == f"id {number}"
    expected = len(whole.records("invoice_status_log")) - len(log_of(whole, number))
    assert len(run.records("invoice_status_log")) == expected
    proxy.before = lambda _: None
    sandbox.advance_clock(86_400)
    mended = run_tap(tmp_path, proxy.config(), catalog=catalog, state=run.state)
    assert mended.exit_code == 0, mended.log
    assert log_of(mended, number) == log_of(whole, number)


@pytest.mark.parametrize("stream", ["persons", "payment_details", "invoice_payment_events"])
def test_one_of_many_single_requests_that_fails_is_rejected_alone(
    proxy: Proxy, tmp_path: Path, stream: str
) -> None:
    catalog = selecting(stream, "rejected_records")
    whole = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert whole.exit_code == 0
    owner = "invoice_id" if stream == "invoice_payment_events" else "id"
    number = whole.records(stream)[1][owner]
    paths = {
        "persons": f"/persons/{number}",
        "payment_details": f"/payments/{number}",
        "invoice_payment_events": f"/invoices/{number}/paymentevents",
    }
    proxy.answering(paths[stream], Answer(400, body=ERROR))
    run = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert run.exit_code == 1
    assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {number}"]
    expected = {row[owner] for row in whole.records(stream)} - {number}
    assert {row[owner] for row in run.records(stream)} == expected


def test_many_single_requests_that_fail_in_a_row_end_the_stream(
    proxy: Proxy, tmp_path: Path
) -> None:
    proxy.answering("/payments/[0-9]+", Answer(400, body=ERROR))
    catalog = selecting("payment_details", "rejected_records")
    run = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert run.exit_code == 1
    assert len(run.records("rejected_records")) == 10
    assert "refused the request /payments/{id}" in run.log


def test_documents_that_still_fail_do_not_end_their_stream(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """However many of them there are: all that is asked for again may fail."""
    company = sandbox.companies[0]
    company.reopen_periods("2000-01-01", "2100-01-01")
    poison = {receipt_of(company, number) for number in with_receipt(company)[:9]}
    kept = receipt_of(company, with_receipt(company)[9])
    proxy.before = poisoned("/ledgerreceipts", poison, Answer(400, body=ERROR))
    warehouse = Warehouse(tmp_path, proxy.config(), "ledger_receipts", "rejected_records")
    assert warehouse.run().exit_code == 1
    company.edit("invoices", with_receipt(company)[9])
    run = warehouse.run()
    assert run.exit_code == 1
    assert tombstones(run, "ledger_receipts") == {kept}
    assert {row["record_key"] for row in run.records("rejected_records")} == {
        f"id {number}" for number in poison
    }
    proxy.before = lambda _: None
    assert warehouse.run().exit_code == 0
    assert warehouse.current("ledger_receipts") == truth(sandbox, "ledger_receipts")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"Content-Type": "text/html", "Retry-After": "3600"}, b"<html>"),
        Answer(404, {"Content-Type": "text/html"}, b"<html>"),
    ],
)
def test_an_answer_that_is_about_no_document_is_not_asked_for_in_halves_without_end(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, answer: Answer
) -> None:
    every = {row["id"] for row in truth(sandbox, "invoices")}
    proxy.before = poisoned("/invoices", every, answer)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices", "rejected_records"))
    assert run.exit_code == 1
    assert not run.records("rejected_records")
    assert "replication_key_value" not in run.state["bookmarks"]["invoices"]["partitions"][0]
    asked = len(proxy.questions("/invoices/[0-9,]+"))
    assert asked == 1 if answer.status == 429 else asked <= 30


def test_of_two_details_with_one_id_the_second_is_rejected(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    number = truth(sandbox, "invoices")[5]["id"]

    def repeat(content: Any) -> Any:
        return [*content, *({**one, "notes": "B"} for one in content if one["id"] == number)]

    proxy.altering("/invoices/[0-9,]+", repeat, times=1)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices", "rejected_records"))
    assert run.exit_code == 1
    assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {number}"]
    assert sorted(row["id"] for row in run.records("invoices")) == [
        row["id"] for row in truth(sandbox, "invoices")
    ]


def test_odd_groups_of_rows_cost_only_themselves(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    catalog = selecting("invoice_status_log", "rejected_records")
    whole = run_tap(tmp_path, proxy.config(), catalog=catalog)
    split, empty, odd, *_ = (
        row["id"]
        for row in truth(sandbox, "invoices")
        if row["type"] == "PURCHASE_INVOICE" and len(log_of(whole, row["id"])) > 1
    )

    def spoil(content: Any) -> Any:
        groups = {one["invoiceId"]: one for one in content["results"]}
        first, *rest = groups[split]["transactions"]
        groups[split]["transactions"] = [first]
        groups[empty]["transactions"] = None
        groups[odd]["transactions"] = "none"
        more: list[Any] = [{"invoiceId": split, "transactions": rest}, None, {"transactions": []}]
        return content | {"results": [*content["results"], *more]}

    proxy.altering("/invoices/transactions", spoil, times=1)
    run = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert run.exit_code == 1
    assert len(run.records("rejected_records")) == 3
    assert log_of(run, split) == log_of(whole, split)
    assert not log_of(run, empty)
    lost = len(log_of(whole, empty)) + len(log_of(whole, odd))
    assert len(run.records("invoice_status_log")) == len(whole.records("invoice_status_log")) - lost


def test_a_detail_that_is_no_object_costs_only_its_own_record(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    first, *others = (row["id"] for row in truth(sandbox, "persons"))
    proxy.answering(f"/persons/{first}", Answer(body=b"[]"))
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("persons", "rejected_records"))
    assert run.exit_code == 1
    assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {first}"]
    assert sorted(row["id"] for row in run.records("persons")) == others
