from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_client import Client, Json, running

from tap_procountor.sandbox import Company, Sandbox
from tap_procountor.sandbox.books.editing import ClosedPeriodError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


TYPES = {
    "SALES_INVOICE",
    "SALES_ORDER",
    "PURCHASE_INVOICE",
    "PURCHASE_ORDER",
    "TRAVEL_INVOICE",
    "BILL_OF_CHARGES",
    "PERIODIC_TAX_RETURN",
}
OTHER_RECEIPTS = {
    "JOURNAL",
    "SALARY",
    "BANK_STATEMENT_AS_RECEIPT",
    "RECEIPT_FOR_OPENING_ACCOUNTS",
    "TRACKING_PERIOD_OPENING_RECEIPT",
    "VAT_SUMMARY",
}
EVERYTHING = ("2022-01-01", "2026-12-31")


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as (_, client):
        yield client


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    with running(invoices=1000) as (sandbox, _):
        yield sandbox.companies[0]


def assert_consistent(company: Company) -> None:
    invoices = {one["id"]: one for one in company.truth("invoices")}
    receipts = {one["id"]: one for one in company.truth("ledgerreceipts")}
    journals = {one["id"]: one for one in company.truth("journals")}
    assert not invoices.keys() & journals.keys()
    for receipt in receipts.values():
        assert sum(one["accountingValue"] for one in receipt["transactions"]) == 0
        if receipt["invoiceId"]:
            owners = journals if receipt["type"] == "JOURNAL" else invoices
            assert owners[receipt["invoiceId"]]["ledgerReceiptId"] == receipt["id"]
    for journal in journals.values():
        if journal["ledgerReceiptId"]:
            assert receipts[journal["ledgerReceiptId"]]["invoiceId"] == journal["id"]
    for invoice in invoices.values():
        if invoice["ledgerReceiptId"]:
            receipt = receipts[invoice["ledgerReceiptId"]]
            assert receipt["invoiceId"] == invoice["id"]
            total = abs(receipt["transactions"][0]["accountingValue"])
            assert total == abs(invoice["sum"])
    assert list(receipts) == sorted(receipts)


def test_the_books_are_consistent(company: Company) -> None:
    assert_consistent(company)


def test_there_is_something_of_everything(company: Company) -> None:
    invoices = company.truth("invoices")
    assert {one["type"] for one in invoices} == TYPES
    assert any(one["isOffer"] for one in invoices)
    assert all(one["type"] == "SALES_ORDER" for one in invoices if one["isOffer"])
    assert {one["type"] for one in company.truth("ledgerreceipts")} >= OTHER_RECEIPTS
    assert {one["type"] for one in company.truth("products")} == {"SALES", "PURCHASE", "TRAVEL"}
    assert {one["status"] for one in company.truth("fiscalyears")[-1]["trackingPeriods"]} == {
        "OPEN",
        "CLOSED",
    }


def test_invoices_add_up(company: Company) -> None:
    for invoice in company.truth("invoices"):
        info = invoice["invoiceSumInfo"][0]
        net = sum(
            (
                row["quantity"] * row["unitPrice"] * (100 - row["discountPercent"]) / 100
                for row in invoice["invoiceRows"]
            ),
            Decimal(0),
        )
        tolerance = Decimal("0.01") * len(invoice["invoiceRows"])
        if invoice["type"] != "PERIODIC_TAX_RETURN":
            assert abs(net - info["excludingVatTotal"]) <= tolerance
        assert info["excludingVatTotal"] + info["vatSumTotal"] == info["invoiceSumTotal"]
        assert info["invoiceSumTotal"] == invoice["sum"]
        if invoice["type"] in {"SALES_ORDER", "PURCHASE_ORDER"}:
            assert invoice["ledgerReceiptId"] is None


def test_amounts_have_digits_of_all_kinds(company: Company) -> None:
    numbers: set[str] = set()

    def collect(value: Json) -> None:
        if isinstance(value, Decimal):
            numbers.add(str(value))
        elif isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                collect(one)

    collect(company.truth("invoices"))
    assert "-0.00" in numbers
    assert any(number.endswith("0") and "." in number for number in numbers)
    assert any(len(number.replace(".", "")) >= 12 for number in numbers)
    assert any(number.startswith("-") and number != "-0.00" for number in numbers)
    assert any(len(number.partition(".")[2]) == 4 for number in numbers)


