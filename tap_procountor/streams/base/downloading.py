"""How files are downloaded: those that the documents of a run have named, a bounded number ahead.

While documents are written, the ids of what is to be downloaded are kept in the state, which thus
speaks of both: what a stopped or limited run has left is the next one's. Files that are complete at
their place give their rows without a request.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_procountor.api.multipart import FileAnswer
from tap_procountor.downloads.store import StoreError, TooLargeError
from tap_procountor.errors import AuthenticationError, NotFoundError, ProcountorError, RecordError
from tap_procountor.readers.batch import Batch
from tap_procountor.records.rejection import Rejection
from tap_procountor.state.ids import pack, unpack
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.downloads.store import Place, StoredFile
    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.stream import ProcountorStream

#: Ids that are packed together, and dealt with before the state says so.
_IDS_PER_CHUNK = 200
#: After so many failures one after the other it is not the files.
_MOST_FAILURES_IN_A_ROW = 20

logger = logging.getLogger("tap-procountor.downloading")


class PostponedError(ProcountorError):
    """The run has downloaded as many files as it may."""


class LeftOutError(ProcountorError):
    """The settings do not want the file."""


@dataclass
class Attempt:
    """What has become of an id.

    Attributes:
        number: The id.
        rows: The rows of its files.
        error: Why there are none.
    """

    number: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: ProcountorError | None = None

    @property
    def is_postponed(self) -> bool:
        """Whether it is left to the next run."""
        return isinstance(self.error, PostponedError)

    @property
    def is_left_out(self) -> bool:
        """Whether the settings do not want it."""
        return isinstance(self.error, LeftOutError | TooLargeError)

    @property
    def has_failed(self) -> bool:
        """Whether it should have been there."""
        return self.error is not None and not self.is_postponed and not self.is_left_out

    @property
    def is_missing(self) -> bool:
        """Whether the API itself says that there is no such file."""
        return isinstance(self.error, NotFoundError) and self.error.is_from_api

    @property
    def rejection(self) -> Rejection:
        """Return what ``rejected_records`` keeps of a failure."""
        return Rejection.of({"id": self.number}, RecordError(str(self.error)))


class Pending:
    """The ids of a company that are still to be downloaded, inside the state.

    Args:
        state: The writable part of the state: ``pending`` are packed ids, ``noted`` those that are
            not packed yet, ``failed`` those whose download has failed.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._packed: list[str] = state.setdefault("pending", [])
        self._noted: list[int] = state.setdefault("noted", [])
        self._failed: list[int] = state.setdefault("failed", [])

    def note(self, ids: Iterable[int]) -> None:
        """Add ids."""
        self._noted.extend(ids)
        if len(self._noted) >= _IDS_PER_CHUNK:
            self._packed.append(pack(self._noted))
            self._noted.clear()

    def begin(self) -> tuple[frozenset[int], list[list[int]]]:
        """Put the ids in order, each once: two documents can have the same file.

        Returns:
            Those that have failed before, and all ids in chunks. What has failed before comes last:
            it must not stand in the way of what is new.
        """
        failed = frozenset(self._failed)
        new = sorted({*self._noted, *chain(*map(unpack, self._packed))} - failed)
        chunks = [
            ids[at : at + _IDS_PER_CHUNK]
            for ids in (new, sorted(failed))
            for at in range(0, len(ids), _IDS_PER_CHUNK)
        ]
        self._packed[:] = map(pack, chunks)
        self._noted.clear()
        self._failed.clear()
        return failed, chunks

    def settle(self, attempts: list[Attempt], vanished: list[int]) -> None:
        """Take what has become of ids of the first chunk out of it."""
        # In this order: a signal between the two must lose nothing.
        failed = (one.number for one in attempts if one.has_failed)
        self._failed.extend(number for number in failed if number not in vanished)
        done = {one.number for one in attempts if not one.is_postponed}
        left = [number for number in unpack(self._packed[0]) if number not in done]
        self._packed[:1] = [pack(left)] if left else []


class FileStream(ReadStream):
    """A table of files, which are written to ``attachment_files_path``."""

    selected_by_default = False
    writes_files = True
    reads_ahead = False

    def is_empty(self, company: Company) -> bool:  # noqa: ARG002
        """Say no: to ask for a file may cost something."""
        return False

    def file_fields(self, place: Place, file: StoredFile) -> dict[str, Any]:
        """Return what every row says about its file."""
        return {
            "size": file.size,
            "sha256": file.sha256,
            "location": self.run.file_store.location(place, file),
            "downloaded_at": file.downloaded_at,
        }

    def download(  # noqa: PLR0913 - from where, and to where
        self,
        company: Company,
        path: str,
        place: Place,
        *,
        params: Params | None = None,
        name: str | None = None,
        largest: int | None = None,
    ) -> StoredFile:
        """Download a file to its place.

        Args:
            company: Whose file it is.
            path: Where the API has it.
            place: Where it belongs.
            params: The query.
            name: Its name at the place; by default the one that the API gives it.
            largest: The most bytes wanted.

        Raises:
            ProcountorError: If the file cannot be downloaded, or is larger.
        """

        def receive(headers: Mapping[str, str], pieces: Iterator[bytes]) -> StoredFile:
            answer = FileAnswer(headers, pieces)
            return self.run.file_store.save(place, answer, name, largest)

        file: StoredFile = company.download(path, receive, params)
        return file


