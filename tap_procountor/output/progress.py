"""The progress of long streams, in the log."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_procountor.api.usage import Usage

_SECONDS_BETWEEN_LINES = 5.0

logger = logging.getLogger("tap-procountor.progress")


class Progress:
    """Logs the progress of a stream of a company every few seconds; short streams log nothing.

    Args:
        what: The stream and the company.
        usage: Counts the requests of the run.
    """

    def __init__(self, what: str, usage: Usage) -> None:
        self._what = what
        self._usage = usage
        self._began = time.monotonic()
        self._requests_before = usage.requests
        self._next = self._began + _SECONDS_BETWEEN_LINES

    def show(self, rows: int, done: int, total: int | None) -> None:
        """Log a line if one is due.

        Args:
            rows: Records written so far.
            done: Rows of the list done so far; 0 if unknown.
            total: Rows of the whole list, if known.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _SECONDS_BETWEEN_LINES
        seconds = now - self._began
        rate = (self._usage.requests - self._requests_before) / seconds
        text = f"{rows:,} records"
        if total and done:
            left = max(total - done, 0) * seconds / max(rows, 1)
            text = f"{done:,} of {total:,} records, {left:.0f} s left"
        logger.info("%s: %s, %.1f requests/s", self._what, text, rate)
