"""What a question that fails may cost: the documents it is about, not all others with them.

What fails is rejected and remembered in the state, so that the next run asks for it again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from tap_procountor.errors import (
    UNFORESEEN,
    ApiError,
    ForbiddenError,
    NotFoundError,
    ProcountorError,
    RecordError,
)
from tap_procountor.records.rejection import as_record_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Item = TypeVar("Item")
    Result = TypeVar("Result")
    #: Asks for ids, at most so many times if that is said, and returns what came.
    Question = Callable[[Sequence[int], int | None], Result]

#: The whole batch has been asked for patiently: what fails of it now does so for good.
_TRIES_OF_A_PART = 2
#: A batch in which so many questions fail is not halved any further. One poisoned id of 200 makes
#: nine of them fail.
_MOST_FAILURES = 40
#: If the batch, its halves, quarters and eighths have all failed, it is not single ids that do.
_MOST_IN_VAIN = 15
#: If so many documents fail one after the other, it is not single ones that do.
_MOST_IN_A_ROW = 10


def ask_in_halves(
    ask: Question[Result], ids: Sequence[int], *, may_all_fail: bool = False
) -> tuple[list[Result], dict[int, ProcountorError]]:
    """Ask for ids; where that fails, for their halves, until those that fail stand alone.

    Args:
        ask: Asks.
        ids: The ids.
        may_all_fail: Whether it is no wonder if nothing comes: these have failed before.

    Returns:
        What came, and why the others did not, by id. If too many fail, the rest is not asked for
        and counts as failed.

    Raises:
        ProcountorError: If the answer says nothing of the ids, or if so much is asked for in vain
            that it is not single ids that fail.
    """
    results: list[Result] = []
    failed: dict[int, ProcountorError] = {}
    parts = deque([ids])
    first: ProcountorError | None = None
    failures = 0
    while parts:
        part = parts.popleft()
        if first and failures > _MOST_FAILURES:
            failed |= dict.fromkeys(part, first)
            continue
        try:
            results.append(ask(part, _TRIES_OF_A_PART if first else None))
        except (ApiError, ForbiddenError, NotFoundError) as error:
            if isinstance(error, ApiError) and error.status is None:
                # No answer at all says nothing of single ids.
                raise
            first = first or error
            failures += 1
            # That an id does not exist is an answer, too.
            is_missing = isinstance(error, NotFoundError) and error.is_from_api
            is_in_vain = not (results or is_missing or may_all_fail)
            if is_in_vain and failures == _MOST_IN_VAIN:
                raise first from None
            if len(part) == 1:
                failed[part[0]] = error
            else:
                middle = len(part) // 2
                parts.extend([part[:middle], part[middle:]])
    return results, failed


def fault_of(error: Exception) -> RecordError:
    """Return what to say of a document whose answer fails, or is not as documented."""
    return RecordError(str(error)) if isinstance(error, ApiError) else as_record_error(error)


def attempting(
    ask: Callable[[Item], Result],
) -> Callable[[Item], tuple[Item, Result | RecordError]]:
    """Return a function that asks about a document and returns it with what came, or why not."""

    def attempt(item: Item) -> tuple[Item, Result | RecordError]:
        try:
            return item, ask(item)
        except (ApiError, *UNFORESEEN) as error:
            return item, fault_of(error)

    return attempt


def isolated(
    attempts: Iterable[tuple[Item, Result | RecordError]], *, may_all_fail: bool = False
) -> Iterator[tuple[Item, Result | RecordError]]:
    """Yield what becomes of documents that are asked for one by one.

    Args:
        attempts: What has come for each, or why it failed.
        may_all_fail: Whether it is no wonder if all fail: they have before.

    Raises:
        ApiError: If too many fail in a row, so that it is not single ones that do.
    """
    failures = 0
    for item, attempt in attempts:
        failures = failures + 1 if isinstance(attempt, RecordError) else 0
        if failures > _MOST_IN_A_ROW and not may_all_fail:
            raise ApiError(str(attempt))
        yield item, attempt
