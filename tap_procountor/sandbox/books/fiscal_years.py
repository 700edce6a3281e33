"""Fiscal years and tracking periods: what is closed does not change."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from typing import TYPE_CHECKING

from .times import time_text, to_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collection import Document

FIRST_YEAR = 2022
LAST_YEAR = 2026
FIRST_OPEN_MONTH = date(2026, 8, 1)
"""The tracking periods from here on are open."""

_MONTHS = 12


class FiscalYears:
    """Calendar years, each with twelve tracking periods."""

    def __init__(self, first_id: int) -> None:
        self._years = [
            _fiscal_year(first_id + year - FIRST_YEAR, year)
            for year in range(FIRST_YEAR, LAST_YEAR + 1)
        ]

    def documents(self) -> list[Document]:
        """Return the fiscal years as the API shows them."""
        return [
            year | {"trackingPeriods": [dict(period) for period in year["trackingPeriods"]]}
            for year in self._years
        ]

    def is_closed(self, day: str) -> bool:
        """Tell whether a date (``2026-01-31``) lies in a closed tracking period."""
        return any(period["status"] == "CLOSED" for period in self._periods_between(day, day))

    def set_status(self, start: str, end: str, status: str, now: int) -> int:
        """Close or reopen the tracking periods that touch the dates; return how many changed."""
        changed = [one for one in self._periods_between(start, end) if one["status"] != status]
        for period in changed:
            period.update(status=status, modified=time_text(now))
        for year in self._years:
            if any(period in changed for period in year["trackingPeriods"]):
                year["modified"] = time_text(now)
        return len(changed)

    def _periods_between(self, start: str, end: str) -> Iterator[Document]:
        for year in self._years:
            for period in year["trackingPeriods"]:
                if period["startDate"] <= end and start <= period["endDate"]:
                    yield period


def _fiscal_year(number: int, year: int) -> Document:
    return {
        "id": number,
        "startDate": f"{year}-01-01",
        "endDate": f"{year}-12-31",
        "modified": time_text(to_seconds(datetime(year, 1, 2, 9, 30))),  # noqa: DTZ001
        "isOpen": year >= FIRST_OPEN_MONTH.year,
        "trackingPeriods": [
            _tracking_period(number * 100 + month, year, month) for month in range(1, _MONTHS + 1)
        ],
    }


def _tracking_period(number: int, year: int, month: int) -> Document:
    closed = date(year, month, 1) < FIRST_OPEN_MONTH
    period: Document = {
        "id": number,
        "startDate": f"{year}-{month:02}-01",
        "endDate": f"{year}-{month:02}-{monthrange(year, month)[1]}",
        "status": "CLOSED" if closed else "OPEN",
    }
    if closed:
        closing = datetime(year + month // _MONTHS, month % _MONTHS + 1, 12, 16, 5)  # noqa: DTZ001
        period["modified"] = time_text(to_seconds(closing))
    return period
