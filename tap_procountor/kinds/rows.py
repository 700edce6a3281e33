"""Rows that stand inside the records of other streams."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.convert import Record, as_fields
from tap_procountor.kinds.base import ProcountorStream
from tap_procountor.schema import ADDITIONAL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context

    from tap_procountor.companies import Company
    from tap_procountor.kinds.read import ReadStream
    from tap_procountor.reading.batches import Batch


class RowStream(ProcountorStream):
    """Rows that stand inside the records of other streams, at no extra request.

    They carry their owner's id and ``version``, so that rows which have disappeared from a document
    can be recognised: their version is older than the document's.
    """

    #: The streams whose records hold the rows.
    owners: ClassVar[tuple[type[ReadStream], ...]]
    #: The array in the owner's records.
    field: ClassVar[str]
    #: What the owner's fields are called in the rows.
    owner_fields: ClassVar[dict[str, str]]

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return the paths of the owners."""
        return tuple(path for owner in cls.owners for path in owner.paths())

    def get_records(self, context: Context | None) -> Iterable[Any]:  # noqa: ARG002
        """Yield nothing: the rows are written with their owners."""
        return ()

    def prepare(self, company: Company, batches: Iterator[Batch]) -> Iterator[Batch]:  # noqa: ARG002
        """Learn what the rows need besides their owners; yield the batches one after the other."""
        return batches

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows of an owner's record."""
        inherited = self.inherited(record)
        for item in record.get(self.field) or ():
            yield self.row(inherited, item)

    def inherited(self, record: Record) -> dict[str, Any]:
        """Return what every row takes from its owner."""
        return {"company_id": record["company_id"]} | {
            name: record.get(field) for name, field in self.owner_fields.items()
        }

    def row(self, inherited: dict[str, Any], item: Record) -> dict[str, Any]:
        """Make a row; fields that the specification does not know move out of the root."""
        fields = as_fields(item)
        row = fields | inherited
        if not row.keys() <= self._known_fields or not fields.keys().isdisjoint(inherited):
            clashing = {name: fields[name] for name in fields.keys() & inherited.keys()}
            unknown = {name: row.pop(name) for name in row.keys() - self._known_fields}
            row[ADDITIONAL_FIELDS] = unknown | clashing
        return row

    @cached_property
    def _known_fields(self) -> frozenset[str]:
        return frozenset(self.schema["properties"])
