"""Errors; each says in one sentence what is wrong and what to do."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from traceback import format_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("tap-procountor.errors")


class ProcountorError(Exception):
    """Ends a stream, a company or the run. Its text is for users: no secret, no company data."""


class ConfigurationError(ProcountorError):
    """The settings, the catalog or the state cannot be used as they are."""


class AuthenticationError(ProcountorError):
    """Procountor accepts no token for this company."""


class TokenRefusedError(AuthenticationError):
    """The API refuses the token of a request (401): it may have expired on the way."""


class RefusalError(ProcountorError):
    """The API, or the gateway before it, refuses a request.

    Attributes:
        is_from_api: Whether the answer has the form of the API's own errors. Any other, such as a
            gateway's HTML, does not prove that something was deleted.
    """

    is_from_api: bool = False


class ForbiddenError(RefusalError):
    """The key's user lacks the right to read a resource (403)."""


class NotFoundError(RefusalError):
    """The resource does not exist, or every id of a batch is unknown (404)."""


@contextmanager
def none_if_unknown() -> Iterator[None]:
    """End the block at a 404 of the API itself; a gateway's proves nothing, so it is raised."""
    try:
        yield
    except NotFoundError as error:
        if not error.is_from_api:
            raise


class ApiError(ProcountorError):
    """The API answered something that cannot be used.

    Attributes:
        status: The HTTP status, if it depends on the request: 400, 413, 500; not 429.
    """

    status: int | None = None


class RecordError(ProcountorError):
    """A record that no table can hold: it goes to ``rejected_records``, the others go on."""


class TransientError(ApiError):
    """A fault that may pass: the request is sent again.

    Attributes:
        retry_after: Seconds the server asked us to wait, if it did.
    """

    retry_after: float | None = None


class UnclearError(TransientError):
    """A 403 or 404 that the API itself may not have sent: it is asked for once more.

    Attributes:
        refusal: The error if it comes again.
    """

    refusal: ProcountorError


class IncompleteError(ProcountorError):
    """The run has ended without everything that was selected."""


#: Raised by answers of unforeseen shapes, which must not stop the others.
UNFORESEEN = (
    *(ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


def log_place(error: Exception, source: str) -> None:
    """Log where an exception comes from, not its text, which may quote the data."""
    logger.debug("Unexpected %s:\n%s", source, "".join(format_tb(error.__traceback__)))


def misunderstood(error: Exception) -> ApiError:
    """Return the error for an answer that led to an unforeseen exception."""
    log_place(error, "answer")
    return ApiError(f"The API's answer is not as documented ({type(error).__name__}).")
