"""Files: attachments, pictures of invoices and SIE files, written to ``attachment_files_path``."""

from __future__ import annotations

import mimetypes
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any

from tap_procountor.api.clock import format_utc
from tap_procountor.downloads.store import Place, safe_name
from tap_procountor.errors import ApiError, ForbiddenError, NotFoundError, RecordError
from tap_procountor.permissions.access import Access
from tap_procountor.readers.batch import Batch
from tap_procountor.readers.list_page import records_in
from tap_procountor.records.rejection import Rejection
from tap_procountor.records.schema import DATE, DATE_TIME, DELETED_AT, INTEGER, STRING, RecordSchema
from tap_procountor.streams.attachments import Attachments, holders
from tap_procountor.streams.base.downloading import DownloadStream, FileStream, LeftOutError
from tap_procountor.streams.base.full_table import FullTableStream
from tap_procountor.streams.invoicing import Invoices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.downloads.store import StoredFile
    from tap_procountor.records.converter import Record
    from tap_procountor.state.ids import Key

_FILE_FIELDS = {
    "size": INTEGER,
    "sha256": STRING,
    "location": STRING,
    "downloaded_at": DATE_TIME,
}

#: No invoice has more; a server that ignores the page number would never come to an end.
_MOST_PAGES = 1000


class AttachmentFiles(DownloadStream):
    """Downloaded attachments: location, size and digest of each file."""

    name = "attachment_files"
    path = "/attachments/{id}"
    owners = Attachments.owners
    primary_keys = ("company_id", "attachment_id")
    limiting_settings = ("attachment_types", "max_attachment_size", "attachments_since")
    access = Access(module="Documents")
    schema = RecordSchema(
        added={
            "attachment_id": INTEGER,
            "name": STRING,
            "mime_type": STRING,
            "reference_type": STRING,
            "reference_id": INTEGER,
            **_FILE_FIELDS,
        }
    )

    def wanted(self, record: Record) -> Iterator[int]:
        """Yield the attachments of a document that are of a wanted type."""
        since = self.run.moment("attachments_since")
        version = record.get("version")
        # The bank's documents have none: their files are judged by the search.
        if since and version and version < format_utc(since):
            return
        for _, holder in holders("", record):
            for attachment in holder.get("attachments") or ():
                number = attachment.get("id")
                if number is not None and self._is_of_wanted_type(attachment):
                    yield number

    def fetch(self, company: Company, number: int) -> list[dict[str, Any]]:
        place = self._place(company, number)
        file = self.run.file_store.find(place)
        if file is None:
            self._wanted_size(company, number)
            self.take_quota()
            largest = self.config.get("max_attachment_size")
            file = self.download(company, f"/attachments/{number}", place, largest=largest)
        about = file.metadata
        row = {
            "attachment_id": number,
            "name": about.get("name") or file.name,
            "mime_type": about.get("mimeType") or file.mime_type,
            "reference_type": about.get("referenceType"),
            "reference_id": about.get("referenceId"),
        }
        return [row | self.file_fields(place, file)]

    def planned_size(self, company: Company, number: int) -> int | None:
        if self.run.file_store.find(self._place(company, number)):
            raise LeftOutError
        return self._wanted_size(company, number)

    def _wanted_size(self, company: Company, number: int) -> int | None:
        """Return the size of an attachment if it is known.

        Raises:
            LeftOutError: If the settings do not want the attachment.
        """
        largest = self.config.get("max_attachment_size")
        since = self.run.moment("attachments_since")
        if largest is None and since is None and not self.config["attachment_plan"]:
            return None
        document = self.run.attachment_search(company).find(number) or {}
        size, attached = document.get("size"), document.get("attached")
        is_large = largest is not None and size is not None and size > largest
        if is_large or (since and attached and self.run.api_clock.parse(attached) < since):
            raise LeftOutError
        return size

    def _is_of_wanted_type(self, attachment: Record) -> bool:
        patterns = self.config.get("attachment_types")
        if not patterns:
            return True
        guessed = mimetypes.guess_type(attachment.get("name") or "")[0]
        kind = (attachment.get("mime_type") or guessed or "").lower()
        return any(fnmatchcase(kind, pattern.lower()) for pattern in patterns)

    @staticmethod
    def _place(company: Company, number: int) -> Place:
        return Place(f"{company.id}/attachments/{number}", str(number))


