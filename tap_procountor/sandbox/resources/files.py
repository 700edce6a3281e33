"""Files besides attachments: pictures of invoices and SIE files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from tap_procountor.sandbox.answers import multipart_answer
from tap_procountor.sandbox.books.pictures import pages, picture
from tap_procountor.sandbox.books.sie import sie_file
from tap_procountor.sandbox.books.times import date_text
from tap_procountor.sandbox.errors import ApiError

from .declarations import Call, Computed

if TYPE_CHECKING:
    from tap_procountor.sandbox.books.collection import Document, Json

_BAD_REQUEST = 400
_FORBIDDEN = 403
_NOT_FOUND = 404


def _image(call: Call) -> Response:
    text, page = call.path["invoiceId"], call.query.get("page", 1)
    number = int(text) if text.isdecimal() else 0
    invoices = call.company.books.invoices.rows
    if invoices.position(number) is None or not 1 <= page <= pages(number):
        raise ApiError(_NOT_FOUND, "Not found")
    metadata = {
        "id": None,
        "name": f"invoice_{number}_{page}.png",
        "referenceType": "INVOICE",
        "referenceId": number,
        "mimeType": "image/png",
        "sendWithInvoice": False,
    }
    return multipart_answer(metadata, picture(number, page), "image/png")


def _sie_availability(call: Call) -> Json:
    years = _sie_years(call)
    return {
        "lastValidEndDate": max(end for _, end in years),
        "accountingPeriodStart": [start for start, _ in years],
    }


def _sie_file(call: Call) -> Response:
    start, end = (
        date_text(call.query[name]) for name in ("accountingPeriodStart", "exportEndDate")
    )
    if not any(start == first and first <= end <= last for first, last in _sie_years(call)):
        raise ApiError(_BAD_REQUEST, "No such accounting period", "accountingPeriodStart")
    books = call.company.books
    receipts = map(books.receipts.rows.document, books.receipts.rows)
    content = sie_file(books.company, books.accounts, receipts, start, end)
    return Response(content, media_type="application/octet-stream")


def _sie_years(call: Call) -> list[tuple[str, str]]:
    """Return first and last day of each fiscal year."""
    if not call.company.sie:
        raise ApiError(_FORBIDDEN, "SIE is not in use")
    years: list[Document] = call.company.books.fiscal_years.documents()
    return [(year["startDate"], year["endDate"]) for year in years]


_REPORT_RIGHTS = ("accounting.accountingReports",)

COMPUTED = (
    Computed("/invoices/{invoiceId}/image", _image),
    Computed("/sie/availability", _sie_availability, _REPORT_RIGHTS),
    Computed("/sie/file", _sie_file, _REPORT_RIGHTS),
)
