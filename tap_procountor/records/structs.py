"""Struct types for the API's objects: decoded under its names, encoded under the tables' names.

Every object of the specification has two types with the same fields in the same order. Assigning
its class turns a decoded object from the first into the second without a copy: msgspec parses,
renames and encodes, and Python touches an object only once.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import (
    Clamped,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
)
from functools import reduce
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_procountor.api.responses import LARGEST_ID
from tap_procountor.api.salvage import DEEPEST
from tap_procountor.errors import RecordError
from tap_procountor.records.schema import Schema, column_names, kind_of, snake_case, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_Integer = Annotated[int, msgspec.Meta(ge=-LARGEST_ID - 1, le=LARGEST_ID)]

#: Types to decode with. Numbers stay text, which keeps their digits, and are checked later.
_TYPES: dict[str, Any] = {
    "boolean": bool | None,
    "integer": _Integer | None,
    "number": Raw,
    "string": str | None,
    "date": date | None,
    "date-time": str | None,
    "object": dict[str, Any] | None,
}

_NESTED = frozenset((dict, list))

#: Longer numbers are refused by Python and thus by targets, larger exponents by databases.
_LONGEST_NUMBER = 4000
_LARGEST_EXPONENT = 300
_PLAIN_CHARACTERS = b"0123456789-.,"
_NUMBER = re.compile(rb"null|-?\d[\d.]*(?:[eE]([-+]?\d{1,3}))?")

#: The schema of a field that the specification does not know.
UNKNOWN: Schema = {}


class Fields(msgspec.Struct):
    """An object of the API under the table's names; reads like a dict of the fields that came."""

    #: The attribute of each field: ``of_`` and the name, for a field may be called ``get``.
    _attributes: ClassVar[dict[str, str]] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        value = getattr(self, self._attributes[name])
        if value is UNSET:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401
        setattr(self, self._attributes[name], value)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        value = getattr(self, self._attributes.get(name, ""), UNSET)
        return default if value is UNSET else value

    def __contains__(self, name: str) -> bool:
        return self.get(name, UNSET) is not UNSET

    def pop(self, name: str) -> Any:  # noqa: ANN401
        value = self[name]
        self[name] = UNSET
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that came; objects inside stay structs."""
        pairs = zip(self.__struct_encode_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in pairs if value is not UNSET}


class Shape:
    """The two types of an object, and the steps that convert decoded ones.

    The steps are found once, here. They also check that a record fits its table: msgspec checks
    types and ranges, ``convert`` the rest.

    Args:
        schema: The object's schema, references resolved.
        to_utc: Converts one of the API's times.
        path: Where the object stands, for messages.
        names: The table's names by the schema's; by default in snake case.
        added: Names of fields that the tap sets itself.
        converters: Replace ``to_utc`` for some fields, by the table's name.

    Attributes:
        api: The type to decode an object with.
        attributes: The attributes by the table's names.
    """

    def __init__(  # noqa: PLR0913 - the last three are the root's
        self,
        schema: Schema,
        to_utc: Callable[[str], str],
        path: str = "",
        *,
        names: Mapping[str, str] | None = None,
        added: Collection[str] = (),
        converters: Mapping[str, Callable[[str], str]] | None = None,
    ) -> None:
        self._to_utc = to_utc
        self._numbers: list[tuple[str, str]] = []
        self._number_lists: list[tuple[Callable[[Any], Any], str]] = []
        self._objects: list[tuple[Callable[[Any], Any], Shape]] = []
        self._arrays: list[tuple[Callable[[Any], Any], Shape]] = []
        self._times: list[tuple[str, str, Callable[[str], str]]] = []
        self._unknown: list[tuple[str, str]] = []
        self._converters = converters or {}
        properties = schema.get("properties", {})
        names = _names(properties) if names is None else names
        ours = [*names.values(), *added]
        self.attributes = attributes = {
            name: f"of_{name}" if name.isidentifier() else f"at_{position}"
            for position, name in enumerate(ours)
        }
        kinds = [
            self._kind(field, names[name], f"{path}{name}") for name, field in properties.items()
        ]
        kinds += [Any] * len(added)
        # The API sends no such name: it begins with a code that Unicode keeps for no character.
        api = [*names, *(f"\ufdd0{name}" for name in added)]
        self.api = _struct("ApiFields", attributes, api, kinds)
        # A subtype without slots of its own: Python then need not compare the two at each object.
        self._ours = _struct("TableFields", attributes, ours, [Any] * len(ours), self.api)
        self._is_renamed = api != ours
        numbers = [attribute for attribute, _ in self._numbers]
        # With one name alone, an attrgetter would return no tuple.
        self._numbers_of = attrgetter(*numbers, *numbers[:1]) if numbers else None

    def convert(self, values: Sequence[Fields]) -> None:
        """Turn decoded objects into the table's, in place.

        Field by field for all at once: with a call for each object, calls would take most of the
        time.

        Raises:
            RecordError: If a time or a number is invalid, or the nesting too deep.
        """
        if not values:
            return
        self._convert_times(values)
        for attribute, path in self._unknown:
            _rename_inside(values, attribute, path)
        for get, shape in self._objects:
            shape.convert([*filter(None, map(get, values))])
        for get, shape in self._arrays:
            items = chain.from_iterable(filter(None, map(get, values)))
            shape.convert([*filter(None, items)])
        self._check_numbers(values)
        if self._is_renamed:
            for value in values:
                value.__class__ = self._ours

    def _convert_times(self, values: Sequence[Fields]) -> None:
        for attribute, path, to_utc in self._times:
            try:
                for value in values:
                    if item := getattr(value, attribute):
                        setattr(value, attribute, to_utc(item))
                    elif item == "":
                        setattr(value, attribute, None)
            except (OverflowError, ValueError):
                msg = f"The API sent no time where the field '{path}' should hold one."
                raise RecordError(msg) from None

    def _check_numbers(self, values: Sequence[Fields]) -> None:
        if self._numbers_of and not _are_plain_numbers(map(self._numbers_of, values)):
            # One is invalid, or written in an unusual way.
            for attribute, path in self._numbers:
                _check_numbers(map(attrgetter(attribute), values), path)
        for get, path in self._number_lists:
            lists = [*filter(None, map(get, values))]
            if not _are_plain_numbers(lists):
                _check_numbers(chain.from_iterable(lists), path)
            for items in lists:
                if len(items) > 1:
                    items[:] = _with_one_type(items)

    def _kind(self, field: Schema, name: str, path: str) -> Any:  # noqa: ANN401 - a type
        """Return the type to decode a field with, and add the steps that convert its values."""
        attribute = self.attributes[name]
        field = unwrapped(field)
        kind, items = kind_of(field), unwrapped(field.get("items", UNKNOWN))
        if kind == "object" and "properties" in field:
            shape = Shape(field, self._to_utc, f"{path}.")
            self._objects.append((attrgetter(attribute), shape))
            return shape.api | None
        if kind == "array" and "properties" in items:
            shape = Shape(items, self._to_utc, f"{path}.")
            self._arrays.append((attrgetter(attribute), shape))
            return list[shape.api | None] | None  # type: ignore[name-defined]
        if kind == "array":
            if kind_of(items) == "number":
                self._number_lists.append((attrgetter(attribute), path))
            return list[_TYPES.get(kind_of(items), Any)] | None  # type: ignore[misc]
        if kind == "date-time":
            self._times.append((attribute, path, self._converters.get(name, self._to_utc)))
        elif kind == "number":
            self._numbers.append((attribute, path))
        elif kind not in _TYPES or kind == "object":
            self._unknown.append((attribute, path))
        return _TYPES.get(kind, Any)


def wrong_type(path: str) -> RecordError:
    """Return the error for the value of a field or, without a path, for one that is no object."""
    if not path:
        return RecordError("The API sent something else where a record should be.")
    return RecordError(f"The API sent a value of the wrong type in the field '{path}'.")


def _rename_inside(values: Sequence[Fields], attribute: str, path: str) -> None:
    for value in values:
        item = getattr(value, attribute)
        if type(item) in _NESTED:
            try:
                setattr(value, attribute, rename(item))
            except RecursionError:
                msg = f"The API sent more than {DEEPEST} objects inside each other in '{path}'."
                raise RecordError(msg) from None


def rename(value: Any, levels: int = DEEPEST) -> Any:  # noqa: ANN401 - any JSON
    """Put the names in a value of unknown shape into snake case; RecursionError if too deep."""
    if levels < 0:
        raise RecursionError
    if isinstance(value, dict):
        renamed = {
            # A call for each number would take longer than all else.
            snake_case(name): rename(item, levels - 1) if type(item) in _NESTED else item
            for name, item in value.items()
        }
        if len(renamed) < len(value):
            columns = column_names(value)
            return {columns[name]: rename(item, levels - 1) for name, item in value.items()}
        return renamed
    if isinstance(value, list):
        return [rename(item, levels - 1) for item in value]
    return value


#: Reads a number in a value of unknown shape, unless it is near the bounds.
usual_decimal = Context(
    prec=_LONGEST_NUMBER,
    Emin=-_LARGEST_EXPONENT,
    Emax=_LARGEST_EXPONENT,
    traps=[Clamped, InvalidOperation, Overflow, Rounded, Subnormal],
).create_decimal


def exact_decimal(text: str) -> Decimal:
    """Read a number in a value of unknown shape, slowly; ValueError if it is beyond the bounds."""
    if not _is_number(text.encode()):
        raise ValueError
    return Decimal(text)


#: Adds without rounding, however many digits the amounts have.
exact_add = Context(prec=3 * _LONGEST_NUMBER, traps=[Inexact]).add


def total(amounts: Iterable[Raw | None]) -> Decimal | None:
    """Add up numbers of a record, exactly; None if all are null or did not come."""
    texts = [bytes(amount).decode() for amount in amounts if amount]
    numbers = [Decimal(text) for text in texts if text != "null"]
    return reduce(exact_add, numbers) if numbers else None


def _are_plain_numbers(groups: Iterable[Iterable[Any]]) -> bool:
    """Whether all values that came are numbers of the usual form or null."""
    # UNSET is false; JSON never is.
    text = b",".join(filter(None, chain.from_iterable(groups)))
    if text.translate(None, _PLAIN_CHARACTERS).replace(b"null", b""):
        return False
    # A number that is too long would fill one of these pieces.
    pieces = range(0, len(text), _LONGEST_NUMBER // 2)
    return all(text.find(b",", at, at + _LONGEST_NUMBER // 2) >= 0 for at in pieces[:-1])


def _check_numbers(values: Iterable[Any], path: str) -> None:
    if not all(map(_is_number, values)):
        raise wrong_type(path)


def _with_one_type(numbers: list[Raw]) -> list[Raw]:
    """Write whole numbers among others with a decimal: target-postgres takes no array of both."""
    texts = [bytes(number) for number in numbers]
    is_whole = [text.lstrip(b"-").isdigit() for text in texts]
    if not any(is_whole) or all(is_whole[at] or texts[at] == b"null" for at in range(len(texts))):
        return numbers
    return [
        Raw(text + b".0") if whole else number
        for number, text, whole in zip(numbers, texts, is_whole, strict=True)
    ]


def _is_number(text: Any) -> bool:  # noqa: ANN401 - Raw, bytes, None or UNSET
    """Whether JSON is null, or a number within the bounds."""
    if not text:
        return True
    match = _NUMBER.fullmatch(bytes(text)[: _LONGEST_NUMBER + 1])
    is_short = len(bytes(text)) <= _LONGEST_NUMBER
    return match is not None and is_short and abs(int(match[1] or 0)) <= _LARGEST_EXPONENT


def _names(properties: Schema) -> dict[str, str]:
    """Return the table's names; fields of the specification have the first choice."""
    known = [name for name, field in properties.items() if field is not UNKNOWN]
    names = column_names(known)
    unknown = [name for name in properties if name not in names]
    names |= column_names(unknown, names.values())
    # In the order of the properties.
    return {name: names[name] for name in properties}


def _struct(
    name: str,
    attributes: dict[str, str],
    encoded: list[str],
    kinds: list[Any],
    base: type[Fields] = Fields,
) -> type[Fields]:
    """Make a type all of whose fields may be missing."""
    fields = [
        (
            attribute,
            kind if kind is Any else kind | UnsetType,
            msgspec.field(name=in_json, default=UNSET),
        )
        for attribute, in_json, kind in zip(attributes.values(), encoded, kinds, strict=True)
    ]
    made = msgspec.defstruct(
        name,
        fields,
        bases=(base,),
        namespace={"_attributes": attributes},
        forbid_unknown_fields=True,
        gc=False,
    )
    return cast("type[Fields]", made)
