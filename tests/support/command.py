"""Running the tap's command as a user does, in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from support.exact import parse
from tap_procountor.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

    from support.exact import Record

Case = TypeVar("Case")
T = TypeVar("T")


@dataclass
class Run:
    """A finished run of the tap; ``printed`` is what it has said to people."""

    exit_code: int
    messages: list[Record]
    log: str
    printed: str = ""

    @property
    def state(self) -> Record:
        """The last state that a target would have kept."""
        states = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1] if states else {}

    def records(self, stream: str) -> list[Record]:
        """All records of a stream in the order in which they came."""
        return [m["record"] for m in self.messages if m.get("stream") == stream and "record" in m]

    def streams(self) -> set[str]:
        """The streams that have records."""
        return {m["stream"] for m in self.messages if m["type"] == "RECORD"}


def run_tap(
    folder: Path,
    config: Record,
    *options: str,
    catalog: Record | None = None,
    state: Record | None = None,
) -> Run:
    """Run the tap; its input files are written into the folder."""
    arguments = [*options, *inputs(folder, config=config, catalog=catalog, state=state)]
    with TemporaryDirectory() as output:
        files = [Path(output, "stdout"), Path(output, "stderr")]
        exit_code = exit_code_of(start_command(arguments, files))
        written, log = (file.read_text("utf-8") for file in files)
    messages = [parse(line) for line in written.split("\n") if line.startswith('{"type"')]
    return Run(exit_code, messages, log, "" if messages else written)


def inputs(folder: Path, **contents: Record | None) -> list[str]:
    """Write the command's input files; return the options that name them.

    Args:
        folder: Where to.
        contents: By option, such as ``config``; None is left out.
    """
    options = []
    for name, content in contents.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), "utf-8")
            options += [f"--{name}", str(path)]
    return options


@cache
def fork_server() -> ForkServerContext:
    """Return what starts processes that begin with everything imported.

    Importing takes longer than most runs in the tests.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.preloaded"])
    with pytest.MonkeyPatch.context() as patch:
        # Python 3.11 and 3.12 do not tell the server sys.path, and a failed import is passed over.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def start_command(
    arguments: list[str],
    files: list[Path],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> BaseProcess:
    """Start the tap's command with its output in two files.

    The environment given is added to ours.
    """
    process = fork_server().Process(
        target=_command,
        args=(arguments, files, {**os.environ, **(environment or {})}, folder or Path.cwd()),
    )
    process.start()
    return process


def exit_code_of(process: BaseProcess) -> int:
    """Wait for the end of a command; return its exit code."""
    process.join(timeout=240)
    if process.exitcode is None:
        process.kill()
        process.join()
    exit_code = process.exitcode
    process.close()
    return -1 if exit_code is None else exit_code


def _command(
    arguments: list[str], files: list[Path], environment: dict[str, str], folder: Path
) -> None:
    """Do what the console script does."""
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[:] = ["tap-procountor", *arguments]
    main()


@contextmanager
def all_at_once(run: Callable[[Case], T], cases: Iterable[Case]) -> Iterator[dict[Case, Future[T]]]:
    """Begin all cases together: what waits most of the time need not do so in turn."""
    begun = list(cases)
    with ThreadPoolExecutor(len(begun)) as pool:
        yield {case: pool.submit(run, case) for case in begun}


def report_of(config: Record) -> dict[str, Any]:
    """Return the run report that a run with these settings has written."""
    report: dict[str, Any] = json.loads(Path(config["run_report_path"]).read_text("utf-8"))
    return report


def outcomes(config: Record) -> dict[str, dict[str, Any]]:
    """Return what that report holds about each stream of a run for one company."""
    return {outcome["stream"]: outcome for outcome in report_of(config)["streams"]}
