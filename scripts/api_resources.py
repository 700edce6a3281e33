"""The page ``docs/resources.md``: which stream reads which resource, and why some have none.

What is read follows from the streams' declarations; the reasons are in ``not_read.yaml``. A test
compares both with the specification, so that a newer one shows which resources need a decision.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from stream_pages import ORIGIN, name_of

from tap_procountor.records.schema import SPECIFICATION
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.streams.base.stream import ProcountorStream

_REASONS: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("not_read.yaml").read_text("utf-8")
)
#: What the tap asks for its own purposes, by path.
READ_BY_THE_TAP = _REASONS["asked_by_the_tap"]
#: Why no stream reads a resource, by path.
NOT_READ = _REASONS["no_stream"]


def readers() -> dict[str, list[type[ProcountorStream]]]:
    """Return the streams that read each path of the specification, in its order.

    Raises:
        LookupError: If a stream reads a path that the specification does not have.
    """
    found: dict[str, list[type[ProcountorStream]]] = {
        path: [] for path in SPECIFICATION.spec["paths"]
    }
    spelt = {_without_names(path): path for path in found}
    for stream in STREAM_TYPES:
        for path in stream.paths():
            found[spelt[_without_names(path)]].append(stream)
    return found


def _without_names(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Resources"
    yield ""
    yield ORIGIN
    yield ""
    yield "Every resource of Procountor's API that can be read, and the streams that read it. Where"
    yield "there are none, the table gives the reason. A test compares it with the specification."
    yield from _table("Read by streams", "Streams", _read())
    yield from _table("Not read", "Reason", READ_BY_THE_TAP | NOT_READ)


def _read() -> dict[str, str]:
    return {
        path: ", ".join(_link(name_of(stream)) for stream in streams)
        for path, streams in readers().items()
        if streams
    }


def _link(stream: str) -> str:
    return f"[{stream}](streams/{stream}.md)"


def _table(heading: str, column: str, cells: dict[str, str]) -> Iterator[str]:
    yield from ("", f"## {heading}", "")
    yield from (f"| Resource | {column} |", "| --- | --- |")
    for path, text in cells.items():
        yield f"| `{path}` | {text} |"
