"""The tap's catalog, with the streams that a test selects."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.exact import Record


@cache
def discovered() -> str:
    """Return the catalog as text; the tap need not start for each test that selects streams."""
    process = subprocess.run(
        [sys.executable, "-m", "tap_procountor", "--discover"],
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout


def selecting(*streams: str) -> Record:
    """Return a catalog in which only these streams are selected."""
    catalog: Record = json.loads(discovered())
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog
