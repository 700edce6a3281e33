"""Schemas of the streams, derived from the API's own specification.

``openapi.json`` is the read side of Procountor's OpenAPI document; ``scripts/update_openapi.py``
renews it. A stream names the components that its records are made of, and gets its schema here.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import inflection
from singer_sdk import OpenAPISchema, StreamSchema
from singer_sdk.schema.source import OpenAPISchemaNormalizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk import Stream

Schema = dict[str, Any]

INTEGER: Schema = {"type": ["integer", "null"]}
NUMBER: Schema = {"type": ["number", "null"]}
STRING: Schema = {"type": ["string", "null"]}
DATE: Schema = {"type": ["string", "null"], "format": "date"}
DATE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}

#: Root fields that the specification does not know go in here, so that none is lost.
ADDITIONAL_FIELDS = "additional_fields"

#: Singer's usual mark of a row that was deleted in the source.
DELETED_AT = "_sdc_deleted_at"

_KEPT_KEYWORDS = ("type", "format", "properties", "items")
_KEPT_FORMATS = ("date", "date-time")

#: One name for every field, in every nesting: ``invoiceNumber`` becomes ``invoice_number``.
snake_case = cache(inflection.underscore)


def column_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Put names into snake case, but never two into one: that would lose a field.

    A name that is in snake case stays as it is; of the others, the first gets the column, and later
    ones keep their own names. ``taken`` are columns of others.
    """
    columns = {name: snake_case(name) for name in names}
    used = {*taken}
    if len(used.union(columns.values())) < len(used) + len(columns):
        for name in sorted(columns, key=lambda name: columns[name] != name):
            column = name if columns[name] in used else columns[name]
            while column in used:
                column += "_"
            columns[name] = column
            used.add(column)
    return columns


class _Normalizer(OpenAPISchemaNormalizer):
    """Writes snake case names and drops what only writing needs (lengths, examples …)."""

    def handle_object(self, schema: Schema, *, key_properties: Sequence[str] = ()) -> Schema:
        """Name the properties as the records do; all but the keys are nullable."""
        properties = schema.get("properties", {})
        schema["properties"] = {
            column: unwrapped(properties[name]) for name, column in column_names(properties).items()
        }
        return super().handle_object(schema, key_properties=key_properties)

    def normalize_schema(self, schema: Schema, *, key_properties: Sequence[str] = ()) -> Schema:
        """Keep only the shape and the types."""
        schema = super().normalize_schema(schema, key_properties=key_properties)
        if schema.get("format") not in _KEPT_FORMATS:
            schema.pop("format", None)
        items = schema.get("items", {})
        if isinstance(items.get("type"), str):
            schema["items"] = {**items, "type": [items["type"], "null"]}
        return {word: schema[word] for word in _KEPT_KEYWORDS if word in schema}


def unwrapped(field: Schema) -> Schema:
    """Take the reference out of an ``allOf`` that only adds an example to it.

    The SDK would forget that such a field is nullable.
    """
    (only,) = field.get("allOf") or [field]
    return dict(only)


def kind_of(field: Schema) -> str:
    """Return the type of a field, or the format that narrows it; none of unknown fields."""
    kind = field.get("type", "")
    kind = kind if isinstance(kind, str) else kind[0]
    form = field.get("format")
    return form if kind == "string" and form in _KEPT_FORMATS else kind


class Specification(OpenAPISchema[str]):
    """The API's specification."""

    def component(self, *names: str) -> Schema:
        """Merge components, such as a list's row and its detail, of which the later wins.

        Returns:
            An object schema with the API's field names, references resolved.

        Raises:
            LookupError: If a component is unknown.
        """
        if unknown := set(names) - self.spec["components"]["schemas"].keys():
            msg = f"The specification has no component {', '.join(unknown)}."
            raise LookupError(msg)
        properties: Schema = {}
        for name in names:
            properties |= self.resolve_schema(name)["properties"]
        return {"type": "object", "properties": properties}


SPECIFICATION = Specification(
    files("tap_procountor").joinpath("openapi.json"),
    preprocessor=_Normalizer(),
)


class RecordSchema(StreamSchema[str]):
    """Declares a stream's schema: ``schema = RecordSchema("Invoice")``.

    Args:
        components: Components of the specification; the later win. None for a table of our own.
        added: Fields that the tap adds, by name.
    """

    def __init__(self, *components: str, added: dict[str, Schema] | None = None) -> None:
        super().__init__(SPECIFICATION)
        self.components = components
        self.added = added or {}
        self._built: dict[tuple[str, ...], Schema] = {}

    @property
    def source(self) -> Schema:
        """The schema of what is converted: the API's object, and the fields that the tap adds."""
        component = SPECIFICATION.component(*self.components)
        added = {
            self.name_in_source(name): {**field, "type": field["type"][0]}
            for name, field in self.added.items()
        }
        return {**component, "properties": added | component["properties"]}

    def name_in_source(self, name: str) -> str:
        """Return the API's name of a field that the tap adds, if the API has it too."""
        return self._names_in_source.get(name, name)

    @cached_property
    def _names_in_source(self) -> dict[str, str]:
        component = SPECIFICATION.component(*self.components)
        return {column: name for name, column in column_names(component["properties"]).items()}

    @cached_property
    def component(self) -> Schema:
        """The schema of the API's own fields, under the table's names."""
        return SPECIFICATION.preprocess_schema(SPECIFICATION.component(*self.components))

    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> Schema:  # noqa: ARG002
        """Return the schema; it is built once, because the SDK asks for it per record."""
        key = tuple(stream.primary_keys)
        if key not in self._built:
            self._built[key] = self._build(key)
        return self._built[key]

    def _build(self, key: tuple[str, ...]) -> Schema:
        properties = {"company_id": INTEGER, **self.added, **self.component["properties"]}
        if self.components:
            properties |= {ADDITIONAL_FIELDS: {"type": ["object", "null"]}, DELETED_AT: DATE_TIME}
        for name in key:
            properties[name] = {**properties[name], "type": properties[name]["type"][:1]}
        return {"type": "object", "properties": properties}


class ValueSchema(RecordSchema):
    """Declares rows of bare values, which no component of the specification describes.

    Args:
        fields: Their fields, by name.
    """

    def __init__(self, **fields: Schema) -> None:
        super().__init__(added={**fields, DELETED_AT: DATE_TIME})
