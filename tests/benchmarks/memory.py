"""Peak memory for few and for many documents.

    python tests/benchmarks/memory.py [--documents 100000]
    python tests/benchmarks/memory.py [--documents 100000] --requests-per-second 60 --latency-ms 300

Documents are invoices and their ledger receipts, about half each: first these two tables alone,
then all that are selected by default. If neither rate nor latency is given, the sandbox answers at
once and the tap knows of no limit, so that whatever may be read ahead is.
"""

from __future__ import annotations

import click
from harness import BATCHES, OURS, UNLIMITED, Run, Sandbox, Tap, run, show

_FEW = 5_000
#: What is read; the plain SDK tap has the documents only.
_TABLES = (("documents", ("invoices", "ledger_receipts")), ("default", None))


@click.command(help=__doc__)
@click.option("--documents", default=100_000, show_default=True)
@click.option("--requests-per-second", default=UNLIMITED, help="That the tap permits itself.")
@click.option("--latency-ms", default=0, show_default=True)
@click.option("--baseline/--no-baseline", default=False, help="Also the plain SDK tap (slow).")
def main(documents: int, requests_per_second: int, latency_ms: int, *, baseline: bool) -> None:
    """Measure and print."""
    rows: list[list[object]] = []
    for tap in (OURS, BATCHES) if baseline else (OURS,):
        for tables, streams in _TABLES if tap is OURS else _TABLES[:1]:
            few, many = (
                _run(tap, streams, count, requests_per_second, latency_ms)
                for count in (_FEW, documents)
            )
            ratio = f"{many.peak_megabytes / few.peak_megabytes:.2f} x"
            rows += [
                [tap.name, tables, _FEW, few.seconds, few.peak_megabytes, ""],
                [tap.name, tables, documents, many.seconds, many.peak_megabytes, ratio],
            ]
    show("Peak memory", ["tap", "tables", "documents", "seconds", "peak MB", "ratio"], rows)


def _run(
    tap: Tap,
    streams: tuple[str, ...] | None,
    documents: int,
    requests_per_second: int,
    latency_ms: int,
) -> Run:
    with Sandbox(invoices=documents // 2, requests_per_second=0, latency_ms=latency_ms) as sandbox:
        config = {**sandbox.config, "requests_per_second": requests_per_second}
        return run(tap, config, streams, reads_output=False)


if __name__ == "__main__":
    main()
