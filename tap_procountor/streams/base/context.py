"""What the streams of a run share: one object, made by the tap and handed to each of them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import RLock, Semaphore
from typing import TYPE_CHECKING, Any, Protocol

from tap_procountor.api.client import ProcountorClient
from tap_procountor.api.clock import ApiClock
from tap_procountor.api.company import clock_warning, open_companies
from tap_procountor.downloads.store import FileStore
from tap_procountor.errors import ConfigurationError, ProcountorError
from tap_procountor.output.messages import StateWriter
from tap_procountor.output.report import RunReport
from tap_procountor.permissions.preflight import Examination, examine
from tap_procountor.readers.attachment_search import AttachmentSearch, KeptPages
from tap_procountor.readers.prefetch import ReadAhead
from tap_procountor.state.deletions import DeletionGuard
from tap_procountor.state.known_rights import KnownRights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk import Stream

    from tap_procountor.api.company import Company
    from tap_procountor.output.messages import MessageWriter
    from tap_procountor.permissions.rights import Rights
    from tap_procountor.records.rejection import Rejection

    class RejectedTable(Protocol):
        """Keeps the records that no other table can hold: ``RejectedRecords``."""

        @property
        def selected(self) -> bool: ...

        def keep(
            self, stream: str, company: Company, rejection: Rejection, *, shows_everything: bool
        ) -> None: ...


class RunContext:
    """What the streams of a run share. Nothing is opened or requested before it is needed.

    Args:
        config: The settings, checked.
        message_writer: Writes Singer messages.

    Attributes:
        streams: All streams by name, once they are made.
        rejected_table: Takes rejected records, likewise.
        gained_rights: By company, the rights gained since the last run: rows that were hidden
            without them must be read from the beginning.
        priorities: The places of the run's parts, by stream and company; see ``Gate``.
    """

    rejected_table: RejectedTable

    def __init__(self, config: Mapping[str, Any], message_writer: MessageWriter) -> None:
        self.config = config
        self.message_writer = message_writer
        self.streams: dict[str, Stream] = {}
        self.gained_rights: dict[int, tuple[str, ...]] = {}
        self.priorities: dict[tuple[str, int], int] = {}
        #: Held while the rights are requested: streams that have begun wait for them.
        self.examining = RLock()
        self._searches: dict[int, AttachmentSearch] = {}
        self._kept_pages = KeptPages()

    @cached_property
    def client(self) -> ProcountorClient:
        return ProcountorClient(self.config)

    @cached_property
    def state_writer(self) -> StateWriter:
        return StateWriter(self.message_writer)

    @cached_property
    def api_clock(self) -> ApiClock:
        return ApiClock(self.config["timezone"])

    @cached_property
    def report(self) -> RunReport:
        return RunReport(self.config["max_rejected_records"])

    @cached_property
    def read_ahead(self) -> ReadAhead:
        """Reads ahead of the writer; without a run it has no parts to begin."""
        return ReadAhead((), self.client.concurrency)

    @cached_property
    def companies(self) -> dict[int, Company]:
        """The companies that the keys open, by id; requested when a sync or a test begins.

        Raises:
            ProcountorError: If no key opens a company, or two open the same one.
        """
        keys = self.config.get("api_keys") or [self.config["api_key"]]
        lookback = timedelta(seconds=self.config["lookback"])
        companies, failures = open_companies(self.client, keys, lookback)
        if len(keys) > 1:
            for key_name, error in failures:
                self.report.company_failed(key_name, error)
        if not companies:
            raise failures[0][1]
        if warning := clock_warning(companies.values()):
            self.report.warn(warning)
        return companies

    def part(self, stream: str, company: Company) -> Company:
        """Return a company whose requests are counted for a stream, and wait in its place."""
        usage = self.report.outcome(stream, company.id).usage
        return company.for_part(usage, self.priorities.get((stream, company.id), 0))

    @cached_property
    def examination(self) -> Examination:
        """The API's version and the users' rights, requested before anything is written."""
        return examine(self.client, list(self.companies.values()))

    def rights_of(self, company: Company) -> Rights:
        """Return the rights of a company's user; none if they cannot be read."""
        rights = self.examination.rights[company.id]
        return rights if isinstance(rights, dict) else {}

    def deletion_guard(self, company: Company) -> DeletionGuard:
        """Return what decides about a company's deletions, once its user's rights are known."""
        with self.examining:
            return self._deletion_guards[company.id]

    @cached_property
    def _deletion_guards(self) -> dict[int, DeletionGuard]:
        return {company.id: self._make_guard(company) for company in self.companies.values()}

    def _make_guard(self, company: Company) -> DeletionGuard:
        """Compare the rights with those of earlier runs, and keep them for the next."""
        # A backfill leaves the state of normal runs alone.
        state = (
            {}
            if self.is_backfill
            else self.streams["company"].get_context_state({"company_id": company.id})
        )
        known, rights = KnownRights(state), self.examination.rights[company.id]
        is_confirmed = self.config["confirm_deletions"]
        guard = DeletionGuard(
            company,
            known,
            rights,
            max_share=self.config["max_deleted_share"],
            is_confirmed=is_confirmed,
        )
        if not isinstance(rights, ProcountorError):
            changes = known.update(rights, is_confirmed=is_confirmed)
            self.gained_rights[company.id] = changes.gained
            if changes.text:
                self.report.warn(
                    f"Company {company.id}: the rights or settings have changed since the last "
                    f"run: {changes.text}"
                )
        return guard

    def attachment_search(self, company: Company) -> AttachmentSearch:
        """Return the search of a company's attachments; all companies share its cache."""
        if company.id not in self._searches:
            part = self.part("attachments", company)
            self._searches[company.id] = AttachmentSearch(part, self._kept_pages)
        return self._searches[company.id]

    @cached_property
    def file_store(self) -> FileStore:
        return FileStore(self.config["attachment_files_path"])

    @cached_property
    def file_quota(self) -> Semaphore:
        most = self.config.get("max_attachment_downloads")
        return Semaphore(sys.maxsize if most is None else most)

    def keeps_ids(self, *, of_all_streams: bool) -> bool:
        check = self.config["deletion_check"]
        return check in ({"full"} if of_all_streams else {"full", "open_periods"})

    @property
    def is_backfill(self) -> bool:
        """Whether the run leaves bookmarks alone and looks for no deletions."""
        return bool(self.config.get("end_date"))

    def moment(self, setting: str) -> datetime | None:
        """Read a setting that is a date or a time.

        Raises:
            ConfigurationError: If it is neither.
        """
        value = self.config.get(setting)
        if value is None:
            return None
        try:
            return self.api_clock.parse(value).astimezone(UTC)
        except ValueError:
            msg = f"The setting '{setting}' is no date or time: use a form such as 2026-01-31."
            raise ConfigurationError(msg) from None
