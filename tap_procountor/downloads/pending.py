"""What is still to be downloaded: ids inside the state, which outlive a run that is stopped."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_procountor.state.ids import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Ids that are packed together, and dealt with before the state shows it.
_IDS_PER_CHUNK = 200


class Pending:
    """The ids of a company that are still to be downloaded.

    Args:
        state: The writable part of the state: ``pending`` are packed ids, ``noted`` those that are
            not packed yet, ``failed`` those whose download has failed.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._packed: list[str] = state.setdefault("pending", [])
        self._noted: list[int] = state.setdefault("noted", [])
        self._failed: list[int] = state.setdefault("failed", [])

    def note(self, ids: Iterable[int]) -> None:
        self._noted.extend(ids)
        if len(self._noted) >= _IDS_PER_CHUNK:
            self._packed.append(pack(self._noted))
            self._noted.clear()

    def begin(self) -> tuple[frozenset[int], list[list[int]]]:
        """Put the ids in order, each once: two documents can have the same file.

        Returns:
            Those that have failed before, and all ids in chunks. What has failed before comes last:
            it must not stand in the way of what is new.
        """
        failed = frozenset(self._failed)
        new = sorted({*self._noted, *chain(*map(unpack, self._packed))} - failed)
        chunks = [
            ids[at : at + _IDS_PER_CHUNK]
            for ids in (new, sorted(failed))
            for at in range(0, len(ids), _IDS_PER_CHUNK)
        ]
        self._packed[:] = map(pack, chunks)
        self._noted.clear()
        self._failed.clear()
        return failed, chunks

    def settle(self, done: Collection[int], failed: Iterable[int]) -> None:
        """Take ids of the first chunk out of it; those that have failed are kept apart."""
        # In this order: a signal between the two must lose nothing.
        self._failed.extend(failed)
        left = [number for number in unpack(self._packed[0]) if number not in done]
        self._packed[:1] = [pack(left)] if left else []
