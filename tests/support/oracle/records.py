"""What a document of the API must become, worked out from the specification and not by the tap."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import inflection

from support.exact import Digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.exact import Record
    from tap_procountor.sandbox.company import Company

    #: The rows that a table must hold of one company.
    Rows = Callable[[Company], Iterator[Record]]

SPECIFICATION = json.loads(files("tap_procountor").joinpath("openapi.json").read_text("utf-8"))
COMPONENTS = SPECIFICATION["components"]["schemas"]

#: The same few hundred names come again and again, and took most of the time of a comparison.
snake_case = cache(inflection.underscore)


def documents(kind: str, *components: str) -> Rows:
    """Return the rows of a table whose rows are whole documents.

    Args:
        kind: The documents, as the sandbox names them.
        components: The schemas that describe them; later ones win.
    """

    def rows(company: Company) -> Iterator[Record]:
        for document in company.truth(kind):
            yield expected_record(document, *components, company_id=company.id)

    return rows


def expected_record(document: Record, *components: str, company_id: int) -> Record:
    """Turn a document into the record that must come of it."""
    properties: Record = {}
    for component in components:
        properties |= COMPONENTS[component]["properties"]
    known, additional = {"company_id": company_id}, {}
    for name, value in document.items():
        if name in properties:
            known[snake_case(name)] = _expected(value, properties[name])
        else:
            additional[snake_case(name)] = _expected(value, {})
    return known | ({"additional_fields": additional} if additional else {})


def expected_row(item: Record, component: str, inherited: Record) -> Record:
    """Turn an item of an owner's array, names and values converted, into a row.

    Args:
        item: As it is inside the owner's record.
        component: The schema that knows its fields.
        inherited: The owner's fields in the row, which the item's own override.
    """
    known = {snake_case(name) for name in COMPONENTS[component]["properties"]}
    row = inherited | {name: value for name, value in item.items() if name in known}
    additional = {name: value for name, value in item.items() if name not in known}
    return row | ({"additional_fields": additional} if additional else {})


def _expected(value: Any, schema: Record) -> Any:
    if value is None or isinstance(value, int):
        return value
    schema = resolved(schema)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {
            snake_case(name): _expected(item, properties.get(name, {}))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_expected(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and schema.get("format") == "date-time":
        return utc(value)
    return Digits(value) if isinstance(value, Decimal) else value


def resolved(schema: Record) -> Record:
    """Follow the references of a schema to where it is written out."""
    while "$ref" in schema or "allOf" in schema:
        schema = schema["allOf"][0] if "allOf" in schema else schema
        if "$ref" in schema:
            schema = COMPONENTS[schema["$ref"].rpartition("/")[2]]
    return schema


@cache
def utc(text: str, zone: str = "Europe/Helsinki") -> str:
    """Turn a naive local time into RFC 3339 in UTC."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    try:
        moment = local.astimezone(UTC)
    except OverflowError:
        # UTC would be beyond the first or the last year that there is.
        moment = datetime.min if local.year == 1 else datetime.max  # noqa: DTZ901
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
