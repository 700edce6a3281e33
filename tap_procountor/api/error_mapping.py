"""From a bad answer, or none, to an error in one sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProxyError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from tap_procountor.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    ProcountorError,
    RefusalError,
    TokenRefusedError,
    TransientError,
    UnclearError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from tap_procountor.api.responses import Answer

#: If the server asks for a longer pause (seconds), the run does not wait.
_LONGEST_RETRY_AFTER = 600.0


class Row(NamedTuple):
    """The error for some answers.

    Attributes:
        statuses: Their statuses.
        error: Decides what follows: the request is repeated after a ``TransientError`` with ever
            longer waits, after an ``UnclearError`` once, after a ``TokenRefusedError`` with a new
            token; any other is final.
        message: May name ``outline``, ``pause``, ``place``, ``resource``, ``status`` and ``url``.
        when: Narrows them down, given the answer and whether the API has answered properly before,
            which proves that api_url is right.
        is_about_request: Whether another request may fare better; the error then has the status.
    """

    statuses: Container[int]
    error: type[ProcountorError]
    message: str
    when: Callable[[Answer, bool], bool] = lambda *_: True
    is_about_request: bool = False


Table = tuple[Row, ...]

_SUCCESSES, _REDIRECTS, _SERVER_ERRORS = range(200, 300), range(300, 400), range(500, 1000)
_BUSY = {429, *_SERVER_ERRORS}
_ANY = range(1000)
_NOT_JSON = "{place} answered {status} with a body that is not JSON."
_PROXY_REFUSES = (
    "The proxy requires a user and a password (HTTP 407): put them into HTTPS_PROXY and "
    "HTTP_PROXY, as in http://user:password@proxy.example.com:8080."
)

#: Whoever answers. Of each table, the first row that fits counts.
_ANYBODY: Table = (
    Row(
        _SUCCESSES,
        TransientError,
        "{place} answered {status} without a body.",
        lambda answer, _: answer.is_empty,
    ),
    Row(_SUCCESSES, TransientError, _NOT_JSON),
    Row(
        _BUSY,
        ApiError,
        "{place} asks for a pause of {pause:.0f} seconds: run again later.",
        lambda answer, _: (answer.retry_after or 0) > _LONGEST_RETRY_AFTER,
    ),
    Row({429}, TransientError, "{place} answered {outline}."),
    Row(_SERVER_ERRORS, TransientError, "{place} answered {outline}.", is_about_request=True),
    Row({407}, ConfigurationError, _PROXY_REFUSES),
    # The errors of the gateway before the API are HTML: such a 403 need not be about rights.
    Row({403}, UnclearError, _NOT_JSON, lambda answer, _: not answer.is_json),
    Row({404}, UnclearError, _NOT_JSON, lambda answer, known: known and not answer.is_json),
)

API: Table = (
    *_ANYBODY,
    Row(
        {401},
        TokenRefusedError,
        "Procountor refuses the access token ({outline}): the API key may have been revoked.",
    ),
    Row({403}, ForbiddenError, "The key's user may not read {resource} ({outline})."),
    Row(
        {404},
        ApiError,
        "There is no API at {url} ({outline}): check api_url.",
        lambda answer, known: not (known or answer.is_json),
    ),
    Row({404}, NotFoundError, "There is no {resource} at {url} ({outline}): check api_url."),
    Row(_REDIRECTS, ApiError, "{url} only redirects elsewhere: check api_url."),
    Row(
        _ANY,
        ApiError,
        "Procountor refused the request {resource} ({outline}).",
        is_about_request=True,
    ),
)

TOKEN_ENDPOINT: Table = (
    *_ANYBODY,
    Row(
        {400, 401, 403},
        AuthenticationError,
        "Procountor refused the token request ({outline}): check client_id, client_secret and "
        "api_key; the key may have been revoked.",
    ),
    Row(
        _ANY,
        AuthenticationError,
        "There is no token endpoint at {url} ({outline}): check api_url or token_url.",
    ),
)


def error_of(
    answer: Answer, table: Table, *, has_answered: bool, names: Mapping[str, str]
) -> ProcountorError:
    """Return the error for an answer that cannot be used.

    Args:
        answer: The answer.
        table: ``API`` or ``TOKEN_ENDPOINT``, whichever gave it.
        has_answered: Whether the API has answered properly before.
        names: For the messages: ``place``, ``resource`` and ``url``.
    """
    rows = (
        row for row in table if answer.status in row.statuses and row.when(answer, has_answered)
    )
    error = _error(next(rows), answer, names)
    if isinstance(error, UnclearError):
        error.refusal = _error(next(rows), answer, names)
    return error


def _error(row: Row, answer: Answer, names: Mapping[str, str]) -> ProcountorError:
    pause, status = answer.retry_after, answer.status
    text = row.message.format(outline=answer.outline, pause=pause or 0, status=status, **names)
    error = row.error(text)
    if isinstance(error, RefusalError):
        error.is_from_api = answer.is_error_of_api
    if isinstance(error, TransientError) and status in _BUSY:
        error.retry_after = pause
    if isinstance(error, ApiError) and row.is_about_request:
        error.status = status
    return error


def no_answer(error: Exception, url: str, timeout: float, *, has_proxy: bool) -> ProcountorError:
    """Return the error for a request that got no answer, or half of one.

    Args:
        error: The error of requests or urllib3; it may quote the request.
        url: The request's.
        timeout: Seconds without a byte from the server.
        has_proxy: Whether the environment names a proxy for it.
    """
    cause, server = _cause(error), urlsplit(url)
    if isinstance(cause, ProxyError):
        # All that is known of the answer to CONNECT is its text.
        if " 407 " in str(cause.original_error):
            return ConfigurationError(_PROXY_REFUSES)
        return TransientError(
            f"The connection through the proxy failed ({type(cause.original_error).__name__}): "
            "check HTTPS_PROXY and HTTP_PROXY."
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        return ApiError(
            f"The certificate of {server.netloc} is not trusted: check api_url. If it comes from "
            "your own authority, name the authority's file in REQUESTS_CA_BUNDLE."
        )
    if isinstance(cause, ValueError):
        return _no_address(url, has_proxy=has_proxy)
    # urllib3 derives the error of a server that cannot be reached at all from that of a timeout.
    if isinstance(cause, HttpTimeoutError) and not isinstance(cause, NewConnectionError):
        place = without_ids(server.path)
        return TransientError(f"No answer from {place} within {timeout:g} seconds.")
    return TransientError(
        f"The connection to {server.netloc} failed ({type(cause).__name__}): check api_url."
    )


def _cause(error: Exception) -> Exception:
    """Return the error of urllib3 inside one of requests'."""
    cause = error.args[0] if isinstance(error, RequestException) and error.args else error
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return cause if isinstance(cause, Exception) else error


def _no_address(url: str, *, has_proxy: bool) -> ProcountorError:
    try:
        PreparedRequest().prepare_url(url, None)
    except ValueError:
        has_proxy = False
    if has_proxy:
        return ConfigurationError(
            "The proxy's address is invalid: set HTTPS_PROXY to an address such as "
            "http://proxy.example.com:8080, or unset it."
        )
    server = urlsplit(url)
    return ApiError(
        f"{server.scheme}://{server.netloc} is not a valid address: check api_url and token_url."
    )


def without_ids(path: str) -> str:
    """Replace the ids in a path, for people."""
    return re.sub(r"(?<=/)\d[\d,]*", "{id}", path)
