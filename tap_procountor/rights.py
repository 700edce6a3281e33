"""What the key's user may read, and what has changed about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.companies import Company

#: The levels of ``/users/rights``; an unknown one counts as the highest.
_LEVELS = {"NOT_ENABLED": 0, "NO_ACCESS": 0, "VIEWING_RIGHTS": 1, "ALL_RIGHTS": 2}
_HIGHEST_LEVEL = 2

#: Switches that limit what is read: for them, on is less than off.
_LIMITS = ("Only", "limitedDimensions")

#: Settings of the company are kept beside the rights, under names that begin like this.
_SETTINGS = "usageSettings."

#: The API's constants. Any other text may be data, which belongs neither in the state nor the log.
_CONSTANT = re.compile(r"[A-Z]+(_[A-Z]+)*")

Right = str | bool
Rights = dict[str, Right]


def read_rights(company: Company) -> Rights:
    """Return the user's rights by name, such as ``salaries.payroll``.

    An older version of the API has none of them.
    """
    rights = dict(_flat(_read(company, "/users/rights").get("rights")))
    return {
        name: right for name, right in rights.items() if str(right) in _LEVELS or is_limit(name)
    }


def read_settings(company: Company) -> Rights:
    """Return the company's settings by name, if the user may see them."""
    return dict(_flat(_read(company, "/company/usagesettings"), _SETTINGS))


def is_granted(rights: Rights, name: str) -> bool:
    """Tell whether a right to look is granted; one that is not told counts as granted."""
    return _LEVELS.get(str(rights.get(name)), _HIGHEST_LEVEL) > 0


def is_limit(name: str) -> bool:
    """Tell whether a right is a switch that narrows what is seen."""
    return name.endswith(_LIMITS)


def lost_rights(before: Rights, now: Rights) -> tuple[str, ...]:
    """Name the rights that are less than before; one that is not told any more is lost, too."""
    return tuple(
        name
        for name, right in sorted(before.items())
        if not name.startswith(_SETTINGS) and (name not in now or _is_less(name, right, now[name]))
    )


def gained_rights(before: Rights, now: Rights) -> tuple[str, ...]:
    """Name the rights that are more than before."""
    return tuple(
        name
        for name, right in sorted(before.items())
        if not name.startswith(_SETTINGS) and name in now and _is_less(name, now[name], right)
    )


def changes(before: Rights, now: Rights) -> str:
    """Say what is not as before: ``salaries.payroll (ALL_RIGHTS, now NO_ACCESS)``."""
    return ", ".join(
        f"{name} ({before.get(name, 'not told')}, now {now.get(name, 'not told')})"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def _read(company: Company, path: str) -> dict[str, Any]:
    try:
        answer = company.get(path)
    except (ForbiddenError, NotFoundError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Right]]:  # noqa: ANN401 - any JSON
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}.")
        elif isinstance(item, bool) or (isinstance(item, str) and _CONSTANT.fullmatch(item)):
            yield f"{prefix}{name}", item


def _is_less(name: str, before: Right, now: Right) -> bool:
    if isinstance(before, bool) or isinstance(now, bool):
        return before != now and bool(now) is is_limit(name)
    return _LEVELS.get(now, _HIGHEST_LEVEL) < _LEVELS.get(before, _HIGHEST_LEVEL)
