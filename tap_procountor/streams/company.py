"""The company itself: its user, its settings, its contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import DetailEach
from tap_procountor.readers.lister import Whole
from tap_procountor.readers.numbered import Numbered
from tap_procountor.records.schema import INTEGER, STRING, RecordSchema, ValueSchema
from tap_procountor.streams.base.full_table import FullListStream, SingleCallStream, ValuesStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch
    from tap_procountor.readers.list_page import Source

_COMPANY_INFO = Access(any_of=("management.basicCompanyInfo",))

#: Types of invoices that are verified and approved; the API takes one at a time.
_CIRCULATED = tuple(
    {"types": invoice_type}
    for invoice_type in ("PURCHASE_INVOICE", "TRAVEL_INVOICE", "BILL_OF_CHARGES")
)


class CompanyStream(SingleCallStream):
    """The company (environment) that the key opens."""

    name = "company"
    path = "/company"
    primary_keys = ("company_id",)
    access = Access(any_of=_COMPANY_INFO.any_of, is_never_empty=True)
    schema = RecordSchema("Company")


class Users(SingleCallStream):
    """The user that the API key belongs to; the API returns no other users."""

    name = "users"
    path = "/users"
    schema = RecordSchema("User")


class UsageSettings(SingleCallStream):
    """Usage settings: default invoice channel, cash discounts, accounting by row."""

    name = "usage_settings"
    path = "/company/usagesettings"
    primary_keys = ("company_id",)
    access = _COMPANY_INFO
    schema = RecordSchema("CompanyUsageSettings")


class DeliveryTerms(ValuesStream):
    """Delivery terms that invoices can name."""

    name = "delivery_terms"
    path = "/company/deliveryterms"
    records_field = "deliveryTerms"
    primary_keys = ("company_id", "delivery_term")
    access = _COMPANY_INFO
    schema = ValueSchema(delivery_term=STRING)


class InvoiceTemplates(SingleCallStream):
    """Invoice templates that the company can use."""

    name = "invoice_templates"
    path = "/company/invoicetemplates"
    access = _COMPANY_INFO
    schema = RecordSchema("InvoiceTemplate")


class EInvoiceAddresses(SingleCallStream):
    """The company's e-invoice addresses, numbered in the API's order."""

    name = "einvoice_addresses"
    path = "/company/einvoiceaddresses"
    # They have no id, and any of their fields may be empty; whether there can be several is open.
    primary_keys = ("company_id", "position")
    access = _COMPANY_INFO
    schema = RecordSchema("EInvoiceData", added={"position": INTEGER})

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401
        return [
            {**address, "position": position}
            for position, address in enumerate(super().sources(answer, params))
        ]


class CirculationSettings(SingleCallStream):
    """Invoice circulation settings: default verifiers, approvers and substitutes."""

    name = "circulation_settings"
    path = "/company/invoicecirculation/settings"
    primary_keys = ("company_id",)
    access = _COMPANY_INFO
    schema = RecordSchema("CirculationSettings")


class VerifierLists(FullListStream):
    """Lists of invoice verifiers and approvers, with their names."""

    name = "verifier_lists"
    lister = Whole("/company/invoicecirculation/verifierlists")
    completer = DetailEach()
    access = _COMPANY_INFO
    schema = RecordSchema("VerifierListBasic", "VerifierList")


class CollectionSettings(SingleCallStream):
    """Reminder settings: products for fees and penal interest, rates, payment terms."""

    name = "collection_settings"
    path = "/company/expenses/collectionpenal/settings"
    primary_keys = ("company_id",)
    access = _COMPANY_INFO
    schema = RecordSchema("CollectionsAndPenalExpenses")


class FactoringContracts(FullListStream):
    """Factoring contracts."""

    name = "factoring_contracts"
    lister = Numbered("/factoringcontracts")
    access = _COMPANY_INFO
    schema = RecordSchema("FactoringContract")


class SwedishFactoringContracts(SingleCallStream):
    """Factoring contracts of Swedish companies."""

    name = "se_factoring_contracts"
    path = "/se/factoringcontracts"
    access = _COMPANY_INFO
    schema = RecordSchema("BasicFactoringContract")

    def read(self, company: Company) -> Iterator[Batch]:
        """Ask only for Swedish companies: others would be refused as if they lacked a right."""
        if company.country in {"SWEDEN", None}:
            yield from super().read(company)


class Webhooks(FullListStream):
    """Webhooks: where Procountor reports events, and perhaps how it signs them."""

    name = "webhooks"
    lister = Numbered("/webhooks")
    primary_keys = ("company_id", "uuid")
    selected_by_default = False
    schema = RecordSchema("Webhook")


class PersonalApprovals(ValuesStream):
    """Invoices that await approval by the key's user."""

    name = "personal_approvals"
    path = "/invoices/personalapprovals"
    records_field = "invoiceIds"
    variants = _CIRCULATED
    primary_keys = ("company_id", "invoice_id")
    selected_by_default = False
    access = Access(any_of=("invoiceCirculation.approval",))
    schema = ValueSchema(invoice_id=INTEGER)


class PersonalVerifications(ValuesStream):
    """Invoices that await verification by the key's user."""

    name = "personal_verifications"
    path = "/invoices/personalverifications"
    records_field = "invoiceIds"
    variants = _CIRCULATED
    primary_keys = ("company_id", "invoice_id")
    selected_by_default = False
    access = Access(any_of=("invoiceCirculation.verification",))
    schema = ValueSchema(invoice_id=INTEGER)
