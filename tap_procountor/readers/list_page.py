"""What the API's answers hold: records as text, their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from tap_procountor.api.responses import LARGEST_ID, decode
from tap_procountor.errors import ApiError, RecordError
from tap_procountor.records.rejection import FIRST_ID, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable

Source = dict[str, Any]
Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Meta(msgspec.Struct, rename="camel"):
    """What a page of a list says about itself, as it came: a number may be text."""

    page_size: Any = None
    result_count: Any = None
    total_count: Any = None

    @property
    def size(self) -> int | None:
        return _count(self.page_size)

    @property
    def total(self) -> int | None:
        """Rows in the whole list, if the API says so (it does since 24.05)."""
        return _count(self.total_count)

    @property
    def is_of_nothing(self) -> bool:
        rows = _count(self.result_count)
        return (self.total if rows is None else rows) == 0


def _count(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    """Read a number that may be text; anything else says nothing."""
    try:
        return None if value is None else int(value)
    except (ArithmeticError, TypeError, ValueError):
        return None


class ListPage(msgspec.Struct, Generic[Item]):
    """A page of a list; without rows it is one only if its counts say that there are none."""

    results: list[Item] | None = None
    meta: Meta | None = None

    def __post_init__(self) -> None:
        """Tell an empty page from another answer."""
        if self.results is None and not (self.meta and self.meta.is_of_nothing):
            msg = "it has no 'results'"
            raise ValueError(msg)

    @property
    def rows(self) -> list[Item]:
        return self.results or []


class Results(ListPage[Raw]):
    """A page of a list, its rows as text."""


class _Identified(msgspec.Struct):
    id: int


_id_decoder = msgspec.json.Decoder(_Identified)
_raws_decoder = msgspec.json.Decoder(list[Raw])
_results_decoder = msgspec.json.Decoder(Results)


def id_of(text: Raw) -> int:
    """Return the id of an object, which nearly always stands first."""
    first = FIRST_ID.match(text)
    return int(first[1]) if first else _id_decoder.decode(text).id


def as_array(body: bytes) -> list[Raw]:
    """Split details: one id asked for gives an object, several give an array."""
    return _raws_decoder.decode(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")


def whole_list(body: bytes, path: str) -> list[Raw]:
    """Split a list that comes as a whole: an array, or one inside an object as in a page.

    Raises:
        ApiError: If it is neither.
    """
    if body.lstrip().startswith(b"["):
        return _raws_decoder.decode(body)
    page = results_in(body, path)
    if page.meta and page.meta.total not in {None, len(page.rows)}:
        msg = f"The list {path} has {page.meta.total} rows, but {len(page.rows)} came."
        raise ApiError(msg)
    return page.rows


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


def by_id(
    texts: Iterable[Raw],
    rejected: list[Rejection],
    repeated: list[int] | None = None,
    others: list[Raw] | None = None,
) -> dict[int, Raw]:
    """Index objects by their ids.

    Args:
        texts: The objects.
        rejected: Takes those that have no id, or one that came before with another content.
        repeated: Takes the ids of those that came before as they are.
        others: Takes those that have no id, where that is no reason to reject them.
    """
    indexed: dict[int, Raw] = {}
    for text in texts:
        source = decode(text)
        number = source.get("id") if isinstance(source, dict) else None
        if type(number) is not int or number > LARGEST_ID:
            if others is not None:
                others.append(text)
                continue
            error = RecordError("The API sent a record without an id.")
            rejected.append(Rejection.of(source, error))
        elif (first := indexed.setdefault(number, text)) is not text:
            if bytes(first) != bytes(text):
                error = RecordError("The API sent another record with the same id before it.")
                rejected.append(Rejection.of(source, error))
            elif repeated is not None:
                repeated.append(number)
    return indexed


def meta_of(answer: Any) -> Meta:  # noqa: ANN401 - any JSON
    """Return what a parsed page says about itself."""
    meta = answer.get("meta") if isinstance(answer, dict) else None
    return msgspec.convert(meta, Meta) if isinstance(meta, dict) else Meta()


def records_in(answer: Any, name: str, path: str) -> list[Source]:  # noqa: ANN401 - any JSON
    """Return the records inside an answer; one without them is empty only if its counts say so.

    Raises:
        ApiError: If there are none.
    """
    records = answer.get(name) if isinstance(answer, dict) else None
    if records is None and meta_of(answer).is_of_nothing:
        return []
    if not isinstance(records, list):
        msg = f"The answer of {path} is not as documented: it has no '{name}'."
        raise ApiError(msg)
    return records
