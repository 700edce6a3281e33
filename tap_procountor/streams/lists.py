"""Incremental lists that the API filters or pages in another way than by ``version`` and id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from tap_procountor.errors import NotFoundError
from tap_procountor.reading import Batch, KeysetList, Row, records_in, unpaged_batches
from tap_procountor.streams.base import IncrementalStream, ReadStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.reading import Source
    from tap_procountor.windows import Window


class DatedStream(IncrementalStream):
    """A keyset list that the API filters by a date of its rows, the ``replication_key``.

    A row's date does not tell when the row changed. Every run therefore reads the rows of the last
    ``date_lookback_days`` again. There is no upper bound, for a payment may lie in the future: rows
    may enter the list while it is read, but with the ids that come last.
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
        if self.config.get("end_date"):
            bounds[last] = self._local_date(window.end)
        return bounds

    def confirmed_gone(self, company: Company, missing: set[int], known: int) -> set[int]:
        """Return those of the missing ids that are not in the list, each being looked for."""
        self._tap.deletion_guard(company).check(len(missing), known)
        lists = [
            KeysetList(company, self.path, variant, has_numbers=self.has_numbers)
            for variant in self.variants
        ]

        def is_gone(number: int) -> bool:
            return not any(one.contains(number) for one in lists)

        ids = sorted(missing)
        gone = company.client.ahead(is_gone, ids)
        return {number for number, is_it in zip(ids, gone, strict=True) if is_it}

    def _local_date(self, moment: str) -> str:
        local = datetime.fromisoformat(moment).astimezone(self._tap.api_clock.zone)
        return str(local.date())


class DetailedDatedStream(DatedStream):
    """A list by date whose rows are completed by a request each."""

    def is_empty(self, company: Company) -> bool:
        """Ask for one row, and for its details."""
        for variant in self.variants:
            answer = company.get_json(self.path, {**variant, "size": 1})
            for row in records_in(answer, "results", self.path):
                self._with_detail(company, Row(row["id"]), row)
                return False
        return True

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        for batch in super()._batches(company, filters, progress):
            yield Batch([], rejected=batch.rejected, total=batch.total)
            rows = zip(batch.listed, batch.documents, strict=True)
            yield from company.client.ahead(lambda row: self._with_detail(company, *row), rows)

    def _with_detail(self, company: Company, row: Row, source: Source) -> Batch:
        try:
            detail = company.get_json(f"{self.path}/{row.id}")
        except NotFoundError:
            return Batch([], [row], vanished=[row.id])
        return Batch([source | detail], [row])


class UnpagedIncrementalStream(IncrementalStream):
    """A list by ``version`` that comes as a whole: one request for each window."""

    def is_empty(self, company: Company) -> bool:
        """Ask for the list: there is no smaller question."""
        return ReadStream.is_empty(self, company)

    def confirmed_gone(self, company: Company, missing: set[int], known: int) -> set[int]:
        """Return those of the missing ids that are not in the list without bounds either."""
        gone = missing - self._ids(company, {}) if missing else missing
        self._tap.deletion_guard(company).check(len(gone), known)
        return gone

    def _list_ids(self, company: Company) -> set[int]:
        return self._ids(company, {})

    def _ids(self, company: Company, bounds: Params) -> set[int]:
        return {
            row.id
            for variant in self.variants
            for batch in self._whole(company, {**variant, **bounds})
            for row in batch.listed
        }

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:  # noqa: ARG002 - no place to go on from
        return self._whole(company, filters)

    def _whole(self, company: Company, filters: Params) -> Iterator[Batch]:
        return unpaged_batches(company.get(self.path, filters).body)
