"""``--reconcile``: compare the ledger of a fiscal year with Procountor's own report.

Nothing is written but a table for people. What counts stands in ``reconciliation.rules``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tap_procountor.errors import (
    ConfigurationError,
    ForbiddenError,
    IncompleteError,
    ProcountorError,
)
from tap_procountor.output.messages import say
from tap_procountor.permissions.access import Verdict as Access
from tap_procountor.reconciliation.comparison import (
    Period,
    Report,
    better_reading,
    compare,
    conclusion,
)
from tap_procountor.reconciliation.tally import Tally
from tap_procountor.streams.base.periods import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_procountor.api.company import Company
    from tap_procountor.run import Run
    from tap_procountor.streams.accounting import LedgerReceipts
    from tap_procountor.streams.base.periods import Region
    from tap_procountor.streams.reports import ReportLedgerAccounts


def reconcile(run: Run, year: str) -> None:
    """Compare the fiscal years that begin in a year; without one, those that are open.

    Raises:
        ProcountorError: If no key opens a company, if books do not tie out, or if they cannot be
            read. That they cannot be compared is no failure.
    """
    context = run.context
    unsound = 0
    try:
        run.open_companies()
        run.examine()
        for company in context.companies.values():
            try:
                unsound += not _Books(run, company).tie_out(year)
            except ProcountorError as error:
                unsound += 1
                say(f"Company {company.id}: {error}")
    finally:
        context.client.close()
    unsound += len(context.report.failures)
    if unsound:
        msg = f"The books of {unsound} companies do not tie out, or cannot be read; see above."
        raise IncompleteError(msg)


class _Books:
    """A company's receipts beside Procountor's report on them."""

    def __init__(self, run: Run, company: Company) -> None:
        streams = run.context.streams
        self._company = company
        self._rights = run.context.rights_of(company)
        self._receipts = cast("LedgerReceipts", streams["ledger_receipts"])
        self._report = cast("ReportLedgerAccounts", streams["report_ledger_accounts"])
        self._ledger = self._receipts.ledger(company)
        self._tally = Tally(self._ledger.key_of, self._ledger.year_of)
        #: Receipts that cannot be used: the sums lack them.
        self._rejected = 0

    def tie_out(self, year: str) -> bool:
        """Compare the tracking periods of fiscal years, and print what comes out.

        Returns:
            Whether nothing differs.
        """
        regions = self._regions(year)
        reports: dict[Region, Report] = {}
        reason = self._obstacle()
        if not reason:
            self._read(regions)
            try:
                reports = dict(zip(regions, self._ask(regions), strict=True))
            except ForbiddenError as refusal:
                reason = self._report.access.refused(self._rights, str(refusal)).advice
        if reports:
            # An edit between the reading and the report is no difference.
            differing = [one for one, report in reports.items() if self._differs(one, report)]
            self._read_again(differing)
            reports |= zip(differing, self._ask(differing), strict=True)
        periods = [
            compare(self._tally, _days(region), reports[region])
            if region in reports
            else Period(*_days(region), reason=reason)
            for region in regions
        ]
        other = better_reading(self._tally, {region.key: one for region, one in reports.items()})
        name = f"Company {self._company.id}"
        say(f"{name}: {self._company.name}")
        say("\n".join(_table(periods)))
        say("\n".join(conclusion(name, periods, other)))
        if self._rejected:
            say(f"{name}: {self._rejected} receipts cannot be used, and are not in the sums.")
        return not self._rejected and all(period.is_sound for period in periods)

    def _regions(self, year: str) -> list[Region]:
        years = [
            one
            for one in self._ledger.years
            if (one.first.startswith(year) if year else one.is_open)
        ]
        if not years:
            msg = f"No fiscal year begins in {year}." if year else "No fiscal year is open."
            raise ConfigurationError(msg)
        return [region for one in years for region in self._ledger.periods_of(one)]

    def _obstacle(self) -> str | None:
        """Return why the receipts may not be all there are."""
        finding = self._receipts.access.judge(self._rights, is_empty=False)
        return None if finding.verdict is Access.READABLE else finding.advice

    def _read(self, regions: Sequence[Region]) -> None:
        self._rejected += len(self._receipts.add_up(self._company, [*regions], self._tally))

    def _ask(self, regions: Sequence[Region]) -> Iterator[Report]:
        def ask(region: Region) -> Report:
            return self._report.totals(self._company, _days(region))

        return self._company.threads.map(ask, regions)

    def _differs(self, region: Region, report: Report) -> bool:
        return bool(compare(self._tally, _days(region), report).differing)

    def _read_again(self, regions: Sequence[Region]) -> None:
        # All are forgotten first: what is listed in one of them may say that it belongs to another.
        for region in regions:
            self._tally.forget(region.key)
        for region in regions:
            self._read([region])


def _days(region: Region) -> Span:
    return Span(str(region.first), str(region.last))


def _table(periods: Sequence[Period]) -> Iterator[str]:
    """Yield a line for each period, and below it those of its accounts that differ."""
    for period in periods:
        extent = "" if period.reason else f"{len(period.lines):>4} accounts  "
        yield f"  {period.first} to {period.last}  {extent}{period.verdict}"
        for line in period.differing:
            yield f"    {line}"
