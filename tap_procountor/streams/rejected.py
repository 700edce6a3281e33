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
    from tap_procountor.records.converter import Rejection


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

    def keep(self, stream: ProcountorStream, company: Company, rejection: Rejection) -> None:
        """Write a record that another stream has rejected, or only that it has."""
        if not self.selected:
            return
        row = {
            "company_id": company.id,
            "stream": stream.name,
            # Documents may have rows that are alike.
            "digest": sha256(f"{rejection.number} {rejection.text}".encode()).hexdigest(),
            "record_key": rejection.key,
            "reason": rejection.reason,
            "record": rejection.text if self._shows(stream) else None,
            "rejected_at": format_utc(company.opened),
        }
        self.write(row)

    def _shows(self, stream: ProcountorStream) -> bool:
        """Whether the records of a stream may be seen as a whole.

        What the user has deselected or mapped away must not come back by this door.
        """
        content = self.config["rejected_record_content"]
        return content == "full" or (content == "as_selected" and stream.shows_everything)
