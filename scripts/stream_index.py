"""The page ``docs/streams/index.md``: the streams by area, and how those of an area join.

What precedes the tables is in ``stream_index.md``, the areas' titles and notes in ``areas.yaml``.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import yaml
from stream_pages import ORIGIN, joins, name_of, replication, streams, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_pages import StreamType

_HERE = Path(__file__).parent
_INTRODUCTION = (_HERE / "stream_index.md").read_text("utf-8")


class Area(TypedDict):
    """An area of Procountor.

    Attributes:
        title: Its heading.
        notes: What a reader should know before the table.
    """

    title: str
    notes: str


#: By the module that declares the streams.
AREAS: dict[str, Area] = yaml.safe_load((_HERE / "areas.yaml").read_text("utf-8"))


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    areas = [(area_of(one[0]), one) for one in _by_area()]
    yield from ("# Streams", "", ORIGIN, "", _INTRODUCTION.rstrip())
    yield from ("", "## Areas", "")
    for area, members in areas:
        names = ", ".join(f"`{name_of(one)}`" for one in members)
        yield f"- [{area['title']}](#{_anchor(area['title'])}): {names}"
    yield ""
    yield "In the diagrams below, a line runs from one row to the many rows that refer to it and is"
    yield "labelled with the column that holds the reference."
    for area, members in areas:
        yield from ("", f"## {area['title']}", "", area["notes"].rstrip(), "")
        yield "| Stream | What it holds | Default | Replication | Primary key after `company_id` |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_row, members)
        yield from _diagram(members)
        yield from _links(members)


def area_of(stream: StreamType) -> Area:
    """Return the area of a stream."""
    return AREAS[stream.__module__.rpartition(".")[2]]


def _by_area() -> list[list[StreamType]]:
    return [list(one) for _, one in groupby(streams().values(), lambda one: one.__module__)]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-").replace(",", "")


def _row(stream: StreamType) -> str:
    name = name_of(stream)
    cells = (
        f"[{name}]({name}.md)",
        summary(stream),
        "yes" if stream.selected_by_default else "no",
        replication(stream),
        ", ".join(f"`{name}`" for name in stream.primary_keys[1:]) or "one row per company",
    )
    return f"| {' | '.join(cells)} |"


def _diagram(members: list[StreamType]) -> Iterator[str]:
    """Yield a diagram of the joins inside an area, if there are any."""
    inside = {name_of(one) for one in members}
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stream in members:
        for join in joins(stream):
            if join.other in inside:
                columns[join.other, join.table].append(join.column)
    if not columns:
        return
    yield from ("", "```mermaid", "erDiagram")
    for (other, table), names in columns.items():
        yield f'    {other} ||--o{{ {table} : "{", ".join(names)}"'
    yield "```"


def _links(members: list[StreamType]) -> Iterator[str]:
    """Yield the joins with the tables of other areas, by column."""
    inside = {name_of(one) for one in members}
    others: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stream in members:
        for join in joins(stream):
            if join.other not in inside:
                link = f"[{join.other}]({join.other}.md) (`{join.other_column}`)"
                others[join.table, join.column].append(link)
    if others:
        yield from ("", "Joins with other areas:", "")
    for (table, column), links in others.items():
        yield f"- `{table}.{column}`: {', '.join(links)}"
