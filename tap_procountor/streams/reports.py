"""Procountor's own accounting reports, by which the ledger that was read can be checked.

Their requests are POST, but only read. An answer may hold several periods, and the API does not
document which: ``start_date`` and ``end_date`` are therefore part of every key.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import defaultdict
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tap_procountor.errors import ApiError, none_if_unknown
from tap_procountor.permissions.access import Access
from tap_procountor.readers.batch import Batch
from tap_procountor.readers.list_page import Source, records_in
from tap_procountor.reconciliation.rules import OFFICIAL_STATUSES
from tap_procountor.records.schema import DATE, INTEGER, STRING, RecordSchema
from tap_procountor.streams.base.full_table import FullTableStream
from tap_procountor.streams.base.periods import Span, months_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.state.ids import Key
    from tap_procountor.streams.base.stream import ProcountorStream

_PERIOD = {"start_date": DATE, "end_date": DATE}

_CODE = re.compile(r"\d+\b")


#: The period of a report, and what else is asked: the kind of report or an account.
_Question = tuple[Span, str]


class ReportStream(FullTableStream):
    """A report on the open fiscal years and on those of the setting ``report_fiscal_years``."""

    # A request for every month, in every run.
    selected_by_default = False
    access = Access(any_of=("accounting.accountingReports",), limits=("user.limitedDimensions",))

    def read(self, company: Company) -> Iterator[Batch]:
        ask = partial(self._ask, company)
        yield from company.threads.map_promptly(ask, self._questions(company))

    def is_empty(self, company: Company) -> bool:
        question = next(self._questions(company), None)
        return question is None or not self._ask(company, question).documents

    @property
    def keeps_keys(self) -> bool:
        """Whether lines that are gone are declared deleted: a leftover would make sums wrong."""
        return self.run.keeps_ids(of_all_streams=False)

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:
        """Ask for the reports in whose periods lines are missing.

        For all of them, if one of these periods was not asked for but came in an answer.
        """
        questions = list(self._questions(company))
        periods = {Span(*key[:2]) for key in missing}
        is_known = periods <= {period for period, _ in questions}
        for question in questions:
            if not is_known or question[0] in periods:
                yield self._ask(company, question)

    def _known_keys(self, table: ProcountorStream, company: Company) -> set[Key]:
        """Return the keys of this run's fiscal years: the lines of others stay as they are."""
        return {
            key
            for key in super()._known_keys(table, company)
            if any(year.first <= key[0] <= key[1] <= year.last for year in self._years[company.id])
        }

    @abstractmethod
    def _questions(self, company: Company) -> Iterator[_Question]:
        """Yield what to ask for, one report each."""

    @abstractmethod
    def _ask(self, company: Company, question: _Question) -> Batch:
        """Ask for one report."""

    def _post(self, company: Company, path: str, span: Span, **question: str) -> Any:  # noqa: ANN401 - any JSON
        body: Params = {"startDate": span.first, "endDate": span.last, **question}
        return company.post(path, body | {"receiptStatus": OFFICIAL_STATUSES})

    def _lines(self, answer: Any, span: Span, **place: Any) -> Iterator[Source]:  # noqa: ANN401 - any JSON
        """Yield the lines of all periods of an answer, with their period and position."""
        data = answer.get("reportData") if isinstance(answer, dict) else None
        for period in records_in(data, "periods", self.path):
            place["start_date"] = period.get("startDate") or span.first
            place["end_date"] = period.get("endDate") or span.last
            for position, row in enumerate(records_in(period, "rows", self.path)):
                # What is no object is rejected when it is converted.
                is_object = isinstance(row, dict)
                yield {**row, **place, "position": position} if is_object else row

    def _months(self, company: Company) -> Iterator[Span]:
        return (month for year in self._fiscal_years(company) for month in months_of(year))

    def _fiscal_years(self, company: Company) -> list[Span]:
        answer = company.get("/fiscalyears")
        try:
            years = {
                Span(year["startDate"], year["endDate"]): year.get("isOpen") is not False
                for year in records_in(answer, "fiscalYears", "/fiscalyears")
            }
            chosen = self._chosen(company, sorted(years))
        except (KeyError, TypeError):
            msg = "The fiscal years are not as documented: there are no months to report on."
            raise ApiError(msg) from None
        self._years[company.id] = [year for year in sorted(years) if years[year] or year in chosen]
        return self._years[company.id]

    def _chosen(self, company: Company, years: list[Span]) -> set[Span]:
        chosen: set[Span] = set()
        for name in map(str, self.config["report_fiscal_years"]):
            found = {year for year in years if year.first.startswith(name)}
            chosen |= found
            if not found:
                self.logger.warning(
                    "Company %d has no fiscal year that begins in %s (report_fiscal_years).",
                    company.id,
                    name,
                )
        return chosen

    @cached_property
    def _years(self) -> dict[int, list[Span]]:
        return {}


