"""The windows that an incremental stream reads, and the bookmarks that they leave in the state.

A window is a span of ``version`` with a closed upper bound: the start of the run. Inside it a list
is read by ascending id; while it is read, rows may leave it (a change moves them behind the upper
bound) but none can enter. Progress is therefore the last id written, and whatever changes meanwhile
belongs to the next window.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_procountor.api.clock import format_exactly, format_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_procountor.api.client import Params
    from tap_procountor.api.clock import ApiClock


#: A bookmark that is further ahead comes from a clock that was wrong. (The lookback of what the API
#: lists by date is months.)
_MOST_BELIEVABLE = timedelta(days=1)

logger = logging.getLogger("tap-procountor.windows")


@dataclass(frozen=True)
class Window:
    """A window, and how far it has been read and written.

    Attributes:
        start: Earliest version, RFC 3339; None for the beginning of time.
        end: Latest version, RFC 3339: the bookmark that it leaves.
        variant: Which of the stream's lists is being read; those before it are done.
        after: The last id of that list that has been written.
        done: How many of its rows were read up to there.
        is_first: Whether nothing was known before it.
        begun: When a first window began to be read, by our clock; RFC 3339.
        is_done: Whether all lists have been written.
        until: Latest version that is asked for if that is later, RFC 3339: when it was known only
            that the time was somewhere between the two. Rows may enter such a window.
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
        """Whether the window is everything that is wanted, none of it read yet."""
        return self.is_first and not self.after and not self.variant

    def filters(self, clock: ApiClock) -> Params:
        """Return the API's filters for the window.

        Whether they include their bounds is not documented; the overlap makes it irrelevant.
        """
        filters = {"versionEndDate": clock.upper_bound(clock.parse(self.until or self.end))}
        if self.start:
            filters["versionStartDate"] = clock.lower_bound(clock.parse(self.start))
        return filters

    def at_variant(self, number: int) -> Window:
        """Return the window at one of its lists: where it was left, or the list's beginning."""
        return self if number == self.variant else replace(self, variant=number, after=0, done=0)

    def moved(self, last: int | None, rows: int) -> Window:
        """Return the window after rows of the list have been written.

        Args:
            last: The id of the last of them; None if none can be used.
            rows: How many they are, whatever has become of them.
        """
        after = self.after if last is None else last
        return replace(self, after=after, done=min(self.done + rows, sys.maxsize))

    def done_with(self) -> Window:
        """Return the window with everything written."""
        return replace(self, is_done=True)


class Bookmark:
    """The state of one stream for one company, in the SDK's form.

    ``replication_key_value`` is the end of the last window that was written as a whole; ``window``
    is the progress in one that was not. ``streams`` names the tables that both speak of: a table
    that is selected later starts at the beginning.

    Args:
        state: The writable part of the state.
        replication_key: The field of the records whose values the windows span.
        streams: The tables selected now.
        now: The upper bound of a new window.
        agreed: As far as its bookmark may go, at most ``now``.
        start_date: Earliest change wanted.
        end_date: If given, this is a backfill: a single window, and the state is left alone.
        lookback: Overlap with the window before.
        warn: Takes a sentence for people about the bookmark.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        state: dict[str, Any],
        *,
        replication_key: str,
        streams: list[str],
        now: datetime,
        agreed: datetime,
        start_date: datetime | None,
        end_date: datetime | None,
        lookback: timedelta,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        self._state = state
        self._replication_key = replication_key
        self._streams = sorted(streams)
        self._now = now
        self._agreed = agreed
        self._start_date = start_date
        self._end_date = end_date
        self._lookback = lookback
        self._warn = warn

    def windows(self) -> Iterator[Window]:
        """Yield the windows to read: one that was left unfinished, then the one up to now."""
        if self._end_date:
            yield self._window(self._start_date, self._end_date)
            return
        if self._state.get("replication_key_value") and not self._covers_all():
            logger.info(
                "%s: read from the beginning, for a table is new or rights have been granted.",
                self._streams,
            )
        value = self._state.get("replication_key_value") if self._covers_all() else None
        if value and not self._is_believable(value):
            self._warn(
                f"{self._streams}: read from the beginning, for the bookmark {value} lies in the "
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
        """Return the window up to now; it must not take back what is known for sure."""
        end = max([self._agreed, *map(self._at_most_now, known)])
        window = self._window(start, end)
        return window if end == self._now else replace(window, until=format_utc(self._now))

    def save(self, window: Window) -> None:
        """Put progress into the state."""
        if self._end_date:
            return
        progress: dict[str, Any] = {"streams": self._streams}
        if window.is_done:
            progress |= {
                "replication_key": self._replication_key,
                "replication_key_value": window.end,
                "window": None,
            }
        else:
            unsaved = {"is_done"} if window.until else {"is_done", "until"}
            progress["window"] = {k: v for k, v in asdict(window).items() if k not in unsaved}
            if not self._covers_all():
                # The bookmark so far does not speak of all tables: it must not seem to.
                progress["replication_key_value"] = None
        # At once: a signal must not find half of it.
        self._state.update(progress)

    def _covers_all(self) -> bool:
        return set(self._streams) <= set(self._state.get("streams", ()))

    def _start_after(self, value: str | None) -> datetime | None:
        """Return where a window begins that follows on a bookmark."""
        if value is None:
            return self._start_date
        start = self._at_most_now(value) - self._lookback
        return max(start, self._start_date) if self._start_date else start

    def _at_most_now(self, value: str) -> datetime:
        return min(datetime.fromisoformat(value).astimezone(UTC), self._now)

    def _is_believable(self, value: str) -> bool:
        """Tell whether a bookmark can have been made before now, by a clock that is a bit fast."""
        margin = min(self._lookback, _MOST_BELIEVABLE)
        return datetime.fromisoformat(value).astimezone(UTC) <= self._now + margin

    def _unfinished(self, start: datetime | None) -> Window | None:
        """Return the window to go on with, if it is still the one that is due."""
        saved = self._state.get("window")
        if not saved or not self._covers_all():
            return None
        window = Window(**saved)
        is_due = window.start == (format_utc(start) if start else None)
        if not (is_due and self._is_believable(window.end)):
            return None
        # Rows may have entered it since: how many came before the rest is not known.
        return replace(window, done=sys.maxsize) if window.until and window.after else window

    @staticmethod
    def _window(start: datetime | None, end: datetime) -> Window:
        return Window(format_utc(start) if start else None, format_utc(end))
