"""Every stream that the modules of this folder declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.streams import (
    accounting,
    attachments,
    banking,
    company,
    defaults,
    files,
    invoicing,
    payments,
    payroll,
    rates,
    registers,
    rejected,
    reports,
)
from tap_procountor.streams.base.stream import ProcountorStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_MODULES = (
    *(company, accounting, rates, registers, defaults),
    *(invoicing, attachments, banking, payments, payroll, reports),
    # Files come last: the other streams tell which.
    *(files, rejected),
)


def _declared_in(module: ModuleType) -> Iterator[type[ProcountorStream]]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, ProcountorStream)
            and value.__module__ == module.__name__
            and "name" in vars(value)
        ):
            yield value


#: Every stream class that the modules declare.
STREAM_TYPES = tuple(stream for module in _MODULES for stream in _declared_in(module))
