"""What a question that fails may cost: the documents it is about, not all others with them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tap_procountor.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    ProcountorError,
    RecordError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_procountor.reading.batches import Batch

    Item = TypeVar("Item")
    Result = TypeVar("Result")
    #: Asks for ids, at most so many times if that is said, and returns what came.
    Question = Callable[[Sequence[int], int | None], Result]

#: The whole batch has been asked for patiently: what fails of it now does so for good.
_TRIES_OF_A_PART = 2
#: A batch in which so many questions fail is not halved any further. One poisoned id of 200 makes
#: eight of them fail.
_MOST_FAILURES = 40
#: If the batch, its halves, quarters and eighths have all failed, it is not single ids that do.
_MOST_IN_VAIN = 15

#: If so many documents fail one after the other, it is not single ones that do.
_MOST_IN_A_ROW = 10

#: What an answer may be refused with because of a single id.
_REFUSALS = (ApiError, ForbiddenError, NotFoundError)


def ask_in_halves(
    ask: Question[Result], ids: Sequence[int]
) -> tuple[list[Result], dict[int, ProcountorError]]:
    """Ask for ids; where that fails, for their halves, until those that fail stand alone.

    Returns:
        What came, and why the others did not, by id. If too many fail, the rest is not asked for
        and counts as failed.

    Raises:
        ProcountorError: If nothing comes at all, so that it is not single ids that fail.
    """
    results: list[Result] = []
    failed: dict[int, ProcountorError] = {}
    parts = deque([ids])
    first: ProcountorError | None = None
    failures = 0
    while parts:
        part = parts.popleft()
        if failures > _MOST_FAILURES:
            failed |= dict.fromkeys(part, first or ApiError(""))
            continue
        try:
            results.append(ask(part, _TRIES_OF_A_PART if first else None))
        except _REFUSALS as error:
            first = first or error
            failures += 1
            if failures == _MOST_IN_VAIN and _is_in_vain(results, error):
                raise first from None
            if len(part) == 1:
                failed[part[0]] = error
            else:
                middle = len(part) // 2
                parts.extend([part[:middle], part[middle:]])
    if first and len(ids) > 1 and _is_in_vain(results, first):
        raise first
    return results, failed


def _is_in_vain(results: Sequence[object], error: ProcountorError) -> bool:
    """Tell whether it is not single ids that fail; that none of them exists is an answer, too."""
    return not results and not isinstance(error, NotFoundError)


class Attempt(NamedTuple):
    """What has become of a question about one document.

    Attributes:
        batch: What came, or the rejection.
        error: Why it failed.
    """

    batch: Batch
    error: ApiError | None = None


def attempting(
    ask: Callable[[Item], Batch], rejecting: Callable[[Item, RecordError], Batch]
) -> Callable[[Item], Attempt]:
    """Return a function that asks about a document and, where that fails, rejects it."""

    def attempt(item: Item) -> Attempt:
        try:
            return Attempt(ask(item))
        except ApiError as error:
            return Attempt(rejecting(item, RecordError(str(error))), error)

    return attempt


def isolated(attempts: Iterable[Attempt]) -> Iterator[Batch]:
    """Yield what becomes of documents that are asked for one by one.

    Raises:
        ApiError: If too many fail in a row, so that it is not single ones that do.
    """
    failures = 0
    for batch, error in attempts:
        failures = failures + 1 if error else 0
        if error and failures > _MOST_IN_A_ROW:
            raise error
        yield batch
