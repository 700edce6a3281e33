"""Promise 3 as a whole: whatever happens in between, a run makes the target equal to the source."""

from __future__ import annotations

import gc
import io
import signal
from contextlib import ExitStack, redirect_stdout, suppress
from copy import deepcopy
from datetime import timedelta
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support import Record, Run, Target, current_rows, editable, parse, selecting, truth

from tap_procountor import companies
from tap_procountor.errors import IncompleteError
from tap_procountor.sandbox import Sandbox
from tap_procountor.tap import TapProcountor

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

_catalog = selecting(*STREAMS)
_choice = st.integers(0, 10_000)


def run_here(config: Record, state: Record) -> Run:
    """Run the tap in this process, which is faster than to start one."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    code = 0
    with redirect_stdout(output):
        try:
            TapProcountor(config=dict(config), catalog=_catalog, state=deepcopy(state)).sync_all()
        except IncompleteError:
            code = 1
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    output.seek(0)
    return Run(code, [parse(line) for line in output], "")


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
        self.config = {
            **self.sandbox.config(),
            "requests_per_second": 1000,
            "deletion_check": "full",
            "max_deleted_share": 1,
        }
        self.target = Target()
        self.state: Record = {}
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

    @rule(days=st.sampled_from([-20_000, -3, -0.5, 0.5, 3, 400]))
    def run_with_a_wrong_date(self, days: float) -> None:
        """Less may come, but what changed is read later all the same."""
        self.sandbox.date_error = timedelta(days=days)
        run = run_here(self.config, self.state)
        self.sandbox.date_error = timedelta()
        assert run.exit_code == 0
        self._load(run)

    @rule()
    def run_and_compare(self) -> None:
        run = run_here(self.config, self.state)
        assert run.exit_code == 0
        self._load(run)
        for stream in STREAMS:
            assert current_rows(self.target, stream) == truth(self.sandbox, stream), stream

    def teardown(self) -> None:
        with suppress(AttributeError):  # nothing was started
            with self.clock:
                self.run_and_compare()
            self.sandbox.stop()

    def _pick(self, choice: int) -> int:
        """Choose among the invoices that may be changed; there is always one."""
        numbers = editable(self.company) or [self.company.create_invoice()]
        return numbers[choice % len(numbers)]

    def _load(self, run: Run) -> None:
        self.target.load(run)
        self.state = run.state or self.state


TestBookkeeping: Any = Bookkeeping.TestCase
TestBookkeeping.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    # A failing example is long enough to read; making it shorter would take many minutes.
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
