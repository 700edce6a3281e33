"""What fails, fails alone: streams, records and companies."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import when_asked
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, outcomes, report_of, run_tap
from support.oracle import truth
from support.proxy import Answer
from support.target import Target

from tap_procountor.sandbox import Sandbox
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.exact import Record
    from support.proxy import Proxy

Config = dict[str, Any]

FAULTS: dict[str, dict[str, Any]] = {
    "403": {"status": 403, "html": False},
    "500": {"status": 500, "html": False},
    "a gateway's page": {"status": 404, "html": True},
    "half a body": {"kind": "truncate"},
}


@pytest.mark.parametrize("fault", mostly_slow(FAULTS, by_default=3))
def test_a_permanent_fault_in_one_endpoint_leaves_the_others_exact(
    sandbox: Sandbox, reporting: Config, tmp_path: Path, fault: str
) -> None:
    sandbox.add_fault(path="/products", times=None, **FAULTS[fault])
    run = run_tap(tmp_path, reporting | {"request_timeout": 5})
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    target = Target().load(run)
    for stream in ("invoices", "ledger_receipts", "business_partners", "persons", "invoice_rows"):
        assert target.rows(stream) == truth(sandbox, stream)
    assert not run.records("products")
    assert "replication_key_value" not in json.dumps(run.state["bookmarks"].get("products", {}))
    assert "Incomplete: products of company" in run.log.splitlines()[-2]
    (failure,) = report_of(reporting)["failures"]
    assert failure.startswith("products of company")


@pytest.mark.parametrize("pattern", [".*", ".*/[0-9,]+(/.*)?"], ids=["lists", "details"])
def test_every_stream_says_what_the_api_has_refused(
    proxy: Proxy, tmp_path: Path, pattern: str
) -> None:
    """However a stream is read, no other fault hides the one that the API has named."""
    refusal = Answer(400, body=b'{"errors": [{"status": 400, "message": "Not today."}]}')
    proxy.answering(f"/(?!company|sessioninfo|users|status|.*oauth){pattern}", refusal)
    settings = {
        "run_report_path": str(tmp_path / "report.json"),
        "attachment_files_path": str(tmp_path / "files"),
    }
    names = [vars(stream)["name"] for stream in STREAM_TYPES]
    run = run_tap(tmp_path, proxy.config(**settings), catalog=selecting(*names))
    assert run.exit_code == 1
    failures = {stream: one["failure"] or "" for stream, one in outcomes(settings).items()}
    assert sum("(HTTP 400)" in failure for failure in failures.values()) > 20
    others = [failure for failure in failures.values() if "(HTTP 400)" not in failure]
    other_causes = "|Its rows come with .*|The key's user may not .*"
    assert all(re.fullmatch(other_causes, failure) for failure in others)


SPOILT: list[tuple[str, str, dict[str, Any], str]] = [
    ("invoices", "invoices", {"id": None}, "without id"),
    ("invoices", "invoices", {"id": "12"}, "without id"),
    ("invoices", "invoices", {"version": "yesterday"}, "no time"),
    ("invoices", "invoices", {"invoiceRows": {"id": 1}}, "field 'invoiceRows'"),
    ("invoices", "invoices", {"invoiceRows": [5]}, "field 'invoiceRows'"),
    ("ledger_receipts", "ledgerreceipts", {"id": None}, "without an id"),
    (
        "ledger_receipts",
        "ledgerreceipts",
        {"receiptDate": 5},
        "wrong type in the field 'receiptDate'",
    ),
    ("ledger_receipts", "ledgerreceipts", {"name": ["a"]}, "name"),
    ("business_partner_groups", "business_partner_groups", {"id": None}, "'id'"),
    ("persons", "persons", {"id": None}, "'id'"),
    ("products", "products", {"price": "free"}, "price"),
    ("products", "products", {"active": "yes"}, "active"),
]


@pytest.mark.parametrize(("stream", "kind", "changes", "reason"), mostly_slow(SPOILT, by_default=3))
def test_a_record_that_cannot_be_used_is_kept_apart(  # noqa: PLR0913, PLR0917 - a table of cases
    sandbox: Sandbox,
    reporting: Config,
    tmp_path: Path,
    stream: str,
    kind: str,
    changes: dict[str, Any],
    reason: str,
) -> None:
    company = sandbox.companies[0]
    number = company.truth(kind)[1]["id"]
    company.spoil(kind, number, changes)
    run = run_tap(tmp_path, reporting, catalog=selecting(stream, "rejected_records"))
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    expected = [row for row in truth(sandbox, stream) if row["id"] != number]
    assert Target().load(run).rows(stream) == expected
    (rejected,) = Target().load(run).rows("rejected_records")
    assert rejected["stream"] == stream
    assert reason in f"{rejected['record_key']} {rejected['reason']}"
    (name,) = changes
    assert json.loads(rejected["record"])[name] == changes[name]
    assert "1 records were rejected" in run.log.splitlines()[-2]
    (outcome,) = [one for one in report_of(reporting)["streams"] if one["stream"] == stream]
    assert outcome["rejected"] == 1


def test_a_row_without_its_key_is_kept_apart(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    invoice = next(one for one in company.truth("invoices") if len(one["invoiceRows"]) > 1)
    rows = [dict(row) for row in invoice["invoiceRows"]]
    rows[1]["id"] = None
    company.spoil("invoices", invoice["id"], {"invoiceRows": rows})
    catalog = selecting("invoices", "invoice_rows", "rejected_records")
    run = run_tap(tmp_path, reporting, catalog=catalog)
    assert run.exit_code == 1
    target = Target().load(run)
    (rejected,) = target.rows("rejected_records")
    assert rejected["stream"] == "invoice_rows"
    assert len(target.rows("invoice_rows")) == len(truth(sandbox, "invoice_rows")) - 1
    assert len(target.rows("invoices")) == len(truth(sandbox, "invoices"))


def test_some_rejections_may_be_tolerated(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    company = sandbox.companies[0]
    for invoice in company.truth("invoices")[:2]:
        company.spoil("invoices", invoice["id"], {"id": None})
    catalog = selecting("invoices", "rejected_records")
    run = run_tap(tmp_path, config | {"max_rejected_records": 2}, catalog=catalog)
    assert run.exit_code == 0, run.log
    assert len(run.records("rejected_records")) == 2
    assert run_tap(tmp_path, config | {"max_rejected_records": 1}, catalog=catalog).exit_code == 1


def test_a_rejected_record_is_no_deleted_one(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("business_partner_groups", "invoices", "rejected_records")
    config |= {"deletion_check": "full"}
    first = run_tap(tmp_path, config, catalog=catalog)
    company = sandbox.companies[0]
    for kind in ("business_partner_groups", "invoices"):
        company.spoil(kind, company.truth(kind)[2]["id"], {"id": None})
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 1
    assert not [row for row in second.records("business_partner_groups") if is_tombstone(row)]
    assert not [row for row in second.records("invoices") if is_tombstone(row)]


def is_tombstone(row: Record) -> bool:
    return "_sdc_deleted_at" in row


@pytest.fixture
def companies(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Companies whose ids collide, as many as its parameter says."""
    with Sandbox(
        companies=request.param, invoices=30, colliding_ids=True, requests_per_second=100
    ) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("companies", "broken"),
    [
        (8, (3, 5, 6)),
        pytest.param(50, (7, 23, 41), marks=pytest.mark.slow),
    ],
    indirect=["companies"],
)
def test_three_companies_are_broken(
    companies: Sandbox, tmp_path: Path, broken: tuple[int, ...]
) -> None:
    revoked, faulty, forbidden = (companies.companies[number] for number in broken)
    revoked.revoke_key(tokens=True)
    companies.add_fault(path="/invoices", times=None, status=500, company=faulty.id)
    forbidden.set_right("accounting.journalReceiptSearch")
    config = {
        **companies.config(),
        "requests_per_second": 100,
        "run_report_path": str(tmp_path / "report.json"),
    }
    run = run_tap(tmp_path, config, catalog=selecting("invoices", "ledger_receipts", "company"))
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    assert companies.statistics().rate_limit_violations == 0
    assert companies.statistics().peak_per_second() <= 100
    target = Target().load(run)
    whole = {company.id for company in companies.companies} - {
        revoked.id,
        faulty.id,
        forbidden.id,
    }
    assert len(whole) == len(companies.companies) - 3
    expected = {stream: truth(companies, stream) for stream in ("invoices", "ledger_receipts")}
    for stream, rows in expected.items():
        of_whole = [row for row in target.rows(stream) if row["company_id"] in whole]
        assert of_whole == [row for row in rows if row["company_id"] in whole]
    of_faulty = [r for r in target.rows("ledger_receipts") if r["company_id"] == faulty.id]
    assert of_faulty == [r for r in expected["ledger_receipts"] if r["company_id"] == faulty.id]
    failures = report_of(config)["failures"]
    assert len(failures) == 3
    assert failures[0].startswith(f"api_keys[{broken[0]}]: ")
    assert {text.split(":")[0] for text in failures[1:]} == {
        f"invoices of company {faulty.id}",
        f"ledger_receipts of company {forbidden.id}",
    }
    assert len({row["id"] for row in expected["invoices"]}) < len(expected["invoices"])


