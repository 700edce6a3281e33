"""The pages of ``docs/streams``: columns, joins and an example query of each table.

All of it follows from the streams' declarations, except what the columns mean (``meanings.yaml``)
and most of the example queries (``examples.yaml``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from inspect import getattr_static
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import inflection
import yaml

from tap_procountor.readers.owned_rows import RowsOfOwner
from tap_procountor.records.schema import DELETED_AT, Schema, snake_case
from tap_procountor.streams.base.downloading import DownloadStream
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.ledger import LedgerStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_procountor.permissions.access import Access
    from tap_procountor.streams.base.stream import ProcountorStream

    StreamType = type[ProcountorStream]

HERE = Path(__file__).parent
MEANINGS: dict[str, str] = yaml.safe_load((HERE / "meanings.yaml").read_text("utf-8"))
EXAMPLES: dict[str, str] = yaml.safe_load((HERE / "examples.yaml").read_text("utf-8"))
#: With their references to each other, which the SDK resolves in its own copy.
COMPONENTS: dict[str, Schema] = json.loads(
    files("tap_procountor").joinpath("openapi.json").read_text("utf-8")
)["components"]["schemas"]

#: Columns that name another table without saying so.
_ALIASES = {
    "account": "chart_of_accounts",
    "item_id": "dimension_items",
    "partner_id": "business_partners",
    "salary_type_code": "salary_types",
}
_TYPES = {"number": "decimal", "string": "text"}
_FORMATS = {"date": "date", "date-time": "timestamp, UTC"}
_EXAMPLE_COLUMNS = 4
#: Where the views are that leave out rows which are gone; they have a schema of their own.
_VIEWS = re.compile(r"\bprocountor\.")
ORIGIN = "<!-- Written by scripts/generate_docs.py from the declarations of the streams. -->"


class Column(NamedTuple):
    """A column, or a field inside one.

    Attributes:
        path: Its name; with the names of the objects around it: ``payment_info.bank_account.bic``.
            The objects of an array are shown by brackets: ``items[].id``.
        type: Its type, in words.
        key: Where the meaning is written; None if nobody has written it yet.
        see: The table that has the objects of the array as rows; their fields are listed there.
    """

    path: str
    type: str
    key: str | None
    see: str | None = None

    @property
    def meaning(self) -> str | None:
        """What it means."""
        return MEANINGS[self.key] if self.key else None

    @property
    def is_scalar(self) -> bool:
        """Whether it holds one value."""
        return not self.type.startswith(("object", "array"))


class Join(NamedTuple):
    """That a column of a table names a row of another."""

    table: str
    column: str
    other: str
    other_column: str


@dataclass(frozen=True)
class _Place:
    """Where fields stand: the table, and the component of the specification if it is one's."""

    table: str
    component: str | None = None


def name_of(stream: StreamType) -> str:
    """Return a stream's name, which the SDK types as one of instances."""
    return str(vars(stream)["name"])


@cache
def streams() -> dict[str, StreamType]:
    """Return the streams by name."""
    return {name_of(stream): stream for stream in STREAM_TYPES}


# Columns


@cache
def columns(stream: StreamType) -> tuple[Column, ...]:
    """Return the columns of a table, and below each object its fields."""
    declared = getattr_static(stream, "schema")
    schema = declared.get_stream_schema(stream, stream)
    owners = {
        field: component
        for component in declared.components
        for field in map(snake_case, COMPONENTS[component]["properties"])
    }
    return tuple(
        column
        for name, field in schema["properties"].items()
        for column in _column(_Place(name_of(stream), owners.get(name)), name, name, field)
    )


def _column(place: _Place, path: str, name: str, schema: Schema) -> Iterator[Column]:
    """Yield a column and the fields inside it."""
    kind = _kind(schema)
    see = _rows_of(place.table, path) if kind == "array" else None
    yield Column(path, _type(schema), _key(place, path, name), see)
    inside = _Place(place.table, _component_of(place.component, name))
    if kind == "array" and not see:
        path, schema = f"{path}[]", schema.get("items", {})
    for inner, field in schema.get("properties", {}).items():
        yield from _column(inside, f"{path}.{inner}", inner, field)


