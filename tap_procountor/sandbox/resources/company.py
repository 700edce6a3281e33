"""What a company has set, and what its documents begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.company import user_document
from tap_procountor.sandbox.books.settings import DELIVERY_TERMS, in_lists, verifier_lists
from tap_procountor.sandbox.documents import Documents

from .declarations import Call, Computed, Resource, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_procountor.sandbox.books.collection import Json

_COMPANY_RIGHTS = ("management.basicCompanyInfo",)
_PARTNER_RIGHTS = (
    "sales.customerRegister",
    "purchases.supplierRegister",
    "salaries.personRegister",
)

_WAITING_FOR_APPROVAL = ("RECEIVED", "VERIFIED")
_WAITING_FOR_VERIFICATION = ("RECEIVED",)

RESOURCES = (
    Resource(
        "factoring_contracts",
        path="/factoringcontracts",
        filters={"financingCompanyId": text("financingCompany.id")},
        rights=_COMPANY_RIGHTS,
    ),
    Resource("webhooks", path="/webhooks", filters={"url": text("url")}),
    Resource("users", path="/users", data=lambda books: [user_document(books.company)]),
    Resource("usage_settings", path="/company/usagesettings", rights=_COMPANY_RIGHTS),
    Resource(
        "invoice_templates",
        path="/company/invoicetemplates",
        is_array=True,
        rights=_COMPANY_RIGHTS,
    ),
    Resource(
        "circulation_settings",
        path="/company/invoicecirculation/settings",
        rights=_COMPANY_RIGHTS,
    ),
    Resource(
        "verifier_lists",
        path="/company/invoicecirculation/verifierlists",
        data=lambda books: Documents(verifier_lists(books.seed), in_lists),
        rights=_COMPANY_RIGHTS,
    ),
    Resource("collection_settings", path="/company/expenses/collectionpenal/settings"),
    Resource("einvoice_addresses", path="/company/einvoiceaddresses", is_array=True),
    Resource(
        "se_factoring_contracts",
        path="/se/factoringcontracts",
        is_array=True,
        rights=_COMPANY_RIGHTS,
        is_available=lambda company: company.books.company["country"] == "SWEDEN",
    ),
    Resource(
        "business_partner_default_accounts",
        path="/businesspartners/{id}/defaults/accounts",
        owners="business_partners",
        data=lambda books, partner: [books.defaults.accounts(partner)],
        rights=_PARTNER_RIGHTS,
    ),
    Resource(
        "business_partner_default_dimensions",
        path="/businesspartners/{id}/defaults/dimensions",
        owners="business_partners",
        data=lambda books, partner: books.defaults.dimensions(partner),
        rights=_PARTNER_RIGHTS,
    ),
    Resource(
        "business_partner_default_products",
        path="/businesspartners/{id}/defaults/products",
        owners="business_partners",
        data=lambda books, partner: books.defaults.products(partner),
        rights=_PARTNER_RIGHTS,
    ),
    Resource(
        "person_default_dimensions",
        path="/persons/{id}/defaults/dimensions",
        owners="persons",
        data=lambda books, person: books.defaults.dimensions(person),
    ),
    Resource(
        "person_default_products",
        path="/persons/{id}/defaults/products",
        owners="persons",
        data=lambda books, person: books.defaults.products(person),
    ),
    Resource(
        "product_default_dimensions",
        path="/products/{productId}/defaults/dimensions",
        owners="products",
        data=lambda books, product: books.defaults.dimensions(product),
    ),
)


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


COMPUTED = (
    Computed(
        "/company/deliveryterms", lambda _: {"deliveryTerms": [*DELIVERY_TERMS]}, _COMPANY_RIGHTS
    ),
    Computed(
        "/invoices/personalapprovals",
        _queue(*_WAITING_FOR_APPROVAL),
        ("invoiceCirculation.approval",),
    ),
    Computed(
        "/invoices/personalverifications",
        _queue(*_WAITING_FOR_VERIFICATION),
        ("invoiceCirculation.verification",),
    ),
)
