"""The windows that an incremental stream reads, and the bookmarks they leave in the state.

A window is a span of ``version`` whose upper bound is closed: the start of the run. Its list is
read by ascending id. Meanwhile rows may leave it (a change moves them past the upper bound) but
none can enter. Progress is therefore the last id written, and later changes belong to the next
window.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import KW_ONLY, asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_procountor.api.clock import format_exactly, format_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_procountor.api.client import Params
    from tap_procountor.api.clock import ApiClock

#: A bookmark further ahead comes from a wrong clock, even where the lookback is months (as for
#: tables that the API lists by date).
_MOST_BELIEVABLE = timedelta(days=1)

logger = logging.getLogger("tap-procountor.windows")


@dataclass(frozen=True)
class Window:
    """A window and its progress. Times are RFC 3339.

    Attributes:
        start: Earliest version; None for the beginning of time.
        end: Latest version: the bookmark that the window leaves.
        variant: The index of the stream's list that is being read; those before it are done.
        after: The last id of that list that has been written.
        done: The number of its rows read up to there.
        is_first: Whether no bookmark precedes it.
        begun: When reading a first window began, by our clock.
        is_done: Whether all lists have been written.
        until: Latest version requested, if later than ``end``: the server's time was known only to
            be between the two. Rows may enter such a window.
    """

    start: str | None
    end: str
    variant: int = 0
    after: int = 0
    done: int = 0
    is_first: bool = False
    begun: str | None = None
    is_done: bool = False
    until: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the window spans everything wanted, with nothing read yet."""
        return self.is_first and not self.after and not self.variant

    def filters(self, clock: ApiClock) -> Params:
        """Return the API's filters for the window.

        Whether these include their bounds is undocumented; the overlap makes it irrelevant.
        """
        filters = {"versionEndDate": clock.upper_bound(clock.parse(self.until or self.end))}
        if self.start:
            filters["versionStartDate"] = clock.lower_bound(clock.parse(self.start))
        return filters

    def at_variant(self, number: int) -> Window:
        """Return the window at one of its lists, where that was left or at its beginning."""
        return self if number == self.variant else replace(self, variant=number, after=0, done=0)

    def moved(self, last: int | None, rows: int) -> Window:
        """Return the window after more rows of the list.

        Args:
            last: The id of the last one written, if any.
            rows: The number of rows, those not written included.
        """
        after = self.after if last is None else last
        return replace(self, after=after, done=min(self.done + rows, sys.maxsize))

    def done_with(self) -> Window:
        return replace(self, is_done=True)


@dataclass
class Bookmark:
    """The state of one stream for one company, in the SDK's form.

    ``replication_key_value`` is the end of the last window that was written as a whole; ``window``
    is the progress in an unfinished one. ``streams`` names the tables that both cover: a table
    selected later starts at the beginning.

    Attributes:
        state: The writable part of the state.
        replication_key: The field of the records whose values the windows span.
        streams: The tables selected now.
        now: The upper bound of a new window.
        agreed: The latest bookmark it may leave, at most ``now``.
        start_date: Earliest change wanted.
        end_date: If given, this is a backfill: a single window, and the state is left alone.
        lookback: Overlap with the window before.
        warn: Takes a warning about the bookmark.
    """

    state: dict[str, Any]
    _: KW_ONLY
    replication_key: str
    streams: list[str]
    now: datetime
    agreed: datetime
    start_date: datetime | None
    end_date: datetime | None
    lookback: timedelta
    warn: Callable[[str], None] = logger.warning

    def __post_init__(self) -> None:
        self.streams = sorted(self.streams)

    def windows(self) -> Iterator[Window]:
        """Yield the windows to read: an unfinished one, then the one up to now."""
        if self.end_date:
            yield self._window(self.start_date, self.end_date)
            return
        value = self.state.get("replication_key_value")
        if value and not self._covers_all():
            logger.info(
                "%s: read from the beginning, for a table is new or rights have been granted.",
                self.streams,
            )
            value = None
        if value and not self._is_believable(value):
            self.warn(
                f"{self.streams}: read from the beginning, for the bookmark {value} lies in the "
                "future: a clock was wrong when it was made."
            )
            value = None
        start = self._start_after(value)
        unfinished = self._unfinished(start)
        if unfinished:
            yield unfinished
            start = self._start_after(unfinished.end)
        known = [text for text in (value, unfinished.end if unfinished else None) if text]
        window = self._newest_window(start, known)
        if value is None and unfinished is None:
            window = replace(window, is_first=True, begun=format_exactly(datetime.now(UTC)))
        yield window

    def _newest_window(self, start: datetime | None, known: list[str]) -> Window:
        """Return the window up to now; its bookmark must not fall behind known ones."""
        end = max([self.agreed, *map(self._at_most_now, known)])
        window = self._window(start, end)
        return window if end == self.now else replace(window, until=format_utc(self.now))

    def save(self, window: Window) -> None:
        if self.end_date:
            return
        progress: dict[str, Any] = {"streams": self.streams}
        if window.is_done:
            progress |= {
                "replication_key": self.replication_key,
                "replication_key_value": window.end,
                "window": None,
            }
        else:
            unsaved = {"is_done"} if window.until else {"is_done", "until"}
            progress["window"] = {k: v for k, v in asdict(window).items() if k not in unsaved}
            if not self._covers_all():
                # The old bookmark does not cover all tables, which ``streams`` now names.
                progress["replication_key_value"] = None
        # At once: a signal must not find half of it.
        self.state.update(progress)

    def _covers_all(self) -> bool:
        return set(self.streams) <= set(self.state.get("streams", ()))

    def _start_after(self, value: str | None) -> datetime | None:
        """Return the start of the window after a bookmark."""
        if value is None:
            return self.start_date
        start = self._at_most_now(value) - self.lookback
        return max(start, self.start_date) if self.start_date else start

    def _at_most_now(self, value: str) -> datetime:
        return min(datetime.fromisoformat(value).astimezone(UTC), self.now)

    def _is_believable(self, value: str) -> bool:
        """Whether a bookmark may stem from a clock that is only a little fast."""
        margin = min(self.lookback, _MOST_BELIEVABLE)
        return datetime.fromisoformat(value).astimezone(UTC) <= self.now + margin

    def _unfinished(self, start: datetime | None) -> Window | None:
        """Return the window in the state, if it is still the one due."""
        saved = self.state.get("window")
        if not saved or not self._covers_all():
            return None
        window = Window(**saved)
        is_due = window.start == (format_utc(start) if start else None)
        if not (is_due and self._is_believable(window.end)):
            return None
        # Rows may have entered it since, so the number done is unknown.
        return replace(window, done=sys.maxsize) if window.until and window.after else window

    @staticmethod
    def _window(start: datetime | None, end: datetime) -> Window:
        return Window(format_utc(start) if start else None, format_utc(end))
