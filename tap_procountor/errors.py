"""What can go wrong, each in one sentence that says what to do."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from traceback import format_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("tap-procountor.errors")


class ProcountorError(Exception):
    """A fault that ends a stream, a company or the run; its text is made for people.

    The text never carries a secret, nor a value out of the company's data.
    """


class ConfigurationError(ProcountorError):
    """The settings, the catalog or the state cannot be used as they are."""


class AuthenticationError(ProcountorError):
    """Procountor accepts no token for this company."""


class TokenRefusedError(AuthenticationError):
    """The API refuses the token of a request (401): it may have expired on the way."""


class RefusalError(ProcountorError):
    """The API, or the gateway before it, refuses a request.

    Attributes:
        is_from_api: Whether the answer has the form of the API's own errors. Anything else, such as
            a gateway's HTML, proves neither that something was deleted nor that it was not.
    """

    is_from_api: bool = False


class ForbiddenError(RefusalError):
    """The key's user lacks the right to read a resource (403)."""


class NotFoundError(RefusalError):
    """The resource does not exist, or every id of a batch is unknown (404)."""


@contextmanager
def none_if_unknown() -> Iterator[None]:
    """Go on after the block if the API itself says that it knows no such resource.

    Raises:
        NotFoundError: If something else says so, such as a gateway: that proves nothing.
    """
    try:
        yield
    except NotFoundError as error:
        if not error.is_from_api:
            raise


class ApiError(ProcountorError):
    """The API answered something that cannot be used.

    Attributes:
        status: The HTTP status, if it is about what was asked for: 400, 413, 500; not 429.
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
        refusal: What it means if it comes again.
    """

    refusal: ProcountorError


class IncompleteError(ProcountorError):
    """The run has ended, but not everything that was asked for has arrived."""


#: What an answer of a shape that nobody thought of leads to: it must not stop the others.
UNFORESEEN = (
    *(ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


def log_place(error: Exception, source: str) -> None:
    """Log where an exception comes from, at debug level; its own text may quote the data."""
    logger.debug("Unexpected %s:\n%s", source, "".join(format_tb(error.__traceback__)))


def misunderstood(error: Exception) -> ApiError:
    """Return what to say of an answer that led to an exception which nobody thought of."""
    log_place(error, "answer")
    return ApiError(f"The API's answer is not as documented ({type(error).__name__}).")
