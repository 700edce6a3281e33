"""Checks that a state is one of ours, and numbers the version of its form.

Each stream's part carries the version. Beside ``bookmarks`` it would get lost: the SDK keeps only
bookmarks, and many targets assemble a state from the parts of the streams they have stored, which
may then be of several versions.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tap_procountor.api.clock import format_exactly, format_utc
from tap_procountor.api.responses import LARGEST_ID
from tap_procountor.errors import ConfigurationError
from tap_procountor.state.bookmarks import Window
from tap_procountor.state.ids import Census, unpack, unpack_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Version 1 carries no number; the fields it lacks have defaults.
VERSION = 2

#: From long before any ``start_date`` to long after anybody's clock.
_YEARS = range(1800, 2200)

_Id = Annotated[int, Meta(ge=0, le=LARGEST_ID)]


class _Partition(msgspec.Struct):
    """What a stream keeps for a company; the SDK and later versions of the tap add fields.

    Only some fields may be null: the run reads the others without asking.
    """

    context: dict[str, Annotated[int, Meta(ge=1, le=LARGEST_ID)]]
    streams: list[str] = []
    replication_key: str | None = None
    replication_key_value: str | None = None
    window: dict[str, Any] | None = None
    census: dict[str, Any] = {}
    emitted: list[dict[str, str]] = []
    keys: str | UnsetType = UNSET
    written_keys: list[str] = []
    rights: str | UnsetType = UNSET
    rights_seen: str | UnsetType = UNSET
    pending: list[str] = []
    noted: list[_Id] = []
    failed: list[_Id] = []
    highest_id: _Id = 0
    rejected: str = ""
    unsearched: str | None = None


class _StreamState(msgspec.Struct, forbid_unknown_fields=True):
    partitions: list[_Partition] = []
    version: Annotated[int, Meta(ge=1)] = 1
    starting_replication_value: str | None = None
    replication_key_signpost: str | None = None


class _State(msgspec.Struct):
    bookmarks: dict[str, _StreamState]


def check_state(state: dict[str, Any], variants: Mapping[str, int]) -> None:
    """Refuse a state that is not one of ours, or is of a newer version, with ConfigurationError.

    Args:
        state: The state as given.
        variants: The number of lists that each incremental stream reads, by name.
    """
    if not state:
        return
    try:
        for name, stream in msgspec.convert(state, _State).bookmarks.items():
            if stream.version > VERSION:
                msg = (
                    "The state was written by a newer version of the tap (state version "
                    f"{stream.version}, this one knows {VERSION}): upgrade tap-procountor, or give "
                    "a state from before the upgrade."
                )
                raise ConfigurationError(msg)
            companies = [partition.context["company_id"] for partition in stream.partitions]
            _require(len(set(companies)) == len(companies))
            for partition in stream.partitions:
                _check_partition(partition, variants.get(name, 1))
    except (KeyError, OverflowError, RecursionError, ValueError, TypeError, zlib.error):
        msg = (
            "The state cannot be understood: it was not written by this tap, or has been altered. "
            "Give the state of an earlier run, or none to read everything again."
        )
        raise ConfigurationError(msg) from None


def stamp(state: dict[str, Any]) -> None:
    """Put the version into a state that is about to be written."""
    # A run that is stopped early has no bookmarks.
    for stream in state.get("bookmarks", {}).values():
        stream["version"] = VERSION


def unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without the envelope of ``meltano state get``."""
    inner = state.get("singer_state")
    return inner if isinstance(inner, dict) and state.keys() == {"singer_state"} else state


def _check_partition(partition: _Partition, variants: int) -> None:
    """Check each field of a partition, and those that belong together.

    The names of regions may be any text: an unknown one counts as a period that no longer exists.
    """
    _require(partition.context.keys() == {"company_id"})
    _check_time(partition.replication_key_value)
    if partition.window is not None:
        _check_window(_made(Window, partition.window), variants)
    if partition.census:
        census = _made(Census, partition.census)
        _check_time(census.taken)
        _require(census.count == _count(census.packed.values()))
        for moment in census.swept.values():
            _check_time(moment, format_exactly)
    for chunk in partition.emitted:
        _count(chunk.values())
    _count([*partition.pending, *([partition.rejected] if partition.rejected else [])])
    _check_time(partition.unsearched)
    for keys in (partition.keys, *partition.written_keys):
        if keys is not UNSET:
            # All have the same number of parts; those of ``company`` have none.
            _require(len({len(key) for key in unpack_keys(keys)}) <= 1)
    for rights in (partition.rights, partition.rights_seen):
        for name, value in unpack_keys(rights) if rights is not UNSET else ():
            _require(isinstance(name, str) and isinstance(value, str | bool))


def _check_window(window: Window, variants: int) -> None:
    """Check a window: impossible numbers would let it count as read."""
    for moment in (window.start, window.end, window.until):
        _check_time(moment)
    _check_time(window.begun, format_exactly)
    _require(0 <= window.variant < variants and not window.is_done)
    _require(0 <= window.after <= LARGEST_ID and window.done >= 0)
    _require(window.done > 0 or not window.after)


def _count(packs: Iterable[str]) -> int:
    """Count the ids of packs; in each, they must ascend."""
    count = 0
    for ids in map(unpack, packs):
        _require(all(low < high for low, high in pairwise(ids)))
        _require(not ids or ids[0] >= 0)
        count += len(ids)
    return count


def _check_time(text: str | None, written: Callable[[datetime], str] = format_utc) -> None:
    if text is not None:
        moment = datetime.fromisoformat(text)
        # Bookmarks are compared as strings, so their form is fixed.
        _require(written(moment) == text and moment.year in _YEARS)


def _made(kind: type[Any], given: dict[str, Any]) -> Any:  # noqa: ANN401 - of that type
    """Convert a part of the state; unknown names raise TypeError, as in the run itself."""
    return msgspec.convert(asdict(kind(**given)), kind)


def _require(condition: bool) -> None:  # noqa: FBT001
    if not condition:
        raise ValueError
