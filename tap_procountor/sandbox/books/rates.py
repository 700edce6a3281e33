"""Value added tax, currencies and exchange rates."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .randomness import Seed, Topic, happens

if TYPE_CHECKING:
    from random import Random

    from .collection import Document

RATE_TYPES = range(1, 7)

_PERCENTAGES = {
    "Finland": ("25.50", "14.00", "10.00", "0.00", "24.00"),
    "Sweden": ("25.00", "12.00", "6.00", "0.00"),
}
_STATUSES = (
    "Kotimaan myynti/osto",
    "Yhteisömyynti/-osto, tavara",
    "Yhteisömyynti/-osto, palvelu",
    "Ei EU:ta: vienti / tuonti",
    "Rakennuspalvelut, käännetty verovelvollisuus",
    "Veroton, 0 %",
)
_MID_RATES = {
    "DKK": "7.460300",
    "GBP": "0.861250",
    "ISK": "149.500000",
    "JPY": "163.880000",
    "NOK": "11.700500",
    "PLN": "4.250000",
    "SEK": "11.284750",
    "USD": "1.084500",
    "XTS": None,
}
"""The last one is a test currency that has no rate."""

_SPREADS = {1: "1", 2: "1.0005", 3: "0.985", 4: "1.015", 5: "0.96"}
"""By type of rate; nobody sells cash any more."""


def vat_information(seed: Seed) -> Document:
    """Return the answer of ``/vats/default``."""
    random = seed.random(Topic.SETTINGS, 1)
    return {
        "vatInformation": [
            {
                "country": country,
                "percentages": [_percentage(random, text) for text in percentages],
            }
            for country, percentages in _PERCENTAGES.items()
        ],
        "vatStatuses": [_status(random, number, text) for number, text in enumerate(_STATUSES, 1)],
    }


def currencies() -> list[str]:
    """Return the codes of the currencies there are."""
    return sorted([*_MID_RATES, "EUR"])


def latest_rates(seed: Seed, base: str, rate_type: int) -> Document:
    """Return the answer of ``/currencies/latest``; a type of rate may have none."""
    random = seed.random(Topic.SETTINGS, 2)
    day = f"2026-10-{20 + int(random.random() * 10)}"
    rates = [
        {"currencyCode": code, "currencyRate": _rate(text, _SPREADS[rate_type])}
        for code, text in _MID_RATES.items()
        if rate_type in _SPREADS and code != base
    ]
    return {"baseCurrency": base, "currencyDate": day, "rates": rates or None}


def _percentage(random: Random, text: str) -> Document:
    return {"vatPercent": Decimal(text), "sales": happens(random, 0.8), "purchase": True}


def _status(random: Random, number: int, text: str) -> Document:
    status: Document = {
        "vatStatus": number,
        "description": text,
        "sales": True,
        "purchase": None if happens(random, 0.2) else True,
    }
    return status | ({"handling": "REVERSE_CHARGE"} if "käännetty" in text else {})


def _rate(text: str | None, spread: str) -> Decimal | None:
    return None if text is None else Decimal(text) * Decimal(spread)
