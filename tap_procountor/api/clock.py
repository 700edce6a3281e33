"""Between the API's naive local times and UTC.

Procountor's times have no zone and whole seconds (``2017-01-30T15:20:00``). Their zone is not
documented; Finnish local time is likely (setting ``timezone``).
"""

from __future__ import annotations

import re
from datetime import MINYEAR, UTC, date, datetime, timedelta
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from tap_procountor.errors import ConfigurationError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

#: More than any zone's clock is ever put forward or back by.
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
        # In the years 1 and 9999, UTC may overflow.
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
        """The zone of the API's times; ConfigurationError if the name is unknown."""
        import pendulum  # noqa: PLC0415 - 0.1 s that --version and --discover need not spend
        from pendulum.tz.exceptions import InvalidTimezone  # noqa: PLC0415

        try:
            return pendulum.timezone(self._name)
        except (InvalidTimezone, ValueError):
            msg = (
                "The setting 'timezone' is not a known time zone: use a name such as "
                "'Europe/Helsinki'."
            )
            raise ConfigurationError(msg) from None

    def parse(self, text: str) -> datetime:
        """Read an ISO 8601 time, or raise ValueError; one without an offset is local.

        In the hour that an autumn night repeats, it is taken for the first pass.
        """
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    @cached_property
    def in_whole_seconds(self) -> ApiClock:
        """The clock for times that are compared as text, which must be of one width."""
        return ApiClock(self._name, keeps_fractions=False)

    def to_utc(self, text: str) -> str:
        """Turn a time of the API into RFC 3339 in UTC, or raise ValueError.

        Every record has such times, and zone arithmetic takes longer than all else that is done to
        it: hence each day is worked out once, and minutes and seconds are copied.
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

        The hours are empty if the clock changes on the day, if the zone is not whole hours away
        from UTC, for the first and the last possible day, and for other notations (``2024-W01-1``).
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
        """Write a naive time that no stamp made at or after the moment is below.

        If the clocks go back soon after the moment, later stamps show an earlier hour: the bound
        then moves back by as much.
        """
        set_back = self._offset(moment) - self._offset(moment + _AROUND_A_CLOCK_CHANGE)
        return self._naive(moment, -max(set_back, timedelta()))

    def upper_bound(self, moment: datetime) -> str:
        """Write a naive time that no stamp made at or before the moment is above."""
        set_back = self._offset(moment - _AROUND_A_CLOCK_CHANGE) - self._offset(moment)
        return self._naive(moment, max(set_back, timedelta()))

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _naive(self, moment: datetime, shift: timedelta) -> str:
        local = moment.astimezone(self.zone).replace(tzinfo=None) + shift
        return local.isoformat(timespec="seconds")


@cache
def _hours_in_utc(offset: int) -> _Hours:
    """Return the hours of a day in UTC, given the hours by which the zone is ahead."""
    return {
        f"T{hour:02}": ((hour - offset) // 24, f"T{(hour - offset) % 24:02}") for hour in range(24)
    }
