"""A first load at Procountor's latency and rate limit, beside plain SDK taps.

    python tests/benchmarks/first_load.py [--invoices 20000]

Reads invoices and ledger receipts. The plain SDK taps send one request after the other, so that
the time of each document does not depend on how many there are: they read fewer (with single
details only invoices), and their time for all documents is worked out from that. Arrivals are
stamped by the kernel of the machine that the sandbox runs on.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
from harness import BATCHES, OURS, SINGLE, Json, Run, Sandbox, Tap, run, show

_STREAMS = ("invoices", "ledger_receipts")
_STREAM_OF_SINGLES = _STREAMS[:1]


@dataclass(frozen=True)
class Load:
    """A finished load, and what the sandbox saw of it."""

    tap: Tap
    run: Run
    statistics: Json

    @property
    def documents(self) -> int:
        """How many came."""
        return self.run.output.records

    @property
    def seconds_per_document(self) -> float:
        """The wall time of one."""
        return self.run.seconds / self.documents

    @property
    def rate(self) -> float:
        """Requests per second from the first arrival to the last."""
        times: list[float] = [request["time"] for request in self.statistics["requests"]]
        return (len(times) - 1) / (max(times) - min(times))

    def row(self, permitted_rate: int, ours: Load) -> list[object]:
        """Return the figures."""
        requests = self.statistics["total"]
        seconds = self.seconds_per_document * ours.documents
        return [
            self.tap.name,
            self.documents,
            self.run.seconds,
            requests,
            1000 * requests / self.documents,
            f"{self.rate / permitted_rate:.1%}",
            self.statistics["peakPerSecond"],
            self.statistics["rateLimitViolations"],
            self.run.peak_megabytes,
            seconds,
            f"{seconds / ours.run.seconds:.1f} x",
        ]


@click.command(help=__doc__)
@click.option("--invoices", default=20_000, show_default=True, help="For tap-procountor.")
@click.option("--batch-invoices", default=4_000, show_default=True, help="For plain SDK batches.")
@click.option("--single-invoices", default=150, show_default=True, help="For single details.")
@click.option("--latency-ms", default=300, show_default=True)
@click.option("--jitter-ms", default=200, show_default=True)
@click.option("--requests-per-second", default=20, show_default=True)
def main(
    invoices: int, batch_invoices: int, single_invoices: int, requests_per_second: int, **delay: int
) -> None:
    """Load with each tap and print the figures."""
    plan = (
        (OURS, invoices, _STREAMS),
        (BATCHES, batch_invoices, _STREAMS),
        (SINGLE, single_invoices, _STREAM_OF_SINGLES),
    )
    loads = [_load(tap, count, streams, requests_per_second, delay) for tap, count, streams in plan]
    ours = loads[0]
    show(
        f"First load: {delay['latency_ms']} ± {delay['jitter_ms']} ms, {requests_per_second} "
        f"requests/s permitted; 's for all' are for {ours.documents:,} documents",
        [
            "tap",
            "documents",
            "seconds",
            "requests",
            "per 1,000",
            "rate used",
            "most in 1 s",
            "refused",
            "peak MB",
            "s for all",
            "ratio",
        ],
        [load.row(requests_per_second, ours) for load in loads],
    )


def _load(
    tap: Tap,
    invoices: int,
    streams: tuple[str, ...],
    requests_per_second: int,
    delay: dict[str, int],
) -> Load:
    options = {"invoices": invoices, "requests_per_second": requests_per_second, **delay}
    with Sandbox(**options) as sandbox:
        config = {**sandbox.config, "requests_per_second": requests_per_second}
        return Load(tap, run(tap, config, streams), sandbox.statistics())


if __name__ == "__main__":
    main()
