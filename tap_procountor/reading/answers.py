"""What the API's answers hold: records as text, their ids."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw

from tap_procountor.client import decode
from tap_procountor.convert import Rejection
from tap_procountor.errors import ApiError, RecordError
from tap_procountor.reading.batches import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

Source = dict[str, Any]
Answer = TypeVar("Answer")


class Meta(msgspec.Struct):
    """What a page of a list says about itself.

    Attributes:
        size: The most rows of a page.
        total: Rows in the whole list, if the API says so (it does since 24.05).
    """

    size: int | None = msgspec.field(name="pageSize", default=None)
    total: int | None = msgspec.field(name="totalCount", default=None)


class Results(msgspec.Struct):
    """A page of a list, its rows as text."""

    texts: list[Raw] = msgspec.field(name="results")
    meta: Meta | None = None


class _Identified(msgspec.Struct):
    id: int


_id_decoder = msgspec.json.Decoder(_Identified)
_FIRST_ID = re.compile(rb'\{"id":(\d+)[,}]')
_raws_decoder = msgspec.json.Decoder(list[Raw])
_results_decoder = msgspec.json.Decoder(Results)


def id_of(text: Raw) -> int:
    """Return the id of an object, which nearly always stands first."""
    first = _FIRST_ID.match(text)
    return int(first[1]) if first else _id_decoder.decode(text).id


def as_array(body: bytes) -> list[Raw]:
    """Split details: one id asked for gives an object, several give an array."""
    return _raws_decoder.decode(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")


def results_in(body: bytes, path: str) -> Results:
    """Split a page of a list into its rows.

    Raises:
        ApiError: If it is none.
    """
    return decode_list(_results_decoder, body, path)


def decode_list(decoder: msgspec.json.Decoder[Answer], body: bytes, path: str) -> Answer:
    """Decode a page of a list.

    Raises:
        ApiError: If it is not as expected.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        msg = f"The list {path} is not as documented: {error}."
        raise ApiError(msg) from None


def by_id(texts: Iterable[Raw], rejected: list[Rejection]) -> dict[int, Raw]:
    """Index objects by their ids; note those that have none, or one that came before."""
    indexed: dict[int, Raw] = {}
    for text in texts:
        source = decode(text)
        number = source.get("id") if isinstance(source, dict) else None
        if type(number) is not int or number > LARGEST_ID:
            error = RecordError("The API sent a record without an id.")
            rejected.append(Rejection.of(source, error))
        elif bytes(indexed.setdefault(number, text)) != bytes(text):
            error = RecordError("The API sent another record with the same id before it.")
            rejected.append(Rejection.of(source, error))
    return indexed


def records_in(answer: Any, name: str, path: str) -> list[Source]:  # noqa: ANN401 - any JSON
    """Return the records inside an answer; one without them is not empty but another.

    Raises:
        ApiError: If there are none.
    """
    records = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(records, list):
        msg = f"The answer of {path} is not as documented: it has no '{name}'."
        raise ApiError(msg)
    return records
