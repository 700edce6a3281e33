"""What the tests share: a harness that runs the tap as a user does, and an oracle of the truth."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Until all branches import from the modules themselves. Not imported at once: each process of the
# tap would load the specification and the sandbox.
_MOVED = {
    name: module
    for module, names in {
        "bookkeeping": "editable when_asked",
        "catalog": "discovered selecting",
        "command": "Run all_at_once exit_code_of run_tap start_command",
        "exact": "Digits Key Record parse",
        "oracle": "truth",
        "oracle.records": "COMPONENTS SPECIFICATION expected_record utc",
        "target": "Target current_rows",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name == "STREAMS":
        return tuple(import_module("support.oracle.books").TABLES)
    if name == "DOCUMENT_STREAMS":
        return tuple(import_module("support.oracle.books").DOCUMENTS)
    if name in _MOVED:
        return getattr(import_module(f"support.{_MOVED[name]}"), name)
    raise AttributeError(name)
