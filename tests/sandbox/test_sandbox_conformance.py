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
    "emphasis",
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
    "/company/deliveryterms",
    "/company/expenses/collectionpenal/settings",
    "/company/invoicecirculation/settings",
    "/company/invoicecirculation/verifierlists",
    "/company/usagesettings",
    "/currencies",
    "/currencies/company",
    "/currencies/latest",
    "/dimensions",
    "/factoringcontracts",
    "/fiscalyears",
    "/invoices",
    "/invoices/personalapprovals?types=PURCHASE_INVOICE",
    "/invoices/personalverifications?types=TRAVEL_INVOICE",
    "/ledgerreceipts",
    "/payrolls/employees",
    "/payrolls/laborunionsettings",
    "/payrolls/salariesbasicinfo",
    "/payrolls/salarylists",
    "/payrolls/salaryperiods?holidayCreditYear=2025",
    "/payrolls/salaryslips",
    "/payrolls/salarytypes",
    "/payments",
    "/payments/directsalarypayments",
    "/payments/errormessages",
    "/persons",
    "/products",
    "/products/groups",
    "/referencepayments",
    "/sessioninfo",
    "/sie/availability",
    "/status",
    "/users",
    "/users/rights",
    "/vats/default",
    "/vats/settings",
    "/webhooks",
)
ARRAYS = (
    "/company/einvoiceaddresses",
    "/company/invoicetemplates",
    "/journals",
    "/se/factoringcontracts",
)
"""Paths whose answer is an array, although the specification describes one of its objects."""

OWNED = {
    "/businesspartners/{id}/defaults/accounts": "businesspartners",
    "/businesspartners/{id}/defaults/dimensions": "businesspartners",
    "/businesspartners/{id}/defaults/products": "businesspartners",
    "/persons/{id}/defaults/dimensions": "persons",
    "/persons/{id}/defaults/products": "persons",
    "/products/{productId}/defaults/dimensions": "products",
}
"""Paths below a document, and the documents."""

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
    "/bankaccounts/{id}": "bankaccounts",
    "/businesspartners/{id}": "businesspartners",
    "/company/invoicecirculation/verifierlists/{id}": "verifier_lists",
    "/invoices/{invoiceId}": "invoices",
    "/ledgerreceipts/{receiptId}": "ledgerreceipts",
    "/payrolls/salarylists/{id}": "salary_lists",
    "/payrolls/salaryperiods/{id}": "salary_period_lists",
    "/payrolls/salaryslips/{id}": "salary_slips",
    "/payrolls/salaryslips/{id}/accounting": "salary_slips",
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
    with running(invoices=100) as (sandbox, client):
        sandbox.companies[0].set_sie(enabled=True)
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_answers_conform_to_the_specification(client: Client, path: str) -> None:
    check = validator(path.partition("?")[0])
    check.validate(without_unknown(client.get(path).json()))


@pytest.mark.parametrize("path", ARRAYS)
def test_arrays_hold_what_the_specification_describes(client: Client, path: str) -> None:
    client.sandbox.companies[0].set_country("SWEDEN")
    check = validator(path)
    objects = client.get(path).json()
    assert objects
    for one in objects:
        check.validate(without_unknown(one))


@pytest.mark.parametrize("path", OWNED)
def test_what_belongs_to_a_document_conforms(client: Client, path: str) -> None:
    check = validator(path)
    found = 0
    for owner in client.sandbox.companies[0].truth(OWNED[path])[:50]:
        rows = client.get(re.sub(r"{\w+}", str(owner["id"]), path)).json()
        check.validate(without_unknown(rows))
        found += len(rows)
    assert found


def test_unknown_owners_are_not_found_where_the_specification_has_it(client: Client) -> None:
    for path in OWNED:
        responses = SPECIFICATION["paths"][path]["get"]["responses"]
        answer = client.get(re.sub(r"{\w+}", "1", path))
        assert answer.status_code == (404 if "404" in responses else 200)


@pytest.mark.parametrize("path", DETAILS)
def test_details_conform_to_the_specification(client: Client, path: str) -> None:
    check = validator(path)
    kind = DETAILS[path]
    for document in client.sandbox.companies[0].truth(kind)[:100]:
        detail = client.get(re.sub(r"{\w+}", str(document["id"]), path)).json()
        check.validate(without_unknown(detail))


@pytest.mark.parametrize("path", QUESTIONS)
def test_reports_conform_to_the_specification(client: Client, path: str) -> None:
    for question in QUESTIONS[path]:
        body = {"startDate": "2024-03-01", "endDate": "2024-03-31", **question}
        answer = client.post(path.replace("{id}", "1701"), body)
        assert answer.status_code == 200, answer.text
        validator(path).validate(without_unknown(answer.json()))


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
    everything += client.post(
        "/reports/accounting", {"endDate": "2024-03-31", "type": "CASH_FLOW"}
    ).text
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
