"""The one place where requests are made.

Session, token, limiter, retries, error messages and the threads that requests run in are here;
streams neither sleep, retry nor look at status codes.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import backoff
import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tap_procountor.auth import CompanyAuthenticator
from tap_procountor.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    TransientError,
)
from tap_procountor.gate import Gate
from tap_procountor.limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from urllib3 import ProxyManager

    Parse = Callable[[bytes], Any]

Item = TypeVar("Item")
Result = TypeVar("Result")
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
_PIECE_SIZE = 1024 * 1024
_THREADS_PER_PLACE = 3

_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY_REQUESTS = 200, 401, 403, 404, 429
_SERVER_ERROR = 500

#: Error texts that quote nothing of the company's data: codes and known sentences.
_HARMLESS_TEXT = re.compile(r"[A-Z]+(_[A-Z]+)+|Insufficient user rights|invalid_(client|grant)")
_NAME_OF_A_FIELD = re.compile(r"[a-z]+([A-Z][a-z]+)*")

#: JSON with every digit of its decimals; a float would lose some.
_decoder = msgspec.json.Decoder(float_hook=Decimal)

logger = logging.getLogger("tap-procountor.client")


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse an answer; decimals keep every digit."""
    return _decoder.decode(body)


def _limited_pools(limiter: RateLimiter) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's connection pools with connections that ask the limiter.

    They ask right before a request is written: opening a connection, which takes several times as
    long as a request needs to arrive, comes first and does not count.
    """

    class Limited:
        sock: Any

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if self.sock is None:
                self.connect()  # type: ignore[attr-defined]
            with limiter.turn():
                super().request(*args, **kwargs)  # type: ignore[misc]

    class Connection(Limited, HTTPConnection):
        """A plain connection."""

    class SecureConnection(Limited, HTTPSConnection):
        """A connection over TLS."""

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class _LimitedAdapter(HTTPAdapter):
    """Sends no request before the limiter lets it."""

    def __init__(self, limiter: RateLimiter, connections: int) -> None:
        self._pools = _limited_pools(limiter)
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:  # noqa: ANN401
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Session(requests.Session):
    """Sends the credentials that it is given, and only where it is told to.

    requests itself would put a password from ``~/.netrc`` into the token request. The environment
    is still asked for proxies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _as_it_is

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: it would carry the token to another place."""


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _trusted_certificates() -> str | bool:
    """Return the file or folder of authorities to trust, if it is not those that the web trusts.

    Certificates are always verified: there is no way to turn that off.

    Raises:
        ConfigurationError: If the environment names none that there is.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and not Path(path).exists():
            msg = f"The variable {name} names no file of certificates: correct or unset it."
            raise ConfigurationError(msg)
        if path:
            return path
    return True


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
        self.limiter = RateLimiter(float(config["requests_per_second"]))
        self.usage = Usage()
        self._session = _Session()
        self._certificates = _trusted_certificates()
        # requests would look through the whole environment at each request.
        self._proxies = cache(get_environ_proxies)
        adapter = _LimitedAdapter(self.limiter, self.concurrency)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._gate = Gate(self.concurrency)
        # Threads of what is read ahead wait at the gate: there are mostly others for what is due.
        self._threads = ThreadPoolExecutor(_THREADS_PER_PLACE * self.concurrency, "request")

    def close(self) -> None:
        """End the threads; requests that wait for one, or to be repeated, are not sent."""
        self.limiter.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def authenticator(self, api_key: str) -> CompanyAuthenticator:
        """Return an authenticator for the company that the key opens."""
        return CompanyAuthenticator(
            client_id=self._config["client_id"],
            client_secret=self._config["client_secret"],
            api_key=api_key,
            redirect_uri=self._config.get("redirect_uri"),
            exchange=self._exchange,
        )

    def get(
        self,
        auth: CompanyAuthenticator,
        path: str,
        params: Params | None = None,
        usage: Usage | None = None,
        parse: Parse = decode,
    ) -> Answer:
        """Get a resource.

        Args:
            auth: Gives the company's token.
            path: Below ``api_url``.
            params: The query.
            usage: Where the request is counted beside the client's own ``usage``; its order counts.
            parse: Turns the body into the answer's content; a body that is no JSON has been cut
                off on its way, and is asked for again.

        Raises:
            AuthenticationError: If the company's token is refused even after a renewal.
            ForbiddenError: If the key's user lacks the right.
            NotFoundError: If there is no such resource.
            ApiError: For any other answer that cannot be used, after the repeats that may help.
        """
        request = requests.Request("GET", params=params, auth=auth)
        return self._ask(request, auth, path, usage, parse)

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
        return self._ask(requests.Request("POST", json=body, auth=auth), auth, path, usage)

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
        request = requests.Request("GET", params=params, auth=auth)
        answer = self._ask(request, auth, path, usage, receive=receive)
        if answer.body:
            msg = f"The answer of {_without_ids(path)} holds no file."
            raise ApiError(msg)
        return answer.content

    def _ask(  # noqa: PLR0913, PLR0917 - what get, post and download take
        self,
        request: requests.Request,
        auth: CompanyAuthenticator,
        path: str,
        usage: Usage | None,
        parse: Parse = decode,
        receive: Receiver | None = None,
    ) -> Answer:
        """Send a request to a path below ``api_url``, with another token if its own is refused."""
        request.url = f"{self._api_url}{path}"
        answer = self._send_patiently(request, MAX_TRIES, usage, parse, receive)
        if answer.status == _UNAUTHORIZED:
            auth.discard(answer.authorization)
            answer = self._send_patiently(request, MAX_TRIES, usage, parse, receive)
        if answer.is_success:
            return answer
        raise self._error(answer, path)

    def ahead(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        depth: int | None = None,
    ) -> Iterator[Result]:
        """Map in the request threads, a bounded number of items ahead, results in order.

        Args:
            function: Called with each item in a thread.
            items: Consumed as far as the results are, plus the depth.
            depth: How many calls may be under way or finished but not yet taken; by default as many
                as there are requests at once.

        Raises:
            Exception: What the items raise, after the results of those that came before.
        """
        pending: deque[Future[Result]] = deque()
        fault: Exception | None = None
        source = iter(items)
        try:
            while True:
                try:
                    item = next(source)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised below
                    fault = error
                    break
                pending.append(self._threads.submit(function, item))
                if len(pending) >= (depth or self.concurrency):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
            if fault:
                raise fault
        finally:
            for future in pending:
                future.cancel()

    def _exchange(self, form: Mapping[str, str], *, is_first: bool) -> Mapping[str, Any]:
        """Post the form of a token request and return the answer."""
        request = requests.Request("POST", self._token_url, data=form)
        try:
            answer = self._send_patiently(request, MAX_TRIES_TO_REACH if is_first else MAX_TRIES)
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

    def _send_patiently(
        self,
        request: requests.Request,
        max_tries: int,
        usage: Usage | None = None,
        parse: Parse = decode,
        receive: Receiver | None = None,
    ) -> Answer:
        """Send a request, again after faults that may pass."""
        usages = [self.usage, usage] if usage else [self.usage]

        def slow_down(details: Any) -> None:  # noqa: ANN401 - backoff's details
            for one in usages:
                one.add(retries=1)
            fault = details["exception"]
            if isinstance(fault, TransientError) and fault.retry_after:
                self.limiter.pause(fault.retry_after)
            if not self.limiter.is_closed:
                logger.warning("%s Trying again in %.1f s.", fault, details["wait"])

        send = backoff.on_exception(
            _waits,
            TransientError,
            max_tries=max_tries,
            jitter=None,
            on_backoff=slow_down,
            logger=None,
        )(self._send)
        return send(request, usages, parse, receive)

    def _send(
        self,
        request: requests.Request,
        usages: list[Usage],
        parse: Parse,
        receive: Receiver | None,
    ) -> Answer:
        """Send a request once, and count what it costs."""
        # A token request is made in the place of the request that needs the token.
        with self._gate.enter(usages[-1].order) if request.auth else nullcontext():
            answer = self._send_in_place(request, usages, receive)
        if answer.content is not None:
            return answer
        place = _place(request)
        _check_passing_faults(answer, place)
        try:
            return replace(answer, content=parse(answer.body)) if answer.is_success else answer
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            raise _not_json(answer, place) from None

    def _send_in_place(
        self, request: requests.Request, usages: list[Usage], receive: Receiver | None
    ) -> Answer:
        # A token that is needed is asked for here: before the wait, it might expire meanwhile. It
        # has an order of its own and is counted for itself.
        prepared = self._session.prepare_request(request)
        self.limiter.order = usages[-1].order
        waited_before = self.limiter.seconds_waited
        size = 0

        def count(response: requests.Response) -> Iterator[bytes]:
            nonlocal size
            for piece in response.iter_content(_PIECE_SIZE):
                size += len(piece)
                yield piece

        try:
            answer = self._send_prepared(prepared, count, receive)
            size += len(answer.body)
        finally:
            waited = self.limiter.seconds_waited - waited_before
            for usage in usages:
                usage.add(requests=1, size=size, seconds_waited=waited)
        return answer

    def _send_prepared(
        self,
        prepared: requests.PreparedRequest,
        read: Callable[[requests.Response], Iterator[bytes]],
        receive: Receiver | None,
    ) -> Answer:
        body, content = b"", None
        place = _place(prepared)
        try:
            with self._session.send(
                prepared,
                timeout=self._config["request_timeout"],
                stream=True,
                verify=self._certificates,
                proxies=self._proxies(urljoin(prepared.url or "", "/")),
            ) as response:
                if receive and _is_file(response):
                    content = receive(response.headers, read(response))
                else:
                    # In one piece: requests' way, 10 KB at a time, takes several times as long.
                    body = response.raw.read(decode_content=True)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            msg = f"No answer from {place} within {self._config['request_timeout']} seconds."
            raise TransientError(msg) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            msg = f"{self._api_url} is no valid address: check api_url and token_url."
            raise ApiError(msg) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own are OSErrors
            host = urlsplit(prepared.url or "").netloc
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                msg = (
                    f"The certificate of {host} is not trusted: check api_url. If an authority of "
                    "your own has issued it, name the authority's file in REQUESTS_CA_BUNDLE."
                )
                raise ApiError(msg) from None
            msg = f"The connection to {host} failed ({type(error).__name__}): check api_url."
            raise TransientError(msg) from None
        return Answer(
            response.status_code,
            response.headers,
            body,
            prepared.headers.get("Authorization"),
            content,
        )

    def _error(self, answer: Answer, path: str) -> Exception:
        outline = _outline(answer)
        resource = _without_ids(path)
        match answer.status:
            case 401:
                return AuthenticationError(
                    f"Procountor refuses the access token ({outline}): the API key may have been "
                    "revoked."
                )
            case 403:
                return ForbiddenError(f"The key's user may not read {resource} ({outline}).")
            case 404 if not _is_json(answer.body):
                return ApiError(f"There is no API at {self._api_url} ({outline}): check api_url.")
            case 404:
                return NotFoundError(
                    f"There is no {resource} at {self._api_url} ({outline}): check api_url."
                )
            case status if 300 <= status < 400:  # noqa: PLR2004 - redirects
                return ApiError(f"{self._api_url} only redirects elsewhere: check api_url.")
            case _:
                return ApiError(f"Procountor refused the request {resource} ({outline}).")


