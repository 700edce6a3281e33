"""Between the API's naive local times and UTC.

Procountor gives and takes times without a zone, in whole seconds (``2017-01-30T15:20:00``). No
document says which zone they are in; Finnish local time is the likely one (setting ``timezone``).
"""

from __future__ import annotations

import re
from datetime import MINYEAR, UTC, date, datetime, timedelta
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from tap_procountor.errors import ConfigurationError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

#: Further than any zone's clock is ever put forward or back.
_AROUND_A_CLOCK_CHANGE = timedelta(hours=3)

_ONE_DAY = timedelta(days=1)

_ENDS = frozenset(map(str, (date.min, date.max)))

#: The fraction of a second, to microseconds.
_FRACTION = re.compile(r"[.,](\d{1,6})")

_MINUTES_AND_SECONDS = frozenset(
    f":{minute:02}:{second:02}" for minute in range(60) for second in range(60)
)


#: By hour (``T10``): how many days UTC is away (0, 1 or -1), and its hour (``T08``).
_Hours = dict[str, tuple[int, str]]


def format_utc(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with fixed width: ``2026-11-24T08:15:30Z``.

    Bookmarks are compared as strings, and targets drop offsets: hence one form for all.
    """
    try:
        return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"
    except OverflowError:
        # In the years 1 and 9999, UTC may be beyond what can be written.
        return "0001-01-01T00:00:00Z" if moment.year == MINYEAR else "9999-12-31T23:59:59Z"


def format_exactly(moment: datetime) -> str:
    """Write a moment of our own clock as RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


class ApiClock:
    """Reads and writes the API's naive times.

    Args:
        timezone: Name of the zone they are in, such as ``Europe/Helsinki``.
        keeps_fractions: Whether fractions of a second are written, to microseconds.
    """

    def __init__(self, timezone: str, *, keeps_fractions: bool = True) -> None:
        self._name = timezone
        self._keeps_fractions = keeps_fractions
        self._whole_hours = lru_cache(maxsize=10_000)(self._find_whole_hours)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of the API's times.

        Raises:
            ConfigurationError: If there is no zone of that name.
        """
        import pendulum  # noqa: PLC0415 - 0.1 s that --version and --discover need not spend
        from pendulum.tz.exceptions import InvalidTimezone  # noqa: PLC0415

        try:
            return pendulum.timezone(self._name)
        except (InvalidTimezone, ValueError):
            msg = (
                "The setting 'timezone' names no known time zone: use a name such as "
                "'Europe/Helsinki'."
            )
            raise ConfigurationError(msg) from None

    def parse(self, text: str) -> datetime:
        """Read an ISO 8601 time; one without an offset is local.

        In the hour that the autumn night repeats, the first pass is meant.

        Raises:
            ValueError: If the text is no ISO 8601 time.
        """
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    @cached_property
    def in_whole_seconds(self) -> ApiClock:
        """The clock for times that are compared as text, which must be of one width."""
        return ApiClock(self._name, keeps_fractions=False)

    def to_utc(self, text: str) -> str:
        """Turn a time of the API into RFC 3339 in UTC.

        Every record has such times, and zone arithmetic takes longer than all else that is done to
        it: hence each day is worked out once, and minutes and seconds are taken over as they are.

        Raises:
            ValueError: If the text is no ISO 8601 time.
        """
        rest = text[13:]
        if rest in _MINUTES_AND_SECONDS:
            days, hours = self._whole_hours(text[:10])
            if hour := hours.get(text[10:13]):
                return f"{days[hour[0]]}{hour[1]}{rest}Z"
        moment = self.parse(text)
        whole = format_utc(moment)
        if not (moment.microsecond and self._keeps_fractions):
            return whole
        fraction = _FRACTION.search(text)
        return f"{whole[:-1]}.{fraction[1]}Z" if fraction else whole

    def _find_whole_hours(self, date: str) -> tuple[tuple[str, str, str], _Hours]:
        """Return the days around a day by their distance, and the hours of the day in UTC.

        There are none for a day on which the clock changes, nor in zones that are not whole hours
        away from UTC, nor for the first and the last day that there are, nor if the day is written
        otherwise (``2024-W01-1``).
        """
        if date in _ENDS:
            return (date, date, date), {}
        midnight = self.parse(f"{date}T00:00:00")
        offset = midnight.utcoffset() or timedelta()
        hours, rest = divmod(offset, timedelta(hours=1))
        day = midnight.date()
        if rest or str(day) != date or offset != self.parse(f"{date}T23:59:59").utcoffset():
            return (date, date, date), {}
        around = (date, str(day + _ONE_DAY), str(day - _ONE_DAY))
        return around, _hours_in_utc(hours)

    def lower_bound(self, moment: datetime) -> str:
        """Write the naive time that no stamp made at or after the moment is below.

        When the clocks go back soon after the moment, later stamps show an earlier hour: the bound
        then moves back by as much.
        """
        set_back = self._offset(moment) - self._offset(moment + _AROUND_A_CLOCK_CHANGE)
        return self._naive(moment, -max(set_back, timedelta()))

    def upper_bound(self, moment: datetime) -> str:
        """Write the naive time that no stamp made at or before the moment is above."""
        set_back = self._offset(moment - _AROUND_A_CLOCK_CHANGE) - self._offset(moment)
        return self._naive(moment, max(set_back, timedelta()))

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _naive(self, moment: datetime, shift: timedelta) -> str:
        local = moment.astimezone(self.zone).replace(tzinfo=None) + shift
        return local.isoformat(timespec="seconds")


@cache
def _hours_in_utc(offset: int) -> _Hours:
    """Return the hours of a day in UTC, in a zone that is so many hours ahead of it."""
    return {
        f"T{hour:02}": ((hour - offset) // 24, f"T{(hour - offset) % 24:02}") for hour in range(24)
    }
