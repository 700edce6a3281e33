"""One run: it opens the companies, orders and reads the streams, and finishes or stops early."""

from __future__ import annotations

import logging
import os
import signal
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL

from tap_procountor import settings
from tap_procountor.errors import ConfigurationError, IncompleteError, ProcountorError
from tap_procountor.memory import relax_garbage_collection, share_memory
from tap_procountor.output.messages import OutputLostError, Terminated
from tap_procountor.output.watch import watching
from tap_procountor.permissions.preflight import end_of_support
from tap_procountor.permissions.rights import USER
from tap_procountor.readers.completer import DetailBatches
from tap_procountor.readers.lister import Whole
from tap_procountor.readers.prefetch import ReadAhead
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.ledger import LedgerStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.reconciliation import Reconciliation
from tap_procountor.streams.rejected import RejectedRecords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import TapState

    from tap_procountor.api.company import Company
    from tap_procountor.streams.base.context import RunContext

logger = logging.getLogger("tap-procountor")


class Run:
    """Reads the selected streams of all companies, in the order that wastes the least time.

    Args:
        context: The streams, and what they share.
        state: The tap's state, which the streams write to.
    """

    def __init__(self, context: RunContext, state: TapState) -> None:
        self.context = context
        self._state = state

    def sync(self) -> None:
        """Read everything selected; raise IncompleteError if something is missing at the end."""
        with watching(self.context.message_writer):
            self.check_settings()
            try:
                self.open_companies()
                relax_garbage_collection()
                share_memory()
                self._read_companies()
                self.context.state_writer.flush(self._state)
            except Terminated as stop:
                self._end_at_once(stop.signal_number)
            except BaseException as error:
                is_presentable = isinstance(error, ProcountorError | OutputLostError)
                self._write_report(ended_by=str(error) if is_presentable else type(error).__name__)
                raise
            finally:
                self.context.client.close()
            self._finish()

    # Before anything is read

    def check_settings(self) -> None:
        """Raise ConfigurationError if the settings or the selection cannot be used."""
        config = self.context.config
        _ = self.context.api_clock.zone
        if settings.is_unencrypted(config):
            self.context.report.warn(
                "The connection is not encrypted: credentials and data can be read on the way."
            )
        _ = self.context.moment("attachments_since")
        start, end = self.context.moment("start_date"), self.context.moment("end_date")
        if start and end and start >= end:
            msg = "The setting 'end_date' must be later than 'start_date'."
            raise ConfigurationError(msg)
        self._check_selection()
        # Last, so that no empty report is left by a run that does not begin.
        if report := config.get("run_report_path"):
            try:
                # Not touch(), which accepts a folder.
                Path(report).open("a").close()
            except OSError as error:
                raise _no_report(error) from None

    def _check_selection(self) -> None:
        streams = self.streams()
        if not streams:
            msg = "No stream is selected. Check the catalog's selection."
            raise ConfigurationError(msg)
        if names := [stream.name for stream in streams if stream.selected and stream.writes_files]:
            if not self.context.config.get("attachment_files_path"):
                msg = (
                    f"The selected {' and '.join(names)} need the setting 'attachment_files_path': "
                    "set it to a folder or a URL such as s3://bucket/path, or deselect them."
                )
                raise ConfigurationError(msg)
            self.context.file_store.check()
        for stream in streams:
            if not stream.selected and stream.replication_method == REPLICATION_INCREMENTAL:
                logger.warning(
                    "%s is not selected, but tables of its rows are: rows of deleted documents "
                    "cannot be recognised. Select both.",
                    stream.name,
                )

    def open_companies(self) -> None:
        """Open the keys' companies; warn if support for the API's version ends soon."""
        companies = list(self.context.companies.values())
        for company in companies:
            logger.info("Reading company %d: %s", company.id, company.name)
        api_url, today = self.context.config["api_url"], companies[0].server_time.date()
        for warning in end_of_support(api_url, today):
            self.context.report.warn(warning)

    def examine(self) -> None:
        """Request the rights and the API's version, before anything is written."""
        self.context.report.api_version = self.context.examination.api_version
        for company in self.context.companies.values():
            self.context.deletion_guard(company)

    # Reading

    def streams(self) -> list[ReadStream]:
        """Return the streams that are selected or hold the rows of a selected table, in order.

        Those that write files come last, for the others find the files.
        """
        readable = [one for one in self.context.streams.values() if isinstance(one, ReadStream)]
        streams = [
            stream
            for stream in readable
            if stream.selected or any(rows.selected for rows in stream.row_streams)
        ]
        is_compared = self.context.config["reconcile"] != "off" and any(
            isinstance(stream, LedgerStream) for stream in streams
        )
        # Of the comparison the rows need not be wanted; what it says is.
        streams = [
            stream
            for stream in readable
            if (is_compared if isinstance(stream, Reconciliation) else stream in streams)
        ]
        return sorted(streams, key=lambda stream: (stream.writes_files, _rank(stream)))

    def _parts(self) -> Iterator[tuple[ReadStream, Company]]:
        """Yield the parts of the run in order, which is also the priority of their requests."""
        parts = product(self.streams(), self.context.companies.values())
        for priority, (stream, company) in enumerate(parts):
            self.context.priorities[stream.name, company.id] = priority
            yield stream, self.context.part(stream.name, company)

    def _read_companies(self) -> None:
        """Read the streams; the rights are requested while the first of them are under way."""
        context = self.context
        context.read_ahead = ReadAhead(list(self._parts()), context.client.concurrency)
        # Held before any part is begun, for a part must not be the one that asks.
        with context.examining:
            context.read_ahead.begin()
            self.examine()
            self._read_again()
        self._sync_streams()

    def _read_again(self) -> None:
        """Let streams begin anew whose rows may have been hidden without a right gained since."""
        for company_id, gained in self.context.gained_rights.items():
            company = self.context.companies[company_id]
            for stream in self.context.streams.values():
                # Under limits such as "personal only", each user sees other rows.
                if isinstance(stream, ReadStream) and any(
                    right == USER or stream.access.concerns(right) for right in gained
                ):
                    stream.forget_bookmark(company)
                    self.context.read_ahead.forget(stream, company)

    def _sync_streams(self) -> None:
        announced: set[str] = set()
        rejected = self.context.streams[RejectedRecords.name]
        self.context.report.keeps_rejected = rejected.selected
        if rejected.selected and isinstance(rejected, RejectedRecords):
            rejected.announce()
        for stream in self.streams():
            row_streams = [rows for rows in stream.row_streams if rows.selected]
            for rows in row_streams:
                if rows.name not in announced:
                    rows.announce()
                    announced.add(rows.name)
            stream.start_version()
            stream.sync()
            if self.context.report.is_complete(stream.name):
                for complete in (stream, *row_streams):
                    complete.activate_version()

    # The end

    def _finish(self) -> None:
        report, client = self.context.report, self.context.client
        report.log(client.usage, client.rate)
        self._write_report()
        if count := len(report.failures):
            msg = f"The run is incomplete: {count} of its parts failed, as listed above."
            raise IncompleteError(msg)

    def _write_report(self, ended_by: str | None = None) -> None:
        """Write the run report, if one is wanted.

        Args:
            ended_by: Why the run ended early. An error here must not hide that one.
        """
        path = self.context.config.get("run_report_path")
        if not path:
            return
        client = self.context.client
        try:
            self.context.report.write(path, client.usage, client.rate, ended_by)
        except OSError as error:
            if ended_by is None:
                raise _no_report(error) from None
            logger.error("%s", _no_report(error))  # noqa: TRY400 - a sentence

    def _end_at_once(self, signum: int) -> None:
        """End without waiting for requests in flight; what was written stays valid."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self.context.message_writer.heed_stop()
        self.context.state_writer.write_state(self._state, at_once=True)
        logger.error("Stopped by signal %d; the next run goes on from here.", signum)
        self._write_report(ended_by=f"Stopped by signal {signum}.")
        logging.shutdown()
        os._exit(128 + signum)


def _rank(stream: ReadStream) -> int:
    """Return a stream's rank in the run.

    A long list in one answer comes first, for it waits in memory as a whole. Then come the streams
    with the longest chains of requests, between which those of others fit.
    """
    if not isinstance(stream, IncrementalStream):
        return 4 if isinstance(stream, Reconciliation) else 3
    if isinstance(stream.lister, Whole):
        return 0
    return 1 if isinstance(stream.completer, DetailBatches) else 2


def _no_report(error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The file of run_report_path cannot be written: {error.strerror}.")
