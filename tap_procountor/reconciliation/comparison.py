"""The ledger's sums beside those of Procountor's report, and what to say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.reconciliation.rules import DEFAULT, Rules, readings
from tap_procountor.reconciliation.tally import Amount
from tap_procountor.records.structs import exact_add

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_procountor.reconciliation.tally import Tally

#: What the report says: the sum of each account.
Report = dict[str, Decimal]

#: Differences and receipts that are named, per company.
_MOST_LINES = 5
_MOST_RECEIPTS = 20


class Verdict(StrEnum):
    """What the comparison of a period says."""

    TIES_OUT = "ties out"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not comparable"


class Line(NamedTuple):
    """An account in a period: what the ledger adds up to, and what the report says."""

    account: str
    ledger: Decimal
    report: Decimal
    receipts: int

    @property
    def difference(self) -> Decimal:
        return exact_add(self.ledger, -self.report)

    @property
    def verdict(self) -> Verdict:
        return Verdict.DIFFERS if self.difference else Verdict.TIES_OUT

    def __str__(self) -> str:
        return (
            f"account {self.account}: ledger {self.ledger:,f}, report {self.report:,f}, "
            f"difference {self.difference:,f}"
        )


@dataclass
class Period:
    """A tracking period, compared.

    Attributes:
        first: Its first day.
        last: Its last day.
        lines: Its accounts.
        reason: Why it cannot be compared, if so.
        cause: What probably explains a difference.
    """

    first: str
    last: str
    lines: list[Line] = field(default_factory=list)
    reason: str | None = None
    cause: str | None = None

    @property
    def differing(self) -> list[Line]:
        return [line for line in self.lines if line.difference]

    @property
    def verdict(self) -> Verdict:
        if self.reason:
            return Verdict.NOT_COMPARABLE
        return Verdict.DIFFERS if self.differing else Verdict.TIES_OUT


def compare(tally: Tally, days: tuple[str, str], report: Report) -> Period:
    """Compare a period's sums with the report's; its key is its first day."""
    first, last = days
    ledger = tally.sums(first)
    lines = [
        Line(account, *_values(ledger.get(account), report.get(account)))
        for account in sorted(ledger.keys() | report.keys())
    ]
    compared = Period(first, last, lines)
    if compared.differing:
        compared.cause = _cause(compared, tally)
    return compared


def better_reading(tally: Tally, reports: Mapping[str, Report]) -> Rules | None:
    """Return the reading by which all periods tie out, if the default one is not it."""
    for rules in readings():
        if all(_ties_out(tally, period, report, rules) for period, report in reports.items()):
            return None if rules == DEFAULT else rules
    return None


def conclusion(
    company: str, periods: Sequence[Period], other: Rules | None, count: int
) -> Iterator[str]:
    """Yield what to say of a company's periods, the verdict first.

    Args:
        company: Its name in the log.
        periods: Its periods that were to be compared.
        other: The reading by which all of them tie out, if the default is not it.
        count: How many periods there are; the others have not been read.
    """
    compared = [period for period in periods if period.verdict is not Verdict.NOT_COMPARABLE]
    differing = [period for period in compared if period.differing]
    accounts = len({line.account for period in compared for line in period.lines})
    extent = f"{len(compared) - len(differing)} of {count} periods, {accounts} accounts"
    if count > len(periods):
        extent += f"; {count - len(periods)} were not read"
    if not compared:
        reasons = "; ".join(dict.fromkeys(period.reason or "" for period in periods))
        yield f"{company}: the books are not comparable: {reasons or 'there are no periods'}"
    elif differing:
        yield f"{company}: the books do not tie out: {extent}."
    else:
        yield f"{company}: the books tie out: {extent}."
    largest = sorted(
        ((abs(line.difference), period, line) for period in differing for line in period.differing),
        key=lambda one: one[0],
        reverse=True,
    )
    for _, period, line in largest[:_MOST_LINES]:
        yield f"{company}, {period.first} to {period.last}, {line}. {period.cause}"
    if len(largest) > _MOST_LINES:
        yield f"{company}: {len(largest) - _MOST_LINES} more differences."
    if other:
        yield f"{company}: all periods tie out by another reading ({other}): please report it."


def out_of_balance(company: str, tally: Tally) -> Iterator[str]:
    """Yield a sentence for each receipt that counts but does not sum to zero."""
    for number, (_, total) in [*tally.unbalanced.items()][:_MOST_RECEIPTS]:
        yield f"{company}: the receipt {number} does not sum to zero but to {total:,f}."
    if len(tally.unbalanced) > _MOST_RECEIPTS:
        yield f"{company}: {len(tally.unbalanced) - _MOST_RECEIPTS} more receipts do not either."


def _values(ledger: Amount | None, report: Decimal | None) -> tuple[Decimal, Decimal, int]:
    value, receipts = ledger or Amount()
    return value, report or Decimal(0), receipts


def _ties_out(tally: Tally, period: str, report: Report, rules: Rules) -> bool:
    ledger = tally.sums(period, rules)
    return all(
        _values(ledger.get(account), None)[0] == report.get(account, 0)
        for account in ledger.keys() | report.keys()
    )


def _cause(period: Period, tally: Tally) -> str:
    """Say what probably explains a period's differences."""
    if any(of == period.first for of, _ in tally.unbalanced.values()):
        return "Probably receipts that do not balance."
    for reason, amounts in tally.left_out(period.first):
        if all(
            -line.difference == amounts.get(line.account, Amount()).value
            for line in period.differing
        ):
            return f"As much as the receipts that do not count ({reason})."
    return "Probably rows that did not come or are hidden, or an edit during the run."
