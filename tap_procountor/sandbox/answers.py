"""Bodies of answers: JSON with exact decimals, the gateway's HTML, files."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from .books.collection import Json

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(content: Json) -> bytes:
    """Write JSON; a decimal keeps its digits."""
    return _ENCODER.encode(content)


def json_answer(content: Json, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(encode(content), status, media_type="application/json")


def gateway_answer(status: int, retry_after: int | None = None) -> Response:
    """Return an HTML page such as the gateway in front of the API sends."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = (
        f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center>"
        "<hr><center>Gateway</center></body></html>"
    )
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Response(page, status, headers, media_type="text/html")


def multipart_answer(metadata: Json, content: bytes, mime_type: str) -> Response:
    """Return a file the way the API does: its metadata as JSON, then its bytes."""
    boundary = "sandbox-part-boundary"
    parts = (("application/json", encode(metadata)), (mime_type, content))
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + part + b"\r\n"
        for kind, part in parts
    )
    return Response(
        body + f"--{boundary}--\r\n".encode(),
        media_type=f'multipart/mixed; boundary="{boundary}"',
    )
