"""Promise 7: what goes wrong between Procountor and the records shows as a figure."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import report_of, run_tap
from support.oracle import truth
from support.oracle.books import OFFICIAL_STATUSES
from support.proxy import Proxy, Question
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.command import Run

Json = dict[str, Any]
#: Changes of the sums, by month and account.
Changes = dict[tuple[str, str], Decimal]

YEAR = "2025"
DETAILS = "/ledgerreceipts/[0-9,]+"


@pytest.fixture
def companies() -> Iterator[Sandbox]:
    with Sandbox(companies=2, invoices=60, colliding_ids=True, requests_per_second=0) as running:
        yield running


def reconciled(config: Json, folder: Path, *year: str) -> tuple[Run, str]:
    """Run the command; return its run, and what it prints."""
    run = run_tap(folder, config, "--reconcile", *year)
    assert not run.messages
    assert "Traceback" not in run.log
    return run, run.printed


@pytest.mark.parametrize("year", mostly_slow(["2022", "2025", "2023", "2024", "2026"]))
def test_untouched_books_tie_out(companies: Sandbox, tmp_path: Path, year: str) -> None:
    """In 2022 there are superseded openings of the year, in every year some of a month."""
    run, output = reconciled(companies.config(), tmp_path, year)
    assert run.exit_code == 0, output
    for company in companies.companies:
        assert f"Company {company.id}: the books tie out: 12 of 12 periods" in output
    assert output.count("  ties out\n") == 24


def test_superseded_openings_would_show(companies: Sandbox) -> None:
    receipts = [
        (one["type"], one["receiptDate"][:7])
        for one in companies.companies[0].truth("ledger_receipts")
        if one["type"] == "TRACKING_PERIOD_OPENING_RECEIPT"
    ]
    assert len(receipts) > len(set(receipts))


@pytest.mark.slow
def test_open_years_by_default(companies: Sandbox, tmp_path: Path) -> None:
    run, output = reconciled(companies.config(), tmp_path)
    assert run.exit_code == 0, output
    assert re.findall(r"^  (\d{4})", output, re.MULTILINE) == ["2026"] * 24


@pytest.mark.parametrize(
    ("year", "words"), [("soon", "takes a year"), ("1999", "No fiscal year begins in 1999")]
)
def test_years_that_there_are_not(sandbox: Sandbox, tmp_path: Path, year: str, words: str) -> None:
    run, output = reconciled(sandbox.config(), tmp_path, year)
    assert run.exit_code == 1
    assert words in output + run.log


def move(receipt: Json, day: str, changes: Changes) -> None:
    for entry in receipt["transactions"]:
        changes[receipt["receiptDate"][:7], entry["account"]] -= entry["accountingValue"]
        changes[day[:7], entry["account"]] += entry["accountingValue"]
    receipt["receiptDate"] = day


def lose_entry(receipt: Json, changes: Changes) -> None:
    entry = receipt["transactions"].pop()
    changes[receipt["receiptDate"][:7], entry["account"]] -= entry["accountingValue"]


def double_entry(receipt: Json, changes: Changes) -> None:
    entry = receipt["transactions"][-1]
    receipt["transactions"].append(entry | {"id": entry["id"] + 10**6})
    changes[receipt["receiptDate"][:7], entry["account"]] += entry["accountingValue"]


def change_amount(receipt: Json, changes: Changes) -> None:
    receipt["transactions"][0]["accountingValue"] += Decimal("0.01")
    changes[receipt["receiptDate"][:7], receipt["transactions"][0]["account"]] += Decimal("0.01")


def change_account(receipt: Json, changes: Changes) -> None:
    entry = receipt["transactions"][0]
    month = receipt["receiptDate"][:7]
    changes[month, entry["account"]] -= entry["accountingValue"]
    entry["account"] = "9999"
    changes[month, "9999"] += entry["accountingValue"]


def lose_status(receipt: Json, changes: Changes) -> None:
    for entry in receipt["transactions"]:
        changes[receipt["receiptDate"][:7], entry["account"]] -= entry["accountingValue"]
    receipt["status"] = "UNFINISHED"


def next_month(receipt: Json, changes: Changes) -> None:
    month = int(receipt["receiptDate"][5:7]) % 12 + 1
    move(receipt, f"{YEAR}-{month:02}-28", changes)


FAULTS = (lose_entry, double_entry, change_amount, change_account, lose_status, next_month)


def differences_printed(output: str) -> Changes:
    """Return the differences of the accounts in the command's table."""
    tables = re.findall(r"^  (\d{4}-\d\d)-\d\d to .*\n((?:    .*\n)*)", output, re.MULTILINE)
    return {
        (month, account): Decimal(amount.replace(",", ""))
        for month, lines in tables
        for account, amount in re.findall(r"account (\S+): .*, difference (\S+)", lines)
    }


