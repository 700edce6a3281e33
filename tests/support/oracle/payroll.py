"""The payroll."""

from __future__ import annotations

from typing import TYPE_CHECKING

import inflection

from support.oracle.records import documents, expected_record, expected_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.exact import Record
    from support.oracle.records import Rows
    from tap_procountor.sandbox.company import Company

DOCUMENTS: dict[str, Rows] = {
    "employees": documents("employees", "Employee"),
    "labor_union_settings": documents("labor_union_settings", "LaborUnionSettingsBasicData"),
    "salary_lists": documents("salary_lists", "SalaryListBasicData", "SalaryList"),
    "salary_slips": documents("salary_slips", "SalarySlipBasicData", "SalarySlip"),
    "salary_types": documents("salary_types", "SalaryType"),
}


def _owned(kind: str, component: str, owner_id: str) -> Rows:
    """Return the rows of a table of documents that are asked for by their owner's id."""

    owner_field = inflection.camelize(owner_id, uppercase_first_letter=False)

    def rows(company: Company) -> Iterator[Record]:
        for document in company.truth(kind):
            owner = document.pop(owner_field)
            expected = expected_record(document, component, company_id=company.id)
            expected[owner_id] = owner
            if kind == "salary_periods":
                kind_of_pay = ("Kuukausipalkat", "Tuntipalkat")[owner % 2]
                year = document["holidayCreditYear"]
                expected["salary_period_list_name"] = f"{kind_of_pay} {year}"
            yield expected

    return rows


OWNED: dict[str, Rows] = {
    "employee_salary_info": _owned("employee_salary_info", "SalaryInfo", "employee_id"),
    "employee_salary_bases": _owned("employee_salary_bases", "SalaryBase", "employee_id"),
    "employments": _owned("employments", "Employment", "employee_id"),
    "tax_cards": _owned("tax_cards", "TaxCard", "employee_id"),
    "labor_union_memberships": _owned(
        "labor_union_memberships", "LaborUnionMembership", "employee_id"
    ),
    "holiday_pays": _owned("holiday_pays", "HolidayPay", "employee_id"),
    "working_hour_reductions": _owned(
        "working_hour_reductions", "WorkingHourReduction", "employee_id"
    ),
    "salary_slip_accounting": _owned(
        "salary_slip_accounting", "SalarySlipAccounting", "salary_slip_id"
    ),
    "salary_periods": _owned("salary_periods", "SalaryPeriod", "salary_period_list_id"),
}


def _items(owners: str, array: str, owner_fields: dict[str, str], component: str) -> Rows:
    """Return the rows of a table that holds the items of an array of another table's rows.

    Args:
        owners: The other table.
        array: The array.
        owner_fields: Fields of the row that are the owner's, by their name in the row.
        component: The schema that knows the items' fields.
    """

    def rows(company: Company) -> Iterator[Record]:
        for owner in (DOCUMENTS | OWNED)[owners](company):
            inherited = {"company_id": company.id}
            inherited |= {name: owner[field] for name, field in owner_fields.items()}
            for item in owner[array]:
                yield expected_row(item, component, {}) | inherited

    return rows


ITEMS: dict[str, Rows] = {
    "salary_slip_rows": _items(
        "salary_slips",
        "rows",
        {"salary_slip_id": "id", "employee_id": "employee_id"},
        "SalarySlipRow",
    ),
    "salary_slip_transactions": _items(
        "salary_slip_accounting",
        "transactions",
        {"salary_slip_id": "salary_slip_id"},
        "SalarySlipTransaction",
    ),
    "salary_list_slips": _items(
        "salary_lists", "salary_slips", {"salary_list_id": "id"}, "SalarySlipBasicData"
    ),
}


def _salaries_basic_info(company: Company) -> Iterator[Record]:
    for document in company.truth("salaries_basic_info"):
        record = expected_record(document, "SalariesBasicInfo", company_id=company.id)
        yield record | {"year": document["yearlyFigures"]["year"]}


TABLES: dict[str, Rows] = {
    **DOCUMENTS,
    **OWNED,
    **ITEMS,
    "salaries_basic_info": _salaries_basic_info,
}
