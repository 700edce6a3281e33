"""Struct types for the API's objects: decoded under its names, encoded under the tables' names.

Every object of the specification has two types with the same fields in the same order. A decoded
object is handed from the first to the second by assigning its class, which copies nothing: parsing,
renaming and encoding are thus left to msgspec, and Python touches an object only once.
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

#: Types to decode with. Numbers are not: they keep their digits, and are checked later.
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
    """An object of the API under the tables' names; reads like a dict of the fields that came."""

    #: The attribute of each field: ``of_`` and the name, for a field may be called ``get``.
    _attributes: ClassVar[dict[str, str]] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        """Return a field; KeyError if it did not come."""
        value = getattr(self, self._attributes[name])
        if value is UNSET:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set a field that the type has."""
        setattr(self, self._attributes[name], value)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return a field, or the default if it did not come."""
        value = getattr(self, self._attributes.get(name, ""), UNSET)
        return default if value is UNSET else value

    def __contains__(self, name: str) -> bool:
        """Tell whether a field came."""
        return self.get(name, UNSET) is not UNSET

    def pop(self, name: str) -> Any:  # noqa: ANN401
        """Return a field and make it one that did not come."""
        value = self[name]
        self[name] = UNSET
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that came; objects inside stay what they are."""
        pairs = zip(self.__struct_encode_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in pairs if value is not UNSET}


class Shape:
    """The two types of an object, and what is to be done to one that has been decoded.

    What each field needs is looked up once, here. Together they are the check that a record fits
    its table: types and ranges are left to msgspec, the rest to ``convert``.

    Args:
        schema: The object's schema, references resolved.
        to_utc: Converts one of the API's times.
        path: Where the object stands, for messages.
        names: The tables' names by the schema's; those in snake case if not given.
        added: Names of fields that the tap sets itself.
        converters: What converts the times of some fields instead of ``to_utc``, by the table's
            name.
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
        self.names = _names(properties) if names is None else names
        ours = [*self.names.values(), *added]
        #: The attributes by the tables' names.
        self.attributes = attributes = {name: _attribute(name, at) for at, name in enumerate(ours)}
        kinds = [
            self._kind(field, self.names[name], f"{path}{name}")
            for name, field in properties.items()
        ]
        kinds += [Any] * len(added)
        # Under this name the API sends none: it begins with what Unicode says is no character.
        api = [*self.names, *(f"\ufdd0{name}" for name in added)]
        #: The type to decode an object with.
        self.api = _struct("ApiFields", attributes, api, kinds)
        # A subtype without slots of its own: Python then need not compare the two at each object.
        self._ours = _struct("TableFields", attributes, ours, [Any] * len(ours), self.api)
        self._is_renamed = api != ours
        self._numbers_of = _getter([attribute for attribute, _ in self._numbers])

    def convert(self, values: Sequence[Fields]) -> None:
        """Turn decoded objects into those of the table.

        All at once, field by field: with a call for each object, calls would take most of the time.

        Args:
            values: The objects.

        Raises:
            RecordError: If a time or a number is none, or something is nested too deep.
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
                _replace(values, attribute, to_utc)
            except (OverflowError, ValueError):
                msg = f"The API sent no time where the field '{path}' should hold one."
                raise RecordError(msg) from None

    def _check_numbers(self, values: Sequence[Fields]) -> None:
        if self._numbers_of and not _are_plain_numbers(map(self._numbers_of, values)):
            # One is none, or written in an unusual way.
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
        """Return the type to decode a field with, and note what is to be done to its values."""
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
            return _array_of(shape.api | None)
        if kind == "array":
            if kind_of(items) == "number":
                self._number_lists.append((attrgetter(attribute), path))
            return _array_of(_TYPES.get(kind_of(items), Any))
        if kind == "date-time":
            self._times.append((attribute, path, self._converters.get(name, self._to_utc)))
        elif kind == "number":
            self._numbers.append((attribute, path))
        elif kind not in _TYPES or kind == "object":
            self._unknown.append((attribute, path))
        return _TYPES.get(kind, Any)


def wrong_type(path: str) -> RecordError:
    """Return what to say of a value in a field, or of what is no object at all."""
    if not path:
        return RecordError("The API sent something else where a record should be.")
    return RecordError(f"The API sent a value of a wrong type in the field '{path}'.")


def _replace(values: Sequence[Fields], attribute: str, convert: Callable[[Any], Any]) -> None:
    for value in values:
        item = getattr(value, attribute)
        if item:
            setattr(value, attribute, convert(item))
        elif item == "":
            setattr(value, attribute, None)


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
    """Put the names inside a value of unknown shape into snake case.

    Raises:
        RecursionError: If it has more levels.
    """
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


#: Reads a number of a value of unknown shape if it is nowhere near the bounds.
usual_decimal = Context(
    prec=_LONGEST_NUMBER,
    Emin=-_LARGEST_EXPONENT,
    Emax=_LARGEST_EXPONENT,
    traps=[Clamped, InvalidOperation, Overflow, Rounded, Subnormal],
).create_decimal


def exact_decimal(text: str) -> Decimal:
    """Read a number of a value of unknown shape, at a price.

    Raises:
        ValueError: If it is beyond what is taken for a number.
    """
    if not _is_number(text.encode()):
        raise ValueError
    return Decimal(text)


#: Adds up amounts of accounting without rounding, however many digits they have.
_exact = Context(prec=3 * _LONGEST_NUMBER, traps=[Inexact])


def total(amounts: Iterable[Raw | None]) -> Decimal | None:
    """Add up numbers of a record, exactly; null and what did not come count as nothing.

    Returns:
        The sum; None if there is nothing to add up.
    """
    texts = [bytes(amount).decode() for amount in amounts if amount]
    sum_ = None
    for text in texts:
        if text != "null":
            sum_ = Decimal(text) if sum_ is None else _exact.add(sum_, Decimal(text))
    return sum_


def _are_plain_numbers(groups: Iterable[Iterable[Any]]) -> bool:
    """Tell whether all values that came are numbers of usual form or null."""
    # UNSET is false, as no JSON is.
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
    """Tell whether JSON is null or a number within the range that is taken for one."""
    if not text:
        return True
    match = _NUMBER.fullmatch(bytes(text)[: _LONGEST_NUMBER + 1])
    is_short = len(bytes(text)) <= _LONGEST_NUMBER
    return match is not None and is_short and abs(int(match[1] or 0)) <= _LARGEST_EXPONENT


def _names(properties: Schema) -> dict[str, str]:
    """Return the tables' names; fields that the specification knows have the first choice."""
    known = [name for name, field in properties.items() if field is not UNKNOWN]
    names = column_names(known)
    unknown = [name for name in properties if name not in names]
    names |= column_names(unknown, names.values())
    # In the order of the properties.
    return {name: names[name] for name in properties}


def _attribute(name: str, position: int) -> str:
    return f"of_{name}" if name.isidentifier() else f"at_{position}"


def _getter(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]] | None:
    """Return what gets several attributes at once, if there are any."""
    # With one name alone, an attrgetter would return no tuple.
    return attrgetter(*attributes, *attributes[:1]) if attributes else None


def _array_of(kind: Any) -> Any:  # noqa: ANN401 - types made at run time
    return list[kind] | None


def _struct(
    name: str,
    attributes: dict[str, str],
    encoded: list[str],
    kinds: list[Any],
    base: type[Fields] = Fields,
) -> type[Fields]:
    """Make a type whose fields may all be missing."""
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
