"""Files inside answers, split while they arrive.

Attachments and pictures of invoices come as ``multipart/mixed``: metadata as JSON, then the bytes.
Other files are the body itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from tap_procountor.api.responses import decode
from tap_procountor.errors import ApiError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_METADATA, _FILE = 1, 2
#: Far more than a file's metadata need.
_LONGEST_METADATA = 1024 * 1024
#: Encodings of a part that leave its bytes as they are.
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})


class FileAnswer:
    """A file that arrives; iterate over it once to get its bytes, piece by piece.

    Args:
        headers: The answer's headers, in a mapping that ignores case.
        pieces: The answer's body.

    Attributes:
        metadata: The API's fields about the file; known before the first piece comes.
        mime_type: The type that came with the bytes.
    """

    def __init__(self, headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.metadata: dict[str, Any] = {}
        kind, options = parse_options_header(headers.get("Content-Type", ""))
        self._boundary = options.get(b"boundary") if kind.startswith(b"multipart/") else None
        self.mime_type = kind.decode("latin-1") or None
        # The connection notices if such a body breaks off.
        self._has_end = "Content-Length" in headers or "Transfer-Encoding" in headers
        self._part_number = 0
        self._is_complete = False
        self._raw_metadata = bytearray()
        self._chunks: list[bytes] = []
        self._name = bytearray()
        self._value = bytearray()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises:
            TransientError: If the file breaks off before its end.
            ApiError: If the answer is not as documented.
        """
        if self._boundary:
            return self._second_part(self._boundary)
        if not self._has_end:
            msg = "A file came without its length, so it may be incomplete."
            raise ApiError(msg)
        return self._pieces

    def _second_part(self, boundary: bytes) -> Iterator[bytes]:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_part_data": self._take,
                "on_end": self._end,
            },
        )
        for piece in self._pieces:
            self._chunks = []
            try:
                parser.write(piece)
            except MultipartParseError:
                msg = "A file came in a damaged multipart format."
                raise TransientError(msg) from None
            yield from self._chunks
        if not self._is_complete:
            msg = "A file broke off before its end."
            raise TransientError(msg)
        if self._part_number != _FILE:
            msg = "The answer of a file is not as documented: expected two parts."
            raise ApiError(msg)

    def _begin(self) -> None:
        self._part_number += 1
        if self._part_number == _FILE:
            self.mime_type = None
            with suppress(msgspec.DecodeError):
                metadata = decode(bytes(self._raw_metadata))
                self.metadata = metadata if isinstance(metadata, dict) else {}

    def _end(self) -> None:
        self._is_complete = True

    def _end_header(self) -> None:
        name, value = (text.decode("latin-1").strip() for text in (self._name, self._value))
        self._name.clear()
        self._value.clear()
        if self._part_number != _FILE:
            return
        if name.lower() == "content-type":
            self.mime_type = parse_options_header(value)[0].decode("latin-1")
        if name.lower() == "content-transfer-encoding" and value.lower() not in _PLAIN_ENCODINGS:
            msg = "A file came in an unknown transfer encoding."
            raise ApiError(msg)

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._part_number == _METADATA:
            self._raw_metadata += data[start:end]
            if len(self._raw_metadata) > _LONGEST_METADATA:
                msg = "The answer of a file is not as documented: its first part is too long."
                raise ApiError(msg)
        elif self._part_number == _FILE:
            self._chunks.append(data[start:end])