def test_a_key_that_is_revoked_during_the_run_stops_its_company_only(tmp_path: Path) -> None:
    with Sandbox(companies=3, invoices=30, colliding_ids=True, requests_per_second=0) as sandbox:
        config = {
            **sandbox.config(),
            "requests_per_second": 1000,
            "run_report_path": str(tmp_path / "report.json"),
        }
        revoked = sandbox.companies[1]
        catalog = selecting("invoices", "ledger_receipts", "products")

        def revoke() -> None:
            revoked.revoke_key(tokens=True)

        with when_asked(sandbox, "/invoices", revoke):
            run = run_tap(tmp_path, config, catalog=catalog)
        expected = {stream: truth(sandbox, stream) for stream in ("invoices", "ledger_receipts")}
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    target = Target().load(run)
    for stream, rows in expected.items():
        of_others = [row for row in target.rows(stream) if row["company_id"] != revoked.id]
        assert of_others == [row for row in rows if row["company_id"] != revoked.id]
    failures = report_of(config)["failures"]
    assert failures
    assert all(f"of company {revoked.id}: " in failure for failure in failures)
    assert all("revoked" in failure for failure in failures)
    for failure in failures:
        partitions = run.state["bookmarks"].get(failure.split()[0], {}).get("partitions", [])
        (of_revoked,) = [one for one in partitions if one["context"]["company_id"] == revoked.id]
        assert "replication_key_value" not in of_revoked


