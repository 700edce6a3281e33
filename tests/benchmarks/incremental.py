"""An incremental run that finds nothing new, and how fast the tap starts.

    python tests/benchmarks/incremental.py [--latency-ms 300]

All streams are read once; then again with the state of the first run.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import click
from harness import BATCHES, OURS, Json, Run, Sandbox, Tap, execute, middle, run, show


class Command(NamedTuple):
    """A command whose time is measured."""

    name: str
    words: tuple[str, ...]


@click.command(help=__doc__)
@click.option("--invoices", default=500, show_default=True)
@click.option("--latency-ms", default=300, show_default=True)
@click.option("--requests-per-second", default=20, show_default=True)
@click.option("--repetitions", default=5, show_default=True, help="Of the starts.")
def main(invoices: int, latency_ms: int, requests_per_second: int, repetitions: int) -> None:
    """Measure and print."""
    with Sandbox(
        invoices=invoices, latency_ms=latency_ms, requests_per_second=requests_per_second
    ) as sandbox:
        config = {**sandbox.config, "requests_per_second": requests_per_second}
        first = run(OURS, config)
        first_requests: Json = sandbox.statistics()["byRoute"]
        sandbox.reset()
        second = run(OURS, config, state=first.output.state)
        requests: Json = sandbox.statistics()["byRoute"]
    show(
        f"First and empty incremental run of all streams at {latency_ms} ms",
        ["run", "seconds", "requests", "records"],
        [_row("first", first, first_requests), _row("incremental", second, requests)],
    )
    show(
        "Requests of the incremental run",
        ["resource", "requests"],
        [[route, number] for route, number in sorted(requests.items())],
    )
    _show_starts(repetitions)


def _row(name: str, finished: Run, requests: Json) -> list[object]:
    return [name, finished.seconds, sum(requests.values()), finished.output.records]


def _show_starts(repetitions: int) -> None:
    commands = (
        Command("python -c pass", (sys.executable, "-c", "pass")),
        Command("import singer_sdk", (sys.executable, "-c", "import singer_sdk")),
        _command(BATCHES, "--version"),
        _command(OURS, "--version"),
        _command(OURS, "--discover"),
    )
    runs: dict[Command, list[Run]] = {command: [] for command in commands}
    for _ in range(repetitions):
        for command in commands:
            runs[command].append(execute(command.words, reads_output=False))
    show(
        f"Start, median of {repetitions}",
        ["command", "seconds", "CPU s", "peak MB"],
        [
            [
                command.name,
                middle(its_runs, "seconds"),
                middle(its_runs, "cpu_seconds"),
                middle(its_runs, "peak_megabytes"),
            ]
            for command, its_runs in runs.items()
        ],
    )


def _command(tap: Tap, option: str) -> Command:
    return Command(f"{tap.name} {option}", (*tap.command, option))


if __name__ == "__main__":
    main()
