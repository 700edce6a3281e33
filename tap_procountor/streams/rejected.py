"""Records that cannot be used: they are not lost but kept here, as they came."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tap_procountor.api.clock import format_utc
from tap_procountor.records.schema import DATE_TIME, STRING, RecordSchema
from tap_procountor.streams.base.stream import ProcountorStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context

    from tap_procountor.api.company import Company
    from tap_procountor.records.rejection import Rejection


class RejectedRecords(ProcountorStream):
    """Records that the tap could not use, as text, with the reason."""

    name = "rejected_records"
    primary_keys = ("company_id", "stream", "digest")
    schema = RecordSchema(
        added={
            "stream": STRING,
            "digest": STRING,
            "record_key": STRING,
            "reason": STRING,
            "record": STRING,
            "rejected_at": DATE_TIME,
        }
    )

    def get_records(self, context: Context | None) -> Iterable[Any]:  # noqa: ARG002
        """Yield nothing: the records are written when they are met."""
        return ()

    def keep(
        self, stream: str, company: Company, rejection: Rejection, *, shows_everything: bool
    ) -> None:
        """Write a record that another stream has rejected, or only the reason.

        What the user has deselected or mapped away must not come back by this door.
        """
        if not self.selected:
            return
        content = self.config["rejected_record_content"]
        is_whole = content == "full" or (content == "as_selected" and shows_everything)
        row = {
            "company_id": company.id,
            "stream": stream,
            # Documents may have rows that are alike.
            "digest": sha256(f"{rejection.number} {rejection.text}".encode()).hexdigest(),
            "record_key": rejection.key,
            "reason": rejection.reason,
            "record": rejection.text if is_whole else None,
            "rejected_at": format_utc(company.opened),
        }
        self.write(row)