def _place(request: requests.Request | requests.PreparedRequest) -> str:
    """Tell for people what a request is for."""
    return _without_ids(urlsplit(request.url or "").path)


def _without_ids(path: str) -> str:
    return re.sub(r"(?<=/)\d[\d,]*", "{id}", path)


def _is_file(response: requests.Response) -> bool:
    """Tell whether an answer carries a file, and not what the API or the gateway has to say."""
    kind = response.headers.get("Content-Type", "").lower()
    return response.status_code == _OK and not kind.startswith(("text/html", "application/json"))


def server_time(answer: Answer) -> datetime:
    """Tell when an answer was made, by the server's clock; by ours if it gives no time."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)


def _waits() -> Generator[float, Exception, None]:
    """Wait as long as the server says, else exponentially longer, with jitter."""
    wait = _FIRST_WAIT_SECONDS
    fault = yield 0
    while True:
        asked_for = fault.retry_after if isinstance(fault, TransientError) else None
        fault = yield asked_for or wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


def _check_passing_faults(answer: Answer, place: str) -> None:
    """Raise a TransientError for answers that another try may better.

    A gateway stands before the API: its errors are HTML, its 403 too, which thus says nothing of
    rights. A body that is no JSON has been cut off on its way.
    """
    status = answer.status
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        msg = f"{place} answered {_outline(answer)}."
        pause = _retry_after(answer)
        if pause is not None and pause > _LONGEST_RETRY_AFTER_SECONDS:
            msg = f"{place} asks to be left alone for {pause:.0f} seconds: run again later."
            raise ApiError(msg)
        raise TransientError(msg, pause)
    if status == _FORBIDDEN and not _is_json(answer.body):
        raise _not_json(answer, place)


def _not_json(answer: Answer, place: str) -> TransientError:
    return TransientError(f"{place} answered {answer.status} with a body that is no JSON.")


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
