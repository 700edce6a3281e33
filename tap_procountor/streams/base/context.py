"""What the streams of a run share: one object, made by the tap and handed to each of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from tap_procountor.api.company import Company
from tap_procountor.readers.prefetch import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk import Stream

    from tap_procountor.output.messages import MessageWriter
    from tap_procountor.records.rejection import Rejection

    class RejectedTable(Protocol):
        """Keeps the records that no other table can hold."""

        @property
        def selected(self) -> bool:
            """Whether they are written."""

        def keep(self, stream: Stream, company: Company, rejection: Rejection) -> None:
            """Write one, if they are."""


class RunContext:
    """What the streams of a run share. Nothing is opened or asked for before it is needed.

    Args:
        config: The settings, checked.
        message_writer: Writes Singer messages.

    Attributes:
        streams: All streams by name, once they are made.
        rejected_table: Where rejected records go, likewise.
        read_ahead: Reads what comes next; a run gives it the parts in their order.
        gained: Rights that a company's user has gained since the last run; what they hid must be
            read again.
    """

    rejected_table: RejectedTable
    read_ahead: ReadAhead

    def __init__(self, config: Mapping[str, Any], message_writer: MessageWriter) -> None:
        self.config = config
        self.message_writer = message_writer
        self.streams: dict[str, Stream] = {}
        self.gained: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
