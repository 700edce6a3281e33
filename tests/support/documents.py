"""Documents made from the API's specification, some of them spoilt, and a server that gives them.

Each is what the API sends, what must come of it, and how many records of which table it may cost.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from support.oracle.records import COMPONENTS, resolved
from support.proxy import Answer

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from support.exact import Record
    from support.proxy import Question

#: Table, path, components, and the arrays whose items have an id.
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "products": ("/products", ("Product",), ()),
    "business_partners": (
        "/businesspartners",
        ("BusinessPartnerBasicInfo", "BusinessPartner"),
        ("attachments",),
    ),
    "invoices": ("/invoices", ("InvoiceBasicInfo", "Invoice"), ("invoiceRows", "attachments")),
    "ledger_receipts": (
        "/ledgerreceipts",
        ("LedgerReceiptBasicInfo", "LedgerReceipt"),
        ("transactions", "attachments"),
    ),
}

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Document:
    """A document.

    Attributes:
        stream: Its table.
        number: Its id.
        sent: What the API sends.
        clean: The same as it must arrive.
        cost: Whether the document, or the row of an array, is rejected: "" if all arrives.
        name: What was done to it.
    """

    stream: str
    number: int
    sent: bytes
    clean: Record
    cost: str = ""
    name: str = "valid"


# Values

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,8})?", fullmatch=True).map(Decimal)
_TIMES = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat())
_VALUES: dict[str, SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": _INTEGERS,
    "number": _NUMBERS,
    "string": _TEXTS,
    "date": st.dates().map(str),
    "date-time": _TIMES
    | st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-10-25T03:30:00"]),
}
_made: dict[str, SearchStrategy[Any]] = {}


def _kind(schema: Record) -> str:
    return str(schema["format"] if schema.get("format") in _VALUES else schema.get("type", ""))


def values(schema: Record) -> SearchStrategy[Any]:
    """Return what makes values of a schema; made once for each, which takes long."""
    schema = resolved(schema)
    key = str(schema)
    if key not in _made:
        if schema.get("type") == "array":
            _made[key] = st.lists(values(schema["items"]), max_size=2)
        elif "properties" in schema:
            _made[key] = objects(schema["properties"])
        else:
            _made[key] = _VALUES.get(_kind(schema), st.just({"free": [1, {"form": "x"}]}))
    return _made[key]


def objects(properties: Record) -> SearchStrategy[Record]:
    """Return what makes objects: some fields are there, some null, most missing."""

    @st.composite
    def made(draw: DrawFn) -> Record:
        names = draw(st.sets(st.sampled_from(sorted(properties)), max_size=8))
        return {
            name: None if draw(st.integers(0, 9)) == 0 else draw(values(properties[name]))
            for name in sorted(names)
        }

    return made()


def properties_of(stream: str) -> Record:
    """Return the fields of a table's documents under the API's names."""
    return {
        name: schema
        for component in KINDS[stream][1]
        for name, schema in COMPONENTS[component]["properties"].items()
    }


# What is wrong, or only unusual


class _NoFieldError(Exception):
    """The documents have no field of the wanted kinds."""


def _field(draw: DrawFn, document: Document, *kinds: str) -> str:
    """Choose a field of some kinds."""
    names = [
        name
        for name, schema in properties_of(document.stream).items()
        if _kind(resolved(schema)) in kinds and name not in {"id", "version"}
    ]
    if not names:
        raise _NoFieldError
    return draw(st.sampled_from(names))


def _rejected(draw: DrawFn, document: Document, kinds: tuple[str, ...], bad: list[Any]) -> None:
    """Put a value that does not fit into a field."""
    name = _field(draw, document, *kinds)
    value = draw(st.sampled_from(bad))
    source = {**document.clean, name: value}
    document.sent, document.cost = _encoder.encode(source), "document"


def wrong_type(draw: DrawFn, document: Document) -> None:
    _rejected(draw, document, ("string", "number", "integer"), [[1], {"a": 1}, True, []])


def no_date(draw: DrawFn, document: Document) -> None:
    bad = ["0000-00-00", "2024-02-30", "28.2.2024", "2024-02-28T12:00:00", " ", 5]
    _rejected(draw, document, ("date", "date-time"), bad[:3] + bad[4:])


def huge_integer(draw: DrawFn, document: Document) -> None:
    _rejected(draw, document, ("integer",), [2**63, -(2**63) - 1, 2**64, 10**400, Decimal("1.5")])


def huge_number(draw: DrawFn, document: Document) -> None:
    _rejected(draw, document, ("number",), [Decimal("1E+400"), Decimal("1E-20000"), 10**4200])


def undecodable(draw: DrawFn, document: Document) -> None:
    """Half of a surrogate pair, a byte of Windows-1252, or nesting without end."""
    name = _field(draw, document, "string")
    bad = [b'"\\ud800"', b'"x\\udc00y"', b'"H\xe4me"', b'"\xed\xa0\x80"', b"[" * 3000 + b"]" * 3000]
    source = {**document.clean, name: "HERE"}
    document.sent = _encoder.encode(source).replace(b'"HERE"', draw(st.sampled_from(bad)))
    document.cost = "document"


def without_id(draw: DrawFn, document: Document) -> None:
    values_of_id: list[Record] = [{}, {"id": None}, {"id": "no"}]
    value = draw(st.sampled_from(values_of_id))
    source = {name: item for name, item in document.clean.items() if name != "id"} | value
    # Without it, the table of rejected records would take two with the same text for one.
    source["place"] = document.number
    document.sent, document.cost = _encoder.encode(source), "document"


def nul(draw: DrawFn, document: Document) -> None:
    name = _field(draw, document, "string")
    document.sent = _encoder.encode({**document.clean, name: "\0a\0\\u0000ä\0"})
    document.clean[name] = "a\\u0000ä"


def empty_date(draw: DrawFn, document: Document) -> None:
    name = _field(draw, document, "date", "date-time")
    document.sent = _encoder.encode({**document.clean, name: ""})
    document.clean[name] = None


def another_form(draw: DrawFn, document: Document) -> None:
    """Another type with the same content."""
    ways: dict[str, list[tuple[Any, Any]]] = {
        "string": [(14, "14")],
        "integer": [("1", 1), (Decimal("1005.0"), 1005), (str(-(2**63)), -(2**63))],
        "number": [("12.50", Decimal("12.50"))],
        "date": [("2024-02-29T00:00:00", "2024-02-29")],
        "boolean": [("true", True)],
    }
    kind = draw(st.sampled_from(sorted(ways)))
    name = _field(draw, document, kind)
    sent, clean = draw(st.sampled_from(ways[kind]))
    document.sent = _encoder.encode({**document.clean, name: sent})
    document.clean[name] = clean


def unknown_names(draw: DrawFn, document: Document) -> None:
    """Names that the specification does not have; some meet others in snake case."""
    first = next(iter(properties_of(document.stream)))
    names = ["companyId", "company_id", "additionalFields", "_sdc_deleted_at", "brandNew", "uusi ä"]
    name = draw(st.sampled_from([*names, f"{first}_new"]))
    document.clean[name] = draw(st.sampled_from([1, "x", None, {"innerName": [Decimal("1.50")]}]))
    document.sent = _encoder.encode(document.clean)


def odd_row(draw: DrawFn, document: Document) -> None:
    """A row without id, null, or with the id of another."""
    arrays = KINDS[document.stream][2][:1]
    if not arrays or arrays == ("attachments",):
        return
    rows = document.clean.get(arrays[0]) or []
    document.clean[arrays[0]] = [
        *rows,
        {"id": document.number * 100 + 50},
        draw(st.sampled_from([None, {}, {"id": document.number * 100 + 50, "account": "x"}])),
    ]
    document.sent = _encoder.encode(document.clean)
    document.cost = "row"


CHANGES = (
    *(wrong_type, no_date, huge_integer, huge_number, undecodable, without_id),
    *(nul, empty_date, another_form, unknown_names, odd_row),
)


@st.composite
def documents(draw: DrawFn, stream: str, number: int) -> Document:
    """Make a document with an id."""
    source = draw(objects({n: s for n, s in properties_of(stream).items() if n != "id"}))
    source = {"id": number, **source, "version": "2026-01-02T03:04:05"}
    for array in KINDS[stream][2]:
        _number(source.get(array) or [], number)
    document = Document(stream, number, _encoder.encode(source), source)
    if draw(st.booleans()):
        change = draw(st.sampled_from(CHANGES))
        with suppress(_NoFieldError):
            change(draw, document)
            document.name = change.__name__
    return document


def _number(rows: list[Record], owner: int) -> None:
    """Give the rows ids, and their dimension items too."""
    for at, row in enumerate(rows):
        row["id"] = owner * 100 + at
        for place, item in enumerate(row.get("dimensionItemValues") or []):
            item |= {"dimensionId": 1, "itemId": place // 2}
            item["value"] = item.get("value") or Decimal("0.10")


class Server:
    """Answers the questions for lists and details; to be put before the sandbox."""

    def __init__(self, made: list[Document]) -> None:
        self._made = {
            path: [one for one in made if one.stream == stream]
            for stream, (path, _, _) in KINDS.items()
        }

    def __call__(self, question: Question) -> Answer | None:
        """Return the answer, or None if it is the sandbox's to give."""
        if question.path == "/attachments":
            return Answer(body=b'{"results":[],"meta":{"pageSize":200,"totalCount":0}}')
        path, _, ids = question.path.rpartition("/")
        if question.path in self._made:
            return self._page(self._made[question.path], question)
        if path in self._made and re.fullmatch(r"[\d,]+", ids):
            wanted = set(map(int, ids.split(",")))
            found = [one.sent for one in self._made[path] if one.number in wanted]
            body = found[0] if len(wanted) == 1 else b"[%b]" % b",".join(found)
            return Answer(body=body)
        return None

    def _page(self, made: list[Document], question: Question) -> Answer:
        query = {name: value[0] for name, value in question.query.items()}
        if query.get("isOffer") or query.get("active") == "false" or query.get("type"):
            made = []
        after, size = int(query.get("previousId", 0)), int(query.get("size", 200))
        rest = [one for one in made if one.number > after]
        start = int(query.get("page", 0)) * size
        rows = [self._row(one) for one in rest[start : start + size]]
        total = b"%d" % len(made)
        meta = b'{"pageSize":%d,"totalCount":%b}' % (size, total)
        return Answer(body=b'{"results":[%b],"meta":%b}' % (b",".join(rows), meta))

    @staticmethod
    def _row(one: Document) -> bytes:
        # The rows of this list are complete, those of the others are completed by details.
        if one.stream == "products":
            return one.sent
        return b'{"id":%d,"version":"2026-01-02T03:04:05"}' % one.number