def _kind(schema: Schema) -> str:
    """Return the type in JSON, null being left out."""
    kind = schema["type"]
    return str(kind if isinstance(kind, str) else kind[0])


def _type(schema: Schema) -> str:
    kind = _kind(schema)
    if kind == "array":
        items = schema.get("items", {})
        return f"array of {_type(items)}" if "type" in items else "array"
    return _FORMATS.get(schema.get("format", ""), _TYPES.get(kind, kind))


def _key(place: _Place, path: str, name: str) -> str | None:
    """Look up what a field means: in its table, in its component, by its name."""
    in_component = f"{place.component}.{name}"
    patterns = (key for key in MEANINGS if "*" in key and fnmatchcase(in_component, key))
    inherited = owner_fields(streams()[place.table])
    owned = (f"owner.{name}",) if path in inherited else ()
    kinds = [f"{kind}.{name}" for kind in _kinds(streams()[place.table]) if path == name]
    keys = (f"{place.table}.{path}", *owned, in_component, *patterns, *kinds, name)
    return next((key for key in keys if key in MEANINGS), None)


def _kinds(stream: StreamType) -> Iterator[str]:
    """Yield the kinds of rows for which some columns have a meaning of their own."""
    if owner_fields(stream).keys() & {*stream.primary_keys}:
        yield "row"
    if issubclass(stream, RowStream) and _is_incremental(stream):
        yield "document_row"
    if owner_fields(stream) and issubclass(stream, IncrementalStream):
        yield "owned_row"


def owner_fields(stream: StreamType) -> dict[str, str]:
    """Return what the owner's fields are called in a stream's rows, if they have an owner."""
    declares = getattr(stream, "completer", None)
    fields: dict[str, str] = getattr(
        declares if isinstance(declares, RowsOfOwner) else stream, "owner_fields", {}
    )
    return fields


def _is_incremental(stream: type[RowStream]) -> bool:
    return any(issubclass(owner, IncrementalStream) for owner in stream.owners)


def _component_of(component: str | None, name: str) -> str | None:
    """Return the component that a field of another refers to."""
    properties = COMPONENTS[component]["properties"] if component else {}
    for field, schema in properties.items():
        if snake_case(field) == name:
            return _reference(schema) or component
    return None


def _reference(schema: Schema) -> str | None:
    inner = schema.get("items") or (schema.get("allOf") or [schema])[0]
    reference = inner.get("$ref") or schema.get("$ref")
    return reference.rpartition("/")[2] if reference else None


def _rows_of(table: str, field: str) -> str | None:
    """Return the table that has the objects of an array as rows."""
    for name, stream in streams().items():
        owners = stream.owners if issubclass(stream, RowStream) else ()
        if table in map(name_of, owners) and getattr(stream, "field", None) == field:
            return name
    return None


# Joins


@cache
def joins(stream: StreamType) -> tuple[Join, ...]:
    """Return how a table joins others: by its owners, and by columns that name them."""
    table = name_of(stream)
    found: dict[tuple[str, str], Join] = {}
    for join in (*_owner_joins(stream), *_column_joins(stream)):
        found.setdefault((join.column, join.other), join)
    owned = {join.column for join in _owner_joins(stream)}
    return tuple(
        join
        for join in found.values()
        if join.other != table and (join.column not in owned or join in _owner_joins(stream))
    )


def _owner_joins(stream: StreamType) -> list[Join]:
    """Return the joins with the tables that the rows stand in, or are asked for by."""
    fields = owner_fields(stream)
    return [
        Join(name_of(stream), column, name_of(owner), field)
        for owner in _owners(stream)
        for column, field in fields.items()
        if field in owner.primary_keys
    ]


def _owners(stream: StreamType) -> Sequence[StreamType]:
    if issubclass(stream, RowStream):
        return stream.owners
    if issubclass(stream, ReadStream) and owner_fields(stream):
        return [
            other
            for other in STREAM_TYPES
            if issubclass(other, ReadStream)
            and other.path == stream.path
            and not owner_fields(other)
        ][:1]
    return []


#: Keys whose names say nothing about the table.
_NAMES_OF_MANY_THINGS = {"code", "position"}


