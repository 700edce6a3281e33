"""What the tests share: running the tap as a user does, and the truth in the tap's form."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import inflection
import msgspec

from tap_procountor.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from multiprocessing.process import BaseProcess

    from tap_procountor.sandbox import Sandbox
    from tap_procountor.sandbox.company import Company

Record = dict[str, Any]
Key = tuple[Any, ...]
Case = TypeVar("Case")
T = TypeVar("T")

SPECIFICATION = json.loads(files("tap_procountor").joinpath("openapi.json").read_text("utf-8"))
COMPONENTS = SPECIFICATION["components"]["schemas"]


@dataclass
class Run:
    """A finished run of the tap."""

    exit_code: int
    messages: list[Record]
    log: str

    @property
    def state(self) -> Record:
        """The last state that a target would have kept."""
        states = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1] if states else {}

    def records(self, stream: str) -> list[Record]:
        """All records of a stream in the order in which they came."""
        return [m["record"] for m in self.messages if m.get("stream") == stream and "record" in m]

    def streams(self) -> set[str]:
        """The streams that have records."""
        return {m["stream"] for m in self.messages if m["type"] == "RECORD"}


@dataclass
class Target:
    """Tables as a target holds them after it has upserted."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, dict[Key, Record]] = field(default_factory=lambda: defaultdict(dict))
    #: When each row was read, which targets keep as ``_sdc_extracted_at``.
    extracted: dict[tuple[str, Key], str] = field(default_factory=dict)

    def load(self, run: Run) -> Target:
        """Upsert the records of a run."""
        for message in run.messages:
            if message["type"] == "SCHEMA":
                self.keys[message["stream"]] = message["key_properties"]
            elif message["type"] == "RECORD":
                record = message["record"]
                key = tuple(record[name] for name in self.keys[message["stream"]])
                self.tables[message["stream"]][key] = record
                self.extracted[message["stream"], key] = message["time_extracted"]
        return self

    def rows(self, stream: str) -> list[Record]:
        """The rows of a table in the order of their keys."""
        return [row for _, row in sorted(self.tables[stream].items())]


def current_rows(target: Target, stream: str) -> list[Record]:
    """Return a table's rows filtered as README says: no ghosts, and rows of current versions."""
    rows = [row for row in target.rows(stream) if "_sdc_deleted_at" not in row]
    if stream == "ledger_receipts":
        rows = [row for row in rows if not _is_swept_away(target, row)]
    owner, owner_id = {
        "invoice_rows": ("invoices", "invoice_id"),
        "ledger_transactions": ("ledger_receipts", "ledger_receipt_id"),
        "ledger_transaction_dimensions": ("ledger_receipts", "ledger_receipt_id"),
    }.get(stream, ("", ""))
    if not owner:
        return rows
    owners = {
        (row["company_id"], row["id"]): target.extracted[owner, (row["company_id"], row["id"])]
        for row in current_rows(target, owner)
    }
    return [
        row
        for row in rows
        if owners.get((row["company_id"], row[owner_id]))
        == target.extracted[stream, tuple(row[name] for name in target.keys[stream])]
    ]


def _is_swept_away(target: Target, receipt: Record) -> bool:
    """Whether a receipt was read before its tracking period was last read as a whole."""
    extracted = target.extracted["ledger_receipts", (receipt["company_id"], receipt["id"])]
    return any(
        period["company_id"] == receipt["company_id"]
        and period["start_date"] <= receipt["receipt_date"] <= period["end_date"]
        and datetime.fromisoformat(extracted) < datetime.fromisoformat(period["swept_at"])
        for period in target.tables["tracking_periods"].values()
        if period.get("swept_at")
    )


def parse(text: str) -> Any:
    """Parse JSON with numbers as their text, so that every digit counts in a comparison."""
    return _decoder.decode(text)


class Digits(str):
    """A decimal number as it was written; ``1.50`` is not ``1.5``."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=Digits)


def run_tap(
    folder: Path,
    config: Record,
    *options: str,
    catalog: Record | None = None,
    state: Record | None = None,
) -> Run:
    """Run the tap's command in a process of its own."""
    arguments = [*options]
    for name, value in (("config", config), ("catalog", catalog), ("state", state)):
        if value is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(value), "utf-8")
            arguments += [f"--{name}", str(path)]
    with TemporaryDirectory() as output:
        files = [Path(output, "stdout"), Path(output, "stderr")]
        exit_code = exit_code_of(start_command(arguments, files))
        written, log = (file.read_text("utf-8") for file in files)
    messages = [parse(line) for line in written.split("\n") if line.startswith('{"type"')]
    return Run(exit_code, messages, log)