@pytest.mark.slow
def test_many_companies_drown_neither_the_records_nor_the_log(tmp_path: Path) -> None:
    with Sandbox(companies=25, invoices=20, colliding_ids=True, requests_per_second=0) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    size = {"STATE": 0, "RECORD": 0, "SCHEMA": 0}
    for message in run.messages:
        size[message["type"]] += len(json.dumps(message))
    assert size["STATE"] < 0.15 * size["RECORD"]
    # A line that names each company and a few for each stream, but none for each of both.
    streams = {message["stream"] for message in run.messages if message["type"] == "SCHEMA"}
    assert len(run.log.splitlines()) < 25 + 5 * len(streams)


def test_a_new_key_of_the_same_company_goes_on_from_its_bookmarks(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    config |= {"lookback": 0}
    first = run_tap(tmp_path, config, catalog=selecting("invoices"))
    key = sandbox.companies[0].replace_key()
    second = run_tap(
        tmp_path, config | {"api_key": key}, catalog=selecting("invoices"), state=first.state
    )
    assert first.records("invoices")
    assert second.exit_code == 0, second.log
    assert not second.records("invoices")


def test_the_report_says_what_each_stream_has_cost(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/invoices", status=503, times=2)
    # Other tables that ask for the list of invoices would share the faults.
    catalog = selecting("invoices", "invoice_rows", "company")
    first = run_tap(tmp_path, reporting, catalog=catalog)
    content = report_of(reporting)
    assert content["requests"] == len(sandbox.statistics().requests)
    assert content["retries"] == 2
    assert content["api_version"] == "26.04"
    by_stream = {one["stream"]: one for one in content["streams"]}
    routes = sandbox.statistics().by_route()
    invoices = by_stream["invoices"]
    assert invoices["requests"] == routes["/invoices"] + routes["/invoices/{id}"]
    assert invoices["retries"] == 2
    assert invoices["bytes"] > 1000
    assert invoices["bookmark_before"] is None
    after = invoices["bookmark_after"]
    assert after is not None
    assert by_stream["invoice_rows"]["rows"] == len(truth(sandbox, "invoice_rows"))
    run_tap(tmp_path, reporting, catalog=catalog, state=first.state)
    again = {one["stream"]: one for one in report_of(reporting)["streams"]}["invoices"]
    assert again["bookmark_before"] == after < again["bookmark_after"]


def test_the_report_is_written_when_no_key_opens_a_company(
    sandbox: Sandbox, reporting: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].revoke_key(tokens=True)
    run: Run = run_tap(tmp_path, reporting)
    assert run.exit_code == 1
    (failure,) = report_of(reporting)["failures"]
    assert "the key may have been revoked" in failure
