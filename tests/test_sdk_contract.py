"""The private names of the SDK that the tap relies on: all of them, so that none goes unnoticed.

A weekly workflow runs these tests, and the SDK's own, against the SDK's newest release and its main
branch.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import Stream, Tap

import tap_procountor
from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Methods that are overridden or called, with their parameters and the reason.
METHODS: dict[tuple[Any, str], tuple[str, ...]] = {
    # Overridden: the SDK ends with exit code 0.
    (Tap, "_handle_termination"): ("self", "signum", "frame"),
    # Overridden: the SDK's message quotes values, which may be secrets.
    (Tap, "_validate_config"): ("self", "raise_errors"),
    # Overridden: we write records without an object per record in between.
    (Stream, "_write_record_message"): ("self", "record"),
    # Overridden to do nothing: see their docstrings.
    (Stream, "_process_record"): ("self", "record", "child_context", "partition_context"),
    (Stream, "_increment_stream_state"): ("self", "latest_record", "context"),
    (Stream, "_write_starting_replication_value"): ("self", "context"),
    # Called: tables whose rows come with others are announced before them.
    (Stream, "_write_schema_message"): ("self",),
    # Called: after the last record, where the SDK would do so before the first.
    (Stream, "_write_activate_version_message"): ("self", "full_table_version"),
}
#: Attributes that are read, or set, or overridden by a property.
ATTRIBUTES = {
    "_config": Tap,
    "_env_var_config": Tap,
    "_stream_version": Stream,
    "_tap": Stream,
}


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_the_sdk_has_the_method(owner: Any, name: str) -> None:
    assert tuple(inspect.signature(getattr(owner, name)).parameters) == METHODS[owner, name]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_sdk_has_the_attribute(name: str) -> None:
    source = "".join(map(inspect.getsource, ATTRIBUTES[name].__mro__[:-1]))
    assert re.search(rf"self\.{name}\b", source)


def test_no_other_private_name_is_touched() -> None:
    private = {name for base in (Tap, Stream) for name in _private_names_of(base)}
    package = Path(tap_procountor.__file__).parent
    touched = {
        name
        for path in (package / "tap.py", package / "cli.py", *package.glob("streams/**/*.py"))
        for name in _names_in(path)
        if name in private
    }
    allowed = {name for _, name in METHODS} | {*ATTRIBUTES}
    assert touched == allowed


def test_no_private_module_is_imported() -> None:
    package = Path(tap_procountor.__file__).parent
    found = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"singer_sdk(?:\.\w+)*\._\w+", path.read_text("utf-8"))
    }
    assert found == set()


def test_the_run_does_not_depend_on_what_is_final() -> None:
    assert "sync_all" not in vars(TapProcountor)
    assert Tap.sync_all.__final__  # type: ignore[attr-defined]


def _private_names_of(base: type) -> set[str]:
    source = "".join(map(inspect.getsource, base.__mro__[:-1]))
    names = re.findall(r"(?:self|cls)\.(_[a-z]\w*)|def (_[a-z]\w*)", source)
    return {name for pair in names for name in pair if name}


def _names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef):
            yield node.name
