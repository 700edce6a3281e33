"""Bookkeeping: fiscal years, accounts, ledger receipts, dimensions."""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import cached_property, partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_procountor.census import Census, Comparison, Seen, ascending, difference
from tap_procountor.kinds.full_table import SingleCallStream
from tap_procountor.kinds.incremental import DocumentStream
from tap_procountor.kinds.rows import RowStream
from tap_procountor.kinds.unpaged import UnpagedIncrementalStream
from tap_procountor.periods import Ledger
from tap_procountor.reading.batches import Batch
from tap_procountor.reading.detailed import DocumentList
from tap_procountor.reading.keyset import KeysetList
from tap_procountor.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.structs import total
from tap_procountor.times import format_exactly, format_utc
from tap_procountor.verdicts import Access, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msgspec import Raw

    from tap_procountor.census import Key
    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.convert import Record
    from tap_procountor.kinds.read import ReadStream
    from tap_procountor.periods import Region
    from tap_procountor.reading.batches import Row
    from tap_procountor.windows import Window


class FiscalYears(SingleCallStream):
    """Fiscal years with their tracking periods, which tell what is closed."""

    name = "fiscal_years"
    path = "/fiscalyears"
    records_field = "fiscalYears"
    access = Access(is_never_empty=True)
    schema = RecordSchema("FiscalYear")


