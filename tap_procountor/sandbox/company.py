"""A company of the sandbox, and everything a test can do to it."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .books.collection import Collection
from .books.editing import Bookkeeper
from .books.reports import Span
from .registers import register_of
from .resources import RESOURCES, Resource, find
from .tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import RLock

    from .auth import Keyring
    from .books.books import Books
    from .books.collection import Document
    from .clock import Clock


class Company(Tenant):
    """One company: what answers are made from, its user's key, and how both change."""

    def __init__(self, books: Books, keyring: Keyring, clock: Clock, lock: RLock) -> None:
        super().__init__(books)
        self.api_key = keyring.new_key(self.id)
        self._keyring = keyring
        self._clock = clock
        self._lock = lock
        self._bookkeeper = Bookkeeper(books, clock.local_seconds)

    def truth(self, kind: str) -> list[Document]:
        """Return all documents of a resource: what a full read must yield.

        The fields that only lists show are merged into the details; numbers are exact decimals.
        What belongs to another document has its id besides, like ``employeeId``.

        Args:
            kind: The stream's name, like ``ledger_receipts``, or the path, like ``ledgerreceipts``.
        """
        with self._lock:
            resource = find(kind)
            if resource.owners:
                found = [*self._owned(resource)]
            else:
                documents = register_of(self, resource)
                found = [documents.document(row) for row in documents]
            # What the sandbox goes on to serve must not be changed through them.
            return deepcopy(found)

    def collection(self, kind: str) -> Collection[Any]:
        """Return the rows of a kind that can be edited; LookupError if it cannot."""
        documents = register_of(self, find(kind))
        if isinstance(documents, Collection):
            return documents
        message = f"{kind} cannot be edited"
        raise LookupError(message)

    def prepare(self) -> None:
        """Make now what would otherwise keep the first who asks waiting."""
        for resource in RESOURCES:
            if not resource.owners:
                register_of(self, resource)

    def ledger_report(self, statuses: Sequence[str] = ()) -> dict[tuple[str, str], Decimal]:
        """Return the sum of each account in each month, as the ledger accounts' report has it."""
        sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        counted = Span("", "9999", statuses)
        for receipt in filter(counted.holds, self.books.reports.receipts()):
            for transaction in receipt["transactions"]:
                key = (transaction["account"], receipt["receiptDate"][:7])
                sums[key] += transaction["accountingValue"]
        return dict(sums)

    def edit(self, kind: str, number: int, changes: Document | None = None) -> None:
        """Edit a document: new content and version, and another ledger receipt.

        Args:
            kind: As ``truth`` has it.
            number: The document's id.
            changes: Fields to set besides.
        """
        with self._lock:
            self._bookkeeper.edit(self.collection(kind), number, changes)

    def edit_dimensions(self, number: int) -> None:
        """Change the dimension items of a ledger receipt, which changes no version."""
        with self._lock:
            self._bookkeeper.edit_dimensions(number)

    def create_invoice(self, kind: str = "SALES_INVOICE") -> int:
        """Create an invoice of today and its receipt; return its id."""
        with self._lock:
            return self._bookkeeper.create_invoice(kind)

    def create_dated(self, kind: str, date: str) -> int:
        """Create a payment, statement or the like of a date such as 2026-01-31; return its id."""
        with self._lock:
            return self._bookkeeper.create_dated(self.collection(kind), date)

    def invalidate(self, number: int) -> None:
        """Invalidate an invoice or a journal: its status changes, its receipt is deleted."""
        with self._lock:
            self._bookkeeper.invalidate(number)

    def delete(self, kind: str, number: int) -> None:
        """Delete a document for good, an invoice together with its receipt."""
        with self._lock:
            self._bookkeeper.delete(self.collection(kind), number)

    def close_periods(self, start: str, end: str) -> int:
        """Close the tracking periods that touch the dates; return how many changed."""
        return self._set_periods(start, end, "CLOSED")

    def reopen_periods(self, start: str, end: str) -> int:
        """Open the tracking periods that touch the dates; return how many changed."""
        return self._set_periods(start, end, "OPEN")

    def spoil(self, kind: str, number: int, changes: Document) -> None:
        """Serve a document with values that the specification does not allow.

        Args:
            kind: As ``truth`` has it.
            number: The document's id.
            changes: The values by field.
        """
        with self._lock:
            self.spoilt[find(kind).name, number] = changes

    def set_right(self, name: str, value: str | bool = "NO_ACCESS") -> None:  # noqa: FBT001
        """Set a right of the user, named like ``salaries.payroll``."""
        with self._lock:
            self.rights.set(name, value)

    def set_country(self, country: str) -> None:
        """Move the company to a country, named as the API does: ``SWEDEN``."""
        with self._lock:
            self.books.company["country"] = country

    def set_documents(self, *, enabled: bool) -> None:
        """Switch the Documents add-on on or off."""
        with self._lock:
            self.documents = enabled

    def set_sie(self, *, enabled: bool) -> None:
        """Switch the export of SIE files on or off: only Swedish companies have it."""
        with self._lock:
            self.sie = enabled

    def resize_attachment(self, number: int, size: int) -> None:
        """Give an attachment's file another length."""
        with self._lock:
            self.books.files.resize(number, size)

    def set_payroll(self, *, enabled: bool) -> None:
        """Take the payroll into use or out of it."""
        with self._lock:
            self.payroll = enabled

    def set_discussion(self, *, enabled: bool) -> None:
        """Switch the discussion of invoices on or off."""
        with self._lock:
            self.discussion = enabled

    def revoke_key(self, *, tokens: bool = False) -> None:
        """Revoke the key; tokens live on until they expire unless they are ended too."""
        with self._lock:
            self._keyring.revoke(self.api_key, self.id, tokens=tokens)

    def replace_key(self) -> str:
        """Revoke the key and return another."""
        with self._lock:
            self.revoke_key()
            self.api_key = self._keyring.new_key(self.id)
            return self.api_key

    def _owned(self, resource: Resource) -> Iterator[Document]:
        for owner in self.collection(resource.owners):
            documents = register_of(self, resource, owner)
            for row in documents:
                yield {resource.owner_id: owner.id, **documents.document(row)}

    def _set_periods(self, start: str, end: str, status: str) -> int:
        with self._lock:
            now = self._clock.local_seconds()
            return self.books.fiscal_years.set_status(start, end, status, now)
