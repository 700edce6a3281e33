"""Every resource of the API is read, or there is a reason why not."""

from __future__ import annotations

import re

import pytest
from api_resources import NOT_READ, READ_BY_THE_TAP, readers
from support.oracle import TABLES
from support.oracle.records import SPECIFICATION

from tap_procountor.readers.completer import AsListed, DetailBatches, DetailEach
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.numbered import Numbered
from tap_procountor.streams.base.listed import ListStream
from tap_procountor.streams.registry import STREAM_TYPES

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


def test_the_oracle_knows_every_table() -> None:
    """Without it, a table's content is compared with nothing."""
    compared_elsewhere = {
        "attachment_files",
        "attachments",
        "invoice_images",
        "reconciliation",
        "rejected_records",
        "report_accounting",
        "report_general_ledger",
        "report_ledger_accounts",
        "sie_files",
    }
    assert {vars(stream)["name"] for stream in STREAM_TYPES} == TABLES.keys() | compared_elsewhere


@pytest.mark.parametrize("stream", [one for one in STREAM_TYPES if issubclass(one, ListStream)])
def test_lists_are_declared_as_the_specification_describes_them(stream: type[ListStream]) -> None:
    operation = SPECIFICATION["paths"][stream.lister.path]["get"]
    parameters = {parameter["name"] for parameter in operation["parameters"]}
    options = vars(stream.lister)["_options"]
    if isinstance(stream.lister, Keyset):
        assert "previousId" in parameters
        assert options.get("has_numbers", True) is ("page" in parameters)
    elif isinstance(stream.lister, Numbered):
        assert "page" in parameters
    else:
        assert not parameters & {"previousId", "page"}


@pytest.mark.parametrize("stream", [one for one in STREAM_TYPES if issubclass(one, ListStream)])
def test_details_are_declared_as_the_specification_describes_them(
    stream: type[ListStream],
) -> None:
    of_one = re.compile(re.escape(stream.lister.path) + r"/{\w+}")
    details = [one["get"] for path, one in SPECIFICATION["paths"].items() if of_one.fullmatch(path)]
    come_in_batches = any("x-batch-max" in operation for operation in details)
    completer = stream.completer
    if isinstance(completer, DetailBatches):
        assert come_in_batches
    elif isinstance(completer, DetailEach):
        assert details
        assert not come_in_batches
    elif isinstance(completer, AsListed):
        assert vars(completer)["_has_batches"] is come_in_batches
