"""Company settings, journals, taxes, currencies and defaults: exact, and refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import when_asked
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, run_tap
from support.oracle import company as company_tables
from support.oracle import key_of, truth
from support.target import Target

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow


Config = dict[str, Any]

STREAMS = tuple(company_tables.TABLES)
OFF_BY_DEFAULT = {*company_tables.OWNED, "personal_approvals", "personal_verifications", "webhooks"}


@pytest.fixture(scope="module")
def companies() -> Iterator[Sandbox]:
    """A Finnish and a Swedish company that use the same ids."""
    with Sandbox(companies=2, invoices=250, colliding_ids=True, requests_per_second=0) as sandbox:
        sandbox.companies[1].set_country("SWEDEN")
        yield sandbox


@pytest.fixture(scope="module")
def full_run(companies: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {**companies.config(), "requests_per_second": 1000}
    return run_tap(tmp_path_factory.mktemp("run"), config, catalog=selecting(*STREAMS))


def test_a_full_run_succeeds(full_run: Run) -> None:
    assert full_run.exit_code == 0, full_run.log


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_is_the_truth_field_by_field(
    companies: Sandbox, full_run: Run, stream: str
) -> None:
    target = Target().load(full_run)
    assert tuple(target.keys[stream]) == key_of(stream)
    expected = truth(companies, stream)
    assert target.rows(stream) == expected
    assert len(full_run.records(stream)) == len(expected) > 0


def test_the_truth_has_what_is_hard(companies: Sandbox) -> None:
    rows = {stream: truth(companies, stream) for stream in STREAMS}
    texts = str(rows)
    for hard in ("ä", "ö", "€", "\\n", '"', "additional_fields", "7.460300", "None"):
        assert hard in texts
    assert any(row["authentication_meta"] for row in rows["webhooks"])


def test_what_concerns_one_user_or_system_is_off_by_default(config: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    assert run.streams() & set(STREAMS) == set(STREAMS) - OFF_BY_DEFAULT - {
        "se_factoring_contracts"
    }


@pytest.mark.parametrize(
    ("stream", "right"),
    mostly_slow(
        [
            ("circulation_settings", "management.basicCompanyInfo"),
            ("delivery_terms", "management.basicCompanyInfo"),
            ("factoring_contracts", "management.basicCompanyInfo"),
            ("invoice_templates", "management.basicCompanyInfo"),
            ("usage_settings", "management.basicCompanyInfo"),
            ("verifier_lists", "management.basicCompanyInfo"),
            ("personal_approvals", "invoiceCirculation.approval"),
            ("personal_verifications", "invoiceCirculation.verification"),
        ],
        by_default=2,
    ),
)
def test_a_refusal_names_the_right(
    sandbox: Sandbox, config: Config, tmp_path: Path, stream: str, right: str
) -> None:
    sandbox.companies[0].set_right(right)
    run = run_tap(tmp_path, config, catalog=selecting(stream))
    assert run.exit_code == 1
    assert not run.records(stream)
    assert f"{stream} of company {sandbox.companies[0].id}: " in run.log
    assert f"({right})" in run.log


def test_only_swedish_companies_are_asked_for_their_factoring_contracts(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("se_factoring_contracts")
    finnish = run_tap(tmp_path, config, catalog=catalog)
    assert finnish.exit_code == 0, finnish.log
    assert not sandbox.statistics().by_route()["/se/factoringcontracts"]
    sandbox.companies[0].set_country("SWEDEN")
    swedish = run_tap(tmp_path, config, catalog=catalog)
    assert swedish.exit_code == 0
    assert swedish.records("se_factoring_contracts")


def test_a_company_of_an_unknown_country_is_asked(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].books.company["country"] = None
    run = run_tap(tmp_path, config, catalog=selecting("se_factoring_contracts"))
    assert run.exit_code == 1
    assert "check 'Management: Basic company info'" in run.log


def test_long_lists_are_read_to_their_short_last_page(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    streams = ("factoring_contracts", "webhooks")
    for stream in streams:
        collection = sandbox.companies[0].collection(stream)
        for number in range(6_000, 6_500):
            collection.append(collection.row_at(0)._replace(id=number))
    run = run_tap(tmp_path, config, catalog=selecting(*streams))
    for stream in streams:
        rows = Target().load(run).rows(stream)
        assert rows == truth(sandbox, stream)
        assert len(rows) > 500
    assert sandbox.statistics().by_route()["/webhooks"] == 3


def test_journals_are_read_when_they_change(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("journals")
    company = sandbox.companies[0]
    first = run_tap(tmp_path, config, catalog=catalog)
    journals = company.truth("journals")
    posted = next(one for one in reversed(journals) if one["ledgerReceiptId"])
    company.reopen_periods("2000-01-01", "2100-01-01")
    company.edit("journals", posted["id"])
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert [record["id"] for record in second.records("journals")] == [posted["id"]]
    assert sandbox.statistics().by_route()["/journals"] == 2
    assert Target().load(first).load(second).rows("journals") == truth(sandbox, "journals")
    statuses = {record["status"] for record in first.records("journals")}
    assert statuses >= {"APPROVED", "UNFINISHED", "INVALIDATED"}


def test_an_invalidated_journal_stays_and_its_receipt_goes(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("journals", "ledger_receipts")
    company = sandbox.companies[0]
    first = run_tap(tmp_path, config, catalog=catalog)
    company.reopen_periods("2000-01-01", "2100-01-01")
    journal = next(one for one in company.truth("journals") if one["ledgerReceiptId"])
    company.invalidate(journal["id"])
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    (record,) = second.records("journals")
    assert (record["id"], record["status"]) == (journal["id"], "INVALIDATED")
    gone = [one for one in second.records("ledger_receipts") if "_sdc_deleted_at" in one]
    assert [one["id"] for one in gone] == [journal["ledgerReceiptId"]]


def test_deleted_journals_are_found(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    full = config | {"deletion_check": "full"}
    catalog = selecting("journals")
    company = sandbox.companies[0]
    first = run_tap(tmp_path, full, catalog=catalog)
    journal = company.truth("journals")[3]["id"]
    company.reopen_periods("2000-01-01", "2100-01-01")
    company.delete("journals", journal)
    second = run_tap(tmp_path, full, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    (tombstone,) = second.records("journals")
    assert (tombstone["id"], "_sdc_deleted_at" in tombstone) == (journal, True)


def test_without_their_right_journals_are_refused(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    sandbox.companies[0].set_right("accounting.journalReceiptSearch")
    refused = run_tap(tmp_path, config, catalog=selecting("journals"))
    assert refused.exit_code == 1
    assert "(accounting.journalReceiptSearch)" in refused.log
    sandbox.companies[0].set_right("accounting.journalReceiptSearch", "VIEWING_RIGHTS")
    sandbox.companies[0].set_right("accounting.personalJournalReceiptsOnly", value=True)
    limited = run_tap(tmp_path, config, catalog=selecting("journals"))
    assert limited.exit_code == 1
    assert not limited.records("journals")
    assert "(accounting.personalJournalReceiptsOnly)" in limited.log


@pytest.mark.parametrize(
    ("stream", "kind", "route"),
    mostly_slow(
        [
            ("business_partner_default_accounts", "businesspartners", "accounts"),
            ("business_partner_default_products", "businesspartners", "products"),
            ("product_default_dimensions", "products", "dimensions"),
        ]
    ),
)
def test_defaults_are_asked_for_again_when_their_owner_changes(  # noqa: PLR0913, PLR0917
    sandbox: Sandbox, config: Config, tmp_path: Path, stream: str, kind: str, route: str
) -> None:
    catalog = selecting(stream)
    company = sandbox.companies[0]
    first = run_tap(tmp_path, config, catalog=catalog)
    owner_id, _ = company_tables.OWNED[stream]
    owner = company.truth(stream)[-1][owner_id]
    sandbox.reset_statistics()
    company.edit(kind, owner)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    asked = f"/{kind}/{{id}}/defaults/{route}"
    assert sandbox.statistics().by_route()[asked] == 1
    expected = [row for row in truth(sandbox, stream) if owner in row.values()]
    assert second.records(stream) == expected


def test_defaults_of_persons_are_asked_for_in_every_run(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    catalog = selecting("person_default_dimensions")
    first = run_tap(tmp_path, config, catalog=catalog)
    second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    persons = len(sandbox.companies[0].truth("persons"))
    route = "/persons/{id}/defaults/dimensions"
    assert sandbox.statistics().by_route()[route] == 2 * persons
    assert second.records("person_default_dimensions") == first.records("person_default_dimensions")


def test_a_partner_deleted_meanwhile_has_no_defaults(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    company = sandbox.companies[0]
    partner = company.truth("businesspartners")[-1]["id"]
    route = "/businesspartners/{id}/defaults/accounts"
    stream = "business_partner_default_accounts"
    with when_asked(sandbox, route, lambda: company.delete("businesspartners", partner)):
        run = run_tap(tmp_path, config, catalog=selecting(stream))
    assert run.exit_code == 0, run.log
    ids = [record["business_partner_id"] for record in run.records(stream)]
    assert partner not in ids
    assert len(ids) == len(company.truth("businesspartners"))


def test_what_is_gone_is_found_and_nothing_else(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    full = config | {"deletion_check": "full"}
    catalog = selecting(*STREAMS)
    company = sandbox.companies[0]
    first = run_tap(tmp_path, full, catalog=catalog)
    contract = company.truth("factoring_contracts")[0]["id"]
    company.delete("factoring_contracts", contract)
    second = run_tap(tmp_path, full, catalog=catalog, state=first.state)
    assert second.exit_code == 0, second.log
    gone = {
        (stream, record.get("id"))
        for stream in STREAMS
        for record in second.records(stream)
        if "_sdc_deleted_at" in record
    }
    assert gone == {("factoring_contracts", contract)}
