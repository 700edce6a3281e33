from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from support.meltano import Database, postgres
from support.proxy import Proxy

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Hundreds of processes are started: compiling everything anew would take most of their time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# Before pytest-xdist takes the groups from the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share something dear to one worker, and begin with what takes longest.

    That are slow tests, those with a timeout of their own, and those that share something.
    """
    for item in items:
        if isinstance(item, pytest.Function) and shares_fixtures(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    long = ("slow", "timeout", "xdist_group")
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in long])


def shares_fixtures(item: pytest.Function) -> bool:
    """Whether a sandbox, a run or the like is made once for several tests of its module."""
    definitions = item._fixtureinfo.name2fixturedefs.values()  # noqa: SLF001 - no public way
    return any(used.scope in {"class", "module"} for *_, used in definitions)


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
