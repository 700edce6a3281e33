"""The bank: the company's accounts, their statements, reference payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import DetailEach
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.numbered import Numbered
from tap_procountor.records.converter import as_fields
from tap_procountor.records.schema import DATE, INTEGER, RecordSchema
from tap_procountor.records.structs import Fields
from tap_procountor.streams.base.dated import DatedStream
from tap_procountor.streams.base.full_table import FullListStream
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.stream import ProcountorStream

_BANK = Access(any_of=("payments.bankStatementAndReferencePayment",))

#: Where an event holds those inside it, one or several: the specification's text names the first,
#: its model neither, and a client in production reads the second.
_INNER_EVENTS = ("event", "events")


def with_parents(
    events: Iterable[Any], parent: int | None = None
) -> Iterator[tuple[int | None, Any]]:
    """Yield events and those inside them, each with the id of the one that it is in, and alone.

    What is no object is yielded as it is.
    """
    for event in events:
        if not isinstance(event, dict | Fields):
            yield parent, event
            continue
        alone = as_fields(event)
        inner = [alone.pop(name, None) or [] for name in _INNER_EVENTS]
        yield parent, alone
        for inside in inner:
            several = inside if isinstance(inside, list) else [inside]
            yield from with_parents(several, event.get("id"))


class BankAccounts(FullListStream):
    """The company's bank accounts, active and inactive."""

    name = "bank_accounts"
    lister = Numbered("/bankaccounts", {"orderById": "ASC"})
    completer = DetailEach()
    access = Access(any_of=("management.basicCompanyInfo",))
    schema = RecordSchema("CompanyBankAccountBasicInfo", "CompanyBankAccount")


class BankStatements(DatedStream):
    """Bank statements with their events."""

    name = "bank_statements"
    lister = Keyset("/bankstatements")
    replication_key = "start_date"
    access = _BANK
    schema = RecordSchema("BankStatement")


class BankStatementEvents(RowStream):
    """Events on bank statements; an event inside a bulk payment names it as its parent."""

    name = "bank_statement_events"
    owners = (BankStatements,)
    field = "events"
    owner_fields = {"bank_statement_id": "id", "statement_start_date": "start_date"}
    primary_keys = ("company_id", "bank_statement_id", "id")
    replication_key = "statement_start_date"
    schema = RecordSchema(
        "BankStatementEvent",
        added={
            "bank_statement_id": INTEGER,
            "statement_start_date": DATE,
            "parent_event_id": INTEGER,
        },
    )

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield the events of a statement, each before those inside it."""
        inherited = self.inherited(record)
        for parent, event in with_parents(record.get(self.field) or ()):
            yield from self.made(inherited | {"parent_event_id": parent}, event)


class ReferencePayments(DatedStream):
    """Incoming payments by reference number, and what they were allocated to."""

    name = "reference_payments"
    lister = Keyset("/referencepayments")
    replication_key = "value_date"
    access = _BANK
    schema = RecordSchema("ReferencePayment")
