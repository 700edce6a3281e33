from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sandbox_client import Client, Row, running
from test_sandbox_conformance import validator, without_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

EMPLOYEE_ROWS = {
    "salaryinfo/employments": "employments",
    "salaryinfo/taxcards": "tax_cards",
    "salaryinfo/laborunionmemberships": "labor_union_memberships",
}
ONE_PER_EMPLOYEE = {
    "salaryinfo": "employee_salary_info",
    "salarybase": "employee_salary_bases",
    "holidaypay": "holiday_pays",
    "workinghourreduction": "working_hour_reductions",
}
LISTS = (
    "/payrolls/employees",
    "/payrolls/salaryslips",
    "/payrolls/salarylists",
    "/payrolls/salarytypes",
)
OTHERS = (
    "/payrolls/laborunionsettings",
    "/payrolls/salariesbasicinfo",
    "/payrolls/salaryperiods?holidayCreditYear=2025",
)


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as (_, client):
        yield client


def truth(client: Client, kind: str) -> list[Row]:
    return client.sandbox.companies[0].truth(kind)


def pages(client: Client, path: str, **parameters: object) -> list[list[Row]]:
    found: list[list[Row]] = []
    while not found or found[-1]:
        page = client.json(path, size=200, page=len(found), **parameters)
        found.append(page["results"])
    return found[:-1]


def test_slips_come_by_page_number_only(client: Client) -> None:
    found = pages(client, "/payrolls/salaryslips", orderById="ASC")
    assert [len(page) for page in found[:-1]] == [200, 200]
    assert 0 < len(found[-1]) < 200
    ids = [row["id"] for page in found for row in page]
    assert ids == [slip["id"] for slip in truth(client, "salary_slips")]
    assert client.get("/payrolls/salaryslips", previousId=ids[0]).status_code == 400
    newest = client.json("/payrolls/salaryslips")["results"][0]
    assert newest["id"] == ids[-1]


def test_slips_come_in_batches_and_the_amounts_are_in_the_list_only(client: Client) -> None:
    slips = truth(client, "salary_slips")[:200]
    details = client.details("/payrolls/salaryslips", [slip["id"] for slip in slips])
    listed = {row["id"]: row for row in pages(client, "/payrolls/salaryslips", orderById="ASC")[0]}
    assert [listed[detail["id"]] | detail for detail in details] == slips
    assert "netPay" not in details[0]
    assert "rows" not in listed[slips[0]["id"]]


@pytest.mark.parametrize(
    ("parameters", "field", "values"),
    [
        (
            {"paydayStartDate": "2025-01-25", "paydayEndDate": "2025-02-25"},
            "payday",
            {"2025-01-25", "2025-02-25"},
        ),
        ({"status": "PAID"}, "status", {"PAID"}),
        ({"slipNumber": "3,7"}, "slipNumber", {3, 7}),
    ],
)
def test_slips_are_filtered(
    client: Client, parameters: dict[str, str], field: str, values: set[object]
) -> None:
    found = [row for page in pages(client, "/payrolls/salaryslips", **parameters) for row in page]
    expected = [slip for slip in truth(client, "salary_slips") if slip[field] in values]
    assert {row["id"] for row in found} == {slip["id"] for slip in expected}
    assert found


def test_inactive_employees_come_when_asked_for(client: Client) -> None:
    path = "/payrolls/employees"
    active = client.json(path)["results"]
    everyone = client.json(path, includeInactive="true", orderById="ASC")["results"]
    assert everyone == truth(client, "employees")
    assert len(everyone) > len(active) > 0


@pytest.mark.parametrize("path", EMPLOYEE_ROWS)
def test_what_an_employee_has_several_of(client: Client, path: str) -> None:
    check = validator(f"/payrolls/employees/{{id}}/{path}")
    found = []
    for employee in truth(client, "employees"):
        rows = client.json(f"/payrolls/employees/{employee['id']}/{path}")
        for row in rows:
            assert client.json(f"/payrolls/employees/{employee['id']}/{path}/{row['id']}") == row
        check.validate(without_unknown(rows))
        found += [{"employeeId": employee["id"]} | row for row in rows]
    assert found == truth(client, EMPLOYEE_ROWS[path])
    assert found
    assert client.get(f"/payrolls/employees/1/{path}").status_code == 404


@pytest.mark.parametrize("path", ONE_PER_EMPLOYEE)
def test_what_an_employee_has_once_or_not_at_all(client: Client, path: str) -> None:
    check = validator(f"/payrolls/employees/{{id}}/{path}")
    found = []
    for employee in truth(client, "employees"):
        answer = client.get(f"/payrolls/employees/{employee['id']}/{path}")
        assert answer.status_code in {200, 404}
        if answer.status_code == 200:
            found.append({"employeeId": employee["id"]} | answer.json(parse_float=Decimal))
            check.validate(without_unknown(answer.json()))
    assert found == truth(client, ONE_PER_EMPLOYEE[path])
    assert found


def test_periods_are_in_lists_for_a_year(client: Client) -> None:
    path = "/payrolls/salaryperiods"
    assert client.get(path).status_code == 400
    assert client.get(path, holidayCreditYear=1999).status_code == 404
    lists = client.json(path, holidayCreditYear=2025)
    periods = [period for one in lists for period in client.json(f"{path}/{one['id']}")]
    expected = [one for one in truth(client, "salary_periods") if one["holidayCreditYear"] == 2025]
    assert [{"salaryPeriodListId": one["id"] // 20} | one for one in periods] == expected
    assert len(periods) > len(lists) > 1


def test_the_accounting_of_a_slip_sums_to_zero(client: Client) -> None:
    slip = truth(client, "salary_slips")[5]["id"]
    accounting = client.json(f"/payrolls/salaryslips/{slip}/accounting")
    assert sum(one["accountingValue"] for one in accounting["transactions"]) == 0


@pytest.mark.parametrize("path", [*LISTS, *OTHERS])
def test_the_right_and_the_module_are_needed(client: Client, path: str) -> None:
    company = client.sandbox.companies[0]
    assert client.get(path).status_code == 200
    client.control(f"companies/{company.id}/set_payroll", enabled=False)
    assert client.get(path).status_code == 403
    company.set_payroll(enabled=True)
    company.set_right("salaries.payroll")
    assert client.get(path).status_code == 403


def test_who_is_limited_to_the_own_salaries_sees_none(client: Client) -> None:
    company = client.sandbox.companies[0]
    employee = truth(client, "employees")[0]["id"]
    company.set_right("salaries.personalSalariesOnly", value=True)
    for path in LISTS[:3]:
        assert client.json(path)["meta"]["totalCount"] == 0
    assert client.get(f"/payrolls/employees/{employee}/salaryinfo").status_code == 404
    assert client.json("/payrolls/salarytypes")["results"]
