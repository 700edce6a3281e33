"""What the API may answer otherwise than its documents say: it is understood, or it has a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from proxy import Answer, Proxy, Question
from support import STREAMS, Target, run_tap, selecting, truth

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    for stream in STREAMS:
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
    assert min(row["id"] for row in run.records("invoices")) > progress["window"]["after"]
    kinds = {"bank_statements": "bankstatements", "reference_payments": "referencepayments"}
    for stream, kind in kinds.items():
        ids = {row["id"] for row in target.rows(stream)}
        assert ids == {document["id"] for document in many.companies[0].truth(kind)}


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
