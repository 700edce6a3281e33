"""Incremental lists that come as a whole."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_procountor.api.clock import format_utc
from tap_procountor.readers.batch import Batch
from tap_procountor.readers.details import Existing
from tap_procountor.readers.list_page import whole_list
from tap_procountor.readers.numbered import unpaged_batches
from tap_procountor.state.bookmarks import Window
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.read import ReadStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company


class UnpagedIncrementalStream(IncrementalStream):
    """A list by ``version`` that comes as a whole: one request for each window."""

    def is_empty(self, company: Company) -> bool:
        """Ask for the list: there is no smaller question."""
        return ReadStream.is_empty(self, company)

    def existing(self, company: Company, missing: set[int]) -> Existing:
        """Look for the missing ids in the list without bounds."""
        return Existing(missing & self._ids(company, {}), {})

    def _list_ids(self, company: Company) -> set[int]:
        start = self.run.moment("start_date")
        wanted = Window(format_utc(start) if start else None, format_utc(company.opened))
        return self._ids(company, self.bounds(wanted))

    def _ids(self, company: Company, bounds: Params) -> set[int]:
        return {
            row.id
            for variant in self.variants
            for batch in self._whole(company, {**variant, **bounds})
            for row in batch.listed
        }

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:  # noqa: ARG002 - no place to go on from
        return self._whole(company, filters)

    def _again(self, company: Company, filters: Params, ids: Sequence[int]) -> Iterator[Batch]:
        wanted = {*ids}
        for batch in self._whole(company, filters):
            places = [at for at, row in enumerate(batch.listed) if row.id in wanted]
            documents = [*batch.documents]
            yield Batch([documents[at] for at in places], [batch.listed[at] for at in places])

    def _whole(self, company: Company, filters: Params) -> Iterator[Batch]:
        return unpaged_batches(company.get(self.path, filters, partial(whole_list, path=self.path)))
