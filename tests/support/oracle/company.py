"""Company settings, journals, taxes, currencies and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.exact import Digits
from support.oracle.records import documents, expected_record, snake_case, utc
from tap_procountor.sandbox.books.rates import currencies, latest_rates
from tap_procountor.sandbox.books.settings import DELIVERY_TERMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.exact import Record
    from support.oracle.records import Rows
    from tap_procountor.sandbox.company import Company

DOCUMENTS: dict[str, Rows] = {
    "circulation_settings": documents("circulation_settings", "CirculationSettings"),
    "collection_settings": documents("collection_settings", "CollectionsAndPenalExpenses"),
    "factoring_contracts": documents("factoring_contracts", "FactoringContract"),
    "journals": documents("journals", "Journal"),
    "invoice_templates": documents("invoice_templates", "InvoiceTemplate"),
    "usage_settings": documents("usage_settings", "CompanyUsageSettings"),
    "users": documents("users", "User"),
    "vat_settings": documents("vat_settings", "VatSettings"),
    "verifier_lists": documents("verifier_lists", "VerifierList"),
    "webhooks": documents("webhooks", "Webhook"),
}


def _vat_percentages(company: Company) -> Iterator[Record]:
    (information,) = company.truth("vat_information")
    for country in information["vatInformation"]:
        for position, percentage in enumerate(country["percentages"]):
            record = expected_record(percentage, "VatInfo", company_id=company.id)
            yield record | {"country": country["country"], "position": position}


def _vat_statuses(company: Company) -> Iterator[Record]:
    (information,) = company.truth("vat_information")
    for status in information["vatStatuses"]:
        yield expected_record(status, "VatStatusInfo", company_id=company.id)


def _exchange_rates(company: Company) -> Iterator[Record]:
    names = (
        "PROCOUNTOR_ACCOUNTING_EXCHANGE_RATE",
        "ACCOUNT_CURRENCY_AVERAGE_RATE",
        "ACCOUNT_CURRENCY_BUYING_RATE",
        "ACCOUNT_CURRENCY_SELLING_RATE",
        "CASH_BUYING_RATE",
        "CASH_CURRENCY_SALE_EXCHANGE_RATE",
    )
    for number, name in enumerate(names, 1):
        answer = latest_rates(company.books.seed, "EUR", number)
        for rate in answer["rates"] or ():
            yield {
                "company_id": company.id,
                "rate_type": name,
                "base_currency": "EUR",
                "currency_date": answer["currencyDate"],
                "currency_code": rate["currencyCode"],
                "currency_rate": rate["currencyRate"] and Digits(rate["currencyRate"]),
            }


def _tracking_periods(company: Company) -> Iterator[Record]:
    for year in company.truth("fiscalyears"):
        for period in year["trackingPeriods"]:
            record = expected_record(period, "TrackingPeriod", company_id=company.id)
            # Receipts are not read here, so that no period is swept.
            yield record | {"fiscal_year_id": year["id"], "swept_at": None}


def _einvoice_addresses(company: Company) -> Iterator[Record]:
    for position, address in enumerate(company.truth("einvoice_addresses")):
        record = expected_record(address, "EInvoiceData", company_id=company.id)
        yield record | {"position": position}


def _se_factoring_contracts(company: Company) -> Iterator[Record]:
    if company.books.company["country"] == "SWEDEN":
        for contract in company.truth("se_factoring_contracts"):
            yield expected_record(contract, "BasicFactoringContract", company_id=company.id)


#: Tables of what is asked for by its owner's id: the field that holds it, component.
OWNED = {
    "business_partner_default_accounts": ("businessPartnerId", "BusinessPartnerDefaultAccounts"),
    "business_partner_default_dimensions": ("businessPartnerId", "DefaultDimensionBasicData"),
    "business_partner_default_products": ("businessPartnerId", "DefaultProduct"),
    "person_default_dimensions": ("personId", "DefaultDimensionBasicData"),
    "person_default_products": ("personId", "DefaultProduct"),
    "product_default_dimensions": ("productId", "DefaultDimensionBasicData"),
}
_KINDS_OF_OWNERS = {"businessPartnerId": "businesspartners", "productId": "products"}


def _owned(stream: str) -> Rows:
    owner_id, component = OWNED[stream]

    def rows(company: Company) -> Iterator[Record]:
        kind = _KINDS_OF_OWNERS.get(owner_id)
        versions = {one["id"]: one["version"] for one in company.truth(kind)} if kind else {}
        for default in company.truth(stream):
            number = default.pop(owner_id)
            record = expected_record(default, component, company_id=company.id)
            record[snake_case(owner_id)] = number
            yield record | ({"version": utc(versions[number])} if versions else {})

    return rows


def _queue(*statuses: str) -> Rows:
    def waiting(company: Company) -> Iterator[Record]:
        for invoice in company.truth("invoices"):
            is_circulated = invoice["type"] in {
                "PURCHASE_INVOICE",
                "TRAVEL_INVOICE",
                "BILL_OF_CHARGES",
            }
            if is_circulated and invoice["status"] in statuses and invoice["id"] % 2:
                yield {"company_id": company.id, "invoice_id": invoice["id"]}

    return waiting


#: Tables whose rows are parts of an answer.
PARTS: dict[str, Rows] = {
    "company_currency": lambda company: iter(
        [{"company_id": company.id, "company_currency": "EUR"}]
    ),
    "currencies": lambda company: (
        {"company_id": company.id, "code": code} for code in currencies()
    ),
    "delivery_terms": lambda company: (
        {"company_id": company.id, "delivery_term": term} for term in DELIVERY_TERMS
    ),
    "einvoice_addresses": _einvoice_addresses,
    "exchange_rates": _exchange_rates,
    "personal_approvals": _queue("RECEIVED", "VERIFIED"),
    "personal_verifications": _queue("RECEIVED"),
    "se_factoring_contracts": _se_factoring_contracts,
    "tracking_periods": _tracking_periods,
    "vat_percentages": _vat_percentages,
    "vat_statuses": _vat_statuses,
    **{stream: _owned(stream) for stream in OWNED},
}

TABLES: dict[str, Rows] = {**DOCUMENTS, **PARTS}
