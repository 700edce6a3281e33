"""Bookkeeping: fiscal years, accounts, ledger receipts, dimensions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import DetailBatches
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.lister import Whole
from tap_procountor.records.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.records.structs import total
from tap_procountor.state.ids import Census
from tap_procountor.streams.base.full_table import SingleCallStream
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.ledger import LedgerStream
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Raw

    from tap_procountor.records.converter import Record
    from tap_procountor.state.ids import Key
    from tap_procountor.streams.base.stream import ProcountorStream


class FiscalYears(SingleCallStream):
    """Fiscal years with their tracking periods."""

    name = "fiscal_years"
    path = "/fiscalyears"
    records_field = "fiscalYears"
    access = Access(is_never_empty=True)
    schema = RecordSchema("FiscalYear")


class TrackingPeriods(RowStream):
    """Tracking periods of the fiscal years; a closed one cannot change until it is reopened."""

    name = "tracking_periods"
    owners = (FiscalYears,)
    field = "tracking_periods"
    owner_fields = {"fiscal_year_id": "id"}
    primary_keys = ("company_id", "fiscal_year_id", "id")
    schema = RecordSchema(
        "TrackingPeriod", added={"fiscal_year_id": INTEGER, "swept_at": DATE_TIME}
    )

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the periods, each with the time since which its receipts have all been read."""
        receipts = self.run.streams[LedgerReceipts.name]
        state = receipts.get_context_state({"company_id": record["company_id"]})
        swept = Census.from_state(state).swept
        for row in super().rows(owner, record):
            yield row | {"swept_at": swept.get(str(row.get("start_date")))}


class ChartOfAccounts(SingleCallStream):
    """Ledger accounts, identified by their code."""

    name = "chart_of_accounts"
    path = "/coa"
    records_field = "ledgerAccounts"
    primary_keys = ("company_id", "ledger_account_code")
    access = Access(any_of=("management.chartOfAccountsAndDefaultReports",), is_never_empty=True)
    schema = RecordSchema("LedgerAccount")


class Dimensions(SingleCallStream):
    """Dimensions (cost centres, projects …) with their items."""

    name = "dimensions"
    path = "/dimensions"
    access = Access(any_of=("management.basicAccountingInfo",))
    schema = RecordSchema("Dimension")


class DimensionItems(RowStream):
    """Items of all dimensions; status ``P`` means passive, no status means active."""

    name = "dimension_items"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id"}
    primary_keys = ("company_id", "dimension_id", "id")
    schema = RecordSchema("DimensionItem", added={"dimension_id": INTEGER})


class Projects(RowStream):
    """Projects: the items of the dimensions that ``project_dimensions`` names."""

    name = "projects"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id", "dimension_name": "name"}
    schema = RecordSchema(
        "DimensionItem", added={"dimension_id": INTEGER, "dimension_name": STRING}
    )

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:
        if record.get("name") in self.config["project_dimensions"]:
            yield from super().rows(owner, record)


class LedgerReceipts(LedgerStream):
    """Ledger receipts with their transactions: the complete general ledger."""

    name = "ledger_receipts"
    lister = Keyset("/ledgerreceipts")
    completer = DetailBatches()
    access = Access(
        any_of=("accounting.journalReceiptSearch",),
        parts={
            "salaries.payroll": "receipts of salaries, without which account balances are wrong,"
        },
        # Inferred: whether a receipt needs the right to its document as well is nowhere said.
        doubts={
            "sales.salesInvoiceSearch": "receipts of sales invoices",
            "purchases.purchaseInvoiceSearch": "receipts of purchase invoices",
            "travelAndExpenses.travelAndExpenseInvoiceSearch": (
                "receipts of travel and expense invoices"
            ),
            "payments.bankStatementAndReferencePayment": (
                "receipts of bank statements and reference payments"
            ),
        },
        limits=(
            "accounting.personalJournalReceiptsOnly",
            "sales.personalSalesInvoicesOnly",
            "purchases.personalPurchaseInvoicesOnly",
            "travelAndExpenses.personalTravelAndExpenseInvoiceOnly",
            "salaries.personalSalariesOnly",
            "user.limitedDimensions",
        ),
    )
    schema = RecordSchema("LedgerReceiptBasicInfo", "LedgerReceipt")


class Journals(IncrementalStream):
    """Journal vouchers as documents, unfinished and invalidated ones included."""

    name = "journals"
    lister = Whole("/journals")
    access = Access(
        any_of=("accounting.journalReceiptSearch",),
        limits=("accounting.personalJournalReceiptsOnly",),
    )
    schema = RecordSchema("Journal")


class LedgerTransactions(RowStream):
    """Transactions of the ledger receipts: debits and credits, which sum to zero per receipt."""

    name = "ledger_transactions"
    owners = (LedgerReceipts,)
    field = "transactions"
    owner_fields = {"ledger_receipt_id": "id", "version": "version"}
    primary_keys = ("company_id", "ledger_receipt_id", "id")
    replication_key = "version"
    schema = RecordSchema("Transaction", added={"ledger_receipt_id": INTEGER, "version": DATE_TIME})


class LedgerTransactionDimensions(RowStream):
    """How transactions are split among dimension items."""

    name = "ledger_transaction_dimensions"
    owners = (LedgerReceipts,)
    field = "dimension_item_values"
    owner_fields = {"ledger_receipt_id": "id", "version": "version"}
    primary_keys = (
        "company_id",
        "ledger_receipt_id",
        "ledger_transaction_id",
        "dimension_id",
        "dimension_item_id",
    )
    replication_key = "version"
    schema = RecordSchema(
        "DimensionItemValue",
        added={
            "ledger_receipt_id": INTEGER,
            "ledger_transaction_id": INTEGER,
            "dimension_item_id": INTEGER,
            "version": DATE_TIME,
        },
    )

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield the dimension items of each transaction of a receipt."""
        inherited = self.inherited(record)
        for transaction in filter(None, record.get("transactions") or ()):
            items = transaction.get(self.field)
            if not items:
                continue
            inherited["ledger_transaction_id"] = transaction.get("id")
            rows: dict[Key, dict[str, Any]] = {}
            amounts: defaultdict[Key, list[Raw | None]] = defaultdict(list)
            for item in items:
                inherited["dimension_item_id"] = item and item.get("item_id")
                for row in self.made(inherited, item):
                    key = (row.get("dimension_id"), row["dimension_item_id"])
                    if None in key:
                        yield row
                        continue
                    rows.setdefault(key, row)
                    amounts[key].append(row.get("value"))
            for key, row in rows.items():
                if len(amounts[key]) > 1:
                    # A table has one row per item: without the sum, amounts would be lost.
                    row["value"] = total(amounts[key])
                yield row
