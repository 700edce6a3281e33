"""JSON whose numbers keep their digits, so that every digit counts in a comparison."""

from __future__ import annotations

from typing import Any

import msgspec

Record = dict[str, Any]
Key = tuple[Any, ...]


class Digits(str):
    """A decimal number as it was written; ``1.50`` is not ``1.5``."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=Digits)


def parse(text: str) -> Any:
    """Parse JSON; decimal numbers become ``Digits``."""
    return _decoder.decode(text)
