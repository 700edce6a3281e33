"""What documents begin with for a partner, a person or a product; a request for each of these.

The API also shows each default dimension by itself, with the status and the description of its
items. Those are the items', not the default's: ``dimension_items`` has them.
"""

from __future__ import annotations

from typing import ClassVar

from tap_procountor.readers.owned_rows import RowsOfOwner
from tap_procountor.records.schema import DATE_TIME, INTEGER, RecordSchema
from tap_procountor.streams.base.full_table import FullListStream
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.registers import BusinessPartners, Persons, Products

_OF_PARTNER = {"business_partner_id": INTEGER, "version": DATE_TIME}
_PARTNERS_FIELDS = {"business_partner_id": "id", "version": "version"}


class _OfPartners(IncrementalStream):
    """Asks for something of each business partner that has changed."""

    lister = BusinessPartners.lister
    primary_keys: ClassVar[tuple[str, ...]] = ("company_id", "business_partner_id", "id")
    selected_by_default = False
    access = BusinessPartners.access


class _OfPersons(FullListStream):
    """Asks for something of each person, in every run: they have no ``version`` to filter by."""

    lister = Persons.lister
    primary_keys = ("company_id", "person_id", "id")
    selected_by_default = False
    access = Persons.access


class BusinessPartnerDefaultAccounts(_OfPartners):
    """Default accounts and VAT of business partners, by type of document."""

    name = "business_partner_default_accounts"
    completer = RowsOfOwner("/businesspartners/{id}/defaults/accounts", _PARTNERS_FIELDS)
    primary_keys = ("company_id", "business_partner_id")
    schema = RecordSchema("BusinessPartnerDefaultAccounts", added=_OF_PARTNER)


class BusinessPartnerDefaultDimensions(_OfPartners):
    """Default dimensions of business partners, with items and shares."""

    name = "business_partner_default_dimensions"
    completer = RowsOfOwner("/businesspartners/{id}/defaults/dimensions", _PARTNERS_FIELDS)
    schema = RecordSchema("DefaultDimensionBasicData", added=_OF_PARTNER)


class BusinessPartnerDefaultProducts(_OfPartners):
    """Default products of business partners, with agreed prices."""

    name = "business_partner_default_products"
    completer = RowsOfOwner("/businesspartners/{id}/defaults/products", _PARTNERS_FIELDS)
    schema = RecordSchema("DefaultProduct", added=_OF_PARTNER)


class ProductDefaultDimensions(IncrementalStream):
    """Default dimensions of products, with items and shares."""

    name = "product_default_dimensions"
    lister = Products.lister
    completer = RowsOfOwner(
        "/products/{id}/defaults/dimensions", {"product_id": "id", "version": "version"}
    )
    primary_keys = ("company_id", "product_id", "id")
    selected_by_default = False
    access = Products.access
    schema = RecordSchema(
        "DefaultDimensionBasicData", added={"product_id": INTEGER, "version": DATE_TIME}
    )


class PersonDefaultDimensions(_OfPersons):
    """Default dimensions of persons, with items and shares."""

    name = "person_default_dimensions"
    completer = RowsOfOwner("/persons/{id}/defaults/dimensions", {"person_id": "id"})
    schema = RecordSchema("DefaultDimensionBasicData", added={"person_id": INTEGER})


class PersonDefaultProducts(_OfPersons):
    """Default products of persons, with agreed prices."""

    name = "person_default_products"
    completer = RowsOfOwner("/persons/{id}/defaults/products", {"person_id": "id"})
    schema = RecordSchema("DefaultProduct", added={"person_id": INTEGER})
