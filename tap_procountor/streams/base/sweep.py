"""What a run finds in the open ledger, beside what the target has of it."""

from __future__ import annotations

from array import array
from enum import Enum, auto
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from tap_procountor.state.ids import Census, Seen, ascending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.streams.base.periods import Region


class Visit(Enum):
    """How the receipts of a span of days are looked at beside their ``version``."""

    SKIP = auto()
    """Not at all: nothing can have changed."""
    LIST = auto()
    """By their ids, to know which there are."""
    SWEEP = auto()
    """As a whole."""
    READ = auto()
    """Not again: this run has just read them."""


class Sweep:
    """What a run finds in the regions of the ledger, beside what the target has of them.

    Args:
        before: The census of the last run that came so far.
        emitted: The ids written since then, also by runs that were stopped.
        visits: How each region is looked at.
        everything: The ids that this run has read, if that was all there is.

    Attributes:
        before: As above.
        seen: The ids that exist now, in the regions looked at.
        swept: When the reading of a region began that has read it as a whole.
        keys: The regions there are.
        has_new: Whether receipts were created while the regions were read.
    """

    def __init__(
        self,
        before: Census,
        emitted: Seen,
        visits: list[tuple[Region, Visit]],
        everything: Seen | None,
    ) -> None:
        self.before = before
        self._emitted = emitted
        self._visits = visits
        self._targets: dict[str, array[int]] = {}
        self.has_new = False
        self.seen = everything or Seen()
        self.swept: dict[str, str] = {}
        self.keys = {region.key for region, _ in visits}
        if everything:
            # All that is in the target is compared, region by region.
            emitted.add(everything)

    @property
    def spans(self) -> Iterator[tuple[Visit, list[Region]]]:
        """Neighbouring regions that are looked at in the same way: each span is one list."""
        for visit, group in groupby(self._visits, key=itemgetter(1)):
            yield visit, [region for region, _ in group]

    def note(self, span: list[Region], began: str) -> None:
        self.swept |= {region.key: began for region in span}

    def add(self, written: Seen) -> None:
        self.has_new = True
        self._emitted.add(written)
        self._targets.clear()

    def listed_again(self, ids: set[int]) -> set[int]:
        """Forget what the regions read as a whole no longer have; return the ids not read yet."""
        unread = ids.copy()
        for key in {region.key for region, visit in self._visits if visit is Visit.SWEEP}:
            unread.difference_update(self.seen[key])
            self.seen[key] = array("q", (number for number in self.seen[key] if number in ids))
        return unread

    def unread(self, span: list[Region]) -> set[int]:
        """Return the ids of a span that the target should have, but has not."""
        return {
            number
            for region in span
            if region.key in self.before.packed
            for number in set(self.seen[region.key]).difference(self._in_target(region.key))
        }

    def known(self, span: list[Region]) -> array[int]:
        return ascending(*(self._in_target(region.key) for region in span))

    @property
    def last_id(self) -> int:
        return max((max(ids, default=0) for ids in self.seen.values()), default=0)

    @property
    def compared(self) -> int:
        return sum(len(self._in_target(region)) for region in self._compared)

    def missing(self) -> set[int]:
        missing: set[int] = set()
        for region in self._compared:
            # One region at a time: all ids at once would take much memory.
            missing |= set(self._in_target(region)).difference(self.seen[region])
        for elsewhere in self.seen.values():
            missing.difference_update(elsewhere)
        return missing

    def ids_after(self, region: str, kept: set[int]) -> set[int]:
        """Return the ids that the target has of a region now, those kept among them."""
        in_target = set(self._in_target(region))
        return (
            set(self.seen[region]) | (in_target & kept) if region in self._compared else in_target
        )

    def uncertain(self, kept: set[int]) -> set[str]:
        """Return the regions that lack an id which exists all the same."""
        return {key for key in self.keys if not kept.isdisjoint(self._in_target(key))}

    @cached_property
    def _compared(self) -> set[str]:
        visited = {region.key for region, visit in self._visits if visit is not Visit.SKIP}
        # A period that is no more has its receipts elsewhere now.
        return visited | (self.before.packed.keys() - self.keys)

    def _in_target(self, region: str) -> array[int]:
        if region not in self._targets:
            self._targets[region] = ascending(self.before.ids(region), self._emitted[region])
        return self._targets[region]
