"""What answers mean: one table, and what follows from each of its rows."""

from __future__ import annotations

import pytest

from tap_procountor.api.error_mapping import API, TOKEN_ENDPOINT, Table, error_of
from tap_procountor.api.responses import Answer
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

ERROR = b'{"errors":[{"status":1,"message":"NOT_FOUND"}]}'
JSON = b'{"message":"no"}'
HTML = b"<html>no</html>"

NAMES = {"place": "/latest/api/invoices", "resource": "/invoices", "url": "https://x/latest/api"}


def found(
    answer: Answer, table: Table = API, *, has_answered: bool = True
) -> tuple[type[ProcountorError], ProcountorError]:
    error = error_of(answer, table, has_answered=has_answered, names=NAMES)
    return type(error), error


@pytest.mark.parametrize("has_answered", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"", TransientError, "answered 200 without a body"),
        (204, b" ", TransientError, "answered 204 without a body"),
        (200, HTML, TransientError, "not JSON"),
        (302, HTML, ApiError, "redirects elsewhere"),
        (400, ERROR, ApiError, "refused the request /invoices"),
        (401, HTML, TokenRefusedError, "access token"),
        (403, ERROR, ForbiddenError, "may not read /invoices"),
        (403, HTML, UnclearError, "not JSON"),
        (404, ERROR, NotFoundError, "no /invoices"),
        (407, HTML, ConfigurationError, "requires a user and a password"),
        (413, HTML, ApiError, "refused the request"),
        (429, HTML, TransientError, "HTTP 429"),
        (500, JSON, TransientError, "HTTP 500"),
        (599, b"", TransientError, "HTTP 599"),
    ],
)
def test_answers_of_the_api(
    status: int, body: bytes, kind: type[ProcountorError], words: str, *, has_answered: bool
) -> None:
    got, error = found(Answer(status, {}, body), has_answered=has_answered)
    assert got is kind
    assert words in str(error)


def test_a_404_that_is_no_json_is_unclear_only_where_the_api_is_known_to_be() -> None:
    answer = Answer(404, {}, HTML)
    assert found(answer, has_answered=False)[0] is ApiError
    assert "There is no API" in str(found(answer, has_answered=False)[1])
    kind, error = found(answer)
    assert kind is UnclearError
    assert isinstance(error, UnclearError)
    assert isinstance(error.refusal, NotFoundError)
    assert not error.refusal.is_from_api


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("body", "is_from_api"), [(ERROR, True), (JSON, False)])
def test_only_the_apis_own_errors_prove_something(
    status: int, body: bytes, *, is_from_api: bool
) -> None:
    _, error = found(Answer(status, {}, body))
    assert isinstance(error, RefusalError)
    assert error.is_from_api is is_from_api


@pytest.mark.parametrize(
    ("status", "about_request"),
    [(200, None), (302, None), (400, 400), (413, 413), (429, None), (500, 500), (503, 503)],
)
def test_only_what_may_be_because_of_the_request_has_a_status(
    status: int, about_request: int | None
) -> None:
    _, error = found(Answer(status, {}, JSON))
    assert isinstance(error, ApiError)
    assert error.status == about_request


@pytest.mark.parametrize(
    ("status", "pause"), [(429, 7), (503, 7), (200, None), (403, None)], ids=str
)
def test_only_a_server_that_is_busy_is_left_alone(status: int, pause: float | None) -> None:
    _, error = found(Answer(status, {"Retry-After": "7"}))
    assert isinstance(error, TransientError)
    assert error.retry_after == pause


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_wants_to_be_left_alone_for_long_is_not_asked_again(status: int) -> None:
    kind, error = found(Answer(status, {"Retry-After": "601"}))
    assert kind is ApiError
    assert "601 seconds" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, JSON, AuthenticationError, "client_secret"),
        (401, HTML, AuthenticationError, "client_secret"),
        (403, JSON, AuthenticationError, "client_secret"),
        (403, HTML, UnclearError, "not JSON"),
        (404, JSON, AuthenticationError, "token endpoint"),
        (302, HTML, AuthenticationError, "token endpoint"),
        (429, JSON, TransientError, "HTTP 429"),
        (500, HTML, TransientError, "HTTP 500"),
    ],
)
def test_answers_of_the_token_endpoint(
    status: int, body: bytes, kind: type[ProcountorError], words: str
) -> None:
    got, error = found(Answer(status, {}, body), TOKEN_ENDPOINT)
    assert got is kind
    assert words in str(error)
