"""Attachments: metadata in the details of their owners, and the files themselves."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .randomness import Seed, Topic
from .times import time_text

if TYPE_CHECKING:
    from .collection import Document

_PER_OWNER = 4

_FILES = (
    ("lasku.pdf", "application/pdf"),
    ("kuitti äö.jpg", "image/jpeg"),
    ('liite "1".txt', "text/plain"),
)


class FileRow(NamedTuple):
    """What the books remember of a file, for the search of attachments."""

    id: int
    name: str
    size: int
    reference: int
    reference_type: str
    type: str
    attached: int
    date: int


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


def usual_size(attachment: int) -> int:
    """Return the length of a file that has no other."""
    return 200 + attachment * 7919 % 20_000


def content(attachment: int, size: int | None = None) -> bytes:
    """Return the bytes of a file: the same for the same id, of any byte value, of many sizes.

    Every fifth begins with what resembles the end of a part.
    """
    length = usual_size(attachment) if size is None else size
    pattern = bytes((attachment + step * step) % 256 for step in range(256))
    start = b"\r\n--Boundary_1_" if attachment % 5 == 0 else b""
    return (start + pattern * (length // 256 + 1))[:length]


def write_file(row: FileRow) -> Document:
    """Write a file the way the search of attachments shows it."""
    return {
        "attachmentId": row.id,
        "name": row.name,
        "size": row.size,
        "user": "apiuser",
        "referenceId": row.reference,
        "referenceType": row.reference_type,
        "attached": time_text(row.attached),
    }
