"""Lists that know page numbers only, although the details of their rows come in batches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.api.responses import decode
from tap_procountor.errors import RecordError
from tap_procountor.readers.batch import PAGE_SIZE, Batch
from tap_procountor.readers.details import Details, details_of
from tap_procountor.readers.numbered import numbered_pages
from tap_procountor.records.rejection import Rejection
from tap_procountor.streams.base.full_table import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Source
    from tap_procountor.state.ids import Key


class _Page(NamedTuple):
    """A page of the list; the details stay unparsed until needed, because many wait in memory.

    Attributes:
        usable: Its rows by id.
        others: Rows without an id, which are rejected when they are converted.
        details: The text of the details that came, and why others did not.
    """

    usable: dict[int, Source]
    others: list[Source]
    details: Details

    def details_by_id(self) -> dict[int, Source]:
        """Parse the details."""
        details = map(decode, self.details.texts)
        return {one["id"]: one for one in details if isinstance(one, dict) and "id" in one}

    @property
    def rejected(self) -> list[Rejection]:
        """The rows whose details fail for good."""
        return [
            Rejection.of(self.usable[number], RecordError(str(error)))
            for number, error in self.details.failed.items()
        ]


class BatchedStream(PagedStream):
    """A list by page number whose rows are completed by batches of 200 details."""

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return list and batch."""
        return (cls.path, f"{cls.path}/{{ids}}")

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the pages and, several at once, the batches."""
        incomplete: dict[int, Source] = {}
        pages = numbered_pages(company, self.path, self.filters)
        # The list makes the other half of the requests.
        ahead = company.threads.map_promptly(
            partial(self._with_details, company), pages, 1 / 2, gently=True
        )
        for page in ahead:
            details = page.details_by_id()
            explained = details.keys() | page.details.failed.keys()
            incomplete |= {number: page.usable[number] for number in page.usable.keys() - explained}
            # List and detail each have fields that the other lacks.
            merged = [
                row | details[number] for number, row in page.usable.items() if number in details
            ]
            yield Batch([*merged, *page.others], rejected=page.rejected)
        yield from self.explained(company, incomplete)

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:
        """Ask for the details of those that are missing."""
        ids = sorted(number for (number,) in missing)
        for at in range(0, len(ids), PAGE_SIZE):
            details = details_of(company, self.path, ids[at : at + PAGE_SIZE])
            for error in details.failed.values():
                raise error
            yield Batch([*map(decode, details.texts)])

    def _with_details(self, company: Company, rows: list[Source]) -> _Page:
        ids = [row.get("id") if isinstance(row, dict) else None for row in rows]
        usable: dict[int, Source] = {}
        others = [
            row
            for number, row in zip(ids, rows, strict=True)
            # Another row with an id that has come is rejected when it is converted.
            if type(number) is not int or usable.setdefault(number, row) != row
        ]
        return _Page(usable, others, details_of(company, self.path, [*usable]))