class InvoiceImages(DownloadStream):
    """Downloaded images of invoices, one per page, as the invoice looked at the time."""

    name = "invoice_images"
    path = "/invoices/{id}/image"
    owners = (Invoices,)
    primary_keys = ("company_id", "invoice_id", "page")
    limiting_settings = ("attachments_since",)
    access = Access(module="Documents")
    schema = RecordSchema(
        added={"invoice_id": INTEGER, "page": INTEGER, "mime_type": STRING, **_FILE_FIELDS}
    )

    def wanted(self, record: Record) -> Iterator[int]:
        since = self.run.moment("attachments_since")
        if not since or (record.get("version") or "") >= format_utc(since):
            yield record["id"]

    def fetch(self, company: Company, number: int) -> list[dict[str, Any]]:
        """Download page after page; their number is kept beside them."""
        store = self.run.file_store
        end = self._place(company, number, "pages")
        known = store.note(end)
        rows = []
        for page in count(1) if known is None else range(1, int(known) + 1):
            place = self._place(company, number, str(page))
            file = store.find(place)
            if file is None:
                try:
                    file = self._download_page(company, number, place, page)
                except NotFoundError as error:
                    # After a page, whoever sent it, it means that no more follow.
                    if page == 1 and not error.is_from_api:
                        raise
                    break
            row = {"invoice_id": number, "page": page, "mime_type": file.mime_type}
            rows.append(row | self.file_fields(place, file))
            if page > _MOST_PAGES:
                msg = f"An invoice returned more than {_MOST_PAGES:,} image pages."
                raise ApiError(msg)
        if rows and known is None:
            store.write_note(end, str(len(rows)).encode())
        return rows

    def planned_size(self, company: Company, number: int) -> int | None:
        """Leave out an invoice whose pages are there; of others the size is not known."""
        if self.run.file_store.note(self._place(company, number, "pages")) is not None:
            raise LeftOutError
        return None

    def _download_page(self, company: Company, number: int, place: Place, page: int) -> StoredFile:
        self.take_quota()
        params = {"page": page, "format": "PNG"}
        path, name = f"/invoices/{number}/image", f"{page}.png"
        return self.download(company, path, place, params=params, name=name)

    @staticmethod
    def _place(company: Company, number: int, key: str) -> Place:
        return Place(f"{company.id}/invoice_images/{number}", key)


class SieFiles(FileStream, FullTableStream):
    """Downloaded SIE files of Swedish companies, one per fiscal year, renewed by every run."""

    name = "sie_files"
    path = "/sie/file"
    primary_keys = ("company_id", "accounting_period_start")
    access = Access(
        any_of=("accounting.accountingReports",), module="SIE export, of Swedish companies"
    )
    schema = RecordSchema(
        added={
            "accounting_period_start": DATE,
            "export_end_date": DATE,
            **_FILE_FIELDS,
            DELETED_AT: DATE_TIME,
        }
    )

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        return ("/sie/availability", cls.path)

    def read(self, company: Company) -> Iterator[Batch]:
        availability = company.get("/sie/availability")
        last = availability.get("lastValidEndDate")
        years = records_in(company.get("/fiscalyears"), "fiscalYears", "/fiscalyears")
        ends = {year.get("startDate"): year.get("endDate") for year in years}
        starts = records_in(availability, "accountingPeriodStart", "/sie/availability")
        for start in sorted(map(str, starts)):
            end = min(filter(None, (ends.get(start), last)), default=None)
            try:
                yield Batch([self._file(company, start, end)])
            except ForbiddenError:
                raise
            except (ApiError, NotFoundError) as error:
                source = {"id": start, "exportEndDate": end}
                yield Batch([], rejected=[Rejection.of(source, RecordError(str(error)))])

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:  # noqa: ARG002
        """Ask which years there are, without their files."""
        starts = records_in(company.get("/sie/availability"), "accountingPeriodStart", self.path)
        yield Batch([{"accounting_period_start": str(start)} for start in starts])

    def _file(self, company: Company, start: str, end: str | None) -> dict[str, Any]:
        place = Place(f"{company.id}/sie_files", safe_name(start, "year"))
        params = {"accountingPeriodStart": start, "exportEndDate": end}
        file = self.download(company, self.path, place, params=params, name=f"{start}.se")
        row = {"accounting_period_start": start, "export_end_date": end}
        return row | self.file_fields(place, file)
