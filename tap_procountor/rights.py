"""What the key's user may read."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError, NotFoundError, ProcountorError

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
    """Return the user's rights and the company's settings by name, such as ``salaries.payroll``.

    A company whose settings cannot be read, or an older version of the API, has none of them.
    """
    rights = _read(company, "/users/rights").get("rights")
    settings = _read(company, "/company/usagesettings")
    return dict(chain(_flat(rights), _flat(settings, "usageSettings.")))


def rights_or_fault(company: Company) -> Rights | ProcountorError:
    """Return the rights, or why they cannot be told."""
    try:
        return read_rights(company)
    except ProcountorError as fault:
        return fault


def lost_rights(before: Rights, now: Rights) -> tuple[str, ...]:
    """Name the rights that are less than before; one that is not told any more is lost, too."""
    return tuple(
        sorted(
            name
            for name, right in before.items()
            if name not in now or _is_less(name, right, now[name])
        )
    )


def _read(company: Company, path: str) -> dict[str, Any]:
    try:
        answer = company.get_json(path)
    except (ForbiddenError, NotFoundError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Right]]:  # noqa: ANN401 - any JSON
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}.")
        elif (
            isinstance(item, bool)
            and (prefix.startswith("usageSettings.") or name.endswith(_LIMITS))
        ) or (isinstance(item, str) and (item in _LEVELS or item == "ALL_RIGHTS")):
            yield f"{prefix}{name}", item


def _is_less(name: str, before: Right, now: Right) -> bool:
    if isinstance(before, bool) or isinstance(now, bool):
        is_limit = name.endswith(_LIMITS)
        return before != now and bool(now) is is_limit
    return _LEVELS.get(now, _HIGHEST_LEVEL) < _LEVELS.get(before, _HIGHEST_LEVEL)
