"""HTTP: one request and its answer, over connections that are kept and in the limiter's turn."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from ssl import CERT_REQUIRED
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_auth_from_url,
    get_environ_proxies,
    select_proxy,
)
from urllib3 import PoolManager, ProxyManager, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError, ProxyError
from urllib3.exceptions import TimeoutError as HttpTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from tap_procountor.errors import (
    ApiError,
    ConfigurationError,
    ProcountorError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from ssl import SSLContext

    from urllib3 import BaseHTTPResponse

    from tap_procountor.api.rate_limit import RateLimiter

_PIECE_SIZE = 1024 * 1024
_PROXY_WANTS_CREDENTIALS = 407


@dataclass(frozen=True)
class Request:
    """What is asked, without the token.

    Attributes:
        method: GET or POST.
        url: The whole address with its query.
        body: What is posted; for a token, the credentials.
        content_type: What the body is.
    """

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    content_type: str | None = None

    @property
    def place(self) -> str:
        """What is asked for, for people."""
        return without_ids(urlsplit(self.url).path)


class Response:
    """An answer whose body is still to be read.

    Attributes:
        status: The HTTP status.
        headers: The headers, whatever their case.
    """

    def __init__(
        self, response: BaseHTTPResponse, faults: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._faults = faults

    def read(self) -> bytes:
        """Return the whole body, unpacked.

        Raises:
            TransientError: If it breaks off.
        """
        with self._faults():
            return self._response.read(decode_content=True)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body piece by piece, unpacked; raises as ``read`` does."""
        pieces = self._response.stream(_PIECE_SIZE, decode_content=True)
        while True:
            with self._faults():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece


