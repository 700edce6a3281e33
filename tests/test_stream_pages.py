"""The pages of the streams: each column has a meaning, each example query runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import stream_index
import stream_pages
from support.meltano import Database, meltano_project, meltano_run, postgres

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "streams"


def test_every_column_has_a_meaning() -> None:
    missing = stream_pages.without_meaning()
    assert not missing, f"Write into scripts/meanings.yaml what these mean: {missing}"


def test_no_meaning_is_left_over() -> None:
    assert not stream_pages.left_over()


def test_each_meaning_is_written_once() -> None:
    text = (ROOT / "scripts" / "meanings.yaml").read_text("utf-8")
    keys = re.findall(r'^"?([\w.*]+)"?:', text, re.MULTILINE)
    assert sorted(keys) == sorted(stream_pages.MEANINGS)


def test_a_column_is_explained_by_its_table_then_its_component_then_its_name() -> None:
    columns = {
        f"{name}.{column.path}": column.meaning
        for name, stream in stream_pages.streams().items()
        for column in stream_pages.columns(stream)
    }
    meanings = stream_pages.MEANINGS
    assert (
        columns["report_general_ledger.start_date"] == meanings["report_general_ledger.start_date"]
    )
    assert columns["fiscal_years.start_date"] == meanings["FiscalYear.start_date"]
    assert columns["tracking_periods.start_date"] == meanings["TrackingPeriod.start_date"]
    assert columns["invoices.billing_address.name"] == meanings["*Address.name"]
    assert columns["invoice_rows.version"] == meanings["owner.version"]
    assert columns["persons.version"] == meanings["version"]
    assert columns["invoices.id"] == meanings["id"]
    assert columns["employments.id"] == meanings["row.id"]


def test_joins_follow_from_the_declarations() -> None:
    joins = {
        (join.table, join.column, join.other, join.other_column)
        for stream in stream_pages.streams().values()
        for join in stream_pages.joins(stream)
    }
    assert joins >= {
        ("invoice_rows", "invoice_id", "invoices", "id"),
        ("invoice_rows", "product_id", "products", "id"),
        ("invoices", "partner_id", "business_partners", "id"),
        ("ledger_transactions", "account", "chart_of_accounts", "ledger_account_code"),
        ("ledger_transaction_dimensions", "dimension_id", "dimensions", "id"),
        ("attachments", "owner_id", "ledger_receipts", "id"),
        (
            *("report_ledger_accounts", "ledger_account_code"),
            *("chart_of_accounts", "ledger_account_code"),
        ),
    }
    assert not [join for join in joins if join[0] == join[2]]


def test_pages_are_those_of_the_streams() -> None:
    names = {path.stem for path in PAGES.glob("*.md")}
    assert names == {*stream_pages.streams(), "index"}


def test_every_stream_is_in_the_index_under_its_area() -> None:
    used = {id(stream_index.area_of(stream)) for stream in stream_pages.streams().values()}
    assert used == set(map(id, stream_index.AREAS.values()))
    index = (PAGES / "index.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| \[(\w+)\]", index, re.MULTILINE)) == sorted(
        stream_pages.streams()
    )


def test_diagrams_can_be_taken_in_at_a_glance() -> None:
    index = (PAGES / "index.md").read_text("utf-8")
    diagrams = re.findall(r"```mermaid\n(.*?)```", index, re.DOTALL)
    assert diagrams
    assert all(diagram.count("||--o{") <= 15 for diagram in diagrams)


def test_sums_of_the_ledger_count_current_receipts_of_the_official_books() -> None:
    queries = map(stream_pages.example, stream_pages.streams().values())
    sums = [
        query for query in queries if re.search(r"sum\((t\.accounting_value|d\.value)\)", query)
    ]
    assert len(sums) == 4
    for query in sums:
        assert "join procountor.official_receipts r" in query
        assert "tap_procountor.ledger_" not in query


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A PostgreSQL that holds every table, those not selected by default too."""
    project = meltano_project(tmp_path_factory.mktemp("project"))
    with (
        Sandbox(invoices=60, requests_per_second=0) as sandbox,
        postgres(tmp_path_factory.mktemp("postgres")) as database,
    ):
        files = tmp_path_factory.mktemp("files")
        everything = {
            "TAP_PROCOUNTOR__SELECT": '["*.*"]',
            "TAP_PROCOUNTOR_ATTACHMENT_FILES_PATH": str(files),
        }
        sandbox.companies[0].set_country("SWEDEN")
        sandbox.companies[0].set_sie(enabled=True)
        url = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.url}
        meltano_run(project, sandbox, "target-postgres", **everything, **url)
        views = (ROOT / "docs" / "sql" / "current_rows.sql").read_text("utf-8")
        with psycopg.connect(database.uri) as connection:
            connection.execute(views.encode())
        yield database


#: Streams whose queries look for what need not be there.
EXCEPTIONAL = {"attachments", "payments", "report_ledger_accounts"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
@pytest.mark.parametrize("stream", stream_pages.streams())
def test_example_queries_run(database: Database, stream: str) -> None:
    page = (PAGES / f"{stream}.md").read_text("utf-8")
    (query,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    with psycopg.connect(database.uri) as connection:
        rows = connection.execute(query.encode()).fetchall()
    has_rows = bool(database.rows(f"select 1 from tap_procountor.{stream} limit 1"))
    assert rows or not has_rows or stream in EXCEPTIONAL


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_the_ledger_agrees_with_procountors_report(database: Database) -> None:
    query = stream_pages.example(stream_pages.streams()["report_ledger_accounts"])
    with psycopg.connect(database.uri) as connection:
        assert not connection.execute(query.encode()).fetchall()
