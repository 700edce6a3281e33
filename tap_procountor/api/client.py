"""The one place where requests are made.

Token, limiter, retries and error messages are here; streams neither sleep, retry nor look at status
codes. How a request travels is in ``session``, the threads that requests run in in ``workers``.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import backoff
import msgspec

from tap_procountor.api.auth import CompanyAuthenticator
from tap_procountor.api.gate import BEFORE_ALL, Gate
from tap_procountor.api.rate_limit import RateLimiter
from tap_procountor.api.salvage import salvaged
from tap_procountor.api.session import Request, Transport, without_ids
from tap_procountor.api.workers import RequestThreads
from tap_procountor.errors import (
    ApiError,
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    TransientError,
    UnclearError,
)
from tap_procountor.settings import requests_per_second

if TYPE_CHECKING:
    from collections.abc import Generator

    from tap_procountor.api.session import Response

    Parse = Callable[[bytes], Any]

Params = dict[str, Any]
#: Takes a file: the answer's headers, then its body piece by piece; called anew at each try.
Receiver = Callable[[Mapping[str, str], Iterator[bytes]], Any]

MAX_TRIES = 6
#: The host may simply be mistyped: a first token is asked for fewer times.
MAX_TRIES_TO_REACH = 3
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
#: A server that wants to be left alone for longer is not asked again.
_LONGEST_RETRY_AFTER_SECONDS = 600.0
#: How often a 403 or 404 is asked for that is no JSON, once the API has answered something.
_MAX_UNCLEAR_TRIES = 2

_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY_REQUESTS = 200, 401, 403, 404, 429
_SERVER_ERROR = 500

#: Error texts that quote nothing of the company's data: codes and known sentences.
_HARMLESS_TEXT = re.compile(r"[A-Z]+(_[A-Z]+)+|Insufficient user rights|invalid_(client|grant)")
_NAME_OF_A_FIELD = re.compile(r"[a-z]+([A-Z][a-z]+)*")

#: JSON with every digit of its decimals; a float would lose some.
_decoder = msgspec.json.Decoder(float_hook=Decimal)

logger = logging.getLogger("tap-procountor.client")


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse an answer; decimals keep every digit, and what cannot be decoded is marked."""
    return _salvaging(_decoder.decode, body)


def _salvaging(parse: Parse, body: bytes) -> Any:  # noqa: ANN401 - what is parsed
    """Parse an answer; if a text inside cannot be decoded, all else can.

    Raises:
        msgspec.DecodeError: If it is no JSON.
    """
    try:
        return parse(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        return parse(salvaged(body))


@dataclass(frozen=True)
class Answer:
    """What the server has answered.

    Attributes:
        status: The HTTP status.
        headers: The headers, whatever their case.
        body: The body as it came.
        authorization: The header that the request was sent with.
        content: What the body holds, or what a receiver has made of it; None if the request failed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    authorization: str | None = field(repr=False)
    content: Any = field(default=None, repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the request was fulfilled; a redirect is none."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's classes


class Usage:
    """What the requests of a part of the run have cost; counted from several threads.

    Attributes:
        order: The part's place in the run; see ``Gate``.
        requests: Requests sent, repeats included.
        retries: How many of them repeated one that had failed.
        bytes: Size of the answers' bodies, unpacked.
        seconds_waited: Seconds that requests waited for the limiter, added up over the threads.
    """

    def __init__(self) -> None:
        self.order = 0
        self.requests = 0
        self.retries = 0
        self.bytes = 0
        self.seconds_waited = 0.0
        self._lock = threading.Lock()

    def add(
        self, *, requests: int = 0, retries: int = 0, size: int = 0, seconds_waited: float = 0.0
    ) -> None:
        """Count."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += size
            self.seconds_waited += seconds_waited

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "bytes": self.bytes,
            "seconds_waited_for_the_limit": round(self.seconds_waited, 1),
        }


class _Errors(msgspec.Struct):
    errors: list[dict[str, Any]]


@dataclass(frozen=True)
class _Call:
    """A request, and what goes with it.

    Attributes:
        request: The request.
        usages: Where it is counted; the order of the last one is its own.
        auth: Gives the token; None if the request is for the token.
        parse: Turns the body into the answer's content.
        receive: Takes a file.
        max_tries: How often it is sent at most.
        is_urgent: Whether it goes before all others.
    """

    request: Request
    usages: tuple[Usage, ...]
    auth: CompanyAuthenticator | None = None
    parse: Parse = decode
    receive: Receiver | None = None
    max_tries: int = MAX_TRIES
    is_urgent: bool = False

    @property
    def order(self) -> int:
        """Its place among those that wait; see ``Gate``."""
        return BEFORE_ALL if self.is_urgent else self.usages[-1].order


