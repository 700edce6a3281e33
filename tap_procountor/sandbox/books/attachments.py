"""Attachments: metadata in the details of their owners, and the files themselves."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .randomness import Seed, Topic
from .times import time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    REFERENCE_PAYMENT = 3
    BANK_STATEMENT_EVENT = 4
    COMPANY = 5
    EMPLOYEE = 6
    PRODUCT = 7

    def key(self, number: int) -> int:
        """Return a number for the owner with an id that no other owner has."""
        if self in _OF_BOOKS:
            return number * len(_OF_BOOKS) + self
        if self in OF_NO_DOCUMENT:
            return _FIRST_OF_OTHERS + number * len(OF_NO_DOCUMENT) + self - Owner.COMPANY
        return _FIRST_OF_BANK + number * len(_OF_BANK) + self - _OF_BANK[0]


_OF_BOOKS = (Owner.INVOICE, Owner.RECEIPT, Owner.PARTNER)
_OF_BANK = (Owner.REFERENCE_PAYMENT, Owner.BANK_STATEMENT_EVENT)
#: Files that only the search knows, by what they refer to.
OF_NO_DOCUMENT = {
    Owner.COMPANY: "ENVIRONMENT",
    Owner.EMPLOYEE: "EMPLOYEE_INFO",
    Owner.PRODUCT: "SALES_PRODUCT_REGISTER",
}
_FIRST_OF_BANK = 1 << 26
_FIRST_OF_OTHERS = 1 << 28


def attachments(seed: Seed, owner: Owner, number: int, reference_type: str) -> list[Document]:
    """Return the metadata of an owner's files, none most of the time."""
    key = owner.key(number)
    count = max(0, int(seed.random(Topic.ATTACHMENT, key).random() * 6) - 3)
    if owner in OF_NO_DOCUMENT:
        count = 1
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
    owners: Sequence[Owner] = _OF_BOOKS if key < _FIRST_OF_BANK else _OF_BANK
    if key >= _FIRST_OF_OTHERS:
        owners = [*OF_NO_DOCUMENT]
    number, at = divmod(key % _FIRST_OF_BANK, len(owners))
    return owners[at], number


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
