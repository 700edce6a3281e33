"""What the key's user may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.companies import Company

#: The levels of ``/users/rights``; an unknown one counts as the highest.
_LEVELS = {"NOT_ENABLED": 0, "NO_ACCESS": 0, "VIEWING_RIGHTS": 1}
_HIGHEST_LEVEL = 2

#: Switches that limit what is read: for them, on is less than off.
_LIMITS = ("Only", "limitedDimensions")

Right = str | bool
Rights = dict[str, Right]


def read_rights(company: Company) -> Rights:
    """Return the user's rights and the company's settings by name, such as ``salaries.payroll``."""
    rights = dict(_flat(company.get_json("/users/rights").get("rights") or {}))
    try:
        settings = company.get_json("/company/usagesettings")
    except ForbiddenError:
        settings = {}
    return rights | dict(_flat(settings, "usageSettings."))


def lost_rights(before: Rights, now: Rights) -> tuple[str, ...]:
    """Name the rights that are less than before."""
    return tuple(
        sorted(name for name in before if name in now and _is_less(name, before[name], now[name]))
    )


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Right]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}.")
        elif isinstance(item, bool) or item in _LEVELS or item == "ALL_RIGHTS":
            yield f"{prefix}{name}", item


def _is_less(name: str, before: Right, now: Right) -> bool:
    if isinstance(before, bool) or isinstance(now, bool):
        is_limit = name.endswith(_LIMITS)
        return before != now and bool(now) is is_limit
    return _LEVELS.get(now, _HIGHEST_LEVEL) < _LEVELS.get(before, _HIGHEST_LEVEL)
