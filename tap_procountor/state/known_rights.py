"""The rights under which the rows in the target were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.permissions.rights import Changes, tells_rights
from tap_procountor.state.ids import pack_keys, unpack_keys

if TYPE_CHECKING:
    from tap_procountor.permissions.rights import Rights


class KnownRights:
    """The rights under which the rows in the target were read, kept in a company's state.

    ``rights`` are the highest so far, until a person confirms lower ones: rows that these hide were
    not deleted. ``rights_seen`` are those of the last run, if they differ: rows hidden then must be
    read once they are visible again.

    Args:
        state: The writable part of the state.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    @property
    def highest(self) -> Rights:
        """The rights by which deletions are judged; empty if none are known."""
        return self._unpacked("rights")

    @property
    def last(self) -> Rights:
        return self._unpacked("rights_seen") or self.highest

    def update(self, now: Rights, *, is_confirmed: bool) -> Changes:
        """Keep the rights that a run begins with; return what has changed since the last run.

        If they can no longer be read, those known before stay.
        """
        if not is_confirmed and tells_rights(self.highest) and not tells_rights(now):
            return Changes("", (), ())
        changes = Changes.between(self.last, now)
        self.keep(now, is_confirmed=is_confirmed)
        return changes

    def keep(self, now: Rights, *, is_confirmed: bool) -> None:
        """Keep rights; lower ones replace higher ones only if a person confirms it."""
        before = self.highest
        lost = () if is_confirmed else Changes.between(before, now).lost
        # A limit that is new was off before.
        highest = now | {name: before.get(name, False) for name in lost}
        self._state["rights"] = pack_keys(highest.items())
        self._state.pop("rights_seen", None)
        if highest != now:
            self._state["rights_seen"] = pack_keys(now.items())

    def _unpacked(self, name: str) -> Rights:
        return dict(unpack_keys(self._state[name])) if name in self._state else {}
