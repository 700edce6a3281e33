"""Every resource of the API is read, or there is a reason why not."""

from __future__ import annotations

import pytest
from api_resources import NOT_READ, READ_BY_THE_TAP, readers
from support.oracle.records import SPECIFICATION

PATHS = frozenset(SPECIFICATION["paths"])
READ = frozenset(path for path, streams in readers().items() if streams)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_resource_is_read_or_has_a_reason(path: str) -> None:
    is_read, has_reason = path in READ, path in {*READ_BY_THE_TAP, *NOT_READ}
    assert is_read or has_reason, f"No stream reads {path}: give a reason in scripts/not_read.yaml."
    assert not (is_read and has_reason), (
        f"{path} is read: drop its reason in scripts/not_read.yaml."
    )


def test_reasons_are_given_for_what_there_is() -> None:
    assert {*READ_BY_THE_TAP, *NOT_READ} <= PATHS
    assert not READ_BY_THE_TAP.keys() & NOT_READ.keys()


def test_the_paths_of_streams_are_found_by_their_declarations() -> None:
    names = {path: {vars(one)["name"] for one in streams} for path, streams in readers().items()}
    assert names["/ledgerreceipts/{receiptId}"] >= {"ledger_receipts"}
    assert names["/ledgerreceipts"] >= {"ledger_receipts", "ledger_transactions"}
    assert names["/vats/default"] == {"vat_percentages", "vat_statuses"}
    assert names["/company/invoicecirculation/verifierlists/{id}"] == {"verifier_lists"}
