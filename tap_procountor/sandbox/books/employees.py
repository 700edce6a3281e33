"""Employees, and what the payroll knows of each: salary, employments, tax cards, holidays."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .collection import Collection, Document, OneOf, Order
from .money import euros
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text, to_date
from .words import CITIES, FIRST_NAMES, LAST_NAMES, NOTES, STREETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from .partners import Partners

CHANNELS = ("EMAIL", "ESALARY", "MAIL", "NO_SENDING")
UNKNOWN_CHANNEL = "PIGEON"
"""A channel that the specification does not name."""

_FEWEST = 12
"""So many employees there are at least, each with a salary slip a month."""

_IDS_PER_EMPLOYEE = 10
_EVERY_SO_MANYTH_HAS_LEFT = 6
_MOST_CARDS = 3
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
    """The employees.

    What there is once per employee has the employee's id, the rest has ids of its own.
    """

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

    @cached_property
    def salary_infos(self) -> Collection[OwnedRow]:
        """The salary information of each."""
        return self._owned(self._write_salary_info, lambda row: [row.id])

    @cached_property
    def salary_bases(self) -> Collection[OwnedRow]:
        """The base of the slips; some employees have none."""
        return self._owned(self._write_salary_base, lambda row: _own_ids(row, int(row.id % 5 > 0)))

    @cached_property
    def employments(self) -> Collection[OwnedRow]:
        """One employment each, or two, one after the other."""
        return self._owned(self._write_employment, lambda row: _own_ids(row, 1 + row.id % 2))

    @cached_property
    def tax_cards(self) -> Collection[OwnedRow]:
        """Up to three tax cards each."""
        return self._owned(
            self._write_tax_card, lambda row: _own_ids(row, row.id % (_MOST_CARDS + 1))
        )

    @cached_property
    def memberships(self) -> Collection[OwnedRow]:
        """A labour union of some."""
        return self._owned(self._write_membership, lambda row: _own_ids(row, int(row.id % 3 == 0)))

    @cached_property
    def holiday_pays(self) -> Collection[OwnedRow]:
        """The holiday pay of each."""
        return self._owned(self._write_holiday_pay, lambda row: [row.id])

    @cached_property
    def working_hour_reductions(self) -> Collection[OwnedRow]:
        """The working hour reduction of some."""
        return self._owned(
            self._write_working_hour_reduction, lambda row: [row.id] if row.id % 4 else []
        )

    def _owned(
        self, write: Callable[[OwnedRow], Document], ids: Callable[[EmployeeRow], list[int]]
    ) -> Collection[OwnedRow]:
        collection = Collection(OwnedRow, write)
        pairs = [(number, row.id) for row in self.rows for number in ids(row)]
        collection.fill(*zip(*pairs, strict=True))
        return collection

    def random(self, employee: int, kind: int = 0) -> Random:
        """Return the numbers of an employee, or of a kind of what belongs to one."""
        return self._seed.random(Topic.EMPLOYEE, employee, kind)

    def _name(self, employee: int) -> tuple[str, str]:
        random = self.random(employee, 1)
        return random.choice(FIRST_NAMES), random.choice(LAST_NAMES)

    def _write_salary_info(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 2)
        is_hourly = happens(random, 0.3)
        version = self._version(random, row)
        salary = Decimal(150_000 + int(random.random() * 700_000)).scaleb(-2)
        return {
            "employeeId": row.owner,
            "personId": self.rows.row(row.owner).person,
            "incomeConfiguration": {
                "id": row.id * 4,
                "baseSalaryValue": Decimal("17.50") if is_hourly else salary,
                "baseSalaryType": "HOURLY" if is_hourly else "ONE_MONTH",
                "compensationForWorkBaseSalaryTypeCode": None,
                "baseSalaryHours": Decimal("1.00") if is_hourly else Decimal("160.00"),
                "monthlyBaseSalary": None if is_hourly else salary,
                "personalHourlySalary": Decimal("17.50") if is_hourly else Decimal("0.00"),
                "travelExpensesSpecialHandling": "NONE",
                "earnerTypes": ["PARTIAL_OWNER"] if happens(random, 0.1) else [],
                "taxNumber": f"{100_000_000_000 + row.id}",
                "salaryChannel": random.choice(CHANNELS),
                "excludedFromAutomatedWithholdingPercentageRequest": happens(random, 0.1),
                "version": version,
            },
            "insurancesConfiguration": {
                "pensionInsurance": {
                    "id": row.id * 4 + 1,
                    "type": "TYEL",
                    "pensionContractId": 7,
                    "version": version,
                },
                "accidentInsurance": {
                    "id": row.id * 4 + 2,
                    "accidentInsurancePolicyId": 8,
                    "percent": Decimal("0.70"),
                    "occupationalTitleId": f"{random.choice((24111, 71241, 51200))}",
                    "version": version,
                },
                "noObligationExceptionTypes": [],
                "notSubjectExceptionTypes": [],
                "pensionVoluntarilyPaid": False,
            },
            "internationalSituationsConfiguration": {
                "id": row.id * 4 + 3,
                "socialSecurityCertificate": None,
                "notSubjectToWithholding": False,
                "nonResidentTaxPayer": False,
                "country": None,
                "version": version,
            },
        }

    def _write_salary_base(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 3)
        base: Document = {
            "id": row.id,
            "employeeId": row.owner,
            "notes": random.choice(NOTES),
            "rows": [
                {
                    "id": row.id * 10,
                    "salaryTypeCode": 1000,
                    "customName": None,
                    "quantity": Decimal("1.00000"),
                    "unitValue": Decimal(150_000 + int(random.random() * 700_000)).scaleb(-2),
                    "paymentPercent": Decimal("100.00"),
                    "baseSalaryRow": True,
                }
            ],
            "version": self._version(random, row),
        }
        if happens(random, 0.3):
            base["rows"].append(
                {
                    "id": row.id * 10 + 1,
                    "salaryTypeCode": 1005,
                    "customName": "Vapaa autoetu",
                    "quantity": Decimal("1.00000"),
                    "unitValue": Decimal("745.12345"),
                    "carBenefitDetails": {
                        "id": row.id * 10 + 1,
                        "carAgeGroup": "A",
                        "benefitLimited": True,
                        "emissionValue": Decimal("99.50"),
                    },
                }
            )
        return base

    def _write_employment(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 4)
        employee = self.rows.row(row.owner)
        is_later = row.id % _IDS_PER_EMPLOYEE > 0
        is_over = bool(employee.end)
        return {
            "startDate": date_text(employee.start + 100 * is_later),
            "endDate": date_text(employee.end) if is_over else None,
            "type": random.choice(("PERMANENT", "FIXED_TERM", "TRAINEE", "PENSIONER")),
            "terminationReason": "EMPLOYEES_RESIGNATION" if is_over else "NOT_APPLICABLE",
            "registrationGroundId": None,
            "hoursPerWeek": random.choice((Decimal("37.50"), Decimal("40.00"), Decimal("18.75"))),
            "employmentType": "FULL_TIME",
            "id": row.id,
            "keva": False,
            "version": self._version(random, row),
        }

    def _write_tax_card(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 5)
        year = 2026 - row.id % _IDS_PER_EMPLOYEE
        card: Document = {
            "id": row.id,
            "type": random.choice(("A", "FREELANCE", "GRADED_INCOME")),
            "revised": happens(random, 0.2),
            "incomeType": "Palkka",
            "validFrom": f"{year}-02-01",
            "basePercent": Decimal(int(random.random() * 450)).scaleb(-1) + Decimal("0.00"),
            "additionalPercent": Decimal("46.50"),
            "annualIncomeLimit": euros(int(random.random() * 9_000_000)),
            "limitUsed": Decimal("0.00"),
            "comments": random.choice(NOTES),
            "created": f"{year}-01-20T06:00:00",
            "version": f"{year}-01-20T06:00:01",
        }
        if happens(random, 0.3):
            del card["limitUsed"]
        return card

    def _write_membership(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 6)
        return {
            "id": row.id,
            "laborUnionSettingId": 1 + row.id % 3,
            "department": "Hämeen osasto 12",
            "membershipId": str(row.id * 37),
            "membershipStart": date_text(self.rows.row(row.owner).start),
            "membershipEnd": None,
            "explanation": random.choice(NOTES),
            "version": self._version(random, row),
        }

    def _write_holiday_pay(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 7)
        yearly: list[Document] = [
            {
                "holidayCreditYear": year,
                "remainingHolidayDays": int(random.random() * 30),
                "remainingHolidayPay": Decimal(int(random.random() * 900_000)).scaleb(-2),
                "remainingHolidayBonusDays": None,
                "remainingAdditionalLeaveDays": 0,
            }
            for year in (2025, 2026)
        ]
        start = date_text(self.rows.row(row.owner).start)
        return {
            "useHolidayCalculation": True,
            "holidayEarningStartDate": start,
            "holidayBonusEarningStartDate": start,
            "totalRemainingHolidayDays": sum(one["remainingHolidayDays"] for one in yearly),
            "totalRemainingHolidayPay": sum(one["remainingHolidayPay"] for one in yearly),
            "totalRemainingHolidayBonusDays": Decimal("0.0"),
            "totalRemainingAdditionalLeaveDays": 0,
            "yearlyRemainings": yearly,
        }

    def _write_working_hour_reduction(self, row: OwnedRow) -> Document:
        random = self.random(row.id, 8)
        return {
            "startDate": date_text(self.rows.row(row.owner).start),
            "totalRemainingWorkingHourReductionHours": Decimal("12.50"),
            "totalRemainingWorkingHourReductionDays": None if happens(random, 0.3) else 2,
        }

    def _version(self, random: Random, row: OwnedRow) -> str:
        day = self.rows.row(row.owner).start + int(random.random() * _DAYS_PER_YEAR)
        return time_text(day * SECONDS_PER_DAY + int(random.random() * SECONDS_PER_DAY))


def of_owner(collection: Collection[OwnedRow], owner: int) -> Iterator[OwnedRow]:
    """Return what belongs to an owner."""
    wanted = frozenset({OneOf("owner", frozenset({owner}))})
    return map(collection.row_at, collection.select(wanted, Order("id", descending=False)))


def identity_code(random: Random) -> str:
    """Return a personal identity code that no one has: those from 900 on are never given."""
    birth = to_date(int(random.random() * 12_000))
    number = 900 + int(random.random() * 100)
    control = int(f"{birth:%d%m%y}{number}") % len(_CONTROL_CHARACTERS)
    return f"{birth:%d%m%y}-{number}{_CONTROL_CHARACTERS[control]}"


def _own_ids(row: EmployeeRow, count: int) -> list[int]:
    return [row.id * _IDS_PER_EMPLOYEE + at for at in range(count)]


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
