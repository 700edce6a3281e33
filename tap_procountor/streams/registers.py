"""Registers: products, business partners, persons."""

from __future__ import annotations

from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import AsListed, DetailBatches, DetailEach
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.numbered import Numbered
from tap_procountor.records.schema import RecordSchema
from tap_procountor.streams.base.full_table import FullListStream, SingleCallStream
from tap_procountor.streams.base.incremental import IncrementalStream

_PRODUCT_REGISTERS = Access(
    parts={
        "sales.productRegister": "sales products",
        "purchases.productRegister": "purchase products",
    }
)


class Products(IncrementalStream):
    """Products, active and inactive.

    The list already has every field.
    """

    name = "products"
    # Without a type the API gives sales and purchase products only.
    lister = Keyset(
        "/products",
        {"includeLocalizations": "true"},
        {"includeLocalizations": "true", "type": "TRAVEL"},
        has_numbers=False,
    )
    completer = AsListed(has_batches=True)
    access = _PRODUCT_REGISTERS
    schema = RecordSchema("Product")


class ProductGroups(SingleCallStream):
    """Groups of products."""

    name = "product_groups"
    path = "/products/groups"
    records_field = "productGroups"
    # Without a type the API gives the groups of sales and purchase products only.
    variants = ({}, {"type": "TRAVEL"})
    access = _PRODUCT_REGISTERS
    schema = RecordSchema("ProductGroup")


class BusinessPartners(IncrementalStream):
    """Customers, suppliers and persons as business partners, active and inactive."""

    name = "business_partners"
    # The API gives active partners by default, and has no way to ask for both.
    lister = Keyset("/businesspartners", {"active": "true"}, {"active": "false"})
    completer = DetailBatches()
    access = Access(
        parts={
            "sales.customerRegister": "customers",
            "purchases.supplierRegister": "suppliers",
            "salaries.personRegister": "persons",
        }
    )
    schema = RecordSchema("BusinessPartnerBasicInfo", "BusinessPartner")


class BusinessPartnerGroups(FullListStream):
    """Groups of business partners."""

    name = "business_partner_groups"
    lister = Numbered("/businesspartners/groups")
    access = Access(
        parts={
            "sales.customerRegister": "groups of customers",
            "purchases.supplierRegister": "groups of suppliers",
        }
    )
    schema = RecordSchema("BusinessPartnerGroup")


class Persons(FullListStream):
    """The person register, inactive persons included.

    The API has no batch of their details.
    """

    name = "persons"
    lister = Numbered("/persons", {"includeInactive": "true", "orderById": "ASC"})
    completer = DetailEach()
    access = Access(any_of=("salaries.personRegister",))
    schema = RecordSchema("PersonBasicInfo", "Person")