class ProcountorClient:
    """Sends the requests of all companies and streams of a run.

    Args:
        config: The tap's settings.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._api_url = str(config["api_url"]).rstrip("/")
        url = urlsplit(self._api_url)
        self._token_url = config.get("token_url") or f"{url.scheme}://{url.netloc}/api/oauth/token"
        self.concurrency = int(config["max_concurrency"])
        self.rate = requests_per_second(config)
        self.limiter = RateLimiter(self.rate)
        self.usage = Usage()
        timeout = float(config["request_timeout"])
        self._transport = Transport(self.limiter, self.concurrency, timeout)
        self._gate = Gate(self.concurrency)
        self.threads = RequestThreads(self.concurrency, self.rate)
        #: Whether the API has answered properly in this run: it is where we look for it.
        self._has_answered = False

    def close(self) -> None:
        """Send no more requests, those included that wait for their turn or to be repeated."""
        self.limiter.close()
        self._transport.close()

    def authenticator(self, api_key: str) -> CompanyAuthenticator:
        """Return an authenticator for the company that the key opens."""
        return CompanyAuthenticator(
            client_id=self._config["client_id"],
            client_secret=self._config["client_secret"],
            api_key=api_key,
            redirect_uri=self._config.get("redirect_uri"),
            exchange=self._exchange,
        )

    def get(  # noqa: PLR0913, PLR0917 - what most requests need comes first
        self,
        auth: CompanyAuthenticator,
        path: str,
        params: Params | None = None,
        usage: Usage | None = None,
        parse: Parse = decode,
        max_tries: int | None = None,
    ) -> Answer:
        """Get a resource.

        Args:
            auth: Gives the company's token.
            path: Below ``api_url``.
            params: The query.
            usage: Where the request is counted beside the client's own ``usage``; its order counts.
            parse: Turns the body into the answer's content; a body that is no JSON has been cut
                off on its way, and is asked for again.
            max_tries: How often it is sent at most; by default as often as may help.

        Raises:
            AuthenticationError: If the company's token is refused even after a renewal.
            ForbiddenError: If the key's user lacks the right.
            NotFoundError: If there is no such resource.
            ApiError: For any other answer that cannot be used, after the repeats that may help.
        """
        request = Request("GET", self._url(path, params))
        tries = max_tries or MAX_TRIES
        return self._ask(
            _Call(request, self._usages(usage), auth, parse=parse, max_tries=tries), path
        )

    def post(
        self, auth: CompanyAuthenticator, path: str, body: Params, usage: Usage | None = None
    ) -> Answer:
        """Post a question that only reads, such as a report's parameters, and return the answer.

        It is repeated like a ``get``: asking twice changes nothing. Never post here what does.

        Args:
            auth: Gives the company's token.
            path: Below ``api_url``.
            body: The question, anything that JSON can hold.
            usage: Where the request is counted beside the client's own ``usage``; its order counts.

        Raises:
            ProcountorError: As ``get`` does.
        """
        question = Request("POST", self._url(path), msgspec.json.encode(body), "application/json")
        return self._ask(_Call(question, self._usages(usage), auth), path)

    def download(
        self,
        auth: CompanyAuthenticator,
        path: str,
        receive: Receiver,
        params: Params | None = None,
        usage: Usage | None = None,
    ) -> Any:  # noqa: ANN401 - what the receiver returns
        """Get a file, never in memory as a whole, and return what its receiver makes of it.

        Args:
            auth: Gives the company's token.
            path: Below ``api_url``.
            receive: Called in this thread; again if the file breaks off.
            params: The query.
            usage: Where the request is counted beside the client's own ``usage``; its order counts.

        Raises:
            ProcountorError: As ``get``, and what the receiver raises.
        """
        request = Request("GET", self._url(path, params))
        answer = self._ask(_Call(request, self._usages(usage), auth, receive=receive), path)
        if answer.body:
            msg = f"The answer of {without_ids(path)} holds no file."
            raise ApiError(msg)
        return answer.content

    def _url(self, path: str, params: Params | None = None) -> str:
        """Return an address; parameters that are None are left out."""
        known = {name: value for name, value in (params or {}).items() if value is not None}
        query = f"?{urlencode(known, doseq=True)}" if known else ""
        return f"{self._api_url}{path}{query}"

    def _usages(self, usage: Usage | None) -> tuple[Usage, ...]:
        return (self.usage, usage) if usage else (self.usage,)

    def _ask(self, call: _Call, path: str) -> Answer:
        """Make a call to a path below ``api_url``, with another token if its own is refused."""
        answer = self._send_patiently(call)
        if answer.status == _UNAUTHORIZED and call.auth:
            call.auth.discard(answer.authorization)
            # With a low rate, it may have waited until its token had expired.
            answer = self._send_patiently(replace(call, is_urgent=True))
        if answer.is_success:
            self._has_answered = True
            return answer
        raise self._error(answer, path)

    def _exchange(self, form: Mapping[str, str], *, is_first: bool) -> Mapping[str, Any]:
        """Post the form of a token request and return the answer."""
        body = urlencode(form).encode()
        request = Request("POST", self._token_url, body, "application/x-www-form-urlencoded")
        tries = MAX_TRIES_TO_REACH if is_first else MAX_TRIES
        try:
            # All else of the company waits for it.
            answer = self._send_patiently(
                _Call(request, (self.usage,), max_tries=tries, is_urgent=True)
            )
        except TransientError as fault:
            # Tried often enough: the request that needs the token must not multiply the tries.
            raise ApiError(str(fault)) from None
        if answer.is_success:
            return answer.content if isinstance(answer.content, dict) else {}
        if answer.status in {400, _UNAUTHORIZED, _FORBIDDEN}:
            msg = (
                f"Procountor refused the token request ({_outline(answer)}): check client_id, "
                "client_secret and api_key; the key may have been revoked."
            )
            raise AuthenticationError(msg)
        msg = (
            f"There is no token endpoint at {self._token_url} ({_outline(answer)}): check "
            "api_url or token_url."
        )
        raise AuthenticationError(msg)

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

        unclear = 0

        def is_settled(fault: Exception) -> bool:
            nonlocal unclear
            if not isinstance(fault, UnclearError):
                return False
            unclear += 1
            return self._has_answered and unclear >= _MAX_UNCLEAR_TRIES

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
                return fault.answer
            raise

    def _send(self, call: _Call) -> Answer:
        """Send a call's request once, and parse the answer."""
        # A token request is made in the place of the request that needs the token.
        with self._gate.enter(call.order) if call.auth else nullcontext():
            answer = self._send_in_place(call)
        if answer.status != _TOO_MANY_REQUESTS:
            self.limiter.go_on()
        elif not _retry_after(answer):
            self.limiter.back_off()
        if answer.content is not None:
            return answer
        _check_passing_faults(answer, call.request)
        if (
            answer.status == _FORBIDDEN or (answer.status == _NOT_FOUND and self._has_answered)
        ) and not _is_json(answer.body):
            # A gateway stands before the API: its errors are HTML, its 403 too, which thus need not
            # speak of rights.
            raise UnclearError(_not_json(answer, call.request), answer)
        if answer.is_success and (not answer.body or answer.body.isspace()):
            raise TransientError(_empty(call.request, answer.status))
        try:
            if answer.is_success:
                answer = replace(answer, content=_salvaging(call.parse, answer.body))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            raise TransientError(_not_json(answer, call.request)) from None
        return answer

    def _send_in_place(self, call: _Call) -> Answer:
        """Send a call's request, and count what it costs."""
        # A token that is needed is asked for here: before the wait, it might expire meanwhile. It
        # has an order of its own and is counted for itself.
        authorization = call.auth.authorization() if call.auth else None
        self.limiter.order = call.order
        waited_before = self.limiter.seconds_waited
        began = time.monotonic()
        body, content, size = b"", None, 0

        def counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal size
            for piece in pieces:
                size += len(piece)
                yield piece
            if not size:
                raise TransientError(_empty(call.request, _OK))

        try:
            with self._transport.send(call.request, authorization) as response:
                if call.receive and _is_file(response):
                    content = call.receive(response.headers, counted(response.pieces()))
                else:
                    body = response.read()
                    size += len(body)
        finally:
            waited = self.limiter.seconds_waited - waited_before
            for usage in call.usages:
                usage.add(requests=1, size=size, seconds_waited=waited)
        self.threads.note_latency(time.monotonic() - began - waited)
        return Answer(response.status, response.headers, body, authorization, content)

    def _error(self, answer: Answer, path: str) -> Exception:
        outline = _outline(answer)
        resource = without_ids(path)
        match answer.status:
            case 401:
                return AuthenticationError(
                    f"Procountor refuses the access token ({outline}): the API key may have been "
                    "revoked."
                )
            case 403:
                return ForbiddenError(
                    f"The key's user may not read {resource} ({outline}).",
                    is_from_api=_is_error_of_api(answer.body),
                )
            case 404 if not (self._has_answered or _is_json(answer.body)):
                return ApiError(f"There is no API at {self._api_url} ({outline}): check api_url.")
            case 404:
                return NotFoundError(
                    f"There is no {resource} at {self._api_url} ({outline}): check api_url.",
                    is_from_api=_is_error_of_api(answer.body),
                )
            case status if 300 <= status < 400:  # noqa: PLR2004 - redirects
                return ApiError(f"{self._api_url} only redirects elsewhere: check api_url.")
            case _:
                error = ApiError(f"Procountor refused the request {resource} ({outline}).")
                error.status = answer.status
                return error


