from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox_client import Client, Row, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYSET_LISTS = ("/invoices", "/ledgerreceipts", "/businesspartners", "/products")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(invoices=250) as (_, client):
        yield client


def truth(client: Client, kind: str) -> list[Row]:
    return client.sandbox.companies[0].truth(kind)


def visible(client: Client, path: str) -> set[int]:
    """The ids that a list shows by its defaults."""
    rules: dict[str, Callable[[Row], bool]] = {
        "/invoices": lambda one: not one["isOffer"],
        "/ledgerreceipts": lambda _: True,
        "/businesspartners": lambda one: one["registryInfo"]["active"],
        "/products": lambda one: one["type"] != "TRAVEL",
    }
    return {one["id"] for one in truth(client, path[1:]) if rules[path](one)}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.sampled_from(KEYSET_LISTS), size=st.integers(min_value=17, max_value=200))
def test_keyset_paging_yields_every_row_exactly_once(client: Client, path: str, size: int) -> None:
    ids = [row["id"] for row in client.rows(path, size)]
    assert ids == sorted(visible(client, path))


def test_descending_is_the_default_where_the_specification_says_so(client: Client) -> None:
    ids = [row["id"] for row in client.json("/invoices")["results"]]
    assert ids == sorted(visible(client, "/invoices"), reverse=True)[:50]
    below = client.json("/invoices", previousId=ids[-1])["results"]
    assert below[0]["id"] < ids[-1]
    products = [row["id"] for row in client.json("/products")["results"]]
    assert products == sorted(products)


def test_pages_count_from_zero_and_tell_the_total(client: Client) -> None:
    total = len(visible(client, "/invoices"))
    page = client.json("/invoices", page=1, size=100)
    assert page["meta"] == {
        "pageNumber": 1,
        "pageSize": 100,
        "resultCount": 100,
        "totalCount": total,
    }
    beyond = client.json("/invoices", page=10, size=100)
    assert (beyond["results"], beyond["meta"]["totalCount"]) == ([], total)
    keyset = client.json("/invoices", previousId=page["results"][-1]["id"], size=1)
    assert keyset["meta"]["totalCount"] == total


@pytest.mark.parametrize(
    ("order", "field"),
    [("orderByVersion", "version"), ("orderByDate", "date"), ("orderByCreated", "created")],
)
def test_other_orders_work_with_pages(client: Client, order: str, field: str) -> None:
    rows = [
        row
        for page in (0, 1)
        for row in client.json("/invoices", size=200, page=page, **{order: "ASC"})["results"]
    ]
    assert [row[field] for row in rows] == sorted(row[field] for row in rows)
    assert {row["id"] for row in rows} == visible(client, "/invoices")


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/invoices", {"size": 0}),
        ("/invoices", {"size": 201}),
        ("/invoices", {"size": "many"}),
        ("/invoices", {"page": -1}),
        ("/invoices", {"versionStartDat": "2025-01-01T00:00:00"}),
        ("/invoices", {"versionStartDate": "2025-01-01T00:00:00Z"}),
        ("/invoices", {"versionStartDate": "2025-01-01T00:00:00+02:00"}),
        ("/invoices", {"versionStartDate": "2025-01-01"}),
        ("/invoices", {"startDate": "2025-01-01T00:00:00"}),
        ("/invoices", {"types": "SALES_INVOICE,NONSENSE"}),
        ("/invoices", {"orderById": "UP"}),
        ("/invoices", {"isOffer": "yes"}),
        ("/invoices", {"size": [10, 20]}),
        ("/products", {"page": 0}),
        ("/businesspartners/groups", {"previousId": 1}),
        ("/persons", {"previousId": 1}),
        ("/coa", {"size": 10}),
    ],
)
def test_bad_parameters_are_refused(client: Client, path: str, parameters: Row) -> None:
    answer = client.get(path, **parameters)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


def test_version_filters_include_both_ends(client: Client) -> None:
    versions = sorted(one["version"] for one in truth(client, "ledgerreceipts"))
    start, end = versions[100], versions[300]
    found = client.rows("/ledgerreceipts", versionStartDate=start, versionEndDate=end)
    assert sorted(row["version"] for row in found) == [
        version for version in versions if start <= version <= end
    ]


