"""Payments, the bank and what hangs on invoices: exact, incremental, and never silently short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable, when_asked
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, outcomes, run_tap
from support.oracle import key_of, receivables, truth
from support.target import Target

from tap_procountor.sandbox import Sandbox
from tap_procountor.sandbox.books import invoice_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.exact import Record
    from support.proxy import Answer, Proxy, Question


pytestmark = pytest.mark.slow


STREAMS = tuple(receivables.TABLES)
DATED = (
    "bank_statements",
    "reference_payments",
    "payments",
    "payment_error_messages",
    "direct_salary_payments",
)
NOT_BY_DEFAULT = {
    "payment_details",
    "direct_salary_payments",
    "invoice_payment_events",
    "invoice_comments",
}


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    """Two companies that use the same ids."""
    with Sandbox(companies=2, invoices=250, colliding_ids=True, requests_per_second=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def full_run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {**companies.config(), "requests_per_second": 1000}
    return run_tap(tmp_path_factory.mktemp("run"), config, catalog=selecting(*STREAMS))


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_is_the_truth_field_by_field(
    companies: Sandbox, full_run: Run, stream: str
) -> None:
    assert full_run.exit_code == 0, full_run.log
    target = Target().load(full_run)
    assert tuple(target.keys[stream]) == key_of(stream)
    assert target.rows(stream) == truth(companies, stream)
    assert len(full_run.records(stream)) == len(target.rows(stream)) > 0


def test_the_truth_has_what_is_hard(companies: Sandbox, full_run: Run) -> None:
    statements = [row["id"] for row in truth(companies, "bank_statements")]
    assert len(statements) // 2 > 400, "three pages"
    assert len(statements) // 2 % 200, "the last one short"
    assert min(statements) > 2**31
    events = truth(companies, "bank_statement_events")
    assert any(event["parent_event_id"] for event in events)
    payments = truth(companies, "invoice_payment_events")
    by_invoice = [row["invoice_id"] for row in payments if row["company_id"] == 10001]
    assert max(map(by_invoice.count, set(by_invoice))) > 400, "three pages of one invoice"
    ids = {(row["company_id"], row["id"]) for row in payments}
    assert len(ids) < len(payments), "ids that several invoices have"
    for stream in ("payment_details", "bank_statement_events", "invoice_payment_events"):
        assert any("additional_fields" in row for row in full_run.records(stream))
    statuses = {row["status"] for row in truth(companies, "payment_error_messages")}
    assert statuses == {"HANDLED", "UNHANDLED"}


def test_logs_come_by_200_invoices_and_all_else_only_if_selected(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    streams = {message["stream"] for message in run.messages if message["type"] == "SCHEMA"}
    assert streams.isdisjoint(NOT_BY_DEFAULT)
    assert streams >= set(STREAMS) - NOT_BY_DEFAULT
    # One request for each of the two lists of invoices, with offers and without.
    assert sandbox.statistics().by_route()["/invoices/transactions"] == 2


def test_events_inside_events_come_under_either_name_one_or_several(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """The text of the specification says ``event``, a client in production reads ``events``."""
    come: set[str] = set()

    def rename(answer: Record) -> None:
        for number, event in enumerate(
            event for statement in answer["results"] for event in statement["events"]
        ):
            if inner := event.pop("event", None):
                name = "event" if number % 2 else "events"
                event[name] = inner[0] if len(inner) == 1 else inner
                come.add(f"{name} {len(inner) > 1}")

    proxy.altering("/bankstatements", rename)
    streams = ("bank_statement_events", "attachments")
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*streams))
    assert run.exit_code == 0, run.log
    assert len(come) >= 2
    target = Target().load(run)
    events = truth(sandbox, "bank_statement_events")
    assert target.rows("bank_statement_events") == events
    files = {file["id"] for event in events for file in event["attachments"]}
    rows = [
        row for row in target.rows("attachments") if row["reference_type"] == "BANKSTATEMENTEVENT"
    ]
    assert {row["id"] for row in rows} == files
    assert all("size" in row for row in rows)


def test_attachments_of_payments_and_of_events_inside_others(
    companies: Sandbox, tmp_path: Path
) -> None:
    config = {**companies.config(), "requests_per_second": 1000}
    run = run_tap(tmp_path, config, catalog=selecting("attachments"))
    assert run.exit_code == 0, run.log
    wanted = {
        (owner["company_id"], stream, owner["id"], file["id"], file["name"])
        for stream in ("reference_payments", "bank_statement_events")
        for owner in truth(companies, stream)
        for file in owner["attachments"]
    }
    rows = {
        tuple(row[name] for name in ("company_id", "owner_stream", "owner_id", "id", "name"))
        for row in Target().load(run).rows("attachments")
        if row["owner_stream"] in {"reference_payments", "bank_statement_events"}
    }
    assert rows == wanted
    parents = {row["id"]: row for row in truth(companies, "bank_statement_events")}
    assert any(
        parents[owner]["parent_event_id"] for _, stream, owner, *_ in rows if "bank" in stream
    )


# Incremental


def test_only_changed_invoices_are_asked_again(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    catalog = selecting("invoice_status_log", "invoice_payment_events", "invoice_comments")
    first = run_tap(tmp_path, config, catalog=catalog)
    sandbox.advance_clock(86400)
    changed = next(
        one
        for one in editable(company)
        if company.books.invoices.rows.row(one).type in invoice_events.DISCUSSED
    )
    company.edit("invoices", changed)
    sandbox.advance_clock(10)
    sandbox.reset_statistics()
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    for stream in ("invoice_status_log", "invoice_payment_events", "invoice_comments"):
        assert {row["invoice_id"] for row in second.records(stream)} == {changed}
        target = Target().load(first).load(second)
        newest = {row["id"]: row["version"] for row in truth(sandbox, "invoices")}
        current = [
            row for row in target.rows(stream) if row["version"] == newest[row["invoice_id"]]
        ]
        assert current == truth(sandbox, stream)
    assert sandbox.statistics().by_route()["/invoices/{id}/paymentevents"] == 1


@pytest.mark.parametrize("stream", mostly_slow(DATED))
def test_rows_of_the_last_days_are_read_again_and_later_ones_come(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str
) -> None:
    company = sandbox.companies[0]
    kind = receivables.KINDS.get(stream, "payments")
    sandbox.set_clock("2026-10-01T09:00:00+00:00")
    recent = company.create_dated(kind, "2026-09-20")
    future = company.create_dated(kind, "2026-12-01")
    catalog = selecting(stream)
    first = run_tap(tmp_path, config, catalog=catalog)
    assert Target().load(first).rows(stream) == truth(sandbox, stream)
    sandbox.set_clock("2026-10-15T09:00:00+00:00")
    company.edit(kind, recent)
    company.edit(kind, future)
    company.create_dated(kind, "2026-10-10")
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    assert 0 < len(second.records(stream)) < len(first.records(stream))
    assert Target().load(first).load(second).rows(stream) == truth(sandbox, stream)
    (partition,) = second.state["bookmarks"][stream]["partitions"]
    assert partition["replication_key_value"][:10] == "2026-10-15"


def test_the_days_read_again_are_a_setting(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    sandbox.set_clock("2026-10-15T09:00:00+00:00")
    config["date_lookback_days"] = 5
    older, newer = (company.create_dated("payments", f"2026-10-{day}") for day in ("09", "10"))
    first = run_tap(tmp_path, config, catalog=selecting("payments"))
    second = run_tap(tmp_path, config, catalog=selecting("payments"), state=first.state)
    dates = {row["payment_date"] for row in second.records("payments")}
    assert min(dates) == "2026-10-10"
    ids = {row["id"] for row in second.records("payments")}
    assert newer in ids
    assert older not in ids


def test_start_and_end_date_bound_the_rows_by_their_dates(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    bounds = {"start_date": "2024-01-01", "end_date": "2024-12-31"}
    sandbox.companies[0].create_dated("payments/errormessages", "2024-06-30")
    catalog = selecting("bank_statements", "payment_error_messages")
    run = run_tap(tmp_path, config | bounds, catalog=catalog)
    for stream, date in (
        ("bank_statements", "start_date"),
        ("payment_error_messages", "created_date"),
    ):
        within = [
            row for row in truth(sandbox, stream) if "2024-01-01" <= row[date] <= "2024-12-31"
        ]
        assert Target().load(run).rows(stream) == within
        assert within


@pytest.mark.parametrize("stream", mostly_slow(["bank_statements", "payment_details"]))
def test_rows_entered_long_after_their_date_come_too(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str
) -> None:
    company = sandbox.companies[0]
    kind = receivables.KINDS[stream]
    first = run_tap(tmp_path, config, catalog=selecting(stream))
    late = [company.create_dated(kind, date) for date in ("2022-03-04", "2026-12-01")]
    sandbox.reset_statistics()
    second = run_tap(tmp_path, config, catalog=selecting(stream), state=first.state)
    target = Target().load(first).load(second)
    assert target.rows(stream) == truth(sandbox, stream)
    assert {row["id"] for row in second.records(stream)} >= set(late)
    # The list of the last days, and that of what is older but new.
    assert sandbox.statistics().by_route()[f"/{kind}"] == 2
    third = run_tap(tmp_path, config, catalog=selecting(stream), state=second.state)
    assert late[0] not in {row["id"] for row in third.records(stream)}
    config["start_date"] = "2023-01-01"
    bounded = run_tap(tmp_path, config, catalog=selecting(stream), state=first.state)
    assert late[0] not in {row["id"] for row in bounded.records(stream)}


def test_between_the_last_days_and_what_is_older_no_row_is_lost_or_repeated(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    """What is older is read if it is new, from ``start_date`` to the day before the last days."""
    stream, catalog = "bank_statements", selecting("bank_statements")
    company = sandbox.companies[0]
    sandbox.set_clock("2026-10-15T09:00:00+00:00")
    config |= {"date_lookback_days": 5, "start_date": "2026-08-01"}
    first = run_tap(tmp_path, config, catalog=catalog)
    dates = ("2026-07-31", "2026-08-01", "2026-10-09", "2026-10-10", "2026-10-11")
    created = {date: company.create_dated("bankstatements", date) for date in dates}
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    read = [row["id"] for row in second.records(stream)]
    assert {date: read.count(number) for date, number in created.items()} == dict(
        zip(dates, (0, 1, 1, 1, 1), strict=True)
    )
    # When all that is wanted lies within the last days, nothing older is asked for.
    sandbox.reset_statistics()
    config["start_date"] = "2026-10-11"
    third = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    read_again = {row["id"] for row in third.records(stream)}
    assert read_again & {*created.values()} == {created["2026-10-11"]}
    assert sandbox.statistics().by_route()["/bankstatements"] == 1


def test_what_is_hidden_from_a_run_with_fewer_rights_comes_later_however_old_its_date(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """That run meets a higher id, which must not count as the highest of what has been read."""
    stream, catalog = "bank_statements", selecting("bank_statements")
    company = sandbox.companies[0]
    config = proxy.config()
    first = run_tap(tmp_path, config, catalog=catalog)
    hidden = company.create_dated("bankstatements", "2022-03-04")
    company.create_dated("bankstatements", "2026-12-01")
    right = "payments.bankStatementAndReferencePayment"

    def hide(answer: Any) -> None:
        shown = [row for row in answer["results"] if row["id"] != hidden]
        answer["meta"]["totalCount"] -= len(answer["results"]) - len(shown)
        answer["results"] = shown

    def without_right(answer: Any) -> None:
        group, _, name = right.partition(".")
        answer["rights"][group][name] = "NO_ACCESS"

    def limited(question: Question, answer: Answer) -> Answer:
        alter = {"/bankstatements": hide, "/users/rights": without_right}.get(question.path)
        if alter is None:
            return answer
        content = answer.content
        alter(content)
        return answer.having(content)

    proxy.after = limited
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 1
    assert right in second.log
    proxy.after = lambda _, answer: answer
    third = run_tap(tmp_path, config, catalog=catalog, state=second.state)
    assert third.exit_code == 0, third.log
    target = Target().load(first).load(second).load(third)
    assert target.rows(stream) == truth(sandbox, stream)


@pytest.mark.parametrize(
    "stream", mostly_slow(["bank_statements", "reference_payments", "payment_details"])
)
def test_deletions_are_found_when_all_are_looked_for(
    sandbox: Sandbox, config: Record, tmp_path: Path, stream: str
) -> None:
    company = sandbox.companies[0]
    kind = receivables.KINDS[stream]
    config["deletion_check"] = "full"
    first = run_tap(tmp_path, config, catalog=selecting(stream))
    gone = company.truth(kind)[3]["id"]
    company.delete(kind, gone)
    second = run_tap(tmp_path, config, catalog=selecting(stream), state=first.state)
    assert second.exit_code == 0, second.log
    rows = Target().load(first).load(second).rows(stream)
    assert [row["id"] for row in rows if "_sdc_deleted_at" in row] == [gone]
    assert [row for row in rows if "_sdc_deleted_at" not in row] == truth(sandbox, stream)


def test_a_stopped_run_goes_on_behind_the_last_invoice(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    catalog = selecting("invoice_payment_events")
    asked = sorted(row["id"] for row in truth(sandbox, "invoices") if not row["is_offer"])
    middle = asked[len(asked) // 2]
    sandbox.add_fault(path=f"/invoices/{middle}/paymentevents", status=400, html=False, times=None)
    first = run_tap(tmp_path, config, catalog=catalog)
    assert first.exit_code == 1
    assert "invoice_payment_events" in first.log
    sandbox.clear_faults()
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    rows = Target().load(first).load(second).rows("invoice_payment_events")
    assert rows == truth(sandbox, "invoice_payment_events")


def test_an_invoice_deleted_meanwhile_has_no_rows(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    invoice = editable(company)[-1]
    with when_asked(
        sandbox, "/invoices/{id}/paymentevents", lambda: company.delete("invoices", invoice)
    ):
        config["max_concurrency"] = 1
        run = run_tap(tmp_path, config, catalog=selecting("invoice_payment_events"))
    assert run.exit_code == 0, run.log
    assert f"deleted while being read: {invoice}" in run.log
    rows = Target().load(run).rows("invoice_payment_events")
    assert rows == truth(sandbox, "invoice_payment_events")


def test_rows_without_id_are_rejected_not_lost(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    payment = company.truth("payments")[3]["id"]
    company.spoil("payments", payment, {"id": None})
    run = run_tap(tmp_path, config, catalog=selecting("payments", "rejected_records"))
    assert run.exit_code == 1
    rows = Target().load(run).rows("payments")
    assert rows == [row for row in truth(sandbox, "payments") if row["id"] != payment]
    (rejected,) = run.records("rejected_records")
    assert rejected["stream"] == "payments"


# Rights


def test_the_connection_test_asks_for_one_row_of_each_list(
    companies: Sandbox, tmp_path: Path
) -> None:
    companies.reset_statistics()
    config = {**companies.config(), "requests_per_second": 1000}
    run = run_tap(tmp_path, config, "--test", catalog=selecting(*STREAMS))
    assert run.exit_code == 0, run.log
    routes = companies.statistics().by_route()
    for route in ("/invoices/{id}/comments", "/invoices/transactions", "/payments/{id}"):
        assert routes[route] == 2, "one for each company"


@pytest.mark.parametrize(
    ("right", "stream", "words"),
    mostly_slow(
        [
            ("management.basicCompanyInfo", "bank_accounts", "Basic company info"),
            ("payments.payment", "payments", "Payments: Payment"),
            ("payments.payment", "payment_details", "Payments: Payment"),
            ("payments.payment", "payment_error_messages", "Payments: Payment"),
            ("payments.salaryPayments", "direct_salary_payments", "Salary payments"),
            (
                "payments.bankStatementAndReferencePayment",
                "reference_payments",
                "Bank statement and reference payment",
            ),
            (
                "payments.bankStatementAndReferencePayment",
                "bank_statements",
                "Bank statement and reference payment",
            ),
            (
                "sales.salesInvoiceSearch",
                "invoice_status_log",
                "Sales invoices and orders are hidden",
            ),
            ("purchases.purchaseInvoiceSearch", "invoice_payment_events", "Purchase invoices and"),
            ("purchases.purchaseInvoiceSearch", "invoice_comments", "Purchase invoices and"),
        ],
        by_default=3,
    ),
)
def test_each_missing_right_is_named(  # noqa: PLR0913, PLR0917 - a table of cases
    sandbox: Sandbox, config: Record, tmp_path: Path, right: str, stream: str, words: str
) -> None:
    sandbox.companies[0].set_right(right)
    run = run_tap(tmp_path, config, catalog=selecting(stream))
    assert run.exit_code == 1
    assert words in run.log
    assert right in run.log


def test_without_discussion_no_comments_are_asked_for(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.companies[0].set_discussion(enabled=False)
    config["run_report_path"] = str(tmp_path / "r.json")
    run = run_tap(tmp_path, config, catalog=selecting("invoice_comments"))
    assert run.exit_code == 1
    assert "the discussion of invoices" in run.log
    assert outcomes(config)["invoice_comments"]["verdict"] == "module off"
    routes = sandbox.statistics().by_route()
    assert not routes["/invoices"]
    assert not routes["/invoices/{id}/comments"]


def test_attachments_are_not_called_empty_because_one_of_their_owners_is(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    for payment in company.truth("referencepayments"):
        company.delete("referencepayments", payment["id"])
    for statement in company.truth("bankstatements"):
        company.delete("bankstatements", statement["id"])
    config["run_report_path"] = str(tmp_path / "r.json")
    run = run_tap(tmp_path, config, catalog=selecting("attachments"))
    assert run.records("attachments")
    assert outcomes(config)["attachments"]["verdict"] == "readable"
