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
    """Return a file the way the API does: its metadata as JSON, then its bytes.

    What the specification of multipart leaves open differs from file to file.
    """
    variant = len(content)
    boundary = f"Boundary_1_{variant}_1764000000000"
    headers = "Content-Type: {}\r\n"
    if variant % 2:
        headers = f"content-type: {{}}\r\nContent-Length: {variant}\r\n"
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode(),
            encode(metadata),
            f"\r\n--{boundary}\r\n{headers.format(mime_type)}\r\n".encode(),
            content,
            f"\r\n--{boundary}--{'' if variant % 3 else chr(13) + chr(10)}".encode(),
        )
    )
    quoted = boundary if variant % 2 else f'"{boundary}"'
    return Response(body, media_type=f"multipart/mixed;boundary={quoted}")
