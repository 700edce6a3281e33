"""Two commits side by side: start, processor time per record, memory and the share of the rate.

    python tests/benchmarks/side_by_side.py --baseline COMMIT [--invoices 10000] [--pairs 9]

The commit and the project as it lies here are installed into environments of their own and read the
same sandboxes in turns. Per pair and contender: ``--version`` (seconds of the processor); invoices
and ledger receipts with their rows, without limit or latency (microseconds of the processor per
record, the start included); all tables that are selected by default at a limit and with latency
(peak memory in MB, and seconds per request, from the first to the last).

Printed are the medians, and of the ratios, now to before, the median and the extremes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import click
from cost import installed, unpacked
from harness import UNLIMITED, Sandbox, Tap, default_streams, execute, run, show

_STREAMS = ("invoices", "invoice_rows", "ledger_receipts", "ledger_transactions")
_RATE, _LATENCY_MS = 40, 150
_OF_ALL_TABLES = 6_000


def _measure(
    tap: Tap, free: Sandbox, limited: Sandbox, streams: tuple[str, ...], records: int
) -> dict[str, float]:
    started = execute((*tap.command, "--version"), reads_output=False)
    config = {**free.config, "requests_per_second": UNLIMITED}
    load = run(tap, config, _STREAMS, reads_output=False)
    limited.reset()
    config = {**limited.config, "requests_per_second": _RATE}
    paced = run(tap, config, streams, reads_output=False)
    times = [request["time"] for request in limited.statistics()["requests"]]
    return {
        "start, s": started.cpu_seconds,
        "per record, µs": 1e6 * load.cpu_seconds / records,
        "memory, MB": paced.peak_megabytes,
        f"per request at {_RATE} a second, ms": 1e3 * (max(times) - min(times)) / (len(times) - 1),
    }


@click.command(help=__doc__)
@click.option("--baseline", required=True, help="The commit.")
@click.option("--invoices", default=10_000, show_default=True)
@click.option("--pairs", default=9, show_default=True)
def main(baseline: str, invoices: int, pairs: int) -> None:
    """Measure both in turns and print the ratios."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(invoices=invoices, requests_per_second=0) as free,
        Sandbox(
            invoices=_OF_ALL_TABLES, requests_per_second=_RATE, latency_ms=_LATENCY_MS
        ) as limited,
    ):
        before = installed("before", unpacked(baseline, folder), folder)
        now = installed("now", Path(__file__).parents[2], folder)
        streams = default_streams(before)
        config = {**free.config, "requests_per_second": UNLIMITED}
        records = run(now, config, _STREAMS).output.records
        found: dict[str, list[dict[str, float]]] = {before.name: [], now.name: []}
        for pair in range(pairs):
            # Each begins as often: what the machine does besides may come and go.
            for tap in (before, now) if pair % 2 == 0 else (now, before):
                found[tap.name].append(_measure(tap, free, limited, streams, records))
            click.echo(f"Pair {pair + 1}: {found['before'][pair]} {found['now'][pair]}")
    rows = []
    for name in found["now"][0]:
        pairs_of_figure = [
            (old[name], new[name]) for old, new in zip(found["before"], found["now"], strict=True)
        ]
        ratios = [new / old for old, new in pairs_of_figure]
        medians = [median(figures) for figures in zip(*pairs_of_figure, strict=True)]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        rows.append([name, *medians, f"{median(ratios):.3f}", spread])
    header = ["figure", f"at {baseline}", "now", "median of ratios", "from … to"]
    show(f"{pairs} pairs, {records:,} records, {len(streams)} tables", header, rows)


if __name__ == "__main__":
    main()
