"""The sandbox's own clock, which tests can set forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .books.times import to_seconds

ZONE = ZoneInfo("Europe/Helsinki")
"""The API's times are naive; this is where its wall clock hangs."""


class Clock:
    """Real time plus an offset."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self._offset

    def local_seconds(self) -> int:
        """Return the naive local time in whole seconds, the way the books keep it."""
        return to_seconds(self.now().astimezone(ZONE).replace(tzinfo=None))

    def advance(self, seconds: float) -> None:
        """Move on (or back) by some seconds."""
        self._offset += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Go on from a moment (with a zone)."""
        self._offset = moment - datetime.now(UTC)
