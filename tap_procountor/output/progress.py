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

    def show(self, rows: int, total: int | None, left: int) -> None:
        """Log a line, if it is time to.

        Args:
            rows: Records written so far.
            total: Rows of the whole list, if that is known.
            left: How many of them follow.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _SECONDS_BETWEEN_LINES
        seconds = now - self._began
        rate = (self._usage.requests - self._requests_before) / seconds
        text = f"{rows:,} records"
        if total:
            seconds_left = left * seconds / max(rows, 1)
            text = f"{total - left:,} of {total:,} records, {seconds_left:.0f} s left"
        logger.info("%s: %s, %.1f requests/s", self._what, text, rate)