def _column_joins(stream: StreamType) -> Iterator[Join]:
    """Yield the joins by columns such as ``invoice_id``, or named as another table's own key."""
    for column in columns(stream):
        name = column.path
        plural = inflection.pluralize(name.removesuffix("_id")) if name.endswith("_id") else ""
        other = streams().get(_ALIASES.get(name) or plural)
        if other and len(other.primary_keys) > 1:
            yield Join(name_of(stream), name, name_of(other), other.primary_keys[-1])
        for table, one in streams().items():
            key = one.primary_keys[1:]
            if key == (name,) and not name.endswith("id") and name not in _NAMES_OF_MANY_THINGS:
                yield Join(name_of(stream), name, table, name)


# Example queries


def example(stream: StreamType) -> str:
    """Return a query on a table: a written one, or one made from its columns and joins."""
    written = EXAMPLES.get(name_of(stream), "").strip()
    return written or "\n".join(_made_example(stream))


def _made_example(stream: StreamType) -> Iterator[str]:
    table, key = name_of(stream), stream.primary_keys
    roots = {column.path: column for column in columns(stream) if "." not in column.path}
    own = [
        name
        for name, column in roots.items()
        if column.is_scalar and name not in {*key, "version", "position", DELETED_AT}
    ]
    chosen = [*key, *own[:_EXAMPLE_COLUMNS]]
    joined = next(
        (join for join in joins(stream) if "name" in {c.path for c in columns(_other(join))}), None
    )
    selected = [f"t.{name}" for name in chosen]
    if joined:
        selected.append(f"o.name as {inflection.singularize(joined.other)}_name")
    yield "select " + ", ".join(selected)
    yield f"from tap_procountor.{table} t"
    if joined:
        yield f"left join tap_procountor.{joined.other} o"
        condition = f"o.{joined.other_column} = t.{joined.column}"
        yield f"    on o.company_id = t.company_id and {condition}"
    if DELETED_AT in roots:
        yield f"where t.{DELETED_AT} is null"
    yield "order by " + ", ".join(f"t.{name}" for name in key)
    yield "limit 20;"


def _other(join: Join) -> StreamType:
    return streams()[join.other]


# Pages


def pages() -> dict[str, str]:
    """Return the text of each table's page by the name of its file."""
    return {f"{name}.md": "\n".join(_page(one)) + "\n" for name, one in streams().items()}


