"""What it costs to compare the ledger with Procountor's report: requests and seconds.

    python tests/benchmarks/reconciliation.py [--invoices 2000] [--requests-per-second 20]

First loads of all tables that are selected by default and runs with nothing new, of one company and
of forty that have as many invoices between them, with ``reconcile: off`` and ``warn`` beside one
another on the same sandbox.
"""

from __future__ import annotations

import click
from harness import OURS, Json, Sandbox, run, show

_COMPANIES = (1, 40)
_LATENCY_MS = 150
_MODES = ("off", "warn")


def _rows(sandbox: Sandbox, companies: int, rate: int) -> list[list[object]]:
    """Measure both kinds of run in both modes."""
    states: dict[str, Json | None] = dict.fromkeys(_MODES)
    rows: list[list[object]] = []
    for kind in ("first load", "nothing new"):
        costs = []
        for mode in _MODES:
            sandbox.reset()
            config = {**sandbox.config, "requests_per_second": rate, "reconcile": mode}
            finished = run(OURS, config, state=states[mode])
            states[mode] = finished.output.state
            count = len(sandbox.statistics()["requests"])
            costs.append((count, finished.seconds, finished.cpu_seconds))
            rows.append([f"{companies} x {kind}, {mode}", *costs[-1]])
        rows.append(["  ratio", *(new / old for old, new in zip(*costs, strict=True))])
    return rows


@click.command(help=__doc__)
@click.option("--invoices", default=2_000, show_default=True)
@click.option("--requests-per-second", "rate", default=20, show_default=True)
def main(invoices: int, rate: int) -> None:
    """Measure and print."""
    rows = []
    for companies in _COMPANIES:
        with Sandbox(
            companies=companies,
            invoices=invoices // companies,
            requests_per_second=rate,
            latency_ms=_LATENCY_MS,
        ) as sandbox:
            rows += _rows(sandbox, companies, rate)
    header = ["companies, run, reconcile", "requests", "seconds", "of the processor"]
    show(f"{invoices:,} invoices, {rate} requests a second", header, rows)


if __name__ == "__main__":
    main()
