"""Dimensions: cost centres and projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .randomness import Seed, Topic, happens
from .words import COST_CENTRES, PROJECTS

if TYPE_CHECKING:
    from random import Random

    from .collection import Document

PASSIVE = "P"
"""The status of an item that is no longer used; an active one has no status at all."""

_ITEMS_PER_DIMENSION = 1000


def dimensions(seed: Seed, first_id: int) -> list[Document]:
    """Return the dimensions with their items."""
    random = seed.random(Topic.DIMENSIONS)
    names = {
        "Kustannuspaikka": COST_CENTRES,
        "Projekti": tuple(f"{number:04} {name}" for number, name in enumerate(PROJECTS * 4, 1)),
        "Henkilö": (),
    }
    return [
        {
            "id": first_id + at,
            "name": name,
            "items": [
                _item(random, (first_id + at) * _ITEMS_PER_DIMENSION + number, item)
                for number, item in enumerate(items)
            ],
        }
        for at, (name, items) in enumerate(names.items())
    ]


def _item(random: Random, number: int, name: str) -> Document:
    item: Document = {"id": number, "codeName": name}
    if happens(random, 0.2):
        item["status"] = PASSIVE
    if happens(random, 0.5):
        item["description"] = f"Kuvaus: {name}\nVastuuhenkilö: Päivi Öhman"
    return item
