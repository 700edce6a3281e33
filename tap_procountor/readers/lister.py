"""What a list of the API is to those who read it, however it is paged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.readers.batch import PAGE_SIZE, Row
from tap_procountor.readers.list_page import by_id, whole_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from msgspec import Raw

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.records.rejection import Rejection


class Page(ABC):
    """Rows of a list that came together; they stay text, because many pages wait in memory.

    Attributes:
        listed: What must be known of the rows that have an id.
        others: Rows without an id, where the list does not need one.
        rejected: Rows that cannot be used.
        repeated: Ids of rows that came before in the same words, and are dropped.
        total: Rows in the whole list, if the API says so (it does since 24.05).
        left: How many of them follow.
    """

    listed: Sequence[Row]
    others: Sequence[Raw] = ()
    rejected: list[Rejection]
    repeated: Sequence[int] = ()
    total: int | None = None
    left: int = 0

    @abstractmethod
    def texts(self) -> list[Raw]:
        """Return the text of each row of ``listed``."""

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.listed]

    def __len__(self) -> int:
        return sum(map(len, (self.listed, self.others, self.rejected, self.repeated)))


class ApiList(ABC):
    """A list of one company, with its filters.

    Args:
        company: Whose list it is.
        path: The list, such as ``/invoices``.
        filters: Its filters.
        share: The share of the stream's requests that the list makes.
    """

    #: Whether a run may go on from an id, and thus pass the rows before it.
    has_progress = True

    def __init__(self, company: Company, path: str, filters: Params, share: float = 1) -> None:
        self.company = company
        self.path = path
        self._filters = filters
        self._share = share

    @abstractmethod
    def pages(self, after: int = 0, done: int = 0) -> Iterator[Page]:
        """Yield the pages that follow an id.

        Args:
            after: The id; 0 for the whole list.
            done: How many rows of the list were before it when they were read.

        Raises:
            ApiError: If the list cannot be read as a whole.
        """

    @abstractmethod
    def rows(self, ids: Iterable[int]) -> Iterator[Page]:
        """Yield the rows of ids, as far as the list has them, in pages."""

    @abstractmethod
    def first(self) -> Iterator[Page]:
        """Yield a page with a row, if there is one, at the least cost."""

    def existing(self, ids: Iterable[int]) -> set[int]:
        """Return those of the ids that the list has."""
        return {number for page in self.rows(ids) for number in page.ids}


class Lister:
    """Declares how a list is read; the subclasses stand beside the lists that they declare.

    Args:
        path: The list, such as ``/invoices``.
        variants: Filters. The API hides rows by default: the list is read once with each of these.
        options: What else the list needs to know.
    """

    list_type: ClassVar[type[ApiList]]

    def __init__(self, path: str, *variants: Params, **options: Any) -> None:  # noqa: ANN401
        self.path = path
        self.variants = variants or ({},)
        self._options = options

    def at(self, company: Company, filters: Params, share: float = 1) -> ApiList:
        return self.list_type(company, self.path, filters, share, **self._options)

    def lists(
        self, company: Company, bounds: Params | None = None, share: float = 1
    ) -> list[ApiList]:
        """Return a company's list with each of the variants, and within bounds."""
        return [self.at(company, {**variant, **(bounds or {})}, share) for variant in self.variants]


class WholePage(Page):
    """Rows that need not be read from the page's body.

    Args:
        texts: The text of the rows by id.
        others: Rows without an id.
        rejected: Rows that cannot be used.
    """

    def __init__(
        self,
        texts: dict[int, Raw],
        others: Sequence[Raw] = (),
        rejected: Sequence[Rejection] = (),
    ) -> None:
        self._texts = texts
        self.listed = [Row(number) for number in texts]
        self.others = others
        self.rejected = [*rejected]

    def texts(self) -> list[Raw]:
        return [*self._texts.values()]


def divided(page: Page, size: int) -> Iterator[WholePage]:
    """Divide a page into smaller ones; the first has all else that is known of it."""
    rows = zip(page.ids, page.texts(), strict=True)
    part = WholePage(dict(islice(rows, size)), page.others, page.rejected)
    part.repeated = page.repeated
    while len(part):
        part.total, part.left = page.total, page.left
        yield part
        part = WholePage(dict(islice(rows, size)))


class ListAtOnce(ApiList):
    """A list that must be read as a whole before any of it can be used."""

    has_progress = False

    @abstractmethod
    def whole(self) -> WholePage:
        """Read the list, in ascending order of ids."""

    def pages(self, after: int = 0, done: int = 0) -> Iterator[WholePage]:  # noqa: ARG002
        """Yield the list in pages, from its beginning: it has no place to go on from."""
        return divided(self.whole(), PAGE_SIZE)

    def rows(self, ids: Iterable[int]) -> Iterator[WholePage]:
        wanted = {*ids}
        if not wanted:
            return iter(())
        whole = self.whole()
        texts = dict(zip(whole.ids, whole.texts(), strict=True))
        found = WholePage({number: text for number, text in texts.items() if number in wanted})
        return divided(found, PAGE_SIZE)

    def first(self) -> Iterator[WholePage]:
        """Yield the first page: there is no smaller question."""
        return islice(self.pages(), 1)


class WholeList(ListAtOnce):
    """A list in one answer: an array, or one inside an object as in a page."""

    def whole(self) -> WholePage:
        parse = partial(whole_list, path=self.path)
        rejected: list[Rejection] = []
        texts = by_id(self.company.get(self.path, self._filters, parse), rejected)
        return WholePage(dict(sorted(texts.items())), rejected=rejected)


class Whole(Lister):
    """Declares a list in one answer."""

    list_type = WholeList
