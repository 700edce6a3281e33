"""The rights of the key's user, and how they change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_procountor.errors import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company

#: The levels of ``/users/rights``; an unknown one counts as the highest.
_LEVELS = {"NOT_ENABLED": 0, "NO_ACCESS": 0, "VIEWING_RIGHTS": 1, "ALL_RIGHTS": 2}
_HIGHEST_LEVEL = 2

#: Endings of switches that limit what is read: for them, on is less than off.
_LIMITS = ("Only", "limitedDimensions")

#: The company's settings are kept with the rights, under this prefix. None of them hides rows
#: (they are the invoice channel, cash discounts, accounting by row).
_SETTINGS = "usageSettings."

#: Kept with them as well: under a limit such as "personal only", another user sees other rows.
USER = "userId"

#: The API's constants. Other text may be data, which belongs neither in the state nor in the log.
_CONSTANT = re.compile(r"[A-Z]+(_[A-Z]+)*")

Right = str | bool
Rights = dict[str, Right]


def read_rights(company: Company) -> Rights:
    """Return the user's rights by name, such as ``salaries.payroll``; older APIs have none."""
    rights = dict(_flat(_read(company, "/users/rights").get("rights")))
    known = {
        name: right for name, right in rights.items() if str(right) in _LEVELS or is_limit(name)
    }
    return known | ({USER: str(company.user_id)} if known and company.user_id else {})


def read_settings(company: Company) -> Rights:
    """Return the company's settings by name; none if the user may not see them."""
    return dict(_flat(_read(company, "/company/usagesettings"), _SETTINGS))


def settings_in(rights: Rights) -> Rights:
    """Return the company's settings among the rights."""
    return {name: value for name, value in rights.items() if name.startswith(_SETTINGS)}


def tells_rights(rights: Rights) -> bool:
    """Whether there are rights besides the company's settings."""
    return len(rights) > len(settings_in(rights))


def is_granted(rights: Rights, name: str) -> bool:
    """Whether a right is granted at least for viewing; an unknown one counts as granted."""
    return _LEVELS.get(str(rights.get(name)), _HIGHEST_LEVEL) > 0


def is_limit(name: str) -> bool:
    """Whether a right is a switch that narrows what the user sees."""
    return name.endswith(_LIMITS)


class Changes(NamedTuple):
    """The changes between two readings of the rights.

    Attributes:
        text: All changes, as ``salaries.payroll (ALL_RIGHTS, now NO_ACCESS)``; empty if none.
        lost: The rights that are lower than before: rows that were visible may be hidden.
        gained: The rights that are higher than before: rows that were hidden may be visible.
    """

    text: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]

    @classmethod
    def between(cls, before: Rights, now: Rights) -> Changes:
        """Compare two readings; a first reading changes nothing."""
        names = sorted(before.keys() | now.keys())
        lost = [name for name in names if before and _is_less(name, before, now)]
        # A right that was missing from one reading only is not gained when it returns.
        gained = [name for name in names if name in before and _is_less(name, now, before)]
        text = ", ".join(
            f"{name} ({before.get(name, 'not told')}, now {now.get(name, 'not told')})"
            for name in names
            if before.get(name) != now.get(name) and (name in before or name != USER)
        )
        return cls(text if before else "", tuple(lost), tuple(gained))


def _is_less(name: str, before: Rights, now: Rights) -> bool:
    """Whether a right lets its user read less than before."""
    if name == USER:
        is_limited = any(one.get(limit) is True for one in (before, now) for limit in one)
        return name in before and name in now and before[name] != now[name] and is_limited
    if name.startswith(_SETTINGS):
        # Their values hide nothing, but a user who can no longer read them has lost a right.
        return name in before and not settings_in(now)
    if name not in before:
        return is_limit(name) and now[name] is True
    if name not in now:
        return True
    was, is_now = before[name], now[name]
    if isinstance(was, bool) or isinstance(is_now, bool):
        return was != is_now and bool(is_now) is is_limit(name)
    return _LEVELS.get(is_now, _HIGHEST_LEVEL) < _LEVELS.get(was, _HIGHEST_LEVEL)


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
