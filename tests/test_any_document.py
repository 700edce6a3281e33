"""Whatever the API sends: what fits arrives as it came, what does not is one rejection each.

Documents are made from the specification's schemas, about every third of them odd or spoilt, and
go through the real command: some are looked for in its messages, and, as a slow test, many more in
a real PostgreSQL behind target-postgres.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from support.catalog import selecting
from support.command import Run, exit_code_of, inputs, start_command
from support.documents import KINDS, Document, Server, documents
from support.exact import Digits, Record, parse
from support.meltano import Database, comparable, meltano_project
from support.oracle.records import expected_record
from support.proxy import Proxy
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR"),
]

#: Table of rows: that of its documents, the array, and the owner's id in the row.
ROWS = {
    "invoice_rows": ("invoices", "invoice_rows", "invoice_id"),
    "ledger_transactions": ("ledger_receipts", "transactions", "ledger_receipt_id"),
}


def made(count: int, number: int) -> list[Document]:
    """Make documents, a part of each kind."""
    found: list[Document] = []

    def collect(stream: str) -> None:
        first = len(found)

        @seed(number)
        @settings(
            max_examples=count // len(KINDS),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def one(data: st.DataObject) -> None:
            found.append(data.draw(documents(stream, len(found) - first + 1)))

        one()

    for stream in KINDS:
        collect(stream)
    return found


@dataclass
class Loaded:
    """What a run has brought.

    Attributes:
        documents: What the API had.
        are_few: Whether what is rare may not be among them.
        seed: What makes them again.
        exit_code: Of the tap.
        log: Of the tap.
        rows: Gives the rows of a table.
    """

    documents: list[Document]
    are_few: bool
    seed: int
    exit_code: int
    log: str
    rows: Callable[[str], list[Record]]


def rows_of_messages(messages: Path) -> Callable[[str], list[Record]]:
    """Give the rows as any target must hold them."""
    lines = messages.read_text("utf-8").split("\n")
    target = Target().load(Run(0, [parse(line) for line in lines if line], ""))
    return target.rows


def rows_in_postgres(
    messages: Path, command: Path, database: Database, seed: int
) -> Callable[[str], list[Record]]:
    """Load the messages into PostgreSQL; give the rows without the target's own columns."""
    config = messages.with_name("target.json")
    config.write_text(
        json.dumps({"sqlalchemy_url": database.url, "default_target_schema": "tap_procountor"})
    )
    with messages.open("rb") as lines:
        load = subprocess.run(
            [command, "--config", config],
            stdin=lines,
            capture_output=True,
            text=True,
            check=False,
        )
    errors = [line[:500] for line in load.stderr.splitlines() if "rror" in line[:100]]
    assert load.returncode == 0, f"seed {seed}: " + "\n".join(errors[-10:])

    def rows(table: str) -> list[Record]:
        return [
            {name: _plain(value) for name, value in row.items() if _is_ours(name)}
            for row in database.rows(f"select * from tap_procountor.{table}")
        ]

    return rows


def _is_ours(name: str) -> bool:
    return not name.startswith("_sdc_") or name == "_sdc_deleted_at"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return str(value)
    return value


def _with_digits(value: Any) -> Any:
    """Whole numbers of columns for decimals are decimals here and integers there."""
    if isinstance(value, dict):
        return {name: _with_digits(item) for name, item in value.items()}
    if isinstance(value, list):
        digits = [_with_digits(item) for item in value]
        # Whole numbers among others are written like them: see the tap.
        mixed = any("." in one for one in digits if isinstance(one, Digits))
        return [
            Digits(f"{one}.0") if mixed and isinstance(one, Digits) and "." not in one else one
            for one in digits
        ]
    if isinstance(value, Digits | Decimal) or type(value) is int:
        return Digits(f"{Decimal(value):f}")
    return value