def differences_written(run: Run) -> Changes:
    """Return the differences in the rows of a run."""
    return {
        (row["start_date"][:7], row["ledger_account_code"]): Decimal(row["difference"])
        for row in run.records("reconciliation")
        if row["verdict"] == "differs"
    }


@pytest.mark.parametrize(
    ("way", "examples"),
    mostly_slow([("run", 5), ("command", 20), ("run", 40)]),
)
def test_whatever_changes_a_sum_is_named_to_the_cent(
    companies: Sandbox, tmp_path: Path, way: str, examples: int
) -> None:
    """A fault in one receipt, or the same in two."""
    company = companies.companies[0]

    @given(place=st.integers(0, 10_000), fault=st.sampled_from(FAULTS), is_doubled=st.booleans())
    @settings(max_examples=examples, deadline=None)
    def check(place: int, fault: Callable[[Json, Changes], None], *, is_doubled: bool) -> None:
        official = [
            receipt
            for receipt in company.truth("ledger_receipts")
            if receipt["receiptDate"].startswith(YEAR)
            and receipt.get("status") in OFFICIAL_STATUSES
            and all(entry["accountingValue"] for entry in receipt["transactions"])
        ]
        chosen = {official[(place + at) % len(official)]["id"] for at in range(1 + is_doubled)}
        changes: Changes = defaultdict(Decimal)
        for receipt in official:
            if receipt["id"] in chosen:
                fault(receipt, changes)

        def alter(receipts: list[Json]) -> None:
            for receipt in receipts:
                if receipt["id"] in chosen:
                    fault(receipt, defaultdict(Decimal))

        with Proxy(companies) as proxy:
            proxy.altering(DETAILS, alter)
            config = proxy.config(reconcile="strict")
            config |= {"api_keys": None, "api_key": company.api_key}
            if way == "command":
                run, output = reconciled(config, tmp_path, YEAR)
                named = differences_printed(output)
            else:
                run, report = compared(config, tmp_path)
                named = differences_written(run)
                output = report["reconciliation"][0]
        assert named == {key: change for key, change in changes.items() if change}
        assert run.exit_code == bool(named), output
        assert ("the books do not tie out" in output) is bool(named)

    check()


def test_a_receipt_that_does_not_balance_is_named(companies: Sandbox, tmp_path: Path) -> None:
    company = companies.companies[0]
    receipt = next(
        one
        for one in company.truth("ledger_receipts")
        if one["receiptDate"].startswith(YEAR) and one.get("status") in OFFICIAL_STATUSES
    )

    def alter(receipts: list[Json]) -> None:
        for one in receipts:
            if one["id"] == receipt["id"]:
                change_amount(one, defaultdict(Decimal))

    with Proxy(companies) as proxy:
        proxy.altering(DETAILS, alter)
        run, output = reconciled(proxy.config(), tmp_path, YEAR)
    assert run.exit_code == 1
    assert f": the receipt {receipt['id']} does not sum to zero but to 0.01.\n" in output


@pytest.mark.parametrize("path", mostly_slow(["/ledgerreceipts", DETAILS]))
def test_receipts_that_do_not_come(companies: Sandbox, tmp_path: Path, path: str) -> None:
    """The list counts what it lacks, or the details are withheld: neither is green."""

    def cut(answer: Any) -> None:
        (answer["results"] if isinstance(answer, dict) else answer).pop()

    with Proxy(companies) as proxy:
        proxy.altering(path, cut)
        run, output = reconciled(proxy.config(), tmp_path, YEAR)
    assert run.exit_code == 1, output


