"""Times as the API shows them: naive, local, in whole seconds.

Inside the books a time is the number of seconds since 1970-01-01T00:00:00 read off a local wall
clock, and a date the number of days: small integers that compare the way the naive texts do.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the API's times are naive
_EPOCH_ORDINAL = _EPOCH.toordinal()

SECONDS_PER_DAY = 86_400


def to_seconds(moment: datetime) -> int:
    """Return the seconds of a naive local time."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def time_text(seconds: int) -> str:
    """Write a time like ``2026-01-31T08:15:00``."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def to_days(day: date) -> int:
    """Return the days of a date."""
    return day.toordinal() - _EPOCH_ORDINAL


def to_date(days: int) -> date:
    """Return the date of a number of days."""
    return date.fromordinal(days + _EPOCH_ORDINAL)


@lru_cache(maxsize=16_384)
def date_text(days: int) -> str:
    """Write a date like ``2026-01-31``."""
    return to_date(days).isoformat()
