"""From an object of the API to a record: names, times and unknown fields, in one pass.

Numbers are not touched: they were parsed as int or Decimal and are written as such.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_procountor.errors import RecordError
from tap_procountor.schema import ADDITIONAL_FIELDS, Schema, snake_case

if TYPE_CHECKING:
    from collections.abc import Callable

    Converter = Callable[[Any], Any]

Record = dict[str, Any]

#: What a parsed value of each type of the specification may be.
_PYTHON_TYPES = {
    "boolean": frozenset({bool, type(None)}),
    "integer": frozenset({int, type(None)}),
    "number": frozenset({int, Decimal, type(None)}),
    "string": frozenset({str, type(None)}),
}

_encoder = msgspec.json.Encoder(decimal_format="number")


class Rejection(NamedTuple):
    """A record that cannot be used.

    Attributes:
        key: What is known of its key, such as ``id 5``.
        reason: What is wrong with it, in a sentence.
        text: The record as JSON.
    """

    key: str
    reason: str
    text: str

    @classmethod
    def of(cls, source: Any, error: RecordError) -> Rejection:  # noqa: ANN401 - any JSON
        """Return the rejection of a parsed record."""
        number = source.get("id") if isinstance(source, dict) else None
        # The log names it: whatever else stands there may be data.
        key = f"id {number}" if type(number) is int else "without id"
        return cls(key, str(error), _encoder.encode(source).decode())


def rename(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Put the names inside a value of unknown shape into snake case."""
    if isinstance(value, dict):
        return {snake_case(name): rename(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rename(item) for item in value]
    return value


class ObjectConverter:
    """Converts the objects of one place in the specification.

    What each field needs is looked up once, here; a record then costs one pass over its fields and
    a call for each that is a time, an object or an array of objects.

    Args:
        schema: The object's schema with the API's names, references resolved.
        to_utc: Converts one of the API's times.
        on_unknown: Called once with the path of each field that the schema does not know.
        path: Where the object stands, for that call.
    """

    def __init__(
        self,
        schema: Schema,
        to_utc: Converter,
        on_unknown: Callable[[str], None],
        path: str = "",
    ) -> None:
        self._on_unknown = on_unknown
        self._path = path
        properties: Schema = schema.get("properties", {})
        self._names = {name: snake_case(name) for name in properties}
        self._scalars = {
            name: _PYTHON_TYPES[field["type"]]
            for name, field in properties.items()
            if field.get("type") in _PYTHON_TYPES
        }
        self._converters: list[tuple[str, Converter]] = []
        for name, field in properties.items():
            converter = self._converter(field, to_utc, f"{path}{name}")
            if converter:
                self._converters.append((self._names[name], converter))

    def __call__(self, source: Any) -> Record:  # noqa: ANN401 - the API may send anything
        """Convert one object.

        Raises:
            RecordError: If a value is not of the type that the specification says.
        """
        if type(source) is not dict:
            msg = f"The API sent no object where the field '{self._path}' should hold one."
            raise RecordError(msg)
        names = self._names
        try:
            record = {names[name]: value for name, value in source.items()}
        except KeyError:
            self._learn(source)
            record = {names[name]: value for name, value in source.items()}
        for name, types in self._scalars.items():
            if type(source.get(name)) not in types:
                msg = f"The API sent a value of a wrong type in the field '{self._path}{name}'."
                raise RecordError(msg)
        for name, convert in self._converters:
            value = record.get(name)
            if value is not None:
                record[name] = convert(value)
        return record

    def _converter(self, field: Schema, to_utc: Converter, path: str) -> Converter | None:
        kind = field.get("type")
        if kind == "object":
            return ObjectConverter(field, to_utc, self._on_unknown, f"{path}.")
        if kind == "array":
            item = self._converter(field["items"], to_utc, path)
            return _array(item, path) if item else None
        return _time(to_utc, path) if field.get("format") == "date-time" else None

    def _learn(self, source: Record) -> None:
        """Take up fields that the specification does not know."""
        for name in source.keys() - self._names.keys():
            snake = snake_case(name)
            # Two names of the API must not end up in one field.
            self._names[name] = name if snake in self._names.values() else snake
            self._converters.append((self._names[name], rename))
            self._on_unknown(f"{self._path}{name}")


class RecordConverter(ObjectConverter):
    """Converts whole records: unknown fields of the root move into ``additional_fields``."""

    def __init__(
        self, schema: Schema, to_utc: Converter, on_unknown: Callable[[str], None]
    ) -> None:
        super().__init__(schema, to_utc, on_unknown)
        self._known = set(self._names.values())
        self._additional: list[str] = []

    def __call__(self, source: Any) -> Record:  # noqa: ANN401
        """Convert one record."""
        record = super().__call__(source)
        if self._additional:
            additional = {name: record.pop(name) for name in self._additional if name in record}
            if additional:
                record[ADDITIONAL_FIELDS] = additional
        return record

    def _learn(self, source: Record) -> None:
        super()._learn(source)
        self._additional = [name for name in self._names.values() if name not in self._known]


def _array(convert_item: Converter, path: str) -> Converter:
    def convert(value: Any) -> list[Any]:  # noqa: ANN401
        if type(value) is not list:
            msg = f"The API sent no array where the field '{path}' should hold one."
            raise RecordError(msg)
        return [item if item is None else convert_item(item) for item in value]

    return convert


def _time(to_utc: Converter, path: str) -> Converter:
    def convert(value: Any) -> str:  # noqa: ANN401
        try:
            return str(to_utc(value))
        except (OverflowError, TypeError, ValueError):
            msg = f"The API sent no time where the field '{path}' should hold one."
            raise RecordError(msg) from None

    return convert
