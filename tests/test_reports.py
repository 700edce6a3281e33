"""The accounting reports are those of the API, and agree with the ledger that was read."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, run_tap
from support.exact import Digits, Record, parse
from support.oracle.books import OFFICIAL_STATUSES, official
from support.oracle.records import expected_record
from support.target import Target

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.base.periods import Span, months_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.proxy import Proxy

    from tap_procountor.sandbox.company import Company

Config = dict[str, Any]

REPORTS = ("report_ledger_accounts", "report_accounting", "report_general_ledger")
LEDGER = ("ledger_receipts", "ledger_transactions")


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    with Sandbox(companies=2, invoices=120, colliding_ids=True, requests_per_second=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {
        **companies.config(),
        "requests_per_second": 1000,
        "report_fiscal_years": [2024, "2022-01-01"],
    }
    folder = tmp_path_factory.mktemp("run")
    return run_tap(folder, config, catalog=selecting(*REPORTS, *LEDGER))


@pytest.fixture(scope="module")
def target(run: Run) -> Target:
    assert run.exit_code == 0, run.log
    return Target().load(run)


def months(*years: int) -> Iterator[Span]:
    for year in years:
        yield from months_of(Span(f"{year}-01-01", f"{year}-12-31"))


def official_entries(target: Target) -> Iterator[tuple[Record, Record]]:
    """Yield the entries of the official bookkeeping with their receipts."""
    rows = official(target.rows("ledger_receipts"))
    receipts = {(row["company_id"], row["id"]): row for row in rows}
    for entry in target.rows("ledger_transactions"):
        receipt = receipts.get((entry["company_id"], entry["ledger_receipt_id"]))
        if receipt:
            yield entry, receipt


def test_sums_equal_those_of_the_ledger_by_account_and_month(target: Target) -> None:
    sums: dict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for entry, receipt in official_entries(target):
        month = receipt["receipt_date"][:7]
        if month[:4] in {"2022", "2024", "2026"}:
            key = (entry["company_id"], entry["account"], month)
            sums[key] += Decimal(entry["accounting_value"])
    rows = target.rows("report_ledger_accounts")
    found = {
        (row["company_id"], row["ledger_account_code"], row["start_date"][:7]): row["value"]
        for row in rows
        if row["ledger_account_code"]
    }
    assert len(sums) > 300
    assert found == {key: Digits(total) for key, total in sums.items()}


def test_rows_without_an_account_are_totals(target: Target) -> None:
    totals = [r for r in target.rows("report_ledger_accounts") if not r["ledger_account_code"]]
    assert {(row["name"], row["occurrence"]) for row in totals} == {
        ("Yhteensä", 0),
        ("Yhteensä", 1),
    }
    assert len(totals) == 2 * 2 * 3 * 12


def posted(sandbox: Sandbox, company: Company, path: str, question: Record) -> Any:
    token = requests.post(
        sandbox.token_url,
        data={
            "grant_type": "client_credentials",
            "client_id": sandbox.keyring.client_id,
            "client_secret": sandbox.keyring.client_secret,
            "api_key": company.api_key,
        },
        timeout=10,
    ).json()["access_token"]
    answer = requests.post(
        f"{sandbox.api_url}{path}",
        json=question | {"receiptStatus": list(OFFICIAL_STATUSES)},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    return parse(answer.text)


def test_lines_of_the_statements_are_as_the_api_gave_them(
    companies: Sandbox, target: Target
) -> None:
    rows = defaultdict(list)
    for row in target.rows("report_accounting"):
        rows[row["company_id"], row["report"], row["start_date"]].append(row)
    assert len(rows) == 2 * 3 * 36
    for (company_id, report, first), lines in rows.items():
        company = next(one for one in companies.companies if one.id == company_id)
        question = {"type": report, "startDate": first, "endDate": lines[0]["end_date"]}
        answer = posted(companies, company, "/reports/accounting", question)
        (period,) = answer["reportData"]["periods"]
        assert lines == [
            expected_record(line, "AccountingReportRow", company_id=company_id)
            | {"start_date": first, "end_date": period["endDate"]}
            | {"report": report, "position": position}
            for position, line in enumerate(period["rows"])
        ]
        assert any("formula" in line for line in lines)


def test_general_ledgers_hold_the_entries_of_their_year(target: Target) -> None:
    expected = defaultdict(set)
    for entry, receipt in official_entries(target):
        year = receipt["receipt_date"][:4]
        expected[entry["company_id"], year, entry["account"]].add(
            (entry["id"], entry["accounting_value"])
        )
    rows = target.rows("report_general_ledger")
    for row in rows:
        entries = row["ledger_receipt_transactions"]
        key = (row["company_id"], row["start_date"][:4], row["ledger_account_code"])
        assert {(one["id"], one["accounting_value"]) for one in entries} == expected[key]
        total = sum((Decimal(one["accounting_value"]) for one in entries), Decimal("0.00"))
        assert row["total_accounting_value"] == Digits(total)
        assert row["id"] == row["ledger_account_code"]
    assert len(rows) == 2 * 3 * 20
    assert any(row["ledger_receipt_transactions"] for row in rows)


def test_months_are_those_of_the_open_and_the_chosen_years(target: Target) -> None:
    for stream in REPORTS[:2]:
        found = {Span(r["start_date"], r["end_date"]) for r in target.rows(stream)}
        assert found == set(months(2022, 2024, 2026))


def test_a_fiscal_year_may_begin_and_end_within_a_month() -> None:
    assert list(months_of(Span("2023-11-15", "2024-02-29"))) == [
        ("2023-11-15", "2023-11-30"),
        ("2023-12-01", "2023-12-31"),
        ("2024-01-01", "2024-01-31"),
        ("2024-02-01", "2024-02-29"),
    ]
    assert list(months_of(Span("2024-02-10", "2024-02-20"))) == [("2024-02-10", "2024-02-20")]


def test_a_year_that_there_is_not_is_named(config: Config, tmp_path: Path) -> None:
    settings = config | {"report_fiscal_years": ["2019"]}
    run = run_tap(tmp_path, settings, catalog=selecting("report_ledger_accounts"))
    assert run.exit_code == 0, run.log
    assert "has no fiscal year that begins in 2019 (report_fiscal_years)" in run.log
    assert {row["start_date"][:4] for row in run.records("report_ledger_accounts")} == {"2026"}


def test_reports_are_not_selected_by_default(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    assert run.streams().isdisjoint(REPORTS)
    # That the ledger is compared takes one report.
    asked = {one.path for one in sandbox.statistics().requests if one.path.startswith("/reports")}
    assert asked == {"/reports/ledgeraccounts"}
    sandbox.reset_statistics()
    run = run_tap(tmp_path, config | {"reconcile": "off"})
    assert run.exit_code == 0, run.log
    assert not [one for one in sandbox.statistics().requests if one.path.startswith("/reports")]


@pytest.mark.parametrize("stream", mostly_slow(REPORTS))
def test_without_the_right_it_is_named(
    sandbox: Sandbox, config: Config, tmp_path: Path, stream: str
) -> None:
    sandbox.companies[0].set_right("accounting.accountingReports")
    run = run_tap(tmp_path, config, catalog=selecting(stream))
    assert run.exit_code == 1
    assert "Grant 'Accounting: Accounting reports' (accounting.accountingReports)" in run.log
    assert not run.records(stream)
    test = run_tap(tmp_path, config, "--test", catalog=selecting(stream))
    assert test.exit_code == 1


def test_the_connection_test_asks_for_one_report(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config, "--test", catalog=selecting("report_accounting"))
    assert run.exit_code == 0, run.log
    assert sandbox.statistics().by_route()["/reports/accounting"] == 1


def test_a_question_is_repeated_after_faults(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/reports/*", kind="status", status=503, times=2)
    sandbox.add_fault(path="/reports/*", kind="drop")
    run = run_tap(tmp_path, config, catalog=selecting("report_ledger_accounts"))
    assert run.exit_code == 0, run.log
    assert sandbox.statistics().by_route()["/reports/ledgeraccounts"] == 12 + 3


def test_questions_keep_to_the_permitted_rate(tmp_path: Path) -> None:
    with Sandbox(invoices=10, requests_per_second=10) as sandbox:
        config = sandbox.config() | {"requests_per_second": 10}
        run = run_tap(tmp_path, config, catalog=selecting("report_ledger_accounts"))
        assert run.exit_code == 0, run.log
        assert sandbox.statistics().rate_limit_violations == 0


def test_lines_that_are_gone_are_declared_deleted(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    catalog = selecting("report_ledger_accounts")
    settings = config | {"report_fiscal_years": [2025]}
    first = run_tap(tmp_path, settings, catalog=catalog)
    invoice = the_only_one_on_its_account(company)
    company.invalidate(invoice)
    second = run_tap(tmp_path, settings, catalog=catalog, state=first.state)
    target = Target().load(first).load(second)
    rows = [r for r in target.rows("report_ledger_accounts") if "_sdc_deleted_at" not in r]
    fresh = run_tap(tmp_path, settings, catalog=catalog)
    assert rows == Target().load(fresh).rows("report_ledger_accounts")
    assert len(rows) < len(first.records("report_ledger_accounts"))


@pytest.mark.parametrize("first_day", ["01", "02"])
def test_a_line_that_one_answer_lacks_is_not_declared_deleted(
    proxy: Proxy, tmp_path: Path, first_day: str
) -> None:
    """Neither where the periods of the answers are not those that were asked for."""
    lacking = 0

    def alter(content: Any) -> None:
        nonlocal lacking
        for period in content["reportData"]["periods"]:
            period["startDate"] = period["startDate"][:8] + first_day
            if lacking:
                lacking -= 1
                period["rows"].pop()

    proxy.altering("/reports/ledgeraccounts", alter)
    catalog = selecting("report_ledger_accounts")
    first = run_tap(tmp_path, proxy.config(), catalog=catalog)
    lacking = 1
    second = run_tap(tmp_path, proxy.config(), catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    assert len(second.records("report_ledger_accounts")) < len(
        first.records("report_ledger_accounts")
    )
    assert not [r for r in second.records("report_ledger_accounts") if "_sdc_deleted_at" in r]


def test_lines_of_years_no_longer_read_stay(config: Config, tmp_path: Path) -> None:
    catalog = selecting(*REPORTS[:2])
    first = run_tap(tmp_path, config | {"report_fiscal_years": [2025]}, catalog=catalog)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    assert not [r for s in REPORTS for r in second.records(s) if "_sdc_deleted_at" in r]


def the_only_one_on_its_account(company: Company) -> int:
    """Return an invoice of an open period whose receipt is alone on an account in its month."""
    holders = defaultdict(list)
    for receipt in company.truth("ledgerreceipts"):
        if receipt.get("status") in {*OFFICIAL_STATUSES, "", None}:
            for entry in receipt["transactions"]:
                holders[entry["account"], receipt["receiptDate"][:7]].append(receipt)
    company.reopen_periods("2025-01-01", "2026-12-31")
    invoices = {row["id"] for row in company.truth("invoices")}
    return next(
        int(receipts[0]["invoiceId"])
        for (_, month), receipts in sorted(holders.items())
        if len(receipts) == 1 and month >= "2025" and receipts[0]["invoiceId"] in invoices
    )