def test_versions_tie_and_fall_into_the_repeated_hour(company: Company) -> None:
    versions = [one["version"] for one in company.truth("invoices")]
    assert len(versions) > len(set(versions))
    assert any(version.startswith("2024-10-27T03:") for version in versions)
    assert len({version[:4] for version in versions}) >= 4


def test_the_same_settings_make_the_same_data_byte_for_byte() -> None:
    def body() -> bytes:
        with running(invoices=40, seed=7) as (_, client):
            return (
                client.get("/invoices", size=200).content
                + client.get("/ledgerreceipts", size=200).content
            )

    first = body()
    assert first == body()
    with running(invoices=40, seed=8) as (_, client):
        assert not first.startswith(client.get("/invoices", size=200).content)


def test_ids_collide_when_asked() -> None:
    with running(companies=2, colliding_ids=True) as (sandbox, _):
        first, second = (one.truth("invoices") for one in sandbox.companies)
        assert [one["id"] for one in first] == [one["id"] for one in second]
        assert first != second
    with running(companies=2) as (sandbox, _):
        first, second = (one.truth("invoices") for one in sandbox.companies)
        assert {one["id"] for one in first}.isdisjoint(one["id"] for one in second)


def test_an_edit_makes_another_receipt(client: Client) -> None:
    company = client.sandbox.companies[0]
    company.reopen_periods(*EVERYTHING)
    client.sandbox.set_clock("2026-11-01T10:00:00+00:00")
    before = next(one for one in company.truth("invoices") if one["ledgerReceiptId"])
    newest = company.truth("ledgerreceipts")[-1]["id"]
    company.edit("invoices", before["id"], {"notes": "muutettu"})
    after = client.json(f"/invoices/{before['id']}")
    assert after["version"].startswith("2026-11-01T12:00:0")
    assert after["notes"] == "muutettu"
    assert after["invoiceRows"] != before["invoiceRows"]
    assert after["ledgerReceiptId"] > newest
    assert client.get(f"/ledgerreceipts/{before['ledgerReceiptId']}").status_code == 404
    receipt = client.json(f"/ledgerreceipts/{after['ledgerReceiptId']}")
    assert (receipt["invoiceId"], receipt["version"]) == (before["id"], after["version"])
    assert_consistent(company)


def test_invalidating_deletes_the_receipt(client: Client) -> None:
    company = client.sandbox.companies[0]
    company.reopen_periods(*EVERYTHING)
    before = next(one for one in company.truth("invoices") if one["ledgerReceiptId"])
    company.invalidate(before["id"])
    after = client.json(f"/invoices/{before['id']}")
    assert (after["status"], after["ledgerReceiptId"]) == ("INVALIDATED", None)
    assert after["version"] > before["version"]
    assert client.get(f"/ledgerreceipts/{before['ledgerReceiptId']}").status_code == 404


def test_dimensions_change_without_a_version(client: Client) -> None:
    company = client.sandbox.companies[0]
    company.reopen_periods(*EVERYTHING)
    before = next(
        one
        for one in company.truth("ledgerreceipts")
        if any(entry["dimensionItemValues"] for entry in one["transactions"])
    )
    company.edit_dimensions(before["id"])
    after = next(one for one in company.truth("ledgerreceipts") if one["id"] == before["id"])
    assert after != before
    for document in (before, after):
        for entry in document["transactions"]:
            del entry["dimensionItemValues"]
    assert after == before


def test_a_transaction_may_have_an_item_several_times(client: Client) -> None:
    """The parts of what belongs to the item then differ in nothing but their values."""
    entries = [
        entry
        for receipt in client.sandbox.companies[0].truth("ledgerreceipts")
        for entry in receipt["transactions"]
    ]
    counts = [
        Counter((value["dimensionId"], value["itemId"]) for value in entry["dimensionItemValues"])
        for entry in entries
    ]
    assert {times for count in counts for times in count.values()} == {1, 2, 3}
    for entry, count in zip(entries, counts, strict=True):
        for dimension in {dimension for dimension, _ in count}:
            values = [
                value["value"]
                for value in entry["dimensionItemValues"]
                if value["dimensionId"] == dimension
            ]
            assert sum(values) == entry["accountingValue"]


