"""How far a long stream has come, on standard error."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_procountor.api.client import ProcountorClient
    from tap_procountor.readers.batch import Batch

_SECONDS_BETWEEN_LOG_LINES = 5.0
_SECONDS_BETWEEN_DRAWINGS = 0.2

logger = logging.getLogger("tap-procountor.progress")


class Progress:
    """Says every few seconds how far a stream of a company is; short streams say nothing.

    On a terminal it is one line that is drawn anew; elsewhere they are log lines at INFO, so that a
    higher log level silences both.

    Args:
        stream: The stream's name.
        company_id: The company.
        client: The client, which counts the requests.
    """

    def __init__(self, stream: str, company_id: int, client: ProcountorClient) -> None:
        self._what = f"{stream} of company {company_id}"
        self._client = client
        self._is_terminal = sys.stderr.isatty()
        self._pause = _SECONDS_BETWEEN_DRAWINGS if self._is_terminal else _SECONDS_BETWEEN_LOG_LINES
        self._began = time.monotonic()
        self._requests_before = client.usage.requests
        self._next = self._began + _SECONDS_BETWEEN_LOG_LINES
        self._is_drawn = False

    def show(self, rows: int, batch: Batch) -> None:
        """Say how far the stream is, if it is time to.

        Args:
            rows: Records written so far.
            batch: The batch just written, which knows its place in the list.
        """
        now = time.monotonic()
        if now < self._next or not logger.isEnabledFor(logging.INFO):
            return
        self._next = now + self._pause
        text = f"{self._what}: {', '.join(self._figures(rows, batch, now - self._began))}"
        if self._is_terminal:
            # The line is cut to a terminal's usual width; the rest of an older one is cleared.
            sys.stderr.write(f"\r{text[:79]}\x1b[K")
            sys.stderr.flush()
            self._is_drawn = True
        else:
            logger.info(text)

    def end(self) -> None:
        """Leave the drawn line behind."""
        if self._is_drawn:
            sys.stderr.write("\n")

    def _figures(self, rows: int, batch: Batch, seconds: float) -> list[str]:
        requests = (self._client.usage.requests - self._requests_before) / seconds
        done = batch.window.done if batch.window else 0
        if not batch.total or not done:
            return [f"{rows:,} records", f"{requests:.1f} requests/s"]
        remaining = max(batch.total - done, 0) * seconds / max(rows, 1)
        return [
            f"{done:,} of {batch.total:,} records",
            f"{requests:.1f} requests/s",
            f"{remaining:.0f} s left",
        ]