def test_an_edit_between_the_reading_and_the_report_is_no_difference(tmp_path: Path) -> None:
    with Sandbox(invoices=60, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        company = sandbox.companies[0]
        company.reopen_periods("2026-01-01", "2026-12-31")
        with_receipts = {
            one["invoiceId"]
            for one in company.truth("ledger_receipts")
            if one["receiptDate"] > "2026" and one.get("status") in OFFICIAL_STATUSES
        }
        invoice = next(one["id"] for one in company.truth("invoices") if one["id"] in with_receipts)
        edited: list[int] = []

        def edit(question: Question) -> None:
            if question.method == "POST" and "reports" in question.path and not edited:
                edited.append(invoice)
                company.invalidate(invoice)

        proxy.before = edit
        run, output = reconciled(proxy.config(), tmp_path, "2026")
        assert edited
        assert run.exit_code == 0, output
        assert len(proxy.questions("/reports/ledgeraccounts")) == 13


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("accounting.accountingReports", "Accounting reports"),
        ("salaries.payroll", "receipts of salaries"),
    ],
)
def test_where_rights_are_missing_nothing_is_compared(
    sandbox: Sandbox, tmp_path: Path, right: str, words: str
) -> None:
    """Neither a pass nor a failure."""
    sandbox.companies[0].set_right(right)
    run, output = reconciled(sandbox.config(), tmp_path, YEAR)
    assert run.exit_code == 0
    assert output.count("  not comparable\n") == 12
    assert "the books are not comparable: " in output
    assert words.lower() in output.lower()


def negated(answer: Json) -> None:
    for row in answer["reportData"]["periods"][0]["rows"]:
        row["value"] = -row["value"]


@pytest.mark.slow
def test_another_reading_by_which_all_ties_out_is_named(companies: Sandbox, tmp_path: Path) -> None:
    """How the first user of the real service will teach us."""
    with Proxy(companies) as proxy:
        proxy.altering("/reports/ledgeraccounts", negated)
        run, output = reconciled(proxy.config(), tmp_path, YEAR)
    assert run.exit_code == 1
    assert "all periods tie out by another reading (openings: newest; VAT summaries: yes;" in output
    assert "positive: credit): please report it." in output


@pytest.mark.slow
def test_a_status_that_does_not_count_is_the_likeliest_cause(
    companies: Sandbox, tmp_path: Path
) -> None:
    def alter(receipts: list[Json]) -> None:
        for receipt in receipts:
            if receipt["type"] == "SALARY":
                receipt["status"] = "INVOICED"

    with Proxy(companies) as proxy:
        proxy.altering(DETAILS, alter)
        run, output = reconciled(proxy.config(), tmp_path, YEAR)
    assert run.exit_code == 1
    assert "As much as the receipts that do not count (status INVOICED)." in output


@pytest.mark.slow
def test_rejected_receipts_are_named(sandbox: Sandbox, tmp_path: Path) -> None:
    company = sandbox.companies[0]
    number = next(
        one["id"] for one in company.truth("ledger_receipts") if one["receiptDate"].startswith(YEAR)
    )
    company.spoil("ledger_receipts", number, {"receiptDate": 5})
    run, output = reconciled(sandbox.config(), tmp_path, "2026")
    assert run.exit_code == 0, output
    company.spoil("ledger_receipts", number, {"receiptDate": f"{YEAR}-01-31", "transactions": 5})
    run, output = reconciled(sandbox.config(), tmp_path, YEAR)
    assert run.exit_code == 1
    assert "1 receipts cannot be used, and are not in the sums." in output


LEDGER = ("ledger_receipts", "ledger_transactions", "reconciliation")


def compared(
    config: Json, folder: Path, *streams: str, state: Json | None = None
) -> tuple[Run, Json]:
    """Run the tap; return its run, and its report."""
    settings_of_run = config | {"run_report_path": str(folder / "report.json")}
    run = run_tap(folder, settings_of_run, catalog=selecting(*(streams or LEDGER)), state=state)
    return run, report_of(settings_of_run)


def test_each_run_compares_what_it_has_read(companies: Sandbox, tmp_path: Path) -> None:
    first, report = compared(companies.config(), tmp_path)
    assert first.exit_code == 0, first.log
    rows = Target().load(first).rows("reconciliation")
    assert {row["verdict"] for row in rows} == {"ties out"}
    sums = {
        (row["company_id"], row["ledger_account_code"], row["start_date"][:7]): row["report_sum"]
        for row in rows
    }
    for company in companies.companies:
        verdict = f"Company {company.id}: the books tie out: 60 of 60 periods, "
        assert any(verdict in line for line in first.log.splitlines()[-2:])
        for (account, month), total in company.ledger_report(OFFICIAL_STATUSES).items():
            assert Decimal(sums[company.id, account, month]) == total
    assert len(report["reconciliation"]) == 2
    second, _ = compared(companies.config(), tmp_path, state=first.state)
    assert second.exit_code == 0, second.log
    assert "the books tie out: 5 of 60 periods, " in second.log.splitlines()[-1]
    assert second.log.endswith("accounts; 55 were not read.\n")


