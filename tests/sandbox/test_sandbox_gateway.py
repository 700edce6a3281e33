from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sandbox_client import Client, running

from tap_procountor.sandbox.arrivals import ListeningSocket, last_arrival
from tap_procountor.sandbox.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with running(invoices=10) as (_, client):
        yield client


def is_html(answer: requests.Response) -> bool:
    return answer.headers["Content-Type"].startswith("text/html") and "<html>" in answer.text


def test_a_get_with_a_body_is_refused_by_the_gateway(client: Client) -> None:
    answer = client.session.get(client.sandbox.api_url + "/company", json={})
    assert answer.status_code == 403
    assert is_html(answer)


def test_more_requests_than_the_limit_are_refused_and_counted() -> None:
    with running(invoices=10, requests_per_second=5) as (sandbox, client):
        statuses = [client.get("/status").status_code for _ in range(8)]
        refused = client.get("/status")
        assert statuses[:4] == [200] * 4
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        assert sandbox.statistics().rate_limit_violations == statuses.count(429) + 1
        time.sleep(1.05)
        assert client.get("/status").status_code == 200


def test_the_limit_is_the_client_s_over_all_companies_and_tokens() -> None:
    with running(invoices=10, companies=2, requests_per_second=4) as (sandbox, client):
        other = Client(sandbox, 1)
        with other.session:
            answers = [one.get("/status").status_code for one in (client, other, client)]
        assert answers == [200, 200, 429]


def test_the_limit_per_minute_counts_too() -> None:
    with running(invoices=10, requests_per_minute=3) as (_, client):
        assert [client.get("/status").status_code for _ in range(3)] == [200, 200, 429]


def test_the_peak_is_that_of_any_second_by_arrival() -> None:
    with running(invoices=10, latency_ms=300) as (sandbox, client):
        sandbox.reset_statistics()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: client.get("/status"), range(6)))
        assert sandbox.statistics().peak_per_second() == 6
        assert sandbox.statistics().by_status() == {200: 6}


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's stamps")
def test_a_request_has_arrived_even_while_the_server_does_not_look() -> None:
    with (
        ListeningSocket("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        connection = listening.accept()[0]
        time.sleep(0.1)  # the kernel begins to stamp a moment after it has been asked to
        sent = time.time()
        client.send(b"request")
        time.sleep(0.3)
        with connection:
            assert connection.recv(100) == b"request"
            assert last_arrival(connection.fileno()) - sent < 0.2


def test_arrivals_count_in_their_order_whatever_the_order_of_reading() -> None:
    limit = RateLimit(2, 1)
    assert limit.admits("client", 10.0)
    assert limit.admits("client", 11.1)
    assert limit.admits("client", 10.9)
    assert not limit.admits("client", 10.95)
    assert limit.admits("client", 11.95)


def test_latency_is_spread_by_jitter() -> None:
    with running(invoices=10, latency_ms=60, jitter_ms=40) as (_, client):
        times = []
        for _ in range(6):
            start = time.monotonic()
            client.get("/status")
            times.append(time.monotonic() - start)
    assert min(times) >= 0.02
    assert max(times) - min(times) > 0.005


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
def test_a_fault_meets_the_next_request_of_its_path(client: Client, status: int) -> None:
    client.sandbox.add_fault(path="/invoices*", status=status, retry_after=7)
    assert client.get("/company").status_code == 200
    answer = client.get("/invoices")
    assert answer.status_code == status
    assert answer.headers["Retry-After"] == "7"
    assert is_html(answer)
    assert client.get("/invoices").status_code == 200


def test_a_fault_can_be_json_and_last(client: Client) -> None:
    client.sandbox.add_fault(path="/coa", status=500, html=False, times=None)
    for _ in range(3):
        answer = client.get("/coa")
        assert (answer.status_code, answer.json()["errors"][0]["status"]) == (500, 500)
    client.sandbox.clear_faults()
    assert client.get("/coa").status_code == 200


def test_a_fault_can_meet_one_company_only() -> None:
    with running(invoices=10, companies=2) as (sandbox, client):
        sandbox.add_fault(company=sandbox.companies[1].id, times=None)
        other = Client(sandbox, 1)
        with other.session:
            assert (client.get("/coa").status_code, other.get("/coa").status_code) == (200, 503)


def test_a_body_can_be_truncated(client: Client) -> None:
    client.sandbox.add_fault(kind="truncate")
    answer = client.get("/coa")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_connection_can_be_dropped(client: Client) -> None:
    client.sandbox.add_fault(kind="drop")
    with pytest.raises(requests.ConnectionError):
        client.get("/coa")
    assert client.get("/coa").status_code == 200


def test_a_request_can_hang(client: Client) -> None:
    client.sandbox.add_fault(kind="hang", seconds=0.3)
    start = time.monotonic()
    assert client.get("/coa").status_code == 200
    assert time.monotonic() - start >= 0.3


def test_a_share_of_requests_fails_and_always_the_same() -> None:
    def statuses() -> list[int]:
        with running(invoices=10, fail_rate=0.3, seed=5) as (_, client):
            return [client.get("/status").status_code for _ in range(30)]

    first = statuses()
    assert 0 < first.count(503) < 20
    assert first == statuses()


def test_the_date_header_is_the_sandbox_s_clock(client: Client) -> None:
    real = parsedate_to_datetime(client.get("/status").headers["Date"])
    assert abs((real - datetime.now(UTC)).total_seconds()) < 5
    client.sandbox.set_clock("2025-10-26T00:30:00+00:00")
    moved = parsedate_to_datetime(client.get("/status").headers["Date"])
    assert moved.isoformat().startswith("2025-10-26T00:30:0")
    client.sandbox.advance_clock(3600)
    moved = parsedate_to_datetime(client.get("/status").headers["Date"])
    assert moved.isoformat().startswith("2025-10-26T01:30:0")


def test_statistics_tell_what_was_asked(client: Client) -> None:
    client.sandbox.reset_statistics()
    client.get("/invoices", size=1)
    client.get("/invoices/1,2")
    client.session.get(client.sandbox.api_url + "/coa", headers={"Authorization": "Bearer x"})
    summary: dict[str, Any] = client.session.get(f"{client.sandbox.url}/sandbox/statistics").json()
    assert summary["byRoute"] == {"/invoices": 1, "/invoices/{id}": 1, "/coa": 1}
    assert summary["byStatus"] == {"200": 1, "404": 1, "401": 1}
    assert summary["byCompany"] == {str(client.sandbox.companies[0].id): 2, "None": 1}
    first = summary["requests"][0]
    assert (first["method"], first["path"], first["query"]) == ("GET", "/invoices", "size=1")
