"""How the ledger is read: by ``version`` as other documents, and beside it period by period.

Receipts are deleted and created anew by every edit of a document, and their dimensions change
without a new ``version``. Those of tracking periods that can change are therefore read again.
"""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.api.clock import format_exactly, format_utc
from tap_procountor.errors import RecordError
from tap_procountor.permissions.access import Verdict
from tap_procountor.reconciliation.tally import Tally
from tap_procountor.records.rejection import Rejection
from tap_procountor.state.ids import Census, Comparison, Seen
from tap_procountor.streams.base.incremental import IncrementalStream, Step, not_in
from tap_procountor.streams.base.periods import Ledger
from tap_procountor.streams.base.sweep import Sweep, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch, Row
    from tap_procountor.readers.lister import ApiList
    from tap_procountor.records.converter import Record
    from tap_procountor.state.bookmarks import Window
    from tap_procountor.streams.base.context import RunContext
    from tap_procountor.streams.base.periods import Region


class Reading(NamedTuple):
    """A step: a span of days is read as a whole from here on, or has been until here."""

    span: list[Region]
    is_done: bool


#: How often the open ledger is listed again while receipts are created and deleted in it.
_MOST_LISTINGS = 3


class LedgerStream(IncrementalStream):
    """Documents whose dates lie in tracking periods, in which nothing changes once closed."""

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        #: The sums of the receipts that this run has written, by company; see ``tally``.
        self._tallies: dict[int, Tally] = {}
        #: The tracking periods that it has read as a whole, likewise.
        self.read_as_a_whole: defaultdict[int, list[Region]] = defaultdict(list)

    @property
    def keeps_ids(self) -> bool:
        """Whether the state keeps the ids; receipts are deleted by every edit of a document."""
        return self.run.keeps_ids(of_all_streams=False)

    def region_of(self, company: Company, row: Row) -> str:
        return self.ledger(company).key_of(row.receipt_date)

    def take_census(
        self,
        company: Company,
        before: Census,
        emitted: Seen,
        everything: Seen | None,
        window: Window,
    ) -> Iterator[Batch | Step | Reading]:
        """Read the receipts that may have changed unnoticed again, and compare the ids."""
        ledger = self.ledger(company)
        visits = [
            (region, self._visit(region, before) if everything is None else Visit.READ)
            for region in ledger.regions
        ]
        sweep = Sweep(before, emitted, visits, everything)
        for visit, span in sweep.spans:
            began = format_exactly(datetime.now(UTC))
            if visit is Visit.SWEEP:
                yield Reading(span, is_done=False)
            yield from self._look(company, visit, span, sweep)
            if visit in {Visit.SWEEP, Visit.READ}:
                yield Reading(span, is_done=True)
            if visit is Visit.SWEEP:
                sweep.note(span, began)
            elif window.begun and visit is not Visit.SKIP:
                # A load that was stopped and has gone on: nothing in the period is older.
                sweep.note(span, window.begun)
        if self.keeps_ids:
            yield from self._settle(company, sweep)
        yield self._comparison(company, sweep)

    def proceed(self, company: Company, step: Step | Reading) -> Iterator[Record]:
        """Note which periods the tally has as a whole."""
        if not isinstance(step, Reading):
            yield from super().proceed(company, step)
        elif step.is_done:
            self.read_as_a_whole[company.id] += [region for region in step.span if region.key]
        else:
            for region in step.span:
                self.tally(company).forget(region.key)

    def _records(self, company: Company, batch: Batch) -> Iterator[Record]:
        is_compared = self.config["reconcile"] != "off"
        for record in super()._records(company, batch):
            if is_compared:
                self.tally(company).add(record)
            yield record

    def tally(self, company: Company) -> Tally:
        """Return the sums of the receipts that this run has written, if it compares them."""
        if company.id not in self._tallies:
            ledger = self.ledger(company)
            self._tallies[company.id] = Tally(ledger.key_of, ledger.year_of)
        return self._tallies[company.id]

    def write_again(self, company: Company, regions: list[Region]) -> None:
        """Read tracking periods once more, and write their receipts in place of those before."""
        for region in regions:
            one = self._receipts(company, [region])
            batches = self._completer.complete(one, one.pages())
            for rows in self._selected_row_streams:
                batches = rows.prepare(company, batches)
            for batch in batches:
                self.before_writing(company, batch)
                self.run.message_writer.begin_batch()
                for record in self._records(company, batch):
                    if self.selected:
                        self.write(record)
                self.written(company, batch)

    def _visit(self, region: Region, before: Census) -> Visit:
        if not region.is_closed or region.key in before.open:
            return Visit.SWEEP
        if before.taken and region.modified:
            lookback = timedelta(seconds=self.config["lookback"])
            since = datetime.fromisoformat(before.taken) - lookback
            if self.run.api_clock.parse(region.modified) >= since:
                return Visit.SWEEP
        is_unknown = self.keeps_ids and region.key not in before.packed
        if is_unknown or self.run.keeps_ids(of_all_streams=True):
            return Visit.LIST
        return Visit.SKIP

    def _look(
        self, company: Company, visit: Visit, span: list[Region], sweep: Sweep
    ) -> Iterator[Batch]:
        """Read or list the receipts of a span of days, and note their ids.

        Without an upper bound: a document that is edited meanwhile has another receipt, which comes
        at the end of the list.
        """
        one = self._receipts(company, span)
        if visit is Visit.SWEEP:
            known = sweep.known(span)
            pages = self._announcing(company, one.pages(), known)
            batches = self._completer.complete(one, pages)
            yield from self._swept(company, batches, sweep, known)
        elif visit is Visit.LIST:
            for page in one.pages():
                self._note(company, page.listed, sweep.seen)
            yield from self._read_unknown(company, sweep.unread(span))

    def _receipts(self, company: Company, span: list[Region]) -> ApiList:
        """Return the list of the receipts of a span of days; of all days if it is empty."""
        filters = _days_of(span)
        if wanted_from := self.run.moment("start_date"):
            filters["versionStartDate"] = self.run.api_clock.lower_bound(wanted_from)
        return self.lister.at(company, filters, self._completer.list_share)

    def _swept(
        self, company: Company, batches: Iterator[Batch], sweep: Sweep, known: array[int]
    ) -> Iterator[Batch]:
        """Note the ids of what has come, and those that the target has not had."""
        for batch in batches:
            gone = {*batch.vanished}
            self._note(company, [row for row in batch.listed if row.id not in gone], sweep.seen)
            new = not_in(known, batch.listed)
            if new:
                written = Seen()
                self._note(company, new, written)
                sweep.add(written)
            yield batch._replace(listed=new)

    def _settle(self, company: Company, sweep: Sweep) -> Iterator[Batch]:
        """Read what was created while the ledger was read, and forget what it has replaced.

        A document that is edited then has two receipts: the old one at its place in the list, read
        before the edit, and the new one at the end, which the list may have come without.
        """
        # How many rows come before an id is not known, and need not be.
        newer = self._receipts(company, []).pages(sweep.last_id, sys.maxsize)
        if not (sweep.has_new or (sweep.missing() and any(newer))):
            return
        for _ in range(_MOST_LISTINGS):
            listed = {
                number
                for visit, span in sweep.spans
                if visit is Visit.SWEEP
                for page in self._receipts(company, span).pages()
                for number in page.ids
            }
            unread = sweep.listed_again(listed)
            if not unread:
                return
            for one in self.lists(company):
                yield from self._swept(company, self.again(one, unread), sweep, array("q"))
        self.logger.warning(
            "Company %d: receipts change while they are read; the next run reads them again.",
            company.id,
        )
        sweep.swept.clear()

    def _comparison(self, company: Company, sweep: Sweep) -> Comparison:
        ledger = self.ledger(company)
        missing = sweep.missing() if self.keeps_ids else set()
        outcome = self.run.report.outcome(self.name, company.id)
        # Otherwise not all of a period has been read.
        rights = self.run.rights_of(company)
        is_whole = self.access.judge(rights, is_empty=False).verdict is Verdict.READABLE
        is_whole = is_whole and self.keeps_ids and not self.config.get("start_date")

        def census(gone: set[int]) -> Census:
            uncertain = sweep.uncertain(missing - gone)
            if uncertain:
                self.logger.warning(
                    "Company %d: %d receipts are missing from the list although they exist.",
                    company.id,
                    len(missing - gone),
                )
            # A receipt that was rejected is in the target as an earlier run has read it.
            swept = sweep.swept if is_whole and not outcome.rejected else {}
            moments = sweep.before.swept | {
                key: moment for key, moment in swept.items() if key not in uncertain
            }
            taken = Census(
                open=ledger.open_periods,
                taken=format_utc(company.agreed),
                swept={key: moments[key] for key in sorted(sweep.keys & moments.keys()) if key},
            )
            for region in sweep.keys if self.keeps_ids else ():
                taken.replace(region, sweep.ids_after(region, missing - gone))
            return taken

        return Comparison(missing, sweep.compared if missing else 0, census)

    def add_up(self, company: Company, region: Region, tally: Tally) -> list[Rejection]:
        """Read the receipts of a tracking period without writing them, and add them to a tally.

        Returns:
            Those that cannot be used, and that the tally lacks.
        """
        rejected: list[Rejection] = []
        one = self.lister.at(company, _days_of([region]), self._completer.list_share)
        for batch in self._completer.complete(one, one.pages()):
            rejected += batch.rejected
            for text, record in self.convert.all(batch.documents):
                if isinstance(record, RecordError):
                    rejected.append(Rejection.of(text, record))
                else:
                    tally.add(record)
        return rejected

    def ledger(self, company: Company) -> Ledger:
        """Return a company's fiscal years and tracking periods, which a run requests once."""
        if company.id not in self._ledgers:
            self._ledgers[company.id] = Ledger(company.get("/fiscalyears"))
        return self._ledgers[company.id]

    @cached_property
    def _ledgers(self) -> dict[int, Ledger]:
        return {}


def _days_of(span: list[Region]) -> Params:
    first, last = (span[0].first, span[-1].last) if span else (None, None)
    return ({"startDate": first} if first else {}) | ({"endDate": last} if last else {})
