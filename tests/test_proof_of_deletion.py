"""A deletion is final: it is proved at the moment it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable
from support.catalog import selecting
from support.command import Run, run_tap
from support.oracle import truth
from support.proxy import NOT_FOUND, Answer, Proxy, Question, without
from test_deletions import LEDGER, Warehouse, receipt_of, tombstones, with_receipt

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.exact import Record

    from tap_procountor.sandbox.company import Company


pytestmark = pytest.mark.slow


def is_sweep(question: Question) -> bool:
    return question.path == "/ledgerreceipts" and "startDate" in question.query


def once(is_meant: Callable[[Question], bool], action: Callable[[], object]) -> Any:
    """Do something right before the first such question is passed on."""
    done: list[Question] = []

    def before(question: Question) -> Answer | None:
        if is_meant(question) and not done:
            done.append(question)
            action()
        return None

    return before


@pytest.fixture
def larger() -> Iterator[Proxy]:
    """A proxy before a company that has 68 receipts in open periods."""
    with Sandbox(invoices=1000, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        yield proxy


def company_of(proxy: Proxy) -> Company:
    return proxy.sandbox.companies[0]


@pytest.mark.parametrize("comes_back", ["between runs", "after a run"])
def test_a_right_withdrawn_while_receipts_are_read_deletes_none(
    larger: Proxy, tmp_path: Path, comes_back: str
) -> None:
    company = company_of(larger)
    right = "accounting.journalReceiptSearch"
    warehouse = Warehouse(tmp_path, larger.config(), "ledger_receipts")
    warehouse.run()
    company.edit("invoices", with_receipt(company)[0])
    larger.before = once(is_sweep, lambda: company.set_right(right))
    run = warehouse.run()
    assert run.exit_code == 1
    assert right in run.log
    assert not tombstones(run, "ledger_receipts")
    if comes_back == "after a run":
        run = warehouse.run()
        assert run.exit_code == 1
        assert not tombstones(run, "ledger_receipts")
    company.set_right(right, "ALL_RIGHTS")
    assert warehouse.run().exit_code == 0
    assert warehouse.current("ledger_receipts") == truth(larger.sandbox, "ledger_receipts")


def test_what_a_withdrawn_right_hid_from_a_run_is_read_once_it_is_back(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """The edit is older than the lookback when it can be seen again."""
    company = sandbox.companies[0]
    right = "purchases.purchaseInvoiceSearch"
    (edited, *_) = (
        one["id"]
        for one in company.truth("invoices")
        if one["type"] == "PURCHASE_INVOICE" and one["id"] in editable(company)
    )
    warehouse = Warehouse(
        tmp_path, proxy.config(deletion_check="full", max_deleted_share=1), "invoices"
    )
    warehouse.run()
    sandbox.advance_clock(8 * 3600)
    company.edit("invoices", edited)
    sandbox.advance_clock(8 * 3600)
    proxy.before = once(
        lambda question: question.path == "/invoices", lambda: company.set_right(right)
    )
    run = warehouse.run()
    assert run.exit_code == 1
    assert not tombstones(run, "invoices")
    sandbox.advance_clock(8 * 3600)
    company.set_right(right, "ALL_RIGHTS")
    assert warehouse.run().exit_code == 0
    assert warehouse.current("invoices") == truth(sandbox, "invoices")


UNREADABLE = {
    "forbidden": Answer(403, body=b'{"errors":[{"status":403,"message":"FORBIDDEN"}]}'),
    "not found": Answer(404, body=NOT_FOUND),
    "without rights": Answer(body=b"{}"),
    "not as documented": Answer(body=b'{"rights":[]}'),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("path", ["/users/rights", "/company/usagesettings"])
def test_rights_that_can_no_longer_be_read_hold_deletions_back(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, case: str, path: str
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(), "ledger_receipts")
    warehouse.run()
    invoice = with_receipt(company)[0]
    ghost = receipt_of(company, invoice)
    company.edit("invoices", invoice)
    proxy.answering(path, UNREADABLE[case])
    for _ in range(2):
        run = warehouse.run()
        assert run.exit_code == 1
        assert not tombstones(run, "ledger_receipts")
    proxy.before = lambda _: None
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert tombstones(run, "ledger_receipts") == {ghost}


def test_the_rights_are_asked_for_again_only_if_something_is_gone(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(), *LEDGER)
    for expected in (1, 1):
        proxy.asked.clear()
        warehouse.run()
        assert len(proxy.questions("/users/rights")) == expected
    company.invalidate(with_receipt(company)[0])
    proxy.asked.clear()
    run = warehouse.run()
    assert tombstones(run, "ledger_receipts")
    assert len(proxy.questions("/users/rights")) == 2
    last = [one.path for one in proxy.asked if one.path.startswith(("/ledger", "/users/rights"))]
    assert last[-1] == "/users/rights"


PERSONAL = "accounting.personalJournalReceiptsOnly"


def test_another_user_with_personal_limits_is_a_change_of_rights(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """Both may see their own receipts only: what the one saw is hidden from the other."""
    company = sandbox.companies[0]
    company.set_right(PERSONAL, True)  # noqa: FBT003 - a switch
    lenient = proxy.config(on_missing_permission="warn")
    warehouse = Warehouse(tmp_path, lenient, "ledger_receipts")
    assert warehouse.run().exit_code == 0
    visible = {row["id"] for row in warehouse.current("ledger_receipts")}
    receipt = next(
        number
        for number in (receipt_of(company, invoice) for invoice in with_receipt(company))
        if number in visible
    )

    def another(question: Question, answer: Answer) -> Answer:
        if question.path == "/sessioninfo":
            return answer.having(answer.content | {"userId": 999})
        if question.path == "/ledgerreceipts":
            return answer.having(without(receipt)(answer.content))
        if question.path == f"/ledgerreceipts/{receipt}":
            return Answer(404, body=NOT_FOUND)
        return answer

    company.edit_dimensions(receipt)
    proxy.after = another
    run = warehouse.run()
    assert run.exit_code == 1
    assert "userId" in run.log
    assert not tombstones(run, "ledger_receipts")
    proxy.after = lambda _, answer: answer
    run = warehouse.run()
    assert run.exit_code == 0
    # The limit still hides some of the truth.
    assert {row["id"] for row in warehouse.current("ledger_receipts")} == visible
    (row,) = (row for row in warehouse.current("ledger_receipts") if row["id"] == receipt)
    assert row in truth(sandbox, "ledger_receipts")


@pytest.mark.parametrize(
    ("stream", "path"), [("ledger_receipts", "/ledgerreceipts/.*"), ("invoices", "/invoices/.*")]
)
def test_the_page_of_a_gateway_proves_no_deletion(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, stream: str, path: str
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(deletion_check="full"), stream)
    warehouse.run()
    invoice = with_receipt(company)[0]
    expected = receipt_of(company, invoice) if stream == "ledger_receipts" else invoice
    company.delete("invoices", invoice)
    # A company without changes asks for no details but those of what is missing.
    sandbox.advance_clock(3600 * 24)
    page = Answer(404, {"Content-Type": "text/html"}, b"<html>no such page</html>")
    proxy.answering(path.replace(".*", str(expected)), page)
    run = warehouse.run()
    assert run.exit_code == 1
    assert not tombstones(run, stream)
    proxy.before = lambda _: None
    assert tombstones(warehouse.run(), stream) == {expected}


@pytest.mark.parametrize("stream", ["persons", "bank_accounts"])
def test_details_that_are_not_found_although_they_are_listed_are_a_fault(
    proxy: Proxy, tmp_path: Path, stream: str
) -> None:
    warehouse = Warehouse(tmp_path, proxy.config(deletion_check="full"), stream, "rejected_records")
    assert warehouse.run().exit_code == 0
    number = warehouse.current(stream)[0]["id"]
    path = {"persons": "/persons", "bank_accounts": "/bankaccounts"}[stream]
    proxy.answering(f"{path}/{number}", Answer(404, body=NOT_FOUND))
    run = warehouse.run()
    assert run.exit_code == 1
    assert not tombstones(run, stream)
    (rejected,) = run.records("rejected_records")
    assert rejected["record_key"] == f"id {number}"
    assert f"did not come from {path}" in rejected["reason"]


def test_a_list_that_does_not_come_to_rest_proves_no_deletion(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """The details of a row do not come; the list, asked again, lacks the row, but counts it."""
    lacking = truth(sandbox, "persons")[0]["id"]
    proxy.answering(f"/persons/{lacking}", Answer(404, body=NOT_FOUND))

    def hide(answer: dict[str, Any]) -> None:
        if proxy.questions(f"/persons/{lacking}"):
            answer["results"] = [row for row in answer["results"] if row["id"] != lacking]

    proxy.altering("/persons", hide)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("persons"))
    assert run.exit_code == 1
    assert "The list /persons keeps changing" in run.log


def test_a_person_that_the_list_lacks_but_that_exists_is_not_declared_deleted(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path, proxy.config(deletion_check="full"), "persons")
    warehouse.run()
    hidden, deleted = (row["id"] for row in warehouse.current("persons")[:2])
    sandbox.companies[0].delete("persons", deleted)
    proxy.altering("/persons", without(hidden))
    run = warehouse.run()
    assert tombstones(run, "persons") == {deleted}
    proxy.after = lambda _, answer: answer
    warehouse.run()
    assert warehouse.current("persons") == truth(sandbox, "persons")


def test_a_row_of_a_register_that_one_answer_lacks_is_not_declared_deleted(
    proxy: Proxy, tmp_path: Path
) -> None:
    warehouse = Warehouse(
        tmp_path, proxy.config(deletion_check="full"), "dimensions", "dimension_items"
    )
    warehouse.run()
    proxy.altering("/dimensions", lambda content: [content[0], *content[2:]], times=1)
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert not tombstones(run, "dimensions")
    assert not tombstones(run, "dimension_items")


def test_a_row_that_the_details_of_its_owner_lack_once_is_not_declared_deleted(
    proxy: Proxy, tmp_path: Path
) -> None:
    streams = ("salary_slips", "salary_slip_rows")
    warehouse = Warehouse(tmp_path, proxy.config(deletion_check="full"), *streams)
    warehouse.run()

    def shorten(content: Any) -> None:
        content[0]["rows"].pop()

    proxy.altering("/payrolls/salaryslips/[0-9,]+", shorten, times=1)
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert not tombstones(run, "salary_slip_rows")


def test_a_document_edited_while_the_ledger_is_read_keeps_a_receipt(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(), *LEDGER)
    warehouse.run()
    sandbox.advance_clock(60)
    invoice = with_receipt(company)[0]

    def edit() -> None:
        sandbox.advance_clock(2)
        company.edit("invoices", invoice)

    proxy.before = once(is_sweep, edit)
    assert warehouse.run().exit_code == 0
    having = [r for r in warehouse.current("ledger_receipts") if r.get("invoice_id") == invoice]
    assert len(having) == 1


def test_a_receipt_created_anew_behind_the_end_of_the_list_is_read(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """The list has come when the document is edited; its details no longer do."""
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(), *LEDGER)
    warehouse.run()
    sandbox.advance_clock(6 * 3600)
    invoice = with_receipt(company)[0]
    proxy.before = once(
        lambda question: question.path.startswith("/ledgerreceipts/"),
        lambda: company.edit("invoices", invoice),
    )
    assert warehouse.run().exit_code == 0
    assert [
        row["id"]
        for row in warehouse.current("ledger_receipts")
        if row.get("invoice_id") == invoice
    ] == [receipt_of(company, invoice)]


@pytest.mark.parametrize("check", ["open_periods", "full"])
def test_a_receipt_of_a_backfill_does_not_count_twice_after_an_edit(
    sandbox: Sandbox, config: Record, tmp_path: Path, check: str
) -> None:
    company = sandbox.companies[0]
    sandbox.advance_clock(3600)
    settings = config | {"deletion_check": check, "start_date": "2031-01-01"}
    warehouse = Warehouse(tmp_path, settings, "ledger_receipts", "persons")
    warehouse.run()
    warehouse.run(start_date="2000-01-01", end_date="2030-01-01")
    invoice = with_receipt(company)[0]
    ghost = receipt_of(company, invoice)
    assert ghost in {row["id"] for row in warehouse.current("ledger_receipts")}
    company.edit("invoices", invoice)
    run = warehouse.run(start_date="2000-01-01")
    assert tombstones(run, "ledger_receipts") == {ghost}


@pytest.mark.parametrize(
    ("stream", "field"),
    [("invoices", "version"), ("payments", "paymentDate"), ("journals", "version")],
)
def test_no_row_that_was_never_loaded_gets_a_tombstone(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str, field: str
) -> None:
    company = sandbox.companies[0]
    stamps = sorted(str(one[field])[:10] for one in company.truth(stream))
    late = config | {"start_date": stamps[len(stamps) // 2], "deletion_check": "full"}
    warehouse = Warehouse(tmp_path, late, stream)
    warehouse.run()
    loaded = {row["id"] for row in warehouse.current(stream)}
    company.reopen_periods("2020-01-01", "2026-12-31")
    for document in company.truth(stream):
        company.delete(stream, document["id"])
    gone: set[int] = set()
    for _ in range(2):
        gone |= tombstones(warehouse.run(confirm_deletions=True), stream)
    assert loaded
    assert gone <= loaded


def test_the_share_is_of_the_rows_compared(tmp_path: Path) -> None:
    """Of all receipts it would be less than a tenth."""
    with Sandbox(invoices=1000, requests_per_second=0) as sandbox:
        company = sandbox.companies[0]
        warehouse = Warehouse(
            tmp_path, {**sandbox.config(), "requests_per_second": 1000}, "ledger_receipts"
        )
        warehouse.run()
        for invoice in with_receipt(company)[:30]:
            company.invalidate(invoice)
        run = warehouse.run()
        assert run.exit_code == 1
        assert "more than max_deleted_share allows" in run.log
        assert not tombstones(run, "ledger_receipts")
        run = warehouse.run(confirm_deletions=True)
        assert len(tombstones(run, "ledger_receipts")) == 30


@pytest.mark.parametrize("stream", ["persons", "dimension_items"])
def test_a_row_of_a_full_table_written_by_a_killed_run_leaves_no_ghost(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str
) -> None:
    settings = config | {"deletion_check": "full"}
    warehouse = Warehouse(tmp_path, settings, stream)
    whole = run_tap(tmp_path, settings, catalog=selecting(stream))
    last = max(at for at, m in enumerate(whole.messages) if m["type"] == "RECORD")
    killed = Run(-9, whole.messages[: last + 1], "")
    warehouse.target.load(killed)
    warehouse.state = killed.state
    company = sandbox.companies[0]
    if stream == "persons":
        ghost = company.truth("persons")[0]["id"]
        company.delete("persons", ghost)
    else:
        ghost = company.books.dimensions[0]["items"].pop()["id"]
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert tombstones(run, stream) == {ghost}
    assert warehouse.current(stream) == truth(sandbox, stream)


def invoice_of(company: Company, kind: str) -> int:
    """Return an invoice of a type that may be edited."""
    of_kind = {one["id"] for one in company.truth("invoices") if one["type"] == kind}
    return next(number for number in editable(company) if number in of_kind)


def test_a_right_withdrawn_between_list_and_details_moves_no_bookmark(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    right = "purchases.purchaseInvoiceSearch"
    edited = invoice_of(company, "PURCHASE_INVOICE")
    warehouse = Warehouse(tmp_path, proxy.config(lookback=0), "invoices")
    warehouse.run()
    company.edit("invoices", edited)
    sandbox.advance_clock(2)
    proxy.before = once(
        lambda question: question.path.startswith("/invoices/"), lambda: company.set_right(right)
    )
    assert warehouse.run().exit_code == 1
    company.set_right(right, "ALL_RIGHTS")
    assert warehouse.run().exit_code == 0
    assert warehouse.current("invoices") == truth(sandbox, "invoices")


def test_a_rejected_document_is_not_forgotten_while_it_may_be_hidden(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    right = "purchases.purchaseInvoiceSearch"
    spoilt = invoice_of(company, "PURCHASE_INVOICE")
    company.spoil("invoices", spoilt, {"notes": ["no text"]})
    warehouse = Warehouse(tmp_path, proxy.config(lookback=0), "invoices")
    assert warehouse.run().exit_code == 1
    sandbox.advance_clock(2)
    proxy.before = once(
        lambda question: question.path == "/invoices", lambda: company.set_right(right)
    )
    assert warehouse.run().exit_code == 1
    company.spoil("invoices", spoilt, {})
    company.set_right(right, "ALL_RIGHTS")
    warehouse.run()
    assert warehouse.current("invoices") == truth(sandbox, "invoices")


@pytest.mark.parametrize("stream", ["invoices", "ledger_receipts"])
def test_full_reads_what_the_target_lacks_however_old_it_is(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, stream: str
) -> None:
    path = f"/{stream.replace('_', '')}"
    hidden = truth(sandbox, stream)[3]["id"]
    proxy.altering(path, without(hidden))
    warehouse = Warehouse(tmp_path, proxy.config(deletion_check="full", lookback=0), stream)
    warehouse.run()
    assert hidden not in {row["id"] for row in warehouse.current(stream)}
    proxy.after = lambda _, answer: answer
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert warehouse.current(stream) == truth(sandbox, stream)


def test_of_several_that_are_gone_one_that_is_unclear_holds_back_only_itself(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    warehouse = Warehouse(tmp_path, proxy.config(), "ledger_receipts", "rejected_records")
    warehouse.run()
    first, second = (receipt_of(company, invoice) for invoice in with_receipt(company)[:2])
    for invoice in with_receipt(company)[:2]:
        company.invalidate(invoice)

    def refuse(question: Question) -> Answer | None:
        is_asked = str(second) in question.path.rpartition("/")[2].split(",")
        error = b'{"errors":[{"status":400,"message":"BAD_REQUEST"}]}'
        return Answer(400, body=error) if is_asked else None

    proxy.before = refuse
    run = warehouse.run()
    assert run.exit_code == 1
    assert tombstones(run, "ledger_receipts") == {first}
    assert [row["record_key"] for row in run.records("rejected_records")] == [f"id {second}"]
    proxy.before = lambda _: None
    run = warehouse.run()
    assert run.exit_code == 0, run.log
    assert tombstones(run, "ledger_receipts") == {second}