def test_without_rows_it_is_said_all_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    run, _ = compared(sandbox.config(), tmp_path, "ledger_transactions")
    assert run.exit_code == 0
    assert run.streams() == {"ledger_transactions"}
    assert "the books tie out: 60 of 60 periods" in run.log.splitlines()[-1]


def test_off_asks_for_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    run, report = compared(sandbox.config() | {"reconcile": "off"}, tmp_path)
    assert run.exit_code == 0
    assert not run.records("reconciliation")
    assert report["reconciliation"] == []
    assert not [one for one in sandbox.statistics().requests if one.method == "POST"][1:]


def without_salaries(answer: Json) -> None:
    """Let the report lack one account."""
    period = answer["reportData"]["periods"][0]
    period["rows"] = [row for row in period["rows"] if not row["name"].startswith("5000")]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "exit_code"), [("warn", 0), ("strict", 1)])
def test_a_difference_is_a_warning_or_a_failure(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, mode: str, exit_code: int
) -> None:
    proxy.altering("/reports/ledgeraccounts", without_salaries)
    run, report = compared(proxy.config(reconcile=mode), tmp_path)
    assert run.exit_code == exit_code
    wrong = [row for row in run.records("reconciliation") if row["verdict"] == "differs"]
    assert {row["ledger_account_code"] for row in wrong} == {"5000"}
    assert "the books do not tie out" in report["reconciliation"][0]
    company = sandbox.companies[0]
    largest = max(
        abs(total)
        for (account, _), total in company.ledger_report(OFFICIAL_STATUSES).items()
        if account == "5000"
    )
    assert f"{largest:,f}" in report["reconciliation"][1]
    assert "| WARNING  | tap-procountor.report          | Company 10001: the books do" in run.log


def test_a_month_that_is_edited_meanwhile_is_written_again(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    company.reopen_periods("2026-01-01", "2026-12-31")
    invoice = next(
        one["invoiceId"]
        for one in company.truth("ledger_receipts")
        if one["receiptDate"] > "2026-03"
        and one["type"] == "SALES_INVOICE"
        and one["status"] in OFFICIAL_STATUSES
    )
    edited: list[int] = []

    def edit(question: Question) -> None:
        if "reports" in question.path and not edited:
            edited.append(invoice)
            company.edit("invoices", invoice, {"date": "2026-02-02"})

    proxy.before = edit
    streams = (*LEDGER, "attachments")
    first, _ = compared(proxy.config(), tmp_path, *streams)
    assert first.exit_code == 0, first.log
    assert "the books tie out: 60 of 60 periods" in first.log
    target = Target().load(first)
    ids = {one["id"] for one in company.truth("ledger_receipts")}
    assert ids <= {row["id"] for row in target.rows("ledger_receipts")}
    # The receipt that was deleted meanwhile is found by the next run.
    second, _ = compared(proxy.config(), tmp_path, *streams, state=first.state)
    assert second.exit_code == 0, second.log
    rows = target.load(second).rows("ledger_receipts")
    assert [row for row in rows if "_sdc_deleted_at" not in row] == truth(
        sandbox, "ledger_receipts"
    )


@pytest.mark.parametrize(
    ("changes", "right", "words"),
    [
        ({"start_date": "2026-01-01"}, None, "start_date leaves receipts out"),
        ({"end_date": "2026-01-01"}, None, "no tracking period was read as a whole"),
        ({}, "accounting.accountingReports", "Accounting reports"),
    ],
)
def test_what_cannot_be_compared_is_said_and_fails_nothing(
    sandbox: Sandbox, tmp_path: Path, changes: Json, right: str | None, words: str
) -> None:
    if right:
        sandbox.companies[0].set_right(right)
    run, report = compared(sandbox.config() | {"reconcile": "strict"} | changes, tmp_path)
    assert run.exit_code == 0, run.log
    assert not run.records("reconciliation")
    (sentence,) = report["reconciliation"]
    assert "the books are not comparable: " in sentence
    assert words.lower() in sentence.lower()


def test_a_receipt_that_does_not_balance_fails_every_run(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    number = next(
        one["id"]
        for one in sandbox.companies[0].truth("ledger_receipts")
        if one.get("status") in OFFICIAL_STATUSES
    )

    def alter(receipts: list[Json]) -> None:
        for one in receipts:
            if one["id"] == number:
                change_amount(one, defaultdict(Decimal))

    proxy.altering(DETAILS, alter)
    run, report = compared(proxy.config(), tmp_path)
    assert run.exit_code == 1
    assert f"the receipt {number} does not sum to zero but to 0.01." in report["failures"][0]
