"""Incremental lists that the API filters by a date of their rows instead of ``version``."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from tap_procountor.state.bookmarks import Window
from tap_procountor.streams.base.incremental import IncrementalStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch


class DatedStream(IncrementalStream):
    """A list that the API filters by a date of its rows, the ``replication_key``.

    A row's date does not tell when the row changed. Every run therefore reads the rows of the last
    ``date_lookback_days`` again. There is no upper bound, for a payment may lie in the future: rows
    may enter the list while it is read, but with the ids that come last. Older rows are read if
    they are new, which their ids tell: a statement may be imported long after its date.
    """

    #: The parameters of the first and the last date wanted.
    date_filters: ClassVar[tuple[str, str]] = ("startDate", "endDate")

    @property
    def lookback(self) -> timedelta:
        return timedelta(days=self.config["date_lookback_days"])

    def bounds(self, window: Window) -> Params:
        first, last = self.date_filters
        bounds = {first: self._local_date(window.start)} if window.start else {}
        if self.run.is_backfill:
            bounds[last] = self._local_date(window.end)
        return bounds

    def written(self, company: Company, batch: Batch) -> None:
        self._meet(company, [row.id for row in batch.listed])
        super().written(company, batch)

    def _save(self, company: Company, window: Window) -> None:
        # A window that was left unfinished has been read up to an id by an earlier run.
        self._meet(company, [window.after])
        is_kept = not (self.run.is_backfill or self.run.deletion_guard(company).hides_rows)
        if window.is_done and is_kept:
            state = self.state_of(company)
            state["highest_id"] = max(self._highest[company.id], state.get("highest_id", 0))
        super()._save(company, window)

    def _meet(self, company: Company, ids: list[int]) -> None:
        self._highest[company.id] = max(self._highest.get(company.id, 0), *ids, 0)

    @cached_property
    def _highest(self) -> dict[int, int]:
        return {}

    def _read_window(self, company: Company, window: Window) -> Iterator[Batch | Window]:
        # What is newer than the highest id that a run has met is found by the next one at the
        # latest, because this is looked for after the rows of the window, which may raise it.
        highest = self.state_of(company).get("highest_id")
        for step in super()._read_window(company, window):
            if isinstance(step, Window) and step.is_done and highest is not None:
                for late in self._late_batches(company, window, highest):
                    yield late._replace(total=None)
            yield step

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
        for one in self.lists(company, bounds):
            # How many rows come before them is not known, and need not be.
            yield from self._batches(company, one, after=highest, done=sys.maxsize)

    def _local_date(self, moment: str, days: int = 0) -> str:
        local = datetime.fromisoformat(moment).astimezone(self.run.api_clock.zone)
        return str(local.date() + timedelta(days=days))
