"""The company itself."""

from __future__ import annotations

from tap_procountor.schema import RecordSchema
from tap_procountor.streams.base import SingleCallStream
from tap_procountor.verdicts import Access


class CompanyStream(SingleCallStream):
    """The company (environment) that the key opens."""

    name = "company"
    path = "/company"
    primary_keys = ("company_id",)
    access = Access(any_of=("management.basicCompanyInfo",))
    schema = RecordSchema("Company")
