"""Promise 5: killed anywhere and started with its last state, the tap loses nothing."""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from support.bookkeeping import editable
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, exit_code_of, inputs, run_tap, start_command
from support.exact import Record, parse
from support.oracle import truth
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAMS = ("business_partners", "invoices", "invoice_rows", "ledger_receipts", "products")


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    """A company that is long enough to be killed in."""
    with Sandbox(invoices=1500, requests_per_second=0) as running:
        yield running


class Process:
    """The tap as a target sees it: what it has written so far."""

    def __init__(self, folder: Path, config: Record, state: Record) -> None:
        catalog = selecting_once(*STREAMS)
        arguments = inputs(folder, config=config, state=state, catalog=catalog)
        pipe, self._log = folder / "pipe", folder / "log"
        os.mkfifo(pipe)
        self._process = start_command(arguments, [pipe, self._log])
        # Waits until the tap has opened its end, then nobody needs the name any more.
        self._output = pipe.open(encoding="utf-8")
        pipe.unlink()
        self.lines: list[str] = []

    def read(self, lines: int) -> None:
        """Take up to so many lines."""
        for line in self._output:
            self.lines.append(line)
            if len(self.lines) >= lines:
                return

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it has not ended by itself."""
        if self._process.is_alive() and self._process.pid:
            with suppress(ProcessLookupError):  # it ends right now
                os.kill(self._process.pid, number)

    def end(self, number: signal.Signals | None = None) -> Run:
        """Send a signal if asked to; return what was read before, or all if it was done before."""
        if number is not None:
            self.send_signal(number)
        if number != signal.SIGKILL:
            self.read(sys.maxsize)
        code = exit_code_of(self._process)
        if code == 0:
            self.read(sys.maxsize)
        self._output.close()
        return self._run(code)

    def leave(self) -> Run:
        """Read no more, as a target that fails."""
        self._output.close()
        return self._run(exit_code_of(self._process))

    def _run(self, code: int) -> Run:
        log = self._log.read_text("utf-8")
        self._log.unlink()
        return Run(code, [parse(line) for line in self.lines], log)


_catalogs: dict[tuple[str, ...], Record] = {}


def selecting_once(*streams: str) -> Record:
    if streams not in _catalogs:
        _catalogs[streams] = selecting(*streams)
    return _catalogs[streams]


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills"))


#: Share of the kills and size of the books of each part. Only lists of more than 1000 rows have a
#: bookmark half-way; between tables a small load has as many, and takes a tenth of the time.
PARTS: dict[str, tuple[float, Record]] = {
    "a few": (0.04, {"invoices": 20, "companies": 2, "colliding_ids": True}),
    "large": (0.2, {"invoices": 1500}),
    "small": (0.45, {"invoices": 100}),
    "two companies": (0.35, {"invoices": 50, "companies": 2, "colliding_ids": True}),
}


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=[pytest.mark.slow] * (part != "a few")) for part in PARTS],
)
def test_killed_at_random_points_nothing_is_lost(tmp_path: Path, kills: int, part: str) -> None:
    """A chain of runs, each killed somewhere and continued, until there were enough kills."""
    chance = random.Random(f"{kills} {part}")
    share, size = PARTS[part]
    left = math.ceil(kills * share)
    with Sandbox(**size, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        expected = {stream: truth(sandbox, stream) for stream in STREAMS}
        one_run = len(run_tap(tmp_path, config, catalog=selecting_once(*STREAMS)).messages)
        while left:
            state: Record = {}
            target, finished = Target(), False
            while not finished:
                process = Process(tmp_path, config, state)
                if left:
                    process.read(chance.randrange(one_run))
                    run = process.end(signal.SIGKILL)
                    # One that goes on from a state has less to do, and may be done before.
                    left -= run.exit_code == -signal.SIGKILL
                else:
                    run = process.end()
                finished = run.exit_code == 0
                assert finished or run.exit_code == -signal.SIGKILL, run.log
                state = run.state or state
                target.load(run)
            for stream in STREAMS:
                assert target.rows(stream) == expected[stream]


_truth: dict[str, list[Record]] = {}


def truth_once(sandbox: Sandbox, stream: str) -> list[Record]:
    if stream not in _truth:
        _truth[stream] = truth(sandbox, stream)
    return _truth[stream]


def covered(state: Record, stream: str, rows: list[Record]) -> set[int]:
    """Return the ids of the rows that a run which goes on from the state does not read again."""
    (partition,) = state["bookmarks"].get(stream, {}).get("partitions", [{}])
    if partition.get("replication_key_value"):
        return {row["id"] for row in rows}
    window = partition.get("window")
    place = (window["variant"], window["after"]) if window else (0, 0)
    # Offers are the second of the lists.
    return {row["id"] for row in rows if (row.get("is_offer") is True, row["id"]) <= place}


@pytest.mark.slow
def test_each_state_speaks_only_of_what_was_written_before(large: Sandbox, tmp_path: Path) -> None:
    """A kill right after any of them loses nothing; by chance, kills seldom meet that moment."""
    config = {**large.config(), "requests_per_second": 1000}
    run = run_tap(tmp_path, config, catalog=selecting_once(*STREAMS))
    rows_of: dict[int, set[int]] = {row["id"]: set() for row in truth_once(large, "invoices")}
    for row in truth_once(large, "invoice_rows"):
        rows_of[row["invoice_id"]].add(row["id"])
    written: dict[str, set[int]] = {stream: set() for stream in STREAMS}
    half_way = 0
    for message in run.messages:
        if message["type"] == "RECORD":
            written[message["stream"]].add(message["record"]["id"])
        if message["type"] != "STATE":
            continue
        for stream in ("invoices", "ledger_receipts"):
            ids = covered(message["value"], stream, truth_once(large, stream))
            assert ids <= written[stream]
            half_way += 0 < len(ids) < len(truth_once(large, stream))
        for number in covered(message["value"], "invoices", truth_once(large, "invoices")):
            assert rows_of[number] <= written["invoice_rows"]
    assert half_way


@pytest.mark.slow
def test_a_killed_run_repeats_little(large: Sandbox, tmp_path: Path) -> None:
    config = {**large.config(), "requests_per_second": 1000, "max_concurrency": 4}
    large.reset_statistics()
    run_tap(tmp_path, config, catalog=selecting_once(*STREAMS))
    undisturbed = len(large.statistics().requests)
    process = Process(tmp_path, config, {})
    # The progress is sent after the page that makes a thousand documents full.
    process.read(13_000)
    killed = process.end(signal.SIGKILL)
    assert killed.state["bookmarks"]["invoices"]["partitions"][0]["window"]["done"] >= 1000
    large.reset_statistics()
    resumed = run_tap(tmp_path, config, catalog=selecting_once(*STREAMS), state=killed.state)
    assert resumed.exit_code == 0, resumed.log
    # Written as a whole: the partners. Written in part: the first of the invoices, with their rows.
    assert not resumed.records("business_partners")
    assert len(resumed.records("invoices")) <= 1500 - 1000
    assert len(large.statistics().requests) < undisturbed
    target = Target().load(killed).load(resumed)
    for stream in STREAMS:
        assert target.rows(stream) == truth_once(large, stream)


def test_a_table_that_is_selected_later_is_read_as_a_whole_even_if_its_first_run_is_stopped(
    large: Sandbox, tmp_path: Path
) -> None:
    """The bookmark so far knows nothing of that table; from then on it must not seem to."""
    config = {**large.config(), "requests_per_second": 1000}
    first = run_tap(tmp_path, config, catalog=selecting_once("invoices"))
    both = selecting_once("invoices", "invoice_rows")
    whole = run_tap(tmp_path, config, catalog=both, state=first.state)
    # As a target that was killed half-way would have it.
    end = next(
        at
        for at, message in enumerate(whole.messages)
        if message["type"] == "STATE"
        and message["value"]["bookmarks"]["invoices"]["partitions"][0].get("window")
    )
    stopped = Run(-signal.SIGKILL, whole.messages[: end + 1], "")
    assert 0 < len(stopped.records("invoices")) < len(whole.records("invoices"))
    third = run_tap(tmp_path, config, catalog=both, state=stopped.state)
    assert third.exit_code == 0, third.log
    target = Target().load(first).load(stopped).load(third)
    for stream in ("invoices", "invoice_rows"):
        assert target.rows(stream) == truth_once(large, stream)


@pytest.mark.parametrize("number", mostly_slow([signal.SIGTERM, signal.SIGINT]))
def test_a_signal_ends_the_run_with_its_state(
    large: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    config = {**large.config(), "requests_per_second": 1000}
    process = Process(tmp_path, config, {})
    process.read(12_000)
    run = process.end(number)
    assert run.exit_code == 128 + number
    assert "Traceback" not in run.log
    assert run.messages[-1]["type"] == "STATE"
    resumed = run_tap(tmp_path, config, catalog=selecting_once(*STREAMS), state=run.state)
    target = Target().load(run).load(resumed)
    for stream in STREAMS:
        assert target.rows(stream) == truth_once(large, stream)


def test_requests_that_wait_are_not_sent_after_the_end_of_a_run(
    large: Sandbox, tmp_path: Path
) -> None:
    """Twenty wait for the limit: sent one by one, they would keep the process for ten seconds."""
    process = Process(tmp_path, {**large.config(), "requests_per_second": 2}, {})
    process.read(1)
    while '"RECORD"' not in process.lines[-1]:
        process.read(len(process.lines) + 1)
    sent = len(large.statistics().requests)
    run = process.leave()
    assert run.exit_code != 0
    assert "Traceback" not in run.log
    requests = large.statistics().requests
    assert len(requests) - sent <= 3
    (line,) = (line for line in run.log.splitlines() if "The target has ended" in line)
    ended = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
    assert max(request.time for request in requests) < ended + 0.1


def test_a_signal_while_waiting_for_an_answer_is_obeyed_at_once(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/invoices*", kind="hang", seconds=30, times=None)
    process = Process(tmp_path, config, {})
    process.read(1)
    time.sleep(1)
    began = time.monotonic()
    run = process.end(signal.SIGTERM)
    assert run.exit_code == 128 + signal.SIGTERM
    assert time.monotonic() - began < 5


def test_a_signal_before_there_is_a_state_is_obeyed(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/sessioninfo", kind="hang", seconds=30, times=None)
    process = Process(tmp_path, config, {})
    while not sandbox.statistics().by_route()["/sessioninfo"]:
        time.sleep(0.02)
    run = process.end(signal.SIGTERM)
    assert run.exit_code == 128 + signal.SIGTERM, run.log
    assert "unexpected" not in run.log


@pytest.mark.parametrize("pause", mostly_slow([0.1, 0.3, 0.5]))
def test_a_signal_while_the_target_is_not_reading_breaks_no_line(
    config: Record, tmp_path: Path, pause: float
) -> None:
    """A full pipe makes writing wait, and the signal interrupts it."""
    process = Process(tmp_path, config, {})
    process.read(1)
    time.sleep(pause)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    run = process.end()
    assert run.exit_code == 128 + signal.SIGTERM
    assert run.messages[-1]["type"] == "STATE"


@pytest.mark.parametrize(
    ("rate", "latency_ms", "least", "most"),
    # On a busy machine an answer takes most of a second: the lower rate makes that matter little.
    [(5, 0, 1, 7), pytest.param(15, 600, 10, 13, marks=pytest.mark.slow)],
)
def test_no_more_is_read_ahead_than_the_rate_needs(
    tmp_path: Path, rate: int, latency_ms: int, least: int, most: int
) -> None:
    """What the target does not take waits in memory; where answers are slow, more must wait."""
    with Sandbox(invoices=4000, requests_per_second=0, latency_ms=latency_ms) as sandbox:
        process = Process(tmp_path, {**sandbox.config(), "requests_per_second": rate}, {})
        process.read(1)
        while '"RECORD","stream":"invoices"' not in process.lines[-1]:
            process.read(len(process.lines) + 1)
        before, now = -1, 0
        while now > before:
            time.sleep(1.5)
            before, now = now, len(sandbox.statistics().requests)
        process.end(signal.SIGKILL)
        batches = sandbox.statistics().by_route()["/invoices/{id}"]
        assert least <= batches <= most


@pytest.mark.slow
def test_data_that_changes_under_a_load(tmp_path: Path) -> None:
    with Sandbox(invoices=1500, requests_per_second=0, latency_ms=40, jitter_ms=30) as sandbox:
        # The comparison would go on reading, and the accountant would go on with it.
        config = {**sandbox.config(), "requests_per_second": 40, "reconcile": "off"}
        company = sandbox.companies[0]
        company.reopen_periods("2022-01-01", "2026-12-31")
        stop = threading.Event()

        def work() -> None:
            chance = random.Random(1)
            invoices = editable(company)
            while not stop.wait(0.02):
                company.edit("invoices", chance.choice(invoices))
                company.create_invoice()

        accountant = threading.Thread(target=work)
        accountant.start()
        try:
            first = run_tap(tmp_path, config, catalog=selecting_once(*STREAMS))
        finally:
            stop.set()
            accountant.join()
        second = run_tap(tmp_path, config, catalog=selecting_once(*STREAMS), state=first.state)
        assert first.exit_code == second.exit_code == 0, first.log + second.log
        target = Target().load(first).load(second)
        for stream in ("business_partners", "invoices", "products"):
            assert target.rows(stream) == truth(sandbox, stream)
        receipts = {row["id"]: row for row in target.rows("ledger_receipts")}
        for receipt in truth(sandbox, "ledger_receipts"):
            assert receipts[receipt["id"]] == receipt


@pytest.mark.slow
def test_thousands_of_documents_in_one_second(tmp_path: Path) -> None:
    """A mass import gives all its documents the same version."""
    with Sandbox(invoices=4500, requests_per_second=0) as sandbox:
        company = sandbox.companies[0]
        sandbox.set_clock("2026-11-20T10:00:00+00:00")
        for invoice in editable(company)[:10]:
            company.edit("invoices", invoice)
        config = {**sandbox.config(), "requests_per_second": 1000}
        run = run_tap(tmp_path, config, catalog=selecting_once("invoices"))
        assert run.exit_code == 0, run.log
        assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")