class TrackingPeriods(RowStream):
    """Tracking periods of the fiscal years: nothing changes in those that are closed."""

    name = "tracking_periods"
    owners = (FiscalYears,)
    field = "tracking_periods"
    owner_fields = {"fiscal_year_id": "id"}
    primary_keys = ("company_id", "fiscal_year_id", "id")
    schema = RecordSchema(
        "TrackingPeriod", added={"fiscal_year_id": INTEGER, "swept_at": DATE_TIME}
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the periods, each with the time since which its receipts have all been read."""
        receipts = self._tap.streams[LedgerReceipts.name]
        state = receipts.get_context_state({"company_id": record["company_id"]})
        swept = Census.from_state(state).swept
        for row in super().rows(owner, record):
            yield row | {"swept_at": swept.get(str(row.get("start_date")))}


class ChartOfAccounts(SingleCallStream):
    """Ledger accounts; they have no id but their code."""

    name = "chart_of_accounts"
    path = "/coa"
    records_field = "ledgerAccounts"
    primary_keys = ("company_id", "ledger_account_code")
    access = Access(any_of=("management.chartOfAccountsAndDefaultReports",), is_never_empty=True)
    schema = RecordSchema("LedgerAccount")


class Dimensions(SingleCallStream):
    """Dimensions (cost centres, projects …) with their items."""

    name = "dimensions"
    path = "/dimensions"
    access = Access(any_of=("management.basicAccountingInfo",))
    schema = RecordSchema("Dimension")


class DimensionItems(RowStream):
    """Items of all dimensions; an item without status is active, ``P`` is passive."""

    name = "dimension_items"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id"}
    primary_keys = ("company_id", "dimension_id", "id")
    schema = RecordSchema("DimensionItem", added={"dimension_id": INTEGER})


class Projects(RowStream):
    """Projects: Procountor has none but the items of a dimension that is named so."""

    name = "projects"
    owners = (Dimensions,)
    field = "items"
    owner_fields = {"dimension_id": "id", "dimension_name": "name"}
    schema = RecordSchema(
        "DimensionItem", added={"dimension_id": INTEGER, "dimension_name": STRING}
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the items of the dimensions that hold projects."""
        if record.get("name") in self.config["project_dimensions"]:
            yield from super().rows(owner, record)


#: How often the open ledger is listed again while receipts are created and deleted in it.
_MOST_LISTINGS = 3


class Visit(Enum):
    """How the receipts of a span of days are looked at beside their ``version``."""

    SKIP = auto()
    """Not at all: nothing can have changed."""
    LIST = auto()
    """By their ids, to know which there are."""
    SWEEP = auto()
    """As a whole."""
    READ = auto()
    """Not again: this run has just read them."""


class _Sweep:
    """What a run finds in the regions of the ledger, beside what the target has of them.

    Args:
        before: The census of the last run that came so far.
        emitted: The ids written since then, also by runs that were stopped.
        visits: How each region is looked at.
        everything: The ids that this run has read, if that was all there is.

    Attributes:
        before: As above.
        seen: The ids that exist now, in the regions looked at.
        swept: When the reading of a region began that has read it as a whole.
        keys: The regions there are.
        has_new: Whether receipts were created while the regions were read.
    """

    def __init__(
        self,
        before: Census,
        emitted: Seen,
        visits: list[tuple[Region, Visit]],
        everything: Seen | None,
    ) -> None:
        self.before = before
        self._emitted = emitted
        self._visits = visits
        self._targets: dict[str, array[int]] = {}
        self.has_new = False
        self.seen = everything or Seen()
        self.swept: dict[str, str] = {}
        self.keys = {region.key for region, _ in visits}
        if everything:
            # All that is in the target is compared, region by region.
            emitted.add(everything)

    @property
    def spans(self) -> Iterator[tuple[Visit, list[Region]]]:
        """Neighbouring regions that are looked at in the same way: each span is one list."""
        for visit, group in groupby(self._visits, key=itemgetter(1)):
            yield visit, [region for region, _ in group]

    def note(self, span: list[Region], began: str) -> None:
        """Note that all receipts of a span have been read since a moment."""
        self.swept |= {region.key: began for region in span}

    def add(self, written: Seen) -> None:
        """Note ids that the target did not have."""
        self.has_new = True
        self._emitted.add(written)
        self._targets.clear()

    def listed_again(self, ids: set[int]) -> set[int]:
        """Forget what the regions read as a whole no longer have; return the ids not read yet."""
        unread = ids.copy()
        for key in {region.key for region, visit in self._visits if visit is Visit.SWEEP}:
            unread.difference_update(self.seen[key])
            self.seen[key] = array("q", (number for number in self.seen[key] if number in ids))
        return unread

    def unread(self, span: list[Region]) -> set[int]:
        """Return the ids of a span that the target should have, but has not."""
        return {
            number
            for region in span
            if region.key in self.before.packed
            for number in set(self.seen[region.key]).difference(self._in_target(region.key))
        }

    def known(self, span: list[Region]) -> array[int]:
        """Return the ids that the target has in a span, in ascending order."""
        return ascending(*(self._in_target(region.key) for region in span))

    @property
    def last_id(self) -> int:
        """The highest id that was found."""
        return max((max(ids, default=0) for ids in self.seen.values()), default=0)

    @property
    def compared(self) -> int:
        """How many ids of the target are compared."""
        return sum(len(self._in_target(region)) for region in self._compared)

    def missing(self) -> set[int]:
        """Return the ids that the target has and the regions looked at lack."""
        missing: set[int] = set()
        for region in self._compared:
            # One region at a time: all ids at once would take much memory.
            missing |= set(self._in_target(region)).difference(self.seen[region])
        for elsewhere in self.seen.values():
            missing.difference_update(elsewhere)
        return missing

    def ids_after(self, region: str, kept: set[int]) -> set[int]:
        """Return the ids that the target has of a region now, those kept among them."""
        in_target = set(self._in_target(region))
        return (
            set(self.seen[region]) | (in_target & kept) if region in self._compared else in_target
        )

    def uncertain(self, kept: set[int]) -> set[str]:
        """Return the regions that lack an id which exists all the same."""
        return {key for key in self.keys if not kept.isdisjoint(self._in_target(key))}

    @cached_property
    def _compared(self) -> set[str]:
        visited = {region.key for region, visit in self._visits if visit is not Visit.SKIP}
        # A period that is no more has its receipts elsewhere now.
        return visited | (self.before.packed.keys() - self.keys)

    def _in_target(self, region: str) -> array[int]:
        if region not in self._targets:
            self._targets[region] = ascending(self.before.ids(region), self._emitted[region])
        return self._targets[region]


def _not_in(known: array[int], rows: Sequence[Row]) -> list[Row]:
    """Return the rows, in ascending order of ids, whose ids are not known."""
    new = difference(array("q", [row.id for row in rows]), known)
    return [row for row in rows if row.id in new]


class LedgerReceipts(DocumentStream):
    """Ledger receipts with their transactions: all of the bookkeeping, receipt by receipt."""

    name = "ledger_receipts"
    path = "/ledgerreceipts"
    access = Access(
        any_of=("accounting.journalReceiptSearch",),
        parts={
            "salaries.payroll": "receipts of salaries, without which the ledger does not balance,"
        },
        # Inferred: whether a receipt needs the right to its document as well is nowhere said.
        doubts={
            "sales.salesInvoiceSearch": "receipts of sales invoices",
            "purchases.purchaseInvoiceSearch": "receipts of purchase invoices",
            "travelAndExpenses.travelAndExpenseInvoiceSearch": (
                "receipts of travel and expense invoices"
            ),
            "payments.bankStatementAndReferencePayment": (
                "receipts of bank statements and reference payments"
            ),
        },
        limits=(
            "accounting.personalJournalReceiptsOnly",
            "sales.personalSalesInvoicesOnly",
            "purchases.personalPurchaseInvoicesOnly",
            "travelAndExpenses.personalTravelAndExpenseInvoiceOnly",
            "salaries.personalSalariesOnly",
            "user.limitedDimensions",
        ),
    )
    schema = RecordSchema("LedgerReceiptBasicInfo", "LedgerReceipt")

    @property
    def keeps_ids(self) -> bool:
        """Whether the state keeps the ids; receipts are deleted by every edit of a document."""
        return self._tap.keeps_ids(of_all_streams=False)

    def region_of(self, company: Company, row: Row) -> str:
        """Return the tracking period of a receipt."""
        return self._ledger(company).key_of(row.receipt_date)

    def take_census(
        self,
        company: Company,
        before: Census,
        emitted: Seen,
        everything: Seen | None,
        window: Window,
    ) -> Iterator[Batch]:
        """Read the receipts that may have changed unnoticed again, and compare the ids."""
        ledger = self._ledger(company)
        visits = [
            (region, self._visit(region, before) if everything is None else Visit.READ)
            for region in ledger.regions
        ]
        sweep = _Sweep(before, emitted, visits, everything)
        for visit, span in sweep.spans:
            began = format_exactly(datetime.now(UTC))
            yield from self._look(company, visit, span, sweep)
            if visit is Visit.SWEEP:
                sweep.note(span, began)
            elif window.begun and visit is not Visit.SKIP:
                # A load that was stopped and has gone on: nothing in the period is older.
                sweep.note(span, window.begun)
        if self.keeps_ids:
            yield from self._settle(company, sweep)
        yield Batch([], comparison=self._comparison(company, sweep))

    def _visit(self, region: Region, before: Census) -> Visit:
        """Decide how a region is looked at."""
        if not region.is_closed or region.key in before.open:
            return Visit.SWEEP
        if before.taken and region.modified:
            lookback = timedelta(seconds=self.config["lookback"])
            since = datetime.fromisoformat(before.taken) - lookback
            if self._tap.api_clock.parse(region.modified) >= since:
                return Visit.SWEEP
        is_unknown = self.keeps_ids and region.key not in before.packed
        if is_unknown or self._tap.keeps_ids(of_all_streams=True):
            return Visit.LIST
        return Visit.SKIP

    def _look(
        self, company: Company, visit: Visit, span: list[Region], sweep: _Sweep
    ) -> Iterator[Batch]:
        """Read or list the receipts of a span of days, and note their ids.

        Without an upper bound: a document that is edited meanwhile has another receipt, which comes
        at the end of the list.
        """
        filters = self._filters(span)
        if visit is Visit.SWEEP:
            known = sweep.known(span)

            def announce(rows: Sequence[Row]) -> None:
                self._announce(company, _not_in(known, rows))

            batches = DocumentList(company, self.path, filters).batches(on_page=announce)
            yield from self._swept(company, batches, sweep, known)
        elif visit is Visit.LIST:
            for page in KeysetList(company, self.path, filters).pages():
                self._note(company, page.listed, sweep.seen)
            yield from self._read_unknown(company, sweep.unread(span))

    def _filters(self, span: list[Region]) -> Params:
        """Return the list's filters for a span of days; for all days if it is empty."""
        filters: Params = {}
        if wanted_from := self._tap.moment("start_date"):
            filters["versionStartDate"] = self._tap.api_clock.lower_bound(wanted_from)
        filters |= {"startDate": span[0].first} if span and span[0].first else {}
        return filters | ({"endDate": span[-1].last} if span and span[-1].last else {})

    def _swept(
        self, company: Company, batches: Iterator[Batch], sweep: _Sweep, known: array[int]
    ) -> Iterator[Batch]:
        """Note the ids of what has come, and those that the target has not had."""
        for batch in batches:
            gone = {*batch.vanished}
            self._note(company, [row for row in batch.listed if row.id not in gone], sweep.seen)
            new = _not_in(known, batch.listed)
            if new:
                written = Seen()
                self._note(company, new, written)
                sweep.add(written)
            yield batch._replace(listed=new)

    def _settle(self, company: Company, sweep: _Sweep) -> Iterator[Batch]:
        """Read what was created while the ledger was read, and forget what it has replaced.

        A document that is edited then has two receipts: the old one at its place in the list, read
        before the edit, and the new one at the end, which the list may have come without.
        """
        if not (sweep.has_new or (sweep.missing() and self._has_more(company, sweep))):
            return
        for _ in range(_MOST_LISTINGS):
            listed = {
                number
                for visit, span in sweep.spans
                if visit is Visit.SWEEP
                for page in KeysetList(company, self.path, self._filters(span)).pages()
                for number in page.ids
            }
            unread = sweep.listed_again(listed)
            if not unread:
                return
            documents = DocumentList(company, self.path, {})
            batches = documents.again(sorted(unread), partial(self._announce, company))
            yield from self._swept(company, batches, sweep, array("q"))
        self.logger.warning(
            "Company %d: receipts change while they are read; the next run reads them again.",
            company.id,
        )
        sweep.swept.clear()

    def _has_more(self, company: Company, sweep: _Sweep) -> bool:
        """Tell whether a receipt was created after the ends of the lists had come."""
        end = KeysetList(company, self.path, self._filters([]))
        # How many rows come before an id is not known, and need not be.
        return any(end.pages(sweep.last_id, sys.maxsize))

    def _comparison(self, company: Company, sweep: _Sweep) -> Comparison:
        """Compare the ids of the regions looked at with those that the target has."""
        ledger = self._ledger(company)
        missing = sweep.missing() if self.keeps_ids else set()
        outcome = self._tap.report.outcome(self.name, company.id)
        # Otherwise not all of a period has been read.
        rights = self._tap.rights_of(company)
        is_whole = self.access.judge(rights, is_empty=False).verdict is Verdict.READABLE
        is_whole = is_whole and self.keeps_ids and not self.config.get("start_date")

        def census(gone: set[int]) -> Census:
            uncertain = sweep.uncertain(missing - gone)
            if uncertain:
                self.logger.warning(
                    "Company %d: %d receipts are missing from the list although they exist.",
                    company.id,
                    len(missing - gone),
                )
            # A receipt that was rejected is in the target as an earlier run has read it.
            swept = sweep.swept if is_whole and not outcome.rejected else {}
            moments = sweep.before.swept | {
                key: moment for key, moment in swept.items() if key not in uncertain
            }
            taken = Census(
                open=ledger.open_periods,
                taken=format_utc(company.agreed),
                swept={key: moments[key] for key in sorted(sweep.keys & moments.keys()) if key},
            )
            for region in sweep.keys if self.keeps_ids else ():
                taken.replace(region, sweep.ids_after(region, missing - gone))
            return taken

        return Comparison(missing, sweep.compared if missing else 0, census)

    def _ledger(self, company: Company) -> Ledger:
        if company.id not in self._ledgers:
            self._ledgers[company.id] = Ledger(company.get("/fiscalyears"))
        return self._ledgers[company.id]

    @cached_property
    def _ledgers(self) -> dict[int, Ledger]:
        return {}


class Journals(UnpagedIncrementalStream):
    """Journals as documents: those that are unfinished or invalidated, too."""

    name = "journals"
    path = "/journals"
    access = Access(
        any_of=("accounting.journalReceiptSearch",),
        limits=("accounting.personalJournalReceiptsOnly",),
    )
    schema = RecordSchema("Journal")


class LedgerTransactions(RowStream):
    """Transactions (entries) of the ledger receipts; those of a receipt sum to zero."""

    name = "ledger_transactions"
    owners = (LedgerReceipts,)
    field = "transactions"
    owner_fields = {"ledger_receipt_id": "id", "version": "version"}
    primary_keys = ("company_id", "ledger_receipt_id", "id")
    replication_key = "version"
    schema = RecordSchema("Transaction", added={"ledger_receipt_id": INTEGER, "version": DATE_TIME})


class LedgerTransactionDimensions(RowStream):
    """What part of a transaction belongs to which dimension item."""

    name = "ledger_transaction_dimensions"
    owners = (LedgerReceipts,)
    field = "dimension_item_values"
    owner_fields = {"ledger_receipt_id": "id", "version": "version"}
    primary_keys = (
        "company_id",
        "ledger_receipt_id",
        "ledger_transaction_id",
        "dimension_id",
        "dimension_item_id",
    )
    replication_key = "version"
    schema = RecordSchema(
        "DimensionItemValue",
        added={
            "ledger_receipt_id": INTEGER,
            "ledger_transaction_id": INTEGER,
            "dimension_item_id": INTEGER,
            "version": DATE_TIME,
        },
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield the dimension items of each transaction of a receipt."""
        inherited = self.inherited(record)
        for transaction in filter(None, record.get("transactions") or ()):
            inherited["ledger_transaction_id"] = transaction.get("id")
            rows: dict[Key, dict[str, Any]] = {}
            amounts: defaultdict[Key, list[Raw | None]] = defaultdict(list)
            for item in transaction.get(self.field) or ():
                inherited["dimension_item_id"] = item and item.get("item_id")
                for row in self.made(inherited, item):
                    key = (row.get("dimension_id"), row["dimension_item_id"])
                    if None in key:
                        yield row
                        continue
                    rows.setdefault(key, row)
                    amounts[key].append(row.get("value"))
            for key, row in rows.items():
                if len(amounts[key]) > 1:
                    # A table has one row per item: without the sum, amounts would be lost.
                    row["value"] = total(amounts[key])
                yield row
