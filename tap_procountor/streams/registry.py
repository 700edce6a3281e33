"""Every stream that the modules of this folder declare."""

from __future__ import annotations

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
    reconciliation,
    registers,
    rejected,
    reports,
)
from tap_procountor.streams.base.stream import ProcountorStream

_MODULES = (
    *(company, accounting, rates, registers, defaults),
    *(invoicing, attachments, banking, payments, payroll, reports),
    # Files come last: the other streams name them.
    *(files, reconciliation, rejected),
)


#: Every stream class that the modules declare; those without a name are bases of others.
STREAM_TYPES = tuple(
    declared
    for module in _MODULES
    for declared in vars(module).values()
    if isinstance(declared, type)
    and issubclass(declared, ProcountorStream)
    and declared.__module__ == module.__name__
    and "name" in vars(declared)
)
