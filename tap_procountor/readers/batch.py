"""Documents on their way from the API to the writer: they wait as text, in batches."""

from __future__ import annotations

from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from msgspec import Raw

from tap_procountor.api.responses import LARGEST_ID, decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_procountor.readers.list_page import Source
    from tap_procountor.records.rejection import Rejection

#: The most rows of a page and the most ids of a batch: one page, one batch.
PAGE_SIZE = 200


class Row(msgspec.Struct):
    """What must be known of a row of a list before it is parsed.

    Attributes:
        id: Its id.
        receipt_date: Its date, if it is a ledger receipt: it tells the tracking period.
    """

    id: Annotated[int, msgspec.Meta(le=LARGEST_ID)]
    receipt_date: str | None = msgspec.field(name="receiptDate", default=None)


class Documents:
    """Objects of the API as text: parsed ones take much memory, so each waits for its turn.

    Args:
        sources: The text of the objects, in as many parts as are to be merged.
    """

    def __init__(self, sources: Sequence[tuple[Raw, ...]]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    def texts(self) -> Iterator[Raw]:
        return chain.from_iterable(self._sources)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text of one after the other.

        Parts are put into one object; of a field that comes twice, parsing takes the later. None is
        empty: each has an id.
        """
        for parts in self._sources:
            fields = b",".join([memoryview(part)[1:-1] for part in parts])
            yield b"{%b}" % fields


def parsed(source: bytes | Source) -> Source:
    """Return an object of the API that may still be text."""
    document: Source = decode(source) if isinstance(source, bytes) else source
    return document


class Batch(NamedTuple):
    """Documents that came together.

    Attributes:
        documents: Objects of the API; where there are list and detail, merged.
        listed: The rows of the list's page, where there is one.
        vanished: Ids that were listed but had been deleted when their details were asked for.
        rejected: Records that cannot be used.
        total: How many rows the list has, if the API says so.
        left: How many rows of the list follow, as far as the API says.
        repeated: How many rows of the list's page came before in the same words.
        attachments: What the search knows of the attachments inside the documents, by id.
    """

    documents: Documents | Sequence[bytes | Source]
    listed: Sequence[Row] = ()
    vanished: Sequence[int] = ()
    rejected: Sequence[Rejection] = ()
    total: int | None = None
    left: int = 0
    repeated: int = 0
    attachments: Mapping[int, dict[str, Any]] = MappingProxyType({})


def gathered(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Put batches of whole documents together until they are as large as a page."""
    documents: list[bytes | Source] = []
    vanished: list[int] = []
    rejected: list[Rejection] = []
    for batch in batches:
        documents += batch.documents
        vanished += batch.vanished
        rejected += batch.rejected
        if len(documents) >= PAGE_SIZE:
            yield Batch(documents, vanished=vanished, rejected=rejected)
            documents, vanished, rejected = [], [], []
    if documents or vanished or rejected:
        yield Batch(documents, vanished=vanished, rejected=rejected)
