from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=100, help="how often the tap is killed at random points"
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small company, as fast as the machine."""
    with Sandbox(invoices=60, requests_per_second=0) as running:
        yield running


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, object]:
    """Settings for it."""
    return {**sandbox.config(), "requests_per_second": 1000}
