"""How requests are made: few, at the permitted rate, again after faults that pass."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import run_tap
from support.oracle import truth
from support.target import Target

from tap_procountor.api.client import ProcountorClient
from tap_procountor.api.company import Company
from tap_procountor.api.gate import Gate
from tap_procountor.api.usage import Usage
from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Config = dict[str, Any]


@pytest.mark.parametrize("invoices", [1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_at_most_eleven_requests_per_thousand_documents(invoices: int, tmp_path: Path) -> None:
    with Sandbox(invoices=invoices, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        run = run_tap(tmp_path, config, catalog=selecting("invoices", "ledger_receipts"))
        assert run.exit_code == 0, run.log
        routes = sandbox.statistics().by_route()
        for stream, path in (("invoices", "/invoices"), ("ledger_receipts", "/ledgerreceipts")):
            documents = len(sandbox.companies[0].truth(path[1:]))
            assert len(run.records(stream)) == documents
            requests = routes[path] + routes[f"{path}/{{id}}"]
            # The last page of each of the lists may be short.
            assert requests <= 11 * documents / 1000 + 2


#: Few of all tables, where all would take a minute of waiting for the next request.
SOME = ("company", "fiscal_years", "invoices", "ledger_receipts", "persons", "products")


@pytest.mark.parametrize(("permitted", "streams"), mostly_slow([(5, SOME), (20, ())]))
def test_no_second_sees_more_requests_than_permitted(
    permitted: int, streams: tuple[str, ...], tmp_path: Path
) -> None:
    with Sandbox(
        companies=3, invoices=30, requests_per_second=permitted, latency_ms=50, jitter_ms=40
    ) as sandbox:
        config = {**sandbox.config(), "requests_per_second": permitted}
        run = run_tap(tmp_path, config, catalog=selecting(*streams) if streams else None)
        assert run.exit_code == 0, run.log
        assert len(sandbox.statistics().requests) > 6 * permitted
        assert sandbox.statistics().rate_limit_violations == 0
        assert sandbox.statistics().peak_per_second() <= permitted


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 1, "html": False},
        {"kind": "status", "status": 429, "html": True},
        {"kind": "status", "status": 500, "html": False},
        {"kind": "status", "status": 502, "html": True},
        {"kind": "status", "status": 503, "html": True},
        {"kind": "status", "status": 504, "html": True},
        {"kind": "status", "status": 403, "html": True},
        {"kind": "truncate"},
        {"kind": "drop"},
        {"kind": "status", "status": 401, "html": False},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
@pytest.mark.parametrize("path", ["/invoices", "/invoices/*", "/company"])
def test_faults_that_pass_cost_nothing(
    sandbox: Sandbox, config: Config, tmp_path: Path, fault: Config, path: str
) -> None:
    sandbox.add_fault(path=path, times=1, **fault)
    run = run_tap(tmp_path, config, catalog=selecting("invoices", "company"))
    assert run.exit_code == 0, run.log
    target = Target().load(run)
    for stream in ("invoices", "company"):
        assert target.rows(stream) == truth(sandbox, stream)


def test_a_hanging_answer_is_given_up(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    sandbox.add_fault(path="/company", kind="hang", seconds=8)
    run = run_tap(tmp_path, config | {"request_timeout": 1}, catalog=selecting("company"))
    assert run.exit_code == 0, run.log
    assert "No answer from" in run.log


def test_retry_after_holds_all_requests_back(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/coa", status=429, retry_after=3, html=False)
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    times = [request.time for request in sandbox.statistics().requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert max(pauses) >= 2.5


def test_one_token_serves_all_streams(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    run_tap(tmp_path, config)
    assert sandbox.statistics().token_requests == 1
    assert sandbox.statistics().redirect_uris_sent == 0


def test_a_token_that_was_ended_is_renewed_once_for_all_threads() -> None:
    """Without a lock each thread would get a token of its own."""
    with Sandbox(invoices=30, requests_per_second=0, latency_ms=100) as sandbox:
        config = {"max_concurrency": 10, "requests_per_second": 1000, "request_timeout": 10}
        client = ProcountorClient(sandbox.config() | config)
        auth = client.authenticator(sandbox.companies[0].api_key)
        for tokens in (1, 2):
            answers = list(client.threads.map(lambda _: client.read(auth, "/company"), range(10)))
            assert len(answers) == 10
            assert sandbox.statistics().token_requests == tokens
            sandbox.expire_tokens()
        client.close()


@pytest.mark.slow
def test_tokens_that_expire_while_requests_wait_for_a_low_rate(tmp_path: Path) -> None:
    """Twenty requests wait for nearly two seconds, a token lives for one."""
    with Sandbox(invoices=60, requests_per_second=12, token_lifetime=1) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 12}
        run = run_tap(tmp_path, config)
        assert run.exit_code == 0, run.log
        assert sandbox.statistics().by_status()[401] > 0


def test_what_several_streams_need_is_asked_for_once(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    routes = sandbox.statistics().by_route()
    for path in ("/fiscalyears", "/vats/default", "/company/usagesettings"):
        assert routes[path] == 1
    assert run.records("vat_statuses")
    assert run.records("fiscal_years")


def test_a_failure_is_not_shared(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    """The right to see it may come back, and each stream says what it misses."""
    sandbox.add_fault(path="/vats/default", status=400, html=False, times=1)
    streams = ("vat_percentages", "vat_statuses")
    run = run_tap(tmp_path, config | {"max_concurrency": 1}, catalog=selecting(*streams))
    assert run.exit_code == 1
    assert not run.records("vat_percentages")
    assert run.records("vat_statuses")


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 2])
def test_lists_of_any_length_come_whatever_the_concurrency(
    concurrency: int, tmp_path: Path
) -> None:
    """Threads wait for one another: with few of them none may wait for itself."""
    with Sandbox(invoices=900, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000, "max_concurrency": concurrency}
        run = run_tap(tmp_path, config)
        assert run.exit_code == 0, run.log
        for stream in ("invoices", "ledger_receipts", "ledger_transactions", "business_partners"):
            assert Target().load(run).rows(stream) == truth(sandbox, stream)


@given(orders=st.lists(st.integers(0, 3), max_size=20))
@settings(max_examples=20, deadline=None)
def test_of_those_that_wait_each_lets_as_many_pass_as_its_order_says(orders: list[int]) -> None:
    gate = Gate()
    entered: list[tuple[int, int]] = []

    def enter(arrival: int, order: int) -> None:
        with gate.enter(order):
            entered.append((arrival + order, arrival))

    threads = []
    with gate.enter(0):
        for arrival, order in enumerate(orders):
            threads.append(threading.Thread(target=enter, args=(arrival, order)))
            threads[-1].start()
            while gate.waiting <= arrival:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert entered == sorted(entered)
    assert len(entered) == len(orders)


def test_what_comes_first_in_the_run_is_asked_for_before_what_waits() -> None:
    with Sandbox(invoices=30, requests_per_second=0) as sandbox:
        config = {"max_concurrency": 20, "requests_per_second": 4, "request_timeout": 10}
        client = ProcountorClient(sandbox.config() | config)
        company = Company.open(client, sandbox.companies[0].api_key)
        later, sooner = (company.for_part(Usage(), priority) for priority in (40, 0))
        threads = [threading.Thread(target=later.get, args=("/coa",)) for _ in range(8)]
        threads.append(threading.Thread(target=sooner.get, args=("/company",)))
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        client.close()
        paths = [request.path for request in sandbox.statistics().requests]
    assert [path.endswith("/company") for path in paths].index(True) < len(paths) - 3
    assert later.usage
    assert later.usage.requests == 8
    assert later.usage.seconds_waited > 1


def test_no_more_enter_than_there_are_places() -> None:
    gate = Gate(3)
    inside: list[int] = []
    most: list[int] = []

    def enter(order: int) -> None:
        with gate.enter(order):
            inside.append(order)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(order)

    threads = [threading.Thread(target=enter, args=(order,)) for order in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 3


def test_redirect_uri_is_sent_when_set(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    redirect = {"redirect_uri": "https://example.com/back"}
    run_tap(tmp_path, config | redirect, catalog=selecting("company"))
    assert sandbox.statistics().redirect_uris_sent == 1


def test_a_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    with Sandbox(invoices=60, requests_per_second=0, token_lifetime=2, latency_ms=300) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 5, "max_concurrency": 2}
        run = run_tap(tmp_path, config, catalog=selecting(*SOME))
        assert run.exit_code == 0, run.log
        assert sandbox.statistics().token_requests > 1
        assert sandbox.statistics().by_status()[401] == 0


def test_a_permanent_fault_ends_one_stream_only(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/coa", status=400, html=False, times=None)
    run = run_tap(tmp_path, config)
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    assert "chart_of_accounts of company" in run.log.splitlines()[-2]
    assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")
    assert "chart_of_accounts" not in run.streams()


@pytest.mark.parametrize(("decision", "exit_code"), [("fail", 1), ("warn", 0)])
def test_a_missing_permission(
    sandbox: Sandbox, config: Config, tmp_path: Path, decision: str, exit_code: int
) -> None:
    sandbox.add_fault(path="/dimensions", status=403, html=False, times=None)
    report = tmp_path / "report.json"
    changes = {"on_missing_permission": decision, "run_report_path": str(report)}
    run = run_tap(tmp_path, config | changes)
    assert run.exit_code == exit_code
    assert "may not read /dimensions" in run.log
    outcomes = {outcome["stream"]: outcome for outcome in json.loads(report.read_text())["streams"]}
    assert "may not read" in outcomes["dimensions"]["failure"]
    assert outcomes["invoices"]["rows"] == len(run.records("invoices"))


def test_what_came_before_a_fault_is_not_lost(config: Config) -> None:
    """A list that fails half-way must not take back the pages that wait for their turn."""

    def numbers() -> Iterator[int]:
        yield from range(3)
        raise OSError

    client = ProcountorClient(config | {"max_concurrency": 10, "request_timeout": 10})
    come: list[int] = []
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        come.extend(client.threads.map(lambda number: number, numbers()))
    client.close()
    assert come == [0, 1, 2]
