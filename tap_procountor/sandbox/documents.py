"""Documents at hand, where there are too few to be a collection of the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .books.collection import Collection, Contains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .books.collection import Condition, Document, Order


class Documents:
    """A list of documents with what is asked of a ``Collection``; each is its own row.

    Args:
        documents: The documents in full.
        summarize: Makes of one what lists show, where they show it in another form.
    """

    def __init__(
        self,
        documents: list[Document],
        summarize: Callable[[Document], Document] = dict,
    ) -> None:
        self._documents = documents
        self.summary = summarize

    def __iter__(self) -> Iterator[Document]:
        """Return the documents."""
        return iter(self._documents)

    @property
    def ids(self) -> list[int]:
        """The ids in the documents' order; 0 for a document that has none."""
        return [document.get("id", 0) for document in self._documents]

    def position(self, number: int) -> int | None:
        """Return where the id stands, or None."""
        return self.ids.index(number) if number in self.ids else None

    def row_at(self, position: int) -> Document:
        """Return the document at a position."""
        return self._documents[position]

    def document(self, row: Document) -> Document:
        """Return a copy of the document."""
        return dict(row)

    def select(self, conditions: Iterable[Condition], order: Order) -> list[int]:
        """Return the positions that pass all conditions, in order."""
        positions = [*range(len(self._documents))]
        for condition in conditions:
            positions = self.keep(condition, positions)
        key = [document.get(order.column, 0) for document in self._documents].__getitem__
        return sorted(positions, key=key, reverse=order.descending)

    def keep(self, condition: Condition, positions: Iterable[int]) -> list[int]:
        """Return the positions that pass a condition."""
        return [at for at in positions if _passes(condition, self._documents[at])]


def _passes(condition: Condition, document: Document) -> bool:
    if isinstance(condition, Contains):
        return condition.matches(document)
    return bool(condition.keep([document.get(condition.column)], [0]))


Register = Collection[Any] | Documents
