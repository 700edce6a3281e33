"""What the benchmarks share: the sandbox as another process, measured runs of taps, tables.

Times on a shared machine wander; each program therefore prints its baselines beside the tap, from
the same run, and ratios. This process stays small: what it holds when it starts a tap would count
as the tap's peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self
from urllib.request import Request, urlopen

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

# As for users, whose installers do not set it: with it, each start compiles every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

Json = dict[str, Any]

_BASELINES = str(Path(__file__).with_name("baselines.py"))
_MEGABYTE = 1024**2
_RSS_UNIT = 1024 if sys.platform == "linux" else 1
"""Linux counts the peak in kilobytes, macOS in bytes."""

UNLIMITED = 10_000
"""Requests per second that no run reaches."""


class Tap(NamedTuple):
    """A tap to measure."""

    name: str
    command: tuple[str, ...]


OURS = Tap("tap-procountor", (sys.executable, "-m", "tap_procountor"))
BATCHES = Tap("plain SDK, batches", (sys.executable, _BASELINES, "batches"))
SINGLE = Tap("plain SDK, single details", (sys.executable, _BASELINES, "single"))


class Sandbox:
    """The sandbox in a process of its own.

    Args:
        options: Options of ``tap-procountor-sandbox serve``.
    """

    def __init__(self, **options: object) -> None:
        self._command = [sys.executable, "-m", "tap_procountor.sandbox", "serve", "--port", "0"]
        for name, value in options.items():
            self._command += [f"--{name.replace('_', '-')}", str(value)]

    def __enter__(self) -> Self:
        """Start it; returns when it serves."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        output = self._process.stdout
        if output is None or not output.readline().startswith("Serving"):
            message = "The sandbox does not start."
            raise click.ClickException(message)
        lines = [output.readline()]
        while lines[-1] != "}\n":
            lines.append(output.readline())
        self.config: Json = json.loads("".join(lines))
        self._control = output.readline().split()[-1].removesuffix("/statistics")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.communicate()

    def statistics(self) -> Json:
        """Return what has been asked since the last reset."""
        with urlopen(f"{self._control}/statistics") as answer:
            statistics: Json = json.load(answer)
        return statistics

    def reset(self) -> None:
        """Forget what has been asked."""
        urlopen(Request(f"{self._control}/reset_statistics", method="POST")).close()


@dataclass
class Output:
    """What a tap has written."""

    records: int = 0
    record_bytes: int = 0
    state: Json = field(default_factory=dict)

    def read(self, stream: IO[bytes]) -> None:
        """Read to the end."""
        for line in stream:
            if line.startswith(b'{"type":"RECORD"'):
                self.records += 1
                self.record_bytes += len(line)
            elif line.startswith(b'{"type":"STATE"'):
                self.state = json.loads(line)["value"]


@dataclass(frozen=True)
class Run:
    """A run that ended well, and what it took."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    output: Output


def run(
    tap: Tap,
    config: Json,
    streams: Sequence[str] | None = None,
    *,
    state: Json | None = None,
    reads_output: bool = True,
) -> Run:
    """Run a tap.

    Args:
        tap: The tap.
        config: Its settings.
        streams: The streams to select; by default those that are selected by default.
        state: The state to go on from.
        reads_output: Whether to read what it writes; else it goes to /dev/null.
    """
    files = {"config": config, "state": state, "catalog": _catalog(tap, tuple(streams or ()))}
    with tempfile.TemporaryDirectory() as folder:
        options = []
        for name, content in files.items():
            if content:
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(content))
                options += [f"--{name}", str(path)]
        return execute((*tap.command, *options), reads_output=reads_output)


def execute(command: Sequence[str], *, reads_output: bool = True) -> Run:
    """Run a command, which must end well."""
    output = Output()
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE if reads_output else subprocess.DEVNULL, stderr=log
        )
        if process.stdout is not None:
            with process.stdout:
                output.read(process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            message = f"{' '.join(command)} failed:\n{log.read()[-2000:].decode()}"
            raise click.ClickException(message)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu_seconds, usage.ru_maxrss * _RSS_UNIT / _MEGABYTE, output)


def default_streams(tap: Tap) -> tuple[str, ...]:
    """Return the streams that are selected by default."""
    return tuple(
        stream["tap_stream_id"]
        for stream in _discovered(tap)["streams"]
        if _of_stream(stream)["selected"]
    )


@cache
def _discovered(tap: Tap) -> Json:
    """Return the catalog that a tap discovers."""
    # Discovery makes no request, but the settings must be there.
    config = {"client_id": "none", "client_secret": "none", "api_key": "none"}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        command = (*tap.command, "--config", file.name, "--discover")
        catalog: Json = json.loads(subprocess.check_output(command))
    return catalog


def _catalog(tap: Tap, streams: tuple[str, ...]) -> Json | None:
    """Return a catalog in which only the streams are selected."""
    if not streams:
        return None
    catalog = deepcopy(_discovered(tap))
    for stream in catalog["streams"]:
        _of_stream(stream)["selected"] = stream["tap_stream_id"] in streams
    return catalog


def _of_stream(stream: Json) -> Json:
    """Return the metadata of a stream as a whole."""
    metadata: Json
    (metadata,) = (entry["metadata"] for entry in stream["metadata"] if not entry["breadcrumb"])
    return metadata


def middle(runs: Sequence[Run], figure: str) -> float:
    """Return the median of one figure of several runs."""
    return float(median(getattr(one, figure) for one in runs))


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: names on the left, figures aligned to the right."""
    table = [list(head), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    click.echo(f"\n{title}")
    for first, *others in table:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        click.echo("  ".join([first.ljust(widths[0]), *cells]))


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell >= 100 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
