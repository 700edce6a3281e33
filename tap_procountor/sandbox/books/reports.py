"""Accounting reports: sums of the entries that the ledger receipts hold."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from .collection import Collection as Register
    from .collection import Document
    from .receipts import ReceiptRow

_FIRST_RESULT_ACCOUNT = "3000"
_NOTHING = Decimal("0.00")
_ORDERS = frozenset({"PURCHASE_ORDER", "SALES_ORDER"})
_OPENINGS = {
    "RECEIPT_FOR_OPENING_ACCOUNTS": len("2026"),
    "TRACKING_PERIOD_OPENING_RECEIPT": len("2026-01"),
}
"""Each close makes them anew, by fiscal year and by month; the one with the highest id is valid.

The value is how much of the date they share.
"""


class Span(NamedTuple):
    """Which receipts a report counts.

    Attributes:
        first: The first day.
        last: The last day.
        statuses: Statuses of the receipts; all if there are none. Receipts without status count.
        types: Types of the receipts; all if there are none.
    """

    first: str
    last: str
    statuses: Collection[str] = ()
    types: Collection[str] = ()

    def holds(self, receipt: Document) -> bool:
        """Tell whether a receipt counts, unless another has superseded it."""
        status, kind = receipt.get("status"), receipt["type"]
        return (
            self.first <= receipt["receiptDate"] <= self.last
            and (not self.statuses or not status or status in self.statuses)
            and (kind in self.types if self.types else kind not in _ORDERS)
        )


class Line(NamedTuple):
    """A line of an accounting report: accounts, or the sum of lines above."""

    number: int
    name: str
    accounts: tuple[str, str] = ("", "")
    adds: tuple[int, ...] = ()


#: Lines by type of report; a line without accounts and sum is a heading. Sums share an id with
#: another line, so that nobody relies on ids of one kind of line being unknown to the other.
_LAYOUTS = {
    "INCOME_STATEMENT": (
        Line(10, "Tuloslaskelma"),
        Line(11, "Liikevaihto", ("3000", "3999")),
        Line(12, "Materiaalit ja palvelut", ("4000", "4999")),
        Line(13, "Henkilöstökulut", ("5000", "6999")),
        Line(14, 'Liiketoiminnan muut kulut, "muut"', ("7000", "8999")),
        Line(11, "Liikevoitto (-tappio)", adds=(11, 12, 13, 14)),
    ),
    "BALANCE_SHEET": (
        Line(20, "Vastaavaa", ("1000", "1999")),
        Line(21, "Vastattavaa", ("2000", "2999")),
        Line(22, "Tilikauden voitto (tappio)", ("3000", "9999")),
        Line(20, "Erotus", adds=(20, 21, 22)),
    ),
    "CASH_FLOW": (
        Line(30, "Rahavarojen muutos", ("1910", "1910")),
        Line(31, "Saamisten muutos", ("1701", "1799")),
        Line(30, "Yhteensä", adds=(30, 31)),
    ),
}


class Reports:
    """The reports of a company.

    Args:
        receipts: The ledger receipts.
        names: The names of the accounts by code.
    """

    def __init__(self, receipts: Register[ReceiptRow], names: dict[str, str]) -> None:
        self._register = receipts
        self._names = names
        self._receipts: list[Document] = []
        self._written_at = -1

    def ledger_accounts(self, span: Span) -> list[Document]:
        """Return a row for each account that has entries, and below each half a total."""
        sums = self._sums(span)
        rows = []
        for is_result in (False, True):
            half = {
                account: total
                for account, total in sorted(sums.items())
                if (account >= _FIRST_RESULT_ACCOUNT) is is_result
            }
            rows += [
                {"name": f"{account} {self._names.get(account, '')}".strip(), "value": total}
                for account, total in half.items()
            ]
            rows.append({"name": "Yhteensä", "value": sum(half.values(), _NOTHING)})
        return rows

    def accounting(self, kind: str, span: Span) -> list[Document]:
        """Return the lines of an income statement, a balance sheet or a cash flow."""
        sums = self._sums(span)
        values: dict[int, Decimal] = {}
        rows: list[Document] = []
        for line in _LAYOUTS[kind]:
            row: Document = {"rowId": line.number, "name": line.name}
            if line.adds:
                formula = " + ".join(f"R{number}" for number in line.adds)
                value = sum((values[number] for number in line.adds), _NOTHING)
                row |= {"type": "ROW_FUNCTION", "formula": formula, "value": value}
            elif line.accounts[0]:
                low, high = line.accounts
                # Income is credited: the report shows it without the minus.
                value = -sum((v for a, v in sums.items() if low <= a <= high), _NOTHING)
                values[line.number] = value
                row |= {"type": "BALANCE", "value": value, "emphasis": "NONE"}
            else:
                row |= {"type": "HEADING", "value": None}
            rows.append(row)
        return rows

    def general_ledger(self, account: str, span: Span) -> Document:
        """Return an account's entries and their sum."""
        entries = [
            (receipt, entry)
            for receipt, entry in self._entries(span.holds)
            if entry["account"] == account
        ]
        return {
            "id": account,
            "name": self._names.get(account),
            "totalAccountingValue": sum((one["accountingValue"] for _, one in entries), _NOTHING),
            "ledgerReceiptTransactions": [_transaction(*pair) for pair in entries],
        }

    def _sums(self, span: Span) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = defaultdict(lambda: _NOTHING)
        for _, entry in self._entries(span.holds):
            sums[entry["account"]] += entry["accountingValue"]
        return sums

    def receipts(self) -> list[Document]:
        """Return all receipts but the openings that newer ones have superseded."""
        if self._written_at != self._register.changes:
            documents = [self._register.document(row) for row in self._register]
            self._receipts = list({_place_of(one): one for one in documents}.values())
            self._written_at = self._register.changes
        return self._receipts

    def _entries(self, counts: Callable[[Document], bool]) -> Iterator[tuple[Document, Document]]:
        for receipt in filter(counts, self.receipts()):
            for entry in receipt["transactions"]:
                yield receipt, entry


def _place_of(receipt: Document) -> tuple[str, str | int]:
    """Return what only one valid receipt can have."""
    kind = receipt["type"]
    if kind in _OPENINGS:
        return kind, receipt["receiptDate"][: _OPENINGS[kind]]
    return "", receipt["id"]


def _transaction(receipt: Document, entry: Document) -> Document:
    transaction = {
        "id": entry["id"],
        "name": receipt["name"],
        "receiptNumber": receipt["receiptNumber"],
        "receiptDate": receipt["receiptDate"],
        "invoiceDate": None,
        "type": receipt["type"],
        "accountingValue": entry["accountingValue"],
        "status": receipt.get("status"),
        "vatStatus": entry["vatStatus"],
        "transactionDescription": entry["description"],
    }
    if "vatPercent" in entry:
        transaction["vatPercent"] = entry["vatPercent"]
        transaction["vatDeductionPercent"] = entry["vatDeductionPercent"]
    return transaction
