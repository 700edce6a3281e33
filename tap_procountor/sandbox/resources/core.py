"""The documents and registers of the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.answers import multipart_answer
from tap_procountor.sandbox.books.company import session_document
from tap_procountor.sandbox.errors import ApiError

from .declarations import (
    Call,
    Register,
    Single,
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

    from tap_procountor.sandbox.books.collection import Document, Json

_NOT_FOUND = 404

# The user of the key has entered nothing itself: limited to its own documents it sees none.
_NO_SALES = but("type", "SALES_INVOICE", "SALES_ORDER")
_NO_PURCHASES = but("type", "PURCHASE_INVOICE", "PURCHASE_ORDER")
_NO_TRAVELS = but("type", "TRAVEL_INVOICE", "BILL_OF_CHARGES")

_VERSIONS = {"versionStartDate": since("version"), "versionEndDate": until("version")}
_CREATED = {"createdStartDate": since("created"), "createdEndDate": until("created")}
_DATES = {"startDate": since("date"), "endDate": until("date")}

REGISTERS = (
    Register(
        path="/invoices",
        name="invoices",
        filters={
            **_VERSIONS,
            **_CREATED,
            **_DATES,
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
    ),
    Register(
        path="/ledgerreceipts",
        name="ledgerreceipts",
        filters={
            **_VERSIONS,
            **_CREATED,
            **_DATES,
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
    Register(
        path="/businesspartners",
        name="businesspartners",
        filters={
            **_VERSIONS,
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
    Register(
        path="/businesspartners/groups",
        name="businesspartner_groups",
        filters={"name": text("name"), "type": equal("type"), "active": equal("active")},
        rights=("sales.customerRegister", "purchases.supplierRegister"),
    ),
    Register(
        path="/persons",
        name="persons",
        filters={
            "includeInactive": only_active_unless("active"),
            "personNumber": text("invoicingInfo.personNumber"),
        },
        rights=("salaries.personRegister",),
    ),
    Register(
        path="/products",
        name="products",
        filters={
            **_VERSIONS,
            "type": equal("type"),
            "active": equal("active"),
            "group": any_of("group"),
            "name": text("name"),
            "code": text("code"),
        },
        fallbacks={"type": but("type", "TRAVEL")},
        rights=("sales.productRegister", "purchases.productRegister"),
        optional={"includeLocalizations": "productLocalizations"},
    ),
    Register(
        path="/attachments",
        name="attachments",
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


def _fiscal_years(call: Call) -> Json:
    return {"fiscalYears": call.company.books.fiscal_years.documents()}


def _chart_of_accounts(call: Call) -> Json:
    visible = call.company.rights.allows("management.chartOfAccountsAndDefaultReports")
    return {"ledgerAccounts": call.company.books.accounts if visible else []}


def _dimensions(call: Call) -> Json:
    name, code_name = call.query.get("name", ""), call.query.get("codeName", "")
    return [
        dimension
        for dimension in call.company.books.dimensions
        if name in dimension["name"]
        and (not code_name or any(code_name in one["codeName"] for one in dimension["items"]))
    ]


def _dimension(call: Call) -> Json:
    return _with_id(call.company.books.dimensions, call.path["dimensionId"])


def _product_groups(call: Call) -> Json:
    kinds = {call.query["type"]} if "type" in call.query else {"SALES", "PURCHASE"}
    groups = call.company.books.products.groups
    return {"productGroups": [group for group in groups if group["type"] in kinds]}


def _product_group(call: Call) -> Json:
    return _with_id(call.company.books.products.groups, call.path["groupId"])


def _attachment(call: Call) -> Response:
    text = call.path["attachmentId"]
    metadata = call.company.books.files.metadata(int(text)) if text.isdecimal() else None
    if metadata is None:
        raise ApiError(_NOT_FOUND, "Not found")
    spoilt = call.company.spoilt.get(("attachments", metadata["id"]), {})
    content = call.company.books.files.content(metadata["id"])
    return multipart_answer(metadata | spoilt, content, metadata["mimeType"])


def _with_id(documents: list[Document], text: str) -> Document:
    for document in documents:
        if str(document["id"]) == text:
            return document
    raise ApiError(_NOT_FOUND, "Not found")


_PRODUCT_RIGHTS = ("sales.productRegister", "purchases.productRegister")
_COMPANY_RIGHTS = ("management.basicCompanyInfo",)
_DIMENSION_RIGHTS = ("management.basicAccountingInfo",)

SINGLES = (
    Single("/sessioninfo", _session),
    Single("/status", _status),
    Single("/users/rights", lambda call: call.company.rights.document()),
    Single("/company", lambda call: call.company.books.company, _COMPANY_RIGHTS),
    Single("/fiscalyears", _fiscal_years),
    Single("/coa", _chart_of_accounts),
    Single("/dimensions", _dimensions, _DIMENSION_RIGHTS),
    Single("/dimensions/{dimensionId}", _dimension, _DIMENSION_RIGHTS),
    Single("/products/groups", _product_groups, _PRODUCT_RIGHTS),
    Single("/products/groups/{groupId}", _product_group, _PRODUCT_RIGHTS),
    Single("/attachments/{attachmentId}", _attachment),
)
