"""The one place where requests are made: token, limiter and retries.

Streams neither sleep, retry nor look at status codes.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import backoff
import msgspec
from requests import Request

from tap_procountor.api.auth import CompanyAuthenticator
from tap_procountor.api.error_mapping import API, TOKEN_ENDPOINT, error_of, without_ids
from tap_procountor.api.gate import BEFORE_ALL, Gate
from tap_procountor.api.rate_limit import RateLimiter, Turn
from tap_procountor.api.responses import Answer, Parse, carries_file, decode, parsed
from tap_procountor.api.session import Session
from tap_procountor.api.usage import Usage
from tap_procountor.api.workers import RequestThreads
from tap_procountor.errors import ApiError, TokenRefusedError, TransientError, UnclearError
from tap_procountor.settings import requests_per_second

if TYPE_CHECKING:
    from collections.abc import Generator

    from tap_procountor.errors import ProcountorError

Params = dict[str, Any]
#: Takes a file's headers, then its body piece by piece; called anew at each try.
Receiver = Callable[[Mapping[str, str], Iterator[bytes]], Any]

MAX_TRIES = 6
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
#: For a 403 or 404 that is not JSON, once the API has answered anything.
_MAX_UNCLEAR_TRIES = 2

_OK, _UNAUTHORIZED, _TOO_MANY_REQUESTS = 200, 401, 429

logger = logging.getLogger("tap-procountor.client")


@dataclass(frozen=True)
class _Call:
    """A request, and what goes with it; see ``read``.

    Attributes:
        auth: None if the request is for a token.
        resource: The path without ids, or the token endpoint: for messages.
        usages: Where the request is counted.
        renews_token: Whether a refused token is dropped.
    """

    request: Request
    auth: CompanyAuthenticator | None
    resource: str
    usages: tuple[Usage, ...]
    priority: int
    parse: Parse = decode
    receive: Receiver | None = None
    max_tries: int = MAX_TRIES
    renews_token: bool = True


class ProcountorClient:
    """Sends the requests of all companies and streams of a run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._api_url = str(config["api_url"]).rstrip("/")
        url = urlsplit(self._api_url)
        self._token_url = config.get("token_url") or f"{url.scheme}://{url.netloc}/api/oauth/token"
        self.concurrency = int(config["max_concurrency"])
        self.rate = requests_per_second(config)
        self.limiter = RateLimiter(self.rate)
        self.usage = Usage()
        self._session = Session(self.concurrency, float(config["request_timeout"]))
        self._gate = Gate(self.concurrency)
        self.threads = RequestThreads(self.concurrency, self.rate)
        #: Whether the API has answered properly in this run: then api_url is right.
        self._has_answered = False

    def close(self) -> None:
        """Send no more requests, those included that wait for their turn or to be repeated."""
        self.limiter.close()
        self._session.close()

    def authenticator(self, api_key: str) -> CompanyAuthenticator:
        return CompanyAuthenticator(self._config, api_key, self._exchange)

    def read(  # noqa: PLR0913 - what may go with a request
        self,
        auth: CompanyAuthenticator,
        path: str,
        params: Params | None = None,
        *,
        question: Params | None = None,
        parse: Parse = decode,
        receive: Receiver | None = None,
        max_tries: int | None = None,
        usage: Usage | None = None,
        priority: int = 0,
    ) -> Answer:
        """Get a resource, or post a question and get its answer.

        Args:
            auth: Gives the company's token.
            path: Below ``api_url``.
            params: The query; parameters that are None are left out.
            question: A body to post, such as a report's parameters. Like any request it may be
                sent again, so it must change nothing.
            parse: Turns the body into the answer's content; a body that is not JSON has been cut
                off on its way, and is asked for again.
            receive: Takes a file, which is never in memory as a whole, in this thread; what it
                returns is the answer's content, what it raises is raised.
            max_tries: How often it is sent at most; by default as often as may help.
            usage: Where the request is counted beside the client's own ``usage``.
            priority: Its place among those that wait; see ``Gate``.

        Raises:
            AuthenticationError: If the company's token is refused even after a renewal.
            ForbiddenError: If the key's user lacks the right.
            NotFoundError: If the resource does not exist.
            ApiError: For any other answer that cannot be used, after the repeats that may help.
        """
        known = {name: value for name, value in (params or {}).items() if value is not None}
        query = f"?{urlencode(known, doseq=True)}" if known else ""
        request = Request("GET", f"{self._api_url}{path}{query}", auth=auth)
        if question is not None:
            request.method, request.data = "POST", msgspec.json.encode(question)
            request.headers["Content-Type"] = "application/json"
        usages = (self.usage, usage) if usage else (self.usage,)
        tries = max_tries or MAX_TRIES
        call = _Call(request, auth, without_ids(path), usages, priority, parse, receive, tries)
        try:
            answer = self._send_patiently(call)
        except TokenRefusedError:
            # With a low rate, it may have waited until its token had expired.
            answer = self._send_patiently(replace(call, priority=BEFORE_ALL, renews_token=False))
        self._has_answered = True
        if receive and answer.body:
            msg = f"The answer of {call.resource} holds no file."
            raise ApiError(msg)
        return answer

    def _exchange(self, form: Mapping[str, str], max_tries: int) -> Mapping[str, Any]:
        url = self._token_url
        request = Request("POST", url, data=form)
        # All else of the company waits for it.
        call = _Call(request, None, url, (self.usage,), BEFORE_ALL, max_tries=max_tries)
        try:
            answer = self._send_patiently(call)
        except TransientError as fault:
            # Tried often enough: the request that needs the token must not multiply the tries.
            raise ApiError(str(fault)) from None
        return answer.content if isinstance(answer.content, dict) else {}

    def _send_patiently(self, call: _Call) -> Answer:
        """Send a call's request, again after faults that may pass."""

        def slow_down(details: Any) -> None:  # noqa: ANN401 - backoff's details
            for usage in call.usages:
                usage.add(retries=1)
            fault = details["exception"]
            if isinstance(fault, TransientError) and fault.retry_after:
                self.limiter.pause(fault.retry_after)
            if not self.limiter.is_closed:
                logger.warning("%s Trying again in %.1f s.", fault, details["wait"])

        unclear = count(1)

        def is_settled(fault: Exception) -> bool:
            is_last = isinstance(fault, UnclearError) and next(unclear) >= _MAX_UNCLEAR_TRIES
            return is_last and self._has_answered

        send = backoff.on_exception(
            _waits,
            TransientError,
            max_tries=call.max_tries,
            giveup=is_settled,
            jitter=None,
            on_backoff=slow_down,
            logger=None,
        )(self._send)
        try:
            return send(call)
        except UnclearError as fault:
            if self._has_answered:
                raise fault.refusal from None
            raise

    def _send(self, call: _Call) -> Answer:
        """Send a call's request once, and parse the answer."""
        turn = Turn(call.priority)
        # A token request is made in the place of the request that needs the token.
        with self._gate.enter(call.priority) if call.auth else nullcontext():
            answer = self._send_in_place(call, turn)
        if answer.status != _TOO_MANY_REQUESTS:
            self.limiter.go_on(turn)
        elif not answer.retry_after:
            self.limiter.back_off(turn)
        if answer.content is not None:
            return answer
        if answer.is_success and not answer.is_empty:
            try:
                return replace(answer, content=parsed(answer.body, call.parse))
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:
                pass
        raise self._error(answer, call)

    def _send_in_place(self, call: _Call, turn: Turn) -> Answer:
        """Send a call's request, and count what it costs."""
        # This may ask for a token, with a turn and a count of its own: not before the wait at the
        # gate, during which it might expire.
        request = self._session.prepared(call.request, partial(self.limiter.admit, turn))
        began = time.monotonic()
        body, content, size = b"", None, 0

        def counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal size
            for piece in pieces:
                size += len(piece)
                yield piece
            if not size:
                raise self._error(Answer(_OK, response.headers), call)

        try:
            with self._session.answer(request) as response:
                status, headers = response.status_code, response.headers
                if call.receive and carries_file(status, headers):
                    content = call.receive(headers, counted(self._session.pieces(response)))
                else:
                    body = self._session.body(response)
                    size = len(body)
        finally:
            for usage in call.usages:
                usage.add(requests=1, size=size, seconds_waited=turn.waited)
        self.threads.note_latency(time.monotonic() - began - turn.waited)
        if status == _UNAUTHORIZED and call.auth and call.renews_token:
            call.auth.discard(request)
        return Answer(status, headers, body, content)

    def _error(self, answer: Answer, call: _Call) -> ProcountorError:
        table, url = (API, self._api_url) if call.auth else (TOKEN_ENDPOINT, self._token_url)
        place = without_ids(urlsplit(call.request.url).path)
        names = {"place": place, "resource": call.resource, "url": url}
        return error_of(answer, table, has_answered=self._has_answered, names=names)


def _waits() -> Generator[float, Exception, None]:
    """Wait as long as the server says, else exponentially longer, with jitter."""
    wait = _FIRST_WAIT_SECONDS
    fault = yield 0
    while True:
        asked_for = fault.retry_after if isinstance(fault, TransientError) else None
        fault = yield asked_for or wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
