"""The documents and registers of the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.answers import multipart_answer
from tap_procountor.sandbox.books.company import session_document
from tap_procountor.sandbox.errors import ApiError

from .declarations import (
    CREATED,
    DATES,
    VERSIONS,
    Call,
    Computed,
    Resource,
    any_of,
    but,
    equal,
    only_active_unless,
    since,
    text,
    until,
)

if TYPE_CHECKING:
    from starlette.responses import Response

    from tap_procountor.sandbox.books.collection import Json

_NOT_FOUND = 404

# The user of the key has entered nothing itself: limited to its own documents it sees none.
_NO_SALES = but("type", "SALES_INVOICE", "SALES_ORDER")
_NO_PURCHASES = but("type", "PURCHASE_INVOICE", "PURCHASE_ORDER")
_NO_TRAVELS = but("type", "TRAVEL_INVOICE", "BILL_OF_CHARGES")

_PRODUCT_RIGHTS = ("sales.productRegister", "purchases.productRegister")

INVOICES = Resource(
    "invoices",
    path="/invoices",
    data=lambda books: books.invoices.rows,
    filters={
        **VERSIONS,
        **CREATED,
        **DATES,
        "dueStartDate": since("due"),
        "dueEndDate": until("due"),
        "status": any_of("status"),
        "types": any_of("type"),
        "isOffer": equal("offer"),
        "businessPartnerId": equal("partner"),
        "invoiceNumber": equal("number"),
        "originalInvoiceNumber": text("originalInvoiceNumber"),
        "searchTerm": text("counterParty.counterPartyAddress.name"),
    },
    rights=(
        "sales.salesInvoiceSearch",
        "purchases.purchaseInvoiceSearch",
        "travelAndExpenses.travelAndExpenseInvoiceSearch",
    ),
    hidden={
        "sales.salesInvoiceSearch": _NO_SALES,
        "sales.personalSalesInvoicesOnly": _NO_SALES,
        "purchases.purchaseInvoiceSearch": _NO_PURCHASES,
        "purchases.personalPurchaseInvoicesOnly": _NO_PURCHASES,
        "travelAndExpenses.travelAndExpenseInvoiceSearch": _NO_TRAVELS,
        "travelAndExpenses.personalTravelAndExpenseInvoiceOnly": _NO_TRAVELS,
    },
)

RESOURCES = (
    INVOICES,
    Resource(
        "ledger_receipts",
        path="/ledgerreceipts",
        data=lambda books: books.receipts.rows,
        filters={
            **VERSIONS,
            **CREATED,
            **DATES,
            "types": any_of("type"),
            "status": equal("status"),
        },
        rights=("accounting.journalReceiptSearch",),
        hidden={
            "salaries.payroll": but("type", "SALARY"),
            "salaries.personalSalariesOnly": but("type", "SALARY"),
            "accounting.personalJournalReceiptsOnly": but("type", "JOURNAL"),
        },
    ),
    Resource(
        "business_partners",
        path="/businesspartners",
        data=lambda books: books.partners.rows,
        filters={
            **VERSIONS,
            "type": equal("type"),
            "active": equal("active"),
            "customerNumber": text("invoicingInfo.customerNumber"),
            "identifierType": text("invoicingInfo.identifierType"),
        },
        header_filters={"name": "name", "identifier": "invoicingInfo.identifier"},
        hidden={
            "sales.customerRegister": but("type", "CUSTOMER"),
            "purchases.supplierRegister": but("type", "SUPPLIER"),
            "salaries.personRegister": but("type", "PERSON"),
        },
    ),
    Resource(
        "business_partner_groups",
        path="/businesspartners/groups",
        data=lambda books: books.partners.groups,
        filters={"name": text("name"), "type": equal("type"), "active": equal("active")},
        rights=("sales.customerRegister", "purchases.supplierRegister"),
    ),
    Resource(
        "persons",
        path="/persons",
        data=lambda books: books.partners.persons,
        filters={
            "includeInactive": only_active_unless("active"),
            "personNumber": text("invoicingInfo.personNumber"),
        },
        rights=("salaries.personRegister",),
    ),
    Resource(
        "products",
        path="/products",
        data=lambda books: books.products.rows,
        filters={
            **VERSIONS,
            "type": equal("type"),
            "active": equal("active"),
            "group": any_of("group"),
            "name": text("name"),
            "code": text("code"),
        },
        fallbacks={"type": but("type", "TRAVEL")},
        rights=_PRODUCT_RIGHTS,
        optional={"includeLocalizations": "productLocalizations"},
    ),
    Resource(
        "attachments",
        path="/attachments",
        data=lambda books: books.files.rows,
        filters={
            "createdStartDate": since("date"),
            "createdEndDate": until("date"),
            "minSize": since("size"),
            "maxSize": until("size"),
            "name": text("name"),
            "type": any_of("type"),
            "referenceId": equal("reference"),
        },
        header_filters={"username": "user"},
        is_available=lambda company: company.documents,
        has_details=False,
    ),
    Resource(
        "company",
        path="/company",
        data=lambda books: [books.company],
        rights=("management.basicCompanyInfo",),
    ),
    Resource(
        "fiscal_years", path="/fiscalyears", data=lambda books: books.fiscal_years.documents()
    ),
    Resource(
        "chart_of_accounts",
        path="/coa",
        data=lambda books: books.accounts,
        rights=("management.chartOfAccountsAndDefaultReports",),
    ),
    Resource(
        "dimensions",
        path="/dimensions",
        data=lambda books: books.dimensions,
        filters={"name": text("name")},
        rights=("management.basicAccountingInfo",),
    ),
    Resource(
        "product_groups",
        path="/products/groups",
        data=lambda books: books.products.groups,
        filters={"type": equal("type")},
        fallbacks={"type": but("type", "TRAVEL")},
        rights=_PRODUCT_RIGHTS,
    ),
)


def _status(_: Call) -> Json:
    return {
        "name": "Procountor API",
        "version": "26.04",
        "status": "OK",
        "procountorVersion": "Sandbox",
    }


def _session(call: Call) -> Json:
    return session_document(call.company.books.company, discussion=call.company.discussion)


def _attachment(call: Call) -> Response:
    text = call.path["attachmentId"]
    metadata = call.company.books.files.metadata(int(text)) if text.isdecimal() else None
    if metadata is None:
        raise ApiError(_NOT_FOUND, "Not found")
    spoilt = call.company.spoilt.get(("attachments", metadata["id"]), {})
    content = call.company.books.files.content(metadata["id"])
    return multipart_answer(metadata | spoilt, content, metadata["mimeType"])


COMPUTED = (
    Computed("/sessioninfo", _session),
    Computed("/status", _status),
    Computed("/users/rights", lambda call: call.company.rights.document()),
    Computed("/attachments/{attachmentId}", _attachment),
)
