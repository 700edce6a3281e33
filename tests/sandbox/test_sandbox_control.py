from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_client import Client, Json, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as (_, client):
        yield client


def get(client: Client, path: str) -> Json:
    return client.session.get(f"{client.sandbox.url}/sandbox/{path}").json(parse_float=Decimal)


def test_companies_and_truth_over_http(client: Client) -> None:
    company = client.sandbox.companies[0]
    assert get(client, "companies") == [{"id": company.id, "apiKey": company.api_key}]
    assert get(client, "config") == client.sandbox.config()
    for kind in ("invoices", "ledgerreceipts", "dimensions", "company"):
        assert get(client, f"companies/{company.id}/truth/{kind}") == company.truth(kind)


def test_the_digits_of_the_truth_are_those_of_the_api(client: Client) -> None:
    company = client.sandbox.companies[0]
    number = company.truth("invoices")[0]["id"]
    truth = client.session.get(
        f"{client.sandbox.url}/sandbox/companies/{company.id}/truth/invoices"
    ).text
    row_text = client.get(f"/invoices/{number}").text.partition('"invoiceRows":')[2]
    assert row_text.partition("]")[0] in truth


def test_actions_over_http(client: Client) -> None:
    company = client.sandbox.companies[0]
    base = f"companies/{company.id}"
    client.control("set_clock", moment="2026-11-01T10:00:00+00:00")
    number = client.control(f"{base}/create_invoice", kind="SALES_INVOICE")
    client.control(f"{base}/edit", kind="invoices", number=number, changes={"notes": "x"})
    assert client.json(f"/invoices/{number}")["notes"] == "x"
    client.control(f"{base}/invalidate", number=number)
    assert client.json(f"/invoices/{number}")["status"] == "INVALIDATED"
    client.control(f"{base}/delete", kind="invoices", number=number)
    assert client.get(f"/invoices/{number}").status_code == 404
    client.control(f"{base}/set_right", name="salaries.personRegister")
    assert client.get("/persons").status_code == 403
    client.control(f"{base}/set_documents", enabled=False)
    assert client.get("/attachments").status_code == 403
    client.control("add_fault", status=500)
    assert client.get("/coa").status_code == 500
    assert client.control(f"{base}/replace_key") == company.api_key
    client.control("reset_statistics")
    assert get(client, "statistics")["total"] == 0


@pytest.mark.parametrize(
    ("action", "arguments", "status"),
    [
        ("nonsense", {}, 404),
        ("companies/10001/nonsense", {}, 404),
        ("companies/10001/invalidate", {"number": 1}, 400),
        ("companies/10001/invalidate", {"nonsense": 1}, 400),
        ("companies/1/invalidate", {"number": 1}, 400),
        ("set_clock", {"moment": "noon"}, 400),
    ],
)
def test_bad_actions_are_explained(
    client: Client, action: str, arguments: dict[str, Any], status: int
) -> None:
    answer = client.session.post(f"{client.sandbox.url}/sandbox/{action}", json=arguments)
    assert answer.status_code == status
    assert answer.json()["error"]
