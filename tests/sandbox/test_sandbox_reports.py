from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_client import Client, running

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTH = {"startDate": "2024-03-01", "endDate": "2024-03-31"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running() as (_, client):
        yield client


def rows(client: Client, question: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/reports/ledgeraccounts", question).json(parse_float=Decimal)
    (period,) = answer["reportData"]["periods"]
    return list(period["rows"])


def test_sums_are_those_of_the_receipts(client: Client) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (account, month), total in client.sandbox.companies[0].ledger_report().items():
        if month == "2024-03":
            sums[account] = total
    found = {row["name"].split()[0]: row["value"] for row in rows(client, MONTH)}
    del found["Yhteensä"]
    assert found == sums


def test_the_period_begins_with_the_month_unless_told(client: Client) -> None:
    assert rows(client, {"endDate": "2024-03-31"}) == rows(client, MONTH)


def test_statuses_and_types_narrow_a_report(client: Client) -> None:
    everything = rows(client, MONTH)
    paid = rows(client, {**MONTH, "receiptStatus": ["PAID"]})
    salaries = rows(client, {**MONTH, "options": {"receiptType": ["SALARY"]}})
    assert everything != paid != salaries != everything
    assert {row["name"].split()[0] for row in salaries} == {"2921", "2961", "5000", "Yhteensä"}


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"endDate": "31.3.2024"},
        {"endDate": "2024-03-31", "receiptStatus": "PAID"},
        {"endDate": "2024-03-31", "receiptStatus": ["GONE"]},
        {"endDate": "2024-03-31", "nonsense": True},
        {"endDate": "2024-03-31", "options": {"nonsense": True}},
    ],
)
def test_a_wrong_question_is_refused(client: Client, question: dict[str, Any]) -> None:
    assert client.post("/reports/ledgeraccounts", question).status_code == 400


def test_a_report_needs_its_type(client: Client) -> None:
    assert client.post("/reports/accounting", MONTH).status_code == 400
    assert client.post("/reports/accounting", MONTH | {"type": "PROFIT"}).status_code == 400


def test_reports_are_not_to_be_got(client: Client) -> None:
    assert client.get("/reports/ledgeraccounts").status_code == 405


def test_an_unknown_account_has_no_report(client: Client) -> None:
    assert client.post("/reports/generalledger/1", MONTH).status_code == 404


def test_reports_need_their_right(client: Client) -> None:
    company = client.sandbox.companies[0]
    company.set_right("accounting.accountingReports")
    for path in ("ledgeraccounts", "accounting", "generalledger/1701"):
        question = MONTH | ({"type": "CASH_FLOW"} if path == "accounting" else {})
        assert client.post(f"/reports/{path}", question).status_code == 403
    company.set_right("accounting.accountingReports", "VIEWING_RIGHTS")
