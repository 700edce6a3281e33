"""The one limiter of a client id."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_procountor.api.gate import BEFORE_ALL, Gate
from tap_procountor.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Share of the permitted rate that is used. The rest makes room for the uneven time that requests
#: spend on their way, because what counts is when they arrive.
_USED_SHARE = 0.975
#: Turns that were missed, for nobody waited or a thread woke up late, are made good if they are no
#: older than this.
_MADE_GOOD_SECONDS = 0.25
#: Seconds of the first pause when the server has had too many requests and does not say how long to
#: stay away; each further one is twice as long. After so many it is not asked again.
_FIRST_PAUSE_SECONDS = 1.0
_MOST_PAUSES = 6


@dataclass
class Turn:
    """The turn of one request that is sent once.

    Attributes:
        priority: What it waits at the gate with; see ``Gate``.
        waited: Seconds that it waited.
        sent: When it had been sent, by the monotonic clock; 0 if it has not.
    """

    priority: int = 0
    waited: float = 0.0
    sent: float = 0.0


class RateLimiter:
    """Spaces requests, so that no second sees more of them than permitted.

    They are spaced evenly as long as they keep coming; a few that were missed come at once. What
    guarantees the limit is the distance of each to the one that was as many before it as a second
    permits.

    Procountor counts per client_id, over all companies, and may suspend a client that exceeds its
    limit. Requests pass one at a time; the next waits for its moment inside the gate.

    Args:
        requests_per_second: The permitted rate; may be a fraction (90 a minute is 1.5).
    """

    def __init__(self, requests_per_second: float) -> None:
        self._interval = 1 / (requests_per_second * _USED_SHARE)
        self._made_good = max(_MADE_GOOD_SECONDS, self._interval)
        self._last_sent: deque[float] = deque(maxlen=math.ceil(requests_per_second))
        #: How long as many requests take as are remembered: more than a second for a fraction.
        self._span = math.ceil(requests_per_second) * self._interval
        self._next_slot = 0.0
        self._gate = Gate()
        self._closed = threading.Event()
        self._why_closed = "The run has ended."
        #: Pauses one after the other, and when the last one ends.
        self._pauses = 0
        self._pause_end = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether the run has ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """Let no request pass any more, those that wait included."""
        self._closed.set()

    @contextmanager
    def admit(self, turn: Turn) -> Iterator[None]:
        """Enter when the next request may be sent, and send it inside.

        What counts is when it has been sent: a thread that is held up on the way must not let the
        next request come too close.

        Args:
            turn: The request's turn, to be used once.

        Raises:
            ApiError: If the run has ended meanwhile.
        """
        began = time.monotonic()
        with self._gate.enter(turn.priority):
            delay = self._next_free_moment() - time.monotonic()
            if self._closed.wait(max(delay, 0)):
                raise ApiError(self._why_closed)
            turn.waited = time.monotonic() - began
            try:
                yield
            finally:
                turn.sent = time.monotonic()
                self._last_sent.append(turn.sent)
                self._next_slot = max(self._next_slot, turn.sent - self._made_good) + self._interval

    def pause(self, seconds: float) -> None:
        """Let no request pass for a while: the server has asked for it."""
        with self._gate.enter(BEFORE_ALL):
            self._next_slot = max(self._next_slot, time.monotonic() + seconds)

    def back_off(self, turn: Turn) -> None:
        """Pause, longer each time: a request was one too many.

        Requests that were sent before a pause and are refused as well do not add to it. If even the
        longest pause does not help, no request passes any more.
        """
        if turn.sent < self._pause_end:
            return
        with self._gate.enter(BEFORE_ALL):
            if turn.sent < self._pause_end:
                return
            if self._pauses == _MOST_PAUSES:
                self._why_closed = (
                    "Procountor keeps refusing requests (HTTP 429): run again later, with a lower "
                    "requests_per_second if other programs use the same client_id."
                )
                self.close()
            self._pause_end = time.monotonic() + _FIRST_PAUSE_SECONDS * 2**self._pauses
            self._pauses += 1
            self._next_slot = max(self._next_slot, self._pause_end)

    def go_on(self, turn: Turn) -> None:
        """Note that a request was not too many."""
        if self._pauses and turn.sent >= self._pause_end:
            self._pauses = 0

    def _next_free_moment(self) -> float:
        if len(self._last_sent) < (self._last_sent.maxlen or 0):
            return self._next_slot
        return max(self._next_slot, self._last_sent[0] + self._span)
