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

from reference import pages

from tap_procountor.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = DOCS / "streams"


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


def renewed(text: str) -> str:
    """Return README's text with current tables."""
    tables = {"settings": settings_table}
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
    return texts | {DOCS / name: text for name, text in pages().items()}


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
