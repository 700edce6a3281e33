"""End to end through Meltano and real targets: what arrives is the truth, field by field.

A load into PostgreSQL is tested by default; further runs and other targets are slow tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable
from support.exact import Digits, Record
from support.meltano import Database, as_written, assert_table_is, meltano_project, meltano_run
from support.oracle import books, truth

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.timeout(900),
    # Where there is no desktop session, the embedded PostgreSQL says so.
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR"),
]

ROOT = Path(__file__).parent.parent

#: Fields that the target adds.
_TARGET_FIELDS = "_sdc_"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Meltano project of a user's, with the tap installed from this checkout."""
    return meltano_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(companies=2, invoices=120, colliding_ids=True, requests_per_second=0) as running:
        yield running


@pytest.fixture(scope="module")
def loaded(project: Path, sandbox: Sandbox, database: Database) -> Database:
    meltano_run(project, sandbox, "target-postgres", TARGET_POSTGRES_SQLALCHEMY_URL=database.url)
    return database


@pytest.mark.parametrize("stream", books.TABLES)
def test_postgres_holds_the_truth(loaded: Database, sandbox: Sandbox, stream: str) -> None:
    assert_table_is(loaded.table(stream), truth(sandbox, stream))


def test_the_books_in_postgres_balance(loaded: Database) -> None:
    (total,) = loaded.rows(
        "select sum(accounting_value) = 0 as balanced, count(*) > 100 as enough"
        " from tap_procountor.ledger_transactions"
    )
    assert total == {"balanced": True, "enough": True}


@pytest.mark.slow
def test_later_runs_bring_the_changes_to_postgres(
    loaded: Database, project: Path, sandbox: Sandbox
) -> None:
    url = {"TARGET_POSTGRES_SQLALCHEMY_URL": loaded.url}
    sandbox.reset_statistics()
    meltano_run(project, sandbox, "target-postgres", **url)
    routes = sandbox.statistics().by_route()
    assert not routes["/invoices/{id}"]
    company = sandbox.companies[1]
    edited, invalidated, *_ = editable(company)
    company.edit("invoices", edited)
    company.invalidate(invalidated)
    company.create_invoice()
    meltano_run(project, sandbox, "target-postgres", **url)
    assert_table_is(loaded.table("invoices"), truth(sandbox, "invoices"))
    current = loaded.rows(
        "select r.* from tap_procountor.invoice_rows r join tap_procountor.invoices i"
        " on i.company_id = r.company_id and i.id = r.invoice_id and i.version = r.version"
    )
    rows = [
        {k: as_written(v) for k, v in row.items() if not k.startswith(_TARGET_FIELDS)}
        for row in current
    ]
    assert_table_is(rows, truth(sandbox, "invoice_rows"))


@pytest.mark.slow
@pytest.mark.parametrize("stream", books.TABLES)
def test_jsonl_holds_the_truth(jsonl: Path, sandbox: Sandbox, stream: str) -> None:
    lines = (jsonl / f"{stream}.jsonl").read_text("utf-8").splitlines()

    def as_text(row: Record) -> str:
        return json.dumps(_with_floats(row), sort_keys=True)

    assert sorted(as_text(json.loads(line)) for line in lines) == sorted(
        as_text(row) for row in truth(sandbox, stream)
    )


def _with_floats(value: Any) -> Any:
    """This target reads numbers as floats: their digits are not its to keep."""
    if isinstance(value, dict):
        return {name: _with_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if isinstance(value, Digits | int) else value


@pytest.fixture(scope="module")
def jsonl(project: Path, sandbox: Sandbox) -> Path:
    meltano_run(project, sandbox, "target-jsonl")
    return project / "output"


#: Run by the target's own Python, which has the DuckDB that wrote the file.
_COUNT_ROWS = """
import duckdb, json, sys
connection = duckdb.connect(sys.argv[1])
query = "select count(*) from tap_procountor."
print(json.dumps({name: connection.execute(query + name).fetchone()[0] for name in sys.argv[2:]}))
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="its DuckDB has no wheel for it")
@pytest.mark.slow
def test_duckdb_holds_as_many_rows(project: Path, sandbox: Sandbox) -> None:
    meltano_run(project, sandbox, "target-duckdb")
    shutil.copy(project / "output" / "procountor.duckdb", project / "copy.duckdb")
    counts = subprocess.run(
        [
            project / ".meltano" / "loaders" / "target-duckdb" / "venv" / "bin" / "python",
            "-c",
            _COUNT_ROWS,
            project / "copy.duckdb",
            *books.TABLES,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(counts.stdout) == {s: len(truth(sandbox, s)) for s in books.TABLES}
