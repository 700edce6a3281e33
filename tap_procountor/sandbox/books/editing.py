"""What people do to the books, with the consequences that Procountor gives it."""

from __future__ import annotations

from datetime import date as date_type
from typing import TYPE_CHECKING, Any

from .invoices import InvoiceRow
from .journals import JournalRow
from .receipts import ReceiptRow
from .times import SECONDS_PER_DAY, date_text, to_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from .books import Books
    from .collection import Collection, Document

_TERM_DAYS = 14


class ClosedPeriodError(Exception):
    """The document lies in a closed tracking period, where nothing changes."""


class Bookkeeper:
    """Changes a company's books."""

    def __init__(self, books: Books, now: Callable[[], int]) -> None:
        self._books = books
        self._now = now

    def edit(self, rows: Collection[Any], number: int, changes: Document | None = None) -> None:
        """Change a document's content and version; ``changes`` are laid over its fields.

        An edited invoice or receipt loses its ledger receipt, and gets another with a new id.
        """
        row = rows.row(number)
        if isinstance(row, ReceiptRow):
            self._edit_receipt(row, changes)
            return
        if isinstance(row, JournalRow) and row.receipt:
            self._edit_receipt(self._books.receipts.rows.row(row.receipt), None)
            row = rows.row(number)
        row = row._replace(revision=row.revision + 1)
        if "version" in row._fields:
            row = row._replace(version=self._now())
        if isinstance(row, InvoiceRow):
            self._refuse_if_closed(row.date)
            row = self._with_new_receipt(row)
        rows.update(row, changes)

    def edit_dimensions(self, receipt: int) -> None:
        """Move a receipt's amounts to other dimension items, which changes no version."""
        rows = self._books.receipts.rows
        row = rows.row(receipt)
        self._refuse_if_closed(row.date)
        rows.update(row._replace(revision=row.revision + 1))

    def invalidate(self, number: int) -> None:
        """Invalidate an invoice or a journal: it stays, its receipt is deleted."""
        rows: Collection[Any] = self._books.invoices.rows
        if rows.position(number) is None:
            rows = self._books.journals.rows
        row = rows.row(number)
        self._refuse_if_closed(row.date)
        self._remove_receipt(row)
        rows.update(row._replace(status="INVALIDATED", version=self._now(), receipt=0))

    def delete(self, rows: Collection[Any], number: int) -> None:
        """Delete a document for good, an invoice or a journal together with its receipt."""
        row = rows.row(number)
        if isinstance(row, InvoiceRow | JournalRow | ReceiptRow):
            self._refuse_if_closed(row.date)
        if isinstance(row, InvoiceRow | JournalRow):
            self._remove_receipt(row)
        if isinstance(row, ReceiptRow):
            self._unlink(row)
        rows.remove(number)

    @staticmethod
    def create_dated(rows: Collection[Any], date: str) -> int:
        """Create a document of a register that has dates but no versions; return its id."""
        last = rows.row_at(len(rows) - 1)
        row = last._replace(id=rows.next_id, date=to_days(date_type.fromisoformat(date)))
        rows.append(row)
        return int(row.id)

    def create_invoice(self, kind: str = "SALES_INVOICE") -> int:
        """Create an invoice of today with its receipt; return its id."""
        books = self._books
        rows = books.invoices.rows
        example = next((row for row in rows if row.type == kind), None)
        if example is None:
            message = f"there is no {kind} to make another of"
            raise LookupError(message)
        now = self._now()
        day = now // SECONDS_PER_DAY
        self._refuse_if_closed(day)
        books.last_document_id += 1
        row = example._replace(
            id=books.last_document_id,
            status="UNFINISHED",
            date=day,
            due=day + _TERM_DAYS,
            created=now,
            version=now,
            receipt=0,
            number=rows.row(rows.ids[-1]).number + 1,
        )
        rows.append(self._with_new_receipt(row))
        return row.id

    def _edit_receipt(self, row: ReceiptRow, changes: Document | None) -> None:
        rows = self._books.receipts.rows
        if row.document and row.type != "JOURNAL":
            self.edit(self._books.invoices.rows, row.document)
            return
        self._refuse_if_closed(row.date)
        now = self._now()
        rows.remove(row.id)
        row = row._replace(id=rows.next_id, created=now, version=now)
        rows.append(row)
        rows.update(row, changes)
        if row.type == "JOURNAL":
            journals = self._books.journals.rows
            journal = journals.row(row.document)
            journals.update(journal._replace(receipt=row.id, version=now))

    def _with_new_receipt(self, row: InvoiceRow) -> InvoiceRow:
        self._remove_receipt(row)
        if not row.has_receipt:
            return row._replace(receipt=0)
        rows = self._books.receipts.rows
        receipt = ReceiptRow(
            id=rows.next_id,
            revision=0,
            type=row.type,
            status=row.status,
            document=row.id,
            date=row.date,
            created=row.version,
            version=row.version,
            number=len(rows) + 1,
        )
        rows.append(receipt)
        return row._replace(receipt=receipt.id)

    def _remove_receipt(self, row: InvoiceRow | JournalRow) -> None:
        if row.receipt:
            self._books.receipts.rows.remove(row.receipt)

    def _unlink(self, row: ReceiptRow) -> None:
        if row.type == "JOURNAL":
            journals = self._books.journals.rows
            journals.update(journals.row(row.document)._replace(receipt=0))
        elif row.document:
            invoices = self._books.invoices.rows
            invoices.update(invoices.row(row.document)._replace(receipt=0))

    def _refuse_if_closed(self, day: int) -> None:
        if self._books.fiscal_years.is_closed(date_text(day)):
            raise ClosedPeriodError(date_text(day))
