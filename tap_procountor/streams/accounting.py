"""Bookkeeping: fiscal years, accounts, ledger receipts, dimensions."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_procountor.census import Census, Seen
from tap_procountor.kinds.full_table import SingleCallStream
from tap_procountor.kinds.incremental import DocumentStream
from tap_procountor.kinds.rows import RowStream
from tap_procountor.kinds.unpaged import UnpagedIncrementalStream
from tap_procountor.periods import Ledger
from tap_procountor.reading.batches import Batch
from tap_procountor.reading.detailed import DocumentList
from tap_procountor.reading.keyset import KeysetList
from tap_procountor.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.structs import number
from tap_procountor.times import format_utc
from tap_procountor.verdicts import Access

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_procountor.companies import Company
    from tap_procountor.convert import Record
    from tap_procountor.kinds.read import ReadStream
    from tap_procountor.periods import Region
    from tap_procountor.reading.batches import Row


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
    schema = RecordSchema("TrackingPeriod", added={"fiscal_year_id": INTEGER})


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
        return self._tap.checks_deletions(of_all_streams=False)

    def region_of(self, company: Company, row: Row) -> str:
        """Return the tracking period of a receipt."""
        return self._ledger(company).key_of(row.receipt_date)

    def take_census(
        self, company: Company, before: Census, emitted: Seen, everything: Seen | None
    ) -> Iterator[Batch]:
        """Read the receipts that may have changed unnoticed again, and compare the ids."""
        if self.config.get("end_date"):
            return
        ledger = self._ledger(company)
        seen = everything or Seen()
        if everything:
            # All that is in the target is compared, region by region.
            emitted.add(everything)
        visits = [
            (region, self._visit(region, before) if everything is None else Visit.READ)
            for region in ledger.regions
        ]
        for visit, group in groupby(visits, key=itemgetter(1)):
            span = [region for region, _ in group]
            yield from self._look(company, visit, span[0].first, span[-1].last, seen)
        visited = {region.key for region, visit in visits if visit is not Visit.SKIP}
        yield self._compared(company, before, emitted, visited, seen)

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
        if is_unknown or self._tap.checks_deletions(of_all_streams=True):
            return Visit.LIST
        return Visit.SKIP

    def _look(
        self, company: Company, visit: Visit, first: str | None, last: str | None, seen: Seen
    ) -> Iterator[Batch]:
        """Read or list the receipts of a span of days, and note their ids."""
        # With the upper bound, receipts only leave the list while it is read.
        filters = {"versionEndDate": self._tap.api_clock.upper_bound(company.opened)}
        if wanted_from := self._tap.moment("start_date"):
            filters["versionStartDate"] = self._tap.api_clock.lower_bound(wanted_from)
        filters |= {"startDate": first} if first else {}
        filters |= {"endDate": last} if last else {}
        batches: Iterable[Batch] = ()
        if visit is Visit.SWEEP:
            batches = DocumentList(company, self.path, filters).batches()
        elif visit is Visit.LIST:
            pages = KeysetList(company, self.path, filters).pages()
            batches = (Batch((), page.listed) for page in pages)
        for batch in batches:
            for row in batch.listed:
                seen[self.region_of(company, row)].append(row.id)
            if visit is Visit.SWEEP:
                yield batch

    def _compared(
        self, company: Company, before: Census, emitted: Seen, visited: set[str], seen: Seen
    ) -> Batch:
        """Compare the ids of the regions looked at with those that the target has."""
        keys = {region.key for region in self._ledger(company).regions}
        is_open = {region.key for region in self._ledger(company).regions if not region.is_closed}
        census = Census(open=sorted(is_open), taken=format_utc(company.agreed))
        if not self.keeps_ids:
            return Batch([], census=census)
        # A period that is no more has its receipts elsewhere now.
        compared = visited | (before.packed.keys() - keys)
        known = 0
        missing: set[int] = set()
        for key in keys | compared:
            # One period at a time: all ids at once would take much memory.
            ids = {*before.ids(key), *emitted[key]}
            known += len(ids)
            if key in compared:
                missing |= ids.difference(seen[key])
        for ids_elsewhere in seen.values():
            missing.difference_update(ids_elsewhere)
        gone = self.confirmed_gone(company, missing, known)
        for key in keys:
            ids = {*before.ids(key), *emitted[key]}
            census.replace(
                key, set(seen[key]) | (ids & (missing - gone)) if key in compared else ids
            )
        return Batch([], deleted=sorted(gone), census=census)

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
        for transaction in record.get("transactions") or ():
            inherited["ledger_transaction_id"] = transaction.get("id")
            rows: dict[Any, dict[str, Any]] = {}
            for item in transaction.get(self.field) or ():
                inherited["dimension_item_id"] = item.get("item_id")
                row = self.row(inherited, item)
                same = rows.setdefault((row["dimension_id"], row["dimension_item_id"]), row)
                if same is not row:
                    # A table has one row per item: without the sum one amount would be lost.
                    same["value"] = number(same.get("value")) + number(row.get("value"))
            yield from rows.values()
