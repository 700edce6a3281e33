"""The tap: what its streams share, and the order of a run."""

from __future__ import annotations

import logging
import os
import signal
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import product
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL

from tap_procountor import settings
from tap_procountor.api.client import ProcountorClient
from tap_procountor.api.clock import ApiClock
from tap_procountor.api.company import Company, open_companies
from tap_procountor.check import look, table
from tap_procountor.cli import SAID_FOR_PEOPLE, CommandLine
from tap_procountor.downloads.store import FileStore, Quota
from tap_procountor.errors import ConfigurationError, IncompleteError, ProcountorError
from tap_procountor.memory import relax_garbage_collection, share_memory
from tap_procountor.output.messages import (
    MessageWriter,
    OutputLostError,
    StateWriter,
    Terminated,
    say,
)
from tap_procountor.output.report import RunReport
from tap_procountor.output.watch import watching
from tap_procountor.permissions.preflight import Examination, end_of_support, examine
from tap_procountor.permissions.rights import USER, Changes, KnownRights, Rights, tells_rights
from tap_procountor.readers.attachment_search import AttachmentSearch, KeptPages
from tap_procountor.readers.prefetch import ReadAhead
from tap_procountor.state.bookmarks import Bookmark
from tap_procountor.state.deletions import DeletionGuard
from tap_procountor.state.validation import check_state
from tap_procountor.streams.base.incremental import DocumentStream, IncrementalStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.base.unpaged import UnpagedIncrementalStream
from tap_procountor.streams.registry import STREAM_TYPES
from tap_procountor.streams.rejected import RejectedRecords

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk import Stream

    from tap_procountor.records.converter import Rejection
    from tap_procountor.streams.base.stream import ProcountorStream


