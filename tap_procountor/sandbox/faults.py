"""Faults to order: the next requests that match go wrong in the way asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from .books.randomness import Seed, Topic


@dataclass
class Fault:
    """What goes wrong.

    Attributes:
        path: Pattern of the path below the API's base, like ``/invoices/*``.
        kind: ``status`` answers with a status, ``truncate`` cuts the body in half, ``drop`` cuts
            the connection, ``hang`` waits before answering as usual.
        times: How many requests it meets; None is all.
        status: The status of ``status``.
        html: Whether the body is the gateway's HTML rather than the API's JSON.
        retry_after: The Retry-After header of ``status``.
        body: Another body for ``status``; ``{authorization}`` stands for the request's header.
        headers: Headers for ``status``.
        seconds: How long ``hang`` waits.
        company: The id of the only company that it meets.
    """

    path: str = "*"
    kind: Literal["status", "truncate", "drop", "hang"] = "status"
    times: int | None = 1
    status: int = 503
    html: bool = True
    retry_after: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    company: int | None = None

    def meets(self, path: str, company: int | None) -> bool:
        """Tell whether a request goes wrong."""
        return self.times != 0 and self.company in {None, company} and fnmatchcase(path, self.path)


class Faults:
    """The faults ordered, and the share of requests that fails anyway."""

    def __init__(self, seed: int, fail_rate: float) -> None:
        self._ordered: list[Fault] = []
        self._random = Seed(seed, 0).random(Topic.FAULTS)
        self._fail_rate = fail_rate

    def add(self, fault: Fault) -> None:
        """Order a fault."""
        self._ordered.append(fault)

    def clear(self) -> None:
        """Forget the faults ordered."""
        self._ordered.clear()

    def next(self, path: str, company: int | None) -> Fault | None:
        """Return what goes wrong with a request, if anything."""
        for fault in self._ordered:
            if fault.meets(path, company):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return Fault() if self._random.random() < self._fail_rate else None
