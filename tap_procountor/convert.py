"""From an object of the API to a record: names, times and unknown fields, in one pass."""

from __future__ import annotations

import re
from copy import deepcopy
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from tap_procountor.client import decode
from tap_procountor.errors import RecordError
from tap_procountor.schema import ADDITIONAL_FIELDS, Schema
from tap_procountor.structs import UNKNOWN, Fields, Shape, wrong_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: A record on its way to the target.
Record = dict[str, Any] | Fields

COMPANY_ID = "company_id"

#: So many objects are converted at once: parsed, they take several times their size.
_AT_ONCE = 50

#: Where msgspec found a value of a wrong type: ``… - at `$.invoiceRows[...].id```.
_PLACE = re.compile(r"at `\$\.?(.*?)`")

_encoder = msgspec.json.Encoder(decimal_format="number")


def as_text(source: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return an object of the API as JSON: parsed ones take several times the memory."""
    return source if isinstance(source, bytes) else _encoder.encode(source)


def as_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a record or of an object inside one."""
    return record.to_dict() if isinstance(record, Fields) else {**record}


def as_dict(record: Record) -> dict[str, Any]:
    """Return a record as the SDK's own steps want it: plain values, exact decimals."""
    plain: dict[str, Any] = decode(_encoder.encode(record))
    return plain


class Rejection(NamedTuple):
    """A record that cannot be used.

    Attributes:
        key: What is known of its key, such as ``id 5``.
        reason: What is wrong with it, in a sentence.
        text: The record as JSON.
        number: The id of the record or, if it is a row, of the document that it stands in.
    """

    key: str
    reason: str
    text: str
    number: int | None = None

    @classmethod
    def of(cls, source: Any, error: RecordError, owner: int | None = None) -> Rejection:  # noqa: ANN401 - any JSON
        """Return the rejection of a record, parsed or not.

        Args:
            source: The record.
            error: What is wrong with it.
            owner: The id of the document that it stands in, if it is a row.
        """
        text = as_text(source)
        document = decode(text)
        number = document.get("id") if isinstance(document, dict) else None
        # The log names it: whatever else stands there may be data.
        number = number if type(number) is int else None
        key = "without id" if number is None else f"id {number}"
        return cls(key, str(error), _encoder.encode(document).decode(), owner or number)


class RecordConverter:
    """Converts the records of one stream.

    A field that the specification does not know is learned when it is first met, and kept: in place
    below the root, of the root in ``additional_fields``.

    Args:
        schema: The schema of the records with the API's names, references resolved.
        to_utc: Converts one of the API's times.
        on_unknown: Called once with the path of each field that the schema does not know.
    """

    def __init__(
        self, schema: Schema, to_utc: Callable[[str], str], on_unknown: Callable[[str], None]
    ) -> None:
        self._schema = deepcopy(schema)
        self._known = schema["properties"].keys()
        self._to_utc = to_utc
        self._on_unknown = on_unknown
        self._build()

    def __call__(self, source: Any) -> Fields:  # noqa: ANN401 - any JSON
        """Convert one object.

        Args:
            source: The object as JSON, or parsed.

        Raises:
            RecordError: If a value is not of the type that the specification says.
        """
        text = as_text(source)
        try:
            record = self._decoder.decode(text)
        except msgspec.ValidationError:
            record = self._decode_after_learning(text)
        self._convert([record])
        return record

    def all(self, sources: Iterable[Any]) -> Iterator[tuple[bytes, Fields | RecordError]]:
        """Convert many objects.

        Args:
            sources: The objects as JSON, or parsed.

        Yields:
            Each as JSON, and what has become of it.
        """
        rest = iter(sources)
        while texts := [as_text(source) for source in islice(rest, _AT_ONCE)]:
            results: Sequence[Fields | RecordError]
            try:
                records = self._decoder.decode_lines(b"\n".join(texts))
                self._convert(records)
                results = records
            except (msgspec.ValidationError, RecordError):
                # Unknown fields are learned, and faulty objects found, one by one.
                results = [self._converted(text) for text in texts]
            yield from zip(texts, results, strict=True)

    def _converted(self, text: bytes) -> Fields | RecordError:
        try:
            return self(text)
        except RecordError as error:
            return error

    def _convert(self, records: list[Fields]) -> None:
        """Convert decoded objects in place."""
        self._shape.convert(records)
        for attribute in self._additional:
            for record in records:
                if getattr(record, attribute) is not UNSET:
                    self._set_apart(record)

    def _set_apart(self, record: Fields) -> None:
        """Move the unknown fields of the root."""
        names = [ours for name, ours in self._shape.names.items() if name not in self._known]
        record[ADDITIONAL_FIELDS] = {name: record.pop(name) for name in names if name in record}

    def _build(self) -> None:
        self._shape = Shape(self._schema, self._to_utc, added=(COMPANY_ID, ADDITIONAL_FIELDS))
        self._decoder = msgspec.json.Decoder(self._shape.api, float_hook=Decimal)
        self._additional = [
            self._shape.attributes[ours]
            for name, ours in self._shape.names.items()
            if name not in self._known
        ]

    def _decode_after_learning(self, text: bytes) -> Fields:
        """Decode an object that has unknown fields or wrong ones."""
        if unknown := [*self._learn(decode(text), self._schema)]:
            for path in unknown:
                self._on_unknown(path)
            self._build()
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            raise wrong_type(re.sub(r"\[.*?\]", "", place[1]) if place else "") from None

    def _learn(self, source: Any, schema: Schema, path: str = "") -> Iterator[str]:  # noqa: ANN401
        """Take up the fields that the specification does not know, and yield their paths."""
        if isinstance(source, list):
            for item in source:
                yield from self._learn(item, schema.get("items", UNKNOWN), path)
        properties = schema.get("properties")
        if properties is None or not isinstance(source, dict):
            return
        for name, value in source.items():
            if name not in properties:
                properties[name] = UNKNOWN
                yield f"{path}{name}"
            yield from self._learn(value, properties[name], f"{path}{name}.")
