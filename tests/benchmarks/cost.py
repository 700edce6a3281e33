"""What a change costs: processor time per record and requests, beside an earlier commit.

    python tests/benchmarks/cost.py [--baseline c3c7817] [--invoices 20000] [--pairs 9]

The commit and the project as it lies here are installed into environments of their own, with the
same packages, and read the same sandbox, which knows neither latency nor limit, in turns: invoices
and ledger receipts with their rows, written to /dev/null. Counted is user and system time of the
tap's process, less the median of the same run with a handful of invoices: the start.

The requests are those of that load, and of a first run and one with nothing new of all tables.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
from harness import UNLIMITED, Json, Run, Sandbox, Tap, default_streams, run, show

_ROOT = Path(__file__).parents[2]
_STREAMS = ("invoices", "invoice_rows", "ledger_receipts", "ledger_transactions")
#: Until November 2026 a dimension item that a transaction has three times ended the ledger.
_NOT_READ_BY_OLD_COMMITS = "ledger_transaction_dimensions"
_HANDFUL = 20
_OF_ALL_TABLES = 500
_FIGURES = ("start", "load", "µs")


@dataclass
class Contender:
    """A tap, and what it has taken.

    Attributes:
        tap: The tap.
        starts: Seconds of the processor for a handful of invoices, run by run.
        loads: For all of them.
        records: How many records the load has more than the start.
        requests: Requests by route of each kind of run.
    """

    tap: Tap
    starts: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    records: int = 0
    requests: dict[str, Json] = field(default_factory=dict)

    def measure(self, large: Sandbox, small: Sandbox) -> None:
        """Run it once with few and once with all invoices."""
        for sandbox, seconds in ((small, self.starts), (large, self.loads)):
            finished = _run(self.tap, sandbox, _STREAMS, reads_output=False)
            seconds.append(finished.cpu_seconds)

    def count(self, large: Sandbox, small: Sandbox, streams: tuple[str, ...]) -> None:
        """Count records and requests; this run is not measured."""
        self.records = self._counted("load", large, _STREAMS).output.records
        self.records -= self._counted("start", small, _STREAMS).output.records
        with Sandbox(invoices=_OF_ALL_TABLES, requests_per_second=0) as sandbox:
            first = self._counted("first", sandbox, streams)
            self._counted("nothing new", sandbox, streams, first.output.state)

    def cost(self, pair: int) -> float:
        """Return the microseconds per record that one of the loads took.

        The starts wander by a tenth of a second, each with nothing to do with the load beside it.
        """
        return 1e6 * (self.loads[pair] - median(self.starts)) / self.records

    def _counted(
        self, kind: str, sandbox: Sandbox, streams: tuple[str, ...], state: Json | None = None
    ) -> Run:
        sandbox.reset()
        finished = _run(self.tap, sandbox, streams, state=state)
        self.requests[kind] = sandbox.statistics()["byRoute"]
        return finished


@click.command(help=__doc__)
@click.option("--baseline", default="c3c7817", show_default=True, help="The commit.")
@click.option("--invoices", default=20_000, show_default=True)
@click.option("--pairs", default=9, show_default=True)
def main(baseline: str, invoices: int, pairs: int) -> None:
    """Measure both in turns and print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        before = Contender(installed(baseline, unpacked(baseline, folder), folder))
        now = Contender(installed("now", _ROOT, folder))
        streams = tuple(
            name for name in default_streams(before.tap) if name != _NOT_READ_BY_OLD_COMMITS
        )
        with (
            Sandbox(invoices=invoices, requests_per_second=0) as large,
            Sandbox(invoices=_HANDFUL, requests_per_second=0) as small,
        ):
            for contender in (before, now):
                contender.count(large, small, streams)
            for pair in range(pairs):
                # Each begins as often: what the machine does besides may come and go.
                for contender in (before, now) if pair % 2 == 0 else (now, before):
                    contender.measure(large, small)
    _show(before, now)


def _show(before: Contender, now: Contender) -> None:
    both = (before, now)
    ratios = [now.cost(pair) / before.cost(pair) for pair in range(len(now.loads))]
    show(
        f"Cost of {now.records:,} records ({before.records:,} of {before.tap.name}): seconds of "
        "the processor, and microseconds per record less the start",
        ["pair", *(f"{one.tap.name}, {what}" for what in _FIGURES for one in both), "ratio"],
        [
            [
                str(pair + 1),
                *(one.starts[pair] for one in both),
                *(one.loads[pair] for one in both),
                *(one.cost(pair) for one in both),
                f"{ratio:.3f}",
            ]
            for pair, ratio in enumerate(ratios)
        ],
    )
    click.echo(
        f"\nRatio, {len(ratios)} pairs: median {median(ratios):.3f}, "
        f"from {min(ratios):.3f} to {max(ratios):.3f}"
    )
    kinds = [kind for kind in now.requests if kind != "start"]
    routes = sorted({route for one in both for kind in kinds for route in one.requests[kind]})
    show(
        "Requests by route",
        ["route", *(f"{kind}, {one.tap.name}" for kind in kinds for one in both), "more"],
        [
            _requests(route, [[one.requests[kind].get(route, 0) for one in both] for kind in kinds])
            for route in routes
        ]
        + [
            _requests("all", [[sum(one.requests[kind].values()) for one in both] for kind in kinds])
        ],
    )


def _requests(route: str, counts: list[list[int]]) -> list[object]:
    more = any(new > old for old, new in counts)
    return [route, *(number for pair in counts for number in pair), "yes" if more else ""]


def _run(
    tap: Tap,
    sandbox: Sandbox,
    streams: tuple[str, ...],
    *,
    state: Json | None = None,
    reads_output: bool = True,
) -> Run:
    config = {**sandbox.config, "requests_per_second": UNLIMITED}
    return run(tap, config, streams, state=state, reads_output=reads_output)


def unpacked(commit: str, folder: str) -> Path:
    """Put the files of a commit into a folder."""
    archive = subprocess.run(
        ["git", "-C", str(_ROOT), "archive", commit], capture_output=True, check=False
    )
    if archive.returncode:
        raise click.ClickException(archive.stderr.decode())
    place = Path(folder, "files")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(place, filter="data")
    return place


def installed(name: str, project: Path, folder: str) -> Tap:
    """Install a project into an environment of its own."""
    place = Path(folder, name)
    python = place / "bin" / "python"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(place)],
        ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), str(project)],
    ):
        subprocess.run(["uv", *command], check=True)
    # Not `python -m`, which would take the package from the working folder.
    return Tap(name, (str(place / "bin" / "tap-procountor"),))


if __name__ == "__main__":
    main()