def summary(stream: StreamType) -> str:
    """Return what a table holds, in a sentence."""
    return (stream.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", "`")


def source(stream: StreamType) -> str:
    """Name the paths that a stream requests, or the streams whose records hold its rows."""
    if issubclass(stream, ReadStream) and stream.writes_files:
        return f"`{stream.path}`"
    if issubclass(stream, RowStream):
        return "rows of " + ", ".join(f"`{name_of(owner)}`" for owner in stream.owners)
    if issubclass(stream, ReadStream):
        return ", ".join(f"`{path}`" for path in stream.paths())
    return "the other streams"


def replication(stream: StreamType) -> str:
    """Name what a run after the first one reads; the index explains these terms."""
    if issubclass(stream, DownloadStream):
        return "new files only"
    if issubclass(stream, RowStream):
        names = ", ".join(f"`{name_of(owner)}`" for owner in stream.owners)
        return f"with {names}" if len(stream.owners) == 1 else "with its owners"
    if not issubclass(stream, ReadStream):
        return "when records are rejected"
    if not issubclass(stream, IncrementalStream):
        return "full table"
    swept = ", plus open tracking periods" if issubclass(stream, LedgerStream) else ""
    return f"incremental by `{stream.replication_key}`{swept}"


def _page(stream: StreamType) -> Iterator[str]:
    yield from (f"# {name_of(stream)}", "", ORIGIN, "", f"{summary(stream)}.", "")
    yield from ("| | |", "| --- | --- |")
    yield from (f"| {title} | {value} |" for title, value in _facts(stream))
    yield from ("", "The [index](index.md#what-the-pages-mean) explains these terms.")
    yield from ("", "## Columns", "", "| Column | Type | Meaning |", "| --- | --- | --- |")
    for column in columns(stream):
        rows = f" See [{column.see}]({column.see}.md)." if column.see else ""
        yield f"| `{column.path}` | {column.type} | {column.meaning or '?'}{rows} |"
    yield f"| `_sdc_extracted_at` | {_FORMATS['date-time']} | {MEANINGS['_sdc_extracted_at']} |"
    yield from _joins_section(stream)
    yield from ("", "## Example", "")
    query = example(stream)
    if _VIEWS.search(query):
        yield "Create the [views of current rows](../sql/current_rows.sql) first: they leave out"
        yield "deleted and outdated rows."
        yield ""
    yield from ("```sql", query, "```")


def _facts(stream: StreamType) -> Iterator[tuple[str, str]]:
    yield "Read from", source(stream)
    yield "Primary key", ", ".join(f"`{name}`" for name in stream.primary_keys)
    yield "Replication", replication(stream)
    yield "Selected by default", "yes" if stream.selected_by_default else "no"
    if issubclass(stream, RowStream):
        owners = stream.owners
        if len(owners) > 1:
            links = ", ".join(f"[{name_of(one)}]({name_of(one)}.md)" for one in owners)
            yield "Rights needed", f"those of its owners: {links}"
            return
        yield from _rights(owners[0].access)
    elif issubclass(stream, ReadStream):
        yield from _rights(stream.access)


def _rights(access: Access) -> Iterator[tuple[str, str]]:
    """Describe the rights that the rows depend on."""
    if access.any_of:
        yield "Right needed", " or ".join(map(_right, access.any_of))
    for right, rows in access.parts.items():
        yield f"Without {_right(right)}", f"Procountor leaves out {rows.rstrip(',')}"
    for right, rows in access.doubts.items():
        yield f"Without {_right(right)}", f"Procountor may leave out {rows}"
    if access.limits:
        yield "Rows are hidden by the limits", ", ".join(map(_right, access.limits))
    if access.module:
        yield "Module needed", access.module


def _right(name: str) -> str:
    """Name a right as ``/users/rights`` has it, in words that the user interface may use."""
    words = (inflection.humanize(inflection.underscore(part)) for part in name.split("."))
    return f"*{': '.join(words)}* (`{name}`)"


def _joins_section(stream: StreamType) -> Iterator[str]:
    named_by = [join for other in streams().values() for join in joins(other)]
    refers = [
        f"- `{join.column}` is `{join.other_column}` of [{join.other}]({join.other}.md)"
        for join in joins(stream)
    ]
    referred = [
        f"- `{join.other_column}` is `{join.column}` of [{join.table}]({join.table}.md)"
        for join in named_by
        if join.other == name_of(stream)
    ]
    if refers or referred:
        yield from ("", "## Joins", "")
        yield "Always join by `company_id`, too."
    if refers:
        yield from ("", "This table refers to:", "", *refers)
    if referred:
        yield from ("", "Tables that refer to this one:", "", *referred)


# What is left to write


def without_meaning() -> list[str]:
    """Name the columns whose meaning nobody has written."""
    return [
        f"{table}.{column.path}"
        for table, stream in streams().items()
        for column in columns(stream)
        if not column.meaning
    ]


def unused() -> list[str]:
    """Name the meanings that no column takes."""
    taken = {column.key for stream in streams().values() for column in columns(stream)}
    return sorted(MEANINGS.keys() - taken)


def left_over() -> list[str]:
    """Name the unused meanings of what the streams read, or of nothing that there is.

    Meanings of components that no stream reads, and of fields that are in none, may be for streams
    to come.
    """
    in_use = _components_in_use()
    return [key for key in unused() if not _is_to_come(key, in_use)]


def _is_to_come(key: str, in_use: set[str]) -> bool:
    place, _, name = key.rpartition(".")
    if place in {*streams(), "owner"}:
        return False
    if place and place.islower():
        return True
    having = {
        component
        for component, schema in COMPONENTS.items()
        if fnmatchcase(component, place or "*")
        and name in map(snake_case, schema.get("properties", {}))
    }
    return not having <= in_use if having else not place


def _components_in_use() -> set[str]:
    """Return the components that the streams' records are made of, with all inside them."""
    found: set[str] = set()
    todo = [
        name
        for stream in streams().values()
        for name in getattr_static(stream, "schema").components
    ]
    while todo:
        component = todo.pop()
        if component not in found:
            found.add(component)
            fields = COMPONENTS[component].get("properties", {}).values()
            todo += filter(None, map(_reference, fields))
    return found