class ReportLedgerAccounts(ReportStream):
    """Totals of the ledger accounts by month, from Procountor's own report."""

    name = "report_ledger_accounts"
    path = "/reports/ledgeraccounts"
    # A name, such as that of a total, may stand in a report more than once.
    primary_keys = ("company_id", "start_date", "end_date", "name", "occurrence")
    schema = RecordSchema(
        "LedgerAccountsReportRow",
        added=_PERIOD | {"position": INTEGER, "occurrence": INTEGER, "ledger_account_code": STRING},
    )

    def _questions(self, company: Company) -> Iterator[_Question]:
        return ((month, "") for month in self._months(company))

    def _ask(self, company: Company, question: _Question) -> Batch:
        month, _ = question
        seen: dict[Key, int] = defaultdict(int)
        lines = list(self._lines(self._post(company, self.path, month), month))
        for line in filter(lambda line: isinstance(line, dict), lines):
            key = line["start_date"], line["end_date"], line.get("name")
            line["occurrence"] = seen[key]
            seen[key] += 1
            code = _CODE.match(str(line.get("name")))
            line["ledger_account_code"] = code[0] if code else None
        return Batch(lines)

    def totals(self, company: Company, span: Span) -> dict[str, Decimal]:
        """Ask for the sum of each account in a period.

        Raises:
            ProcountorError: If the report does not come, or is about other days.
        """
        totals: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line in self._ask(company, (span, "")).documents:
            if not isinstance(line, dict) or (line["start_date"], line["end_date"]) != span:
                msg = f"The answer of {self.path} is not about the days asked for."
                raise ApiError(msg)
            value = line.get("value") or 0
            if not isinstance(value, int | Decimal):
                msg = f"The answer of {self.path} is not as documented: a sum is no number."
                raise ApiError(msg)
            if code := line["ledger_account_code"]:
                totals[code] += value
        return totals


class ReportAccounting(ReportStream):
    """Income statement, balance sheet and cash flow by month, line by line."""

    name = "report_accounting"
    path = "/reports/accounting"
    primary_keys = ("company_id", "start_date", "end_date", "report", "position")
    reports: ClassVar = ("INCOME_STATEMENT", "BALANCE_SHEET", "CASH_FLOW")
    schema = RecordSchema(
        "AccountingReportRow", added=_PERIOD | {"report": STRING, "position": INTEGER}
    )

    def _questions(self, company: Company) -> Iterator[_Question]:
        return ((month, report) for month in self._months(company) for report in self.reports)

    def _ask(self, company: Company, question: _Question) -> Batch:
        month, report = question
        answer = self._post(company, self.path, month, type=report)
        return Batch(list(self._lines(answer, month, report=report)))


class ReportGeneralLedger(ReportStream):
    """Transactions of each ledger account by fiscal year; costs a request per account."""

    name = "report_general_ledger"
    path = "/reports/generalledger/{account}"
    primary_keys = ("company_id", "start_date", "end_date", "ledger_account_code")
    schema = RecordSchema(
        "GeneralLedgerReportData", added=_PERIOD | {"ledger_account_code": STRING}
    )

    def _questions(self, company: Company) -> Iterator[_Question]:
        accounts = records_in(company.get("/coa"), "ledgerAccounts", "/coa")
        codes = [account["ledgerAccountCode"] for account in accounts]
        return ((year, code) for year in self._fiscal_years(company) for code in codes)

    def _ask(self, company: Company, question: _Question) -> Batch:
        year, code = question
        answer = None
        with none_if_unknown():
            answer = self._post(company, self.path.format(account=quote(code, safe="")), year)
        if answer is None:
            # No document says whether accounts without entries have a report.
            self.logger.info("Company %d: account %s has no report.", company.id, code)
            return Batch([])
        report = answer.get("ledgerAccount") if isinstance(answer, dict) else None
        if not isinstance(report, dict):
            msg = f"The answer of {self.path} is not as documented: it has no 'ledgerAccount'."
            raise ApiError(msg)
        period = {"start_date": year.first, "end_date": year.last}
        return Batch([{**report, **period, "ledger_account_code": code}])