@pytest.mark.parametrize(
    ("path", "parameters", "keep"),
    [
        ("/invoices", {"isOffer": "true"}, lambda one: one["isOffer"]),
        (
            "/invoices",
            {"types": "SALES_INVOICE,TRAVEL_INVOICE"},
            lambda one: one["type"] in {"SALES_INVOICE", "TRAVEL_INVOICE"},
        ),
        (
            "/invoices",
            {"status": "PAID", "startDate": "2024-01-01", "endDate": "2024-12-31"},
            lambda one: one["status"] == "PAID" and one["date"][:4] == "2024",
        ),
        (
            "/invoices",
            {"createdStartDate": "2025-01-01T00:00:00", "types": "PURCHASE_INVOICE"},
            lambda one: one["created"] > "2025" and one["type"] == "PURCHASE_INVOICE",
        ),
        (
            "/invoices",
            {"dueEndDate": "2023-06-30"},
            lambda one: one["paymentInfo"]["dueDate"] <= "2023-06-30" and not one["isOffer"],
        ),
        ("/ledgerreceipts", {"types": "SALARY"}, lambda one: one["type"] == "SALARY"),
        ("/ledgerreceipts", {"status": "PAID"}, lambda one: one.get("status") == "PAID"),
        (
            "/businesspartners",
            {"active": "false"},
            lambda one: not one["registryInfo"]["active"],
        ),
        (
            "/businesspartners",
            {"type": "PERSON"},
            lambda one: one["type"] == "PERSON" and one["registryInfo"]["active"],
        ),
        ("/products", {"type": "TRAVEL"}, lambda one: one["type"] == "TRAVEL"),
        (
            "/products",
            {"active": "false"},
            lambda one: not one["active"] and one["type"] != "TRAVEL",
        ),
    ],
)
def test_filters_keep_what_they_say(
    client: Client, path: str, parameters: Row, keep: Callable[[Row], bool]
) -> None:
    expected = [one["id"] for one in truth(client, path[1:]) if keep(one)]
    assert expected
    assert [row["id"] for row in client.rows(path, **parameters)] == expected


def test_persons_show_the_inactive_when_asked(client: Client) -> None:
    active = client.json("/persons", size=200)["results"]
    everyone = client.json("/persons", size=200, includeInactive="true")["results"]
    assert len(everyone) == len(truth(client, "persons")) > len(active) > 0
    assert all(person["registryInfo"]["active"] for person in active)


def test_sensitive_filters_go_in_headers(client: Client) -> None:
    name = client.json("/businesspartners", size=1)["results"][0]["name"]
    url = client.sandbox.api_url + "/businesspartners"
    rows = client.session.get(url, headers={"name": name.encode("latin-1")}).json()["results"]
    assert {row["name"] for row in rows} == {name}
    assert client.get("/businesspartners", name=name).status_code == 400


def test_product_groups_are_those_of_sales_and_purchases_unless_asked(client: Client) -> None:
    groups = client.json("/products/groups")["productGroups"]
    assert {group["type"] for group in groups} == {"SALES", "PURCHASE"}
    travel = client.json("/products/groups", type="TRAVEL")["productGroups"]
    assert {group["type"] for group in travel} == {"TRAVEL"}
    assert client.json(f"/products/groups/{travel[0]['id']}") == travel[0]


def test_localizations_come_when_asked(client: Client) -> None:
    assert "productLocalizations" not in client.json("/products")["results"][0]
    product = client.json("/products", includeLocalizations="true")["results"][0]
    assert product["productLocalizations"]
    assert "productLocalizations" not in client.json(f"/products/{product['id']}")


def test_unpaged_registers_are_whole(client: Client) -> None:
    books = client.sandbox.companies[0]
    assert client.json("/coa")["ledgerAccounts"] == books.truth("coa")
    assert client.json("/dimensions") == books.truth("dimensions")
    assert client.json("/fiscalyears")["fiscalYears"] == books.truth("fiscalyears")
    assert [client.json("/company")] == books.truth("company")
    projects = client.json("/dimensions", name="Projekti")
    assert [one["name"] for one in projects] == ["Projekti"]
    assert any(item.get("status") == "P" for item in projects[0]["items"])
    assert client.json(f"/dimensions/{projects[0]['id']}") == projects[0]
