"""The accounting reports: posts that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.reports import Span
from tap_procountor.sandbox.errors import ApiError

from .declarations import Call, Computed

if TYPE_CHECKING:
    from tap_procountor.sandbox.books.collection import Document, Json

_NOT_FOUND = 404
_RIGHTS = ("accounting.accountingReports",)


def _span(call: Call) -> Span:
    """Read the parameters; without a start the tracking period of the end is meant."""
    last = call.body["endDate"]
    options = call.body.get("options", {})
    return Span(
        first=call.body.get("startDate") or f"{last[:8]}01",
        last=last,
        statuses=call.body.get("receiptStatus", ()),
        types=options.get("receiptType", ()),
    )


def _ledger_accounts(call: Call) -> Json:
    span = _span(call)
    return _answer(call, span, call.company.books.reports.ledger_accounts(span))


def _accounting(call: Call) -> Json:
    span = _span(call)
    return _answer(call, span, call.company.books.reports.accounting(call.body["type"], span))


def _answer(call: Call, span: Span, rows: list[Document]) -> Json:
    period = {"startDate": span.first, "endDate": span.last, "rows": rows}
    return {"reportParameters": call.body, "reportData": {"periods": [period]}}


def _general_ledger(call: Call) -> Json:
    account = call.path["id"]
    known = {one["ledgerAccountCode"] for one in call.company.books.accounts if one["active"]}
    if account not in known:
        raise ApiError(_NOT_FOUND, "Not found")
    report = call.company.books.reports.general_ledger(account, _span(call))
    return {"reportParameters": call.body, "ledgerAccount": report}


COMPUTED = (
    Computed("/reports/ledgeraccounts", _ledger_accounts, _RIGHTS),
    Computed("/reports/accounting", _accounting, _RIGHTS),
    Computed("/reports/generalledger/{id}", _general_ledger, _RIGHTS),
)
