"""The API's resources, declared: what the specification leaves open is said here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .books.collection import Between, Condition, Contains, OneOf
from .books.company import session_document, usage_settings, user_document

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from .company import Company

Filter = Callable[[Any], Condition | None]
Query = Mapping[str, Any]


class Call(NamedTuple):
    """A request of a company's user, its parameters checked."""

    company: Company
    query: Query
    headers: Headers
    path: Mapping[str, str]


def since(column: str) -> Filter:
    """Keep what is not before."""
    return lambda value: Between(column, low=value)


def until(column: str) -> Filter:
    """Keep what is not after."""
    return lambda value: Between(column, high=value)


def equal(column: str) -> Filter:
    """Keep what has the value."""
    return lambda value: OneOf(column, frozenset({value}))


def any_of(column: str) -> Filter:
    """Keep what has one of the values."""
    return lambda values: OneOf(column, values)


def text(path: str) -> Filter:
    """Keep what contains the text."""
    return lambda value: Contains(path, value)


def only_active_unless(column: str) -> Filter:
    """Keep what is active, or with true everything."""
    return lambda everything: None if everything else OneOf(column, frozenset({True}))


def but(column: str, *values: str) -> Condition:
    """Return the condition that hides values."""
    return OneOf(column, frozenset(values), negated=True)


@dataclass(frozen=True)
class Register:
    """A paged list, with details where the specification has them.

    Attributes:
        path: The list's path; details are below it.
        name: The collection in the books.
        filters: What each query parameter keeps; one that is missing here is refused.
        header_filters: The path of the text that each request header looks for.
        fallbacks: The conditions that hold when a parameter is not given and has no default.
        rights: Without any of these rights the answer is 403, or nothing where the
            specification has no 403.
        hidden: What is silently left out without a right.
        optional: Fields that are there only when their parameter is true.
    """

    path: str
    name: str
    filters: Mapping[str, Filter]
    header_filters: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, Condition] = field(default_factory=dict)
    rights: tuple[str, ...] = ()
    hidden: Mapping[str, Condition] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Single:
    """A path that answers with one document, whatever its shape.

    Attributes:
        path: The path.
        answer: Makes the answer for a company, a query and the ids in the path.
        rights: Without any of these rights the answer is 403.
    """

    path: str
    answer: Callable[[Company, Query], Any]
    rights: tuple[str, ...] = ()


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
            "sales.salesInvoiceSearch": but("type", "SALES_INVOICE", "SALES_ORDER"),
            "purchases.purchaseInvoiceSearch": but("type", "PURCHASE_INVOICE", "PURCHASE_ORDER"),
            "travelAndExpenses.travelAndExpenseInvoiceSearch": but(
                "type", "TRAVEL_INVOICE", "BILL_OF_CHARGES"
            ),
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
        hidden={"salaries.payroll": but("type", "SALARY")},
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
)


def _session(company: Company, _: Query) -> Any:  # noqa: ANN401 - the answers are any JSON
    return session_document(company.books.company)


def _status(_company: Company, _query: Query) -> Any:  # noqa: ANN401
    return {
        "name": "Procountor API",
        "version": "26.04",
        "status": "OK",
        "procountorVersion": "Sandbox",
    }


def _users(company: Company, _: Query) -> Any:  # noqa: ANN401
    return user_document(company.books.company)


def _chart_of_accounts(company: Company, _: Query) -> Any:  # noqa: ANN401
    visible = company.rights.allows("management.chartOfAccountsAndDefaultReports")
    return {"ledgerAccounts": company.books.accounts if visible else []}


def _dimensions(company: Company, query: Query) -> Any:  # noqa: ANN401
    name, code_name = query.get("name", ""), query.get("codeName", "")
    return [
        dimension
        for dimension in company.books.dimensions
        if name in dimension["name"]
        and (not code_name or any(code_name in one["codeName"] for one in dimension["items"]))
    ]


def _product_groups(company: Company, query: Query) -> Any:  # noqa: ANN401
    kinds = {query["type"]} if "type" in query else {"SALES", "PURCHASE"}
    groups = company.books.products.groups
    return {"productGroups": [group for group in groups if group["type"] in kinds]}


SINGLES = (
    Single("/sessioninfo", _session),
    Single("/status", _status),
    Single("/users", _users),
    Single("/users/rights", lambda company, _: company.rights.document()),
    Single("/company", lambda company, _: company.books.company, ("management.basicCompanyInfo",)),
    Single("/company/usagesettings", lambda *_: usage_settings(), ("management.basicCompanyInfo",)),
    Single(
        "/fiscalyears",
        lambda company, _: {"fiscalYears": company.books.fiscal_years.documents()},
    ),
    Single("/coa", _chart_of_accounts),
    Single("/dimensions", _dimensions, ("management.basicAccountingInfo",)),
    Single(
        "/products/groups",
        _product_groups,
        ("sales.productRegister", "purchases.productRegister"),
    ),
)
