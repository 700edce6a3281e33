"""Documents made from the specification by seed, for resources that nobody writes by hand."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID
from zlib import crc32

from .books.collection import Collection
from .books.randomness import Seed, Topic, happens
from .books.times import SECONDS_PER_DAY, date_text, time_text
from .books.words import COMPANY_NAMES, FIRST_NAMES, LAST_NAMES, NOTES
from .spec import Schema, Spec, choices

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .books.collection import Document, Json
    from .resources import Resource

_TEXTS = {
    "firstname": FIRST_NAMES,
    "surname": LAST_NAMES,
    "name": COMPANY_NAMES,
    "url": ("https://example.com/hooks/1?team=myynti", "https://example.com/hooks/2"),
    "account": ("FI4250001510000023", "FI2112345600000785"),
    "address": ("003712345678", "0037/EDI"),
    "code": ("1701", "3000"),
}
"""Texts by what the name of a field contains; all others are notes."""

_KEYS = frozenset({"id", "uuid"})
_FIRST_ID = 5_001
_FIRST_DAY = 18_993
"""The first day of 2022."""

_DAYS = 1_700
_UNKNOWN = {"handling": {"badge": "Ä-12", "deposit": Decimal("12.50")}}
"""What the specification does not know, and some documents have."""


class MadeRow(NamedTuple):
    """What is remembered of a made document; everything else follows from this."""

    id: int
    revision: int
    version: int


class Maker:
    """Makes the documents of a resource.

    A field may be null unless the specification requires it. The id is the row's, the version too.
    """

    def __init__(self, spec: Spec, resource: Resource, seed: Seed) -> None:
        self._spec = spec
        self._seed = seed
        self._resource = resource
        self._number = crc32(resource.name.encode())
        listing = spec.listing(resource.path)
        self._count = 1 if listing.is_object and not resource.is_array else resource.count
        self._components = [listing.component]
        if resource.has_details and (detail_path := spec.detail_path(resource.path)):
            self._components.append(spec.answer_schema(detail_path))

    def collection(self) -> Collection[MadeRow]:
        """Return the documents of a resource of its own."""
        collection = Collection(MadeRow, self._write)
        versions = [(_FIRST_DAY + at % _DAYS) * SECONDS_PER_DAY for at in range(self._count)]
        ids = range(_FIRST_ID, _FIRST_ID + self._count)
        collection.fill(ids, [0] * self._count, versions)
        return collection

    def of_owner(self, owner: int, revision: int) -> list[Document]:
        """Return some documents of an owner, or none."""
        count = self._random(owner, revision).randint(0, self._count)
        version = (_FIRST_DAY + owner % _DAYS) * SECONDS_PER_DAY
        documents = [
            self._write(MadeRow(owner * 10 + at, revision, version)) for at in range(count)
        ]
        for document in documents:
            if self._resource.owner_id in document:
                document[self._resource.owner_id] = owner
        return documents

    def _random(self, number: int, revision: int) -> Random:
        return self._seed.random(Topic.SETTINGS, self._number << 40 | number, revision)

    def _write(self, row: MadeRow) -> Document:
        random = self._random(row.id, row.revision)
        document: Document = {}
        for component in self._components:
            document |= self._value(random, component, "")
        own = {"id": row.id, "version": time_text(row.version)}
        document |= {name: value for name, value in own.items() if name in document}
        return document | (_UNKNOWN if happens(random, 0.2) else {})

    def _value(self, random: Random, schema: Schema, name: str) -> Json:
        schema = self._spec.schema(schema)
        if "properties" in schema:
            required = schema.get("required", ())
            return {
                field: self._value(random, one, field)
                if field in required or field in _KEYS or happens(random, 0.85)
                else None
                for field, one in schema["properties"].items()
            }
        if schema["type"] == "array":
            count = random.randint(schema.get("minItems", 0), 2)
            items = [self._value(random, schema["items"], name) for _ in range(count)]
            # Arrays are not long: two of the same are next to each other.
            return [item for item, _ in groupby(items)] if schema.get("uniqueItems") else items
        if "enum" in schema:
            return random.choice(sorted(choices(schema)))
        make = _VALUES.get(schema.get("format", "")) or _VALUES[schema["type"]]
        return make(random, schema, name)


def _text(random: Random, schema: Schema, name: str) -> str:
    texts = next((_TEXTS[word] for word in _TEXTS if word in name.lower()), NOTES)
    text = random.choice(texts)[: schema.get("maxLength")]
    return text.ljust(schema.get("minLength", 0), "-")


def _integer(random: Random, schema: Schema, _: str) -> int:
    return random.randint(*_bounds(schema, 1))


def _number(random: Random, schema: Schema, _: str) -> Decimal:
    return Decimal(random.randint(*_bounds(schema, 100))).scaleb(-2)


def _bounds(schema: Schema, factor: int) -> tuple[int, int]:
    low, high = schema.get("minimum", 0), schema.get("maximum", 10_000)
    return int(low * factor), int(high * factor)


_VALUES: dict[str, Callable[[Random, Schema, str], Json]] = {
    "boolean": lambda random, *_: happens(random, 0.5),
    "integer": _integer,
    "number": _number,
    "object": lambda random, schema, _: {"content": _text(random, schema, "")},
    "string": _text,
    "date": lambda random, *_: date_text(_FIRST_DAY + random.randrange(_DAYS)),
    "date-time": lambda random, *_: time_text(
        _FIRST_DAY * SECONDS_PER_DAY + random.randrange(_DAYS * SECONDS_PER_DAY)
    ),
    "uuid": lambda random, *_: str(UUID(int=random.getrandbits(128), version=4)),
}
"""Makes values of a format or type; of a text from the name of its field."""