class Transport:
    """Sends requests.

    It works with urllib3 itself: requests, which would do the same, takes half a millisecond more
    for each, would follow redirects with the token, put a password from ``~/.netrc`` into the token
    request, and keep one company's cookies for the others. Of the environment, proxies and
    authorities to trust are heeded.

    Args:
        limiter: Lets one request after the other pass.
        connections: How many are kept.
        timeout: Seconds without a sign from the server.
    """

    def __init__(self, limiter: RateLimiter, connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._pools = _limited_pools(limiter)
        self._options: dict[str, Any] = {
            "maxsize": connections,
            "timeout": timeout,
            "retries": False,
        }
        self._headers = {
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"tap-procountor/{version('tap-procountor')}",
        }
        #: What keeps the connections to a server.
        self._managers: dict[str, PoolManager] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    @contextmanager
    def send(self, request: Request, authorization: str | None) -> Iterator[Response]:
        """Send a request; the answer's body is to be read inside.

        Args:
            request: The request.
            authorization: The header of that name.

        Raises:
            TransientError: If there was no answer.
            ApiError: If another try cannot help.
            ConfigurationError: If the environment names a proxy that cannot be used, or
                certificates that there are not.
        """
        headers = {**self._headers}
        if authorization:
            headers["Authorization"] = authorization
        if request.content_type:
            headers["Content-Type"] = request.content_type
        faults = partial(self._faults, request)
        with faults():
            response = self._manager_for(request.url).urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
        with response:
            if response.status == _PROXY_WANTS_CREDENTIALS:
                raise _proxy_refuses()
            yield Response(response, faults)

    @contextmanager
    def _faults(self, request: Request) -> Iterator[None]:
        """Say what is wrong; urllib3's own texts may quote what the request says."""
        try:
            yield
        except (OSError, UnicodeError, HTTPError) as error:
            raise self._fault(error, request) from None

    def _fault(self, error: Exception, request: Request) -> ProcountorError:
        if isinstance(error, ProxyError):
            # Of the answer to CONNECT, there is only the text.
            if f" {_PROXY_WANTS_CREDENTIALS} " in str(error.original_error):
                return _proxy_refuses()
            return TransientError(
                "The proxy that the environment names gives no connection "
                f"({type(error.original_error).__name__}): check HTTPS_PROXY and HTTP_PROXY."
            )
        url = urlsplit(request.url)
        if isinstance(error, UnicodeError | LocationValueError):
            origin = f"{url.scheme}://{url.netloc}"
            return ApiError(f"{origin} is no valid address: check api_url and token_url.")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ApiError(
                f"The certificate of {url.netloc} is not trusted: check api_url. If an authority "
                "of your own has issued it, name the authority's file in REQUESTS_CA_BUNDLE."
            )
        # For urllib3, a server that cannot be reached at all is a case of a timeout.
        if isinstance(error, HttpTimeoutError) and not isinstance(error, NewConnectionError):
            msg = f"No answer from {request.place} within {self._timeout:g} seconds."
            return TransientError(msg)
        return TransientError(
            f"The connection to {url.netloc} failed ({type(error).__name__}): check api_url."
        )

    def _manager_for(self, url: str) -> PoolManager:
        """Return what keeps the connections to a server, directly or by a proxy."""
        origin = urljoin(url, "/")
        with self._lock:
            if origin not in self._managers:
                self._managers[origin] = self._make_manager(origin)
            return self._managers[origin]

    def _make_manager(self, origin: str) -> PoolManager:
        proxy = select_proxy(origin, get_environ_proxies(origin))
        options = {**self._options}
        if proxy or origin.startswith("https:"):
            options["ssl_context"] = self._ssl_context
        manager = _make_proxy_manager(proxy, options) if proxy else PoolManager(**options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    @cached_property
    def _ssl_context(self) -> SSLContext:
        """The one for all connections: reading the authorities takes longer than opening one."""
        return _make_ssl_context()


def _make_proxy_manager(proxy: str, options: dict[str, Any]) -> ProxyManager:
    try:
        return ProxyManager(
            _address(proxy),
            proxy_headers=make_headers(proxy_basic_auth=_credentials(proxy)),
            proxy_ssl_context=options["ssl_context"],
            **options,
        )
    except ValueError:
        msg = (
            "The environment names a proxy that cannot be used: set HTTPS_PROXY to an address "
            "such as http://proxy.example.com:8080, or unset it."
        )
        raise ConfigurationError(msg) from None


def _proxy_refuses() -> ConfigurationError:
    return ConfigurationError(
        "The proxy that the environment names asks for a user and a password (HTTP 407): put them "
        "into HTTPS_PROXY and HTTP_PROXY, as in http://user:password@proxy.example.com:8080."
    )


def without_ids(path: str) -> str:
    """Return a path for people."""
    return re.sub(r"(?<=/)\d[\d,]*", "{id}", path)


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


def _make_ssl_context() -> SSLContext:
    """Return what checks certificates: always, there is no way to turn that off.

    Trusted are the authorities that the web trusts, or those that the environment names.

    Raises:
        ConfigurationError: If there are none.
    """
    context = create_urllib3_context(cert_reqs=CERT_REQUIRED)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            try:
                context.load_verify_locations(
                    **{"capath" if Path(path).is_dir() else "cafile": path}
                )
            except OSError:
                msg = f"The variable {name} names no file of certificates: correct or unset it."
                raise ConfigurationError(msg) from None
            return context
    try:
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    except OSError:
        msg = (
            "The authorities that the web trusts cannot be read: reinstall the package certifi, or "
            "name a file of certificates in REQUESTS_CA_BUNDLE."
        )
        raise ConfigurationError(msg) from None
    return context


def _address(proxy: str) -> str:
    """Return a proxy's whole address.

    Raises:
        ValueError: If it has no host.
    """
    address = proxy if "://" in proxy else f"http://{proxy.lstrip('/')}"
    if not urlsplit(address).hostname:
        raise ValueError
    return address


def _credentials(proxy: str) -> str | None:
    """Return name and password out of a proxy's address."""
    name, password = get_auth_from_url(proxy)
    return f"{name}:{password}" if name else None
