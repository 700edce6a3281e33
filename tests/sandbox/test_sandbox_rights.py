from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_client import Client, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as (_, client):
        yield client


def test_all_rights_are_granted_at_first(client: Client) -> None:
    rights = client.json("/users/rights")["rights"]
    assert rights["salaries"]["payroll"] == "ALL_RIGHTS"
    assert rights["salaries"]["personalSalariesOnly"] is False


def test_rights_can_be_set(client: Client) -> None:
    company = client.sandbox.companies[0]
    company.set_right("salaries.payroll")
    company.set_right("sales.personalSalesInvoicesOnly", value=True)
    rights = client.json("/users/rights")["rights"]
    assert rights["salaries"]["payroll"] == "NO_ACCESS"
    assert rights["sales"]["personalSalesInvoicesOnly"] is True
    with pytest.raises(LookupError):
        company.set_right("salaries.nonsense")


@pytest.mark.parametrize(
    ("rights", "path"),
    [
        (["salaries.personRegister"], "/persons"),
        (["management.basicCompanyInfo"], "/company"),
        (["management.basicCompanyInfo"], "/company/usagesettings"),
        (["management.basicAccountingInfo"], "/dimensions"),
        (["sales.productRegister", "purchases.productRegister"], "/products"),
        (["sales.productRegister", "purchases.productRegister"], "/products/groups"),
        (["sales.customerRegister", "purchases.supplierRegister"], "/businesspartners/groups"),
        (
            [
                "sales.salesInvoiceSearch",
                "purchases.purchaseInvoiceSearch",
                "travelAndExpenses.travelAndExpenseInvoiceSearch",
            ],
            "/invoices",
        ),
    ],
)
def test_some_paths_answer_403_without_their_right(
    client: Client, rights: list[str], path: str
) -> None:
    assert client.get(path).status_code == 200
    for right in rights:
        client.sandbox.companies[0].set_right(right)
    answer = client.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (403, 403)


def test_without_payroll_rights_salary_receipts_are_missing(client: Client) -> None:
    company = client.sandbox.companies[0]
    salary = next(one["id"] for one in company.truth("ledgerreceipts") if one["type"] == "SALARY")
    assert client.get(f"/ledgerreceipts/{salary}").status_code == 200
    company.set_right("salaries.payroll")
    assert {row["type"] for row in client.rows("/ledgerreceipts")}.isdisjoint({"SALARY"})
    assert client.get(f"/ledgerreceipts/{salary}").status_code == 404


def test_without_the_right_to_receipts_there_are_none(client: Client) -> None:
    client.sandbox.companies[0].set_right("accounting.journalReceiptSearch")
    page = client.json("/ledgerreceipts")
    assert (page["results"], page["meta"]["totalCount"]) == ([], 0)


@pytest.mark.parametrize(
    ("right", "kind"),
    [
        ("sales.customerRegister", "CUSTOMER"),
        ("purchases.supplierRegister", "SUPPLIER"),
        ("salaries.personRegister", "PERSON"),
    ],
)
def test_partners_of_a_closed_register_are_missing(client: Client, right: str, kind: str) -> None:
    client.sandbox.companies[0].set_right(right)
    kinds = {row["type"] for row in client.rows("/businesspartners")}
    assert kinds == {"CUSTOMER", "SUPPLIER", "PERSON"} - {kind}


def test_without_its_right_the_chart_of_accounts_is_empty(client: Client) -> None:
    client.sandbox.companies[0].set_right("management.chartOfAccountsAndDefaultReports")
    assert client.json("/coa") == {"ledgerAccounts": []}
