"""Records that no table can hold: why, and what is kept of them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from tap_procountor.api.responses import decode
from tap_procountor.api.salvage import presentable
from tap_procountor.errors import UNFORESEEN, RecordError, log_place

#: The id of an object, which nearly always stands first.
FIRST_ID = re.compile(rb'\{\s*"id"\s*:\s*(\d{1,18})\s*[,}]')

_encoder = msgspec.json.Encoder(decimal_format="number")


def as_text(source: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return an object of the API as JSON: parsed ones take several times the memory."""
    return source if isinstance(source, bytes) else _encoder.encode(source)


class Rejection(NamedTuple):
    """A record that cannot be used.

    Attributes:
        key: Its key as far as known, such as ``id 5``.
        reason: Why, in a sentence.
        text: The record as JSON.
        number: The id of the record or, if it is a row, of the document that it stands in.
    """

    key: str
    reason: str
    text: str
    number: int | None = None

    @classmethod
    def of(cls, source: Any, error: RecordError, owner: int | None = None) -> Rejection:  # noqa: ANN401 - any JSON
        """Return the rejection of a record, parsed or not; a row names its document as owner."""
        text = as_text(source)
        try:
            document = decode(text)
            text = _encoder.encode(document)
        except UNFORESEEN:
            first = FIRST_ID.match(text)
            document = {"id": int(first[1])} if first else None
        number = document.get("id") if isinstance(document, dict) else None
        # The log names it: whatever else stands there may be data.
        number = number if type(number) is int else None
        key = "without id" if number is None else f"id {number}"
        if owner is not None:
            key += f" in document {owner}"
        return cls(key, str(error), presentable(text), owner or number)


def as_record_error(error: Exception) -> RecordError:
    """Return an error that, unlike the given one, surely does not quote the record."""
    if isinstance(error, RecordError):
        return error
    log_place(error, "record")
    return RecordError(
        f"The API sent a record that the tap cannot handle ({type(error).__name__}): please report "
        "it."
    )
