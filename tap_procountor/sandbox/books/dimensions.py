"""Dimensions: cost centres and projects."""

from __future__ import annotations

from .collection import Document
from .randomness import Seed, Topic
from .words import COST_CENTRES, PROJECTS

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
                _item((first_id + at) * _ITEMS_PER_DIMENSION + number, item, random.random())
                for number, item in enumerate(items)
            ],
        }
        for at, (name, items) in enumerate(names.items())
    ]


def _item(number: int, name: str, chance: float) -> Document:
    item: Document = {"id": number, "codeName": name}
    if chance < 0.2:  # noqa: PLR2004
        item["status"] = PASSIVE
    if chance > 0.5:  # noqa: PLR2004
        item["description"] = f"Kuvaus: {name}\nVastuuhenkilö: Päivi Öhman"
    return item
