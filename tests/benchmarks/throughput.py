"""What a record costs the processor, beside a plain SDK tap that reads the same batches.

    python tests/benchmarks/throughput.py [--invoices 10000] [--repetitions 5]

Both taps fetch the same invoices in batches of 200 from a sandbox without latency or limit, and
write to /dev/null. Counted is user and system time of the tap's process, less that of a run with
a handful of invoices: the start. Both taps rename to snake case, turn times into UTC and keep every
digit.
"""

from __future__ import annotations

import click
from harness import BATCHES, OURS, UNLIMITED, Json, Run, Sandbox, Tap, middle, run, show

_STREAMS = ("invoices",)
_HANDFUL = 20


@click.command(help=__doc__)
@click.option("--invoices", default=10_000, show_default=True)
@click.option("--repetitions", default=5, show_default=True)
def main(invoices: int, repetitions: int) -> None:
    """Measure both taps in turns and print the medians."""
    taps = (OURS, BATCHES)
    with (
        Sandbox(invoices=invoices, requests_per_second=0) as large,
        Sandbox(invoices=_HANDFUL, requests_per_second=0) as small,
    ):
        counted = run(OURS, _config(large), _STREAMS).output
        starts: dict[Tap, list[Run]] = {tap: [] for tap in taps}
        loads: dict[Tap, list[Run]] = {tap: [] for tap in taps}
        for _ in range(repetitions):
            for tap in taps:
                starts[tap].append(run(tap, _config(small), _STREAMS, reads_output=False))
                loads[tap].append(run(tap, _config(large), _STREAMS, reads_output=False))
    records = counted.records - _HANDFUL
    cost = {
        tap: (middle(loads[tap], "cpu_seconds") - middle(starts[tap], "cpu_seconds")) / records
        for tap in taps
    }
    show(
        f"Throughput: {counted.records:,} invoices of {counted.record_bytes // counted.records:,} "
        f"bytes on average, median of {repetitions}",
        ["tap", "start, CPU s", "load, CPU s", "µs per record", "records per CPU s", "ratio"],
        [
            [
                tap.name,
                middle(starts[tap], "cpu_seconds"),
                middle(loads[tap], "cpu_seconds"),
                1e6 * cost[tap],
                1 / cost[tap],
                f"{cost[BATCHES] / cost[tap]:.1f} x",
            ]
            for tap in taps
        ],
    )


def _config(sandbox: Sandbox) -> Json:
    return {**sandbox.config, "requests_per_second": UNLIMITED}


if __name__ == "__main__":
    main()
