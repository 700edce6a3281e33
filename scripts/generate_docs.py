"""Write the generated parts of README and docs from the code and the files that they show.

Usage: ``python scripts/generate_docs.py``; with ``--check`` nothing is written, and the exit code
is 1 if something is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import settings_tables
from reference import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = DOCS / "streams"


def quoted(path: Path, language: str) -> Iterator[str]:
    """Yield a file's text as a block of code."""
    yield from ("", f"```{language}", path.read_text("utf-8").rstrip("\n"), "```", "")


#: What is written between two comments of a page that is otherwise written by hand.
BLOCKS: dict[str, dict[str, Callable[[], Iterable[str]]]] = {
    "README.md": {"settings": settings_tables.essential},
    "docs/configuration.md": {"settings": settings_tables.grouped},
    "docs/guides/current-rows.md": {
        "trial balance": lambda: quoted(DOCS / "sql" / "trial_balance.sql", "sql"),
    },
    "docs/guides/personal-data.md": {
        "personal data": lambda: quoted(ROOT / "tests" / "personal_data.yml", "yaml"),
    },
}


def renewed(name: str) -> str:
    """Return a page's text with current blocks."""
    text = (ROOT / name).read_text("utf-8")
    for block, lines in BLOCKS[name].items():
        begin, end = f"<!-- {block}: scripts/generate_docs.py -->", f"<!-- end of {block} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{name} lacks the comments around its block '{block}'.")
        text = "\n".join([before + begin, *lines(), end + after])
    return text


def wanted() -> dict[Path, str]:
    """Return the text of every file that is written here."""
    texts = {ROOT / name: renewed(name) for name in BLOCKS}
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
