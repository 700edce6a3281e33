"""The API's resources, one module per area."""

from __future__ import annotations

from . import accounting, company, core, files, payroll, receivables, reports
from .declarations import Call, Computed, Resource

__all__ = ["COMPUTED", "RESOURCES", "Call", "Computed", "Resource", "find"]

_MODULES = (core, accounting, company, files, payroll, receivables, reports)

RESOURCES: tuple[Resource, ...] = tuple(
    one for module in _MODULES for one in getattr(module, "RESOURCES", ())
)
COMPUTED: tuple[Computed, ...] = tuple(
    one for module in _MODULES for one in getattr(module, "COMPUTED", ())
)
_BY_NAME = {one.path.removeprefix("/"): one for one in RESOURCES} | {
    one.name: one for one in RESOURCES
}


def find(name: str) -> Resource:
    """Return the resource with the name, or with the path without its slash.

    Raises:
        LookupError: There is none.
    """
    return _BY_NAME[name]
