"""The ledger that a run has read beside Procountor's own report; the rules: ``reconciliation``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from tap_procountor.api.clock import format_utc
from tap_procountor.errors import ForbiddenError, IncompleteError
from tap_procountor.permissions.access import Verdict
from tap_procountor.readers.batch import Batch
from tap_procountor.reconciliation.comparison import (
    Period,
    Report,
    better_reading,
    compare,
    conclusion,
    out_of_balance,
)
from tap_procountor.reconciliation.rules import DEFAULT
from tap_procountor.records.schema import DATE, DATE_TIME, INTEGER, NUMBER, STRING, RecordSchema
from tap_procountor.streams.base.periods import Span
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.reports import ReportLedgerAccounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_procountor.api.company import Company
    from tap_procountor.reconciliation.rules import Rules
    from tap_procountor.reconciliation.tally import Tally
    from tap_procountor.streams.accounting import LedgerReceipts
    from tap_procountor.streams.base.context import RunContext
    from tap_procountor.streams.base.periods import Region


class Books(NamedTuple):
    """A company's periods, compared, and the reading of the rules by which all would tie out."""

    periods: list[Period]
    other: Rules | None

    @property
    def tie_out(self) -> bool:
        """Whether nothing differs; what cannot be compared is no difference."""
        return not any(period.differing for period in self.periods)


def hidden_receipts(run: RunContext, company: Company) -> str | None:
    """Return why receipts of a company are or may be hidden from its user."""
    access = cast("LedgerReceipts", run.streams["ledger_receipts"]).access
    finding = access.judge(run.rights_of(company), is_empty=False)
    return None if finding.verdict is Verdict.READABLE else finding.advice


def compare_books(
    run: RunContext,
    company: Company,
    regions: Sequence[Region],
    tally: Tally,
    read: Callable[[list[Region]], None],
) -> Books:
    """Compare a tally with Procountor's report.

    Args:
        run: The run.
        company: The company.
        regions: The tracking periods that the tally has as a whole.
        tally: The sums of the receipts.
        read: Reads periods into the tally once it has forgotten them: an edit between the reading
            and the report is no difference.

    Raises:
        ProcountorError: If the report does not come, although the user may read it.
    """
    report = cast("ReportLedgerAccounts", run.streams[ReportLedgerAccounts.name])

    def ask(of: Sequence[Region]) -> dict[Region, Report]:
        answers = company.threads.map(lambda one: report.totals(company, _days(one)), of)
        return dict(zip(of, answers, strict=True))

    if reason := hidden_receipts(run, company):
        return _incomparable(regions, reason)
    try:
        reports = ask(regions)
    except ForbiddenError as refusal:
        finding = report.access.refused(run.rights_of(company), str(refusal))
        return _incomparable(regions, finding.advice)
    if differing := [
        region
        for region, report_of_region in reports.items()
        if compare(tally, _days(region), report_of_region).differing
    ]:
        # What is listed in one period may say that it belongs to another: all are forgotten first.
        for region in differing:
            tally.forget(region.key)
        read(differing)
        reports |= ask(differing)
    periods = [compare(tally, _days(region), one) for region, one in reports.items()]
    return Books(
        periods, better_reading(tally, {region.key: one for region, one in reports.items()})
    )


class Reconciliation(ReadStream):
    """The ledger receipts of the run beside Procountor's own report, by period and account."""

    name = "reconciliation"
    path = ReportLedgerAccounts.path
    primary_keys = ("company_id", "start_date", "end_date", "ledger_account_code")
    # What is compared has been written before.
    reads_ahead = False
    schema = RecordSchema(
        added={
            "start_date": DATE,
            "end_date": DATE,
            "ledger_account_code": STRING,
            "ledger_sum": NUMBER,
            "report_sum": NUMBER,
            "difference": NUMBER,
            "receipts": INTEGER,
            "verdict": STRING,
            "rules": STRING,
            "compared_at": DATE_TIME,
        }
    )

    def is_empty(self, company: Company) -> bool:  # noqa: ARG002
        """Ask for nothing: that the report is refused is no failure."""
        return False

    def read(self, company: Company) -> Iterator[Batch]:
        """Compare the periods that this run has read as a whole."""
        receipts = cast("LedgerReceipts", self.run.streams["ledger_receipts"])
        regions, tally = receipts.read_as_a_whole[company.id], receipts.tally(company)
        name = f"Company {company.id}"
        if reason := self._obstacle(company, receipts, regions):
            self._conclude(company, [f"{name}: the books are not comparable: {reason}."], tally)
            return
        books = compare_books(
            self.run, company, regions, tally, partial(receipts.write_again, company)
        )
        compared_at = format_utc(company.opened)
        rows = [row for period in books.periods for row in _rows(period)]
        yield Batch([row | {"compared_at": compared_at} for row in rows])
        count = sum(bool(region.key) for region in receipts.ledger(company).regions)
        sentences = [*conclusion(name, books.periods, books.other, count)]
        self._conclude(company, sentences, tally, tie_out=books.tie_out)

    def _obstacle(
        self, company: Company, receipts: LedgerReceipts, regions: Sequence[Region]
    ) -> str | None:
        """Return why the run has not all that counts of any period."""
        tables = [receipts, *(rows for rows in receipts.row_streams if rows.selected)]
        if not regions:
            return "no tracking period was read as a whole"
        if self.config.get("start_date"):
            return "start_date leaves receipts out"
        if any(self.run.report.outcome(table.name, company.id).rejected for table in tables):
            return "receipts or rows of them were rejected"
        return None

    def _conclude(
        self, company: Company, sentences: list[str], tally: Tally, *, tie_out: bool = True
    ) -> None:
        """Keep what the comparison says for the end of the run, and fail if it has to."""
        unbalanced = [*out_of_balance(f"Company {company.id}", tally)]
        self.run.report.conclude(sentences, is_sound=tie_out)
        self.run.report.conclude(unbalanced, is_sound=False)
        faults = [
            *([] if tie_out or self.config["reconcile"] != "strict" else sentences),
            *unbalanced,
        ]
        if faults:
            self.run.report.outcome(self.name, company.id).fail(IncompleteError(" ".join(faults)))


def _rows(period: Period) -> Iterator[dict[str, object]]:
    for line in period.lines:
        yield {
            "start_date": period.first,
            "end_date": period.last,
            "ledger_account_code": line.account,
            "ledger_sum": line.ledger,
            "report_sum": line.report,
            "difference": line.difference,
            "receipts": line.receipts,
            "verdict": line.verdict,
            "rules": str(DEFAULT),
        }


def _incomparable(regions: Sequence[Region], reason: str | None) -> Books:
    return Books([Period(*_days(region), reason=reason) for region in regions], None)


def _days(region: Region) -> Span:
    return Span(str(region.first), str(region.last))
