"""Invoice lines: made once per company and picked from by each invoice, which keeps pages cheap."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .money import divide, per_mille
from .products import VAT_RATES, Products
from .randomness import Seed, Topic, happens
from .times import date_text
from .words import NOTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from .collection import Document

_PER_TYPE = 256
_HUGE = 100
"""Every so many lines one has an amount of twelve digits."""


class Line(NamedTuple):
    """An invoice row without its id, and what it means in the books."""

    fields: Document
    net: int
    rate: int
    account: str


class Sums(NamedTuple):
    """The amounts of an invoice in cents."""

    net: int
    vat: int
    by_account: dict[tuple[str, int], int]
    by_rate: dict[int, int]

    @property
    def gross(self) -> int:
        """The amount to pay."""
        return self.net + self.vat


def make_lines(seed: Seed, products: Products) -> dict[str, list[Line]]:
    """Return the lines to pick from by product type."""
    random = seed.random(Topic.LINES)
    by_type: dict[str, list[Document]] = defaultdict(list)
    for row in products.rows:
        by_type[row.type].append(products.rows.document(row))
    return {
        kind: [_line(random, at, random.choice(choice)) for at in range(_PER_TYPE)]
        for kind, choice in by_type.items()
    }


def sums(lines: Iterable[Line]) -> Sums:
    """Add up lines; VAT is rounded once per rate."""
    by_account: dict[tuple[str, int], int] = defaultdict(int)
    nets: dict[int, int] = defaultdict(int)
    for line in lines:
        by_account[line.account, line.rate] += line.net
        nets[line.rate] += line.net
    by_rate = {rate: per_mille(net, rate) for rate, net in nets.items()}
    return Sums(sum(nets.values()), sum(by_rate.values()), by_account, by_rate)


def _line(random: Random, at: int, product: Document) -> Line:
    hundredths = 1 + int(random.random() ** 3 * 5000)
    if happens(random, 0.06):
        hundredths = -hundredths
    price = int(random.random() ** 3 * 4_000_000)
    if at % _HUGE == _HUGE - 1:
        hundredths, price = 100, 12_345_678_901_200 + at
    discount = 1250 if happens(random, 0.1) else 0
    rate = random.choice(VAT_RATES)
    fields = _fields(random, product, hundredths, price, discount, rate)
    # Hundredths, ten-thousandths of a euro and hundredths of a per cent make cents.
    net = divide(hundredths * price * (10_000 - discount), 100 * 100 * 10_000)
    return Line(fields, net, rate, product["defaultAccount"])


def _fields(  # noqa: PLR0913, PLR0917 - the parts of one row
    random: Random, product: Document, hundredths: int, price: int, discount: int, rate: int
) -> Document:
    fields: Document = {
        "productId": None if happens(random, 0.1) else product["id"],
        "product": product["name"],
        "productCode": product["code"],
        "quantity": Decimal(hundredths).scaleb(-2),
        "unit": product["unit"],
        "unitPrice": Decimal(price).scaleb(-4),
        "discountPercent": Decimal(discount).scaleb(-2) if discount else Decimal("-0.00"),
        "vatPercent": Decimal(rate).scaleb(-1),
        "vatStatus": 1,
    }
    if happens(random, 0.4):
        fields["comment"] = random.choice(NOTES)
    if happens(random, 0.2):
        fields["startDate"] = date_text(19_000 + int(random.random() * 1500))
        fields["endDate"] = None
    if happens(random, 0.05):
        fields["carbonFootprint"] = {"kilograms": Decimal("12.340"), "method": "GHG"}
    return fields
