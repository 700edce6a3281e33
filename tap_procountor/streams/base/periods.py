"""Where in time the ledger can still change.

Nothing changes in a closed tracking period, until it is reopened. Elsewhere receipts are deleted
and created anew under another id, and dimensions are edited without a new ``version``.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_procountor.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: All days outside of the fiscal years.
OUTSIDE = ""


class Span(NamedTuple):
    """Days from one to another, both included: ``2026-01-01`` to ``2026-01-31``."""

    first: str
    last: str


class Year(NamedTuple):
    """A fiscal year, from its first day to its last."""

    first: str
    last: str
    is_open: bool


class Region(NamedTuple):
    """A span of receipt dates.

    Attributes:
        key: Its first day; ``OUTSIDE`` for the spans before, between and after the fiscal years.
        first: Its first day; None without a beginning.
        last: Its last day; None without an end.
        is_closed: Whether nothing changes in it now.
        modified: When it was last closed or reopened, a time of the API.
    """

    key: str
    first: str | None
    last: str | None
    is_closed: bool
    modified: str | None


class Ledger:
    """All of time, divided by the tracking periods of the fiscal years.

    Args:
        fiscal_years: The answer of ``/fiscalyears``.

    Attributes:
        years: The fiscal years, the earliest first.
        regions: All of time, in order.
    """

    def __init__(self, fiscal_years: dict[str, Any]) -> None:
        try:
            years = fiscal_years.get("fiscalYears") or []
            self.years = sorted(
                Year(year["startDate"], year["endDate"], year.get("isOpen") is not False)
                for year in years
            )
            self.regions = list(_with_gaps(sorted(_periods(years), key=lambda region: region.key)))
        except (AttributeError, KeyError, TypeError, ValueError):
            msg = "The fiscal years are not as documented: receipts cannot be assigned to periods."
            raise ApiError(msg) from None
        self._first_days = [region.first or "" for region in self.regions]

    @property
    def open_periods(self) -> list[str]:
        return sorted({region.key for region in self.regions if not region.is_closed})

    def key_of(self, day: str | None) -> str:
        if day is None:
            return OUTSIDE
        return self.regions[bisect_right(self._first_days, day) - 1].key

    def year_of(self, day: str) -> str:
        """Return the first day of a day's fiscal year; nothing if it has none."""
        return next((one.first for one in self.years if one.first <= day <= one.last), OUTSIDE)

    def periods_of(self, year: Year) -> list[Region]:
        """Return the tracking periods of a fiscal year."""
        return [one for one in self.regions if one.key and year.first <= one.key <= year.last]


def months_of(span: Span) -> Iterator[Span]:
    """Divide a fiscal year into months; it may begin or end within one."""
    day, last = map(date.fromisoformat, span)
    while day <= last:
        next_month = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        yield Span(day.isoformat(), min(next_month - timedelta(days=1), last).isoformat())
        day = next_month


def _periods(fiscal_years: list[dict[str, Any]]) -> Iterator[Region]:
    for year in fiscal_years:
        is_year_closed = year.get("isOpen") is False
        for period in year.get("trackingPeriods") or [year]:
            stamps = [period.get("modified"), year.get("modified") if is_year_closed else None]
            yield Region(
                key=period["startDate"],
                first=period["startDate"],
                last=period["endDate"],
                is_closed=is_year_closed or period.get("status") == "CLOSED",
                modified=max(filter(None, stamps), default=None),
            )


def _with_gaps(periods: list[Region]) -> Iterator[Region]:
    day = None
    for period in periods:
        if day is None or day < str(period.first):
            yield Region(OUTSIDE, day, _shifted(period.first, -1), is_closed=False, modified=None)
        yield period
        day = _shifted(period.last, 1)
    yield Region(OUTSIDE, day, None, is_closed=False, modified=None)


def _shifted(day: str | None, days: int) -> str:
    return (date.fromisoformat(str(day)) + timedelta(days=days)).isoformat()
