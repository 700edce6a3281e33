"""Keys and tokens: a key opens one company, a token lasts an hour."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from .answers import encode, json_answer
from .books.randomness import Seed, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

_FORM = "application/x-www-form-urlencoded"
_UNAUTHORIZED = 401
_BAD_REQUEST = 400


class Token(NamedTuple):
    """To whom a token was given, and how long it is good."""

    company: int
    expires: datetime


class Keyring:
    """The client's credentials, the companies' keys and the tokens in use."""

    def __init__(self, seed: int, lifetime: int, now: Callable[[], datetime]) -> None:
        random = Seed(seed, 0).random(Topic.COMPANY)
        self._random = random
        self._lifetime = lifetime
        self._now = now
        self._companies: dict[str, int] = {}
        self._tokens: dict[str, Token] = {}
        #: All tokens ever given, for a search of what must not show them.
        self.tokens_given: list[str] = []
        self.client_id = "sandboxClient"
        self.client_secret = f"{random.getrandbits(128):032x}"

    def new_key(self, company: int) -> str:
        """Return another key of a company."""
        key = f"{self._random.getrandbits(192):048x}"
        self._companies[key] = company
        return key

    def revoke(self, key: str, company: int, *, tokens: bool) -> None:
        """Make a key useless; the company's tokens live on unless asked otherwise."""
        self._companies.pop(key, None)
        if tokens:
            self._tokens = {
                text: token for text, token in self._tokens.items() if token.company != company
            }

    def company_of(self, token: str) -> int | None:
        """Return the company that a living token opens."""
        found = self._tokens.get(token)
        return found.company if found and self._now() < found.expires else None

    def expire_tokens(self) -> None:
        """End all tokens at once."""
        self._tokens.clear()

    def exchange(self, form: dict[str, str]) -> Response:
        """Answer a token request."""
        if form.get("grant_type") != "client_credentials":
            return _refusal(_BAD_REQUEST, "unsupported_grant_type")
        client = (form.get("client_id"), form.get("client_secret"))
        if client != (self.client_id, self.client_secret):
            return _refusal(_UNAUTHORIZED, "invalid_client")
        company = self._companies.get(form.get("api_key", ""))
        if company is None:
            return _refusal(_UNAUTHORIZED, "invalid_grant")
        return json_answer({"access_token": self._new_token(company), "expires_in": self._lifetime})

    def _new_token(self, company: int) -> str:
        claims = encode({"sub": self.client_id, "env": company, "jti": secrets.token_hex(96)})
        parts = (b'{"alg":"HS256","typ":"JWT"}', claims, secrets.token_bytes(32))
        text = ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        self.tokens_given.append(text)
        self._tokens[text] = Token(company, self._now() + timedelta(seconds=self._lifetime))
        return text


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme == "Bearer" else ""


async def answer_token_request(keyring: Keyring, request: Request) -> Response:
    """Answer ``/oauth/token``: credentials count in the form body only."""
    if request.headers.get("content-type") != _FORM:
        return _refusal(_BAD_REQUEST, "invalid_request", f"Content-Type must be {_FORM}")
    if request.query_params:
        return _refusal(_BAD_REQUEST, "invalid_request", "Parameters belong in the body")
    return keyring.exchange(dict(parse_qsl((await request.body()).decode())))


def _refusal(status: int, error: str, description: str = "Refused") -> Response:
    return json_answer({"error": error, "error_description": description}, status)
