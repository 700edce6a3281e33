from __future__ import annotations

import os
import re
import sys
from functools import cache
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


@cache
def shares_fixtures(module: Path) -> bool:
    """Whether a sandbox, a run or a database is made once for several tests of a module."""
    return re.search(r'scope="(module|class)"', module.read_text("utf-8")) is not None


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each test to any worker, unless its module shares fixtures: then all of them to one.

    The option ``--dist=loadgroup`` would do, but not with pytest 9.2 and pytest-xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if shares_fixtures(self.config.rootpath / module) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it in the end.

    First slow tests, then those with a timeout of their own, then modules that go to one worker.
    The tests of such a module keep their order: later ones change what they share.
    """

    def group(item: pytest.Item) -> object:
        return item.path if shares_fixtures(item.path) else item

    marked = {
        name: {group(item) for item in items if item.get_closest_marker(name)}
        for name in ("slow", "timeout")
    }
    items.sort(
        key=lambda item: (
            group(item) not in marked["slow"],
            group(item) not in marked["timeout"],
            not shares_fixtures(item.path),
        )
    )


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