#: Its children begin with everything imported, which takes longer than most runs in the tests.
_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(["tap_procountor.tap", "pendulum"])


def exit_code_of(process: BaseProcess) -> int:
    """Wait for the end of a command; return its exit code."""
    process.join(timeout=240)
    if process.exitcode is None:
        process.kill()
        process.join()
    exit_code = process.exitcode
    process.close()
    return -1 if exit_code is None else exit_code


def start_command(
    arguments: list[str],
    files: list[Path],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> BaseProcess:
    """Start the tap's command with its output in two files.

    The environment given is added to ours.
    """
    process = _FORK_SERVER.Process(
        target=_command,
        args=(arguments, files, {**os.environ, **(environment or {})}, folder or Path.cwd()),
    )
    process.start()
    return process


def _command(
    arguments: list[str], files: list[Path], environment: dict[str, str], folder: Path
) -> None:
    """Do what the console script does."""
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[:] = ["tap-procountor", *arguments]
    main()


@contextmanager
def all_at_once(run: Callable[[Case], T], cases: Iterable[Case]) -> Iterator[dict[Case, Future[T]]]:
    """Begin all cases together: what waits most of the time need not do so in turn."""
    begun = list(cases)
    with ThreadPoolExecutor(len(begun)) as pool:
        yield {case: pool.submit(run, case) for case in begun}


@cache
def discovered() -> str:
    """Return the catalog as text; the tap need not start for each test that selects streams."""
    process = subprocess.run(
        [sys.executable, "-m", "tap_procountor", "--discover"],
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout


def selecting(*streams: str) -> Record:
    """Return a catalog in which only these streams are selected."""
    catalog: Record = json.loads(discovered())
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog


def editable(company: Company) -> list[int]:
    """Return ids of invoices that may be edited: their dates are in open tracking periods."""
    periods = [
        (period["startDate"], period["endDate"])
        for year in company.truth("fiscalyears")
        for period in year["trackingPeriods"]
        if period["status"] == "OPEN"
    ]
    return [
        invoice["id"]
        for invoice in company.truth("invoices")
        if any(start <= invoice["date"] <= end for start, end in periods)
    ]


@contextmanager
def when_asked(
    sandbox: Sandbox, route: str, action: Callable[[], object], nth: int = 1
) -> Iterator[None]:
    """Do something after the nth request to a route has arrived and before it is answered."""
    sandbox.add_fault(path=route.replace("{id}", "*"), kind="hang", seconds=1, times=nth)
    answered_before = sandbox.statistics().by_route()[route]

    def wait_and_act() -> None:
        deadline = time.monotonic() + 60
        while sandbox.statistics().by_route()[route] < answered_before + nth:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


# The truth: documents of the API in the form that the tap promises, worked out independently of it.


#: The same few hundred names come again and again, and took most of the time of a comparison.
_snake_case = cache(inflection.underscore)


def expected_record(document: Record, *components: str, company_id: int) -> Record:
    """Turn a document into the record that must come of it."""
    properties: Record = {}
    for component in components:
        properties |= COMPONENTS[component]["properties"]
    known, additional = {"company_id": company_id}, {}
    for name, value in document.items():
        if name in properties:
            known[_snake_case(name)] = _expected(value, properties[name])
        else:
            additional[_snake_case(name)] = _expected(value, {})
    return known | ({"additional_fields": additional} if additional else {})


def _expected(value: Any, schema: Record) -> Any:
    if value is None or isinstance(value, int):
        return value
    schema = _resolved(schema)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {
            _snake_case(name): _expected(item, properties.get(name, {}))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_expected(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and schema.get("format") == "date-time":
        return utc(value)
    return Digits(value) if isinstance(value, Decimal) else value


def _resolved(schema: Record) -> Record:
    while "$ref" in schema or "allOf" in schema:
        schema = schema["allOf"][0] if "allOf" in schema else schema
        if "$ref" in schema:
            schema = COMPONENTS[schema["$ref"].rpartition("/")[2]]
    return schema


@cache
def utc(text: str, zone: str = "Europe/Helsinki") -> str:
    """Turn a naive local time into RFC 3339 in UTC."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    try:
        moment = local.astimezone(UTC)
    except OverflowError:
        # UTC would be beyond the first or the last year that there is.
        moment = datetime.min if local.year == 1 else datetime.max  # noqa: DTZ901
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


#: Stream, kind of the sandbox's truth, components of the specification.
DOCUMENT_STREAMS = {
    "business_partners": ("businesspartners", "BusinessPartnerBasicInfo", "BusinessPartner"),
    "business_partner_groups": ("business_partner_groups", "BusinessPartnerGroup"),
    "chart_of_accounts": ("coa", "LedgerAccount"),
    "company": ("company", "Company"),
    "dimensions": ("dimensions", "Dimension"),
    "fiscal_years": ("fiscalyears", "FiscalYear"),
    "invoices": ("invoices", "InvoiceBasicInfo", "Invoice"),
    "ledger_receipts": ("ledgerreceipts", "LedgerReceiptBasicInfo", "LedgerReceipt"),
    "persons": ("persons", "PersonBasicInfo", "Person"),
    "product_groups": ("product_groups", "ProductGroup"),
    "products": ("products", "Product"),
}

#: Row stream: the stream of its owners, the array inside them, the owner's id in the row.
ROW_STREAMS = {
    "dimension_items": ("dimensions", "items", "dimension_id"),
    "invoice_rows": ("invoices", "invoice_rows", "invoice_id"),
    "ledger_transactions": ("ledger_receipts", "transactions", "ledger_receipt_id"),
}


def truth(sandbox: Sandbox, stream: str) -> list[Record]:
    """Return the rows that a stream's table must hold, of all companies, in key order."""
    if stream in DOCUMENT_STREAMS:
        return _documents(sandbox, stream)
    if stream in ROW_STREAMS:
        return _rows(sandbox, stream)
    if stream == "projects":
        return _projects(sandbox)
    if stream == "ledger_transaction_dimensions":
        return _transaction_dimensions(sandbox)
    raise KeyError(stream)


def _documents(sandbox: Sandbox, stream: str) -> list[Record]:
    kind, *components = DOCUMENT_STREAMS[stream]
    records = [
        expected_record(document, *components, company_id=company.id)
        for company in sandbox.companies
        for document in company.truth(kind)
    ]
    if stream == "company":
        return records
    key = "ledger_account_code" if stream == "chart_of_accounts" else "id"
    return sorted(records, key=lambda record: (record["company_id"], record[key]))


def _rows(sandbox: Sandbox, stream: str) -> list[Record]:
    owner_stream, array, owner_id = ROW_STREAMS[stream]
    component = {
        "dimension_items": "DimensionItem",
        "invoice_rows": "InvoiceRow",
        "ledger_transactions": "Transaction",
    }[stream]
    known = {_snake_case(name) for name in COMPONENTS[component]["properties"]}
    rows = []
    for owner in truth(sandbox, owner_stream):
        for item in owner.get(array) or []:
            inherited = {"company_id": owner["company_id"], owner_id: owner["id"]}
            if "version" in owner:
                inherited["version"] = owner["version"]
            additional = {name: value for name, value in item.items() if name not in known}
            row = {name: value for name, value in item.items() if name in known}
            rows.append(inherited | row | ({"additional_fields": additional} if additional else {}))
    return sorted(rows, key=lambda row: (row["company_id"], row[owner_id], row["id"]))


def _projects(sandbox: Sandbox) -> list[Record]:
    names = {
        (dimension["company_id"], dimension["id"]): dimension["name"]
        for dimension in truth(sandbox, "dimensions")
    }
    rows = []
    for item in truth(sandbox, "dimension_items"):
        name = names[item["company_id"], item["dimension_id"]]
        if name in {"Projekti", "Project", "Projekt"}:
            rows.append(item | {"dimension_name": name})
    return sorted(rows, key=lambda row: (row["company_id"], row["id"]))


#: The key of a dimension item of a transaction.
_ITEM_OF_TRANSACTION = (
    "company_id",
    "ledger_receipt_id",
    "ledger_transaction_id",
    "dimension_id",
    "dimension_item_id",
)


def _transaction_dimensions(sandbox: Sandbox) -> list[Record]:
    """Return one row per item: where a transaction has one several times, its values' sum."""
    rows: dict[Key, Record] = {}
    for transaction in truth(sandbox, "ledger_transactions"):
        inherited = {name: transaction[name] for name in ("company_id", "ledger_receipt_id")}
        inherited |= {"ledger_transaction_id": transaction["id"], "version": transaction["version"]}
        for item in transaction.get("dimension_item_values") or []:
            row = inherited | {"dimension_item_id": item["item_id"]} | item
            first = rows.setdefault(tuple(row[name] for name in _ITEM_OF_TRANSACTION), row)
            if first is not row:
                first["value"] = Digits(Decimal(first["value"]) + Decimal(row["value"]))
    return [rows[key] for key in sorted(rows)]


STREAMS = (*DOCUMENT_STREAMS, *ROW_STREAMS, "projects", "ledger_transaction_dimensions")
