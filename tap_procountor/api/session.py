"""Carries the requests; each waits for its turn right before it is written."""

from __future__ import annotations

import os
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from tap_procountor.api.error_mapping import no_answer
from tap_procountor.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from ssl import SSLContext

    #: Entered before a request is written, and left when it has been.
    Sending = Callable[[], AbstractContextManager[None]]

_PIECE_SIZE = 1024 * 1024
#: The entry of a request's headers that hands the connection what it waits for. The connection
#: takes it out; no header can have such a name, so a forgotten one would be refused, not written.
_SENDING = ":sending"


class Session(requests.Session):
    """Sends requests over connections that are kept.

    It follows no redirect, which would carry the token elsewhere, and keeps no cookie, which would
    carry one company's into the requests of others. Requests are prepared by hand: merging them
    with the session's defaults would cost a quarter more processor time, and put a password from
    ``~/.netrc`` into the token request. Of the environment, proxies and authorities to trust are
    heeded.

    Args:
        connections: How many are kept.
        timeout: Seconds without a byte from the server.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout
        self._headers = {
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"tap-procountor/{version('tap-procountor')}",
        }
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self._proxies: dict[str, Any] = {}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect."""

    def prepared(self, request: requests.Request, sending: Sending) -> requests.PreparedRequest:
        """Prepare a request, with a token if it has an authenticator.

        Raises:
            ProcountorError: If no token can be had.
        """
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = request.method, request.url
        prepared.headers = CaseInsensitiveDict({**self._headers, **request.headers})
        prepared.prepare_body(request.data, files=None)
        if request.auth:
            prepared.prepare_auth(request.auth)
        prepared.headers[_SENDING] = sending  # type: ignore[assignment]
        return prepared

    @contextmanager
    def answer(self, request: requests.PreparedRequest) -> Iterator[requests.Response]:
        """Send a request; the answer's body is to be read inside, by ``body`` or ``pieces``.

        Raises:
            TransientError: If no answer came.
            ApiError: If another try cannot help.
            ConfigurationError: If the environment's proxy or certificates cannot be used.
        """
        url = str(request.url)
        with self._faults(url):
            response = self.send(
                request,
                stream=True,
                timeout=self._timeout,
                allow_redirects=False,
                proxies=self._proxies_for(url),
            )
        with response:
            yield response

    def body(self, response: requests.Response) -> bytes:
        """Return an answer's body, unpacked; raises as ``pieces`` does."""
        # As it arrives: `response.content` reads 10 KB at a time, which takes thrice as long.
        with self._faults(response.url):
            return b"".join(response.iter_content(None))

    def pieces(self, response: requests.Response) -> Iterator[bytes]:
        """Yield an answer's body piece by piece, unpacked.

        Raises:
            TransientError: If it breaks off.
        """
        with self._faults(response.url):
            yield from response.iter_content(_PIECE_SIZE)

    def _proxies_for(self, url: str) -> Any:  # noqa: ANN401 - requests' own
        """Look proxies up once per server: that takes a third as long as a request."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._proxies:
            settings = self.merge_environment_settings(origin, {}, None, None, None)
            self._proxies[origin] = settings["proxies"]
        return self._proxies[origin]

    @contextmanager
    def _faults(self, url: str) -> Iterator[None]:
        """Replace the libraries' errors, whose texts may quote the request."""
        try:
            yield
        except (OSError, UnicodeError, HTTPError) as error:
            has_proxy = bool(select_proxy(url, self._proxies_for(url)))
            raise no_answer(error, url, self._timeout, has_proxy=has_proxy) from None


class _Limited:
    """A connection that waits right before a request is written.

    Opening it takes several times as long as a request needs to arrive, so it comes first.
    """

    sock: Any

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        sending = options["headers"].pop(_SENDING)
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        with sending():
            super().request(*args, **options)  # type: ignore[misc]


class _Pool(HTTPConnectionPool):
    class ConnectionCls(_Limited, HTTPConnection): ...


class _SecurePool(HTTPSConnectionPool):
    class ConnectionCls(_Limited, HTTPSConnection): ...


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Keeps connections that wait for their turn and share one context for certificates."""

    def __init__(self, pool_maxsize: int) -> None:
        super().__init__(pool_maxsize=pool_maxsize)
        self.poolmanager.pool_classes_by_scheme = _POOLS
        self._lock = Lock()
        self._context: SSLContext | None = None

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        if proxy.lower().startswith("socks"):
            # Its connections are of another class, which would not wait for their turn.
            raise InvalidProxyURL
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=self._tls(), **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, *args: Any) -> Any:  # noqa: ANN401
        """Tell connections apart by the server alone, as all check certificates alike."""
        server, _ = super().build_connection_pool_key_attributes(*args)
        return server, {"ssl_context": self._tls()} if server["scheme"] == "https" else {}

    def cert_verify(self, *_: object) -> None:
        """Leave it to the context: each connection would read the authorities again."""

    def _tls(self) -> SSLContext:
        """Return the only context: reading the authorities takes longer than a connection."""
        with self._lock:
            if not self._context:
                self._context = _make_context()
            return self._context


def _make_context() -> SSLContext:
    """Return a context that always checks certificates: nothing can turn that off.

    It trusts certifi's authorities, or those that the environment names.

    Raises:
        ConfigurationError: If they cannot be read.
    """
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    name = next((name for name in names if os.environ.get(name)), None)
    path = os.environ[name] if name else DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    except OSError:
        msg = (
            f"The variable {name} does not name a certificate file: correct or unset it."
            if name
            else "The trusted certificates cannot be read: reinstall the package certifi, or name "
            "a certificate file in REQUESTS_CA_BUNDLE."
        )
        raise ConfigurationError(msg) from None
    return context
