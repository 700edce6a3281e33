"""What the documentation says is what the code does."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from decimal import Decimal
from fnmatch import fnmatch
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from support.bookkeeping import editable
from support.meltano import (
    Database,
    as_written,
    assert_table_is,
    meltano_project,
    meltano_run,
    postgres,
)
from support.oracle import truth
from support.oracle.books import OFFICIAL_STATUSES

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.exact import Record

    from tap_procountor.sandbox.company import Company

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
PLACEHOLDER = "…"

#: A heading over sentences of its own, and what only a wrong declaration of a stream can cause.
NOT_FOR_USERS = {
    "The settings cannot be used",
    f"The specification has no component {PLACEHOLDER}.",
}


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    command = [sys.executable, "-m", "tap_procountor", "--about", "--format=json"]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    described: dict[str, Any] = json.loads(process.stdout)
    return described


def meltano_tap() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    (tap,) = project["plugins"]["extractors"]
    return dict(tap)


@cache
def nodes_of_the_source() -> tuple[ast.AST, ...]:
    source = ROOT / "tap_procountor"
    modules = set(source.rglob("*.py")) - set((source / "sandbox").rglob("*.py"))
    trees = (ast.parse(module.read_text("utf-8")) for module in sorted(modules))
    return tuple(chain.from_iterable(map(ast.walk, trees)))


def text_of(node: ast.AST) -> str | None:
    """Return the text that a node stands for, with a placeholder for each value inside it."""
    if isinstance(node, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else PLACEHOLDER
            for part in node.values
        ]
        return "".join(parts)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(s|d|\.\df)|{\w+(:[^}]*)?}", PLACEHOLDER, node.value)
    return None


@cache
def texts_of_the_source() -> str:
    return "\n".join(filter(None, map(text_of, nodes_of_the_source())))


def error_messages_of_the_source() -> list[str]:
    """Return the texts that the tap raises as its own errors."""
    texts = chain.from_iterable(map(messages_in, nodes_of_the_source()))
    return sorted(set(texts) - NOT_FOR_USERS)


def messages_in(node: ast.AST) -> Iterator[str]:
    """Yield the texts of errors: assigned to ``msg``, given to an error, or beside one in a call.

    The last are rows of tables: ``Row({404}, NotFoundError, "There is no {resource} …")``.
    """
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "msg":
        yield from texts_in(node.value)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
        yield from chain.from_iterable(map(texts_in, node.args[:1]))
    elif isinstance(node, ast.Call) and any(map(is_error, node.args)):
        yield from (text for arg in node.args for text in texts_in(arg) if " " in text)


def is_error(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id.endswith("Error")


def texts_in(value: ast.AST) -> Iterator[str]:
    """Yield the text of an expression; both of a choice, and that of a constant by its name."""
    if isinstance(value, ast.IfExp):
        yield from chain(texts_in(value.body), texts_in(value.orelse))
    elif isinstance(value, ast.Name):
        yield from filter(None, [constants_of_the_source().get(value.id)])
    elif text := text_of(value):
        yield text


@cache
def constants_of_the_source() -> dict[str, str]:
    """Return the texts of constants by name."""
    return {
        node.targets[0].id: text
        for node in nodes_of_the_source()
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
        and (text := text_of(node.value))
    }


def troubleshooting() -> list[str]:
    return re.findall(r"^\| `([^`]+)`", TROUBLESHOOTING, re.MULTILINE)


def fragments(message: str) -> list[str]:
    """Return the fixed parts of a message."""
    return [part.strip() for part in message.split(PLACEHOLDER) if re.search(r"\w", part)]


def test_tables_of_settings_and_streams_are_current() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr


def test_meltano_lists_exactly_the_settings_of_the_tap(about: dict[str, Any]) -> None:
    # Meltano hands over none that it does not list.
    listed = [setting["name"] for setting in meltano_tap()["settings"]]
    assert sorted(listed) == sorted(about["settings"]["properties"])


def test_meltano_hides_exactly_the_secrets(about: dict[str, Any]) -> None:
    properties = about["settings"]["properties"]
    secrets = {name for name, setting in properties.items() if setting.get("secret")}
    hidden = {s["name"] for s in meltano_tap()["settings"] if s.get("sensitive")}
    assert hidden == secrets


def test_meltano_names_the_capabilities_of_the_tap(about: dict[str, Any]) -> None:
    assert sorted(meltano_tap()["capabilities"]) == sorted(about["capabilities"])


def left_out(rules: list[str]) -> set[str]:
    """Return the streams that Meltano's rules of selection leave out."""
    names = {str(vars(stream)["name"]) for stream in STREAM_TYPES}
    patterns = [rule[1:] for rule in rules if rule.startswith("!")]
    return {name for name in names for one in patterns if fnmatch(f"{name}.*", one)}


def test_meltano_leaves_out_what_is_not_selected_by_default() -> None:
    expected = {str(vars(one)["name"]) for one in STREAM_TYPES if not one.selected_by_default}
    assert left_out(meltano_tap()["select"]) == expected
    (block,) = re.findall(r"```yaml\n(plugins:.*?)```", README, re.DOTALL)
    (tap,) = yaml.safe_load(block)["plugins"]["extractors"]
    assert left_out(tap["select"]) == expected


