"""What all streams have in common: the SDK's hooks, and how a record is written."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import Metadata, Schema, StreamMetadata
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_procountor.api.clock import format_utc
from tap_procountor.errors import UNFORESEEN, ConfigurationError, RecordError
from tap_procountor.permissions.access import Access
from tap_procountor.records.converter import Record, RecordConverter, as_dict
from tap_procountor.records.schema import DELETED_AT, RecordSchema
from tap_procountor.records.schema import Schema as Properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog, CatalogEntry
    from singer_sdk.singerlib.catalog import Breadcrumb

    from tap_procountor.api.company import Company
    from tap_procountor.records.rejection import Rejection
    from tap_procountor.state.ids import Key
    from tap_procountor.streams.base.context import RunContext


class ProcountorStream(Stream):
    """A table of Procountor's data, for each company of the run."""

    primary_keys: ClassVar[tuple[str, ...]] = ("company_id", "id")
    schema: ClassVar[RecordSchema]
    #: The rights that the rows depend on.
    access: ClassVar[Access] = Access()

    #: The records are converted here, once; numbers are exact and times UTC when the SDK gets them.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap)
        #: What it shares with the other streams of the run.
        self.run = run

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return all paths that the rows are read from; names of parameters do not matter."""
        return ()

    @property
    def bookmark_name(self) -> str:
        """What the bookmarks of its owners call it: with another name they begin anew."""
        return self.name

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """The companies: bookmarks, failures and reports are per company."""
        return [{"company_id": company_id} for company_id in self.run.companies]

    @property
    def emit_activate_version_messages(self) -> bool:
        """Whether the SDK sends ACTIVATE_VERSION: never.

        It would do so before the first record, and a run that then fails would have the target
        delete the rows that it did not reach. See ``start_version`` and ``activate_version``.
        """
        return False

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take over the selection of a catalog; what it does not say is as it is declared.

        Raises:
            ConfigurationError: If it changes the key or the replication method: the records would
                not fit what the target and the state hold.
        """
        declared = (self.replication_method, tuple(self.primary_keys))
        if entry := catalog.get_stream(self.name):
            about = entry.metadata.get(()) or StreamMetadata()
            assert isinstance(about, StreamMetadata)  # noqa: S101 - for the type checker
            entry.key_properties = (
                entry.key_properties or about.table_key_properties or list(self.primary_keys)
            )
            entry.replication_key = (
                entry.replication_key or about.replication_key or self.replication_key
            )
            entry.replication_method = (
                entry.replication_method or about.forced_replication_method or declared[0]
            )
            self._complete_entry(entry)
        super().apply_catalog(catalog)
        if (self.replication_method, tuple(self.primary_keys)) != declared:
            msg = (
                f"The catalog changes the key or the replication method of '{self.name}', which is "
                f"{declared[0]} by {', '.join(declared[1])}: take that out. To read everything "
                "again, give no state."
            )
            raise ConfigurationError(msg)

    def _complete_entry(self, entry: CatalogEntry) -> None:
        """Deselect the columns that a stored entry lacks, and name them.

        Either the tap has learned them since, or the user has taken them out. Those by which rows,
        and deleted rows, are recognised are put in instead.
        """
        schema = entry.schema.to_dict()
        if not schema.get("properties"):
            entry.schema = Schema.from_dict(self.schema)
            return
        selection = entry.metadata.resolve_selection()
        lacking = [place for place in _lacking(self.schema, schema) if selection[place]]
        if not lacking or not selection[()]:
            return
        needed = {*self.primary_keys, self.replication_key, DELETED_AT}
        for place in lacking:
            if len(place) == len(("properties", "name")) and place[1] in needed:
                schema["properties"][place[1]] = self.schema["properties"][place[1]]
            else:
                entry.metadata[place] = Metadata(selected=False)
        entry.schema = Schema.from_dict(schema)
        self.run.report.warn(
            f"The catalog lacks columns of '{self.name}': "
            f"{', '.join('.'.join(place[1::2]) for place in lacking)}. They stay out of the table, "
            "keys and the mark of deletion excepted: make the catalog anew with --discover, or "
            "deselect them in it."
        )

    def start_version(self) -> None:
        """Number the records of a full-table stream, if the versions are to be activated."""
        if (
            self.config.get("emit_activate_version_messages")
            and self.replication_method == REPLICATION_FULL_TABLE
        ):
            self._stream_version = self._tap.initialized_at

    def announce(self) -> None:
        """Write the schema, before the first record that is written outside of the SDK's loop."""
        self.start_version()
        self._write_schema_message()

    def activate_version(self) -> None:
        """Tell the target that the table is complete; call it after the last record."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    def state_of(self, company: Company) -> dict[str, Any]:
        """Return the writable part of the state that is this stream's and the company's."""
        return self.get_context_state({"company_id": company.id})

    def write(self, record: Record) -> None:
        self._write_record_message(record)

    def keep_out(self, company: Company, rejection: Rejection) -> None:
        """Keep a record out of this table, but in ``rejected_records``."""
        self.run.report.outcome(self.name, company.id).reject(rejection)
        self.run.rejected_table.keep(
            self.name, company, rejection, shows_everything=self.shows_everything
        )

    def converter(self, schema: Properties, replication_key: str | None = None) -> RecordConverter:
        """Return what turns the API's objects of a schema into records or rows."""
        remarks = self.run.report.remarks(self.name)
        return RecordConverter(schema, self.run.api_clock, remarks, replication_key)

    def tombstone(self, company: Company, key: Key) -> Record:
        """Return the record that marks a row as deleted: its key, and when that was found."""
        names = self.primary_keys[1:]
        return {
            "company_id": company.id,
            **dict(zip(names, key, strict=True)),
            DELETED_AT: format_utc(company.opened),
        }

    def key_of(self, record: Record) -> Key:
        """Return the key of a record within its company, as JSON has it."""
        key = tuple(map(record.get, self._names_in_company))
        if self._has_dates:
            key = tuple([str(value) if type(value) is date else value for value in key])
        return key

    @cached_property
    def _has_dates(self) -> bool:
        """Whether a part of the key may be a date, which is decoded as one."""
        declared: RecordSchema = getattr_static(self, "schema")
        properties = declared.get_stream_schema(self, type(self))["properties"]
        return any(properties[name].get("format") == "date" for name in self._names_in_company)

    @cached_property
    def _names_in_company(self) -> tuple[str, ...]:
        return tuple(self.primary_keys[1:])

    def checked_key(self, record: Record) -> Key:
        """Return the key of a record, but refuse one that no table can hold.

        Raises:
            RecordError: If a part of the key is missing.
        """
        key = self.key_of(record)
        if None in key:
            name = self._names_in_company[key.index(None)]
            msg = f"The API sent a record without '{name}', which is part of its key."
            raise RecordError(msg)
        return key

    @cached_property
    def _is_plain(self) -> bool:
        """Whether records go out as they are: nothing is deselected, mapped or flattened."""
        return self.shows_everything and not self.config.get("flattening_enabled")

    @cached_property
    def shows_everything(self) -> bool:
        """Whether nothing of the records is deselected or mapped away."""
        return not self.config.get("stream_maps") and all(self.mask.values())

    def _write_record_message(self, record: Record) -> None:
        """Write a record, on the short way if the SDK's steps would change nothing.

        Looking for deselected fields and mapping take longer than all that the tap does itself.
        """
        if not self._is_plain:
            self._write_mapped(record)
            return
        self.run.message_writer.write_record(self.name, record, self._stream_version)
        self.state_manager.is_flushed = False

    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Do nothing: it would log a line per company about what the SDK has no part in."""

    def _write_mapped(self, record: Record) -> None:
        """Write a record by the SDK's steps.

        Raises:
            ConfigurationError: If a stream map cannot deal with it. It must not be kept among the
                rejected records: the map may be there to take personal data away.
        """
        try:
            super()._write_record_message(as_dict(record))
        except (*UNFORESEEN, MappingError):
            msg = (
                f"A stream map of '{self.name}' fails on a record: its expressions must deal with "
                "fields that are null or missing, as all but the key are in rows marked as "
                "deleted. Write record.get('name') instead of name."
            )
            raise ConfigurationError(msg) from None

    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return nothing: windows are bounded by the server's clock, the SDK's would be ours."""

    def _process_record(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: the SDK would add the company and sync child streams, which we have not."""

    def _increment_stream_state(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: bookmarks are the ends of windows, not the versions of records."""


def _lacking(wanted: Properties, given: Properties, place: Breadcrumb = ()) -> Iterator[Breadcrumb]:
    """Yield the places of columns that a stored schema lacks, those inside objects too."""
    there = given.get("properties", {})
    for name, field in wanted["properties"].items():
        here = (*place, "properties", name)
        if name not in there:
            yield here
        elif "properties" in field and "properties" in there[name]:
            yield from _lacking(field, there[name], here)
