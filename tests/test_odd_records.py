"""One odd thing in a record costs at most that record, and what can be kept is kept."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support.catalog import selecting
from support.command import Run, run_tap
from support.exact import Digits, Record
from support.oracle import truth
from support.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.proxy import Answer, Proxy, Question

    from tap_procountor.sandbox import Sandbox

pytestmark = pytest.mark.slow


Config = dict[str, Any]
CATALOG = ("invoices", "invoice_rows", "rejected_records")


def inserting(number: int, raw: bytes) -> Callable[[Question, Answer], Answer]:
    """Put a field into an invoice's details, in place of the one that it has."""

    def after(question: Question, answer: Answer) -> Answer:
        if question.path.startswith("/invoices/"):
            return answer._replace(body=with_field(answer.body, number, raw))
        return answer

    return after


def with_field(body: bytes, number: int, raw: bytes) -> bytes:
    start, name = b'{"id":%d,' % number, raw.partition(b":")[0]
    before, found, rest = body.partition(start)
    return before + start + raw + rest.replace(name + b":", b'"_was":', 1) if found else body


def without(rows: list[Record], *numbers: int, key: str = "id") -> list[Record]:
    return [row for row in rows if row[key] not in numbers]


def warnings(run: Run, text: str) -> list[str]:
    return [line for line in run.log.splitlines() if "WARNING" in line and text in line]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'"orderNumber":"H\xe4me",', "cannot be decoded in the field 'orderNumber'"),
        (b'"orderNumber":"\\ud800",', "cannot be decoded in the field 'orderNumber'"),
        (b'"foo":%b,' % (b"[" * 5000 + b"]" * 5000), "cannot be decoded"),
        (b'"foo":%b,' % (b"[" * 200 + b"]" * 200), "objects inside each other in 'foo'"),
        (b'"deliveryEndDate":"0000-00-00",', "no date where the field 'deliveryEndDate'"),
        (b'"deliveryEndDate":"2024-02-28T10:00:00",', "no date where the field"),
        (b'"factoringContractId":9223372036854775808,', "too large in the field"),
        (b'"invoiceNumber":%b,' % (b"9" * 5000), "too large"),
        (b'"penaltyPercent":1e400,', "wrong type in the field 'penaltyPercent'"),
        (b'"foo":{"bar":1e400},', "wrong type in the field 'foo'"),
        (b'"orderReference":true,', "wrong type in the field 'orderReference'"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else "",
)
def test_a_record_that_does_not_fit_is_rejected_alone(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path, raw: bytes, reason: str
) -> None:
    number = sandbox.companies[0].truth("invoices")[3]["id"]
    proxy.after = inserting(number, raw)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*CATALOG))
    assert run.exit_code == 1
    assert Target().load(run).rows("invoices") == without(truth(sandbox, "invoices"), number)
    rows = without(truth(sandbox, "invoice_rows"), number, key="invoice_id")
    assert Target().load(run).rows("invoice_rows") == rows
    (rejected,) = run.records("rejected_records")
    assert rejected["record_key"] == f"id {number}"
    assert "\0" not in rejected["record"]
    assert f'"id":{number}' in rejected["record"]
    assert reason in rejected["reason"]


def test_a_body_that_is_cut_off_is_asked_for_again(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    cut: list[str] = []

    def after(question: Question, answer: Answer) -> Answer:
        if question.path.startswith("/invoices/") and not cut:
            cut.append(question.path)
            # In the middle of a letter, and with one that cannot be decoded before it.
            return answer._replace(body=answer.body[:2000] + b'"\xe4","\xc3')
        return answer

    proxy.after = after
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*CATALOG))
    assert run.exit_code == 0, run.log
    assert Target().load(run).rows("invoices") == truth(sandbox, "invoices")


