"""The API's resources, one module per area."""

from __future__ import annotations

from . import core, receivables
from .declarations import Call, Register, Single

__all__ = ["REGISTERS", "SINGLES", "Call", "Register", "Single"]

_MODULES = (core, receivables)

REGISTERS = tuple(register for module in _MODULES for register in module.REGISTERS)
SINGLES = tuple(single for module in _MODULES for single in module.SINGLES)
