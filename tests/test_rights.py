"""Missing rights never show up as tables that are silently empty or too short."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import outcomes, report_of, run_tap
from support.oracle import truth
from support.oracle.records import SPECIFICATION
from support.proxy import Answer
from support.target import Target

from tap_procountor.permissions.access import Access
from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.company import SwedishFactoringContracts as Swedish
from tap_procountor.streams.reconciliation import Reconciliation
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from support.proxy import Proxy

Config = dict[str, Any]

#: Each right, the stream that it opens, what is said without it, and what is done about it.
VERDICTS = [
    ("management.basicCompanyInfo", "company", "forbidden", "'Management: Basic company info'"),
    ("management.basicAccountingInfo", "dimensions", "forbidden", "Basic accounting info"),
    (
        "management.chartOfAccountsAndDefaultReports",
        "chart_of_accounts",
        "forbidden",
        "Chart of accounts",
    ),
    ("accounting.journalReceiptSearch", "ledger_receipts", "forbidden", "Journal receipt search"),
    ("salaries.personRegister", "persons", "forbidden", "'Salaries: Person register'"),
    ("salaries.personRegister", "business_partners", "rows may be hidden", "Persons are hidden"),
    ("sales.customerRegister", "business_partners", "rows may be hidden", "Customers are hidden"),
    ("purchases.supplierRegister", "business_partners", "rows may be hidden", "Suppliers are"),
    ("salaries.payroll", "ledger_receipts", "rows may be hidden", "balances are wrong"),
    ("sales.salesInvoiceSearch", "ledger_receipts", "rows may be hidden", "may be hidden"),
    ("purchases.purchaseInvoiceSearch", "ledger_receipts", "rows may be hidden", "may be hidden"),
    (
        "travelAndExpenses.travelAndExpenseInvoiceSearch",
        "ledger_receipts",
        "rows may be hidden",
        "travel and expense invoices may be hidden",
    ),
    (
        "payments.bankStatementAndReferencePayment",
        "ledger_receipts",
        "rows may be hidden",
        "bank statements and reference payments may be hidden",
    ),
    ("sales.salesInvoiceSearch", "invoices", "rows may be hidden", "Sales invoices and orders"),
    ("purchases.purchaseInvoiceSearch", "invoices", "rows may be hidden", "Purchase invoices"),
    (
        "travelAndExpenses.travelAndExpenseInvoiceSearch",
        "invoices",
        "rows may be hidden",
        "Travel and expense invoices",
    ),
    ("sales.productRegister", "products", "rows may be hidden", "Sales products are hidden"),
    ("purchases.productRegister", "products", "rows may be hidden", "Purchase products are"),
    ("sales.productRegister", "product_groups", "rows may be hidden", "Sales products"),
    ("sales.customerRegister", "business_partner_groups", "rows may be hidden", "Groups of"),
]
LIMITS = [
    ("sales.personalSalesInvoicesOnly", "invoices"),
    ("purchases.personalPurchaseInvoicesOnly", "invoices"),
    ("travelAndExpenses.personalTravelAndExpenseInvoiceOnly", "invoices"),
    ("accounting.personalJournalReceiptsOnly", "ledger_receipts"),
    ("sales.personalSalesInvoicesOnly", "ledger_receipts"),
    ("purchases.personalPurchaseInvoicesOnly", "ledger_receipts"),
    ("travelAndExpenses.personalTravelAndExpenseInvoiceOnly", "ledger_receipts"),
    ("salaries.personalSalariesOnly", "ledger_receipts"),
    ("user.limitedDimensions", "invoices"),
]


@pytest.mark.parametrize(("right", "stream", "verdict", "advice"), VERDICTS)
def test_each_missing_right_has_its_verdict(  # noqa: PLR0913, PLR0917 - a table of cases
    sandbox: Sandbox,
    reporting: Config,
    tmp_path: Path,
    right: str,
    stream: str,
    verdict: str,
    advice: str,
) -> None:
    sandbox.companies[0].set_right(right)
    run = run_tap(tmp_path, reporting, catalog=selecting(stream))
    assert run.exit_code == 1
    outcome = outcomes(reporting)[stream]
    said = outcome["failure"] or outcome["advice"]
    assert advice in said
    assert right in said
    assert outcome["verdict"] in {verdict, "failed"}
    assert any(said in line for line in run.log.splitlines()[-2:])
    if verdict == "forbidden":
        assert not run.records(stream)
    else:
        assert run.records(stream)


@pytest.mark.parametrize(("limit", "stream"), mostly_slow(LIMITS, by_default=3))
def test_each_limit_is_named(
    sandbox: Sandbox, reporting: Config, tmp_path: Path, limit: str, stream: str
) -> None:
    sandbox.companies[0].set_right(limit, value=True)
    run = run_tap(tmp_path, reporting, catalog=selecting(stream))
    assert run.exit_code == 1
    assert outcomes(reporting)[stream]["verdict"] == "rows may be hidden"
    assert limit in outcomes(reporting)[stream]["advice"]


def test_the_rights_that_streams_name_are_the_apis() -> None:
    schemas = SPECIFICATION["components"]["schemas"]
    groups = schemas["UserPermissions"]["properties"]
    names = {
        f"{group}.{right}"
        for group, schema in groups.items()
        for right in schemas[schema["$ref"].rpartition("/")[2]]["properties"]
    }
    for stream in STREAM_TYPES:
        access = getattr(stream, "access", Access())
        assert {*access.any_of, *access.parts, *access.doubts, *access.limits} <= names, stream


def test_with_all_rights_everything_is_readable_or_empty(reporting: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, reporting)
    assert run.exit_code == 0, run.log
    verdicts = {outcome["verdict"] for outcome in report_of(reporting)["streams"]}
    assert verdicts <= {"readable", "readable, but empty"}


def test_missing_rights_may_be_tolerated(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].set_right("salaries.payroll")
    sandbox.companies[0].set_right("salaries.personRegister")
    run = run_tap(tmp_path, reporting | {"on_missing_permission": "warn"})
    assert run.exit_code == 0, run.log
    assert "WARNING" in next(line for line in run.log.splitlines() if "salaries.payroll" in line)
    assert outcomes(reporting)["persons"]["tolerated"]


def test_an_empty_table_is_said_to_be_empty(tmp_path: Path) -> None:
    with Sandbox(invoices=0, requests_per_second=0) as sandbox:
        config = {
            **sandbox.config(),
            "requests_per_second": 1000,
            "run_report_path": str(tmp_path / "report.json"),
        }
        run = run_tap(tmp_path, config, catalog=selecting("invoices"))
    assert run.exit_code == 0, run.log
    assert outcomes(config)["invoices"]["verdict"] == "readable, but empty"
    assert "invoices: 0 rows, 0 deletions, 0 rejected, readable, but empty" in run.log


def test_tables_that_every_company_has_are_hidden_when_they_are_empty(
    proxy: Proxy, tmp_path: Path
) -> None:
    empty = {
        "/company": [],
        "/fiscalyears": {"fiscalYears": []},
        "/coa": {"ledgerAccounts": []},
        "/vats/default": {"vatInformation": [], "vatStatuses": []},
        "/dimensions": [],
    }
    proxy.before = lambda question: (
        Answer().having(empty[question.path]) if question.path in empty else None
    )
    config = proxy.config(run_report_path=str(tmp_path / "report.json"))
    never_empty = ("company", "fiscal_years", "chart_of_accounts", "vat_statuses")
    run = run_tap(
        tmp_path, config, catalog=selecting(*never_empty, "tracking_periods", "dimensions")
    )
    assert run.exit_code == 1
    for stream in (*never_empty, "tracking_periods"):
        assert outcomes(config)[stream]["verdict"] == "rows may be hidden", stream
    assert outcomes(config)["dimensions"]["verdict"] == "readable, but empty"


def test_a_loss_of_rights_is_told_with_what_was_before(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    first = run_tap(tmp_path, reporting, catalog=selecting("invoices"))
    assert report_of(reporting)["warnings"] == []
    sandbox.companies[0].set_right("salaries.payroll")
    run = run_tap(tmp_path, reporting, catalog=selecting("invoices"), state=first.state)
    (warning,) = report_of(reporting)["warnings"]
    assert warning.startswith(f"Company {sandbox.companies[0].id}: the rights")
    assert "salaries.payroll (ALL_RIGHTS, now NO_ACCESS)" in warning
    assert warning in run.log


def test_a_right_that_is_granted_later_brings_the_older_rows(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("ledger_receipts", "ledger_transactions", "invoices")
    lenient = config | {"on_missing_permission": "warn", "lookback": 0}
    sandbox.companies[0].set_right("salaries.payroll")
    first = run_tap(tmp_path, lenient, catalog=catalog)
    types = {record["type"] for record in first.records("ledger_receipts")}
    assert first.exit_code == 0
    assert "SALARY" not in types
    sandbox.companies[0].close_periods("2000-01-01", "2100-01-01")
    sandbox.companies[0].set_right("salaries.payroll", "VIEWING_RIGHTS")
    second = run_tap(tmp_path, lenient, catalog=catalog, state=first.state)
    target = Target().load(first).load(second)
    assert second.exit_code == 0, second.log
    assert target.rows("ledger_receipts") == truth(sandbox, "ledger_receipts")
    # What the right does not concern is not read again.
    assert not second.records("invoices")
    third = run_tap(tmp_path, lenient, catalog=catalog, state=second.state)
    assert "read from the beginning" in second.log
    assert "read from the beginning" not in third.log


def check(config: Config, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tap_procountor", "--test", "--config", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
    )


def test_test_prints_a_table_per_company(tmp_path: Path) -> None:
    with Sandbox(companies=3, invoices=30, requests_per_second=0) as sandbox:
        poor = sandbox.companies[1]
        poor.set_right("salaries.payroll")
        poor.set_right("management.chartOfAccountsAndDefaultReports")
        run = check({**sandbox.config(), "requests_per_second": 1000}, tmp_path)
        lists = sandbox.statistics().requests
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    tables = dict(zip([1, 2, 3], run.stdout.strip().split("Company ")[1:], strict=True))
    for number, company in enumerate(sandbox.companies, 1):
        assert tables[number].startswith(f"{company.id}: ")
        lines = {line.split()[0]: line for line in tables[number].splitlines()[1:]}
        if company is poor:
            assert "forbidden" in lines["chart_of_accounts"]
            assert "rows may be hidden" in lines["ledger_receipts"]
            assert "'Salaries: Payroll' (salaries.payroll)" in lines["ledger_receipts"]
        else:
            assert "forbidden" not in tables[number]
            assert "hidden" not in tables[number]
    # It asks for every table but reads none: whatever has many rows is asked for one.
    asked = {one.path for one in lists}
    # Companies in Finland are not asked for what only Swedish ones have; that the report to compare
    # with is refused is no failure.
    unasked = {Swedish, Reconciliation}
    readable = [one for one in STREAM_TYPES if issubclass(one, ReadStream) and one not in unasked]
    assert {one.path for one in readable if one.selected_by_default} <= asked
    assert all("size=1" in one.query for one in lists if one.path in {"/invoices", "/products"})


def test_test_looks_at_the_selected_streams_only(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].set_right("salaries.personRegister")
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(selecting("invoices", "company")))
    run = check(config, tmp_path, "--catalog", str(catalog))
    assert run.returncode == 0, run.stderr
    assert "persons" not in run.stdout
    assert "invoices  readable" in run.stdout


def test_rights_that_cannot_be_told_do_not_stop_a_first_run(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/users/rights", status=404, html=False, times=None)
    sandbox.add_fault(path="/company/usagesettings", status=403, html=False, times=None)
    sandbox.add_fault(path="/status", status=404, html=False, times=None)
    run = run_tap(tmp_path, config, catalog=selecting("ledger_receipts"))
    assert run.exit_code == 0, run.log
    assert Target().load(run).rows("ledger_receipts") == truth(sandbox, "ledger_receipts")


@pytest.mark.parametrize(
    ("version", "is_warned"), [("v2602", True), ("v2611", False), ("latest", False)]
)
def test_the_end_of_support_is_announced(
    sandbox: Sandbox, reporting: Config, tmp_path: Path, version: str, *, is_warned: bool
) -> None:
    sandbox.set_clock("2026-11-24T12:00:00+00:00")
    url = sandbox.api_url.replace("latest", version)
    run = run_tap(tmp_path, reporting | {"api_url": url}, catalog=selecting("company"))
    assert ("is supported until about 2026-11-15" in run.log) is is_warned
    warnings = report_of(reporting)["warnings"]
    assert sum("is supported until" in warning for warning in warnings) == is_warned