def test_settings_of_the_inline_block_exist(about: dict[str, Any]) -> None:
    (block,) = re.findall(r"```yaml\n(plugins:.*?)```", README, re.DOTALL)
    (tap,) = yaml.safe_load(block)["plugins"]["extractors"]
    names = {setting["name"] for setting in tap["settings"]}
    assert names <= about["settings"]["properties"].keys()
    assert sorted(tap["capabilities"]) == sorted(about["capabilities"])


@pytest.mark.parametrize("message", troubleshooting())
def test_messages_of_the_troubleshooting_are_the_sources(message: str) -> None:
    source = texts_of_the_source()
    assert fragments(message)
    missing = [fragment for fragment in fragments(message) if fragment not in source]
    assert not missing


@pytest.mark.parametrize("message", error_messages_of_the_source())
def test_errors_of_the_source_are_in_the_troubleshooting(message: str) -> None:
    listed = "\n".join(troubleshooting())
    missing = [fragment for fragment in fragments(message) if fragment not in listed]
    assert not missing


@pytest.mark.parametrize(
    "line", [line for line in TROUBLESHOOTING.split("\n") if line.startswith("| ")]
)
def test_each_message_has_a_cause_and_a_remedy_of_its_own(line: str) -> None:
    _, message, cause, remedy, _ = line.split("|")
    assert all(map(str.strip, (message, cause, remedy)))
    assert not re.search("(?i)as above|same as|like the", cause + remedy)


def test_each_message_is_explained_once() -> None:
    assert len(troubleshooting()) == len(set(troubleshooting()))


def test_changelog_speaks_of_the_current_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## [{project['version']}] - " in changelog


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_views_of_current_rows_equal_the_truth(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project = meltano_project(tmp_path / "project")
    views = (ROOT / "docs" / "sql" / "current_rows.sql").read_text("utf-8")
    with (
        Sandbox(companies=2, invoices=60, colliding_ids=True, requests_per_second=0) as sandbox,
        postgres(tmp_path / "postgres") as database,
    ):

        def sync() -> None:
            url = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.url}
            full = {"TAP_PROCOUNTOR_DELETION_CHECK": "full"}
            meltano_run(project, sandbox, "target-postgres", **url, **full)

        sync()
        with psycopg.connect(database.uri) as connection:
            connection.execute(views.encode())
        for company in sandbox.companies:
            work(company)
        sync()
        with psycopg.connect(database.uri) as connection:
            # As if a tombstone had been lost, with the state that knew of the receipt.
            connection.execute(LOST)
        for stream in VIEWS:
            assert_table_is(view(database, stream), truth(sandbox, stream))
        ids = [(row["company_id"], row["id"]) for row in view(database, "attachments")]
        assert sorted(ids) == sorted(attachment_ids(sandbox))
        assert ledger_sums(database) == {
            (company.id, *key): total
            for company in sandbox.companies
            for key, total in company.ledger_report(OFFICIAL_STATUSES).items()
        }


#: A receipt of a swept period that an earlier run has read.
LOST = """
    insert into tap_procountor.ledger_receipts
        (company_id, id, receipt_date, _sdc_extracted_at)
    select r.company_id, 999999999, r.receipt_date, min(p.swept_at) - interval '1 microsecond'
    from procountor.ledger_receipts r
    join tap_procountor.tracking_periods p
        on p.company_id = r.company_id and r.receipt_date between p.start_date and p.end_date
    group by 1, 3
    limit 1
"""

#: The views but that of the attachments, whose owner is whichever was read last.
VIEWS = (
    *("invoices", "ledger_receipts", "business_partners"),
    *("invoice_rows", "ledger_transactions", "ledger_transaction_dimensions"),
)


def work(company: Company) -> None:
    """Edit, invalidate, delete and move amounts to other dimension items."""
    company.reopen_periods("2022-01-01", "2026-12-31")
    having = {row["id"]: row["ledgerReceiptId"] for row in company.truth("invoices")}
    posted = [number for number in editable(company) if having.get(number)]
    for number in posted[:4]:
        company.edit("invoices", number)
    company.invalidate(posted[4])
    company.delete("invoices", posted[5])
    for number in posted[6:14]:
        company.edit_dimensions(having[number])
    company.create_invoice()


def view(database: Database, name: str) -> list[Record]:
    rows = database.rows(f"select * from procountor.{name}")
    return [{k: as_written(v) for k, v in row.items() if k[:5] != "_sdc_"} for row in rows]


def ledger_sums(database: Database) -> dict[tuple[int, str, str], Decimal]:
    """Sum the ledger by company, account and month, in SQL on the views."""
    rows = database.rows(
        "select t.company_id, t.account, to_char(r.receipt_date, 'YYYY-MM') as month,"
        " sum(t.accounting_value) as total from procountor.ledger_transactions t"
        " join procountor.official_receipts r"
        " on r.company_id = t.company_id and r.id = t.ledger_receipt_id group by 1, 2, 3"
    )
    return {
        (row["company_id"], row["account"], row["month"]): Decimal(row["total"]) for row in rows
    }


def attachment_ids(sandbox: Sandbox) -> set[tuple[int, int]]:
    return {
        (company.id, row["attachmentId"])
        for company in sandbox.companies
        for row in company.truth("attachments")
    }
