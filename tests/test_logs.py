"""Meltano's structured logs hold the tap's messages with their level."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.meltano import meltano_project, run_meltano

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return meltano_project(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=30, requests_per_second=0) as running:
        running.companies[0].set_right("salaries.payroll")
        running.add_fault(path="/products", status=400, html=False, times=None)
        yield running


def test_messages_are_events_with_their_level(project: Path, sandbox: Sandbox) -> None:
    process = run_meltano(
        project, sandbox, "--log-format=json", "run", "tap-procountor", "target-jsonl"
    )
    assert process.returncode == 1
    events = [json.loads(line) for line in process.stderr.splitlines() if line.startswith("{")]
    company = sandbox.companies[0].id
    of_tap = [event for event in events if event.get("name") == "tap-procountor"]

    def levels(text: str) -> set[Any]:
        return {event["level"] for event in of_tap if text in event["event"]}

    assert levels(f"Reading company {company}") == {"info"}
    assert levels(f"products of company {company}: ") == {"error"}
    assert levels(f"ledger_receipts of company {company}: Receipts of salaries") == {"error"}
    assert levels("invoices: 30 rows, ") == {"info"}
    assert levels("The run is incomplete: ") == {"error"}