def test_a_table_in_one_answer_loses_only_what_cannot_be_decoded(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    name = sandbox.companies[0].truth("coa")[2]["name"].encode()

    def after(question: Question, answer: Answer) -> Answer:
        if question.path == "/coa":
            return answer._replace(body=answer.body.replace(b'"%b"' % name, b'"\\udc00"', 1))
        return answer

    proxy.after = after
    run = run_tap(
        tmp_path, proxy.config(), catalog=selecting("chart_of_accounts", "rejected_records")
    )
    rows = Target().load(run).rows("chart_of_accounts")
    assert len(rows) == len(truth(sandbox, "chart_of_accounts")) - 1
    (rejected,) = run.records("rejected_records")
    assert "cannot be decoded in the field 'name'" in rejected["reason"]


#: What is sent, and what must arrive in its place.
ACCEPTED: list[tuple[bytes, Record]] = [
    (b'"orderReference":14,', {"order_reference": "14"}),
    (b'"partnerId":"77",', {"partner_id": 77}),
    (b'"partnerId":1005.0,', {"partner_id": 1005}),
    (b'"penaltyPercent":"12.50",', {"penalty_percent": Digits("12.50")}),
    (b'"isOffer":"true",', {"is_offer": True}),
    (b'"deliveryEndDate":"2024-02-28T00:00:00",', {"delivery_end_date": "2024-02-28"}),
    (b'"deliveryEndDate":"",', {"delivery_end_date": None}),
    (b'"created":"",', {"created": None}),
    (b'"created":"2026-01-02T03:04:05.120",', {"created": "2026-01-02T01:04:05.120Z"}),
    (b'"created":"2026-01-02T03:04:05.000Z",', {"created": "2026-01-02T03:04:05Z"}),
    (b'"created":"0001-01-01T00:00:00",', {"created": "0001-01-01T00:00:00Z"}),
    (b'"created":"9999-12-31T23:59:59-05:00",', {"created": "9999-12-31T23:59:59Z"}),
    (b'"version":"2026-01-02T03:04:05.999",', {"version": "2026-01-02T01:04:05Z"}),
    (b'"orderReference":"a\\u0000b\\\\u0000\\u0000",', {"order_reference": "ab\\u0000"}),
]


def test_what_loses_nothing_is_accepted_and_said_once(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    numbers = [one["id"] for one in sandbox.companies[0].truth("invoices")]
    wanted = dict(zip(numbers, ACCEPTED, strict=False))

    def after(question: Question, answer: Answer) -> Answer:
        if question.path.startswith("/invoices/"):
            body = answer.body
            for number, (raw, _) in wanted.items():
                body = with_field(body, number, raw)
            return answer._replace(body=body)
        return answer

    proxy.after = after
    config = proxy.config(run_report_path=str(tmp_path / "report.json"))
    run = run_tap(tmp_path, config, catalog=selecting(*CATALOG))
    assert run.exit_code == 0, run.log
    rows = {row["id"]: row for row in run.records("invoices")}
    for number, (_, fields) in wanted.items():
        assert {name: rows[number][name] for name in fields} == fields
    assert rows.keys() == set(numbers)
    said = warnings(run, "nothing is lost by it")
    assert len(said) == 6
    assert len([line for line in said if "'partnerId'" in line]) == 2
    (line,) = warnings(run, "NUL")
    assert "invoices: 2 NUL characters" in line
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert len(report["warnings"]) >= 7


def test_a_field_that_always_comes_in_another_form_is_accepted_and_said_once(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    """One record does not fit at all."""
    first, *others = (one["id"] for one in sandbox.companies[0].truth("invoices"))

    def alter(answer: Any) -> None:
        for invoice in answer if isinstance(answer, list) else [answer]:
            invoice["deliveryEndDate"], invoice["sum"] = "", str(invoice["sum"])
            # No NUL, but a backslash before a "u".
            invoice["odd"] = {"partId": "\\u0000" if invoice["id"] == others[-1] else 1}
            invoice["isOffer"] = "perhaps" if invoice["id"] == first else invoice["isOffer"]

    proxy.altering("/invoices/[0-9,]+", alter)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*CATALOG))
    rows = {row["id"]: row for row in run.records("invoices")}
    assert rows.keys() == {*others}
    for row in without(truth(sandbox, "invoices"), first):
        fields = {"delivery_end_date": None, "sum": row["sum"]}
        fields["additional_fields"] = row.get("additional_fields", {}) | {
            "odd": {"part_id": "\\u0000" if row["id"] == others[-1] else 1}
        }
        assert rows[row["id"]] == row | fields
    assert len(warnings(run, "a text where a number is expected")) == 1
    assert len(warnings(run, "the API sends the field 'odd'")) == 1
    assert not warnings(run, "NUL")
    (rejected,) = run.records("rejected_records")
    assert rejected["record_key"] == f"id {first}"


def test_names_that_meet_in_snake_case_lose_nothing(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    number = sandbox.companies[0].truth("invoices")[3]["id"]
    raw = (
        b'"companyId":1,"company_id":2,"additionalFields":3,"_sdc_deleted_at":"x",'
        b'"invoice_number":4,"fooBar":{"aB":5,"a_b":6},"in\\u0000ner\\"":7,'
    )
    row = b'"invoiceId":8,"version":9,"additionalFields":10,"product_id":11,"company_id":12,'

    def after(question: Question, answer: Answer) -> Answer:
        answer = inserting(number, raw)(question, answer)
        return answer._replace(
            body=answer.body.replace(b'"invoiceRows":[{', b"%b" % (b'"invoiceRows":[{' + row))
        )

    proxy.after = after
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*CATALOG))
    assert run.exit_code == 0, run.log
    (invoice,) = [one for one in run.records("invoices") if one["id"] == number]
    additional = invoice["additional_fields"]
    assert invoice["company_id"] == sandbox.companies[0].id
    assert "_sdc_deleted_at" not in invoice
    expected = {
        "companyId": 1,
        "company_id": 2,
        "additional_fields": 3,
        "_sdc_deleted_at": "x",
        "invoice_number": 4,
        "foo_bar": {"aB": 5, "a_b": 6},
        "inner_": 7,
    }
    assert expected.items() <= additional.items()
    first = next(one for one in run.records("invoice_rows") if one["invoice_id"] == number)
    assert set(first["additional_fields"].values()) >= {8, 9, 10, 11, 12}


