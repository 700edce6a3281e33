"""Struct types for the API's objects: decoded under its names, encoded under the tables' names.

Every object of the specification has two types with the same fields in the same order. A decoded
object is handed from the first to the second by assigning its class, which copies nothing: parsing,
renaming and encoding are thus left to msgspec, and Python touches an object only once.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tap_procountor.errors import RecordError
from tap_procountor.schema import Schema, snake_case, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SCALARS: dict[str, Any] = {
    "boolean": bool | None,
    "integer": int | None,
    "number": Raw,
    "string": str | None,
}

_NESTED = frozenset((dict, list))

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

    What each field needs is looked up once, here.

    Args:
        schema: The object's schema with the API's names, references resolved.
        to_utc: Converts one of the API's times.
        path: Where the object stands, for messages.
        added: Names of fields that the tap sets itself.
    """

    def __init__(
        self,
        schema: Schema,
        to_utc: Callable[[str], str],
        path: str = "",
        added: tuple[str, ...] = (),
    ) -> None:
        self._to_utc = to_utc
        self._numbers: list[tuple[str, str]] = []
        self._objects: list[tuple[Callable[[Any], Any], Shape]] = []
        self._arrays: list[tuple[Callable[[Any], Any], Shape]] = []
        self._times: list[tuple[str, str]] = []
        self._unknown: list[str] = []
        #: The tables' names by the API's.
        self.names = _names(schema.get("properties", {}))
        ours = [*self.names.values()]
        ours += [name for name in added if name not in ours]
        #: The attributes by the tables' names.
        self.attributes = attributes = {name: _attribute(name, at) for at, name in enumerate(ours)}
        kinds = [
            self._kind(field, attributes[self.names[name]], f"{path}{name}")
            for name, field in schema.get("properties", {}).items()
        ]
        kinds += [Any] * (len(ours) - len(kinds))
        api = [*self.names, *ours[len(self.names) :]]
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
            RecordError: If a time or a number is none.
        """
        if not values:
            return
        for attribute, path in self._times:
            try:
                _replace(values, attribute, self._to_utc)
            except (OverflowError, ValueError):
                msg = f"The API sent no time where the field '{path}' should hold one."
                raise RecordError(msg) from None
        for attribute in self._unknown:
            _rename_inside(values, attribute)
        for get, shape in self._objects:
            shape.convert([*filter(None, map(get, values))])
        for get, shape in self._arrays:
            items = chain.from_iterable(filter(None, map(get, values)))
            shape.convert([*filter(None, items)])
        if self._numbers_of and not _are_numbers(map(self._numbers_of, values)):
            raise wrong_type(self._path_of_no_number(values))
        if self._is_renamed:
            for value in values:
                value.__class__ = self._ours

    def _kind(self, field: Schema, attribute: str, path: str) -> Any:  # noqa: ANN401 - a type
        """Return the type to decode a field with, and note what is to be done to its values."""
        field = unwrapped(field)
        kind, items = field.get("type"), unwrapped(field.get("items", UNKNOWN))
        if kind == "object" and "properties" in field:
            shape = Shape(field, self._to_utc, f"{path}.")
            self._objects.append((attrgetter(attribute), shape))
            return shape.api | None
        if kind == "array" and "properties" in items:
            shape = Shape(items, self._to_utc, f"{path}.")
            self._arrays.append((attrgetter(attribute), shape))
            return _array_of(shape.api | None)
        if kind == "array" and items.get("type") in _SCALARS:
            return _array_of(_SCALARS[items["type"]])
        if field.get("format") == "date-time":
            self._times.append((attribute, path))
        elif kind == "number":
            self._numbers.append((attribute, path))
        elif kind not in _SCALARS:
            self._unknown.append(attribute)
        return _SCALARS.get(str(kind), Any)

    def _path_of_no_number(self, values: Sequence[Fields]) -> str:
        return next(
            path
            for attribute, path in self._numbers
            if not _are_numbers([map(attrgetter(attribute), values)])
        )


def wrong_type(path: str) -> RecordError:
    """Return what to say of a value in a field, or of what is no object at all."""
    if not path:
        return RecordError("The API sent something else where a record should be.")
    return RecordError(f"The API sent a value of a wrong type in the field '{path}'.")


def _replace(values: Sequence[Fields], attribute: str, convert: Callable[[Any], Any]) -> None:
    for value in values:
        if item := getattr(value, attribute):
            setattr(value, attribute, convert(item))


def _rename_inside(values: Sequence[Fields], attribute: str) -> None:
    for value in values:
        item = getattr(value, attribute)
        if type(item) in _NESTED:
            setattr(value, attribute, rename(item))


def rename(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Put the names inside a value of unknown shape into snake case."""
    if isinstance(value, dict):
        return {snake_case(name): rename(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rename(item) for item in value]
    return value


def number(value: Raw | Decimal | None) -> Decimal:
    """Return what a number of a record stands for; null and what did not come count as nothing."""
    if isinstance(value, Decimal):
        return value
    text = bytes(value or b"null").decode()
    return Decimal(0 if text == "null" else text)


def _are_numbers(groups: Iterable[Iterable[Any]]) -> bool:
    """Tell whether all values that came are numbers or null."""
    values = chain.from_iterable(groups)
    text = b"".join(filter(None, values))  # UNSET is false, as no JSON is
    rest = text.translate(None, b"0123456789.-+eE")
    return not rest.replace(b"null", b"")


def _names(properties: Schema) -> dict[str, str]:
    """Put names into snake case, but never two into one."""
    names: dict[str, str] = {}
    for name in properties:
        snake = snake_case(name)
        names[name] = name if snake in names.values() else snake
    return names


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
