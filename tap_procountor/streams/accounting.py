"""Bookkeeping: fiscal years, accounts, ledger receipts, dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.streams.base import DocumentStream, RowStream, SingleCallStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.convert import Record
    from tap_procountor.streams.base import ReadStream


class FiscalYears(SingleCallStream):
    """Fiscal years with their tracking periods, which tell what is closed."""

    name = "fiscal_years"
    path = "/fiscalyears"
    records_field = "fiscalYears"
    schema = RecordSchema("FiscalYear")


class ChartOfAccounts(SingleCallStream):
    """Ledger accounts; they have no id but their code."""

    name = "chart_of_accounts"
    path = "/coa"
    records_field = "ledgerAccounts"
    primary_keys = ("company_id", "ledger_account_code")
    schema = RecordSchema("LedgerAccount")


class Dimensions(SingleCallStream):
    """Dimensions (cost centres, projects …) with their items."""

    name = "dimensions"
    path = "/dimensions"
    schema = RecordSchema("Dimension")


class DimensionItems(RowStream):
    """Items of all dimensions; an item without status is active, ``P`` is passive."""

    name = "dimension_items"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id"}
    primary_keys = ("company_id", "dimension_id", "id")
    schema = RecordSchema("DimensionItem", added={"dimension_id": INTEGER})


class Projects(RowStream):
    """Projects: Procountor has none but the items of a dimension that is named so."""

    name = "projects"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id", "dimension_name": "name"}
    schema = RecordSchema(
        "DimensionItem", added={"dimension_id": INTEGER, "dimension_name": STRING}
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[Record]:
        """Yield the items of the dimensions that hold projects."""
        if record.get("name") in self.config["project_dimensions"]:
            yield from super().rows(owner, record)


class LedgerReceipts(DocumentStream):
    """Ledger receipts with their transactions: all of the bookkeeping, receipt by receipt."""

    name = "ledger_receipts"
    path = "/ledgerreceipts"
    schema = RecordSchema("LedgerReceiptBasicInfo", "LedgerReceipt")


class LedgerTransactions(RowStream):
    """Transactions (entries) of the ledger receipts; those of a receipt sum to zero."""

    name = "ledger_transactions"
    owners = (LedgerReceipts,)
    field = "transactions"
    owner_fields = {"ledger_receipt_id": "id", "version": "version"}
    primary_keys = ("company_id", "ledger_receipt_id", "id")
    replication_key = "version"
    schema = RecordSchema("Transaction", added={"ledger_receipt_id": INTEGER, "version": DATE_TIME})


class LedgerTransactionDimensions(RowStream):
    """What part of a transaction belongs to which dimension item."""

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

    def rows(self, owner: ReadStream, record: Record) -> Iterator[Record]:  # noqa: ARG002
        """Yield the dimension items of each transaction of a receipt."""
        inherited = self.inherited(record)
        for transaction in record.get("transactions") or ():
            inherited["ledger_transaction_id"] = transaction.get("id")
            for item in transaction.get(self.field) or ():
                inherited["dimension_item_id"] = item.get("item_id")
                yield self.row(inherited, item)
