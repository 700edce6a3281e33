"""Answers of the server, and their bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import msgspec

from tap_procountor.api.salvage import salvaged

Parse = Callable[[bytes], Any]

#: Tables and the state hold numbers of 64 bits.
LARGEST_ID = 2**63 - 1

#: Error texts that quote nothing of the company's data: codes and known sentences.
_HARMLESS_TEXT = re.compile(r"[A-Z]+(_[A-Z]+)+|Insufficient user rights|invalid_(client|grant)")
_NAME_OF_A_FIELD = re.compile(r"[a-z]+([A-Z][a-z]+)*")

_OK = 200

#: JSON with every digit of its decimals; a float would lose some.
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse any JSON as ``parsed`` does; decimals keep every digit."""
    return parsed(body, _decoder.decode)


def parsed(body: bytes, parse: Parse) -> Any:  # noqa: ANN401 - what is parsed
    """Parse an answer; a text that cannot be decoded is marked.

    Raises:
        msgspec.ValidationError: If it is of another type.
        msgspec.DecodeError: If it is not JSON.
    """
    try:
        return parse(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        return parse(salvaged(body))


class _Errors(msgspec.Struct):
    errors: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]


def _fits(body: bytes, kind: Any) -> bool:  # noqa: ANN401 - a type
    try:
        msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


@dataclass(frozen=True)
class Answer:
    """An answer of the server.

    Attributes:
        status: The HTTP status.
        headers: In a mapping that ignores case.
        body: As it came; empty if a receiver has taken it.
        content: The body parsed, or what a receiver has returned.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    content: Any = field(default=None, repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's classes

    @property
    def is_empty(self) -> bool:
        """Whether the body was lost on its way: nothing at all is not an empty list."""
        return not self.body or self.body.isspace()

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON; the errors of the gateway before the API are HTML."""
        return _fits(self.body, msgspec.Raw)

    @property
    def is_error_of_api(self) -> bool:
        """Whether the body has the form of the API's errors: ``{"errors": [{…}]}``."""
        return _fits(self.body, _Errors)

    @property
    def retry_after(self) -> float | None:
        """Seconds until the server wants another request, if it says so, perhaps by a date."""
        value = self.headers.get("Retry-After", "")
        try:
            seconds = float(value)
        except ValueError:
            try:
                until = parsedate_to_datetime(value)
            except (TypeError, ValueError):
                return None
            seconds = (until.astimezone(UTC) - self.server_time).total_seconds()
        return max(seconds, 0.0)

    @property
    def server_time(self) -> datetime:
        """When the answer was made, by the server's clock; by ours if it has no usable Date."""
        try:
            moment = parsedate_to_datetime(self.headers["Date"]).astimezone(UTC)
        except (KeyError, OverflowError, TypeError, ValueError):
            return datetime.now(UTC)
        # In the last possible year, another time zone would overflow.
        return moment if moment.year < MAXYEAR else datetime.now(UTC)

    @property
    def outline(self) -> str:
        """An error's status, fields and codes, never the company's data.

        Bodies are ``{"errors": [{"status", "field", "message"}]}``, of the token endpoint perhaps
        ``{"error", "error_description"}``, or empty.
        """
        parts = [f"HTTP {self.status}"]
        try:
            body = decode(self.body)
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


def carries_file(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a file, and not an error of the API or the gateway."""
    kind = headers.get("Content-Type", "").lower()
    return status == _OK and not kind.startswith(("text/html", "application/json"))