class DownloadStream(RowStream, FileStream):
    """Files that belong to the documents of other streams; each is asked for once."""

    #: A file stays as it is.
    replication_key = "downloaded_at"

    get_records = ReadStream.get_records

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return where the files are."""
        return (cls.path,)

    @abstractmethod
    def wanted(self, record: Record) -> Iterator[int]:
        """Yield the ids of what is to be downloaded for an owner's record."""

    @abstractmethod
    def fetch(self, company: Company, number: int) -> list[dict[str, Any]]:
        """Return the rows of an id's files, downloading those that are not there; in any thread.

        Raises:
            ProcountorError: If that fails.
        """

    @abstractmethod
    def planned_size(self, company: Company, number: int) -> int | None:
        """Return the bytes that ``fetch`` would download for an id; None if that is not known.

        Raises:
            LeftOutError: If it would download nothing.
        """

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield nothing, but note what is to be downloaded when it is this stream's turn."""
        state = self.get_context_state({"company_id": record["company_id"]})
        Pending(state).note(self.wanted(record))
        return iter(())

    def read(self, company: Company) -> Iterator[Batch]:
        """Download what is pending."""
        if self.config["attachment_plan"]:
            self._plan(company)
        else:
            yield from self._downloaded(company)
            self.run.state_writer.write_state(self.tap_state)

    def written(self, company: Company, batch: Batch) -> None:  # noqa: ARG002
        """Send the progress up to the batch before."""
        self.run.state_writer.write_state(self.tap_state)

    def take_quota(self) -> None:
        """Count a download.

        Raises:
            PostponedError: If the run has made as many as it may.
        """
        if not self.run.file_quota.acquire(blocking=False):
            raise PostponedError

    def _downloaded(self, company: Company) -> Iterator[Batch]:
        pending = Pending(self.state_of(company))
        failed_before, chunks = pending.begin()
        left_out = 0
        for attempts, fault in self._attempts(company, chunks):
            left_out += sum(one.is_left_out for one in attempts)
            failed = [one for one in attempts if one.has_failed]
            # What does not exist at a second look has been deleted.
            vanished = [
                one.number for one in failed if one.is_missing and one.number in failed_before
            ]
            yield Batch(
                [row for one in attempts for row in one.rows],
                rejected=[one.rejection for one in failed if one.number not in vanished],
                vanished=vanished,
            )
            # Now its rows have been written.
            pending.settle(attempts, vanished)
            if fault:
                raise fault
            if any(one.is_postponed for one in attempts):
                self._say(company, "max_attachment_downloads is reached; the next run goes on.")
                break
        if left_out:
            self._say(company, f"{left_out:,} left out by max_attachment_size, attachments_since.")

    def _attempts(
        self, company: Company, chunks: list[list[int]]
    ) -> Iterator[tuple[list[Attempt], ProcountorError | None]]:
        """Yield what becomes of each chunk; if it is not single files that fail, why.

        A file that does not exist says nothing of the others.
        """
        # A chunk ends with None; downloads go on beyond it.
        steps = (step for chunk in chunks for step in (*chunk, None))
        attempts: list[Attempt] = []
        failures = 0
        for attempt in company.threads.map(partial(self._attempt, company), steps, share=None):
            if attempt is None:
                yield attempts, None
                attempts = []
                continue
            attempts.append(attempt)
            if not attempt.is_missing:
                failures = failures + 1 if attempt.has_failed else 0
            if failures >= _MOST_FAILURES_IN_A_ROW:
                yield attempts, attempt.error
                return

    def _attempt(self, company: Company, number: int | None) -> Attempt | None:
        if number is None:
            return None
        try:
            return Attempt(number, self.fetch(company, number))
        except (AuthenticationError, StoreError):
            raise
        except ProcountorError as error:
            return Attempt(number, error=error)

    def _plan(self, company: Company) -> None:
        """Say what is to be downloaded."""

        def size(number: int) -> int | None:
            try:
                return self.planned_size(company, number)
            except LeftOutError:
                return -1

        _, chunks = Pending(self.state_of(company)).begin()
        sizes = [one for one in company.threads.map(size, chain(*chunks), share=None) if one != -1]
        known = [one for one in sizes if one is not None]
        plan = {"files": len(sizes), "bytes": sum(known), "unknown": len(sizes) - len(known)}
        self.run.report.outcome(self.name, company.id).plan = plan
        figures = "{files:,} to be downloaded, {bytes:,} bytes and {unknown:,} of unknown size."
        self._say(company, figures.format(**plan))

    def _say(self, company: Company, what: str) -> None:
        logger.info("%s of company %d: %s", self.name, company.id, what)
