"""From an object of the API to a record: names, times and unknown fields, in one pass."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from tap_procountor.api.responses import decode
from tap_procountor.api.salvage import MARK, has_nul, marked_field, salvaged, without_nul
from tap_procountor.errors import UNFORESEEN, RecordError
from tap_procountor.records.coercion import Coercer
from tap_procountor.records.rejection import as_record_error, as_text
from tap_procountor.records.schema import ADDITIONAL_FIELDS, Schema, column_names
from tap_procountor.records.structs import Fields, Shape, exact_decimal, usual_decimal, wrong_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_procountor.api.clock import ApiClock
    from tap_procountor.records.remarks import Remarks

#: A record on its way to the target.
Record = dict[str, Any] | Fields

COMPANY_ID = "company_id"

#: Objects that are converted at once: parsed, they take several times their size.
_AT_ONCE = 50

#: Where msgspec found a value of a wrong type: ``… - at `$.invoiceRows[...].id```.
_PLACE = re.compile(r"at `\$\.?(.*?)`")
#: Its message about an integer that does not fit into 64 bits.
_OUT_OF_RANGE = re.compile(r"Expected `int` [<>]=|out of range")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Checked(dict[str, Any]):
    """The fields of an object that fits its schema."""


def as_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a record or of an object inside one."""
    return Checked(record.to_dict()) if isinstance(record, Fields) else {**record}


def as_dict(record: Record) -> dict[str, Any]:
    """Return a record as the SDK's own steps need it: plain values, exact decimals."""
    plain: dict[str, Any] = decode(_encoder.encode(record))
    return plain


class RecordConverter:
    """Converts the records of one stream, and checks that they fit its schema.

    A field that the specification does not know is added to the schema when it first comes, and
    kept: in place below the root, of the root in ``additional_fields``. A value in another form
    than the schema's is converted if it loses nothing.

    Args:
        schema: The schema of the records with the API's names, references resolved.
        clock: Converts the API's times.
        remarks: Notes unknown fields, other forms and NUL.
        replication_key: The field whose times are cut to whole seconds: bookmarks and targets
            compare them as text, which must be of one width.
    """

    def __init__(
        self, schema: Schema, clock: ApiClock, remarks: Remarks, replication_key: str | None = None
    ) -> None:
        self._schema = deepcopy(schema)
        self._coercer = Coercer(self._schema)
        self._columns = column_names(schema["properties"])
        self._to_utc = clock.to_utc
        self._in_whole_seconds = {str(replication_key): clock.in_whole_seconds.to_utc}
        self._remarks = remarks
        self._build()

    def __call__(self, source: Any) -> Fields:  # noqa: ANN401 - any JSON
        """Convert one object, as JSON or parsed.

        Raises:
            RecordError: If it does not fit the schema.
        """
        text = as_text(source)
        try:
            return self._fitted(text)
        except msgspec.ValidationError as error:
            raise _misfit(error) from None
        except msgspec.DecodeError:
            _check_decodable(salvaged(text))
            msg = "The API sent a record that is not JSON."
            raise RecordError(msg) from None
        except UNFORESEEN as error:
            _check_decodable(salvaged(text))
            raise as_record_error(error) from None

    def all(self, sources: Iterable[Any]) -> Iterator[tuple[bytes, Fields | RecordError]]:
        """Convert many objects, as JSON or parsed; yield each as JSON, with its record or error."""
        rest = iter(sources)
        while texts := [as_text(source) for source in islice(rest, _AT_ONCE)]:
            yield from zip(texts, self._all_at_once(texts), strict=True)

    def _all_at_once(self, texts: list[bytes]) -> Sequence[Fields | RecordError]:
        lines = b"\n".join(texts)
        if not has_nul(lines):
            with suppress(RecordError, *UNFORESEEN):
                return self._decoded_lines(lines)
            # A field may come in another form in all of them.
            with suppress(RecordError, *UNFORESEEN):
                return self._decoded_lines(b"\n".join([*map(self._coerced, texts)]))
        # Faulty objects are found one by one.
        return [self._converted(text) for text in texts]

    def _decoded_lines(self, lines: bytes) -> list[Fields]:
        records = self._decoder.decode_lines(lines)
        self._convert(records)
        return records

    def _converted(self, text: bytes) -> Fields | RecordError:
        try:
            return self(text)
        except RecordError as error:
            return error

    def _fitted(self, text: bytes) -> Fields:
        text = self._without_nul(text)
        try:
            return self._decoded(text)
        except (msgspec.ValidationError, RecordError):
            return self._decoded(self._coerced(text))

    def _decoded(self, text: bytes) -> Fields:
        record = self._slow_decoder.decode(text)
        self._convert([record])
        return record

    def _convert(self, records: list[Fields]) -> None:
        self._shape.convert(records)
        for attribute in self._additional:
            for record in records:
                if getattr(record, attribute) is not UNSET:
                    self._set_apart(record)

    def _set_apart(self, record: Fields) -> None:
        """Move the unknown fields of the root."""
        apart = {name: record.pop(ours) for name, ours in self._apart.items() if ours in record}
        columns = column_names(apart)
        record[ADDITIONAL_FIELDS] = {columns[name]: value for name, value in apart.items()}

    def _build(self) -> None:
        unknown = self._schema["properties"].keys() - self._columns.keys()
        self._apart = {name: f"{ADDITIONAL_FIELDS}.{name}" for name in sorted(unknown)}
        columns = {**self._columns, **self._apart}
        names = {name: columns[name] for name in self._schema["properties"]}
        self._shape = Shape(
            self._schema,
            self._to_utc,
            names=names,
            added=[name for name in (COMPANY_ID, ADDITIONAL_FIELDS) if name not in names.values()],
            converters=self._in_whole_seconds,
        )
        self._decoder = msgspec.json.Decoder(self._shape.api, float_hook=usual_decimal)
        self._slow_decoder = msgspec.json.Decoder(self._shape.api, float_hook=exact_decimal)
        self._additional = [self._shape.attributes[name] for name in self._apart.values()]

    def _without_nul(self, text: bytes) -> bytes:
        """Take out NUL, which databases refuse.

        Raises:
            RecordError: If there is a text that cannot be decoded.
        """
        if not has_nul(text):
            return text
        _check_decodable(text)
        text, count = without_nul(text)
        self._remarks.removed_nul += count
        return text

    def _coerced(self, text: bytes) -> bytes:
        """Learn unknown fields, and convert values that come in another form than expected."""
        coerced = self._coercer.coerce(_decoder.decode(text))
        for path in self._coercer.unknown:
            self._remarks.found_unknown_field(path)
        if self._coercer.unknown:
            self._build()
        if not self._coercer.is_changed:
            return text
        for difference in self._coercer.differences:
            self._remarks.found_difference(*difference)
        return _encoder.encode(coerced)


def _check_decodable(text: bytes) -> None:
    """Raise RecordError if the text holds the mark of a part that cannot be decoded."""
    if MARK in text:
        field = marked_field(text)
        place = f" in the field '{field}'" if field else ""
        msg = f"The API sent something that cannot be decoded{place}."
        raise RecordError(msg)


def _misfit(error: msgspec.ValidationError) -> RecordError:
    """Describe a value that does not fit, without quoting it."""
    place = _PLACE.search(str(error))
    path = re.sub(r"\[.*?\]", "", place[1]) if place else ""
    if "encoded date" in str(error):
        return RecordError(f"The API sent no date where the field '{path}' should hold one.")
    if _OUT_OF_RANGE.search(str(error)):
        return RecordError(f"The API sent a number that is too large in the field '{path}'.")
    return wrong_type(path)
