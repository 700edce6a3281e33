"""Registers: products, business partners, persons."""

from __future__ import annotations

from tap_procountor.permissions.access import Access
from tap_procountor.records.schema import RecordSchema
from tap_procountor.streams.base.full_table import DetailedStream, PagedStream, SingleCallStream
from tap_procountor.streams.base.incremental import DocumentStream, IncrementalStream

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
    path = "/products"
    has_numbers = False
    # Without a type the API gives sales and purchase products only.
    variants = (
        {"includeLocalizations": "true"},
        {"includeLocalizations": "true", "type": "TRAVEL"},
    )
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


class BusinessPartners(DocumentStream):
    """Customers, suppliers and persons as business partners, active and inactive."""

    name = "business_partners"
    path = "/businesspartners"
    # The API gives active partners by default, and has no way to ask for both.
    variants = ({"active": "true"}, {"active": "false"})
    access = Access(
        parts={
            "sales.customerRegister": "customers",
            "purchases.supplierRegister": "suppliers",
            "salaries.personRegister": "persons",
        }
    )
    schema = RecordSchema("BusinessPartnerBasicInfo", "BusinessPartner")


class BusinessPartnerGroups(PagedStream):
    """Groups of business partners."""

    name = "business_partner_groups"
    path = "/businesspartners/groups"
    access = Access(
        parts={
            "sales.customerRegister": "groups of customers",
            "purchases.supplierRegister": "groups of suppliers",
        }
    )
    schema = RecordSchema("BusinessPartnerGroup")


class Persons(DetailedStream):
    """The person register, inactive persons included.

    The API has no batch of their details.
    """

    name = "persons"
    path = "/persons"
    filters = {"includeInactive": "true", "orderById": "ASC"}
    access = Access(any_of=("salaries.personRegister",))
    schema = RecordSchema("PersonBasicInfo", "Person")
