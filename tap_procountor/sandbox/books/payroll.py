"""Salary slips, the lists that they are made in, and what the payroll is set up with."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .collection import Collection, Document, OneOf, Order
from .employees import CHANNELS, EmployeeRow, Employees, OwnedRow
from .fiscal_years import FIRST_YEAR, LAST_YEAR
from .money import euros, per_mille
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text, to_date, to_days
from .words import COST_CENTRES, NOTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from .partners import Partners

UNKNOWN_STATUS = "WAITING_FOR_COUNTERSIGNATURE"
"""A status that the specification does not name."""

_PAYDAY = 25
_MONTHS = 12
_LAST_MONTH = 10
"""Of the last year: the slips end where the books do."""

_TYPES_PER_NAME = 30
_TYPES = (
    ("Kuukausipalkka", "SALARY_FOR_TIME_WORKED"),
    ("Tuntipalkka", "SALARY_FOR_TIME_WORKED"),
    ("Ylityökorvaus 50 %", "OTHER_TAXABLE_EARNINGS"),
    ("Vapaa autoetu", "FRINGE_BENEFITS"),
    ("Ennakonpidätys", "TAX"),
    ("Päiväraha", "TAX_FREE_ITEMS"),
    ("Ulosotto", "DEDUCTIONS_FROM_NET_PAY"),
    ("Lisätieto", "INFORMATIVE_ITEMS"),
)


class SlipRow(NamedTuple):
    """What the books remember of a salary slip."""

    id: int
    employee: int
    list: int
    payday: int
    number: int
    status: str


class ListRow(NamedTuple):
    """What the books remember of a salary list: one a month."""

    id: int
    start: int
    end: int


class TypeRow(NamedTuple):
    """What the books remember of a salary type, whose id is its code."""

    id: int
    name: str
    category: str
    income_type: int


class YearRow(NamedTuple):
    """What the books remember of something that there is for a year."""

    id: int
    year: int


class Payroll:
    """The payroll of a company."""

    def __init__(self, seed: Seed, first_id: int, partners: Partners, start: int, end: int) -> None:
        self._seed = seed
        self.employees = Employees(seed, first_id, partners, start, end)
        self.lists = Collection(ListRow, self.write_list, self._list_summary)
        self.slips = Collection(SlipRow, self.write_slip, self._slip_summary)
        self.types = Collection(TypeRow, self._write_type)
        self.period_lists = Collection(YearRow, _write_period_list)
        self.periods = Collection(OwnedRow, self._write_period)
        self.basic_infos = Collection(YearRow, self._write_basic_info)
        years = range(FIRST_YEAR, LAST_YEAR + 1)
        self.lists.fill(*zip(*_lists(first_id), strict=True))
        self.slips.fill(*zip(*self._slips(first_id), strict=True))
        self.types.fill(*zip(*_types(), strict=True))
        self.basic_infos.fill(years, years)
        lists = [
            (first_id + 2 * at + kind, year) for at, year in enumerate(years) for kind in (0, 1)
        ]
        self.period_lists.fill(*zip(*lists, strict=True))
        periods = [(number * 20 + month, number) for number, _ in lists for month in range(_MONTHS)]
        self.periods.fill(*zip(*periods, strict=True))

    def write_slip(self, row: SlipRow) -> Document:
        """Write the salary slip of a row."""
        random = self._seed.random(Topic.SALARY_SLIP, row.id)
        work_list = self.lists.row(row.list)
        gross = self._gross(row)
        slip = self._slip_summary(row) | {
            "employeeId": row.employee,
            "salaryBaseNote": random.choice(NOTES),
            "incomesRegisterReportingSetting": "FORM_BOTH_REPORTS",
            "workingTimeAllocation": {
                "holidaysWorkingTime": {
                    "workingTimeInFirstMonth": Decimal("21.0"),
                    "workingTimeInSecondMonth": None,
                    "workingTimeType": "DAYS",
                    "averageDailyActualWorkdays": {"actualWorkdaysInFirstYear": 21},
                }
            },
            "rows": [*_slip_rows(random, row, gross, work_list)],
            "settings": {
                "noObligationExceptionTypes": [],
                "notSubjectExceptionTypes": [],
                "pensionVoluntarilyPaid": False,
                "accountingDate": date_text(work_list.end),
                "dueDate": date_text(row.payday),
                "salaryChannel": random.choice(CHANNELS),
                "additionalInformation": None,
            },
            "adjustments": {
                "payday": date_text(row.payday),
                "employment": {
                    "startDate": date_text(self.employees.rows.row(row.employee).start),
                    "endDate": None,
                    "type": "PERMANENT",
                    "terminationReason": "NOT_APPLICABLE",
                    "hoursPerWeek": Decimal("37.50"),
                    "employmentType": "FULL_TIME",
                },
                "pensionContractId": 7,
                "accidentInsurancePolicyId": None,
            },
            "version": time_text(row.payday * SECONDS_PER_DAY - row.id % SECONDS_PER_DAY),
        }
        if happens(random, 0.05):
            slip["archiveClass"] = {"years": 10, "weight": Decimal("0.50")}
        return slip

    def write_list(self, row: ListRow) -> Document:
        """Write the salary list of a row."""
        random = self._seed.random(Topic.SALARY_SLIP, row.id, 1)
        start, end = date_text(row.start), date_text(row.end)
        work_list = self._list_summary(row) | {
            "holidayYear": to_date(row.start).year,
            "earningsPeriodStart": start,
            "earningsPeriodEnd": None if happens(random, 0.2) else end,
            "accountingDate": end,
            "dueDate": date_text(_payday(row)),
            "payday": date_text(_payday(row)),
            "salarySlips": [self._slip_summary(slip) for slip in self._slips_of(row)],
            "version": time_text(row.end * SECONDS_PER_DAY + row.id % SECONDS_PER_DAY),
        }
        if happens(random, 0.1):
            work_list["handling"] = "kiireellinen"
        return work_list

    def _list_summary(self, row: ListRow) -> Document:
        slips = len(self._slips_of(row))
        return {
            "id": row.id,
            "name": f"Palkat {to_date(row.start):%m/%Y}",
            "numberOfSlips": slips,
            "unfinished": 0,
            "sent": None,
            "paid": slips,
            "reported": slips,
            "paymentPeriodStart": date_text(row.start),
            "paymentPeriodEnd": date_text(row.end),
            "created": time_text(row.end * SECONDS_PER_DAY - SECONDS_PER_DAY // 2),
            "createdBy": "Päivi Öhman",
        }

    def _slips_of(self, row: ListRow) -> list[SlipRow]:
        wanted = frozenset({OneOf("list", frozenset({row.id}))})
        return [*map(self.slips.row_at, self.slips.select(wanted, Order("id", descending=False)))]

    def _slip_summary(self, row: SlipRow) -> Document:
        gross = self._gross(row)
        tax = per_mille(gross, 250)
        deductions = per_mille(gross, 87)
        return {
            "id": row.id,
            "employeeName": self.employees.name(row.employee),
            "payday": date_text(row.payday),
            "slipNumber": row.number,
            "status": row.status,
            "paidStatusDetails": "MARKED_PAID" if row.status == "PAID" else None,
            "slipNotes": NOTES[row.id % len(NOTES)],
            "salaryChannel": CHANNELS[row.id % len(CHANNELS)],
            "sentStatus": "OK",
            "reportStatus": "UNDEFINED",
            "salary": euros(gross),
            "fringeBenefit": Decimal("0.00"),
            "salaryForIns": euros(gross),
            "deductionToTaxable": Decimal("-0.00"),
            "tax": euros(-tax),
            "taxableCompensation": euros(gross),
            "taxFreeItems": Decimal("0.00"),
            "otherDeductions": euros(-deductions),
            "netPay": euros(gross - tax - deductions),
            "eSalaryStatus": None,
        }

    def _gross(self, row: SlipRow) -> int:
        """Return the salary of a slip in cents."""
        monthly = 200_000 + self.employees.random(row.employee, 9).randrange(600_000)
        return monthly + row.id % 97 * 1_013

    def accounting(self, slip: SlipRow) -> Document:
        """Write how a slip is booked."""
        gross = self._gross(slip)
        tax = per_mille(gross, 250)
        amounts = {"7000": gross, "2921": -tax, "2923": -per_mille(gross, 87)}
        amounts["1910"] = -sum(amounts.values())
        transactions: list[Document] = [
            {
                "id": slip.id * 4 + at,
                "transactionType": "ENTRY",
                "account": account,
                "accountingValue": euros(cents),
                "description": self.employees.name(slip.employee) if at == 0 else None,
                "dimensionItemValues": [],
            }
            for at, (account, cents) in enumerate(amounts.items())
        ]
        if slip.id % 2:
            transactions[0]["dimensionItemValues"] = [
                {"dimensionId": 300, "itemId": 300_000 + slip.id % 3, "value": euros(gross)}
            ]
        if slip.id % 11 == 0:
            transactions[0]["posting"] = {"origin": "palkka", "share": Decimal("1.0")}
        work_list = self.lists.row(slip.list)
        return {
            "name": f"Palkkalaskelma {slip.number}",
            "receiptDate": date_text(work_list.end),
            "accountantsNotes": None,
            "transactionDescription": COST_CENTRES[slip.id % len(COST_CENTRES)],
            "receiptValidity": "IMMEDIATELY",
            "transactions": transactions,
            "version": time_text(slip.payday * SECONDS_PER_DAY),
        }

    def _write_type(self, row: TypeRow) -> Document:
        random = self._seed.random(Topic.SALARY_SLIP, row.id, 2)
        document: Document = {
            "name": row.name,
            "code": row.id,
            "category": row.category,
            "unit": random.choice(("HOUR", "PIECE", "SHIFT")),
            "unitValue": Decimal("0.00000") if happens(random, 0.5) else Decimal("12.12345"),
            "paymentPercent": Decimal("100.00"),
            "paymentPercentEditable": happens(random, 0.5),
            "affectsHealthInsurance": True,
            "affectsPensionInsurance": True,
            "affectsUnemploymentInsurance": True,
            "affectsAccidentAndGroupLifeInsurance": happens(random, 0.9),
            "incomeType": None if happens(random, 0.2) else "Aikapalkka",
            "incomeTypeCode": row.income_type,
            "translations": [{"languageCode": "sv", "translation": f"Lön {row.id}"}],
        }
        if happens(random, 0.1):
            document["handling"] = None
        return document

    def _write_period(self, row: OwnedRow) -> Document:
        year = self.period_lists.row(row.owner).year
        month = 1 + row.id % 20
        last = monthrange(year, month)[1]
        document: Document = {
            "id": row.id,
            "name": f"{month:02}/{year}",
            "paymentPeriodStart": f"{year}-{month:02}-01",
            "paymentPeriodEnd": f"{year}-{month:02}-{last}",
            "holidayCreditYear": year,
            "calendarWorkdays": 20 + row.id % 3,
            "dueDate": f"{year}-{month:02}-{_PAYDAY}",
            "payday": f"{year}-{month:02}-{_PAYDAY}",
            "accountingDate": None if row.id % 7 == 0 else f"{year}-{month:02}-{last}",
        }
        return document

    def _write_basic_info(self, row: YearRow) -> Document:
        version = f"{row.year}-01-04T10:00:00"
        return {
            "yearlyFigures": {
                "year": row.year,
                "paidSalariesSum": euros(
                    sum(
                        self._gross(one)
                        for one in self.slips
                        if to_date(one.payday).year == row.year
                    )
                ),
                "pensionInsuranceContributionPercent": Decimal("17.380"),
                "unemploymentInsurancePercentBasic": Decimal("0.20"),
                "unemploymentInsurancePercentAdditional": Decimal("0.80"),
                "accidentInsurancePercent": Decimal("0.70"),
                "groupLifeInsurancePercent": Decimal("0.06"),
                "healthCareInsurancePercent": None,
            },
            "workHours": {
                "id": 1,
                "monthly": Decimal("160.00"),
                "weekly": Decimal("37.50"),
                "version": version,
            },
            "incomesRegisterConfiguration": {
                "id": 2,
                "kevaSuborganisationId": None,
                "payerTypes": ["TEMPORARY_EMPLOYER"],
                "version": version,
            },
            "pensionContracts": [
                {
                    "id": 7,
                    "providerName": "Eläke-Öhman",
                    "number": "46-1234567A",
                    "active": True,
                    "label": "TyEL",
                    "version": version,
                }
            ],
            "accidentInsurancePolicies": [],
        }

    def _slips(self, first_id: int) -> Iterator[SlipRow]:
        random = self._seed.random(Topic.SALARY_SLIP)
        number = 0
        for work_list in self.lists:
            for employee in self.employees.rows:
                if not _works(employee, work_list):
                    continue
                yield SlipRow(
                    id=first_id + number + number // 9 * 2,
                    employee=employee.id,
                    list=work_list.id,
                    payday=_payday(work_list),
                    number=number + 1,
                    status=_status(random, work_list),
                )
                number += 1


def _write_period_list(row: YearRow) -> Document:
    kind = ("Kuukausipalkat", "Tuntipalkat")[row.id % 2]
    return {"id": row.id, "name": f"{kind} {row.year}"}


def _slip_rows(random: Random, row: SlipRow, gross: int, work_list: ListRow) -> Iterator[Document]:
    for at, (code, cents) in enumerate(
        ((1000, gross), (1120, -per_mille(gross, 250)), (1150, -per_mille(gross, 87)))
    ):
        document: Document = {
            "id": row.id * 3 + at,
            "salaryTypeCode": code,
            "customName": None if at else "Kuukausipalkka",
            "quantity": Decimal("1.00000"),
            "unitValue": Decimal(cents).scaleb(-2) + Decimal("0.00000"),
            "paymentPercent": Decimal("100.00"),
            "baseSalaryRow": at == 0,
            "earningsPeriodStart": date_text(work_list.start),
            "earningsPeriodEnd": date_text(work_list.end),
            "showEarningPeriodInExport": False,
            "unjustEnrichment": False,
            "comment": random.choice(NOTES),
            "holidayRowDetails": {"holidayCreditYear": 2026, "holidayPayPercentage": Decimal("9.0")}
            if happens(random, 0.1)
            else None,
        }
        if happens(random, 0.05):
            document["posting"] = "käsin"
        yield document


def _lists(first_id: int) -> Iterator[ListRow]:
    for at in range((LAST_YEAR - FIRST_YEAR) * _MONTHS + _LAST_MONTH):
        year, month = FIRST_YEAR + at // _MONTHS, at % _MONTHS + 1
        yield ListRow(
            id=first_id + at,
            start=to_days(date(year, month, 1)),
            end=to_days(date(year, month, monthrange(year, month)[1])),
        )


def _types() -> Iterator[TypeRow]:
    for at, (name, category) in enumerate(_TYPES * _TYPES_PER_NAME):
        kind = at // len(_TYPES)
        yield TypeRow(1000 + 5 * at, f"{name} {kind}" if kind else name, category, 201 + at % 8)


def _works(employee: EmployeeRow, work_list: ListRow) -> bool:
    return employee.start <= work_list.end and (not employee.end or work_list.start <= employee.end)


def _payday(work_list: ListRow) -> int:
    return work_list.start + _PAYDAY - 1


def _status(random: Random, work_list: ListRow) -> str:
    if happens(random, 0.02):
        return UNKNOWN_STATUS
    is_old = to_date(work_list.end) < date(LAST_YEAR, _LAST_MONTH, 1)
    return "PAID" if is_old else random.choice(("CREATED", "APPROVED", "INVALIDATED"))
