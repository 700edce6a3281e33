from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

PROGRAM = """
from contextlib import suppress

import requests
from sandbox_client import running

with running(invoices=10) as (sandbox, client):
    company = sandbox.companies[0]
    {cause}
    for path in ("/invoices", "/invoices/1", "/vats/settings"):
        with suppress(requests.ConnectionError):
            print(client.get(path).status_code)
"""


def run(cause: str) -> tuple[list[str], str]:
    """Return the statuses that the paths are answered with, and standard error."""
    finished = subprocess.run(
        [sys.executable, "-c", dedent(PROGRAM).replace("{cause}", cause)],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return finished.stdout.split(), finished.stderr


def test_a_fault_inside_the_sandbox_is_logged_with_its_traceback_and_answered_500() -> None:
    statuses, log = run("company.rights = None")
    assert statuses == ["500", "500", "200"]
    assert log.count("The sandbox failed at GET /latest/api/invoices\nTraceback") == 1
    assert log.count("AttributeError: 'NoneType' object has no attribute 'allows'") == 2


def test_faults_made_to_order_stay_silent() -> None:
    for kind in ("status", "truncate", "drop"):
        statuses, log = run(f"sandbox.add_fault(path='/invoices', kind='{kind}', status=500)")
        assert statuses == {"status": ["500"], "truncate": ["200"], "drop": []}[kind] + [
            "404",
            "200",
        ]
        assert not log
