"""``--reconcile``: compare the ledger of a fiscal year with Procountor's own report.

Nothing is written but a table for people. What counts stands in ``reconciliation.rules``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tap_procountor.errors import ConfigurationError, IncompleteError, ProcountorError
from tap_procountor.output.messages import say
from tap_procountor.reconciliation.comparison import conclusion, out_of_balance
from tap_procountor.reconciliation.tally import Tally
from tap_procountor.streams.reconciliation import compare_books, hidden_receipts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_procountor.api.company import Company
    from tap_procountor.reconciliation.comparison import Period
    from tap_procountor.run import Run
    from tap_procountor.streams.accounting import LedgerReceipts
    from tap_procountor.streams.base.periods import Ledger, Region


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
                unsound += not _tie_out(run, company, year)
            except ProcountorError as error:
                unsound += 1
                say(f"Company {company.id}: {error}")
    finally:
        context.client.close()
    unsound += len(context.report.failures)
    if unsound:
        msg = f"The books of {unsound} companies do not tie out, or cannot be read; see above."
        raise IncompleteError(msg)


def _tie_out(run: Run, company: Company, year: str) -> bool:
    """Compare a company's fiscal years, print what comes out, and return whether all is sound."""
    receipts = cast("LedgerReceipts", run.context.streams["ledger_receipts"])
    ledger = receipts.ledger(company)
    tally = Tally(ledger.key_of, ledger.year_of)
    unusable: set[str] = set()

    def read(regions: list[Region]) -> None:
        for region in regions:
            rejected = receipts.add_up(company, region, tally)
            unusable.update(f"{one.key} {one.reason}" for one in rejected)

    regions = _periods(ledger, year)
    name = f"Company {company.id}"
    say(f"{name}: {company.name}")
    if not hidden_receipts(run.context, company):
        read(regions)
    books = compare_books(run.context, company, regions, tally, read)
    sentences = conclusion(name, books.periods, books.other, len(regions))
    unbalanced = out_of_balance(name, tally)
    say("\n".join([*_table(books.periods), *sentences, *unbalanced]))
    if unusable:
        say(f"{name}: {len(unusable)} receipts cannot be used, and are not in the sums.")
    return books.tie_out and not (tally.unbalanced or unusable)


def _periods(ledger: Ledger, year: str) -> list[Region]:
    years = [one for one in ledger.years if (one.first.startswith(year) if year else one.is_open)]
    if not years:
        msg = f"No fiscal year begins in {year}." if year else "No fiscal year is open."
        raise ConfigurationError(msg)
    return [region for one in years for region in ledger.periods_of(one)]


def _table(periods: Sequence[Period]) -> Iterator[str]:
    """Yield a line for each period, and below it those of its accounts that differ."""
    for period in periods:
        extent = "" if period.reason else f"{len(period.lines):>4} accounts  "
        yield f"  {period.first} to {period.last}  {extent}{period.verdict}"
        for line in period.differing:
            yield f"    {line}"
