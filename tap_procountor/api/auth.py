"""The token exchange: an API key of one company for an access token."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from singer_sdk.authenticators import OAuthAuthenticator

from tap_procountor.errors import AuthenticationError
from tap_procountor.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from requests import PreparedRequest

    class Exchange(Protocol):
        """Posts the form to the token endpoint and returns its answer."""

        def __call__(self, form: Mapping[str, str], *, is_first: bool) -> Mapping[str, Any]:
            """Make the request; a first one need not be as patient as a renewal."""


#: A token that lives this much longer is still used (seconds); tokens live an hour.
_MARGIN_SECONDS = 60
_DEFAULT_LIFETIME_SECONDS = 3600


class CompanyAuthenticator(OAuthAuthenticator):
    """Holds the access token of one company for all threads and streams, in memory only.

    The SDK's authenticator has no lock, no margin before the expiry and no way to renew a token
    that was refused, logs the body of a refused exchange, and writes a request's query anew,
    without the parameters that are empty: hence the overrides.

    Args:
        client_id: The integration's client id.
        client_secret: The integration's client secret.
        api_key: The company's key.
        redirect_uri: Sent only when set.
        exchange: Makes the token request.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        api_key: str,
        redirect_uri: str | None,
        exchange: Exchange,
    ) -> None:
        super().__init__(client_id=client_id, client_secret=client_secret)
        self._api_key = api_key
        self._redirect_uri = redirect_uri
        self._exchange = exchange
        self._lock = threading.Lock()

    @property
    def oauth_request_body(self) -> dict[str, str]:
        """The form of the exchange; credentials in the URL are refused since 23.09."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id or "",
            "client_secret": self.client_secret or "",
            "api_key": self._api_key,
        }
        if self._redirect_uri:
            form["redirect_uri"] = self._redirect_uri
        return form

    def authenticate_request(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token to a request, after getting one if there is none that lives."""
        with self._lock:
            if not self.is_token_valid():
                self.update_access_token()
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request

    def is_token_valid(self) -> bool:
        """Tell whether the token can still be used for a request."""
        if self.last_refreshed is None:
            return False
        age = (datetime.now(UTC) - self.last_refreshed).total_seconds()
        lifetime = self.expires_in or _DEFAULT_LIFETIME_SECONDS
        # Half the lifetime at most: a short-lived token must not be renewed for every request.
        return age < lifetime - min(_MARGIN_SECONDS, lifetime / 2)

    def update_access_token(self) -> None:
        """Exchange the API key for a new token.

        Raises:
            AuthenticationError: If the exchange is refused or its answer holds no token.
        """
        requested = datetime.now(UTC)
        answer = self._exchange(self.oauth_request_body, is_first=self.access_token is None)
        token, lifetime = answer.get("access_token"), answer.get("expires_in")
        # No header can hold another character, and the error would quote the token.
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            msg = "The token endpoint answered without an access token: check api_url or token_url."
            raise AuthenticationError(msg)
        self.access_token = Secret(token)
        self.expires_in = int(lifetime) if isinstance(lifetime, (int, float, Decimal)) else None
        self.last_refreshed = requested

    def discard(self, request: PreparedRequest) -> None:
        """Give up the token that a request was refused with, unless it has been renewed since."""
        with self._lock:
            if request.headers["Authorization"] == f"Bearer {self.access_token}":
                self.last_refreshed = None
