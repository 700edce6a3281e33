"""Values that come in another form than specified, but with the same content."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_procountor.records.schema import Schema, kind_of, unwrapped
from tap_procountor.records.structs import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,149})(\.[0-9]{1,149})?")
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00(:00([.,]0+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)

#: msgspec refuses these in the name of a field.
_NO_NAME = re.compile(r'[\x00-\x1f"\\]')


def _with_names(value: dict[str, Any]) -> dict[str, Any]:
    """Replace the characters that msgspec refuses in names, but never put two names into one."""
    renamed: dict[str, Any] = {}
    for name, item in value.items():
        plain = _NO_NAME.sub("_", name)
        while plain != name and (plain in value or plain in renamed):
            plain += "_"
        renamed[plain] = item
    return renamed


def _if_like(pattern: re.Pattern[str], convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    def convert_if_like(value: str | Decimal) -> Any:  # noqa: ANN401 - what it is to be
        text = str(value)
        return convert(text) if pattern.fullmatch(text) else None

    return convert_if_like


def _integer_of_number(value: Decimal) -> int | None:
    is_near = value.adjusted() < 19  # noqa: PLR2004 - the digits of 64 bits
    return int(value) if is_near and value == value.to_integral_value() else None


#: By the wanted type and the one that came; the function returns None if something would be lost.
_COERCIONS: dict[tuple[str, type], tuple[str, Callable[[Any], Any]]] = {
    ("string", int): ("a number where a text is expected", str),
    ("string", Decimal): ("a number where a text is expected", _if_like(_NUMBER, str)),
    ("integer", str): ("a text where an integer is expected", _if_like(_INTEGER, int)),
    ("integer", Decimal): ("decimals where an integer is expected", _integer_of_number),
    ("number", str): ("a text where a number is expected", _if_like(_NUMBER, Decimal)),
    ("boolean", str): (
        "a text where true or false is expected",
        {"true": True, "false": False}.get,
    ),
    ("date", str): ("a time where a date is expected", _if_like(_MIDNIGHT, lambda text: text[:10])),
}


class Coercer:
    """Converts the values of parsed objects to the types of their schema if nothing is lost.

    What it leaves, the check refuses. Unknown fields are added to the schema.

    Attributes:
        unknown: Paths of the fields that the newest object has added to the schema.
        is_changed: Whether the newest object has been changed at all.
        differences: Path and sentence of each of its values that has been converted.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.unknown: list[str] = []
        self.is_changed = False
        self.differences: list[tuple[str, str]] = []

    def coerce(self, source: Any) -> Any:  # noqa: ANN401 - any JSON
        self.unknown, self.is_changed, self.differences = [], False, []
        return self._coerced(source, self._schema, "")

    def _coerced(self, value: Any, schema: Schema, path: str) -> Any:  # noqa: ANN401
        schema = unwrapped(schema)
        if isinstance(value, list):
            items = schema.get("items")
            return [self._coerced(item, items, path) for item in value] if items else value
        if isinstance(value, dict):
            return self._coerced_object(value, schema, path)
        if value == "" and kind_of(schema) == "date":
            self.is_changed = True
            return None
        sentence, convert = _COERCIONS.get((kind_of(schema), type(value)), ("", None))
        coerced = convert(value) if convert else None
        if coerced is None:
            return value
        self._note(path, sentence)
        return coerced

    def _coerced_object(self, value: dict[str, Any], schema: Schema, path: str) -> dict[str, Any]:
        properties = schema.get("properties")
        if properties is None:
            return value
        start = f"{path}." if path else ""
        if not value.keys() <= properties.keys():
            if any(map(_NO_NAME.search, value)):
                self._note(path, "names with characters that are replaced by '_'")
                value = _with_names(value)
            for name in value:
                if name not in properties:
                    properties[name] = UNKNOWN
                    self.unknown.append(f"{start}{name}")
        return {
            name: None if item is None else self._coerced(item, properties[name], f"{start}{name}")
            for name, item in value.items()
        }

    def _note(self, path: str, sentence: str) -> None:
        self.is_changed = True
        self.differences.append((path, sentence))
