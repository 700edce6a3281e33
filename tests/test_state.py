"""The state: one that cannot be is refused, whatever field is wrong; older ones are understood."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.bookkeeping import editable
from support.catalog import selecting
from support.command import run_tap

from tap_procountor.errors import ConfigurationError
from tap_procountor.sandbox import Sandbox
from tap_procountor.state.ids import pack, pack_keys
from tap_procountor.state.validation import VERSION, check_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.exact import Record

DATA = Path(__file__).parent / "data"
VARIANTS = {"invoices": 2}
NOW = "2026-11-29T10:30:00Z"


def partition(**fields: Any) -> Record:
    return {"context": {"company_id": 10001}, **fields}


def state_of(*partitions: Record, **fields: Any) -> Record:
    return {"bookmarks": {"invoices": {"partitions": list(partitions), **fields}}}


def window(**changes: Any) -> Record:
    return partition(
        window={
            "start": None,
            "end": NOW,
            "variant": 1,
            "after": 5,
            "done": 3,
            "is_first": True,
            **changes,
        }
    )


def census(**changes: Any) -> Record:
    whole = {"packed": {"2026-01-01": pack([1, 2])}, "count": 2, "open": [""], "taken": NOW}
    return partition(census=whole | changes)


GOOD = [
    {},
    {"bookmarks": {}},
    state_of(),
    state_of(partition(), version=VERSION),
    state_of(window()),
    state_of(window(variant=0, after=0, done=0)),
    state_of(census()),
    state_of(partition(replication_key_value=None, window=None, streams=["invoices"])),
    state_of(partition(rejected=pack([3, 9]), highest_id=2**63 - 1)),
    state_of(partition(a_field_of_later=[1])),
]

BAD = [
    # Partitions and their companies.
    state_of(partition(), partition()),
    state_of({}),
    state_of({"context": {}}),
    state_of({"context": {"company_id": 0}}),
    state_of({"context": {"company_id": "10001"}}),
    state_of({"context": {"company_id": 10001, "stream": 1}}),
    state_of(partition(), version=0),
    state_of(partition(), version="2"),
    # Windows.
    state_of(window(variant=99)),
    state_of(window(variant=2)),
    state_of(window(variant=-1)),
    state_of(window(variant=1.0)),
    state_of(window(after=-1)),
    state_of(window(after=2**63)),
    state_of(window(after=5, done=0)),
    state_of(window(done=-1)),
    state_of(window(start="0001-01-01T00:00:00Z")),
    state_of(window(start="2026-01-01")),
    state_of(window(end=None)),
    state_of(window(end="9999-12-31T23:59:59Z")),
    state_of(window(is_done=True)),
    state_of(window(is_first=1)),
    state_of(window(until="yesterday")),
    state_of(window(begun=NOW)),
    state_of(window(more=NOW)),
    state_of(partition(window={"start": NOW})),
    # Bookmarks.
    state_of(partition(replication_key_value="0001-01-01T00:00:00Z")),
    state_of(partition(replication_key_value="2026-11-29T12:30:00+02:00")),
    state_of(partition(replication_key_value=20261129)),
    state_of(partition(replication_key=1)),
    state_of(partition(streams="invoices")),
    state_of(partition(streams=None)),
    # Ids.
    state_of(census(count=3)),
    state_of(census(count=-1)),
    state_of(census(taken="yesterday")),
    state_of(census(open="")),
    state_of(census(packed={"": "z"})),
    state_of(census(more=1)),
    state_of(partition(census=None)),
    state_of(partition(emitted=[{"": "z"}])),
    state_of(partition(emitted=None)),
    state_of(partition(emitted=[{"": pack_keys([(1,), (2,)])}])),
    state_of(partition(pending=["z"])),
    state_of(partition(pending=[pack([-5, 1])])),
    state_of(partition(noted=[-1])),
    state_of(partition(failed=["1"])),
    state_of(partition(failed=[2**63])),
    state_of(partition(highest_id=-1)),
    state_of(partition(highest_id=None)),
    state_of(partition(rejected="z")),
    state_of(partition(rejected=[1])),
    state_of(partition(census={"swept": {"2026-01-01": "0001-01-01T00:00:00.000000Z"}})),
    state_of(partition(census={"swept": {"2026-01-01": NOW}})),
    state_of(partition(census={"swept": {"2026-01-01": None}})),
    state_of(partition(written_keys=["z"])),
    state_of(partition(rights_seen=pack_keys([("accounting", 5)]))),
    state_of(partition(keys="z")),
    state_of(partition(keys=None)),
    state_of(partition(rights=pack_keys([("accounting",)]))),
    state_of(partition(rights=pack_keys([("accounting", 5)]))),
]


@pytest.mark.parametrize("state", GOOD, ids=map(str, range(len(GOOD))))
def test_what_the_tap_writes_is_accepted(state: Record) -> None:
    check_state(json.loads(json.dumps(state)), VARIANTS)


@pytest.mark.parametrize("state", BAD, ids=map(str, range(len(BAD))))
def test_what_cannot_be_is_refused(state: Record) -> None:
    with pytest.raises(ConfigurationError, match="The state cannot be understood"):
        check_state(json.loads(json.dumps(state)), VARIANTS)


@pytest.mark.parametrize("number", [99, -1])
def test_a_window_that_cannot_be_is_not_taken_for_read(
    config: Record, tmp_path: Path, number: int
) -> None:
    state = json.loads((DATA / "state_1_killed.json").read_text())
    state["bookmarks"]["invoices"]["partitions"][0]["window"]["variant"] = number
    run = run_tap(tmp_path, config, catalog=selecting("invoices"), state=state)
    assert run.exit_code == 1
    assert "The state cannot be understood" in run.log.splitlines()[-1]
    assert run.messages == []


def test_every_part_of_a_state_carries_the_version(config: Record, tmp_path: Path) -> None:
    """Targets may put a state together of the parts of single streams."""
    run = run_tap(tmp_path, config, catalog=selecting("invoices", "company"))
    assert {one["version"] for one in run.state["bookmarks"].values()} == {VERSION}
    newer = deepcopy(run.state)
    newer["bookmarks"]["invoices"]["version"] = VERSION + 1
    refused = run_tap(tmp_path, config, catalog=selecting("invoices"), state=newer)
    assert refused.exit_code == 1
    assert "newer version of the tap" in refused.log.splitlines()[-1]
    assert refused.messages == []


#: What the files in ``data`` were written for, by commit c3c7817.
COMPLETE = (
    *("attachments", "bank_statements", "business_partners", "company", "dimension_items"),
    *("dimensions", "fiscal_years", "invoice_rows", "invoices", "ledger_receipts"),
    *("ledger_transactions", "payments", "products", "tracking_periods"),
)
KILLED = ("business_partners", "invoices", "invoice_rows", "ledger_receipts", "products")


@pytest.fixture
def without_lookback(config: Record) -> Record:
    return config | {"lookback": 0}


def test_a_complete_state_of_version_1_is_gone_on_with(
    sandbox: Sandbox, without_lookback: Record, tmp_path: Path
) -> None:
    state = json.loads((DATA / "state_1_complete.json").read_text())
    gone = editable(sandbox.companies[0])[0]
    sandbox.companies[0].delete("invoices", gone)
    config = without_lookback | {"deletion_check": "full"}
    run = run_tap(tmp_path, config, catalog=selecting(*COMPLETE), state=state)
    assert run.exit_code == 0, run.log
    # Nothing is read again, and what has been deleted since is found.
    assert [row["id"] for row in run.records("invoices")] == [gone]
    assert "_sdc_deleted_at" in run.records("invoices")[0]
    for stream in ("business_partners", "products"):
        assert run.records(stream) == []
    assert {one["version"] for one in run.state["bookmarks"].values()} == {VERSION}


@pytest.fixture
def large() -> Iterator[Sandbox]:
    """What the run that was killed has read."""
    with Sandbox(invoices=1500, requests_per_second=0) as running:
        yield running


def test_a_killed_state_of_version_1_is_gone_on_with(large: Sandbox, tmp_path: Path) -> None:
    state = json.loads((DATA / "state_1_killed.json").read_text())
    done = state["bookmarks"]["invoices"]["partitions"][0]["window"]["done"]
    config = {**large.config(), "requests_per_second": 1000, "lookback": 0}
    run = run_tap(tmp_path, config, catalog=selecting(*KILLED), state=state)
    assert run.exit_code == 0, run.log
    assert len(run.records("invoices")) == 1500 - done
    assert run.records("business_partners") == []


def test_a_state_as_targets_and_meltano_write_it(without_lookback: Record, tmp_path: Path) -> None:
    catalog = selecting("products")
    state = run_tap(tmp_path, without_lookback, catalog=catalog).state
    text = json.dumps(state)
    older = json.dumps({"bookmarks": {}})
    path = tmp_path / "given.json"
    for written in (
        f"\ufeff{text}",
        f"{older}\n{text}\n",
        f"{older}\r\n{text}\r\n\r\n",
        json.dumps({"singer_state": state}, indent=2),
        json.dumps(state, indent=2),
    ):
        path.write_text(written, "utf-8")
        run = run_tap(tmp_path, without_lookback, "--state", str(path), catalog=catalog)
        assert run.exit_code == 0, run.log
        assert run.records("products") == []


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda _: "", "it is empty"),
        (lambda _: " \n", "it is empty"),
        (lambda text: f"{text}\n{text[:-5]}", "Extra data"),
        (lambda text: f"{text[:-5]}\n{text}", "no valid JSON"),
        (lambda text: f"[{text}]", "must hold a JSON object"),
    ],
)
def test_a_state_that_is_lost_is_not_taken_for_none(
    config: Record, tmp_path: Path, alter: Callable[[str], str], words: str
) -> None:
    path = tmp_path / "given.json"
    path.write_text(alter((DATA / "state_1_complete.json").read_text()))
    run = run_tap(tmp_path, config, "--state", str(path))
    assert run.exit_code == 1
    assert "The state file" in run.log.splitlines()[-1]
    assert words in run.log.splitlines()[-1]