class TapProcountor(CommandLine):
    """Singer tap for the Finnish accounting system Procountor."""

    name = "tap-procountor"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SETTINGS.to_dict()
    message_writer_class = MessageWriter

    #: All of the SDK's but BATCH: its files lag behind the state, so that a killed run would lose
    #: records, and they hold decimals as text.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    message_writer: MessageWriter

    # What the streams of a run share

    @cached_property
    def client(self) -> ProcountorClient:
        """The one that makes all requests."""
        return ProcountorClient(self.config)

    @cached_property
    def state_writer(self) -> StateWriter:  # type: ignore[override]
        """Writes the state now and then."""
        return StateWriter(self.message_writer)

    @cached_property
    def api_clock(self) -> ApiClock:
        """Reads and writes the API's times."""
        return ApiClock(self.config["timezone"])

    @cached_property
    def report(self) -> RunReport:
        """What the run has brought."""
        return RunReport(self.config["max_rejected_records"])

    @cached_property
    def companies(self) -> dict[int, Company]:
        """The companies that the keys open, by id; asked for when a sync or a test begins."""
        keys = self.config.get("api_keys") or [self.config["api_key"]]
        lookback = timedelta(seconds=self.config["lookback"])
        return open_companies(self.client, keys, self.report, lookback)

    @cached_property
    def examination(self) -> Examination:
        """What is known of the API and the users' rights before anything is written."""
        return examine(self.client, list(self.companies.values()))

    def rights_of(self, company: Company) -> Rights:
        """Return the rights of a company's user; none if they cannot be told."""
        rights = self.examination.rights[company.id]
        return rights if isinstance(rights, dict) else {}

    def reject(self, stream: ProcountorStream, company: Company, rejection: Rejection) -> None:
        """Keep a record out of its table, but do not lose it."""
        self.report.outcome(stream.name, company.id).reject(rejection)
        self.report.keeps_rejected = self.rejected_records.selected
        self.rejected_records.keep(stream, company, rejection)

    @property
    def rejected_records(self) -> RejectedRecords:
        """The stream of what no table can hold."""
        stream = self.streams[RejectedRecords.name]
        assert isinstance(stream, RejectedRecords)  # noqa: S101 - for the type checker
        return stream

    @cached_property
    def read_ahead(self) -> ReadAhead:
        """Reads the parts of the run ahead of the writer."""
        parts = []
        for order, (stream, company) in enumerate(
            product(self._streams_to_read(), self.companies.values())
        ):
            usage = self.report.outcome(stream.name, company.id).usage
            usage.order = order
            parts.append((stream, company.counting(usage)))
        return ReadAhead(parts, self.client.concurrency)

    def attachment_search(self, company: Company) -> AttachmentSearch:
        """Return what looks a company's attachments up; the streams share what it has kept."""
        if company.id not in self._attachment_searches:
            usage = self.report.outcome("attachments", company.id).usage
            self._attachment_searches[company.id] = AttachmentSearch(
                company.counting(usage), self._kept_pages
            )
        return self._attachment_searches[company.id]

    @cached_property
    def _attachment_searches(self) -> dict[int, AttachmentSearch]:
        return {}

    @cached_property
    def _kept_pages(self) -> KeptPages:
        return KeptPages()

    @cached_property
    def file_store(self) -> FileStore:
        """Where downloaded files are kept."""
        return FileStore(self.config["attachment_files_path"])

    @cached_property
    def file_quota(self) -> Quota:
        """How many files the run may ask for."""
        return Quota(self.config.get("max_attachment_downloads"))

    def bookmark(self, stream: IncrementalStream, company: Company) -> Bookmark:
        """Return the bookmark of a stream, which also speaks of the rows inside its records."""
        return Bookmark(
            stream.state_of(company),
            replication_key=str(stream.replication_key),
            streams=[one.bookmark_name for one in (stream, *stream.row_streams) if one.selected],
            now=company.opened,
            agreed=company.agreed,
            start_date=self.moment("start_date"),
            end_date=self.moment("end_date"),
            lookback=stream.lookback,
            warn=self.report.warn,
        )

    def keeps_ids(self, *, of_all_streams: bool) -> bool:
        """Tell whether the state keeps what is written, to find deletions by."""
        check = self.config["deletion_check"]
        return check in ({"full"} if of_all_streams else {"full", "open_periods"})

    @property
    def is_backfill(self) -> bool:
        """Whether the run leaves bookmarks alone and looks for no deletions."""
        return bool(self.config.get("end_date"))

    def deletion_guard(self, company: Company) -> DeletionGuard:
        """Return what decides about a company's deletions, once its user's rights are known."""
        with self._examining:
            return self._deletion_guards[company.id]

    @cached_property
    def _deletion_guards(self) -> dict[int, DeletionGuard]:
        return {company.id: self._make_guard(company) for company in self.companies.values()}

    @cached_property
    def _examining(self) -> RLock:
        """Held while the rights are asked for: streams that are begun meanwhile wait for them."""
        return RLock()

    def _make_guard(self, company: Company) -> DeletionGuard:
        """Compare the rights with those of earlier runs, and keep them for the next."""
        rights = self.examination.rights[company.id]
        # A backfill does not touch what normal runs go by.
        state = (
            {}
            if self.is_backfill
            else self.streams["company"].get_context_state({"company_id": company.id})
        )
        known = KnownRights(state)
        is_confirmed = self.config["confirm_deletions"]
        guard = DeletionGuard(
            company,
            known,
            rights,
            max_share=self.config["max_deleted_share"],
            is_confirmed=is_confirmed,
        )
        if isinstance(rights, ProcountorError):
            return guard
        if is_confirmed or tells_rights(rights) or not tells_rights(known.highest):
            changes = Changes.between(known.last, rights)
            known.keep(rights, is_confirmed=is_confirmed)
            if changes.text:
                self.report.warn(
                    f"Company {company.id}: the rights or settings have changed since the last "
                    f"run: {changes.text}"
                )
                self._read_again(company, changes.gained)
        return guard

    def _read_again(self, company: Company, gained: tuple[str, ...]) -> None:
        """Let streams begin anew if rights have been granted: older rows may have been hidden."""
        for stream in self.streams.values():
            if isinstance(stream, ReadStream) and any(
                # Limits such as "personal only" show each user other rows.
                right == USER or stream.access.concerns(right)
                for right in gained
            ):
                stream.forget_bookmark(company)
                self.read_ahead.forget(stream, company)

    # The SDK's hooks

    def discover_streams(self) -> list[Stream]:
        """Make all streams; no request is made."""
        streams = [stream_type(self) for stream_type in STREAM_TYPES]
        for row_stream in streams:
            if isinstance(row_stream, RowStream):
                for owner in streams:
                    if type(owner) in row_stream.owners:
                        owner.row_streams.append(row_stream)
        return list(streams)

    def setup_mapper(self) -> None:
        """Prepare the stream maps.

        The SDK refuses the map of a stream that is not selected, because it then has no columns: a
        map that takes personal data away must not stand in the way before the stream is selected.

        Raises:
            ConfigurationError: If a map cannot be used.
        """
        try:
            super(Tap, self).setup_mapper()
            # They complete the entries of a catalog that was given.
            _ = self.streams
            for entry in self.catalog.streams:
                schema, mask = entry.schema.to_dict(), entry.metadata.resolve_selection()
                if mask[()]:
                    schema = get_selected_schema(entry.tap_stream_id, schema, mask)
                self.mapper.register_raw_stream_schema(
                    entry.tap_stream_id, schema, entry.key_properties
                )
        except MappingError as error:
            msg = f"The setting 'stream_maps' cannot be used: {error}"
            raise ConfigurationError(msg) from None
        except ValueError:
            if not self.config.get("flattening_enabled"):
                raise
            msg = (
                "The setting 'flattening_max_key_length' is too short: two columns would have the "
                "same name."
            )
            raise ConfigurationError(msg) from None

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state of the last run.

        Raises:
            ConfigurationError: If it cannot be understood.
        """
        check_state(
            state,
            {
                stream.name: len(stream.variants)
                for stream in self.streams.values()
                if isinstance(stream, IncrementalStream)
            },
        )
        super().load_state(state)

    def sync_all(self) -> None:  # type: ignore[misc]
        """Read all selected streams.

        Overrides a method that the SDK calls final: its loop ends at the first stream that fails,
        knows one parent per child stream, and reads nothing ahead.

        Raises:
            IncompleteError: If something that was asked for has not arrived.
        """
        with watching(self.message_writer):
            self._sync_all()

    def _sync_all(self) -> None:
        self._reset_state_progress_markers()
        self._check_settings()
        self._check_selection()
        try:
            self._open_companies()
            relax_garbage_collection()
            share_memory()
            self._read_companies()
            self.state_writer.flush(self.state)
        except Terminated as stop:
            self._end_at_once(stop.signal_number)
        except BaseException as error:
            is_said = isinstance(error, (*SAID_FOR_PEOPLE, OutputLostError))
            self._write_report(ended_by=str(error) if is_said else type(error).__name__)
            raise
        finally:
            self.client.close()
        self._finish()

    def _open_companies(self) -> None:
        """Ask for the companies."""
        companies = list(self.companies.values())
        for company in companies:
            self.logger.info("Reading company %d: %s", company.id, company.name)
        for warning in end_of_support(self.config["api_url"], companies[0].server_time.date()):
            self.report.warn(warning)

    def _read_companies(self) -> None:
        """Read the streams; the rights are asked for while the first of them are under way."""
        # Held before any part is begun, for a part must not be the one that asks.
        with self._examining:
            self.read_ahead.begin()
            self._examine()
        self._sync_streams()

    def _examine(self) -> None:
        """Ask for the users' rights and the API, before anything is written."""
        self.report.api_version = self.examination.api_version
        _ = self._deletion_guards

    def _sync_streams(self) -> None:
        announced: set[str] = set()
        if self.rejected_records.selected:
            self.rejected_records.announce()
        for stream in self._streams_to_read():
            row_streams = [rows for rows in stream.row_streams if rows.selected]
            for rows in row_streams:
                if rows.name not in announced:
                    rows.announce()
                    announced.add(rows.name)
            stream.start_version()
            stream.sync()
            if self.report.is_complete(stream.name):
                for complete in (stream, *row_streams):
                    complete.activate_version()

    def _streams_to_read(self) -> list[ReadStream]:
        """Return the streams that are selected themselves or hold the rows of one that is.

        A long list in one answer comes first, for it waits in memory as a whole. Then, the more
        requests follow from one another, the earlier a stream comes: those of the others fit in
        between. Those that write files come last: the others tell them which.
        """
        streams = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, ReadStream)
            and (stream.selected or any(rows.selected for rows in stream.row_streams))
        ]
        return sorted(
            streams,
            key=lambda stream: (
                stream.writes_files,
                not isinstance(stream, UnpagedIncrementalStream),
                not isinstance(stream, DocumentStream),
                not isinstance(stream, IncrementalStream),
            ),
        )

    def _finish(self) -> None:
        self.report.log(self.client.usage, self.client.rate)
        self._write_report()
        if count := len(self.report.failures):
            msg = f"The run is incomplete: {count} of its parts failed, as listed above."
            raise IncompleteError(msg)

    def _write_report(self, ended_by: str | None = None) -> None:
        """Write the run report, if one is wanted.

        Args:
            ended_by: What ended the run before its time; nothing may then come in its way.

        Raises:
            ConfigurationError: If the report cannot be written.
        """
        path = self.config.get("run_report_path")
        if not path:
            return
        try:
            self.report.write(path, self.client.usage, self.client.rate, ended_by)
        except OSError as error:
            if ended_by is None:
                raise _no_report(error) from None
            self.logger.error("%s", _no_report(error))  # noqa: TRY400 - a sentence

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop the run on SIGTERM or Ctrl-C; the SDK would end it with exit code 0."""
        self.message_writer.stop(signum)

    def _end_at_once(self, signum: int) -> None:
        """End without waiting for requests under way; what was written stays valid."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self.message_writer.heed_stop()
        self.state_writer.write_state(self.state, at_once=True)
        self.logger.error("Stopped by signal %d; the next run goes on from here.", signum)
        self._write_report(ended_by=f"Stopped by signal {signum}.")
        logging.shutdown()
        os._exit(128 + signum)

    def moment(self, setting: str) -> datetime | None:
        """Read a setting that is a date or a time."""
        value = self.config.get(setting)
        if value is None:
            return None
        try:
            return self.api_clock.parse(value).astimezone(UTC)
        except ValueError:
            msg = f"The setting '{setting}' is no date or time: use a form such as 2026-01-31."
            raise ConfigurationError(msg) from None

    def _check_settings(self) -> None:
        """Raise a ConfigurationError now, not once per stream."""
        _ = self.api_clock.zone
        if settings.is_unencrypted(self._config):
            self.report.warn(
                "The connection is not encrypted: credentials and data can be read on the way."
            )
        if report := self.config.get("run_report_path"):
            try:
                # Touching a folder would do.
                Path(report).open("a").close()
            except OSError as error:
                raise _no_report(error) from None
        _ = self.moment("attachments_since")
        start, end = self.moment("start_date"), self.moment("end_date")
        if start and end and start >= end:
            msg = "The setting 'end_date' must be later than 'start_date'."
            raise ConfigurationError(msg)

    def _check_selection(self) -> None:
        if not self._streams_to_read():
            msg = "No stream is selected: a run would bring nothing. Check the catalog's selection."
            raise ConfigurationError(msg)
        self._check_file_store()
        for stream in self._streams_to_read():
            if not stream.selected and stream.replication_method == REPLICATION_INCREMENTAL:
                self.logger.warning(
                    "%s is not selected but tables of its rows are: the rows of what is deleted "
                    "cannot be told from others. Select both.",
                    stream.name,
                )

    def _check_file_store(self) -> None:
        """Make sure that streams of files have a place for them."""
        names = [
            stream.name
            for stream in self._streams_to_read()
            if stream.selected and stream.writes_files
        ]
        if not names:
            return
        if not self.config.get("attachment_files_path"):
            msg = (
                f"The selected {' and '.join(names)} need the setting 'attachment_files_path': set "
                "it to a folder or a URL such as s3://bucket/path, or deselect them."
            )
            raise ConfigurationError(msg)
        self.file_store.check()

    def test_connection(self) -> None:
        """Look at every selected stream of every company, and print what can be read.

        Raises:
            ProcountorError: If no key opens a company, or if a stream cannot be read in full.
        """
        self._check_settings()
        self._check_selection()
        try:
            self._open_companies()
            self._examine()
            companies = self.companies.values()
            rights = {company.id: self.rights_of(company) for company in companies}
            findings = look(companies, self._streams_to_read(), rights, self.client.threads)
        finally:
            self.client.close()
        for company in companies:
            say("\n".join(table(company, findings)))
        count = sum(finding.is_short for finding in findings.values())
        if count or self.report.failures:
            msg = (
                f"{count + len(self.report.failures)} of the selected streams or companies cannot "
                "be read in full; see above."
            )
            raise IncompleteError(msg)


def _no_report(error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The file of run_report_path cannot be written: {error.strerror}.")
