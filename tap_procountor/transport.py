"""HTTP: one request and its answer, over connections that are kept and in the limiter's turn."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import urllib3
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_auth_from_url,
    get_environ_proxies,
    select_proxy,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from tap_procountor.errors import ApiError, ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse

    from tap_procountor.limiter import RateLimiter


class Request(NamedTuple):
    """What is asked, without the credentials.

    Attributes:
        method: GET or POST.
        url: The whole address with its query.
        body: What is posted.
        content_type: What the body is.
    """

    method: str
    url: str
    body: bytes | None = None
    content_type: str | None = None


class Transport:
    """Sends requests.

    It works with urllib3 itself: requests, which would do the same, takes half a millisecond more
    for each, and would follow redirects with the token and put a password from ``~/.netrc`` into
    the token request. Of the environment, proxies and authorities to trust are heeded.

    Args:
        limiter: Lets one request after the other pass.
        connections: How many are kept.
        timeout: Seconds without a sign from the server.

    Raises:
        ConfigurationError: If the environment names certificates that there are not.
    """

    def __init__(self, limiter: RateLimiter, connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._pools = _limited_pools(limiter)
        self._options: dict[str, Any] = {
            "maxsize": connections,
            "timeout": timeout,
            "retries": False,
            **_trusted_certificates(),
        }
        self._headers = {
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"tap-procountor/{version('tap-procountor')}",
        }
        self._manager_of = cache(self._make_manager)
        # The whole environment is looked through each time.
        self._proxy_of = cache(_proxy_of)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._manager_of.cache_clear()

    @contextmanager
    def send(self, request: Request, authorization: str | None) -> Iterator[BaseHTTPResponse]:
        """Send a request; the answer's body is read inside, and errors of reading are caught too.

        Args:
            request: The request.
            authorization: The header of that name.

        Raises:
            TransientError: If there was no answer, or if it broke off.
            ApiError: If another try cannot help.
        """
        headers = {**self._headers}
        if authorization:
            headers["Authorization"] = authorization
        if request.content_type:
            headers["Content-Type"] = request.content_type
        try:
            manager = self._manager_of(self._proxy_of(urljoin(request.url, "/")))
            with manager.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=headers,
                redirect=False,
                preload_content=False,
            ) as response:
                yield response
        except (OSError, UnicodeError, HTTPError) as error:
            raise self._fault(error, request.url) from None

    def _fault(self, error: Exception, url: str) -> ApiError:
        """Say what is wrong; urllib3's own texts may quote what the request says."""
        address = urlsplit(url)
        if isinstance(error, UnicodeError | LocationValueError):
            origin = f"{address.scheme}://{address.netloc}"
            return ApiError(f"{origin} is no valid address: check api_url and token_url.")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ApiError(
                f"The certificate of {address.netloc} is not trusted: check api_url. If an "
                "authority of your own has issued it, name the authority's file in "
                "REQUESTS_CA_BUNDLE."
            )
        # For urllib3, a server that cannot be reached at all is a case of a timeout.
        if isinstance(error, HttpTimeoutError) and not isinstance(error, NewConnectionError):
            place = without_ids(address.path)
            return TransientError(f"No answer from {place} within {self._timeout:g} seconds.")
        return TransientError(
            f"The connection to {address.netloc} failed ({type(error).__name__}): check api_url."
        )

    def _make_manager(self, proxy: str | None) -> urllib3.PoolManager:
        """Return what keeps the connections of a way to the server."""
        manager = urllib3.PoolManager(**self._options)
        if proxy is not None:
            try:
                headers = urllib3.make_headers(proxy_basic_auth=_credentials(proxy))
                manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **self._options)
            except ValueError:
                msg = (
                    "The environment names a proxy that cannot be used: set HTTPS_PROXY to an "
                    "address such as http://proxy.example.com:8080, or unset it."
                )
                raise ConfigurationError(msg) from None
        manager.pool_classes_by_scheme = self._pools
        return manager


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


def _trusted_certificates() -> dict[str, str]:
    """Return the file or folder of authorities to trust: those that the web trusts, or others.

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
            return {"ca_cert_dir" if Path(path).is_dir() else "ca_certs": path}
    return {"ca_certs": DEFAULT_CA_BUNDLE_PATH}


def _proxy_of(origin: str) -> str | None:
    """Return the proxy that the environment names for a server."""
    proxy = select_proxy(origin, get_environ_proxies(origin))
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _credentials(proxy: str) -> str | None:
    """Return name and password out of a proxy's address."""
    name, password = get_auth_from_url(proxy)
    return f"{name}:{password}" if name else None
