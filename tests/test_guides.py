"""What README and the guides show can be pasted, and works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import settings_tables
import yaml
from support.meltano import postgres
from support.oracle.books import OFFICIAL_STATUSES

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.registry import STREAM_TYPES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 250


def test_readme_names_streams_that_exist() -> None:
    section = README.partition("\n## Streams\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \|$", section, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(rows) > 10
    assert names <= {str(vars(stream)["name"]) for stream in STREAM_TYPES}


def test_readme_lists_the_settings_that_matter_for_meltano() -> None:
    (tap,) = plugins()["extractors"]
    listed = {setting["name"] for setting in tap["settings"]}
    # Meltano takes no other variable, and the guard's remedy is one.
    assert listed == {*settings_tables.ESSENTIAL, "confirm_deletions"}


@pytest.mark.parametrize("page", [Path("README.md"), *sorted(DOCS.rglob("*.md"))], ids=str)
def test_files_that_a_page_names_exist(page: Path) -> None:
    # The links between the pages of docs are mkdocs' business.
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:scripts|tests|tap_procountor|\.github|\.ci|docs)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_of_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    missing = [link for link in links if not is_there(link)]
    assert links
    assert not missing


def is_there(link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = ROOT / path if path else ROOT / "README.md"
    if not target.exists():
        return False
    titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
    return not anchor or anchor in {anchor_of(title) for title in titles}


def anchor_of(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def plugins() -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    found: dict[str, list[dict[str, list[dict[str, str]]]]] = yaml.safe_load(block())["plugins"]
    return found


def block() -> str:
    """Return what README has its readers paste."""
    (found,) = re.findall(r"```yaml\n(plugins:.*?)```", README, re.DOTALL)
    return str(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_pasted_block_fills_postgresql_and_the_trial_balance_is_exact(tmp_path: Path) -> None:
    (tmp_path / "tap-procountor").symlink_to(ROOT)
    meltano(tmp_path, "init", "my-project", "--no-usage-stats")
    project = tmp_path / "my-project"
    with (project / "meltano.yml").open("a") as file:
        file.write(block())
    meltano(project, "install")
    with (
        Sandbox(invoices=60, requests_per_second=0) as sandbox,
        postgres(tmp_path / "postgres") as database,
    ):
        settings = {
            f"TAP_PROCOUNTOR_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in sandbox.config().items()
        }
        # The embedded server listens on a socket only, which the block's settings cannot name.
        meltano(project, "config", "set", "target-postgres", "sqlalchemy_url", database.url)
        meltano(project, "run", "tap-procountor", "target-postgres", **settings)
        with psycopg.connect(database.uri) as connection:
            connection.execute((DOCS / "sql" / "current_rows.sql").read_bytes())
            query = (DOCS / "sql" / "trial_balance.sql").read_bytes()
            rows = connection.execute(query).fetchall()
        sums = {(account, str(month)[:7]): total for _, account, _, month, total in rows}
        assert sums == sandbox.companies[0].ledger_report(OFFICIAL_STATUSES)
        assert sums != sandbox.companies[0].ledger_report()


def meltano(folder: Path, *arguments: str, **settings: str) -> None:
    process = subprocess.run(
        [Path(sys.executable).with_name("meltano"), *arguments],
        cwd=folder,
        env={**os.environ, "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-5000:]
