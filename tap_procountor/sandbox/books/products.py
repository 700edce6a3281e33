"""Products and their groups."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from .accounts import PURCHASES, SALES, TRAVEL
from .collection import Collection, Document
from .money import euros
from .randomness import Seed, Topic, growing_ids, happens
from .times import date_text, time_text
from .words import GOODS

TYPES = ("SALES", "PURCHASE", "TRAVEL")
VAT_RATES = (255, 255, 255, 140, 100, 0)
"""In per mille; the general rate is the most common."""

UNITS = ("PIECE", "HOUR", "KILOGRAM", "LITER", "NO_UNIT", "MONTH")
UNKNOWN_UNIT = "BUSHEL"
"""A unit that the specification does not name."""

_ACCOUNTS = {"SALES": SALES, "PURCHASE": PURCHASES, "TRAVEL": TRAVEL}
_GROUPS = {"SALES": ("Työ", "Tavarat"), "PURCHASE": ("Ostot", "Palvelut"), "TRAVEL": ("Matkat",)}


class ProductRow(NamedTuple):
    """What the books remember of a product."""

    id: int
    revision: int
    type: str
    active: bool
    version: int
    group: int


class Products:
    """The product register."""

    def __init__(self, seed: Seed, first_id: int, count: int, start: int, end: int) -> None:
        self._seed = seed
        self.groups = product_groups(first_id)
        self.rows = Collection(ProductRow, self.write)
        random = seed.random(Topic.PRODUCTS)
        # Small registers too have all types, active ones first, then others.
        types = [*TYPES, *TYPES, *random.choices(TYPES, (6, 5, 1), k=count)][:count]
        active = [True] * len(TYPES) + [False] * len(TYPES)
        active += [happens(random, 0.85) for _ in range(count)]
        groups = {kind: [one["id"] for one in self.groups if one["type"] == kind] for kind in TYPES}
        self.rows.fill(
            growing_ids(random, first_id, count),
            [0] * count,
            types,
            active[:count],
            [start + int(random.random() * (end - start)) for _ in range(count)],
            [random.choice(groups[kind]) for kind in types],
        )

    def write(self, row: ProductRow) -> Document:
        """Write the product of a row."""
        random = self._seed.random(Topic.PRODUCT, row.id, row.revision)
        name = random.choice(GOODS)
        product: Document = {
            "id": row.id,
            "type": row.type,
            "name": f"{name} {row.id % 1000}",
            "code": f"{row.type[0]}-{row.id:06}",
            "unit": UNKNOWN_UNIT if happens(random, 0.02) else random.choice(UNITS),
            "discount": Decimal("0.00") if happens(random, 0.8) else Decimal("12.50"),
            "price": Decimal(int(random.random() ** 4 * 9_000_000)).scaleb(-4),
            "vat": Decimal(random.choice(VAT_RATES)).scaleb(-1),
            "active": row.active,
            "defaultAccount": random.choice(_ACCOUNTS[row.type]),
            "vatStatus": 1,
            "currency": "EUR",
            "productLocalizations": [
                {"language": "ENGLISH", "productName": f"Item {row.id}"},
                {"language": "SWEDISH", "productName": f"Vara Ä{row.id}"},
            ],
            "productGroupId": row.group,
            "version": time_text(row.version),
        }
        if happens(random, 0.3):
            product["startDate"] = date_text(18_993 + row.id % 400)
            product["endDate"] = None
        if happens(random, 0.5):
            product["bookkeepingAccount"] = product["defaultAccount"]
        if happens(random, 0.05):
            product["warehouse"] = {"shelf": "Ä-12", "balance": euros(1250)}
        return product


def product_groups(first_id: int) -> list[Document]:
    """Return the groups of all types."""
    pairs = [(kind, name) for kind in TYPES for name in _GROUPS[kind]]
    return [
        {"id": first_id + at, "name": name, "type": kind} for at, (kind, name) in enumerate(pairs)
    ]
