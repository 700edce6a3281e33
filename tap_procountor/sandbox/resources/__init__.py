"""The API's resources, one module per area."""

from __future__ import annotations

from . import accounting, company, core, files, payroll, receivables, reports
from .declarations import Call, Register, Single

__all__ = ["REGISTERS", "SINGLES", "Call", "Register", "Single"]

_MODULES = (core, accounting, company, files, payroll, receivables, reports)

REGISTERS = tuple(register for module in _MODULES for register in getattr(module, "REGISTERS", ()))
SINGLES = tuple(single for module in _MODULES for single in module.SINGLES)
