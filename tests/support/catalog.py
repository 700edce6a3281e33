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
    """Return a catalog in which only these streams are selected.

    The others have no columns but their keys: to take in those of eighty streams takes longer than
    all else that most runs do.
    """
    catalog: Record = json.loads(discovered())
    for stream in catalog["streams"]:
        is_selected = stream["tap_stream_id"] in streams
        (root,) = [entry for entry in stream["metadata"] if not entry["breadcrumb"]]
        root["metadata"]["selected"] = is_selected
        if not is_selected:
            stream["metadata"] = [root]
            properties = stream["schema"]["properties"]
            stream["schema"]["properties"] = {
                name: properties[name] for name in stream["key_properties"]
            }
    return catalog
