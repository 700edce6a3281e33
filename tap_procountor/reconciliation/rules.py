"""What counts in Procountor's report on the ledger accounts.

The official books are documented: nine statuses (the example of a report's request), and receipts
without one; no orders; of several opening receipts of a fiscal year or a month only the one with
the highest id (Procountor's help on the API). Where the documents are silent, ``Rules`` names the
readings.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Receipts of these statuses, and those that have none, are the official bookkeeping. Without the
#: list a report would choose by the company's rights.
OFFICIAL_STATUSES = (
    "APPROVED",
    "MARKED_PAID",
    "NOT_SENT",
    "PAID",
    "PARTLY_PAID",
    "PAYMENT_DENIED",
    "PAYMENT_QUEUED",
    "PAYMENT_SENT_TO_BANK",
    "SENT",
)
_ORDERS = frozenset({"PURCHASE_ORDER", "SALES_ORDER"})

YEARLY_OPENING = "RECEIPT_FOR_OPENING_ACCOUNTS"
MONTHLY_OPENING = "TRACKING_PERIOD_OPENING_RECEIPT"
VAT_SUMMARY = "VAT_SUMMARY"

Openings = Literal["newest", "all", "none"]
ServicePeriods = Literal["receipt date", "start date"]


class Rules(NamedTuple):
    """A reading of what the report adds up; the defaults are ours.

    Attributes:
        openings: Which of the opening receipts of a fiscal year or a month count.
        vat_summaries: Whether the transfers of VAT between accounts count.
        service_periods: The month that entries with a service period (``startDate``) count in.
        sign: -1 if the report shows credits as positive.
    """

    openings: Openings = "newest"
    vat_summaries: bool = True
    service_periods: ServicePeriods = "receipt date"
    sign: Literal[1, -1] = 1

    def __str__(self) -> str:
        return (
            f"openings: {self.openings}; VAT summaries: {'yes' if self.vat_summaries else 'no'}; "
            f"service periods: by {self.service_periods}; "
            f"positive: {'debit' if self.sign == 1 else 'credit'}"
        )


DEFAULT = Rules()


def readings() -> Iterator[Rules]:
    """Yield all readings, the default first."""
    choices = (get_args(Openings), (True, False), get_args(ServicePeriods), (1, -1))
    return (Rules(*chosen) for chosen in product(*choices))


def why_not_official(status: str | None, kind: str | None) -> str | None:
    """Return why a receipt does not count; None if it does."""
    if kind in _ORDERS:
        return f"type {kind}"
    if status and status not in OFFICIAL_STATUSES:
        return f"status {status}"
    return None
