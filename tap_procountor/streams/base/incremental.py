"""Streams read by ``version``: what has changed since the last run."""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict, deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_procountor.api.clock import format_utc
from tap_procountor.errors import RecordError
from tap_procountor.readers.batch import Batch, Row
from tap_procountor.readers.owned_rows import RowsOfOwner
from tap_procountor.records.rejection import Rejection
from tap_procountor.state.bookmarks import Bookmark, Window
from tap_procountor.state.ids import Census, Comparison, Seen, ascending, difference, pack, unpack
from tap_procountor.streams.base.listed import ListStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk import Tap

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.lister import ApiList, Page
    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.context import RunContext
    from tap_procountor.streams.base.stream import ProcountorStream

#: Documents after which the progress is sent to the target as a STATE message.
_DOCUMENTS_PER_STATE = 1000

#: Ids are packed page by page; so many packs are put into one, which is half as large.
_PACKS_AT_ONCE = 32

#: A state that is not due waits so long for what it can take along.
_LONGEST_WAIT_SECONDS = 1.0


#: Between its batches, a stream notes how far it has come once they are written, and in the end
#: what the lists lack of the target's ids.
Step = Window | Comparison


class IncrementalStream(ListStream):
    """A list that is read by ``version``, in windows whose upper bound is closed."""

    replication_key = "version"

    #: The SDK must not write a state between two of ours: ids and progress belong together.
    STATE_MSG_FREQUENCY = sys.maxsize

    _unsaved_documents = 0

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        #: Ids that have been read ahead, in threads, and are not in the state yet.
        self._unannounced: deque[tuple[Company, Seen]] = deque()
        #: Ids of each company that are in the state while their records are not written yet.
        self._announced: defaultdict[int, set[int]] = defaultdict(set)
        #: How many packs of each company's ids need not be put into larger ones.
        self._large_packs: defaultdict[int, int] = defaultdict(int)
        #: The bookmarks that this run goes on from, by company.
        self.began_at: dict[int, str | None] = {}
        #: Documents of the batch that is being written which cannot be used.
        self._rejected: set[int] = set()

    def read(self, company: Company) -> Iterator[Any]:
        """Read the windows that are due, then look for what has been deleted."""
        for rows in self._selected_row_streams:
            rows.before_reading(self, company)
        self.began_at[company.id] = self._bookmark_value(company)
        # The state is looked at now: the iterator may run in another thread.
        windows = list(self._bookmark(company).windows())
        state = self.state_of(company)
        emitted = Seen(state.get("emitted", ()))
        rejected = self._rejected_before(company)
        return self._read(company, windows, Census.from_state(state), emitted, rejected)

    @property
    def lookback(self) -> timedelta:
        """How far a window reaches back before the end of the last one."""
        return timedelta(seconds=self.config["lookback"])

    def bounds(self, window: Window) -> Params:
        return window.filters(self.run.api_clock)

    def forget_bookmark(self, company: Company) -> None:
        if self.state_of(company).get("streams"):
            self.state_of(company)["streams"] = []

    def move_bookmark_back(self, company: Company, value: str | None) -> None:
        """Let the next read go on from an earlier bookmark; from the beginning if it is None."""
        now = self._bookmark_value(company)
        if value is None or now is None:
            self.forget_bookmark(company)
        else:
            state = self.state_of(company)
            state |= {"replication_key_value": min(value, now), "window": None}

    def before_writing(self, company: Company, batch: Batch) -> None:
        """Keep the ids of a batch in the state first, and send it.

        Whatever stops the run then, the next one knows what may be in the target. Batches that have
        been read ahead are taken along: with many companies, a state for each would be much.
        """
        self._rejected.clear()
        if not (self.keeps_ids and batch.listed):
            return
        ids = {row.id for row in batch.listed}
        announced = self._announced[company.id]
        if not ids <= announced:
            if not self.run.state_writer.is_due:
                self.run.read_ahead.settle(_LONGEST_WAIT_SECONDS)
            self._keep_announced()
            self._announce(company, [row for row in batch.listed if row.id not in announced])
            self._keep_announced()
            self.run.state_writer.write_state(self.tap_state, at_once=True)
        announced -= ids

    def _keep_announced(self) -> None:
        """Put the ids that have been read ahead into the state."""
        while self._unannounced:
            company, ids = self._unannounced.popleft()
            packs = self.state_of(company).setdefault("emitted", [])
            packs.append(ids.pack())
            first = self._large_packs[company.id]
            if len(packs) >= first + _PACKS_AT_ONCE:
                packs[first:] = [Seen(packs[first:]).pack()]
                self._large_packs[company.id] += 1
            self._announced[company.id].update(*ids.values())

    def reject(self, table: ProcountorStream, company: Company, rejection: Rejection) -> None:
        """Note a document that cannot be used, so that the next run asks for it again."""
        super().reject(table, company, rejection)
        number = self.rejected_document(rejection)
        if number is not None:
            self._rejected.add(number)

    def rejected_document(self, rejection: Rejection) -> int | None:
        """Return the id of the list's row that a rejection belongs to, if it is known."""
        if isinstance(self._completer, RowsOfOwner):
            return self._completer.owner_of(rejection)
        return rejection.number

    def _rejected_before(self, company: Company) -> set[int]:
        packed = self.state_of(company).get("rejected")
        return set(unpack(packed)) if packed else set()

    def _remember(self, company: Company, batch: Batch) -> None:
        """Keep the ids of documents that cannot be used, before a bookmark passes them."""
        before = self._rejected_before(company)
        settled = {row.id for row in batch.listed}.union(batch.vanished) if before else set()
        rejected = (before - settled) | self._rejected
        state = self.state_of(company)
        if rejected:
            state["rejected"] = pack(rejected)
        else:
            state.pop("rejected", None)

    def proceed(self, company: Company, step: Step) -> Iterator[Record]:
        """Keep the progress in a window, or declare deleted what a comparison has found gone."""
        if isinstance(step, Window):
            self._save(company, step)
        else:
            yield from self._tombstones(company, step)

    def _tombstones(self, company: Company, comparison: Comparison) -> Iterator[Record]:
        """Yield tombstones for the ids that are gone, then keep the census."""
        self._rejected.clear()
        gone, unclear = self._confirmed(company, comparison.missing)
        self.run.deletion_guard(company).allow(len(gone), comparison.compared)
        for rejection in unclear:
            self.reject(self, company, rejection)
        for number in sorted(gone):
            yield self.tombstone(company, (number,))
        state = self.state_of(company)
        state["census"] = comparison.census(gone).to_state()
        state.pop("emitted", None)
        self._large_packs[company.id] = 0
        self._remember(company, Batch([]))
        self.run.state_writer.write_state(self.tap_state)

    def written(self, company: Company, batch: Batch) -> None:
        """Remember what was rejected, before a bookmark passes it."""
        if batch.vanished:
            # They may be hidden instead of deleted: no bookmark may pass them then.
            self.run.deletion_guard(company).check_rights_again()
        self._remember(company, batch)
        self._unsaved_documents += max(len(batch.documents), len(batch.listed))

    def _save(self, company: Company, window: Window) -> None:
        """Keep the progress in the state: now and then, and at the end of a window."""
        is_due = window.is_done or self._unsaved_documents >= _DOCUMENTS_PER_STATE
        if is_due and not self.run.deletion_guard(company).hides_rows:
            self._unsaved_documents = 0
            self._bookmark(company).save(window)
            self.run.state_writer.write_state(self.tap_state)

    def _bookmark(self, company: Company) -> Bookmark:
        return Bookmark(
            self.state_of(company),
            replication_key=str(self.replication_key),
            # It covers the rows inside the records, too.
            streams=[one.bookmark_name for one in (self, *self.row_streams) if one.selected],
            now=company.opened,
            agreed=company.agreed,
            start_date=self.run.moment("start_date"),
            end_date=self.run.moment("end_date"),
            lookback=self.lookback,
            warn=self.run.report.warn,
        )

    def _read(
        self,
        company: Company,
        windows: list[Window],
        before: Census,
        emitted: Seen,
        rejected: set[int],
    ) -> Iterator[Any]:
        read = Seen()

        def noted(steps: Iterator[Batch | Window]) -> Iterator[Batch | Window]:
            for step in steps:
                if isinstance(step, Batch):
                    if self.keeps_ids:
                        self._note(company, step.listed, read)
                    if rejected:
                        rejected.difference_update(row.id for row in step.listed)
                yield step

        for window in windows:
            yield from noted(self._read_window(company, window))
        self.run.deletion_guard(company).check_rights()
        # Those that the windows did not bring again.
        yield from noted(self._read_rejected(company, {*rejected}))
        if self.run.is_backfill:
            return
        first = windows[0]
        if not first.is_whole:
            # What has been written may have been deleted since it was read.
            emitted.add(read)
        everything = read if first.is_whole else None
        yield from self.take_census(company, before, emitted, everything, first)

    def _read_rejected(self, company: Company, rejected: set[int]) -> Iterator[Batch]:
        for one in self.lists(company):
            for batch in self.again(one, sorted(rejected)):
                rejected.difference_update(row.id for row in batch.listed)
                yield batch
        if rejected:
            gone, unclear = self._confirmed(company, rejected)
            error = RecordError(f"It exists, but {self.path} does not list it.")
            unlisted = sorted(rejected - gone - {rejection.number for rejection in unclear})
            unclear += [Rejection.of({"id": number}, error) for number in unlisted]
            yield Batch([], vanished=sorted(gone), rejected=unclear)

    def _note(self, company: Company, rows: Sequence[Row], ids: Seen) -> None:
        for row in rows:
            ids[self.region_of(company, row)].append(row.id)

    def _announce(self, company: Company, rows: Sequence[Row]) -> None:
        if self.keeps_ids and rows:
            ids = Seen()
            self._note(company, rows, ids)
            self._unannounced.append((company, ids))

    @property
    def keeps_ids(self) -> bool:
        """Whether the state keeps the stream's ids, to find deletions by.

        The API has no list of rows by owner to compare with; their owners' stream finds what is
        gone.
        """
        return self._completer.follows_the_list and self.run.keeps_ids(of_all_streams=True)

    def region_of(self, company: Company, row: Row) -> str:  # noqa: ARG002
        return ""

    def take_census(
        self,
        company: Company,
        before: Census,
        emitted: Seen,
        everything: Seen | None,
        window: Window,  # noqa: ARG002
    ) -> Iterator[Any]:
        """Compare the ids of the whole list with those that the target has.

        Args:
            company: The company.
            before: The census of the last run that came so far.
            emitted: The ids written since then, also by runs that were stopped; this run's only if
                ``everything`` is None.
            everything: The ids that this run has read, if that was all there is.
            window: The first window of the run.
        """
        if not self.keeps_ids:
            return
        ids = ascending(self._list_ids(company) if everything is None else everything[""])
        known = ascending(before.ids(""), emitted[""])
        missing = difference(known, ids)
        if before.taken and everything is None:
            # What was hidden from an earlier run may be older than any window.
            yield from self._read_unknown(company, difference(ids, known))

        def census(gone: set[int]) -> Census:
            taken = Census(taken=format_utc(company.agreed))
            taken.replace("", ascending(ids, missing - gone))
            return taken

        yield Comparison(missing, len(known), census)

    def _read_unknown(self, company: Company, unknown: set[int]) -> Iterator[Batch]:
        """Read documents that the lists have and the target has not."""
        for one in self.lists(company) if unknown else ():
            yield from self.again(one, sorted(unknown))

    def _list_ids(self, company: Company) -> Iterable[int]:
        """Return the ids of what has been wanted so far: older rows are not in the target."""
        start = self.run.moment("start_date")
        wanted = Window(format_utc(start) if start else None, format_utc(company.opened))
        lists = self.lister.lists(company, self.bounds(wanted))
        return array("q", (number for one in lists for page in one.pages() for number in page.ids))

    def _confirmed(self, company: Company, missing: set[int]) -> tuple[set[int], list[Rejection]]:
        """Return those of the missing ids that are gone, and those of which it cannot be told."""
        if not missing:
            return set(), []
        existing, unclear = self._completer.existing(company, missing)
        rejections = [
            Rejection.of({"id": number}, RecordError(str(error)))
            for number, error in sorted(unclear.items())
        ]
        return missing - existing - unclear.keys(), rejections

    def _read_window(self, company: Company, window: Window) -> Iterator[Batch | Window]:
        lists = self.lists(company, self.bounds(window))
        due = (
            self._read_list(company, lists[number], window.at_variant(number))
            for number in range(window.variant, len(lists))
        )
        yield from self.run.read_ahead.in_turn(self, company, due)
        yield window.done_with()

    def _read_list(
        self, company: Company, one: ApiList, progress: Window
    ) -> Iterator[Batch | Window]:
        for batch in self._batches(company, one, progress.after, progress.done):
            last = batch.listed[-1].id if batch.listed else None
            rows = len(batch.listed) + len(batch.rejected) + batch.repeated
            progress = progress.moved(last, rows)
            yield batch
            yield progress

    def _batches(
        self, company: Company, one: ApiList, after: int = 0, done: int = 0
    ) -> Iterator[Batch]:
        return self._completer.complete(one, self._announcing(company, one.pages(after, done)))

    def again(self, one: ApiList, ids: Iterable[int]) -> Iterator[Batch]:
        pages = self._announcing(one.company, one.rows(ids))
        return self._completer.complete(one, pages, may_all_fail=True)

    def _announcing(
        self, company: Company, pages: Iterable[Page], known: array[int] | None = None
    ) -> Iterator[Page]:
        """Announce the rows of each page as soon as it is there, ahead of their documents.

        Args:
            company: Whose rows they are.
            pages: The pages.
            known: Ids that the target has, which need not be announced.
        """
        for page in pages:
            self._announce(company, page.listed if known is None else not_in(known, page.listed))
            yield page


def not_in(known: array[int], rows: Sequence[Row]) -> list[Row]:
    """Return the rows, in ascending order of ids, whose ids are not known."""
    new = difference(array("q", [row.id for row in rows]), known)
    return [row for row in rows if row.id in new]
