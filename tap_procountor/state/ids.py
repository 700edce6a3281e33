"""The ids of a stream's rows, from which deletions are found.

Procountor lists no deletions. The ids that a stream had at the last run are therefore kept in its
state, compressed (60 to 100 KB per 100,000), and compared with those it has now.
"""

from __future__ import annotations

import base64
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from heapq import merge
from itertools import accumulate, chain, groupby, islice, pairwise
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Key = tuple[Any, ...]

#: Ids compared or compressed at once.
_AT_ONCE = 10_000


class Seen(defaultdict[str, "array[int]"]):
    """Ids seen while reading, by region, in little memory."""

    def __init__(self, chunks: Iterable[dict[str, str]] = ()) -> None:
        super().__init__(lambda: array("q"))
        for chunk in chunks:
            for region, packed in chunk.items():
                self[region].extend(unpack(packed))

    def add(self, other: Seen) -> None:
        for region, ids in other.items():
            self[region].extend(ids)

    def pack(self) -> dict[str, str]:
        return {region: pack(ids) for region, ids in self.items()}


def ascending(*groups: Iterable[int]) -> array[int]:
    """Sort ids, each once; an array that is already sorted is returned itself.

    Ids are read in a few ascending runs, which are merged one by one: an object for each id would
    take several times the memory of the array.
    """
    arrays = (ids if isinstance(ids, array) else array("q", sorted(ids)) for ids in groups)
    runs = [run for ids in arrays for run in _runs(ids)]
    if len(runs) == 1:
        return runs[0]
    return array("q", (number for number, _ in groupby(merge(*runs))))


def _runs(ids: array[int]) -> Iterable[array[int]]:
    """Split ids into ascending runs."""
    if not ids:
        return []
    ends = [place for place, (one, next_one) in enumerate(pairwise(ids), 1) if next_one <= one]
    if not ends:
        return [ids]
    return [ids[first:end] for first, end in pairwise([0, *ends, len(ids)])]


def difference(ids: array[int], others: array[int]) -> set[int]:
    """Return the ids that are not among others; both must be sorted."""
    missing: set[int] = set()
    for place in range(0, len(ids), _AT_ONCE):
        some = ids[place : place + _AT_ONCE]
        same_span = slice(bisect_left(others, some[0]), bisect_right(others, some[-1]))
        missing |= set(some).difference(others[same_span])
    return missing


def pack(ids: Iterable[int]) -> str:
    """Compress ids: the differences between neighbours are small and repeat."""
    return _compress(high - low for low, high in pairwise(chain([0], ascending(ids))))


def unpack(text: str) -> array[int]:
    """Return packed ids, sorted."""
    return array("q", accumulate(_decompress(text)))


def pack_keys(keys: Iterable[Key]) -> str:
    """Compress keys of several parts."""
    return _compress(sorted(keys))


def unpack_keys(text: str) -> set[Key]:
    """Return packed keys."""
    return {tuple(key) for key in _decompress(text)}


def _compress(values: Iterable[Any]) -> str:
    """Compress values as JSON, in pieces: at once they would take several times the memory."""
    compressor = zlib.compressobj(9)
    rest = iter(values)
    pieces, separator = [compressor.compress(b"[")], b""
    while some := [*islice(rest, _AT_ONCE)]:
        pieces.append(compressor.compress(separator + msgspec.json.encode(some)[1:-1]))
        separator = b","
    pieces += compressor.compress(b"]"), compressor.flush()
    return base64.b64encode(b"".join(pieces)).decode()


def _decompress(text: str) -> list[Any]:
    values: list[Any] = msgspec.json.decode(zlib.decompress(base64.b64decode(text)))
    return values


@dataclass
class Census:
    """The ids that a keyset list had when a run read it.

    Attributes:
        packed: The ids by region, packed until they are compared, for there may be millions; a list
            without regions has one, named ``""``.
        count: The number of ids.
        open: The regions in which rows could change.
        taken: When the census was taken, RFC 3339.
        swept: When a run began to read all rows of a region, by our clock; RFC 3339 with
            microseconds. A row of the region that was extracted earlier is gone.
    """

    packed: dict[str, str] = field(default_factory=dict)
    count: int = 0
    open: list[str] = field(default_factory=list)
    taken: str | None = None
    swept: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Census:
        """Return the census of the last run, from a stream's state."""
        return cls(**state.get("census", {}))

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    def ids(self, region: str) -> array[int]:
        """Return the ids of a region, sorted."""
        return unpack(self.packed[region]) if region in self.packed else array("q")

    def replace(self, region: str, ids: Collection[int]) -> None:
        self.count += len(ids) - len(self.ids(region))
        self.packed[region] = pack(ids)


@dataclass(frozen=True)
class Comparison:
    """The target's ids compared with those of the lists.

    Attributes:
        missing: Ids that the lists lack; that they are gone has yet to be proved.
        compared: The number of the target's ids that were compared.
        census: Returns the census to keep, given the ids that are gone.
    """

    missing: set[int]
    compared: int
    census: Callable[[set[int]], Census]
