"""The payroll: employees, salary slips, and what they depend on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.collection import Order
from tap_procountor.sandbox.books.employees import of_owner

from .declarations import (
    NOTHING,
    Resource,
    any_of,
    equal,
    only_active_unless,
    since,
    text,
    until,
)

if TYPE_CHECKING:
    from tap_procountor.sandbox.tenant import Tenant

# The user of the key is nobody's employee: limited to its own salaries it sees none.
_OWN_ONLY = {"salaries.personalSalariesOnly": NOTHING}

_EMPLOYEE = "/payrolls/employees/{id}"
_INFO = f"{_EMPLOYEE}/salaryinfo"


def _in_use(company: Tenant) -> bool:
    return company.payroll


_resource = partial(Resource, rights=("salaries.payroll",), is_available=_in_use)

RESOURCES = (
    _resource(
        "employees",
        path="/payrolls/employees",
        data=lambda books: books.payroll.employees.rows,
        filters={
            "personNumber": text("personNumber"),
            "salaryChannel": text("salaryChannel"),
            "includeInactive": only_active_unless("active"),
        },
        hidden=_OWN_ONLY,
    ),
    Resource("employee_salary_info", path=_INFO, owners="employees"),
    Resource("employee_salary_bases", path=f"{_EMPLOYEE}/salarybase", owners="employees"),
    Resource("holiday_pays", path=f"{_EMPLOYEE}/holidaypay", owners="employees"),
    Resource(
        "working_hour_reductions",
        path=f"{_EMPLOYEE}/workinghourreduction",
        owners="employees",
    ),
    Resource("employments", path=f"{_INFO}/employments", owners="employees"),
    Resource("tax_cards", path=f"{_INFO}/taxcards", owners="employees"),
    Resource("labor_union_memberships", path=f"{_INFO}/laborunionmemberships", owners="employees"),
    _resource(
        "salary_slips",
        path="/payrolls/salaryslips",
        data=lambda books: books.payroll.slips,
        filters={
            "paydayStartDate": since("payday"),
            "paydayEndDate": until("payday"),
            "employeeName": text("employeeName"),
            "slipNumber": lambda values: any_of("number")(frozenset(map(int, values))),
            "status": any_of("status"),
        },
        hidden=_OWN_ONLY,
    ),
    Resource(
        "salary_slip_accounting",
        path="/payrolls/salaryslips/{id}/accounting",
        owners="salary_slips",
        data=lambda books, slip: [books.payroll.accounting(slip)],
    ),
    _resource(
        "salary_lists",
        path="/payrolls/salarylists",
        data=lambda books: books.payroll.lists,
        filters={
            "paymentPeriodStart": since("start"),
            "paymentPeriodEnd": until("end"),
            "name": text("name"),
        },
        hidden=_OWN_ONLY,
    ),
    _resource(
        "salary_types",
        path="/payrolls/salarytypes",
        data=lambda books: books.payroll.types,
        filters={
            "name": text("name"),
            "code": equal("id"),
            "category": equal("category"),
            "incomeType": text("incomeType"),
            "incomeTypeCode": equal("income_type"),
        },
    ),
    _resource(
        "salary_period_lists",
        path="/payrolls/salaryperiods",
        data=lambda books: books.payroll.period_lists,
        filters={"holidayCreditYear": equal("year")},
        has_details=False,
    ),
    Resource(
        "salary_periods",
        path="/payrolls/salaryperiods/{id}",
        owners="salary_period_lists",
        data=lambda books, periods: of_owner(books.payroll.periods, periods.id),
    ),
    _resource(
        "salaries_basic_info",
        path="/payrolls/salariesbasicinfo",
        data=lambda books: books.payroll.basic_infos,
        filters={"year": equal("year")},
        # Without a year the newest comes.
        order=Order("year", descending=True),
    ),
    _resource(
        "labor_union_settings",
        path="/payrolls/laborunionsettings",
        count=4,
    ),
)