def test_odd_rows_cost_only_themselves(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    company = sandbox.companies[0]
    invoice = next(one for one in company.truth("invoices") if len(one["invoiceRows"]) > 1)
    rows = [*invoice["invoiceRows"], None, {**invoice["invoiceRows"][0], "unit": "another"}]
    company.spoil("invoices", invoice["id"], {"invoiceRows": rows, "attachments": [None]})
    catalog = selecting(*CATALOG, "attachments")
    run = run_tap(tmp_path, config, catalog=catalog)
    assert run.exit_code == 1
    target = Target().load(run)
    assert target.rows("invoice_rows") == truth(sandbox, "invoice_rows")
    assert len(run.records("invoice_rows")) == len(truth(sandbox, "invoice_rows"))
    assert len(target.rows("invoices")) == len(truth(sandbox, "invoices"))
    reasons = sorted((one["stream"], one["reason"]) for one in run.records("rejected_records"))
    assert reasons == [
        ("attachments", "The API sent null where a row should be."),
        ("invoice_rows", "The API sent another row with the same key before it."),
        ("invoice_rows", "The API sent null where a row should be."),
    ]


def test_what_is_no_event_costs_only_itself(proxy: Proxy, tmp_path: Path) -> None:
    """Null among those of a statement; null, a text and a number inside one of them."""
    whole = run_tap(tmp_path, proxy.config(), catalog=selecting(*BANK))

    def spoil(content: Any) -> None:
        statement = next(one for one in content["results"] if one["events"])
        statement["events"].insert(0, None)
        event = statement["events"][1]
        event["event"] = [None, "PAYMENT", *(event.get("event") or [])]
        event["events"] = 5

    proxy.altering("/bankstatements", spoil)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting(*BANK))
    assert run.exit_code == 1
    rows = Target().load(run).rows("bank_statement_events")
    assert rows == Target().load(whole).rows("bank_statement_events")
    files = [row["id"] for row in Target().load(run).rows("attachments")]
    assert files == [row["id"] for row in Target().load(whole).rows("attachments")]
    rejected = [(one["stream"], one["reason"]) for one in run.records("rejected_records")]
    assert sorted(rejected) == [
        ("bank_statement_events", f"The API sent {what}.")
        for what in (
            *["null where a row should be"] * 2,
            *["something else where a record should be"] * 2,
        )
    ]


BANK = ("bank_statements", "bank_statement_events", "attachments", "rejected_records")


