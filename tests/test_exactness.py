"""Promise 1: every record arrives, with every field as the API gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bookkeeping import editable, when_asked
from support.catalog import selecting
from support.command import Run, run_tap
from support.exact import Digits
from support.oracle import books, truth
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    """Two companies that use the same ids."""
    with Sandbox(companies=2, invoices=250, colliding_ids=True, requests_per_second=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def full_run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {**companies.config(), "requests_per_second": 1000}
    return run_tap(tmp_path_factory.mktemp("run"), config)


def test_a_full_run_succeeds(full_run: Run) -> None:
    assert full_run.exit_code == 0, full_run.log


@pytest.mark.parametrize("stream", books.TABLES)
def test_every_record_is_the_truth_field_by_field(
    companies: Sandbox, full_run: Run, stream: str
) -> None:
    rows = Target().load(full_run).rows(stream)
    expected = truth(companies, stream)
    assert len(rows) == len(expected) > 0
    assert rows == expected


@pytest.mark.parametrize("stream", books.TABLES)
def test_no_key_comes_twice(full_run: Run, stream: str) -> None:
    target = Target().load(full_run)
    assert len(full_run.records(stream)) == len(target.rows(stream))


def test_attachments_are_those_inside_the_documents(companies: Sandbox, full_run: Run) -> None:
    expected = {
        (owner["company_id"], attachment["id"]): attachment["name"]
        for stream in ("invoices", "ledger_receipts", "business_partners")
        for owner in truth(companies, stream)
        for attachment in owner.get("attachments") or []
    }
    rows = [
        row
        for row in Target().load(full_run).rows("attachments")
        if row["owner_stream"] in {"invoices", "ledger_receipts", "business_partners"}
    ]
    assert {(row["company_id"], row["id"]): row["name"] for row in rows} == expected
    assert expected
    assert {row["owner_stream"] for row in rows} >= {"invoices", "ledger_receipts"}


def test_the_truth_has_what_is_hard(companies: Sandbox) -> None:
    """The comparison above proves nothing about digits that do not occur."""
    digits = {
        text
        for stream in books.DOCUMENTS
        for record in truth(companies, stream)
        for text in _digits(record)
    }
    assert any(len(text.replace(".", "").lstrip("-")) >= 12 for text in digits)
    assert any(len(text.partition(".")[2]) == 4 for text in digits)
    assert any(text.endswith("0") and "." in text for text in digits)
    assert any(text.startswith("-0.0") for text in digits)
    texts = str([truth(companies, stream) for stream in books.DOCUMENTS])
    for hard in ("ä", "ö", "€", "\\n", '"'):
        assert hard in texts
    assert "additional_fields" in texts


def _digits(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _digits(item)
    elif isinstance(value, Digits):
        yield str(value)


def test_only_row_streams_selected(
    sandbox: Sandbox, config: dict[str, object], tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config, catalog=selecting("invoice_rows", "projects"))
    assert run.exit_code == 0, run.log
    assert run.streams() == {"invoice_rows", "projects"}
    assert Target().load(run).rows("invoice_rows") == truth(sandbox, "invoice_rows")
    routes = sandbox.statistics().by_route()
    assert not routes["/ledgerreceipts"]


def test_a_table_selected_later_starts_at_the_beginning(
    sandbox: Sandbox, config: dict[str, object], tmp_path: Path
) -> None:
    first = run_tap(tmp_path, config, catalog=selecting("invoice_rows"))
    later = run_tap(
        tmp_path, config, catalog=selecting("invoices", "invoice_rows"), state=first.state
    )
    assert Target().load(later).rows("invoices") == truth(sandbox, "invoices")


def test_a_deselected_array_still_feeds_its_row_stream(
    sandbox: Sandbox, config: dict[str, object], tmp_path: Path
) -> None:
    catalog = selecting("invoices", "invoice_rows")
    invoices = next(s for s in catalog["streams"] if s["tap_stream_id"] == "invoices")
    for entry in invoices["metadata"]:
        if entry["breadcrumb"] == ["properties", "invoice_rows"]:
            entry["metadata"]["selected"] = False
    run = run_tap(tmp_path, config, catalog=catalog)
    assert all("invoice_rows" not in record for record in run.records("invoices"))
    assert Target().load(run).rows("invoice_rows") == truth(sandbox, "invoice_rows")


def test_a_document_deleted_between_list_and_detail_is_named(
    sandbox: Sandbox, config: dict[str, object], tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    invoice = editable(company)[0]
    with when_asked(sandbox, "/invoices/{id}", lambda: company.delete("invoices", invoice)):
        run = run_tap(tmp_path, config, catalog=selecting("invoices"))
    assert run.exit_code == 0, run.log
    assert f"deleted while being read: {invoice}" in run.log
    assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")
