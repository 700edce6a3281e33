"""Bookkeeping, invoices and the registers: what is selected by default and read by everybody."""

from __future__ import annotations

from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from support.exact import Digits
from support.oracle.records import documents, expected_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.exact import Key, Record
    from support.oracle.records import Rows
    from tap_procountor.sandbox.company import Company

DOCUMENTS: dict[str, Rows] = {
    "business_partners": documents(
        "businesspartners", "BusinessPartnerBasicInfo", "BusinessPartner"
    ),
    "business_partner_groups": documents("business_partner_groups", "BusinessPartnerGroup"),
    "chart_of_accounts": documents("coa", "LedgerAccount"),
    "company": documents("company", "Company"),
    "dimensions": documents("dimensions", "Dimension"),
    "fiscal_years": documents("fiscalyears", "FiscalYear"),
    "invoices": documents("invoices", "InvoiceBasicInfo", "Invoice"),
    "ledger_receipts": documents("ledgerreceipts", "LedgerReceiptBasicInfo", "LedgerReceipt"),
    "persons": documents("persons", "PersonBasicInfo", "Person"),
    "product_groups": documents("product_groups", "ProductGroup"),
    "products": documents("products", "Product"),
}


def _items(owners: str, array: str, component: str, owner_id: str) -> Rows:
    """Return the rows of a table that holds the items of an array of another table's rows."""

    def rows(company: Company) -> Iterator[Record]:
        for owner in DOCUMENTS[owners](company):
            inherited = {"company_id": owner["company_id"], owner_id: owner["id"]}
            if "version" in owner:
                inherited["version"] = owner["version"]
            for item in owner.get(array) or []:
                yield expected_row(item, component, inherited)

    return rows


ITEMS: dict[str, Rows] = {
    "dimension_items": _items("dimensions", "items", "DimensionItem", "dimension_id"),
    "invoice_rows": _items("invoices", "invoice_rows", "InvoiceRow", "invoice_id"),
    "ledger_transactions": _items(
        "ledger_receipts", "transactions", "Transaction", "ledger_receipt_id"
    ),
}


def _projects(company: Company) -> Iterator[Record]:
    names = {one["id"]: one["name"] for one in DOCUMENTS["dimensions"](company)}
    for item in ITEMS["dimension_items"](company):
        name = names[item["dimension_id"]]
        if name in {"Projekti", "Project", "Projekt"}:
            yield item | {"dimension_name": name}


def _transaction_dimensions(company: Company) -> Iterator[Record]:
    """Yield one row per item: where a transaction has one several times, its values' sum."""
    rows: dict[Key, Record] = {}
    for transaction in ITEMS["ledger_transactions"](company):
        inherited = {name: transaction[name] for name in ("company_id", "ledger_receipt_id")}
        inherited |= {"ledger_transaction_id": transaction["id"], "version": transaction["version"]}
        for item in transaction.get("dimension_item_values") or []:
            row = inherited | {"dimension_item_id": item["item_id"]} | item
            key = (row["ledger_transaction_id"], row["dimension_id"], row["dimension_item_id"])
            first = rows.setdefault(key, row)
            if first is not row:
                first["value"] = Digits(Decimal(first["value"]) + Decimal(row["value"]))
    yield from rows.values()


#: Receipts of these statuses, or of none, are the official books.
OFFICIAL_STATUSES = (
    *("APPROVED", "MARKED_PAID", "NOT_SENT", "PAID", "PARTLY_PAID", "PAYMENT_DENIED"),
    *("PAYMENT_QUEUED", "PAYMENT_SENT_TO_BANK", "SENT"),
)

#: Of several opening receipts the newest is valid: in a year, or in a month.
_OPENINGS = {
    "RECEIPT_FOR_OPENING_ACCOUNTS": len("2026"),
    "TRACKING_PERIOD_OPENING_RECEIPT": len("2026-01"),
}


def official(receipts: Iterable[Record]) -> list[Record]:
    """Return the rows of ``ledger_receipts`` that are the official books."""
    valid: dict[Any, Record] = {}
    for row in sorted(receipts, key=itemgetter("id")):
        if row.get("status") in {*OFFICIAL_STATUSES, "", None}:
            length = _OPENINGS.get(row["type"])
            place = row["receipt_date"][:length] if length else row["id"]
            valid[row["company_id"], row["type"], place] = row
    return [*valid.values()]


TABLES: dict[str, Rows] = {
    **DOCUMENTS,
    **ITEMS,
    "projects": _projects,
    "ledger_transaction_dimensions": _transaction_dimensions,
}