def _is_file(response: Response) -> bool:
    """Tell whether an answer carries a file, and not what the API or the gateway has to say."""
    kind = response.headers.get("Content-Type", "").lower()
    return response.status == _OK and not kind.startswith(("text/html", "application/json"))


def server_time(answer: Answer) -> datetime:
    """Tell when an answer was made, by the server's clock; by ours if it gives no time."""
    try:
        moment = parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, OverflowError, TypeError, ValueError):
        return datetime.now(UTC)
    # No other time zone may lead beyond the last year that there is.
    return moment if moment.year < MAXYEAR else datetime.now(UTC)


def _waits() -> Generator[float, Exception, None]:
    """Wait as long as the server says, else exponentially longer, with jitter."""
    wait = _FIRST_WAIT_SECONDS
    fault = yield 0
    while True:
        asked_for = fault.retry_after if isinstance(fault, TransientError) else None
        fault = yield asked_for or wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


def _check_passing_faults(answer: Answer, request: Request) -> None:
    """Raise a TransientError for answers that another try may better."""
    status = answer.status
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        msg = f"{request.place} answered {_outline(answer)}."
        pause = _retry_after(answer)
        if pause is not None and pause > _LONGEST_RETRY_AFTER_SECONDS:
            msg = f"{request.place} asks to be left alone for {pause:.0f} seconds: run again later."
            raise ApiError(msg)
        fault = TransientError(msg, pause)
        fault.status = status if status >= _SERVER_ERROR else None
        raise fault


