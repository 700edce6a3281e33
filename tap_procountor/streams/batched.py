"""Lists that know page numbers only, although the details of their rows come in batches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.convert import Rejection
from tap_procountor.errors import NotFoundError, RecordError
from tap_procountor.reading import Batch, numbered_pages, numbered_rows
from tap_procountor.streams.base import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.companies import Company
    from tap_procountor.reading import Source


class _Completed(NamedTuple):
    """The rows of a page.

    Attributes:
        documents: Those with their details, and those that cannot be used.
        incomplete: Those whose details did not come, by id.
    """

    documents: list[Source]
    incomplete: dict[int, Source]


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
        for page in company.client.ahead(partial(self._complete, company), pages):
            incomplete |= page.incomplete
            yield Batch(page.documents)
        if incomplete:
            yield self._explained(company, incomplete)

    def _complete(self, company: Company, rows: list[Source]) -> _Completed:
        """Merge list and detail, each of which has fields that the other lacks."""
        ids = [row.get("id") if isinstance(row, dict) else None for row in rows]
        details = self._details(company, [number for number in ids if type(number) is int])
        completed = _Completed([], {})
        for number, row in zip(ids, rows, strict=True):
            if type(number) is not int:
                # It is rejected when it is converted.
                completed.documents.append(row)
            elif number in details:
                completed.documents.append(row | details[number])
            else:
                completed.incomplete[number] = row
        return completed

    def _details(self, company: Company, ids: list[int]) -> dict[int, Source]:
        """Get a batch. Unknown ids are left out, and if all are, the answer is 404."""
        if not ids:
            return {}
        try:
            answer = company.get_json(f"{self.path}/{','.join(map(str, ids))}")
        except NotFoundError:
            return {}
        # One id asked for gives an object, several give an array.
        details = answer if isinstance(answer, list) else [answer]
        return {detail["id"]: detail for detail in details if isinstance(detail, dict)}

    def _explained(self, company: Company, rows: dict[int, Source]) -> Batch:
        """Tell the rows that have been deleted from those whose details are withheld."""
        listed = {row.get("id") for row in numbered_rows(company, self.path, self.filters)}
        error = RecordError(f"Its details did not come from {self.path}.")
        return Batch(
            [],
            vanished=[number for number in rows if number not in listed],
            rejected=[Rejection.of(row, error) for number, row in rows.items() if number in listed],
        )
