"""The user's rights: what may be read, in the shape of ``/users/rights``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .spec import Spec

_READABLE = frozenset({"ALL_RIGHTS", "VIEWING_RIGHTS"})


class Rights:
    """Rights of a company's user, each named like ``salaries.payroll``; all granted at first."""

    def __init__(self, spec: Spec) -> None:
        self._rights = {
            group: {right: _granted(spec.schema(right_schema)) for right, right_schema in members}
            for group, members in spec.members("UserPermissions")
        }

    def allows(self, name: str) -> bool:
        """Tell whether the right to read is granted; a limit grants as long as it is off."""
        group, right = name.split(".")
        value = self._rights[group][right]
        return not value if isinstance(value, bool) else value in _READABLE

    def set(self, name: str, value: str | bool) -> None:  # noqa: FBT001 - some rights are switches
        """Set a right; an unknown name raises LookupError."""
        group, right = name.split(".")
        if right not in self._rights[group]:
            raise LookupError(name)
        self._rights[group][right] = value

    def document(self) -> dict[str, Any]:
        """Return the answer of ``/users/rights``."""
        return {"role": "API-käyttäjä", "rights": deepcopy(self._rights)}


def _granted(schema: dict[str, Any]) -> str | bool:
    return False if schema["type"] == "boolean" else "ALL_RIGHTS"
