"""Files, downloaded in the order in which the documents of a run have named them.

While documents are written, the ids of their files go into the state: the next run downloads what a
stopped or limited one has left. Files that are complete at their place take no request.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.api.multipart import FileAnswer
from tap_procountor.downloads.pending import Pending
from tap_procountor.downloads.store import StoreError, TooLargeError
from tap_procountor.errors import AuthenticationError, NotFoundError, ProcountorError, RecordError
from tap_procountor.readers.batch import Batch
from tap_procountor.records.rejection import Rejection
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.downloads.store import Place, StoredFile
    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.stream import ProcountorStream

#: After so many failures one after the other it is not the files.
_MOST_FAILURES_IN_A_ROW = 20


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
        return isinstance(self.error, PostponedError)

    @property
    def is_left_out(self) -> bool:
        return isinstance(self.error, LeftOutError | TooLargeError)

    @property
    def has_failed(self) -> bool:
        """Whether it should have been there."""
        return self.error is not None and not self.is_postponed and not self.is_left_out

    @property
    def is_missing(self) -> bool:
        """Whether the API itself says that there is no such file."""
        return isinstance(self.error, NotFoundError) and self.error.is_from_api


class FileStream(ReadStream):
    """A table of files, which are written to ``attachment_files_path``."""

    selected_by_default = False
    writes_files = True
    reads_ahead = False

    def is_empty(self, company: Company) -> bool:  # noqa: ARG002
        """Ask for nothing: a download may cost something."""
        return False

    def file_fields(self, place: Place, file: StoredFile) -> dict[str, Any]:
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
        """Download a file to its place, under a given name or the one that the API gives it.

        Raises:
            ProcountorError: If that fails, or the file has more bytes than ``largest``.
        """

        def receive(headers: Mapping[str, str], pieces: Iterator[bytes]) -> StoredFile:
            answer = FileAnswer(headers, pieces)
            return self.run.file_store.save(place, answer, name, largest)

        file: StoredFile = company.download(path, receive, params)
        return file


class DownloadStream(FileStream, RowStream):
    """Files that belong to the documents of other streams; each is asked for once."""

    #: A file stays as it is.
    replication_key = "downloaded_at"
    #: The settings that limit which files are wanted.
    limiting_settings: ClassVar[tuple[str, ...]]

    @property
    def bookmark_name(self) -> str:
        """With other limits other files are wanted, of old documents too."""
        limits = [
            f"{name}={self.config[name]}"
            for name in self.limiting_settings
            if self.config.get(name)
        ]
        return " ".join([self.name, *limits])

    @abstractmethod
    def wanted(self, record: Record) -> Iterator[int]:
        """Yield the ids of what is to be downloaded for an owner's record."""

    @abstractmethod
    def fetch(self, company: Company, number: int) -> list[dict[str, Any]]:
        """Return the rows of an id's files, downloading those that are not there; in any thread."""

    @abstractmethod
    def planned_size(self, company: Company, number: int) -> int | None:
        """Return the bytes that ``fetch`` would download for an id; None if that is not known.

        Raises:
            LeftOutError: If it would download nothing.
        """

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield nothing yet, but note what is to be downloaded when it is this stream's turn."""
        state = self.get_context_state({"company_id": record["company_id"]})
        Pending(state).note(self.wanted(record))
        return iter(())

    def read(self, company: Company) -> Iterator[Batch]:
        if self.config["attachment_plan"]:
            self._plan(company)
        else:
            yield from self._downloaded(company)
            self.run.state_writer.write_state(self.tap_state)

    def written(self, company: Company, batch: Batch) -> None:  # noqa: ARG002
        self.run.state_writer.write_state(self.tap_state)

    def take_quota(self) -> None:
        """Count a download; raises PostponedError if the run has made as many as it may."""
        if not self.run.file_quota.acquire(blocking=False):
            raise PostponedError

    def _downloaded(self, company: Company) -> Iterator[Batch]:
        pending = Pending(self.state_of(company))
        failed_before, chunks = pending.begin()
        left_out = 0
        for attempts, fault in self._attempts(company, chunks):
            left_out += sum(one.is_left_out for one in attempts)
            # What does not exist at a second look has been deleted.
            vanished = [
                one.number for one in attempts if one.is_missing and one.number in failed_before
            ]
            failed = {
                one.number: RecordError(str(one.error))
                for one in attempts
                if one.has_failed and one.number not in vanished
            }
            yield Batch(
                [row for one in attempts for row in one.rows],
                rejected=[Rejection.of({"id": number}, why) for number, why in failed.items()],
                vanished=vanished,
            )
            # Now its rows have been written.
            pending.settle({one.number for one in attempts if not one.is_postponed}, failed)
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
        """Yield what becomes of each chunk, and at the end why, if not only single files fail.

        A file that does not exist proves nothing about the others.
        """
        attempt = partial(self._attempt, company)
        results = company.threads.map(attempt, chain(*chunks), share=None)
        failures = 0
        for chunk in chunks:
            attempts = []
            for one in islice(results, len(chunk)):
                attempts.append(one)
                if not one.is_missing:
                    failures = failures + 1 if one.has_failed else 0
                if failures >= _MOST_FAILURES_IN_A_ROW:
                    yield attempts, one.error
                    return
            yield attempts, None

    def _attempt(self, company: Company, number: int) -> Attempt:
        try:
            return Attempt(number, self.fetch(company, number))
        except (AuthenticationError, StoreError):
            raise
        except ProcountorError as error:
            return Attempt(number, error=error)

    def _plan(self, company: Company) -> None:
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
        self.logger.info("%s of company %d: %s", self.name, company.id, what)
