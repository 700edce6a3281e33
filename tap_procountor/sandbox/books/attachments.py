"""Attachments: metadata in the details of their owners, and the files themselves."""

from __future__ import annotations

from enum import IntEnum

from .collection import Document
from .randomness import Seed, Topic

_PER_OWNER = 4

_FILES = (
    ("lasku.pdf", "application/pdf"),
    ("kuitti äö.jpg", "image/jpeg"),
    ('liite "1".txt', "text/plain"),
)


class Owner(IntEnum):
    """What a file is attached to; the ids of the owners overlap, those of attachments do not."""

    INVOICE = 0
    RECEIPT = 1
    PARTNER = 2


def attachments(seed: Seed, owner: Owner, number: int, reference_type: str) -> list[Document]:
    """Return the metadata of an owner's files, none most of the time."""
    key = number * len(Owner) + owner
    count = max(0, int(seed.random(Topic.ATTACHMENT, key).random() * 6) - 3)
    return [
        {
            "id": key * _PER_OWNER + at,
            "name": name,
            "referenceType": reference_type,
            "referenceId": number,
            "mimeType": mime_type,
            "sendWithInvoice": at == 0,
        }
        for at, (name, mime_type) in enumerate(_FILES[:count])
    ]


def owner_of(attachment: int) -> tuple[Owner, int]:
    """Return the owner's kind and id."""
    key = attachment // _PER_OWNER
    return Owner(key % len(Owner)), key // len(Owner)


def content(attachment: int) -> bytes:
    """Return the bytes of a file: the same for the same id, of any byte value, of many sizes."""
    size = 200 + attachment * 7919 % 20_000
    pattern = bytes((attachment + step * step) % 256 for step in range(256))
    return (pattern * (size // 256 + 1))[:size]
