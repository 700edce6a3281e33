"""The oracle: what each table must hold, from the sandbox's documents and the specification alone.

Nothing here asks the tap. Each module has the tables of one area, each table as the rows that it
must hold of one company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.oracle import books, company, payroll, receivables

if TYPE_CHECKING:
    from support.exact import Record
    from support.oracle.records import Rows
    from tap_procountor.sandbox import Sandbox

TABLES: dict[str, Rows] = {
    **books.TABLES,
    **company.TABLES,
    **payroll.TABLES,
    **receivables.TABLES,
}

#: Keys after ``company_id``; all others are ``id``.
_KEYS: dict[str, tuple[str, ...]] = {
    "bank_statement_events": ("bank_statement_id", "id"),
    "business_partner_default_accounts": ("business_partner_id",),
    "business_partner_default_dimensions": ("business_partner_id", "id"),
    "business_partner_default_products": ("business_partner_id", "id"),
    "chart_of_accounts": ("ledger_account_code",),
    "circulation_settings": (),
    "collection_settings": (),
    "company": (),
    "company_currency": (),
    "currencies": ("code",),
    "delivery_terms": ("delivery_term",),
    "dimension_items": ("dimension_id", "id"),
    "einvoice_addresses": ("position",),
    "employee_salary_bases": ("employee_id",),
    "employee_salary_info": ("employee_id",),
    "employments": ("employee_id", "id"),
    "exchange_rates": ("rate_type", "base_currency", "currency_code"),
    "holiday_pays": ("employee_id",),
    "invoice_comments": ("invoice_id", "id"),
    "invoice_payment_events": ("invoice_id", "id"),
    "invoice_rows": ("invoice_id", "id"),
    "invoice_status_log": ("invoice_id", "position"),
    "labor_union_memberships": ("employee_id", "id"),
    "ledger_transaction_dimensions": (
        *("ledger_receipt_id", "ledger_transaction_id", "dimension_id", "dimension_item_id"),
    ),
    "ledger_transactions": ("ledger_receipt_id", "id"),
    "person_default_dimensions": ("person_id", "id"),
    "person_default_products": ("person_id", "id"),
    "personal_approvals": ("invoice_id",),
    "personal_verifications": ("invoice_id",),
    "product_default_dimensions": ("product_id", "id"),
    "salaries_basic_info": ("year",),
    "salary_list_slips": ("salary_list_id", "id"),
    "salary_periods": ("salary_period_list_id", "id"),
    "salary_slip_accounting": ("salary_slip_id",),
    "salary_slip_rows": ("salary_slip_id", "id"),
    "salary_slip_transactions": ("salary_slip_id", "id"),
    "salary_types": ("code",),
    "tax_cards": ("employee_id", "id"),
    "tracking_periods": ("fiscal_year_id", "id"),
    "usage_settings": (),
    "vat_percentages": ("country", "position"),
    "vat_settings": (),
    "vat_statuses": ("vat_status",),
    "webhooks": ("uuid",),
    "working_hour_reductions": ("employee_id",),
}


def key_of(table: str) -> tuple[str, ...]:
    """Return the names of the columns that make up a table's key."""
    return ("company_id", *_KEYS.get(table, ("id",)))


def truth(sandbox: Sandbox, table: str) -> list[Record]:
    """Return the rows that a table must hold, of all companies, in the order of their keys."""
    names = key_of(table)
    rows = [row for company in sandbox.companies for row in TABLES[table](company)]
    return sorted(rows, key=lambda row: [row[name] for name in names])
