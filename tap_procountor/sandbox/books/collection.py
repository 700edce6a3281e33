"""A register of documents: compact columns to filter by, bodies written when asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence

Json = Any
"""Anything that JSON can hold."""

Document = dict[str, Json]

_CACHED_SELECTIONS = 64

#: Documents of a kind that are kept once they have been written; nobody may change them in place.
WRITTEN_KEPT = 4096


class Row(Protocol):
    """What the books remember of a document; its body follows from this."""

    @property
    def id(self) -> int:
        """The id, unique in the register."""

    def __iter__(self) -> Iterator[Any]:
        """Return the columns' values in order."""


R = TypeVar("R", bound=Row)


class Between(NamedTuple):
    """Keeps the rows with ``low <= column <= high``."""

    column: str
    low: float = float("-inf")
    high: float = float("inf")

    def and_also(self, other: Between) -> Between:
        """Return the range that both allow."""
        return Between(self.column, max(self.low, other.low), min(self.high, other.high))

    def keep(self, values: Sequence[Any], positions: Iterable[int]) -> list[int]:
        """Return the positions whose value passes."""
        low, high = self.low, self.high
        return [at for at in positions if low <= values[at] <= high]


class OneOf(NamedTuple):
    """Keeps the rows whose column is one of the values, or with ``negated`` none of them."""

    column: str
    values: frozenset[Any]
    negated: bool = False

    def keep(self, values: Sequence[Any], positions: Iterable[int]) -> list[int]:
        """Return the positions whose value passes."""
        wanted, negated = self.values, self.negated
        return [at for at in positions if (values[at] in wanted) is not negated]


class Contains(NamedTuple):
    """Keeps the documents with the text at a path such as ``invoicingInfo.customerNumber``."""

    path: str
    text: str

    def matches(self, document: Document) -> bool:
        """Tell whether the document passes."""
        value: Any = document
        for name in self.path.split("."):
            value = (value or {}).get(name)
        return value is not None and self.text.casefold() in str(value).casefold()


Condition = Between | OneOf | Contains


class Order(NamedTuple):
    """Sorts by a column, then by id, both in the same direction."""

    column: str
    descending: bool


class Collection(Generic[R]):
    """The rows of one kind, sorted by id, and the function that writes their documents."""

    def __init__(
        self,
        rows: type[R],
        write: Callable[[R], Document],
        summarize: Callable[[R], Document] | None = None,
    ) -> None:
        self._row_type: Callable[..., R] = rows
        self._write = write
        self._summarize = summarize or write
        self._columns: dict[str, MutableSequence[Any]] = {
            name: array("q") if kind is int else [] for name, kind in get_type_hints(rows).items()
        }
        self._last_id = 0
        self.changes = 0
        self._indexes: dict[str, list[int]] = {}
        self._overlays: dict[int, Document] = {}
        self._selections: OrderedDict[Any, list[int]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def __iter__(self) -> Iterator[R]:
        """Return all rows by id."""
        return map(self._row_type, *self._columns.values())

    @property
    def ids(self) -> Sequence[int]:
        """All ids, ascending."""
        return self._columns["id"]

    def fill(self, *columns: Iterable[Any]) -> None:
        """Set all rows at once, column by column in the order of the row type."""
        for name, values in zip(self._columns, columns, strict=True):
            self.set_column(name, values)
        self._last_id = max(self.ids, default=0)

    def set_column(self, name: str, values: Iterable[Any]) -> None:
        """Set one column of all rows."""
        column = self._columns[name]
        del column[:]
        column.extend(values)
        self._changed()

    def position(self, number: int) -> int | None:
        """Return where the id stands, or None."""
        at = bisect_left(self.ids, number)
        return at if at < len(self.ids) and self.ids[at] == number else None

    def row_at(self, position: int) -> R:
        """Return the row at a position."""
        return self._row_type(*[column[position] for column in self._columns.values()])

    def row(self, number: int) -> R:
        """Return the row with the id.

        Raises:
            LookupError: There is none.
        """
        at = self.position(number)
        if at is None:
            message = f"no document has the id {number}"
            raise LookupError(message)
        return self.row_at(at)

    def document(self, row: R) -> Document:
        """Write the document of a row, with everything the API shows of it anywhere."""
        return self._write(row) | self._overlays.get(row.id, {})

    def summary(self, row: R) -> Document:
        """Write at least what lists show of a document, where the whole is dear."""
        return self._summarize(row) | self._overlays.get(row.id, {})

    @property
    def next_id(self) -> int:
        """An id above all that were ever given."""
        return self._last_id + 1

    def append(self, row: R) -> None:
        """Add a row; ids only grow."""
        self._last_id = row.id
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        self._changed()

    def update(self, row: R, changes: Document | None = None) -> None:
        """Replace the row of the same id, and lay changed fields over its document."""
        at = bisect_left(self.ids, row.id)
        for column, value in zip(self._columns.values(), row, strict=True):
            column[at] = value
        if changes:
            self._overlays[row.id] = self._overlays.get(row.id, {}) | changes
        self._changed()

    def remove(self, number: int) -> None:
        """Delete the row with the id."""
        at = bisect_left(self.ids, number)
        for column in self._columns.values():
            del column[at]
        self._overlays.pop(number, None)
        self._changed()

    def select(self, conditions: frozenset[Condition], order: Order) -> list[int]:
        """Return the positions that pass all conditions, in order; remembered until a change."""
        key = (conditions, order)
        positions = self._selections.get(key)
        if positions is None:
            positions = self._selections[key] = self._ordered(self._passing(conditions), order)
            if len(self._selections) > _CACHED_SELECTIONS:
                self._selections.popitem(last=False)
        else:
            self._selections.move_to_end(key)
        return positions

    def keep(self, condition: Condition, positions: Iterable[int]) -> list[int]:
        """Return the positions that pass a condition."""
        if isinstance(condition, Contains):
            return [at for at in positions if condition.matches(self.document(self.row_at(at)))]
        return condition.keep(self._columns[condition.column], positions)

    def _changed(self) -> None:
        self.changes += 1
        self._selections.clear()
        self._indexes.clear()

    def _passing(self, conditions: frozenset[Condition]) -> list[int]:
        ranges: dict[str, Between] = {}
        others = []
        for condition in conditions:
            if isinstance(condition, Between):
                known = ranges.get(condition.column, condition)
                ranges[condition.column] = condition.and_also(known)
            else:
                others.append(condition)
        positions: Iterable[int] = range(len(self))
        for at, condition in enumerate(ranges.values()):
            positions = self.keep(condition, positions) if at else self._within(condition)
        # Texts come last, because they need the documents.
        for condition in sorted(others, key=lambda one: isinstance(one, Contains)):
            positions = self.keep(condition, positions)
        return list(positions)

    def _within(self, condition: Between) -> list[int]:
        """Find a range by an index, so that narrow windows of large books cost little."""
        value = self._columns[condition.column].__getitem__
        if condition.column not in self._indexes:
            self._indexes[condition.column] = sorted(range(len(self)), key=value)
        index = self._indexes[condition.column]
        first = bisect_left(index, condition.low, key=value)
        return sorted(index[first : bisect_right(index, condition.high, key=value)])

    def _ordered(self, positions: list[int], order: Order) -> list[int]:
        if order.column != "id":
            positions.sort(key=self._columns[order.column].__getitem__)
        return positions[::-1] if order.descending else positions
