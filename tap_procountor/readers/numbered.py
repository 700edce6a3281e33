"""Lists that the API gives by page number only."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from tap_procountor.api.responses import decode
from tap_procountor.errors import ApiError
from tap_procountor.readers.batch import PAGE_SIZE
from tap_procountor.readers.list_page import Meta, by_id, results_in
from tap_procountor.readers.lister import ListAtOnce, Lister, WholePage, divided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Raw

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Results
    from tap_procountor.records.rejection import Rejection

#: How often a list that changes while it is read is begun anew.
_MAX_READINGS = 5


class NumberedList(ListAtOnce):
    """A list by page number; such lists are short.

    Page numbers skip or repeat rows when something changes in between. The list is therefore read
    again until the rows are as many as the API counts, and each comes once, or the same ones come
    several times as in the reading before.

    Args:
        company: Whose list it is.
        path: The list.
        filters: Its filters.
        share: As in ``ApiList``.
        key: The field that tells the rows apart.
    """

    def __init__(
        self, company: Company, path: str, filters: Params, share: float = 1, *, key: str = "id"
    ) -> None:
        super().__init__(company, path, filters, share)
        self._key = key

    def pages(self, after: int = 0, done: int = 0) -> Iterator[WholePage]:  # noqa: ARG002
        """Yield the list as it came last, even if it has not come to rest.

        Raises:
            ApiError: In that case, after the last page.
        """
        page, unrest = self._read()
        yield from divided(page, PAGE_SIZE)
        if unrest:
            raise unrest

    def whole(self) -> WholePage:
        """Read the list at rest: what a moving one lacks may exist.

        Raises:
            ApiError: If it does not come to rest.
        """
        page, unrest = self._read()
        if unrest:
            raise unrest
        return page

    def _read(self) -> tuple[WholePage, ApiError | None]:
        """Read the list until it has come to rest; return it, and an error if it has not."""
        repeated_before: Counter[Any] | None = None
        for _ in range(_MAX_READINGS):
            texts, totals = self._read_once()
            keys = Counter(filter(None, map(self._key_of, texts)))
            repeated = keys - Counter(keys.keys())
            if totals <= {len(texts), None} and (not repeated or repeated == repeated_before):
                return self._indexed(texts), None
            repeated_before = repeated
        msg = (
            f"The list {self.path} keeps changing while it is read, or is not as long as the "
            "API says."
        )
        return self._indexed(texts), ApiError(msg)

    def first(self) -> Iterator[WholePage]:
        return divided(self._indexed(self._page(size=1).rows), PAGE_SIZE)

    def _read_once(self) -> tuple[list[Raw], set[int | None]]:
        """Read page after page; return the rows, and the totals that came with them.

        Raises:
            ApiError: If the list has no end.
        """
        texts: list[Raw] = []
        totals: set[int | None] = set()
        before: list[bytes] = []
        for number in count():
            page = self._page(size=PAGE_SIZE, page=number)
            meta, rows = page.meta or Meta(), [*map(bytes, page.rows)]
            is_short = len(rows) < min(PAGE_SIZE, meta.size or PAGE_SIZE)
            if rows and rows == before:
                if is_short:
                    # The list knows no pages: each has all of its rows.
                    break
                msg = f"The list {self.path} gives the same page again and again."
                raise ApiError(msg)
            texts += page.rows
            totals.add(meta.total)
            # A short page need not be the last unless there is a total to compare with.
            if not rows or (is_short and meta.total is not None):
                break
            before = rows
        return texts, totals

    def _page(self, **numbers: int) -> Results:
        parse = partial(results_in, path=self.path)
        page: Results = self.company.get(self.path, {**self._filters, **numbers}, parse)
        return page

    def _key_of(self, text: Raw) -> Any:  # noqa: ANN401 - any JSON
        row = decode(text)
        key = row.get(self._key) if isinstance(row, dict) else None
        return key if isinstance(key, int | str) else None

    @staticmethod
    def _indexed(texts: list[Raw]) -> WholePage:
        rejected: list[Rejection] = []
        others: list[Raw] = []
        return WholePage(by_id(texts, rejected, others=others), others, rejected)


class Numbered(Lister):
    """Declares a list by page number; ``key`` names the field that tells the rows apart."""

    list_type = NumberedList
