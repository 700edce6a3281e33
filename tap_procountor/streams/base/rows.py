"""Rows that stand inside the records of other streams."""

from __future__ import annotations

from functools import cached_property
from inspect import getattr_static
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.errors import UNFORESEEN, RecordError
from tap_procountor.records.converter import Checked, Record, RecordConverter
from tap_procountor.records.rejection import as_record_error
from tap_procountor.records.schema import ADDITIONAL_FIELDS, RecordSchema
from tap_procountor.records.structs import Fields
from tap_procountor.streams.base.stream import ProcountorStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Context

    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch
    from tap_procountor.state.ids import Key


_FAULTS = (RecordError, *UNFORESEEN)


class RowStream(ProcountorStream):
    """Rows that stand inside the records of other streams, at no extra request.

    They carry their owner's id and ``version``, so that rows which have disappeared from a document
    can be recognised: their version is older than the document's.
    """

    #: The streams whose records hold the rows.
    owners: ClassVar[tuple[type[ProcountorStream], ...]]
    #: The array in the owner's records.
    field: ClassVar[str]
    #: What the owner's fields are called in the rows.
    owner_fields: ClassVar[dict[str, str]]

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        return tuple(path for owner in cls.owners for path in owner.paths())

    def get_records(self, context: Context | None) -> Iterable[Any]:  # noqa: ARG002
        """Yield nothing: the rows are written with their owners."""
        return ()

    def before_reading(self, owner: ProcountorStream, company: Company) -> None:
        """Look whether an owner is to be read further back than it would be."""

    def prepare(self, company: Company, batches: Iterator[Any]) -> Iterator[Any]:  # noqa: ARG002
        """Put into each batch what its rows need besides the documents."""
        return batches

    def completed(
        self,
        rows: Iterator[dict[str, Any]],
        batch: Batch,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """Add to a record's rows what ``prepare`` has put into the batch."""
        return rows

    def sorted_rows(
        self, owner: ProcountorStream, record: Record, batch: Batch
    ) -> tuple[list[dict[str, Any]], list[tuple[Any, RecordError]]]:
        """Return the rows of an owner's record that the table can hold, and apart the others.

        Two rows with one key are never written: the table would have one of them, without a word.
        """
        self._faulty.clear()
        rows: list[dict[str, Any]] = []
        try:
            rows.extend(self.completed(self.rows(owner, record), batch))
        except UNFORESEEN as error:
            self._faulty.append((record.get(self.field), as_record_error(error)))
        if rows and not self._have_keys(rows):
            rows = [*self._with_keys(rows)]
        return rows, [*self._faulty] if self._faulty else []

    def _have_keys(self, rows: list[dict[str, Any]]) -> bool:
        """Tell whether each row has a key of its own, as nearly all have."""
        try:
            keys = {*map(self._key_in, rows)}
            return len(keys) == len(rows) and None not in chain.from_iterable(keys)
        except (KeyError, TypeError):
            return False

    @cached_property
    def _key_in(self) -> Callable[[dict[str, Any]], Key]:
        return itemgetter(*self.primary_keys)

    def _with_keys(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows that have a key of their own, and note what is wrong with the others."""
        first_ones: dict[Key, dict[str, Any]] = {}
        for row in rows:
            try:
                first = first_ones.setdefault(self.checked_key(row), row)
                if first is not row and not self.is_same(first, row):
                    msg = "The API sent another row with the same key before it."
                    raise RecordError(msg)  # noqa: TRY301 - as that of the call
            except RecordError as error:
                self._faulty.append((row, error))
        yield from first_ones.values()

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        inherited = self.inherited(record)
        for item in record.get(self.field) or ():
            yield from self.made(inherited, item)

    def inherited(self, record: Record) -> dict[str, Any]:
        return {"company_id": record["company_id"]} | {
            name: record.get(field) for name, field in self.owner_fields.items()
        }

    def is_same(self, first: dict[str, Any], second: dict[str, Any]) -> bool:  # noqa: ARG002
        """Whether two rows of a record that have the same key are one and the same thing."""
        return False

    def made(self, inherited: dict[str, Any], item: Record | None) -> tuple[dict[str, Any], ...]:
        """Return the row that is made of an item; none if it cannot be, which is noted."""
        try:
            return (self.row(inherited, item),)
        except _FAULTS as error:
            self._faulty.append((item, as_record_error(error)))
            return ()

    def row(self, inherited: dict[str, Any], item: Record | None) -> dict[str, Any]:
        """Make a row; fields that the specification does not know move out of the root.

        Raises:
            RecordError: If the item does not fit the table.
        """
        if item is None:
            msg = "The API sent null where a row should be."
            raise RecordError(msg)
        additional = None
        if isinstance(item, Fields):
            fields = item.to_dict()
        elif isinstance(item, Checked):
            fields = {**item}
        else:
            # It stood in a field that the specification does not know.
            fields = self._convert_item(item).to_dict()
            additional = fields.pop(ADDITIONAL_FIELDS, None)
        if not fields.keys() <= self._own_fields:
            unknown = {name: fields.pop(name) for name in fields.keys() - self._own_fields}
            additional = (additional or {}) | unknown
        if additional:
            fields[ADDITIONAL_FIELDS] = additional
        fields.update(inherited)
        return fields

    @cached_property
    def _faulty(self) -> list[tuple[Any, RecordError]]:
        """Items of the newest record that no row can be made of, and what is wrong with them."""
        return []

    @cached_property
    def _own_fields(self) -> frozenset[str]:
        """What an item may have in the root of its row: its own fields, not the owner's."""
        schema: RecordSchema = getattr_static(self, "schema")
        return frozenset(schema.component["properties"]).difference(schema.added, ("company_id",))

    @cached_property
    def _convert_item(self) -> RecordConverter:
        return self.converter(getattr_static(self, "schema").component)
