"""Incremental lists that the API filters by a date of their rows instead of ``version``."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import compress
from typing import TYPE_CHECKING, ClassVar

from tap_procountor.errors import NotFoundError, RecordError
from tap_procountor.readers.batch import PAGE_SIZE, Batch, Row, parsed
from tap_procountor.readers.details import Existing
from tap_procountor.readers.isolation import attempting, isolated
from tap_procountor.readers.keyset import KeysetList
from tap_procountor.readers.list_page import records_in
from tap_procountor.records.rejection import Rejection
from tap_procountor.streams.base.incremental import IncrementalStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Source
    from tap_procountor.state.bookmarks import Window


class DatedStream(IncrementalStream):
    """A keyset list that the API filters by a date of its rows, the ``replication_key``.

    A row's date does not tell when the row changed. Every run therefore reads the rows of the last
    ``date_lookback_days`` again. There is no upper bound, for a payment may lie in the future: rows
    may enter the list while it is read, but with the ids that come last. Older rows are read if
    they are new, which their ids tell: a statement may be imported long after its date.
    """

    #: The parameters of the first and the last date wanted.
    date_filters: ClassVar[tuple[str, str]] = ("startDate", "endDate")

    @property
    def lookback(self) -> timedelta:
        """How far a window reaches back before the end of the last one."""
        return timedelta(days=self.config["date_lookback_days"])

    def bounds(self, window: Window) -> Params:
        """Return the API's filters for a window."""
        first, last = self.date_filters
        bounds = {first: self._local_date(window.start)} if window.start else {}
        if self.run.is_backfill:
            bounds[last] = self._local_date(window.end)
        return bounds

    def written(self, company: Company, batch: Batch) -> None:
        """Keep the progress in the state, and at the end of a window the highest id."""
        # A window that was left unfinished has been read up to an id by an earlier run.
        ids = [row.id for row in batch.listed] + [batch.window.after if batch.window else 0]
        self._highest[company.id] = highest = max(self._highest.get(company.id, 0), *ids)
        is_kept = not (self.run.is_backfill or self.run.deletion_guard(company).hides_rows)
        if batch.window is not None and batch.window.is_done and is_kept:
            state = self.state_of(company)
            state["highest_id"] = max(highest, state.get("highest_id", 0))
        super().written(company, batch)

    @cached_property
    def _highest(self) -> dict[int, int]:
        return {}

    def _read_window(self, company: Company, window: Window) -> Iterator[Batch]:
        # What is newer than the highest id that a run has met is found by the next one at the
        # latest, because this is looked for after the rows of the window, which may raise it.
        highest = self.state_of(company).get("highest_id")
        progress = window
        for batch in super()._read_window(company, window):
            if batch.window and batch.window.is_done and highest is not None:
                for late in self._late_batches(company, window, highest):
                    yield late._replace(window=progress, total=None)
            progress = batch.window or progress
            yield batch

    def _late_batches(self, company: Company, window: Window, highest: int) -> Iterator[Batch]:
        """Read rows of dates before the window whose ids are above those met so far."""
        if not window.start or self.run.is_backfill:
            return
        first, last = self.date_filters
        bounds = {last: self._local_date(window.start, days=-1)}
        if start := self.run.moment("start_date"):
            bounds[first] = self._local_date(str(start))
        if bounds.get(first, "") > bounds[last]:
            return
        # How many rows come before them is not known, and need not be.
        place = replace(window, after=highest, done=sys.maxsize)
        for variant in self.variants:
            yield from self._batches(company, {**variant, **bounds}, place)

    def existing(self, company: Company, missing: set[int]) -> Existing:
        """Look for each of the missing ids in the list."""
        # No filter by date: a row whose date was moved still exists.
        lists = [
            KeysetList(company, self.path, variant, has_numbers=self.has_numbers)
            for variant in self.variants
        ]

        def exists(number: int) -> bool:
            return any(one.contains(number) for one in lists)

        ids = sorted(missing)
        return Existing({*compress(ids, company.threads.map(exists, ids))}, {})

    def _local_date(self, moment: str, days: int = 0) -> str:
        local = datetime.fromisoformat(moment).astimezone(self.run.api_clock.zone)
        return str(local.date() + timedelta(days=days))


class DetailedDatedStream(DatedStream):
    """A list by date whose rows are completed by a request each."""

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return list and detail."""
        return (cls.path, f"{cls.path}/{{id}}")

    def is_empty(self, company: Company) -> bool:
        """Ask for one row, and for its details."""
        for variant in self.variants:
            answer = company.get(self.path, {**variant, "size": 1})
            for row in records_in(answer, "results", self.path):
                self._with_detail(company, variant, (Row(row["id"]), row))
                return False
        return True

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        pages = self._pages(company, filters, progress, share=1 / (1 + PAGE_SIZE))
        return self._completed(company, filters, pages)

    def _again(self, company: Company, filters: Params, ids: Sequence[int]) -> Iterator[Batch]:
        pages = super()._again(company, filters, ids)
        return self._completed(company, filters, pages, may_all_fail=True)

    def _completed(
        self,
        company: Company,
        filters: Params,
        pages: Iterator[Batch],
        *,
        may_all_fail: bool = False,
    ) -> Iterator[Batch]:
        """Ask for the details of each row."""
        details = attempting(
            partial(self._with_detail, company, filters),
            lambda row, error: Batch([], [row[0]], rejected=[Rejection.of(row[1], error)]),
        )
        for batch in pages:
            yield batch._replace(documents=[], listed=[])
            rows = zip(batch.listed, map(parsed, batch.documents), strict=True)
            attempts = company.threads.map(details, rows)
            yield from isolated(attempts, may_all_fail=may_all_fail)

    def _with_detail(self, company: Company, filters: Params, listed: tuple[Row, Source]) -> Batch:
        row, source = listed
        try:
            detail = company.get(f"{self.path}/{row.id}")
        except NotFoundError:
            if KeysetList(company, self.path, filters).contains(row.id):
                error = RecordError(f"Its details did not come from {self.path}.")
                return Batch([], [row], rejected=[Rejection.of(source, error)])
            return Batch([], [row], vanished=[row.id])
        return Batch([source | detail], [row])
