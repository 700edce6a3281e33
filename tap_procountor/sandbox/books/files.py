"""All files of the books, found through their owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .attachments import (
    OF_NO_DOCUMENT,
    FileRow,
    Owner,
    attachments,
    content,
    owner_of,
    usual_size,
    write_file,
)
from .collection import Collection, Document
from .times import SECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .banking import Banking
    from .invoices import Invoices
    from .partners import Partners
    from .randomness import Seed
    from .receipts import Receipts


#: When files of no document were attached: in 2024.
_ATTACHED = 19_800 * SECONDS_PER_DAY


class Files:
    """The files of invoices, receipts, partners, reference payments and bank statements."""

    def __init__(
        self,
        seed: Seed,
        invoices: Invoices,
        receipts: Receipts,
        partners: Partners,
        banking: Banking,
    ) -> None:
        self._seed = seed
        self._invoices = invoices.rows
        self._receipts = receipts.rows
        self._partners = partners.rows
        self._banking = banking
        self._rows = Collection(FileRow, write_file)
        self._changes = -1
        self._sizes: dict[int, int] = {}
        #: How many files the company itself, an employee and a product have.
        self.others = 1

    @property
    def rows(self) -> Collection[FileRow]:
        """The register of all files, made anew when their owners have changed."""
        owners = (
            self._invoices,
            self._receipts,
            self._partners,
            self._banking.statements,
            self._banking.reference_payments,
        )
        changes = sum(owner.changes for owner in owners) + self.others
        if changes != self._changes:
            files = sorted(self._all())
            self._rows.fill(*(zip(*files, strict=True) if files else [()] * len(FileRow._fields)))
            self._changes = changes
        return self._rows

    def content(self, number: int) -> bytes:
        """Return the bytes of a file."""
        return content(number, self._size(number))

    def resize(self, number: int, size: int) -> None:
        """Give a file another length."""
        self._sizes[number] = size
        self._changes = -1

    def _size(self, number: int) -> int:
        return self._sizes.get(number) or usual_size(number)

    def metadata(self, number: int) -> Document | None:
        """Return the metadata of a file as its owner shows it, or None."""
        owner, owner_id = owner_of(number)
        reference_type = self._reference_type(owner, owner_id)
        if reference_type is None:
            return None
        files = attachments(self._seed, owner, owner_id, reference_type)
        return next((file for file in files if file["id"] == number), None)

    def _reference_type(self, owner: Owner, number: int) -> str | None:
        if owner in OF_NO_DOCUMENT:
            return OF_NO_DOCUMENT[owner] if 0 < number <= self.others else None
        if owner is Owner.PARTNER:
            at = self._partners.position(number)
            kind = None if at is None else self._partners.row_at(at).type
            return f"{kind}_BUSINESS_PARTNER_REGISTER" if kind else None
        if owner is Owner.RECEIPT:
            return None if self._receipts.position(number) is None else "LEDGERRECEIPT"
        if owner is Owner.REFERENCE_PAYMENT:
            return "REFERENCE_PAYMENT"
        if owner is Owner.BANK_STATEMENT_EVENT:
            return "BANKSTATEMENTEVENT"
        return "INVOICE"

    def _all(self) -> Iterator[FileRow]:
        for invoice in self._invoices:
            yield from self._files(Owner.INVOICE, invoice.id, invoice.type, invoice.created)
        for receipt in self._receipts:
            if receipt.type == "JOURNAL":
                yield from self._files(Owner.INVOICE, receipt.document, "JOURNAL", receipt.created)
            elif not receipt.document:
                yield from self._files(Owner.RECEIPT, receipt.id, receipt.type, receipt.created)
        for partner in self._partners:
            kind = f"{partner.type}_BUSINESS_PARTNER_REGISTER"
            yield from self._files(Owner.PARTNER, partner.id, kind, partner.version)

        for payment in self._banking.reference_payments:
            attached = payment.date * SECONDS_PER_DAY
            yield from self._files(
                Owner.REFERENCE_PAYMENT, payment.id, "REFERENCE_PAYMENT", attached
            )
        for statement in self._banking.statements:
            attached = statement.date * SECONDS_PER_DAY
            for event in self._banking.event_ids(statement):
                yield from self._files(
                    Owner.BANK_STATEMENT_EVENT, event, "BANKSTATEMENTEVENT", attached
                )

        yield from self._of_no_document()

    def _of_no_document(self) -> Iterator[FileRow]:
        for other, kind in OF_NO_DOCUMENT.items():
            for number in range(1, self.others + 1):
                yield from self._files(other, number, kind, _ATTACHED)

    def _files(self, owner: Owner, number: int, kind: str, attached: int) -> Iterator[FileRow]:
        reference_type = self._reference_type(owner, number) or ""
        for file in attachments(self._seed, owner, number, reference_type):
            yield FileRow(
                id=file["id"],
                name=file["name"],
                size=self._size(file["id"]),
                reference=number,
                reference_type=reference_type,
                type=kind,
                attached=attached,
                date=attached // SECONDS_PER_DAY,
            )
