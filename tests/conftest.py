from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from support.meltano import Database, postgres
from support.proxy import Proxy
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xdist.remote import Producer  # type: ignore[import-untyped]

# Hundreds of processes are started: compiling everything anew would take most of their time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

#: Modules whose tests share nothing dear, so that each test may go to another worker.
DIVIDED = frozenset(
    f"test_{name}.py"
    for name in (
        *("bad_input", "connections", "deletions", "files", "isolation", "requests", "resume"),
        *("rights", "secrets"),
    )
)
#: What takes longest comes first, so that no worker is left with it in the end.
FIRST = (
    "test_targets.py",
    "test_any_document.py",
    "test_no_change_missed.py",
    "test_limiter.py",
    "test_resume.py::test_killed_at_random_points_nothing_is_lost",
    "test_documentation.py",
    "test_files.py::test_a_thousand_files_through_two_kills",
    "test_stream_pages.py",
    "test_isolation.py",
    "test_personal_data.py",
    "test_logs.py",
    "test_secrets.py",
    "test_requests.py",
    "test_exactness.py",
    "test_receivables.py",
    "test_files.py",
    "test_deletions.py",
    "test_resume.py",
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives a module to one worker, which makes its sandboxes and databases only once."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return nodeid.partition("[")[0] if module.rpartition("/")[2] in DIVIDED else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    config.option.loadscopereorder = False  # ours is the order of the tests
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def position(item: pytest.Item) -> int:
        name = item.nodeid.rpartition("/")[2]
        return next((at for at, one in enumerate(FIRST) if name.startswith(one)), len(FIRST))

    items.sort(key=position)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=100, help="how often the tap is killed at random points"
    )
    parser.addoption(
        "--documents", type=int, default=2000, help="how many documents are made of the schemas"
    )
    parser.addoption("--documents-seed", type=int, help="the seed of those that failed")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small company, as fast as the machine."""
    with Sandbox(invoices=60, requests_per_second=0) as running:
        yield running


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, object]:
    """Settings for it."""
    return {**sandbox.config(), "requests_per_second": 1000}


@pytest.fixture
def reporting(config: dict[str, object], tmp_path: Path) -> dict[str, object]:
    """The same with a run report, which ``report_of`` and ``outcomes`` read."""
    return config | {"run_report_path": str(tmp_path / "report.json")}


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    """A server before the sandbox that can alter its answers; its ``config`` leads there."""
    with Proxy(sandbox) as running:
        yield running


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A real PostgreSQL."""
    with postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running
