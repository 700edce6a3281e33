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
    from collections.abc import Callable, Mapping
    from typing import Any

    from requests import PreparedRequest

    #: Posts the form to the token endpoint, at most that many times, and returns the answer.
    Exchange = Callable[[Mapping[str, str], int], Mapping[str, Any]]

_MAX_TRIES = 6
#: The host may simply be mistyped: a first token is asked for fewer times.
_MAX_TRIES_TO_REACH = 3
#: A token is renewed this long before it expires; tokens live an hour.
_MARGIN_SECONDS = 60
_DEFAULT_LIFETIME_SECONDS = 3600


class CompanyAuthenticator(OAuthAuthenticator):
    """Holds the access token of one company for all threads and streams, in memory only.

    The SDK's authenticator has no lock, no margin before the expiry and no way to renew a refused
    token, logs the body of a refused exchange, and rewrites a request's query without its empty
    parameters: hence the overrides.

    Args:
        config: The tap's settings.
        api_key: The company's key.
        exchange: Makes the token request.
    """

    def __init__(self, config: Mapping[str, Any], api_key: str, exchange: Exchange) -> None:
        super().__init__(client_id=config["client_id"], client_secret=config["client_secret"])
        self._api_key = api_key
        self._redirect_uri = config.get("redirect_uri")
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
        """Add the token to a request; get or renew it first if necessary."""
        with self._lock:
            if not self.is_token_valid():
                self.update_access_token()
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request

    def is_token_valid(self) -> bool:
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
        tries = _MAX_TRIES_TO_REACH if self.access_token is None else _MAX_TRIES
        answer = self._exchange(self.oauth_request_body, tries)
        token, lifetime = answer.get("access_token"), answer.get("expires_in")
        # With other characters, the header would be refused by an error that quotes the token.
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            msg = "The token endpoint returned no access token: check api_url or token_url."
            raise AuthenticationError(msg)
        self.access_token = Secret(token)
        self.expires_in = int(lifetime) if isinstance(lifetime, (int, float, Decimal)) else None
        self.last_refreshed = requested

    def discard(self, request: PreparedRequest) -> None:
        """Drop the token that a request was refused with, unless it has been renewed since."""
        with self._lock:
            if request.headers["Authorization"] == f"Bearer {self.access_token}":
                self.last_refreshed = None