@pytest.fixture(scope="module")
def target_postgres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of target-postgres, installed by Meltano."""
    project = meltano_project(tmp_path_factory.mktemp("project"))
    command = [
        str(Path(sys.executable).with_name("meltano")),
        "install",
        "loader",
        "target-postgres",
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project / ".meltano/loaders/target-postgres/venv/bin/target-postgres"


@pytest.fixture(
    scope="module", params=["messages", pytest.param("PostgreSQL", marks=pytest.mark.slow)]
)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    number = request.config.getoption("documents_seed") or random.randrange(2**32)
    count = request.config.getoption("documents")
    are_few = request.param == "messages"
    all_documents = made(count // 5 if are_few else count, number)
    folder = tmp_path_factory.mktemp("run")
    tables = [*KINDS, *ROWS, "ledger_transaction_dimensions", "attachments", "rejected_records"]
    messages, log = folder / "messages", folder / "log"
    with Sandbox(invoices=1, requests_per_second=0) as sandbox, Proxy(sandbox) as proxy:
        proxy.before = Server(all_documents)
        # What is made up does not balance.
        config = proxy.config(deletion_check="off", reconcile="off")
        arguments = inputs(folder, config=config, catalog=selecting(*tables))
        exit_code = exit_code_of(start_command(arguments, [messages, log]))
    if are_few:
        rows = rows_of_messages(messages)
    else:
        command = request.getfixturevalue("target_postgres")
        database = request.getfixturevalue("database")
        rows = rows_in_postgres(messages, command, database, number)
    return Loaded(all_documents, are_few, number, exit_code, log.read_text("utf-8"), rows)


def expected(loaded: Loaded, stream: str) -> list[Record]:
    return [
        expected_record(one.clean, *KINDS[stream][1], company_id=10001)
        for one in loaded.documents
        if one.stream == stream and one.cost != "document"
    ]


def assert_same(loaded: Loaded, table: str, rows: list[Record], wanted: list[Record]) -> None:
    columns = {name for row in chain(rows, wanted) for name in row}
    have = Counter(comparable(_with_digits(row), columns) for row in rows)
    want = Counter(comparable(_with_digits(row), columns) for row in wanted)
    if have != want:
        lines = [
            f"{sign} {one[:1500]}"
            for sign, rows in (("+", have - want), ("-", want - have))
            for one in [*rows][:3]
        ]
        pytest.fail(f"{table}: seed {loaded.seed}\n" + "\n".join(sorted(lines)))


def test_what_was_made_is_odd_in_every_way(loaded: Loaded) -> None:
    names = {one.name for one in loaded.documents}
    assert names >= {"valid", "undecodable", "wrong_type"}
    assert loaded.are_few or names >= {"nul", "another_form", "odd_row"}


@pytest.mark.parametrize("stream", KINDS)
def test_all_that_fits_arrives_exactly(loaded: Loaded, stream: str) -> None:
    assert_same(loaded, stream, loaded.rows(stream), expected(loaded, stream))


@pytest.mark.parametrize("table", ROWS)
def test_rows_arrive_exactly(loaded: Loaded, table: str) -> None:
    stream, array, owner_id = ROWS[table]
    wanted = []
    for owner in expected(loaded, stream):
        seen = set()
        for row in owner.get(array) or []:
            if row and row.get("id") is not None and row["id"] not in seen:
                seen.add(row["id"])
                inherited = {name: owner.get(name) for name in ("company_id", "version")}
                wanted.append(row | inherited | {owner_id: owner["id"]})
    assert_same(loaded, table, loaded.rows(table), wanted)


def test_dimension_items_of_a_transaction_are_summed_exactly(loaded: Loaded) -> None:
    sums: dict[tuple[int, int], Decimal] = {}
    for receipt in expected(loaded, "ledger_receipts"):
        for row in filter(None, receipt.get("transactions") or []):
            for item in filter(None, row.get("dimension_item_values") or []):
                key = row["id"], item["item_id"]
                sums[key] = sums.get(key, Decimal(0)) + Decimal(str(item["value"]))
    rows = loaded.rows("ledger_transaction_dimensions")
    found = {
        (row["ledger_transaction_id"], row["dimension_item_id"]): Decimal(row["value"])
        for row in rows
    }
    assert found == sums
    assert len(rows) == len(sums)
    assert sums or loaded.are_few


def test_what_does_not_fit_is_one_rejection_each_and_nothing_else_is(loaded: Loaded) -> None:
    assert loaded.exit_code == 1
    rejected = Counter(row["stream"] for row in loaded.rows("rejected_records"))
    wanted = Counter(one.stream for one in loaded.documents if one.cost == "document")
    rows_of = {owner: table for table, (owner, _, _) in ROWS.items()}
    wanted += Counter(rows_of[one.stream] for one in loaded.documents if one.cost == "row")
    assert rejected == wanted, f"seed {loaded.seed}\n{loaded.log[-3000:]}"


def test_no_stream_has_failed(loaded: Loaded) -> None:
    failures = [line for line in loaded.log.splitlines() if "Incomplete:" in line]
    assert failures
    assert [line for line in failures if "records were rejected" not in line] == []
