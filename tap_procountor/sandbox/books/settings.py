"""What a company has set: who checks its invoices, on what terms it delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .company import USER_ID
from .randomness import Seed, Topic
from .words import FIRST_NAMES, LAST_NAMES

if TYPE_CHECKING:
    from random import Random

    from .collection import Document

DELIVERY_TERMS = ("Nouto", "EXW: vapaasti tehtaalta", 'DAP "ovelle"', "Itella/Åland")

_FIRST_ID = 5_001
_LIST_NAMES = ("Ostolaskut", "Matkalaskut, johto", "Yli 10 000 €")


def verifier_lists(seed: Seed) -> list[Document]:
    """Return the verifier lists as their details show them."""
    random = seed.random(Topic.SETTINGS, 3)
    return [
        {
            "id": _FIRST_ID + at,
            "name": name,
            "verifiers": _people(random, 1 + at),
            "acceptors": _people(random, 2) if at else [],
        }
        for at, name in enumerate(_LIST_NAMES)
    ]


def in_lists(verifier_list: Document) -> Document:
    """Return a verifier list as lists show it: with the ids of its people only."""
    people = {
        name: [one["userId"] for one in verifier_list[name]] for name in ("verifiers", "acceptors")
    }
    return verifier_list | people


def _people(random: Random, count: int) -> list[Document]:
    return [
        {
            "firstname": random.choice(FIRST_NAMES),
            "surname": random.choice(LAST_NAMES),
            "userId": USER_ID + at,
            "orderNo": at,
        }
        for at in range(count)
    ]
