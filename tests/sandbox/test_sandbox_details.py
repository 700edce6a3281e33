from __future__ import annotations

from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_client import Client, running

from tap_procountor.sandbox.books.attachments import OF_NO_DOCUMENT, content

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHED = ("invoices", "ledgerreceipts", "businesspartners", "products")
LIST_ONLY = {"invoices": {"created", "dueDate", "newDueDate"}, "ledgerreceipts": {"created"}}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(invoices=220) as (_, client):
        yield client


def ids_of(client: Client, kind: str) -> list[int]:
    return [one["id"] for one in client.sandbox.companies[0].truth(kind)]


@pytest.mark.parametrize("kind", BATCHED)
def test_one_id_gives_an_object_and_several_an_array(client: Client, kind: str) -> None:
    first, second = ids_of(client, kind)[:2]
    assert client.json(f"/{kind}/{first}")["id"] == first
    answer = client.json(f"/{kind}/{second},{first},{second}")
    assert [one["id"] for one in answer] == [first, second]


@pytest.mark.parametrize("kind", BATCHED)
def test_unknown_ids_are_left_out_silently(client: Client, kind: str) -> None:
    first = ids_of(client, kind)[0]
    answer = client.json(f"/{kind}/{first},99999999")
    assert [one["id"] for one in answer] == [first]
    for unknown in ("99999999", "99999998,99999999"):
        missing = client.get(f"/{kind}/{unknown}")
        assert missing.status_code == 404
        assert missing.json()["errors"][0]["status"] == 404


def test_two_hundred_ids_are_the_most(client: Client) -> None:
    ids = [str(number) for number in ids_of(client, "invoices")]
    assert len(client.json(f"/invoices/{','.join(ids[:200])}")) == 200
    assert client.get(f"/invoices/{','.join(ids[:201])}").status_code == 400
    assert client.get("/invoices/abc").status_code == 400


def test_persons_have_no_batches(client: Client) -> None:
    first, second = ids_of(client, "persons")[:2]
    assert client.json(f"/persons/{first}")["id"] == first
    assert client.get(f"/persons/{first},{second}").status_code == 400


@pytest.mark.parametrize("kind", BATCHED)
def test_list_and_details_together_are_the_truth(client: Client, kind: str) -> None:
    expected = {one["id"]: one for one in client.sandbox.companies[0].truth(kind)}
    wider: dict[str, list[dict[str, Any]]] = {
        "invoices": [{}, {"isOffer": "true"}],
        "businesspartners": [{}, {"active": "false"}],
        "products": [
            {"includeLocalizations": "true"},
            {"includeLocalizations": "true", "type": "TRAVEL"},
        ],
    }
    rows = [
        row for parameters in wider.get(kind, [{}]) for row in client.rows(f"/{kind}", **parameters)
    ]
    assert len(rows) == len(expected)
    if kind == "products":
        assert {row["id"]: row for row in rows} == expected
        return
    details = client.details(f"/{kind}", [row["id"] for row in rows])
    by_id = {row["id"]: row for row in rows}
    for detail in details:
        only = LIST_ONLY.get(kind, set())
        assert not only & detail.keys()
        row = by_id[detail["id"]]
        assert detail | {name: row[name] for name in only} == expected[detail["id"]]


def test_rows_show_only_what_lists_show(client: Client) -> None:
    invoice = client.json("/invoices", size=1)["results"][0]
    assert not {"invoiceRows", "ledgerReceiptId", "sum", "paymentInfo"} & invoice.keys()
    partner = client.json("/businesspartners", size=1)["results"][0]
    assert partner["registryInfo"].keys() == {"active"}
    assert not {"address", "paymentInfo"} & partner.keys()
    receipt = client.json("/ledgerreceipts", size=1)["results"][0]
    assert not {"invoiceId", "transactions"} & receipt.keys()


def test_files_come_in_two_parts(client: Client) -> None:
    found = client.json("/attachments", size=200)["results"]
    assert len(found) > 10
    for row in found[:3]:
        answer = client.get(f"/attachments/{row['attachmentId']}")
        kind = answer.headers["Content-Type"]
        assert kind.startswith("multipart/mixed")
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + b"")
        boundary = message.get_boundary()
        _, metadata, rest = answer.content.split(f"--{boundary}\r\n".encode(), 2)
        assert f'"id":{row["attachmentId"]}'.encode() in metadata
        body = rest.partition(b"\r\n\r\n")[2].rpartition(f"\r\n--{boundary}--".encode())[0]
        assert body == content(row["attachmentId"])
        assert len(body) == row["size"]
    assert client.get("/attachments/7").status_code == 404


def test_the_search_of_files_finds_those_embedded_in_documents(client: Client) -> None:
    company = client.sandbox.companies[0]
    embedded = {
        file["id"]
        for kind in ("invoices", "ledgerreceipts", "businesspartners", "referencepayments")
        for document in company.truth(kind)
        for file in document["attachments"]
    }
    embedded |= {
        file["id"]
        for statement in company.truth("bankstatements")
        for outer in statement["events"]
        for event in (outer, *outer.get("event", []))
        for file in event["attachments"]
    }
    found = company.truth("attachments")
    others = [one for one in found if one["attachmentId"] not in embedded]
    assert {one["attachmentId"] for one in found} >= embedded
    assert {one["referenceType"] for one in others} == set(OF_NO_DOCUMENT.values())
    for one in others:
        answer = client.get(f"/attachments/{one['attachmentId']}")
        assert answer.status_code == 200


def test_without_documents_the_search_is_forbidden_but_not_the_download(client: Client) -> None:
    company = client.sandbox.companies[0]
    number = company.truth("attachments")[0]["attachmentId"]
    company.set_documents(enabled=False)
    assert client.get("/attachments").status_code == 403
    assert client.get(f"/attachments/{number}").status_code == 200
    company.set_documents(enabled=True)
    assert client.get("/attachments").status_code == 200
