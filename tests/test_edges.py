"""The edges of the process: its output, its files, its signals, and a catalog of another day."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, run_tap
from support.exact import Record, parse
from support.proxy import Answer, Proxy, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.sandbox import Sandbox

PROGRAM = [sys.executable, "-m", "tap_procountor"]


def written(folder: Path, config: Record, *streams: str) -> list[str]:
    """Options of a run."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps(selecting(*streams)))
    return ["--config", f"{folder}/config.json", "--catalog", f"{folder}/catalog.json"]


def assert_one_sentence(log: str, *words: str) -> None:
    assert "Traceback" not in log
    assert "unexpectedly" not in log
    assert "Exception ignored" not in log
    errors = [line for line in log.splitlines() if "| ERROR" in line]
    assert len(errors) == 1, log
    for word in words:
        assert word in errors[0]


def by_shell(command: str, options: list[str], **environment: str) -> tuple[int, str]:
    """Run the tap in a shell, where ``$TAP`` is it with its options; return code and log."""
    tap = " ".join([*PROGRAM, *options])
    done = subprocess.run(
        ["bash", "-c", command.replace("$TAP", tap)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    mostly_slow(
        [
            ("$TAP | head -c 100 > /dev/null; exit ${PIPESTATUS[0]}", "The target has ended"),
            ("$TAP > /dev/full", "Standard output cannot be written (No space left on device)"),
            ("$TAP >&-", "Standard output cannot be written (it is closed)"),
            ("$TAP --test > /dev/full", "Standard output cannot be written"),
            ("$TAP --test >&-", "Standard output cannot be written"),
            ("$TAP --discover > /dev/full", "Standard output cannot be written"),
            ("$TAP --discover >&-", "Standard output cannot be written"),
            ("$TAP --about > /dev/full", "Standard output cannot be written"),
        ],
        by_default=3,
    ),
)
def test_an_output_that_takes_nothing(
    config: Record, tmp_path: Path, command: str, words: str
) -> None:
    code, log = by_shell(command, written(tmp_path, config, "invoices"))
    assert code == 1
    assert_one_sentence(log, words)


def test_an_output_that_knows_only_ascii(sandbox: Sandbox, config: Record, tmp_path: Path) -> None:
    options = written(tmp_path, config, "company", "invoices")
    for option in ("--test", "--about", "--discover"):
        done = subprocess.run(
            [*PROGRAM, *options, option],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
    name = sandbox.companies[0].truth("company")[0]["name"]
    assert not name.isascii()


@contextmanager
def running(options: list[str], output: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *options], stdout=output, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def test_an_output_that_does_not_block_is_waited_for(config: Record, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with running(written(tmp_path, config, "invoices"), writing) as process:
        os.close(writing)
        time.sleep(4)
        ticks = [int(one) for one in Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]]
        # It waits: all that it has needed is the start.
        time.sleep(1)
        later = [int(one) for one in Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]]
        assert sum(later) - sum(ticks) < 0.3 * os.sysconf("SC_CLK_TCK")
        with os.fdopen(reading, encoding="utf-8") as output:
            messages = [parse(line) for line in output]
        assert process.wait(30) == 0
    assert sum(message["type"] == "RECORD" for message in messages) == 60


@pytest.mark.parametrize(
    ("path", "answer"),
    # In each place where a run waits.
    mostly_slow(
        [
            ("/invoices.*", Answer(503)),
            ("/api/oauth/token", None),
            ("/sessioninfo", None),
            ("/users/rights", None),
            ("/invoices.*", None),
            ("/invoices.*", Answer(429, {"Retry-After": "60"})),
        ],
        by_default=2,
    ),
)
def test_the_process_ends_soon_after_its_target(
    proxy: Proxy, tmp_path: Path, path: str, answer: Answer | None
) -> None:
    asked, end = threading.Event(), threading.Event()

    def before(question: Question) -> Answer | None:
        if re.fullmatch(path, question.path):
            asked.set()
            if answer is None:
                end.wait(60)
            # Nobody waits for it any more: it must not reach a sandbox that is being stopped.
            return answer or Answer(503)
        return None

    proxy.before = before
    reading, writing = os.pipe()
    with running(written(tmp_path, proxy.config(), "invoices"), writing) as process:
        os.close(writing)
        assert asked.wait(30)
        time.sleep(0.5)
        assert process.poll() is None
        os.close(reading)
        began = time.monotonic()
        assert process.wait(20) == 1
        assert time.monotonic() - began < 2
        end.set()
        assert process.stderr
        assert_one_sentence(process.stderr.read(), "The target has ended before the tap")


def test_a_signal_inside_a_finalizer_is_not_lost(
    sandbox: Sandbox, config: Record, tmp_path: Path
) -> None:
    """Python drops exceptions that are raised there; the run must stop all the same."""
    program = """
import logging, os, signal, sys, time
from tap_procountor.__main__ import main

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)

class Handler(logging.Handler):
    def emit(self, record):
        if "Reading company" in record.getMessage():
            Finalized()

logging.getLogger("tap-procountor").addHandler(Handler())
main()
"""
    sandbox.add_fault(path="/invoices*", kind="hang", seconds=30, times=None)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, *written(tmp_path, config, "invoices")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    # What Python says of it would be a traceback.
    assert "Traceback" not in done.stderr
    assert "Stopped by signal 15" in done.stderr
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("path", "why", "is_before"),
    [(".", "Is a directory", True), ("/dev/full", "No space left on device", False)],
)
def test_a_report_that_cannot_be_written(
    config: Record, tmp_path: Path, path: str, why: str, *, is_before: bool
) -> None:
    """What can be known before anything is read is said then."""
    run = run_tap(tmp_path, config | {"run_report_path": path}, catalog=selecting("products"))
    assert run.exit_code == 1
    assert_one_sentence(run.log, "run_report_path", why)
    assert (run.messages == []) is is_before


