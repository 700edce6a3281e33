"""Write README's tables and the pages of the streams from the code that declares them.

Usage: ``python scripts/generate_docs.py``; with ``--check`` nothing is written, and the exit code
is 1 if something is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stream_pages import pages

from tap_procountor.coverage import NOT_READ, READ_BY_THE_TAP, readers
from tap_procountor.settings import SETTINGS
from tap_procountor.streams.base.downloading import DownloadStream
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.streams.base.stream import ProcountorStream

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "streams"


def settings_table() -> Iterator[str]:
    """Yield the lines of the table of settings."""
    yield "| Setting | Default | Meaning |"
    yield "| --- | --- | --- |"
    schema = SETTINGS.to_dict()
    for name, setting in schema["properties"].items():
        marks = [
            *(["required"] if name in schema["required"] else []),
            *(["secret"] if setting.get("secret") else []),
        ]
        default = f"`{json.dumps(setting['default'])}`" if "default" in setting else ""
        shown = f"`{name}`" + (f" ({', '.join(marks)})" if marks else "")
        yield f"| {shown} | {default} | {setting['description']} |"


def streams_table() -> Iterator[str]:
    """Yield the lines of the table of streams."""
    yield "| Stream | What it holds | Read from | Key after `company_id` | Replication |"
    yield "| --- | --- | --- | --- | --- |"
    for stream in STREAM_TYPES:
        summary = (stream.__doc__ or "").partition("\n")[0].rstrip(".")
        key = ", ".join(f"`{name}`" for name in stream.primary_keys[1:]) or "nothing more"
        cells = f"`{name_of(stream)}`", summary, source(stream), key, replication(stream)
        yield f"| {' | '.join(cells)} |"


def name_of(stream: type[ProcountorStream]) -> str:
    """Return a stream's name, which the SDK types as one of instances."""
    return str(vars(stream)["name"])


def source(stream: type[ProcountorStream]) -> str:
    """Say which paths or which other streams hold the rows."""
    if issubclass(stream, ReadStream) and stream.writes_files:
        return f"`{stream.path}`"
    if issubclass(stream, RowStream):
        return "rows of " + ", ".join(f"`{name_of(owner)}`" for owner in stream.owners)
    if issubclass(stream, ReadStream):
        return ", ".join(f"`{path}`" for path in stream.paths())
    return "the other streams"


def resources_table() -> Iterator[str]:
    """Yield the lines of the table of the API's resources."""
    yield "| Resource | Streams, or why there is none |"
    yield "| --- | --- |"
    reasons = READ_BY_THE_TAP | NOT_READ
    for path, streams in readers().items():
        names = ", ".join(f"`{name_of(stream)}`" for stream in streams)
        yield f"| `{path}` | {names or reasons.get(path, 'not yet')} |"


def replication(stream: type[ProcountorStream]) -> str:
    """Say what a run after the first one reads."""
    if issubclass(stream, DownloadStream):
        return "new ones only"
    if issubclass(stream, RowStream):
        is_incremental = any(issubclass(owner, IncrementalStream) for owner in stream.owners)
        return "with its documents" if is_incremental else "full table"
    if not issubclass(stream, ReadStream):
        return "when there are any"
    is_incremental = issubclass(stream, IncrementalStream)
    return f"incremental by `{stream.replication_key}`" if is_incremental else "full table"


def renewed(text: str) -> str:
    """Return README's text with current tables."""
    tables = {"settings": settings_table, "streams": streams_table, "resources": resources_table}
    for name, table in tables.items():
        begin, end = f"<!-- {name}: scripts/generate_docs.py -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"README.md lacks the markers of the table of {name}.")
        text = "\n".join([before + begin, *table(), end + after])
    return text


def wanted() -> dict[Path, str]:
    """Return the text of every file that is written here."""
    texts = {README: renewed(README.read_text("utf-8"))}
    return texts | {PAGES / name: text for name, text in pages(source, replication).items()}


def main() -> None:
    """Renew the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="Only tell whether all is current.")
    is_check = parser.parse_args().check
    texts = wanted()
    left = set(PAGES.glob("*.md")) - texts.keys()
    stale = [
        path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    if is_check and (stale or left):
        names = ", ".join(sorted(path.name for path in (*stale, *left)))
        sys.exit(f"Out of date: {names}. Run `python scripts/generate_docs.py`.")
    PAGES.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(texts[path], "utf-8")
    for path in left:
        path.unlink()


if __name__ == "__main__":
    main()
