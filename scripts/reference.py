"""The generated part of ``docs/``: the streams and the API's resources."""

from __future__ import annotations

import api_resources
import stream_index
import stream_pages


def pages() -> dict[str, str]:
    """Return the text of each generated page by its path below ``docs/``."""
    single = {"resources.md": api_resources.page(), "streams/index.md": stream_index.page()}
    return {name: "\n".join(lines) + "\n" for name, lines in single.items()} | {
        f"streams/{name}": text for name, text in stream_pages.pages().items()
    }
