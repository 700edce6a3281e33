"""Promise 3 as a whole: whatever happens in between, a run makes the target equal to the source.

What happens is the work of people, runs that are stopped or fail, and answers such as no API should
give. While something is odd, a run may bring less, but never in silence and never a tombstone for
what exists; once it is over, the target becomes equal to the source.
"""

from __future__ import annotations

import gc
import io
import logging
import re
import signal
from contextlib import ExitStack, redirect_stdout, suppress
from copy import deepcopy
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.bookkeeping import editable
from support.catalog import selecting
from support.command import Run
from support.exact import Record, parse
from support.oracle import truth
from support.proxy import JSON, Answer, Proxy, Question
from support.target import Target, current_rows

from tap_procountor.api import company as companies
from tap_procountor.errors import ProcountorError
from tap_procountor.sandbox import Sandbox
from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = (
    "business_partners",
    "invoices",
    "invoice_rows",
    "ledger_receipts",
    "ledger_transactions",
    "ledger_transaction_dimensions",
    "products",
)
#: Close to the night in which the clocks go back, at 01:00 UTC.
EVENING = "2027-10-30T22:30:00+00:00"

DOCUMENTS = ("business_partners", "invoices", "ledger_receipts", "products")

#: Without these, rows are left out of lists, and their ids are unknown.
RIGHTS = (
    "accounting.journalReceiptSearch",
    "purchases.supplierRegister",
    "salaries.payroll",
    "sales.customerRegister",
)
#: No field of an invoice may hold this.
SPOILT = {"sum": "paljon"}
#: Longer than the lookback: what is mended so late is not read again for its version.
LATER = 5 * 3600

_choice = st.integers(0, 10_000)
#: Which request of a run; there are some 25.
_place = st.integers(1, 30)


#: Words that do not tell whether something is missing.
IRRELEVANT = re.compile("Trying again|this version of the tap does not know")


class Words(logging.Handler):
    """What a run says at the level of a warning or above, without its figures."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not IRRELEVANT.search(text):
            self.said.add(re.sub(r"\d[\d.,:TZ-]*", "#", text))


def run_here(config: Record, state: Record) -> Run:
    """Run the tap in this process, which is faster than to start one."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    code, words, logger = 0, Words(), logging.getLogger("tap-procountor")
    with redirect_stdout(output):
        try:
            tap = TapProcountor(
                config=dict(config), catalog=selecting(*STREAMS), state=deepcopy(state)
            )
            logger.addHandler(words)
            tap.run()
        except ProcountorError as error:
            code = 1
            words.said.add(str(error))
        finally:
            logger.removeHandler(words)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    output.seek(0)
    return Run(code, [parse(line) for line in output], "\n".join(sorted(words.said)))


