"""What documents of an owner begin with: accounts, dimension items and products."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .accounts import PURCHASES, SALES
from .randomness import Seed, Topic, happens

if TYPE_CHECKING:
    from random import Random

    from .collection import Document
    from .partners import PartnerRow
    from .products import ProductRow, Products


class Defaults:
    """The defaults of a company's partners, persons and products; most have none."""

    def __init__(self, seed: Seed, products: Products, dimensions: list[Document]) -> None:
        self._seed = seed
        self._products = products
        self._dimensions = [one for one in dimensions if one["items"]]

    def accounts(self, owner: PartnerRow) -> Document:
        """Return a partner's default accounts."""
        random = self._random(owner)
        return {
            "vatPercent": Decimal("25.50") if happens(random, 0.6) else None,
            "vatDeduction": Decimal("100.00"),
            "vatStatus": 1,
            "vatProcessing": "Kotimaa",
            "combineInvoiceRows": happens(random, 0.3),
            "salesInvoiceAccounts": _accounts(random, SALES),
            "purchaseInvoiceAccounts": _accounts(random, PURCHASES),
            "journalAccounts": None,
        }

    def dimensions(self, owner: PartnerRow | ProductRow) -> list[Document]:
        """Return an owner's default dimension items, by dimension."""
        random = self._random(owner)
        return [
            {
                "id": dimension["id"],
                "name": dimension["name"],
                "items": [
                    {"id": item["id"], "codeName": item["codeName"], "percent": percent}
                    for item, percent in zip(dimension["items"], _shares(random), strict=False)
                ],
            }
            for dimension in self._dimensions
            if happens(random, 0.4)
        ]

    def products(self, owner: PartnerRow) -> list[Document]:
        """Return an owner's default products."""
        random = self._random(owner)
        rows = [*self._products.rows][: int(random.random() * 3)]
        return [
            {
                "id": owner.id * 10 + at,
                "productInfo": self._products.rows.document(row),
                "defaultSettings": {
                    "useSpecialPrice": True,
                    "specialPrice": Decimal(int(random.random() * 100_000)).scaleb(-4),
                    "amount": Decimal("1.00"),
                    "comment": "Sopimushinta, ks. §4",
                },
                "validityPeriods": [{"startDate": "2025-01-01", "endDate": None, "notes": ""}],
            }
            for at, row in enumerate(rows)
        ]

    def _random(self, owner: PartnerRow | ProductRow) -> Random:
        return self._seed.random(Topic.DEFAULTS, owner.id, owner.revision)


def _accounts(random: Random, codes: tuple[str, ...]) -> Document:
    return {
        "debitAccount": {"code": random.choice(codes), "name": "Tili"},
        "creditAccount": None,
        "reconciliationAccount": {"code": random.choice(codes), "name": None},
    }


def _shares(random: Random) -> list[Decimal]:
    first = 1 + int(random.random() * 9_998)
    return [Decimal(first).scaleb(-2), Decimal(10_000 - first).scaleb(-2)]