def test_settings_files_that_cannot_be_read(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dotenv = tmp_path / ".env"
    dotenv.write_bytes("TAP_PROCOUNTOR_CLIENT_ID=Yhtiö\n".encode("latin-1"))
    run = run_tap(tmp_path, {}, "--config", "ENV")
    assert_one_sentence(run.log, "The .env file is not in UTF-8")
    lines = [f"TAP_PROCOUNTOR_{name.upper()}={one}\n" for name, one in sandbox.config().items()]
    dotenv.write_text("".join(lines), "utf-8-sig")
    catalog = tmp_path / "marked.json"
    catalog.write_text(json.dumps(selecting("products")), "utf-8-sig")
    run = run_tap(tmp_path, {}, "--config", "ENV", "--catalog", str(catalog))
    assert run.exit_code == 0, run.log
    assert run.streams() == {"products"}


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    code, log = by_shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; $TAP --config ENV", [])
    assert code == 1
    assert_one_sentence(log, "The working folder no longer exists")


def entry_of(catalog: Record, stream: str) -> Record:
    return next(one for one in catalog["streams"] if one["tap_stream_id"] == stream)


@pytest.mark.parametrize("word", ["true", "false", 1])
def test_a_selection_in_words(config: Record, tmp_path: Path, word: Any) -> None:
    catalog = selecting("products")
    for part in entry_of(catalog, "products")["metadata"]:
        if not part["breadcrumb"]:
            part["metadata"]["selected"] = word
    run = run_tap(tmp_path, config, catalog=catalog)
    assert run.exit_code == 1
    assert_one_sentence(run.log, "catalog", "'products'", "selected", "bool")


@pytest.mark.parametrize("lacks_schema", [False, True])
def test_a_catalog_that_says_only_what_is_selected(
    config: Record, tmp_path: Path, *, lacks_schema: bool
) -> None:
    """Key and replication method are then as they are declared."""
    whole = selecting("products", "dimensions", "invoices", "invoice_rows")
    catalog: Record = {"streams": []}
    for stream in whole["streams"]:
        root = next(part["metadata"] for part in stream["metadata"] if not part["breadcrumb"])
        selected = {"breadcrumb": [], "metadata": {"selected": root.get("selected")}}
        bare = {"tap_stream_id": stream["tap_stream_id"], "metadata": [selected]}
        catalog["streams"].append(bare if lacks_schema else bare | {"schema": stream["schema"]})
    run = run_tap(tmp_path, config, catalog=catalog)
    assert run.exit_code == 0, run.log
    expected = run_tap(tmp_path, config, catalog=whole)
    assert schemas_of(run) == schemas_of(expected)
    for stream in ("products", "dimensions", "invoices", "invoice_rows"):
        assert run.records(stream) == expected.records(stream)
    assert "lacks columns" not in run.log


def schemas_of(run: Run) -> dict[str, Record]:
    return {one["stream"]: one for one in run.messages if one["type"] == "SCHEMA"}


def test_a_stored_catalog_that_lacks_columns(config: Record, tmp_path: Path) -> None:
    whole = run_tap(tmp_path, config, catalog=selecting("invoices", "invoice_rows", "products"))
    catalog = selecting("invoices", "invoice_rows", "products")
    invoices = entry_of(catalog, "invoices")["schema"]["properties"]
    for name in ("notes", "sum", "id", "_sdc_deleted_at"):
        del invoices[name]
    del invoices["payment_info"]["properties"]["due_date"]
    del entry_of(catalog, "invoice_rows")["schema"]["properties"]["quantity"]
    # It is there, and not wanted: nobody need be told.
    del entry_of(catalog, "products")["schema"]["properties"]["name"]
    for part in entry_of(catalog, "products")["metadata"]:
        if part["breadcrumb"] == ["properties", "name"]:
            part["metadata"]["selected"] = False
    run = run_tap(tmp_path, config, catalog=catalog)
    assert run.exit_code == 0, run.log
    warnings = [line for line in run.log.splitlines() if "lacks columns" in line]
    assert len(warnings) == 2
    for name in ("notes", "sum", "id", "_sdc_deleted_at", "payment_info.due_date"):
        assert name in warnings[0] or name in warnings[1]
    schema = schemas_of(run)["invoices"]["schema"]["properties"]
    assert {"id", "_sdc_deleted_at"} < schema.keys()
    assert {"notes", "sum"}.isdisjoint(schema)
    for record, before in zip(run.records("invoices"), whole.records("invoices"), strict=True):
        assert record.keys() <= schema.keys()
        assert record == {
            name: {key: one for key, one in value.items() if key != "due_date"}
            if name == "payment_info"
            else value
            for name, value in before.items()
            if name not in {"notes", "sum"}
        }
    assert all("quantity" not in row for row in run.records("invoice_rows"))
