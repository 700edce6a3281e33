"""The books of one company: its registers, filled from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .accounts import chart
from .banking import Banking
from .company import company_document
from .defaults import Defaults
from .dimensions import dimensions
from .files import Files
from .fiscal_years import FiscalYears
from .invoices import Invoices
from .journals import Journals
from .partners import Partners
from .payments import Payments
from .payroll import Payroll
from .products import Products
from .randomness import Seed, Topic, growing_ids
from .rates import vat_information
from .receipts import Receipts
from .reports import Reports
from .times import to_seconds

_START = to_seconds(datetime(2022, 1, 1, 7, 0, 0))  # noqa: DTZ001 - naive local times
_END = to_seconds(datetime(2026, 10, 31, 23, 59, 59))  # noqa: DTZ001
"""The history is fixed, whatever the day: the same flags always make the same books."""

_INVOICES_PER_JOURNAL = 12
_FIRST_COMPANY = 10_001
_ID_STEP_PER_COMPANY = 37_000


@dataclass(frozen=True)
class Size:
    """How many documents to make."""

    invoices: int
    partners: int
    products: int


class Books:
    """One company's documents."""

    def __init__(self, seed: int, index: int, size: Size, *, colliding_ids: bool) -> None:
        self.company_id = _FIRST_COMPANY + index
        self.seed = own = Seed(seed, index + 1)
        shift = 0 if colliding_ids else index * _ID_STEP_PER_COMPANY
        self.company = company_document(own, self.company_id)
        self.accounts = chart()
        self.dimensions = dimensions(own, 300 + index)
        self.fiscal_years = FiscalYears(shift + 2001)
        self.partners = Partners(own, shift + 40_001, size.partners, _START, _END)
        self.products = Products(own, shift + 70_001, size.products, _START, _END)
        self.invoices = Invoices(own, self.partners, self.products)
        self.receipts = Receipts(own, self.invoices, self.dimensions)
        self.journals = Journals(own)
        names = {one["ledgerAccountCode"]: one["name"] for one in self.accounts}
        self.reports = Reports(self.receipts.rows, names)
        self.payroll = Payroll(own, shift + 5001, self.partners, _START, _END)
        self.defaults = Defaults(own, self.products, self.dimensions)
        self.vat_information = vat_information(own)
        self.banking = Banking(own, shift)
        self.payments = Payments(own, shift)
        self.files = Files(own, self.invoices, self.receipts, self.partners, self.banking)
        self._fill(own, shift + 1_000_001, size.invoices)

    def _fill(self, seed: Seed, first_id: int, invoices: int) -> None:
        count = invoices + invoices // _INVOICES_PER_JOURNAL
        # The ids do not depend on the company, so that they can collide.
        common = seed._replace(company=0).random(Topic.IDS)
        ids = growing_ids(common, first_id, count)
        journals = set(common.sample(range(count), count - invoices))
        random = seed.random(Topic.INVOICES, 1)
        created = sorted(_START + int(random.random() * (_END - _START)) for _ in range(count))
        self.last_document_id = ids[-1] if ids else first_id
        own = [at for at in range(count) if at not in journals]
        self.invoices.fill([ids[at] for at in own], [created[at] for at in own], _END)
        self.receipts.fill(
            first_id + 300_000, [(created[at], ids[at]) for at in sorted(journals)], _START, _END
        )
        self.last_document_id = self.journals.fill(self.receipts.rows, self.last_document_id)
        rows = list(self.invoices.rows)
        self.banking.fill(rows, _START, _END)
        self.payments.fill(first_id + 600_000, rows, _START, _END)
