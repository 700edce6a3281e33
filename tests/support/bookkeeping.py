"""What happens in the sandbox's books while the tap runs or between its runs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_procountor.sandbox import Sandbox
    from tap_procountor.sandbox.company import Company


def editable(company: Company) -> list[int]:
    """Return ids of invoices that may be edited: their dates are in open tracking periods."""
    periods = [
        (period["startDate"], period["endDate"])
        for year in company.truth("fiscalyears")
        for period in year["trackingPeriods"]
        if period["status"] == "OPEN"
    ]
    return [
        invoice["id"]
        for invoice in company.truth("invoices")
        if any(start <= invoice["date"] <= end for start, end in periods)
    ]


@contextmanager
def when_asked(
    sandbox: Sandbox, route: str, action: Callable[[], object], nth: int = 1
) -> Iterator[None]:
    """Do something after the nth request to a route has arrived and before it is answered."""
    sandbox.add_fault(path=route.replace("{id}", "*"), kind="hang", seconds=1, times=nth)
    answered_before = sandbox.statistics().by_route()[route]

    def wait_and_act() -> None:
        deadline = time.monotonic() + 60
        while sandbox.statistics().by_route()[route] < answered_before + nth:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