def _empty(request: Request, status: int) -> str:
    """Say that a body was lost on its way: nothing at all is not an empty list."""
    return f"{request.place} answered {status} without a body."


def _not_json(answer: Answer, request: Request) -> str:
    return f"{request.place} answered {answer.status} with a body that is no JSON."


def _is_error_of_api(body: bytes) -> bool:
    """Tell whether a body has the form of the API's errors: ``{"errors": [{…}]}``."""
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.MsgspecError, RecursionError):
        return False
    return bool(errors)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _retry_after(answer: Answer) -> float | None:
    """Read Retry-After, which is in seconds or a date."""
    value = answer.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        seconds = (until.astimezone(UTC) - server_time(answer)).total_seconds()
    return max(seconds, 0.0)


def _outline(answer: Answer) -> str:
    """Describe an error by its status, fields and codes, never by the company's data.

    Bodies are ``{"errors": [{"status", "field", "message"}]}``, at the token endpoint perhaps
    ``{"error", "error_description"}``, or none at all.
    """
    parts = [f"HTTP {answer.status}"]
    try:
        body = decode(answer.body)
    except msgspec.DecodeError:
        body = None
    if isinstance(body, dict):
        errors = body.get("errors")
        for error in errors if isinstance(errors, list) else [{"message": body.get("error")}]:
            if isinstance(error, dict):
                checks = (("field", _NAME_OF_A_FIELD), ("message", _HARMLESS_TEXT))
                texts = ((str(error.get(name) or ""), pattern) for name, pattern in checks)
                parts += [text for text, pattern in texts if pattern.fullmatch(text)]
    return ", ".join(parts)