def test_a_dimension_item_that_comes_three_times_is_summed_exactly(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    receipt, other = company.truth("ledgerreceipts")[2:4]
    texts = ["0.10", "12345678901234567890123456789.12", "-0.0000000000000001"]
    items = [{"dimensionId": 1, "itemId": 2, "value": Decimal(text)} for text in texts]
    first = {**receipt["transactions"][0], "dimensionItemValues": [*items, None]}
    company.spoil("ledgerreceipts", receipt["id"], {"transactions": [first, None]})
    broken = [{"itemId": 2, "value": 1}, {"dimensionId": 3, "itemId": 4, "value": 5}]
    last = {**other["transactions"][0], "dimensionItemValues": broken}
    company.spoil("ledgerreceipts", other["id"], {"transactions": [last]})
    tables = ("ledger_receipts", "ledger_transactions", "ledger_transaction_dimensions")
    run = run_tap(tmp_path, config, catalog=selecting(*tables, "rejected_records"))
    assert len(run.records("ledger_receipts")) == len(truth(sandbox, "ledger_receipts"))
    dimensions = run.records("ledger_transaction_dimensions")
    (row,) = [one for one in dimensions if one["ledger_receipt_id"] == receipt["id"]]
    assert row["value"] == Digits("12345678901234567890123456789.2199999999999999")
    (row,) = [one for one in dimensions if one["ledger_receipt_id"] == other["id"]]
    assert (row["dimension_id"], row["value"]) == (3, 5)
    reasons = sorted((one["stream"], one["reason"][:28]) for one in run.records("rejected_records"))
    assert reasons == [
        ("ledger_transaction_dimensions", "The API sent a record withou"),
        ("ledger_transaction_dimensions", "The API sent null where a ro"),
        ("ledger_transactions", "The API sent null where a ro"),
    ]


def test_the_second_of_two_records_with_one_key_is_rejected(
    sandbox: Sandbox, proxy: Proxy, tmp_path: Path
) -> None:
    def alter(answer: Record) -> None:
        accounts = answer["ledgerAccounts"]
        # One comes twice as it is, another with something else in it.
        accounts += [accounts[0], {**accounts[1], "name": "another"}]

    proxy.altering("/coa", alter)
    run = run_tap(
        tmp_path, proxy.config(), catalog=selecting("chart_of_accounts", "rejected_records")
    )
    assert Target().load(run).rows("chart_of_accounts") == truth(sandbox, "chart_of_accounts")
    (rejected,) = run.records("rejected_records")
    assert "same key" in rejected["reason"]


# What rejected_records holds


def spoilt_run(sandbox: Sandbox, folder: Path, config: Config, catalog: Record) -> Record:
    company = sandbox.companies[0]
    company.spoil("invoices", company.truth("invoices")[1]["id"], {"isOffer": "perhaps"})
    run = run_tap(folder, config, catalog=catalog)
    (rejected,) = run.records("rejected_records")
    assert "'isOffer'" in rejected["reason"]
    return rejected


@pytest.mark.parametrize(
    ("content", "deselected", "is_shown"),
    [
        ("as_selected", False, True),
        ("as_selected", True, False),
        ("full", True, True),
        ("reason_only", False, False),
    ],
)
def test_what_is_deselected_does_not_come_back(  # noqa: PLR0913, PLR0917 - a table of cases
    sandbox: Sandbox,
    config: Config,
    tmp_path: Path,
    content: str,
    deselected: bool,  # noqa: FBT001
    is_shown: bool,  # noqa: FBT001
) -> None:
    catalog = selecting(*CATALOG)
    invoices = next(one for one in catalog["streams"] if one["tap_stream_id"] == "invoices")
    for entry in invoices["metadata"]:
        if entry["breadcrumb"] == ["properties", "notes"] and deselected:
            entry["metadata"]["selected"] = False
    config["rejected_record_content"] = content
    rejected = spoilt_run(sandbox, tmp_path, config, catalog)
    assert (rejected["record"] is not None) == is_shown


def test_what_is_mapped_away_does_not_come_back(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    config["stream_maps"] = {"invoices": {"notes": "__NULL__"}}
    assert spoilt_run(sandbox, tmp_path, config, selecting(*CATALOG))["record"] is None


def test_a_record_whose_table_is_not_selected_is_not_shown(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("invoice_rows", "rejected_records")
    assert spoilt_run(sandbox, tmp_path, config, catalog)["record"] is None


def test_the_log_says_how_to_keep_rejected_records(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    company.spoil("invoices", company.truth("invoices")[1]["id"], {"isOffer": "perhaps"})
    run = run_tap(tmp_path, config, catalog=selecting("invoices"))
    assert "1 records were rejected; select the table rejected_records to keep them." in run.log