class Bookkeeping(RuleBasedStateMachine):
    """People work, the clock runs, and the tap is run, stopped and disturbed in between."""

    @initialize(
        seed=st.integers(1, 3),
        is_loaded=st.sampled_from([True, True, False]),
        clocks_agree=st.sampled_from([True, True, False]),
    )
    def start(self, seed: int, *, is_loaded: bool, clocks_agree: bool) -> None:
        self.sandbox = Sandbox(invoices=40, seed=seed, requests_per_second=0)
        self.sandbox.start()
        self.sandbox.set_clock(EVENING)
        # This machine's clock goes with the server's, or it is many months away.
        self.clock = ExitStack()
        if clocks_agree:
            self.clock.enter_context(
                mock.patch.object(companies, "our_time", self.sandbox.clock.now)
            )
        self.company = self.sandbox.companies[0]
        self.proxy = Proxy(self.sandbox)
        self.proxy.__enter__()
        self.proxy.before = self._before
        self.config = self.proxy.config(deletion_check="full", max_deleted_share=1)
        self.target = Target()
        self.state: Record = {}
        #: Paths of documents that no batch may hold, and what a batch with one is answered.
        self.poisoned: dict[str, int] = {}
        self.withdrawn = ""
        #: Whether something has been odd since the target was last equal.
        self.was_odd = False
        #: Whether it was more than single documents.
        self.was_disturbed = False
        #: What is said when nothing is odd.
        self.usual_words: set[str] = set()
        #: What happens when this many requests have been made.
        self.due: tuple[int, Callable[[], None]] | None = None
        if is_loaded:
            self.run_and_compare()

    @rule(choice=_choice)
    def edit_an_invoice(self, choice: int) -> None:
        self.company.edit("invoices", self._pick(choice))

    @rule(choice=_choice, seconds=st.integers(1, 14_000))
    def commit_an_edit_late(self, choice: int, seconds: int) -> None:
        """The stamp is older than the moment from which the change can be seen.

        By almost the whole lookback: close to the clock change each bound has an hour to spare.
        """
        self.sandbox.advance_clock(-seconds)
        self.company.edit("invoices", self._pick(choice))
        self.sandbox.advance_clock(seconds)

    @rule()
    def create_an_invoice(self) -> None:
        self.company.create_invoice()

    @rule(choice=_choice)
    def invalidate_an_invoice(self, choice: int) -> None:
        self.company.invalidate(self._pick(choice))

    @rule(choice=_choice)
    def delete_an_invoice(self, choice: int) -> None:
        self.company.delete("invoices", self._pick(choice))

    @rule(choice=_choice)
    def edit_a_partner(self, choice: int) -> None:
        partners = self.company.truth("businesspartners")
        self.company.edit("businesspartners", partners[choice % len(partners)]["id"])

    @rule(choice=_choice)
    def edit_dimensions(self, choice: int) -> None:
        number = self._pick(choice)
        (invoice,) = (one for one in self.company.truth("invoices") if one["id"] == number)
        if invoice.get("ledgerReceiptId"):
            self.company.edit_dimensions(invoice["ledgerReceiptId"])

    @rule(year=st.integers(2022, 2025))
    def reopen_a_year(self, year: int) -> None:
        self.company.reopen_periods(f"{year}-01-01", f"{year}-12-31")

    @rule(year=st.integers(2022, 2025))
    def close_a_year(self, year: int) -> None:
        self.company.close_periods(f"{year}-01-01", f"{year}-12-31")

    @rule(minutes=st.integers(1, 180))
    def let_time_pass(self, minutes: int) -> None:
        self.sandbox.advance_clock(60 * minutes)

    @rule(share=st.floats(0, 1))
    def run_and_be_killed(self, share: float) -> None:
        run = run_here(self.config, self.state)
        self._load(Run(-9, run.messages[: int(share * len(run.messages))], ""))

    @rule(
        path=st.sampled_from(
            ["/invoices", "/invoices/*", "/ledgerreceipts", "/ledgerreceipts/*", "/fiscalyears"]
        )
    )
    def run_and_fail(self, path: str) -> None:
        self.sandbox.add_fault(path=path, status=400, html=False, times=1)
        self._load(run_here(self.config, self.state))
        self.sandbox.clear_faults()

    @rule(choice=_choice)
    def spoil_an_invoice(self, choice: int) -> None:
        """It is rejected until it is mended, which changes no version."""
        self.company.spoil("invoices", self._edit_some(choice), SPOILT)
        self._run_with_odd_documents()

    @rule(choice=_choice, is_receipt=st.booleans(), status=st.sampled_from([400, 413, 422]))
    def poison_a_document(self, choice: int, status: int, *, is_receipt: bool) -> None:
        """No batch of details that holds it is answered."""
        number = self._edit_some(choice)
        (invoice,) = (one for one in self.company.truth("invoices") if one["id"] == number)
        path = f"/invoices/{number}"
        if is_receipt and invoice.get("ledgerReceiptId"):
            path = f"/ledgerreceipts/{invoice['ledgerReceiptId']}"
        self.poisoned[path] = status
        self._run_with_odd_documents()

    @precondition(lambda self: not self.withdrawn)
    @rule(right=st.sampled_from(RIGHTS), at=_place)
    def withdraw_a_right_during_a_run(self, right: str, at: int) -> None:
        self.withdrawn = right
        self._when_asked(at, lambda: self.company.set_right(right, "NO_ACCESS"))
        self._run_oddly()
        self.company.set_right(right, "NO_ACCESS")

    @precondition(lambda self: self.withdrawn)
    @rule(at=_place)
    def give_a_right_back_during_a_run(self, at: int) -> None:
        right, self.withdrawn = self.withdrawn, ""
        self._when_asked(at, lambda: self.company.set_right(right, "ALL_RIGHTS"))
        self._run_oddly()
        self.company.set_right(right, "ALL_RIGHTS")

    @rule(hours=st.sampled_from([-480_000, -9600, -72, -2, 2, 72, 9600]), choice=_choice)
    def run_with_a_wrong_date(self, hours: int, choice: int) -> None:
        def with_wrong_date(_: Question, answer: Answer) -> Answer:
            date = self.sandbox.clock.now() + timedelta(hours=hours)
            kept = {n: value for n, value in answer.headers.items() if n.lower() != "date"}
            return answer._replace(headers=kept | {"Date": format_datetime(date, usegmt=True)})

        self.proxy.after = with_wrong_date
        # Here the sandbox's clock is always far from ours: being told so may well be usual.
        self.usual_words = set()
        self._run_oddly()
        # What changes now must not count as older than that run.
        self.edit_a_partner(choice)
        self.sandbox.advance_clock(LATER)

    @rule(at=_place)
    def run_with_an_empty_answer(self, at: int) -> None:
        """A body that is cut off before its beginning."""

        def cut_off() -> None:
            def empty(_: Question, answer: Answer) -> Answer:
                self.proxy.after = lambda _, answer: answer
                return answer._replace(body=b"") if answer.status == 200 else answer

            self.proxy.after = empty

        self._when_asked(at, cut_off)
        self._run_oddly()

    @rule()
    def run_and_compare(self) -> None:
        was_odd = self.was_odd
        if was_odd:
            self._mend()
        run = self._run()
        # A run may say that it has still not brought everything, but only one, and never silently.
        if was_odd and (run.exit_code or not self._is_equal()):
            self._assert_that_it_was_said(run)
            run = self._run()
        assert run.exit_code == 0, run.log
        self._assert_equal()
        if not was_odd:
            self.usual_words |= set(run.log.splitlines())
        self.was_odd = self.was_disturbed = False

    def teardown(self) -> None:
        with suppress(AttributeError), self.clock:  # nothing may have been started
            self.run_and_compare()
        with suppress(AttributeError):
            self.proxy.__exit__()
            self.sandbox.stop()

    def _edit_some(self, choice: int) -> int:
        """Edit three invoices; return the one in the middle."""
        numbers = sorted({self._pick(choice + further) for further in range(3)})
        for number in numbers:
            self.company.edit("invoices", number)
        return numbers[len(numbers) // 2]

    def _before(self, question: Question) -> Answer | None:
        due = self.due
        if due and len(self.proxy.asked) >= due[0]:
            self.due = None
            due[1]()
        path, _, numbers = question.path.rpartition("/")
        for number in numbers.split(","):
            if status := self.poisoned.get(f"{path}/{number}"):
                body = b'{"errors":[{"status":%d,"message":"BAD_REQUEST"}]}' % status
                return Answer(status, JSON, body)
        return None

    def _when_asked(self, at: int, happens: Callable[[], None]) -> None:
        """Let something happen right before a request of the next run is answered."""
        self.due = (len(self.proxy.asked) + at, happens)

    def _run(self) -> Run:
        run = run_here(self.config, self.state)
        self._load(run)
        for stream in DOCUMENTS:
            gone = {row["id"] for row in run.records(stream) if "_sdc_deleted_at" in row}
            if gone:
                assert gone.isdisjoint(row["id"] for row in truth(self.sandbox, stream)), stream
        return run

    def _run_oddly(self, *, in_documents: bool = False) -> None:
        """Run while something is odd; what is odd in this run alone is over then."""
        self.was_odd = True
        self.was_disturbed |= not in_documents
        run = self._run()
        self.due = None
        self.proxy.after = lambda _, answer: answer
        self._assert_that_it_was_said(run)

    def _assert_that_it_was_said(self, run: Run) -> None:
        """No run that has brought less was green without a word."""
        if run.exit_code == 0 and self.usual_words.issuperset(run.log.splitlines()):
            self._assert_equal()

    def _run_with_odd_documents(self) -> None:
        """Whatever is wrong with a document, nothing but this document is missing."""
        self._run_oddly(in_documents=True)
        if self.was_disturbed:
            return
        for stream in ("invoices", "ledger_receipts"):
            path = f"/{stream.replace('_', '')}"
            come = {row["id"]: row for row in current_rows(self.target, stream)}
            for row in truth(self.sandbox, stream):
                is_odd = (path[1:], row["id"]) in self.company.spoilt
                if not is_odd and f"{path}/{row['id']}" not in self.poisoned:
                    assert come.get(row["id"]) == row, stream

    def _assert_equal(self) -> None:
        for stream in STREAMS:
            assert current_rows(self.target, stream) == truth(self.sandbox, stream), stream

    def _is_equal(self) -> bool:
        return all(
            current_rows(self.target, stream) == truth(self.sandbox, stream) for stream in STREAMS
        )

    def _mend(self) -> None:
        """Let nothing be odd any more, documents only after another run that is without them."""
        if self.company.spoilt or self.poisoned:
            self.sandbox.advance_clock(LATER)
            self._run_with_odd_documents()
        self.company.spoilt.clear()
        self.poisoned.clear()
        if self.withdrawn:
            self.company.set_right(self.withdrawn, "ALL_RIGHTS")
            self.withdrawn = ""

    def _pick(self, choice: int) -> int:
        """Choose among the invoices that may be changed; there is always one."""
        numbers = editable(self.company) or [self.company.create_invoice()]
        return numbers[choice % len(numbers)]

    def _load(self, run: Run) -> None:
        self.target.load(run)
        self.state = run.state or self.state


def trying(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        # A failing example is long enough to read; making it shorter would take many minutes.
        phases=[Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


class TestBookkeeping(Bookkeeping.TestCase):  # type: ignore[misc, valid-type] # made when asked for
    settings = trying(examples=2, steps=6)


@pytest.mark.slow
class TestLongBookkeeping(Bookkeeping.TestCase):  # type: ignore[misc, valid-type]
    settings = trying(examples=9, steps=15)
