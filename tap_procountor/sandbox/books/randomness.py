"""Randomness that depends on its key alone, so that documents can be made when asked for."""

from __future__ import annotations

from enum import IntEnum, auto
from itertools import accumulate
from random import Random
from typing import NamedTuple


class Topic(IntEnum):
    """What the numbers are used for; each topic has its own sequence."""

    COMPANY = auto()
    IDS = auto()
    PRODUCTS = auto()
    PRODUCT = auto()
    PARTNERS = auto()
    PARTNER = auto()
    PERSON = auto()
    DIMENSIONS = auto()
    LINES = auto()
    INVOICES = auto()
    INVOICE = auto()
    INVOICE_LINES = auto()
    RECEIPTS = auto()
    RECEIPT = auto()
    RECEIPT_AMOUNTS = auto()
    RECEIPT_DIMENSIONS = auto()
    ATTACHMENT = auto()
    FAULTS = auto()
    LATENCY = auto()
    SETTINGS = auto()
    JOURNAL = auto()
    DEFAULTS = auto()
    EMPLOYEE = auto()
    SALARY_SLIP = auto()
    BANKING = auto()
    PAYMENTS = auto()
    INVOICE_EVENTS = auto()


class Seed(NamedTuple):
    """The seed of one company's books."""

    seed: int
    company: int

    def random(self, topic: Topic, number: int = 0, revision: int = 0) -> Random:
        """Return the sequence that belongs to the key."""
        key = (self.seed << 32 | self.company) << 8 | topic
        return Random(key << 64 | number << 24 | revision)  # noqa: S311 - not for secrets


def happens(random: Random, probability: float) -> bool:
    """Throw the dice for something that happens now and then."""
    return random.random() < probability


def growing_ids(random: Random, first: int, count: int) -> list[int]:
    """Return ids that grow with gaps."""
    return list(accumulate(random.choices((1, 1, 1, 2, 3, 7), k=count), initial=first))[:count]
