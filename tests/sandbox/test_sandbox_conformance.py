from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sandbox_client import Client, Json, running

from tap_procountor.sandbox.books.invoice_events import DISCUSSED

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECIFICATION = json.loads(files("tap_procountor").joinpath("openapi.json").read_bytes())

UNKNOWN_FIELDS = {
    "archiveClass",
    "carbonFootprint",
    "counterpartyCategory",
    "creditRating",
    "event",
    "handling",
    "imported",
    "instant",
    "matchedBy",
    "posting",
    "suggestedBy",
    "warehouse",
}
"""What the sandbox adds although the specification does not know it."""

FORMATS = FormatChecker(formats=())
FORMATS.checks("date")(lambda value: value is None or bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)))
FORMATS.checks("date-time")(
    lambda value: value is None or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value))
)
FORMATS.checks("int32")(lambda value: value is None or abs(value) < 2**31)

PATHS = (
    "/attachments",
    "/bankaccounts",
    "/bankstatements",
    "/businesspartners",
    "/businesspartners/groups",
    "/coa",
    "/company",
    "/company/usagesettings",
    "/dimensions",
    "/fiscalyears",
    "/invoices",
    "/ledgerreceipts",
    "/payments",
    "/payments/directsalarypayments",
    "/payments/errormessages",
    "/persons",
    "/products",
    "/products/groups",
    "/referencepayments",
    "/sessioninfo",
    "/status",
    "/users",
    "/users/rights",
)
DETAILS = {
    "/bankaccounts/{id}": "bankaccounts",
    "/businesspartners/{id}": "businesspartners",
    "/invoices/{invoiceId}": "invoices",
    "/ledgerreceipts/{receiptId}": "ledgerreceipts",
    "/payments/directsalarypayments/{paymentListId}": "payments/directsalarypayments",
    "/payments/{paymentId}": "payments",
    "/persons/{id}": "persons",
    "/products/{productId}": "products",
}


def tolerant(schema: Json) -> Json:
    """The schema with types only: every value may be null, enums are open."""
    if isinstance(schema, list):
        return [tolerant(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: tolerant(value) for name, value in schema.items() if name != "required"}
    if isinstance(kept.get("enum"), list):
        del kept["enum"]
    if isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    if isinstance(kept.get("properties"), dict) and "type" in kept:
        kept["additionalProperties"] = False
    return kept


SCHEMAS = {
    "components": {
        "schemas": {
            name: tolerant(schema)
            for name, schema in SPECIFICATION["components"]["schemas"].items()
        }
    }
}


def validator(path: str) -> Draft202012Validator:
    success = SPECIFICATION["paths"][path]["get"]["responses"]["200"]["content"]
    schema = tolerant(success["application/json"]["schema"])
    return Draft202012Validator({**schema, **SCHEMAS}, format_checker=FORMATS)


def without_unknown(value: Json) -> Json:
    if isinstance(value, list):
        return [without_unknown(one) for one in value]
    if isinstance(value, dict):
        return {
            name: without_unknown(one) for name, one in value.items() if name not in UNKNOWN_FIELDS
        }
    return value


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(invoices=100) as (_, client):
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_answers_conform_to_the_specification(client: Client, path: str) -> None:
    validator(path).validate(without_unknown(client.get(path).json()))


@pytest.mark.parametrize("path", DETAILS)
def test_details_conform_to_the_specification(client: Client, path: str) -> None:
    check = validator(path)
    kind = DETAILS[path]
    for document in client.sandbox.companies[0].truth(kind)[:100]:
        detail = client.get(f"/{kind}/{document['id']}").json()
        check.validate(without_unknown(detail))


@pytest.mark.parametrize("part", ["paymentevents", "comments"])
def test_what_hangs_on_invoices_conforms_to_the_specification(client: Client, part: str) -> None:
    check = validator(f"/invoices/{{invoiceId}}/{part}")
    for invoice in client.sandbox.companies[0].truth("invoices"):
        if part == "paymentevents" or invoice["type"] in DISCUSSED:
            answer = client.json(f"/invoices/{invoice['id']}/{part}")
            check.validate(without_unknown(answer))


def test_the_log_of_invoices_conforms_to_the_specification(client: Client) -> None:
    ids = [one["id"] for one in client.sandbox.companies[0].truth("invoices")]
    answer = client.json("/invoices/transactions", invoiceIds=[*ids[:199], 1])
    validator("/invoices/transactions").validate(answer)
    assert [group["invoiceId"] for group in answer["results"]] == ids[:199]
    assert client.get("/invoices/transactions", invoiceIds=1).status_code == 404
    assert client.get("/invoices/transactions", invoiceIds=list(range(201))).status_code == 400
    assert client.get("/invoices/transactions").status_code == 400


def test_there_are_unknown_fields_and_values(client: Client) -> None:
    everything = "".join(
        client.get(f"/{kind}/{','.join(str(one['id']) for one in documents)}").text
        for kind in ("invoices", "ledgerreceipts", "businesspartners", "products")
        for documents in (client.sandbox.companies[0].truth(kind)[-200:],)
    )
    everything += "".join(map(str, client.rows("/bankstatements")))
    everything += "".join(
        client.get(f"/invoices/{one['id']}/paymentevents").text
        for one in client.sandbox.companies[0].truth("invoices")
    )
    everything += "".join(
        client.get(f"/payments/{one['id']}").text
        for one in client.sandbox.companies[0].truth("payments")
    )
    assert {name for name in UNKNOWN_FIELDS if name in everything} == UNKNOWN_FIELDS
    assert "WAITING_FOR_COUNTERSIGNATURE" in everything


def test_errors_conform_to_the_specification(client: Client) -> None:
    errors = Draft202012Validator({"$ref": "#/components/schemas/ErrorMessages", **SCHEMAS})
    for path in ("/invoices/1", "/invoices?size=0", "/invoices?nonsense=1"):
        errors.validate(client.get(path).json())