def test_closed_periods_do_not_change(client: Client) -> None:
    company = client.sandbox.companies[0]
    invoice = next(one for one in company.truth("invoices") if one["date"] < "2023")
    receipt = next(one for one in company.truth("ledgerreceipts") if one["receiptDate"] < "2023")
    with pytest.raises(ClosedPeriodError):
        company.edit("invoices", invoice["id"])
    with pytest.raises(ClosedPeriodError):
        company.invalidate(invoice["id"])
    with pytest.raises(ClosedPeriodError):
        company.edit_dimensions(receipt["id"])
    with pytest.raises(ClosedPeriodError):
        company.delete("ledgerreceipts", receipt["id"])
    assert company.reopen_periods(invoice["date"], invoice["date"]) == 1
    company.edit("invoices", invoice["id"])
    assert company.close_periods(invoice["date"], invoice["date"]) == 1
    with pytest.raises(ClosedPeriodError):
        company.edit("invoices", invoice["id"])


def test_reopening_changes_modified(client: Client) -> None:
    company = client.sandbox.companies[0]
    client.sandbox.set_clock("2026-11-01T10:00:00+00:00")
    company.reopen_periods("2025-03-05", "2025-03-05")
    year = next(one for one in company.truth("fiscalyears") if one["startDate"] == "2025-01-01")
    period = year["trackingPeriods"][2]
    assert period["status"] == "OPEN"
    assert period["modified"] == year["modified"]
    assert period["modified"].startswith("2026-11-01T12:00:0")


def test_a_created_invoice_has_a_receipt(client: Client) -> None:
    client.sandbox.set_clock("2026-11-01T10:00:00+00:00")
    company = client.sandbox.companies[0]
    number = company.create_invoice("PURCHASE_INVOICE")
    invoice = client.json(f"/invoices/{number}")
    assert (invoice["type"], invoice["date"]) == ("PURCHASE_INVOICE", "2026-11-01")
    assert invoice["ledgerReceiptId"]
    assert_consistent(company)


@pytest.mark.parametrize("kind", ["businesspartners", "products", "persons"])
def test_registers_can_be_edited_and_emptied(client: Client, kind: str) -> None:
    company = client.sandbox.companies[0]
    number = company.truth(kind)[0]["id"]
    invoices = company.truth("invoices")
    company.edit(kind, number, {"code": "uusi"})
    assert company.truth(kind)[0]["code"] == "uusi"
    assert company.truth(kind)[0]["version"][:4] == str(datetime.now(UTC).year)
    company.delete(kind, number)
    assert client.get(f"/{kind}/{number}").status_code == 404
    assert company.truth("invoices") == invoices


def test_the_repeated_hour_repeats(client: Client) -> None:
    company = client.sandbox.companies[0]
    versions = []
    for moment in ("2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"):
        client.sandbox.set_clock(moment)
        number = company.create_invoice()
        versions.append(client.json(f"/invoices/{number}")["version"][:16])
    assert versions == ["2026-10-25T03:30", "2026-10-25T03:30"]


ACTIONS = (
    *("edit", "invalidate", "edit_dimensions", "edit_receipt", "delete", "create"),
    *("edit_journal", "invalidate_journal", "delete_journal"),
)


def act_on_journal(company: Company, action: str, journal: int) -> None:
    if action == "edit_journal":
        company.edit("journals", journal)
    elif action == "invalidate_journal":
        company.invalidate(journal)
    else:
        company.delete("journals", journal)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 10**6)), max_size=25))
def test_any_edits_keep_the_books_consistent(actions: list[tuple[str, int]]) -> None:
    company = Sandbox(invoices=15).companies[0]
    company.reopen_periods(*EVERYTHING)
    for action, choice in actions:
        invoices = company.truth("invoices")
        receipts = company.truth("ledgerreceipts")
        invoice = invoices[choice % len(invoices)]["id"]
        receipt = receipts[choice % len(receipts)]["id"]
        if action == "edit":
            company.edit("invoices", invoice)
        elif action == "invalidate":
            company.invalidate(invoice)
        elif action.endswith("_journal"):
            journals = [one["id"] for one in company.truth("journals")]
            for journal in journals[:1]:
                act_on_journal(company, action, journal)
        elif action == "edit_dimensions":
            company.edit_dimensions(receipt)
        elif action == "edit_receipt":
            company.edit("ledgerreceipts", receipt)
        elif action == "create":
            company.create_invoice()
        elif len(invoices) > 10:
            company.delete("invoices", invoice)
    assert_consistent(company)
