"""Files are downloaded once, byte for byte, whatever happens on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, inputs, run_tap
from support.exact import Record, parse
from support.oracle import truth
from support.oracle.records import utc
from support.proxy import NOT_FOUND, Answer
from support.target import Target

from tap_procountor.api import company as companies
from tap_procountor.api.client import ProcountorClient
from tap_procountor.readers import attachment_search as attachments
from tap_procountor.readers.attachment_search import AttachmentSearch, KeptPages
from tap_procountor.sandbox import Sandbox
from tap_procountor.sandbox.books.attachments import OF_NO_DOCUMENT
from tap_procountor.sandbox.books.pictures import pages, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.proxy import Proxy

    from tap_procountor.sandbox.company import Company

pytestmark = pytest.mark.slow


Contents = dict[int, bytes]

_catalogs: dict[tuple[str, ...], Record] = {}


def catalog_of(*streams: str) -> Record:
    if streams not in _catalogs:
        _catalogs[streams] = selecting(*streams)
    return _catalogs[streams]


FILES = ("attachment_files", "rejected_records")


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Record:
    """Settings with a folder for files."""
    return {
        **sandbox.config(),
        "requests_per_second": 1000,
        "attachment_files_path": str(tmp_path / "files"),
    }


def contents(company: Company) -> Contents:
    """Every file that is attached to a document."""
    return {
        row["attachmentId"]: company.books.files.content(row["attachmentId"])
        for row in attached(company)
    }


def attached(company: Company) -> list[Record]:
    """What the search knows of them; of other files it alone knows."""
    return [
        row
        for row in company.truth("attachments")
        if row["referenceType"] not in OF_NO_DOCUMENT.values()
    ]


def downloads(sandbox: Sandbox, route: str = r"/attachments/(\d+)") -> Counter[str]:
    """How often each file was asked for."""
    paths = (
        f"{request.path}?{request.query}".rstrip("?") for request in sandbox.statistics().requests
    )
    return Counter(path for path in paths if re.match(route, path))


def assert_files_are(rows: list[Record], expected: Contents) -> None:
    assert {row["attachment_id"] for row in rows} == expected.keys()
    for row in rows:
        content = Path(row["location"]).read_bytes()
        assert content == expected[row["attachment_id"]]
        assert row["size"] == len(content)
        assert row["sha256"] == sha256(content).hexdigest()


def left_behind(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("invoices", "least"), [(150, 100), pytest.param(1500, 1000, marks=pytest.mark.slow)]
)
def test_many_files_through_two_kills(tmp_path: Path, invoices: int, least: int) -> None:
    with Sandbox(invoices=invoices, requests_per_second=0) as sandbox:
        files = tmp_path / "files"
        config = {
            **sandbox.config(),
            "requests_per_second": 400,
            "attachment_files_path": str(files),
        }
        expected = contents(sandbox.companies[0])
        assert len(expected) > least
        state: Record = {}
        target = Target()
        complete: set[int] = set()
        for share in (0.3, 0.7, None):
            process = start(tmp_path, config, state, catalog_of(*FILES))
            if share is not None:
                wait_for_files(files, int(len(expected) * share))
                process.kill()
            run = ended(process, tmp_path)
            wait_for_silence(sandbox)
            assert share or run.exit_code == 0, run.log
            target.load(run)
            state = run.state or state
            # What was complete when the run was killed is not asked for by the next ones.
            asked_for = {int(path.rpartition("/")[2]) for path in downloads(sandbox)}
            assert not asked_for & complete
            assert max(downloads(sandbox).values()) == 1
            complete |= ids_of_complete(files)
            sandbox.reset_statistics()
        assert_files_are(target.rows("attachment_files"), expected)
        assert not left_behind(files)

        # Even without a state nothing is downloaded again.
        again = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
        assert again.exit_code == 0, again.log
        assert not downloads(sandbox)
        assert Target().load(again).rows("attachment_files") == target.rows("attachment_files")


def start(folder: Path, config: Record, state: Record, catalog: Record) -> subprocess.Popen[bytes]:
    arguments = inputs(folder, config=config, state=state, catalog=catalog)
    with (folder / "messages").open("wb") as messages, (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tap_procountor", *arguments], stdout=messages, stderr=log
        )


def wait_for_silence(sandbox: Sandbox) -> None:
    """Wait until what a killed run has still asked for has been counted."""
    before, now = -1, 0
    while now > before:
        time.sleep(0.5)
        before, now = now, len(sandbox.statistics().requests)


def ended(process: subprocess.Popen[bytes], folder: Path) -> Run:
    """Return what a target has got of a run that has ended, or been killed."""
    code = process.wait()
    lines = (folder / "messages").read_text().splitlines(keepends=True)
    messages = [parse(line) for line in lines if line.endswith("\n")]
    return Run(code, messages, (folder / "log").read_text())


def wait_for_files(folder: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while len(ids_of_complete(folder)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ids_of_complete(folder: Path) -> set[int]:
    return {
        int(path.parent.name)
        for path in folder.glob("*/attachments/*/*")
        if not path.name.startswith(".")
    }


def test_what_is_new_is_downloaded_by_the_next_run(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    first = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert first.exit_code == 0, first.log
    sandbox.reset_statistics()
    before = contents(company).keys()
    while contents(company).keys() == before:
        company.create_invoice()
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=first.state)
    new = contents(company).keys() - before
    assert {row["attachment_id"] for row in second.records("attachment_files")} >= new
    assert downloads(sandbox) == {f"/attachments/{number}": 1 for number in new}


@pytest.mark.parametrize("kind", mostly_slow(["truncate", "drop", "status"]))
def test_a_file_that_breaks_off_is_asked_for_again(
    sandbox: Sandbox, config: Record, tmp_path: Path, kind: str
) -> None:
    expected = contents(sandbox.companies[0])
    first = min(expected)
    sandbox.add_fault(path=f"/attachments/{first}", kind=kind, times=2)
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert run.exit_code == 0, run.log
    assert downloads(sandbox)[f"/attachments/{first}"] == 3
    assert_files_are(run.records("attachment_files"), expected)
    assert not left_behind(tmp_path)


@pytest.mark.parametrize(
    "fault",
    mostly_slow(
        [
            {"kind": "truncate"},
            {"kind": "status", "status": 404, "html": False},
            {"kind": "status", "status": 403, "html": False},
            {"kind": "status", "status": 400, "html": False},
        ],
        by_default=2,
    ),
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_a_file_that_fails_is_rejected_and_tried_by_the_next_run(
    sandbox: Sandbox, config: Record, tmp_path: Path, fault: Record
) -> None:
    expected = contents(sandbox.companies[0])
    first = min(expected)
    sandbox.add_fault(path=f"/attachments/{first}", times=None, **fault)
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert run.exit_code == 1
    (rejected,) = run.records("rejected_records")
    assert rejected["stream"] == "attachment_files"
    assert rejected["record_key"] == f"id {first}"
    others = {number: content for number, content in expected.items() if number != first}
    assert_files_are(run.records("attachment_files"), others)
    assert not left_behind(tmp_path)
    sandbox.clear_faults()
    sandbox.reset_statistics()
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=run.state)
    assert second.exit_code == 0, second.log
    assert downloads(sandbox) == {f"/attachments/{first}": 1}
    rows = Target().load(run).load(second).rows("attachment_files")
    assert_files_are(rows, expected)


def test_a_file_that_is_gone_at_a_second_look_was_deleted(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    first = min(contents(sandbox.companies[0]))
    sandbox.add_fault(path=f"/attachments/{first}", times=None, status=404, html=False)
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=run.state)
    assert second.exit_code == 0, second.log
    assert f"attachment_files of company 10001: deleted while being read: {first}" in second.log
    sandbox.reset_statistics()
    run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=second.state)
    assert not downloads(sandbox)


@pytest.mark.parametrize("status", [404, 400])
def test_files_that_do_not_come_do_not_stand_in_the_way_of_others(
    sandbox: Sandbox, config: Record, tmp_path: Path, status: int
) -> None:
    """Those that are gone say nothing of the others; those that fail come last in the next run."""
    expected = contents(sandbox.companies[0])
    bad = sorted(expected)[:25]
    for number in bad:
        sandbox.add_fault(path=f"/attachments/{number}", times=None, status=status, html=False)
    first = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert first.exit_code == 1
    sandbox.advance_clock(100)
    sandbox.companies[0].create_invoice()
    sandbox.advance_clock(100)
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=first.state)
    rows = Target().load(first).load(second).rows("attachment_files")
    others = contents(sandbox.companies[0])
    assert_files_are(rows, {number: others[number] for number in others.keys() - set(bad)})
    if status == 404:
        # At a second look they were deleted.
        assert second.exit_code == 0, second.log
        return
    # They are remembered, and tried again.
    assert second.exit_code == 1
    sandbox.clear_faults()
    third = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=second.state)
    assert third.exit_code == 0, third.log
    rows = Target().load(first).load(second).load(third).rows("attachment_files")
    assert_files_are(rows, others)


def test_a_user_who_may_download_nothing_ends_the_stream_not_the_run(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.add_fault(path="/attachments/*", times=None, status=403, html=False)
    run = run_tap(tmp_path, config, catalog=catalog_of("company", *FILES))
    assert run.exit_code == 1
    assert "The module is probably not in use: Documents." in run.log
    assert not run.records("attachment_files")
    assert run.records("company")
    assert sum(downloads(sandbox).values()) <= 60


def test_without_documents_the_owners_still_tell_of_their_files(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.companies[0].set_documents(enabled=False)
    run = run_tap(tmp_path, config, catalog=catalog_of("attachments", *FILES))
    assert run.exit_code == 0, run.log
    rows = Target().load(run).rows("attachments")
    expected = contents(sandbox.companies[0])
    assert {row["id"] for row in rows} == expected.keys()
    assert all(row["name"] and "size" not in row for row in rows)
    assert run.log.count("the Documents add-on is probably not in use") == 1
    assert sandbox.statistics().by_route()["/attachments"] == 1
    assert_files_are(run.records("attachment_files"), expected)


def test_size_user_and_time_are_the_searchs(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    documents = {row["attachmentId"]: row for row in company.truth("attachments")}
    run = run_tap(tmp_path, config, catalog=catalog_of("attachments"))
    rows = Target().load(run).rows("attachments")
    assert {row["id"] for row in rows} == documents.keys()
    for row in rows:
        document = documents[row["id"]]
        assert row["size"] == document["size"]
        assert row["user"] == document["user"]
        assert row["attached"] == utc(document["attached"])
        assert row["name"] in {"lasku.pdf", "kuitti äö.jpg", 'liite "1".txt'}
    # The search is read once, not once for each file.
    assert sandbox.statistics().by_route()["/attachments"] <= 1 + len(documents) // 200 + 2
    # A later run looks up what it reads again only: receipts and statements, a page each; and one
    # page for what is new.
    sandbox.reset_statistics()
    run_tap(tmp_path, config, catalog=catalog_of("attachments"), state=run.state)
    assert sandbox.statistics().by_route()["/attachments"] <= 3


def test_files_of_no_document_come_from_the_search_once(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]

    def expected() -> dict[int, Record]:
        return {
            row["attachmentId"]: {
                "company_id": company.id,
                "id": row["attachmentId"],
                "name": row["name"],
                "owner_stream": None,
                "owner_id": None,
                "user": "apiuser",
                "size": row["size"],
                "attached": utc(row["attached"]),
                "reference_type": row["referenceType"],
                "reference_id": row["referenceId"],
            }
            for row in company.truth("attachments")
            if row["referenceType"] in OF_NO_DOCUMENT.values()
        }

    def of_no_document(run: Run) -> dict[int, Record]:
        assert run.exit_code == 0, run.log
        rows = [row for row in run.records("attachments") if row["owner_stream"] is None]
        return {row["id"]: row for row in rows}

    catalog = catalog_of("attachments", "rejected_records")
    first = run_tap(tmp_path, config, catalog=catalog)
    before = expected()
    assert of_no_document(first) == before
    assert {row["reference_type"] for row in before.values()} >= {"ENVIRONMENT", "EMPLOYEE_INFO"}
    owned = [row["id"] for row in first.records("attachments") if row["owner_stream"]]
    assert before.keys().isdisjoint(owned)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert not of_no_document(second)
    company.books.files.others = 2
    third = run_tap(tmp_path, config, catalog=catalog, state=second.state)
    new = {number: row for number, row in expected().items() if number not in before}
    assert len(new) == 3
    assert of_no_document(third) == new
    # A backfill brings those of its time, and leaves the progress alone.
    for end, wanted in (("2024-01-01", {}), ("2025-01-01", expected())):
        backfill = run_tap(
            tmp_path,
            config | {"start_date": "2023-01-01", "end_date": end},
            catalog=catalog,
            state=third.state,
        )
        assert of_no_document(backfill) == wanted


HTML = "<html>no</html>"


@pytest.mark.parametrize(
    ("status", "body", "exit_code"),
    mostly_slow(
        [
            (400, NOT_FOUND.decode(), 0),
            (403, NOT_FOUND.decode(), 0),
            (403, "", 0),
            (404, HTML, 0),
            (404, NOT_FOUND.decode(), 0),
            (422, NOT_FOUND.decode(), 1),
            (200, HTML, 1),
            (200, "[]", 1),
            (200, '{"results": [{"attachmentId": 9}, {"attachmentId": 8}]}', 1),
        ],
        by_default=3,
    ),
)
def test_whatever_the_search_answers_the_owners_tables_arrive(  # noqa: PLR0913, PLR0917 - cases
    sandbox: Sandbox, config: Record, tmp_path: Path, status: int, body: str, exit_code: int
) -> None:
    report = tmp_path / "report.json"
    sandbox.add_fault(path="/attachments", status=status, times=None, body=body)
    streams = ("invoices", "ledger_receipts", "business_partners", "products")
    run = run_tap(
        tmp_path,
        config | {"run_report_path": str(report)},
        catalog=catalog_of("attachments", *streams),
    )
    assert run.exit_code == exit_code, run.log
    target = Target().load(run)
    for stream in streams:
        assert target.rows(stream) == truth(sandbox, stream)
    rows = target.rows("attachments")
    assert {row["id"] for row in rows} == contents(sandbox.companies[0]).keys()
    outcomes = {one["stream"]: one for one in json.loads(report.read_text())["streams"]}
    assert outcomes["attachments"]["verdict"] == ("failed" if exit_code else "module off")
    assert {outcomes[stream]["verdict"] for stream in streams} == {"readable"}


def test_what_a_failed_search_has_not_told_is_looked_up_by_the_next_run(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    catalog = catalog_of("attachments", "invoices")
    sandbox.add_fault(path="/attachments", status=422, times=None, html=False)
    first = run_tap(tmp_path, config, catalog=catalog)
    assert first.exit_code == 1
    sandbox.clear_faults()
    run = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert run.exit_code == 0, run.log
    sizes = {
        row["id"]: row.get("size") for row in Target().load(first).load(run).rows("attachments")
    }
    assert sizes == {
        row["attachmentId"]: row["size"] for row in sandbox.companies[0].truth("attachments")
    }


def run_with_search(sandbox: Sandbox, config: Record, folder: Path, answer: str) -> Run:
    """Load the attachments while the search answers this and nothing else."""
    sandbox.add_fault(path="/attachments", status=200, times=None, body=answer)
    return run_tap(folder, config, catalog=catalog_of("attachments"))


@pytest.mark.parametrize("row", ["null", '{"attachmentId": "12"}', '{"attachmentId": true}'])
def test_a_search_that_is_not_as_documented_is_named(
    sandbox: Sandbox, config: Record, tmp_path: Path, row: str
) -> None:
    run = run_with_search(sandbox, config, tmp_path, f'{{"results": [{row}]}}')
    assert run.exit_code == 1
    assert "The list /attachments is not as documented" in run.log


@pytest.mark.parametrize("results", ["", '{"size": 1}'])
def test_what_the_search_does_not_know_is_left_empty(
    sandbox: Sandbox, config: Record, tmp_path: Path, results: str
) -> None:
    answer = f'{{"results": [{results}], "meta": null}}'
    run = run_with_search(sandbox, config, tmp_path, answer)
    assert run.exit_code == 0, run.log
    rows = Target().load(run).rows("attachments")
    assert {row["id"] for row in rows} == contents(sandbox.companies[0]).keys()
    assert all("size" not in row for row in rows)


@pytest.mark.parametrize("answer", [Answer(404, {}, b""), Answer(404, {}, b"<html>404</html>")])
def test_any_404_after_the_first_ends_the_pictures_of_an_invoice(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, answer: Answer
) -> None:
    proxy.before = lambda question: (
        answer if question.path.endswith("/image") and question.query["page"] != ["1"] else None
    )
    config = proxy.config(attachment_files_path=str(tmp_path / "files"))
    run = run_tap(tmp_path, config, catalog=catalog_of("invoice_images", "rejected_records"))
    assert run.exit_code == 0, run.log
    invoices = {row["id"] for row in sandbox.companies[0].truth("invoices")}
    assert {row["invoice_id"] for row in run.records("invoice_images")} == invoices
    assert not run.records("rejected_records")


def test_files_need_a_place(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    del config["attachment_files_path"]
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert run.exit_code == 1
    assert "need the setting 'attachment_files_path'" in run.log
    assert not sandbox.statistics().requests


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/proc/nowhere", "Files cannot be written to attachment_files_path"),
        ("nonsense://bucket", "Files cannot be written to 'nonsense'"),
    ],
)
def test_a_place_that_is_none_is_named_before_anything_is_read(
    sandbox: Sandbox, config: Record, tmp_path: Path, path: str, sentence: str
) -> None:
    config["attachment_files_path"] = path
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert run.exit_code == 1
    assert sentence in run.log
    assert "Traceback" not in run.log
    assert not sandbox.statistics().requests


def test_files_are_not_selected_by_default(config: Record, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    assert not run.streams() & {"attachment_files", "invoice_images", "sie_files"}
    assert not (tmp_path / "files").exists()


@pytest.mark.slow
def test_a_run_downloads_no_more_than_it_may_and_the_next_goes_on(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    expected = contents(sandbox.companies[0])
    config["max_attachment_downloads"] = 40
    state: Record = {}
    target = Target()
    for left in range(len(expected), 0, -40):
        sandbox.reset_statistics()
        run = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=state)
        assert run.exit_code == 0, run.log
        assert sum(downloads(sandbox).values()) == min(left, 40)
        assert ("max_attachment_downloads is reached" in run.log) is (left > 40)
        state = run.state
        target.load(run)
    assert_files_are(target.rows("attachment_files"), expected)


@pytest.mark.parametrize("documents", [True, False])
def test_files_that_are_too_large_are_left_out(
    sandbox: Sandbox, config: Record, tmp_path: Path, *, documents: bool
) -> None:
    company = sandbox.companies[0]
    company.set_documents(enabled=documents)
    expected = {
        number: content for number, content in contents(company).items() if len(content) <= 9000
    }
    run = run_tap(tmp_path, config | {"max_attachment_size": 9000}, catalog=catalog_of(*FILES))
    assert run.exit_code == 0, run.log
    assert_files_are(run.records("attachment_files"), expected)
    left_out = len(contents(company)) - len(expected)
    assert f"{left_out} left out by max_attachment_size" in run.log
    assert len(downloads(sandbox)) == len(expected if documents else contents(company))
    # Without the limit the others come, although their documents have not changed.
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=run.state)
    rows = Target().load(run).load(second).rows("attachment_files")
    assert_files_are(rows, contents(company))


def test_only_wanted_types_and_dates(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    company = sandbox.companies[0]
    pdfs = {row["attachmentId"]: row for row in attached(company) if "pdf" in row["name"]}
    run = run_tap(
        tmp_path, config | {"attachment_types": ["application/*"]}, catalog=catalog_of(*FILES)
    )
    assert {row["attachment_id"] for row in run.records("attachment_files")} == pdfs.keys()
    run = run_tap(
        tmp_path,
        config | {"attachments_since": "2024-06-01", "attachment_files_path": str(tmp_path / "b")},
        catalog=catalog_of(*FILES),
    )
    since = {row["attachmentId"] for row in attached(company) if row["attached"] >= "2024-06-01"}
    assert {row["attachment_id"] for row in run.records("attachment_files")} == since


def test_a_plan_downloads_nothing(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    expected = contents(sandbox.companies[0])
    report = tmp_path / "report.json"
    planning = config | {"attachment_plan": True, "run_report_path": str(report)}
    catalog = catalog_of("attachment_files", "invoice_images")
    run = run_tap(tmp_path, planning, catalog=catalog)
    assert run.exit_code == 0, run.log
    assert not downloads(sandbox)
    assert not downloads(sandbox, r"/invoices/\d+/image")
    plans = {
        outcome["stream"]: outcome["plan"]
        for outcome in json.loads(report.read_text())["streams"]
        if "plan" in outcome
    }
    size = sum(map(len, expected.values()))
    invoices = len(sandbox.companies[0].truth("invoices"))
    assert plans["attachment_files"] == {"files": len(expected), "bytes": size, "unknown": 0}
    assert plans["invoice_images"] == {"files": invoices, "bytes": 0, "unknown": invoices}
    assert f"{len(expected):,} to be downloaded, {size:,} bytes" in run.log
    # What was planned is still to come.
    second = run_tap(tmp_path, config, catalog=catalog_of(*FILES), state=run.state)
    assert_files_are(second.records("attachment_files"), expected)
    third = run_tap(tmp_path, planning, catalog=catalog, state=second.state)
    assert "attachment_files of company 10001: 0 to be downloaded" in third.log


EVIL_NAMES = [
    "../../x",
    "CON",
    "nul.txt",
    "a/b",
    "..",
    "x" * 300 + ".pdf",
    "loppu. . .",
    "rivi\nvaihto\x00.pdf",
    "lasku \u202efdp.exe",
    "ääkköset ÅÄÖ 发票.pdf",
    "C:\\Windows\\system32",
]


@pytest.mark.parametrize("as_url", [False, True])
def test_evil_names_do_no_harm(
    sandbox: Sandbox, config: Record, tmp_path: Path, *, as_url: bool
) -> None:
    company = sandbox.companies[0]
    expected = contents(company)
    named = dict(zip(sorted(expected), EVIL_NAMES, strict=False))
    for number, name in named.items():
        company.spoil("attachments", number, {"name": name})
    root = tmp_path / "files"
    if as_url:
        config["attachment_files_path"] = f"file://{root}"
    run = run_tap(tmp_path, config, catalog=catalog_of(*FILES))
    assert run.exit_code == 0, run.log
    rows = {row["attachment_id"]: row for row in run.records("attachment_files")}
    for number, row in rows.items():
        assert row["location"].startswith("file:///" if as_url else "/")
        path = Path(row["location"].removeprefix("file://"))
        assert path.parent == root / "10001" / "attachments" / str(number)
        assert path.read_bytes() == expected[number]
        assert row["name"] == str(named.get(number, row["name"])).replace("\x00", "")
    assert {path.name for path in tmp_path.iterdir()} == {"files", "config.json", "catalog.json"}


def test_pictures_of_invoices_page_by_page(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    catalog = catalog_of("invoice_images")
    invoices = [invoice["id"] for invoice in company.truth("invoices")]
    expected = {
        (number, page): picture(number, page)
        for number in invoices
        for page in range(1, pages(number) + 1)
    }
    run = run_tap(tmp_path, config, catalog=catalog)
    assert run.exit_code == 0, run.log
    rows = {(row["invoice_id"], row["page"]): row for row in run.records("invoice_images")}
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        assert Path(row["location"]).read_bytes() == expected[key]
        assert row["mime_type"] == "image/png"
    asked_for = downloads(sandbox, r"/invoices/\d+/image")
    assert sum(asked_for.values()) == len(expected) + len(invoices)
    sandbox.reset_statistics()
    again = run_tap(tmp_path, config, catalog=catalog)
    assert len(again.records("invoice_images")) == len(expected)
    assert not downloads(sandbox, r"/invoices/\d+/image")


def test_sie_files_of_swedish_companies(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    company = sandbox.companies[0]
    refused = run_tap(tmp_path, config, catalog=catalog_of("sie_files"))
    assert refused.exit_code == 1
    assert "SIE export, of Swedish companies" in refused.log
    company.set_sie(enabled=True)
    run = run_tap(tmp_path, config, catalog=catalog_of("sie_files"))
    assert run.exit_code == 0, run.log
    years = {year["startDate"]: year["endDate"] for year in company.truth("fiscalyears")}
    rows = {row["accounting_period_start"]: row for row in run.records("sie_files")}
    assert {start: row["export_end_date"] for start, row in rows.items()} == years
    for start, row in rows.items():
        text = Path(row["location"]).read_bytes().decode("cp437")
        receipts = [
            receipt
            for receipt in company.truth("ledgerreceipts")
            if start <= receipt["receiptDate"] <= years[start]
        ]
        assert text.startswith("#FLAGGA 0\r\n")
        assert text.count("#VER ") == len(receipts)


def test_the_search_is_asked_several_questions_at_once(tmp_path: Path) -> None:
    """One after the other, they would take longer than all else of a load."""
    with Sandbox(invoices=1500, requests_per_second=0, latency_ms=300) as sandbox:
        config = {**sandbox.config(), "requests_per_second": 1000}
        run = run_tap(tmp_path, config, catalog=catalog_of("attachments"))
        assert run.exit_code == 0, run.log
        documents = {row["attachmentId"]: row for row in sandbox.companies[0].truth("attachments")}
        for row in Target().load(run).rows("attachments"):
            assert row["size"] == documents[row["id"]]["size"]
        asked = [one.time for one in sandbox.statistics().requests if one.path == "/attachments"]
        close = [later - earlier < 0.2 for earlier, later in pairwise(asked)]
        assert sum(close) > len(close) / 3


def test_the_pages_of_the_search_are_those_of_the_company(tmp_path: Path) -> None:
    with Sandbox(companies=2, invoices=60, colliding_ids=True, requests_per_second=0) as sandbox:
        for row in sandbox.companies[0].truth("attachments"):
            sandbox.companies[0].resize_attachment(row["attachmentId"], 7)
        config = {**sandbox.config(), "requests_per_second": 1000}
        run = run_tap(tmp_path, config, catalog=selecting("attachments"))
        sizes = {
            company.id: {row["attachmentId"]: row["size"] for row in company.truth("attachments")}
            for company in sandbox.companies
        }
    first, second = sizes.values()
    assert any(first[number] != second[number] for number in first.keys() & second.keys())
    rows = Target().load(run).rows("attachments")
    assert {row["company_id"] for row in rows} == sizes.keys()
    assert all(row["size"] == sizes[row["company_id"]][row["id"]] for row in rows)


@contextmanager
def search_of(sandbox: Sandbox) -> Iterator[AttachmentSearch]:
    settings = {"max_concurrency": 20, "requests_per_second": 1000, "request_timeout": 10}
    client = ProcountorClient(sandbox.config() | settings)
    company = companies.Company.open(client, sandbox.companies[0].api_key)
    yield AttachmentSearch(company, KeptPages())
    client.close()


@pytest.mark.parametrize(("kept", "asks_again"), [(1000, False), (3, True)])
def test_a_second_list_is_answered_by_the_pages_that_were_kept(
    monkeypatch: pytest.MonkeyPatch, kept: int, *, asks_again: bool
) -> None:
    monkeypatch.setattr(attachments, "_PAGES_KEPT", kept)
    monkeypatch.setattr(attachments, "_PAGES_AT_HAND", 2)
    with Sandbox(invoices=3000, requests_per_second=0) as sandbox:
        rows = sandbox.companies[0].truth("attachments")
        sizes = {row["attachmentId"]: row["size"] for row in rows}
        ids = sorted(row["attachmentId"] for row in rows if row["referenceType"] == "INVOICE")
        with search_of(sandbox) as search:
            asked = []
            for some in (ids[::2], ids[1::2]):
                for start in range(0, len(some), 50):
                    batch = some[start : start + 50]
                    found = search.rows_of(batch)
                    assert {number: json.loads(row)["size"] for number, row in found.items()} == {
                        number: sizes[number] for number in batch
                    }
                asked.append(sandbox.statistics().by_route()["/attachments"])
    assert asked[0] > 2 * 3
    assert (asked[1] > asked[0]) == asks_again


def test_what_is_attached_meanwhile_is_found_although_a_page_lacks_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = sandbox.companies[0]
    monkeypatch.setattr(attachments, "_OLD_SECONDS", 0.2)
    with search_of(sandbox) as search:
        ids = [row["attachmentId"] for row in company.truth("attachments")]
        search.rows_of(ids)
        later: dict[int, int] = {}
        while not later:
            company.create_invoice()
            later = {
                row["attachmentId"]: row["size"]
                for row in company.truth("attachments")
                if row["attachmentId"] not in ids
            }
        time.sleep(0.3)
        wanted = [*ids, *later]
        found = search.rows_of(wanted)
        assert {number: json.loads(found[number])["size"] for number in later} == later
        time.sleep(0.3)
        for number, size in later.items():
            assert (search.find(number) or {})["size"] == size


def test_threads_share_the_pages_of_the_search() -> None:
    with Sandbox(invoices=900, requests_per_second=0) as sandbox, search_of(sandbox) as search:
        sizes = {
            row["attachmentId"]: row["size"] for row in sandbox.companies[0].truth("attachments")
        }

        def look_up(seed: int) -> bool:
            some = Random(seed).sample(sorted(sizes), 30)
            found = {number: search.find(number) for number in some}
            return all(row and row["size"] == sizes[number] for number, row in found.items())

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(look_up, range(100)))
        # Of 3,000 ids in no order, most are on a page that has come or that another has asked for.
        assert sandbox.statistics().by_route()["/attachments"] < 1000


def test_a_year_without_an_end_is_asked_for_without_one(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    sandbox.companies[0].set_sie(enabled=True)
    body = '{"accountingPeriodStart": ["2031-01-01"]}'
    sandbox.add_fault(path="/sie/availability", status=200, times=None, body=body)
    run_tap(tmp_path, config, catalog=catalog_of("sie_files"))
    queries = {one.query for one in sandbox.statistics().requests if one.path == "/sie/file"}
    assert queries == {"accountingPeriodStart=2031-01-01"}


@pytest.mark.parametrize("size", [10_000_000])
def test_a_large_file_is_never_in_memory(
    sandbox: Sandbox, config: Record, tmp_path: Path, size: int
) -> None:
    company = sandbox.companies[0]
    numbers = sorted(contents(company))
    for number in numbers:
        company.resize_attachment(number, size)
    config |= {"max_attachment_downloads": 20, "max_concurrency": 10}
    peaks = {}
    for stream in ("attachments", "attachment_files"):
        process = start(tmp_path, config, {}, catalog_of(stream))
        peaks[stream] = peak_memory(process)
        run = ended(process, tmp_path)
        assert run.exit_code == 0, run.log
    assert {row["size"] for row in run.records("attachment_files")} == {size}
    # Ten at once, each 10 MB, would be 100 MB.
    assert peaks["attachment_files"] - peaks["attachments"] < 50_000_000


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The most bytes of memory that the process has had."""
    status = Path(f"/proc/{process.pid}/status")
    peak = 0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        peak = int(found[1]) * 1024 if found else peak
        time.sleep(0.01)
    return peak
