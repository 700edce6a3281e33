"""Sums of the ledger by period and account, kept so that each reading of the rules can be tried."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.reconciliation.rules import (
    DEFAULT,
    MONTHLY_OPENING,
    VAT_SUMMARY,
    YEARLY_OPENING,
    Rules,
    why_not_official,
)
from tap_procountor.records.structs import exact_add, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from msgspec import Raw

    from tap_procountor.records.converter import Record

_NOTHING = Decimal(0)

#: Parts of a period's sums. Those that do not count have the reason for a name.
_PLAIN, _BY_RECEIPT_DATE, _BY_START_DATE = "plain", "by receipt date", "by start date"

_COUNTED = frozenset({_PLAIN, _BY_RECEIPT_DATE, _BY_START_DATE, VAT_SUMMARY})


class Amount(NamedTuple):
    """What receipts add up to on an account.

    Attributes:
        value: Debits less credits, in the company's currency.
        receipts: How many receipts have entries there.
    """

    value: Decimal = _NOTHING
    receipts: int = 0


Amounts = dict[str, Amount]


class Opening(NamedTuple):
    """An opening receipt: those with the same place supersede one another."""

    place: tuple[str, str]
    number: int
    period: str
    amounts: Amounts


class Tally:
    """The sums of receipts by period and account; memory grows with periods and accounts only.

    Args:
        period_of: The key of the tracking period of a day such as ``2026-01-31``.
        year_of: The key of its fiscal year.

    Attributes:
        unbalanced: Period and sum of receipts that count but do not sum to zero, by id.
    """

    def __init__(self, period_of: Callable[[str], str], year_of: Callable[[str], str]) -> None:
        self._period_of, self._year_of = period_of, year_of
        self._parts: dict[tuple[str, str], Amounts] = defaultdict(dict)
        self._openings: dict[int, Opening] = {}
        self.unbalanced: dict[int, tuple[str, Decimal]] = {}

    def add(self, receipt: Record) -> None:
        """Add a record of ``ledger_receipts``."""
        number, kind = receipt["id"], receipt.get("type")
        day = _text(receipt.get("receipt_date"))
        period = self._period_of(day)
        plain, served = _entries(receipt)
        everything = _sum(plain, *served.values())
        reason = why_not_official(receipt.get("status"), kind)
        balance = reduce(exact_add, (amount.value for amount in everything.values()), _NOTHING)
        if balance and reason is None:
            self.unbalanced[number] = period, balance
        if reason is not None or kind == VAT_SUMMARY:
            self._add(period, reason or VAT_SUMMARY, everything)
        elif kind in {YEARLY_OPENING, MONTHLY_OPENING}:
            place = self._year_of(day) if kind == YEARLY_OPENING else period
            self._openings[number] = Opening((kind, place), number, period, everything)
        else:
            self._add(period, _PLAIN, plain)
            for start, amounts in served.items():
                self._add(period, _BY_RECEIPT_DATE, amounts)
                self._add(self._period_of(start), _BY_START_DATE, amounts)

    def forget(self, period: str) -> None:
        """Forget a period, which is read again.

        Entries that count in it by their service period alone stay.
        """
        for key in [key for key in self._parts if key[0] == period and key[1] != _BY_START_DATE]:
            del self._parts[key]
        self._openings = {
            number: one for number, one in self._openings.items() if one.period != period
        }
        self.unbalanced = {
            number: one for number, one in self.unbalanced.items() if one[0] != period
        }

    def sums(self, period: str, rules: Rules = DEFAULT) -> Amounts:
        """Return what counts in a period, by account, with the report's sign."""
        sums = _sum(*self._counted(period, rules))
        return {
            account: Amount(rules.sign * amount.value, amount.receipts)
            for account, amount in sums.items()
        }

    def left_out(self, period: str) -> Iterator[tuple[str, Amounts]]:
        """Yield why receipts of a period do not count, and what they add up to."""
        for (of, reason), amounts in self._parts.items():
            if of == period and reason not in _COUNTED:
                yield reason, amounts
        for one, is_newest in self._openings_of(period):
            if not is_newest:
                yield f"superseded by a newer {one.place[0]}", one.amounts

    def _counted(self, period: str, rules: Rules) -> Iterator[Amounts]:
        is_moved = rules.service_periods == "start date"
        parts = [_PLAIN, _BY_START_DATE if is_moved else _BY_RECEIPT_DATE]
        parts += [VAT_SUMMARY] if rules.vat_summaries else []
        for part in parts:
            yield self._parts.get((period, part), {})
        for one, is_newest in self._openings_of(period):
            if rules.openings == "all" or (rules.openings == "newest" and is_newest):
                yield one.amounts

    def _openings_of(self, period: str) -> Iterator[tuple[Opening, bool]]:
        """Yield the opening receipts of a period, and whether each is the newest of its place."""
        newest = {one.place: one for _, one in sorted(self._openings.items())}
        for one in self._openings.values():
            if one.period == period:
                yield one, newest[one.place] is one

    def _add(self, period: str, part: str, amounts: Amounts) -> None:
        _merge(self._parts[period, part], amounts)


def _entries(receipt: Record) -> tuple[Amounts, dict[str, Amounts]]:
    """Return a receipt's sums: of entries without a service period, and of others by its start."""
    values: defaultdict[tuple[str, str], list[Raw | None]] = defaultdict(list)
    for entry in filter(None, receipt.get("transactions") or ()):
        place = _text(entry.get("start_date")), str(entry.get("account"))
        values[place].append(entry.get("accounting_value"))
    by_start: defaultdict[str, Amounts] = defaultdict(dict)
    for (start, account), amounts in values.items():
        by_start[start][account] = Amount(total(amounts) or _NOTHING, 1)
    return by_start.pop("", {}), by_start


def _sum(*parts: Amounts) -> Amounts:
    sums: Amounts = {}
    for amounts in parts:
        _merge(sums, amounts)
    return sums


def _merge(sums: Amounts, amounts: Amounts) -> None:
    for account, amount in amounts.items():
        known = sums.get(account)
        sums[account] = (
            Amount(exact_add(known.value, amount.value), known.receipts + amount.receipts)
            if known
            else amount
        )


def _text(day: date | str | None) -> str:
    return day.isoformat() if isinstance(day, date) else day or ""
