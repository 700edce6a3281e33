"""What the API may answer otherwise than its documents say: it is understood, or it has a name."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, run_tap
from support.oracle import books, truth
from support.proxy import Answer, Proxy, Question
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


Json = dict[str, Any]

HTML = {"Content-Type": "text/html"}
#: Lists by ``previousId``, one by page number, and one that comes as a whole.
LISTS = ("invoices", "ledger_receipts", "business_partners", "products", "persons", "fiscal_years")


@pytest.fixture(scope="module")
def many() -> Iterator[Sandbox]:
    """A company whose lists have several pages."""
    with Sandbox(invoices=900, requests_per_second=0) as running:
        yield running


@pytest.fixture
def long_lists(many: Sandbox) -> Iterator[Proxy]:
    """A proxy before it."""
    with Proxy(many) as running:
        yield running


def test_an_empty_body_is_asked_for_again_wherever_it_comes(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """An empty 200 has passed for "no rows", and a receipt that exists for a deleted one."""
    come: set[str] = set()

    def first_empty(question: Question) -> Answer | None:
        kind = re.sub(r"\d[\d,]*", "{id}", question.path)
        if kind in come or not kind.startswith("/"):
            return None
        come.add(kind)
        return Answer(200, {"Content-Type": "application/json"}, b" " if len(come) % 2 else b"")

    proxy.before = first_empty
    run = run_tap(tmp_path, proxy.config())
    assert run.exit_code == 0, run.log
    assert "without a body" in run.log
    target = Target().load(run)
    for stream in books.TABLES:
        assert target.rows(stream) == truth(sandbox, stream)
    assert len(target.rows("journals")) == len(sandbox.companies[0].truth("journals"))


def test_lists_without_totals_end_with_an_empty_page(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.rewrite = lambda target: target.replace("size=200", "size=20")
    proxy.altering("/[a-z]+", lambda answer: answer.pop("meta", None) and None)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*LISTS))
    assert run.exit_code == 0, run.log
    target = Target().load(run)
    for stream in LISTS:
        assert target.rows(stream) == truth(sandbox, stream)


def test_numbers_about_a_list_may_be_text(many: Sandbox, long_lists: Proxy, tmp_path: Path) -> None:
    def as_text(answer: Any) -> None:
        if isinstance(answer, dict) and "meta" in answer:
            answer["meta"] = {name: str(value) for name, value in answer["meta"].items()}

    long_lists.altering("/[a-z]+", as_text)
    run = run_tap(tmp_path, long_lists.config(), catalog=selecting(*LISTS))
    assert run.exit_code == 0, run.log
    target = Target().load(run)
    for stream in LISTS:
        assert target.rows(stream) == truth(many, stream)


def test_a_list_without_rows_is_empty_only_if_its_counts_say_so(
    proxy: Proxy, tmp_path: Path
) -> None:
    bodies = {
        "/products": b'{"meta":{"totalCount":"0","resultCount":0}}',
        "/persons": b'{"results":null,"meta":{"resultCount":0}}',
        "/businesspartners": b'{"results":null,"meta":{"totalCount":3}}',
        "/payments": b'{"meta":null}',
    }
    proxy.before = lambda question: (
        Answer(body=bodies[question.path]) if question.path in bodies else None
    )
    streams = ("products", "persons", "business_partners", "payments", "invoices")
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*streams))
    assert run.exit_code == 1
    failures = re.findall(r"Incomplete: (\w+) .* has no 'results'", run.log)
    assert failures == ["business_partners", "payments"], run.log
    assert run.records("invoices")


@pytest.mark.parametrize("times", [1, None])
def test_a_list_that_turns_out_empty_half_way_is_asked_once_more(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, times: int | None
) -> None:
    done = 0

    def nothing(question: Question, answer: Answer) -> Answer:
        nonlocal done
        is_later = question.path == "/invoices" and "previousId" in question.query
        if not is_later or done == times:
            return answer
        done += 1
        return answer.having({"results": [], "meta": {"totalCount": 0}})

    # Pages of fifty: a list of sixty has two.
    proxy.rewrite = lambda target: target.replace("size=200", "size=50")
    proxy.after = nothing
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices", "company"))
    assert run.exit_code == (0 if times else 1)
    assert ("turned out empty" in run.log) == (times is None)
    assert done == (times or 2)
    if times:
        assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")


def test_descending_lists_come_as_a_whole_and_are_resumed_without_a_gap(
    many: Sandbox, long_lists: Proxy, tmp_path: Path
) -> None:
    long_lists.rewrite = lambda target: target.replace("orderById=ASC", "orderById=DESC")
    streams = ("invoices", "ledger_receipts", "bank_statements", "reference_payments", "products")
    first = run_tap(tmp_path, long_lists.config(), catalog=selecting(*streams))
    assert first.exit_code == 0, first.log
    ids = [row["id"] for row in first.records("invoices")]
    progress = first.state["bookmarks"]["invoices"]["partitions"][0]
    progress["window"] = {
        "start": None,
        "end": progress["replication_key_value"],
        "is_first": True,
        "variant": 0,
        "after": sorted(ids)[499],
        "done": 500,
    }
    progress["replication_key_value"] = None
    first.messages[:] = [
        one for one in first.messages if one.get("record", {}).get("id") not in sorted(ids)[500:]
    ]
    run = run_tap(tmp_path, long_lists.config(), catalog=selecting(*streams), state=first.state)
    assert run.exit_code == 0, run.log
    target = Target().load(first).load(run)
    for stream in ("invoices", "ledger_receipts", "products"):
        assert target.rows(stream) == truth(many, stream)
    # The lists that follow, of offers and of the lookback, are read as a whole.
    again = [row for row in run.records("invoices") if row["id"] <= progress["window"]["after"]]
    assert len(again) < 200
    kinds = {"bank_statements": "bankstatements", "reference_payments": "referencepayments"}
    for stream, kind in kinds.items():
        come = {row["id"] for row in target.rows(stream)}
        assert come == {document["id"] for document in many.companies[0].truth(kind)}


def test_a_deletion_is_told_from_the_descending_order_of_a_list(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.rewrite = lambda target: target.replace("orderById=ASC", "orderById=DESC")
    catalog = selecting("bank_statements", "reference_payments")
    config = proxy.config(deletion_check="full", date_lookback_days=3650)
    first = run_tap(tmp_path, config, catalog=catalog)
    statements = sorted(one["id"] for one in sandbox.companies[0].truth("bankstatements"))
    sandbox.companies[0].delete("bankstatements", statements[0])
    # One that is hidden from the list when it is compared, but there when it is asked for.
    hidden = statements[1]

    def hide(answer: Json) -> None:
        if len(answer["results"]) > 1:
            answer["results"] = [row for row in answer["results"] if row["id"] != hidden]
            answer["meta"]["totalCount"] -= 1

    proxy.altering("/bankstatements", hide)
    run = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    gone = [row["id"] for row in run.records("bank_statements") if "_sdc_deleted_at" in row]
    assert gone == [statements[0]], run.log


def test_a_list_in_no_order_is_an_error_with_a_name(proxy: Proxy, tmp_path: Path) -> None:
    def shuffle(answer: Json) -> None:
        rows = answer["results"]
        rows[:] = rows[1::2] + rows[::2]

    proxy.altering("/invoices", shuffle)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices"))
    assert run.exit_code == 1
    assert "in no order of ids" in run.log


@pytest.mark.parametrize("order", mostly_slow(["ASC", "DESC"]))
def test_rows_that_a_list_repeats_cost_only_themselves(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, order: str
) -> None:
    """One comes twice in the same words, another with the same id but another content."""
    company = sandbox.companies[0]
    ids = {
        "/invoices": [invoice["id"] for invoice in company.truth("invoices")],
        "/bankstatements": [statement["id"] for statement in company.truth("bankstatements")],
        "/payrolls/salaryslips": [slip["id"] for slip in company.truth("salary_slips")],
        "/payrolls/employees": [one["id"] for one in company.truth("employees")],
    }

    def repeat(question: Question, answer: Answer) -> Answer:
        if question.path not in ids:
            return answer
        same, other = ids[question.path][1:3]
        content = answer.content
        rows = []
        for row in content["results"]:
            rows += [row] * (2 if row["id"] == same else 1)
            rows += [{**row, "odd": 1}] * (row["id"] == other)
        if "totalCount" in content["meta"]:
            content["meta"]["totalCount"] += len(rows) - len(content["results"])
        return answer.having({**content, "results": rows})

    proxy.rewrite = lambda target: target.replace("orderById=ASC", f"orderById={order}")
    proxy.after = repeat
    streams = ("invoices", "bank_statements", "salary_slips", "employees")
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*streams, "rejected_records"))
    assert run.exit_code == 1
    assert "in no order" not in run.log
    for stream, path in zip(streams, ids, strict=True):
        assert {row["id"] for row in run.records(stream)} == {*ids[path]}, stream
    rejected = run.records("rejected_records")
    assert {(one["stream"], one["record_key"]) for one in rejected} == {
        (stream, f"id {ids[path][2]}") for stream, path in zip(streams, ids, strict=True)
    }
    assert all("before it" in one["reason"] for one in rejected)
    # The next run asks for them again, and finds them as they were.
    again = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices"), state=run.state)
    assert again.exit_code == 1
    assert str(ids["/invoices"][2]) in again.log


def test_a_refusal_without_json_is_believed_at_the_second_try(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    refusals = {
        "/dimensions": Answer(403, HTML, b"<html>403</html>"),
        "/coa": Answer(403, {}, b""),
        "/payments": Answer(404, HTML, b"<html>404</html>"),
    }
    proxy.before = lambda question: refusals.get(question.path)
    streams = ("dimensions", "chart_of_accounts", "payments", "invoices")
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*streams))
    assert run.exit_code == 1
    for path in refusals:
        assert len(proxy.questions(path)) == 2, path
    hint = "Among the user's rights, check 'Management: Basic accounting info'"
    assert f"may not read /dimensions (HTTP 403). {hint}" in run.log
    assert "There is no /payments" in run.log
    assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")


def test_only_a_404_of_the_api_itself_says_that_there_is_nothing(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """A gateway's page says nothing of an employee, a year, an account or a file."""
    company = sandbox.companies[0]
    first_file = min(
        one["id"] for invoice in company.truth("invoices") for one in invoice["attachments"]
    )
    refused = re.compile(
        rf"/payrolls/employees/5001/salaryinfo/taxcards|/payrolls/salariesbasicinfo|"
        rf"/reports/generalledger/\d+|/attachments/{first_file}"
    )
    proxy.before = lambda question: (
        Answer(404, HTML, b"<html>404</html>") if refused.fullmatch(question.path) else None
    )
    streams = ("tax_cards", "salaries_basic_info", "report_general_ledger", "attachment_files")
    config = proxy.config(attachment_files_path=str(tmp_path / "files"))
    run = run_tap(tmp_path, config, catalog=selecting(*streams))
    # The file's second 404 proves as little as the first.
    run = run_tap(tmp_path, config, catalog=selecting(*streams), state=run.state)
    assert run.exit_code == 1
    assert "deleted while being read" not in run.log
    assert {*re.findall(r"Incomplete: (\w+)", run.log)} == {*streams}, run.log


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("companyId", b"true"),
        ("companyId", b"0"),
        ("companyId", b"9223372036854775808"),
        ("odd", b"1e99999999999999999999"),
    ],
)
def test_a_company_that_cannot_be_opened_does_not_stop_the_others(
    tmp_path: Path, name: str, raw: bytes
) -> None:
    """Nor does a state or a right that nobody has thought of."""
    with Sandbox(companies=2, invoices=5, requests_per_second=0) as two, Proxy(two) as proxy:
        opened: list[str] = []

        def after(question: Question, answer: Answer) -> Answer:
            if question.path == "/status":
                return answer.having({"status": ["OK"]})
            if question.path == "/users/rights":
                return answer._replace(body=b'{"odd":1e99999999999999999999}')
            if question.path != "/sessioninfo":
                return answer
            opened.append(question.path)
            content = {key: value for key, value in answer.content.items() if key != name}
            body = answer.having(content).body[:-1] + b',"%b":%b}' % (name.encode(), raw)
            return answer if len(opened) == 1 else answer._replace(body=body)

        proxy.after = after
        run = run_tap(tmp_path, proxy.config(), catalog=selecting("company", "products"))
    assert run.exit_code == 1
    assert "unexpected" not in run.log
    reason = "names no company" if name == "companyId" else "not as documented"
    assert len(re.findall(rf"Incomplete: api_keys\[\d\].*{reason}", run.log)) == 1, run.log
    assert "status is unknown: The API's answer is not as documented (TypeError)" in run.log
    assert len(run.records("company")) == 1
    assert run.records("products")


