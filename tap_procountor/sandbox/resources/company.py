"""What a company has set, and what its documents begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.company import usage_settings, user_document
from tap_procountor.sandbox.books.settings import DELIVERY_TERMS, in_lists
from tap_procountor.sandbox.errors import ApiError

from .declarations import Call, Register, Single, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tap_procountor.sandbox.books.collection import Collection, Json

_FORBIDDEN = 403
_NOT_FOUND = 404

_COMPANY_RIGHTS = ("management.basicCompanyInfo",)
_PARTNER_RIGHTS = (
    "sales.customerRegister",
    "purchases.supplierRegister",
    "salaries.personRegister",
)
_PERSON_RIGHTS = ("salaries.personRegister",)
_PRODUCT_RIGHTS = ("sales.productRegister", "purchases.productRegister")

_WAITING_FOR_APPROVAL = ("RECEIVED", "VERIFIED")
_WAITING_FOR_VERIFICATION = ("RECEIVED",)

REGISTERS = (
    Register(
        path="/factoringcontracts",
        name="factoring_contracts",
        filters={"financingCompanyId": text("financingCompany.id")},
        rights=_COMPANY_RIGHTS,
    ),
    Register(path="/webhooks", name="webhooks", filters={"url": text("url")}),
)


def _verifier_list(call: Call) -> Json:
    for one in call.company.books.settings.verifier_lists():
        if str(one["id"]) == call.path["id"]:
            return one
    raise ApiError(_NOT_FOUND, "Not found")


def _swedish_factoring_contracts(call: Call) -> Json:
    if call.company.books.company["country"] != "SWEDEN":
        raise ApiError(_FORBIDDEN, "Insufficient user rights")
    return call.company.books.settings.swedish_factoring_contracts()


def _queue(*statuses: str) -> Callable[[Call], Json]:
    """Answer the ids of the invoices that wait for the user of the key."""

    def answer(call: Call) -> Json:
        return {
            "invoiceIds": [
                row.id
                for row in call.company.books.invoices.rows
                if row.type == call.query["types"] and row.status in statuses and row.id % 2
            ]
        }

    return answer


def _of_owner(
    rows: Callable[[Call], Collection[Any]],
    write: Callable[[Call], Callable[[Any], Json]],
    *,
    unknown: Json = None,
) -> Callable[[Call], Json]:
    """Answer what belongs to one document; an unknown one is not found unless it has a value."""

    def answer(call: Call) -> Json:
        (number,) = call.path.values()
        owners = rows(call)
        at = owners.position(int(number)) if number.isdecimal() else None
        if at is not None:
            return write(call)(owners.row_at(at))
        if unknown is None:
            raise ApiError(_NOT_FOUND, "Not found")
        return unknown

    return answer


def _partners(call: Call) -> Collection[Any]:
    return call.company.books.partners.rows


def _persons(call: Call) -> Collection[Any]:
    return call.company.books.partners.persons


def _products(call: Call) -> Collection[Any]:
    return call.company.books.products.rows


def _accounts_of(call: Call) -> Callable[[Any], Json]:
    return call.company.books.defaults.accounts


def _dimensions_of(call: Call) -> Callable[[Any], Json]:
    return call.company.books.defaults.dimensions


def _products_of(call: Call) -> Callable[[Any], Json]:
    return call.company.books.defaults.products


SINGLES = (
    Single("/users", lambda call: user_document(call.company.books.company)),
    Single("/company/usagesettings", lambda _: usage_settings(), _COMPANY_RIGHTS),
    Single(
        "/company/deliveryterms", lambda _: {"deliveryTerms": [*DELIVERY_TERMS]}, _COMPANY_RIGHTS
    ),
    Single(
        "/company/invoicetemplates",
        lambda call: call.company.books.settings.invoice_templates(),
        _COMPANY_RIGHTS,
    ),
    Single(
        "/company/invoicecirculation/settings",
        lambda call: call.company.books.settings.circulation(),
        _COMPANY_RIGHTS,
    ),
    Single(
        "/company/invoicecirculation/verifierlists",
        lambda call: [in_lists(one) for one in call.company.books.settings.verifier_lists()],
        _COMPANY_RIGHTS,
    ),
    Single("/company/invoicecirculation/verifierlists/{id}", _verifier_list, _COMPANY_RIGHTS),
    Single(
        "/company/expenses/collectionpenal/settings",
        lambda call: call.company.books.settings.collection(),
    ),
    Single(
        "/company/einvoiceaddresses",
        lambda call: call.company.books.settings.einvoice_addresses(),
    ),
    Single("/se/factoringcontracts", _swedish_factoring_contracts, _COMPANY_RIGHTS),
    Single(
        "/invoices/personalapprovals",
        _queue(*_WAITING_FOR_APPROVAL),
        ("invoiceCirculation.approval",),
    ),
    Single(
        "/invoices/personalverifications",
        _queue(*_WAITING_FOR_VERIFICATION),
        ("invoiceCirculation.verification",),
    ),
    Single(
        "/businesspartners/{id}/defaults/accounts",
        _of_owner(_partners, _accounts_of),
        _PARTNER_RIGHTS,
    ),
    Single(
        "/businesspartners/{id}/defaults/dimensions",
        # The specification knows no 404 here.
        _of_owner(_partners, _dimensions_of, unknown=[]),
        _PARTNER_RIGHTS,
    ),
    Single(
        "/businesspartners/{id}/defaults/products",
        _of_owner(_partners, _products_of),
        _PARTNER_RIGHTS,
    ),
    Single(
        "/persons/{id}/defaults/dimensions",
        _of_owner(_persons, _dimensions_of),
        _PERSON_RIGHTS,
    ),
    Single("/persons/{id}/defaults/products", _of_owner(_persons, _products_of), _PERSON_RIGHTS),
    Single(
        "/products/{productId}/defaults/dimensions",
        # Nor here.
        _of_owner(_products, _dimensions_of, unknown=[]),
        _PRODUCT_RIGHTS,
    ),
)
