"""Tables as a target holds them, and their current rows as README defines them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.command import Run
    from support.exact import Key, Record


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