def test_journals_may_come_as_in_a_page(sandbox: Sandbox, proxy: Proxy, tmp_path: Path) -> None:
    left_out = 0

    def wrapped(rows: list[Json]) -> Json:
        return {"results": rows[left_out:], "meta": {"totalCount": str(len(rows))}}

    proxy.altering("/journals", wrapped)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("journals"))
    assert run.exit_code == 0, run.log
    journals = {one["id"] for one in sandbox.companies[0].truth("journals")}
    assert {row["id"] for row in run.records("journals")} == journals
    left_out = 1
    short = run_tap(tmp_path, proxy.config(), catalog=selecting("journals"))
    assert short.exit_code == 1
    assert f"has {len(journals)} rows, but {len(journals) - 1} came" in short.log


# Time


def dated(moment: datetime, pattern: str = ".*") -> Any:
    """Return what gives the answers of a path another Date."""

    def after(question: Question, answer: Answer) -> Answer:
        if not re.fullmatch(pattern, question.path):
            return answer
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "date"}
        return answer._replace(headers=headers | {"Date": format_datetime(moment, usegmt=True)})

    return after


def bookmark(run: Run) -> str:
    value: str = run.state["bookmarks"]["invoices"]["partitions"][0]["replication_key_value"]
    return value


def in_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_date_in_the_future_moves_no_bookmark_there(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    config = proxy.config(lookback=0)
    catalog = selecting("invoices")
    proxy.after = dated(datetime.now(UTC) + timedelta(days=3))
    first = run_tap(tmp_path, config, catalog=catalog)
    assert first.exit_code == 0, first.log
    assert "72 hours ahead of this machine's" in first.log
    assert bookmark(first) <= in_text(datetime.now(UTC))
    proxy.after = lambda _, answer: answer
    sandbox.advance_clock(600)
    edited = editable(sandbox.companies[0])[0]
    sandbox.companies[0].edit("invoices", edited)
    sandbox.advance_clock(600)
    run = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert "hours" not in run.log
    assert Target().load(first).load(run).rows("invoices") == truth(sandbox, "invoices")


def test_a_date_in_the_past_hides_nothing_and_takes_no_bookmark_back(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    catalog = selecting("invoices", "ledger_receipts", "journals")
    proxy.after = dated(datetime(1970, 1, 1, tzinfo=UTC))
    first = run_tap(tmp_path, proxy.config(), catalog=catalog)
    assert first.exit_code == 0, first.log
    assert "behind this machine's" in first.log
    assert Target().load(first).rows("ledger_receipts") == truth(sandbox, "ledger_receipts")
    assert Target().load(first).rows("invoices") == truth(sandbox, "invoices")
    assert bookmark(first).startswith("1970")
    proxy.after = lambda _, answer: answer
    second = run_tap(tmp_path, proxy.config(), catalog=catalog, state=first.state)
    assert len(second.records("invoices")) == len(first.records("invoices"))
    assert bookmark(second) > bookmark(first)
    edited = editable(sandbox.companies[0])[0]
    sandbox.companies[0].edit("invoices", edited)
    proxy.after = dated(datetime(1970, 1, 1, tzinfo=UTC))
    third = run_tap(tmp_path, proxy.config(), catalog=catalog, state=second.state)
    assert edited in {row["id"] for row in third.records("invoices")}
    assert bookmark(third) == bookmark(second)


@pytest.mark.parametrize(("hours", "is_warned"), mostly_slow([(0.9, False), (-2, True), (2, True)]))
def test_a_clock_that_is_an_hour_off_is_worth_a_warning(
    proxy: Proxy, tmp_path: Path, hours: float, *, is_warned: bool
) -> None:
    moment = datetime.now(UTC) + timedelta(hours=hours)
    proxy.after = dated(moment)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices"))
    assert run.exit_code == 0, run.log
    assert ("this machine's: correct" in run.log) is is_warned
    assert bookmark(run) == in_text(moment)


@pytest.mark.parametrize("date", mostly_slow(["", "soon", "Fri, 31 Dec 9999 23:59:59 -0900"]))
def test_without_a_date_that_can_be_read_our_own_clock_counts(
    proxy: Proxy, tmp_path: Path, date: str
) -> None:
    proxy.after = lambda _, answer: answer._replace(headers=answer.headers | {"date": date})
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("invoices"))
    assert run.exit_code == 0, run.log
    assert bookmark(run)[:13] == in_text(datetime.now(UTC))[:13]


def test_a_bookmark_or_a_window_in_the_future_is_not_believed(config: Json, tmp_path: Path) -> None:
    """Earlier versions have stored what a wrong Date said."""
    catalog = selecting("invoices")
    first = run_tap(tmp_path, config, catalog=catalog)
    (progress,) = first.state["bookmarks"]["invoices"]["partitions"]
    future = in_text(datetime.now(UTC) + timedelta(days=3))
    ids = sorted(row["id"] for row in first.records("invoices"))
    window = {"start": None, "end": future, "variant": 0, "after": ids[-1], "done": len(ids)}
    states: list[Json] = [
        {"replication_key_value": future},
        {"replication_key_value": None, "window": window},
    ]
    for saved in states:
        progress |= saved
        run = run_tap(tmp_path, config, catalog=catalog, state=first.state)
        assert run.exit_code == 0, run.log
        assert sorted(row["id"] for row in run.records("invoices")) == ids
        assert bookmark(run) <= in_text(datetime.now(UTC))
        assert "lies in the future" in run.log or "window" in saved


def test_a_window_between_two_clocks_is_resumed(
    sandbox: Sandbox, config: Json, tmp_path: Path
) -> None:
    """Rows may have entered it, so that their number says nothing."""
    catalog = selecting("invoices")
    first = run_tap(tmp_path, config, catalog=catalog)
    (progress,) = first.state["bookmarks"]["invoices"]["partitions"]
    ids = sorted(row["id"] for row in first.records("invoices"))
    sandbox.advance_clock(10 * 86400)
    until = in_text(datetime.now(UTC) + timedelta(days=10))
    progress |= {
        "replication_key_value": None,
        "window": {
            "start": None,
            "end": progress["replication_key_value"],
            "until": until,
            "after": ids[20],
            "done": 3,
            "is_first": True,
        },
    }
    run = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert run.exit_code == 0, run.log
    assert {row["id"] for row in run.records("invoices")} >= set(ids[21:])
    assert bookmark(run) <= in_text(datetime.now(UTC))


# Too many requests


@pytest.mark.parametrize("asked_for", [{}, {"Retry-After": "0"}], ids=["none", "zero"])
def test_a_429_without_retry_after_pauses_all_requests_longer_each_time(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, asked_for: dict[str, str]
) -> None:
    """A pause of 0 seconds is none."""
    refused: list[float] = []

    def refuse(question: Question) -> Answer | None:
        now = time.monotonic()
        if not (question.path == "/invoices" or refused) or (refused and now > refused[0] + 2.5):
            return None
        refused.append(now)
        return Answer(429, HTML | asked_for, b"<html>429</html>")

    proxy.before = refuse
    run = run_tap(tmp_path, proxy.config(requests_per_second=50))
    assert run.exit_code == 0, run.log
    pauses = [later - earlier for earlier, later in pairwise(refused) if later - earlier > 0.5]
    assert len(pauses) == 1
    assert pauses[0] > 0.9
    times = [one.time for one in sandbox.statistics().requests if one.path != "/oauth/token"]
    assert max(later - earlier for earlier, later in pairwise(times)) > 2.8
