from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sandbox_client import Client, Json, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECIFICATION = json.loads(files("tap_procountor").joinpath("openapi.json").read_bytes())

UNKNOWN_FIELDS = {
    "archiveClass",
    "carbonFootprint",
    "creditRating",
    "emphasis",
    "handling",
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
    "/businesspartners",
    "/businesspartners/groups",
    "/coa",
    "/company",
    "/company/usagesettings",
    "/dimensions",
    "/fiscalyears",
    "/invoices",
    "/ledgerreceipts",
    "/persons",
    "/products",
    "/products/groups",
    "/sessioninfo",
    "/status",
    "/users",
    "/users/rights",
)
QUESTIONS = {
    "/reports/ledgeraccounts": ({},),
    "/reports/accounting": (
        {"type": "INCOME_STATEMENT"},
        {"type": "BALANCE_SHEET"},
        {"type": "CASH_FLOW"},
    ),
    "/reports/generalledger/{id}": ({},),
}
DETAILS = {
    "/businesspartners/{id}": "businesspartners",
    "/invoices/{invoiceId}": "invoices",
    "/ledgerreceipts/{receiptId}": "ledgerreceipts",
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
    (operation,) = SPECIFICATION["paths"][path].values()
    success = operation["responses"]["200"]["content"]
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


@pytest.mark.parametrize("path", QUESTIONS)
def test_reports_conform_to_the_specification(client: Client, path: str) -> None:
    for question in QUESTIONS[path]:
        body = {"startDate": "2024-03-01", "endDate": "2024-03-31", **question}
        answer = client.post(path.replace("{id}", "1701"), body)
        assert answer.status_code == 200, answer.text
        validator(path).validate(without_unknown(answer.json()))


def test_there_are_unknown_fields_and_values(client: Client) -> None:
    everything = "".join(
        client.get(f"/{kind}/{','.join(str(one['id']) for one in documents)}").text
        for kind in ("invoices", "ledgerreceipts", "businesspartners", "products")
        for documents in (client.sandbox.companies[0].truth(kind)[-200:],)
    )
    everything += client.post(
        "/reports/accounting", {"endDate": "2024-03-31", "type": "CASH_FLOW"}
    ).text
    assert {name for name in UNKNOWN_FIELDS if f'"{name}"' in everything} == UNKNOWN_FIELDS
    assert "WAITING_FOR_COUNTERSIGNATURE" in everything


def test_errors_conform_to_the_specification(client: Client) -> None:
    errors = Draft202012Validator({"$ref": "#/components/schemas/ErrorMessages", **SCHEMAS})
    for path in ("/invoices/1", "/invoices?size=0", "/invoices?nonsense=1"):
        errors.validate(client.get(path).json())
