"""Employees of the payroll."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .collection import Collection, Document, OneOf, Order
from .money import euros
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, to_date
from .words import CITIES, FIRST_NAMES, LAST_NAMES, STREETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from .partners import Partners

CHANNELS = ("EMAIL", "ESALARY", "MAIL", "NO_SENDING")
UNKNOWN_CHANNEL = "PIGEON"
"""A channel that the specification does not name."""

_FEWEST = 12
"""So many employees there are at least, each with a salary slip a month."""

_EVERY_SO_MANYTH_HAS_LEFT = 6
_DAYS_PER_YEAR = 365
_CONTROL_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


class EmployeeRow(NamedTuple):
    """What the books remember of an employee; days count from 1970, an end of 0 is none."""

    id: int
    person: int
    active: bool
    start: int
    end: int


class OwnedRow(NamedTuple):
    """What the books remember of something that belongs to something else."""

    id: int
    owner: int


class Employees:
    """The employees."""

    def __init__(self, seed: Seed, first_id: int, partners: Partners, start: int, end: int) -> None:
        self._seed = seed
        self.rows = Collection(EmployeeRow, self.write)
        self.rows.fill(*zip(*_employees(seed, first_id, partners, start, end), strict=True))
        self._names = {row.id: self._name(row.id) for row in self.rows}

    def name(self, employee: int) -> str:
        """Return the name as salary slips show it."""
        first_name, last_name = self._names[employee]
        return f"{last_name} {first_name}"

    def write(self, row: EmployeeRow) -> Document:
        """Write the employee of a row."""
        random = self.random(row.id)
        first_name, last_name = self._names[row.id]
        zip_code, city = random.choice(CITIES)
        employee: Document = {
            "id": row.id,
            "lastName": last_name,
            "firstName": first_name,
            "ssn": identity_code(random),
            "employeeAddress": {
                "street": f"{random.choice(STREETS)} {1 + int(random.random() * 99)} B",
                "zip": zip_code,
                "city": city,
                "country": "FINLAND",
            },
            "personNumber": str(row.person % 10_000),
            "salaryChannel": UNKNOWN_CHANNEL if happens(random, 0.04) else random.choice(CHANNELS),
            "automatedTaxCard": happens(random, 0.7),
            "active": row.active,
        }
        if happens(random, 0.2):
            employee["employeeAddress"] = None
        if happens(random, 0.1):
            del employee["automatedTaxCard"]
        if happens(random, 0.3):
            employee["handling"] = {"badge": f"Ä-{row.id}", "lockerDeposit": euros(1250)}
        return employee

    def random(self, employee: int, kind: int = 0) -> Random:
        """Return the numbers of an employee, or of a kind of what belongs to one."""
        return self._seed.random(Topic.EMPLOYEE, employee, kind)

    def _name(self, employee: int) -> tuple[str, str]:
        random = self.random(employee, 1)
        return random.choice(FIRST_NAMES), random.choice(LAST_NAMES)


def of_owner(collection: Collection[OwnedRow], owner: int) -> list[Document]:
    """Return what belongs to an owner."""
    wanted = frozenset({OneOf("owner", frozenset({owner}))})
    positions = collection.select(wanted, Order("id", descending=False))
    return [collection.document(collection.row_at(at)) for at in positions]


def identity_code(random: Random) -> str:
    """Return a personal identity code that no one has: those from 900 on are never given."""
    birth = to_date(int(random.random() * 12_000))
    number = 900 + int(random.random() * 100)
    control = int(f"{birth:%d%m%y}{number}") % len(_CONTROL_CHARACTERS)
    return f"{birth:%d%m%y}-{number}{_CONTROL_CHARACTERS[control]}"


def _employees(
    seed: Seed, first_id: int, partners: Partners, start: int, end: int
) -> Iterator[EmployeeRow]:
    """Yield an employee for each person; where there are few persons, some are employed twice."""
    random = seed.random(Topic.EMPLOYEE)
    people = partners.people
    first_day, last_day = start // SECONDS_PER_DAY, end // SECONDS_PER_DAY
    for at in range(max(_FEWEST, len(people))):
        # Most were there before the first salary slip.
        began = first_day + int((random.random() * 3 - 2) * (last_day - first_day))
        is_over = at % _EVERY_SO_MANYTH_HAS_LEFT == 3  # noqa: PLR2004 - neither first nor last
        yield EmployeeRow(
            id=first_id + at + at // 4,
            person=people[at % len(people)] if people else 0,
            active=not is_over,
            start=began,
            end=max(began, first_day) + _DAYS_PER_YEAR if is_over else 0,
        )
