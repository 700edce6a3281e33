from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import requests

SANDBOX = [sys.executable, "-m", "tap_procountor.sandbox"]
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SANDBOX, "run", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def variables(*options: str, **environment: str) -> dict[str, Any]:
    finished = run(*options, "--", sys.executable, "-c", SHOW, **environment)
    assert finished.returncode == 0, finished.stderr
    shown: dict[str, Any] = json.loads(finished.stdout)
    return shown


def test_run_sets_the_variables_of_one_company() -> None:
    shown = variables(TAP_PROCOUNTOR_API_KEYS='["real"]')
    assert shown["TAP_PROCOUNTOR_API_URL"].endswith("/latest/api")
    assert shown["TAP_PROCOUNTOR_CLIENT_ID"]
    assert shown["TAP_PROCOUNTOR_CLIENT_SECRET"]
    assert shown["TAP_PROCOUNTOR_API_KEY"]
    assert "TAP_PROCOUNTOR_API_KEYS" not in shown
    assert shown["PROCOUNTOR_SANDBOX_URL"].endswith("/sandbox")


def test_run_sets_the_variables_of_several_companies() -> None:
    shown = variables("--companies", "3", "--invoices", "20", TAP_PROCOUNTOR_API_KEY="real")
    assert len(json.loads(shown["TAP_PROCOUNTOR_API_KEYS"])) == 3
    assert "TAP_PROCOUNTOR_API_KEY" not in shown


def test_run_ends_with_the_command_s_exit_code() -> None:
    assert run("--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    missing = run("--", "no-such-command-anywhere")
    assert missing.returncode == 1
    assert "no-such-command-anywhere" in missing.stderr


def test_run_forwards_signals() -> None:
    program = "import time; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [*SANDBOX, "run", "--", sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 128 + signal.SIGTERM


def test_serve_says_how_to_reach_it_and_ends_cleanly() -> None:
    with subprocess.Popen(
        [*SANDBOX, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline()]
        while lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        config = json.loads("".join(lines[1:]))
        form = {**config, "grant_type": "client_credentials"}
        url = config.pop("api_url")
        answer = requests.post(f"{url}/oauth/token", data=form, timeout=5)
        assert answer.status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def test_it_starts_fast() -> None:
    start = time.monotonic()
    run("--", sys.executable, "-c", "pass")
    assert time.monotonic() - start < 5


def test_without_the_extra_it_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv[1:] = ['serve']; "
        "from tap_procountor.sandbox.cli import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert finished.stderr == "Error: uvicorn is missing: pip install 'tap-procountor[sandbox]'\n"
