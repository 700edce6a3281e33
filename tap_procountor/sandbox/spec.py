"""The API's specification: which parameters a path takes, and which fields a list row has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from .books.times import to_days, to_seconds
from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .books.collection import Document, Json

Schema = dict[str, Any]

MAX_PAGE_SIZE = 200

_NAIVE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_JSON_TYPES: dict[str, type[Any]] = {"object": dict, "array": list, "string": str}
_BAD_REQUEST = 400


@dataclass(frozen=True)
class Parameter:
    """One query parameter of a path."""

    name: str
    schema: Schema
    choices: frozenset[str] | None
    required: bool

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return bool(self.schema.get("type") == "array")

    def parse(self, texts: list[str]) -> Json:
        """Return the value: times in seconds, dates in days, lists as frozen sets."""
        if self.is_list:
            kind = self.schema["items"]
            values = [part for text in texts for part in text.split(",")]
            return frozenset(self._parse_one(value, kind) for value in values)
        if len(texts) > 1:
            self._refuse("given more than once")
        return self._parse_one(texts[0], self.schema)

    def _parse_one(self, text: str, schema: Schema) -> Json:
        if self.choices is not None and text not in self.choices:
            self._refuse(f"no such value: {text}")
        kind = schema.get("format") or schema.get("type")
        try:
            return _PARSERS[kind](text) if kind in _PARSERS else text
        except ValueError:
            self._refuse(f"not a valid {kind}: {text}")

    def _refuse(self, message: str) -> NoReturn:
        raise ApiError(_BAD_REQUEST, f"Parameter '{self.name}': {message}", self.name) from None


class Listing(NamedTuple):
    """The form of an answer that holds documents.

    Attributes:
        component: The schema of each document.
        field: The answer's field that holds the array, if not the answer is the array.
        has_pages: Whether the answer is one page of many.
        is_object: Whether the answer is the only document there is.
    """

    component: Schema
    field: str = ""
    has_pages: bool = False
    is_object: bool = False


class Spec:
    """The specification that is shipped with the package."""

    def __init__(self) -> None:
        content = files("tap_procountor").joinpath("openapi.json").read_bytes()
        document = msgspec.json.decode(content)
        self.paths: dict[str, Any] = document["paths"]
        self._schemas: dict[str, Schema] = document["components"]["schemas"]

    def schema(self, schema: Schema) -> Schema:
        """Follow references to the schema itself."""
        if "$ref" in schema:
            return self.schema(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "allOf" in schema:
            return self.schema(schema["allOf"][0])
        return schema

    def operation(self, path: str) -> dict[str, Any]:
        """Return what a path does: the specification's read side has one operation for each."""
        (operation,) = self.paths[path].values()
        return dict(operation)

    def members(self, component: str) -> Iterator[tuple[str, Iterator[tuple[str, Schema]]]]:
        """Return the properties of a component, and of each the properties."""
        for name, schema in self._schemas[component]["properties"].items():
            yield name, iter(self.schema(schema)["properties"].items())

    def parameters(self, path: str) -> dict[str, Parameter]:
        """Return the query parameters of a path."""
        return {
            one["name"]: self._parameter(one)
            for one in self.operation(path)["parameters"]
            if one["in"] == "query"
        }

    def detail_path(self, path: str) -> str | None:
        """Return the path of a list's details, if there are any."""
        pattern = re.escape(path) + r"/{\w+}"
        return next((one for one in self.paths if re.fullmatch(pattern, one)), None)

    def takes_batches(self, path: str) -> bool:
        """Tell whether a detail path takes several ids."""
        return "x-batch-max" in self.operation(path)

    def documents_status(self, path: str, status: int) -> bool:
        """Tell whether a path may answer with a status."""
        return str(status) in self.operation(path)["responses"]

    def answer_schema(self, path: str) -> Schema:
        """Return the schema of a path's success."""
        content = self.operation(path)["responses"]["200"]["content"]
        schema: Schema = next(iter(content.values()))["schema"]
        return schema

    def listing(self, path: str) -> Listing:
        """Return the form of a path's success."""
        schema = self.answer_schema(path)
        answer = self.schema(schema)
        if answer["type"] == "array":
            return Listing(answer["items"])
        fields = answer["properties"]
        if "results" in fields:
            return Listing(fields["results"]["items"], "results", has_pages="meta" in fields)
        ((name, field), *others) = fields.items()
        if field.get("type") == "array" and not others:
            return Listing(field["items"], name)
        return Listing(schema, is_object=True)

    def question(self, path: str) -> Question | None:
        """Return what is to be posted to a path, if anything is."""
        body = self.operation(path).get("requestBody")
        return Question(self, body["content"]["application/json"]["schema"]) if body else None

    def _parameter(self, parameter: Schema) -> Parameter:
        schema = self.schema(parameter["schema"])
        choices = self.schema(schema.get("items", schema)).get("enum")
        return Parameter(
            name=parameter["name"],
            schema=schema,
            choices=frozenset(choices) if choices else None,
            required=parameter.get("required", False),
        )


class Question:
    """What is posted to a path: an object whose fields are checked by its schema."""

    def __init__(self, spec: Spec, schema: Schema) -> None:
        self._spec = spec
        self._schema = schema

    def parse(self, body: bytes) -> Document:
        """Return the object; it stays as it was sent.

        Raises:
            ApiError: The specification does not allow it.
        """
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError:
            raise ApiError(_BAD_REQUEST, "The body is no JSON") from None
        self._check(value, self._schema, "")
        question: Document = value
        return question

    def _check(self, value: Json, schema: Schema, name: str) -> None:
        schema = self._spec.schema(schema)
        kind = schema["type"]
        if not isinstance(value, _JSON_TYPES[kind]):
            raise ApiError(_BAD_REQUEST, f"Value of the '{name}' field is invalid", name)
        if kind == "array":
            for item in value:
                self._check(item, schema["items"], name)
        elif kind == "object":
            self._check_fields(value, schema)
        elif schema.get("format") == "date" and not _DATE.fullmatch(value):
            raise ApiError(_BAD_REQUEST, f"Value of the '{name}' field is no date", name)
        elif "enum" in schema and value not in choices(schema):
            raise ApiError(_BAD_REQUEST, f"Value of the '{name}' field is not allowed", name)

    def _check_fields(self, value: Document, schema: Schema) -> None:
        for name in schema.get("required", ()):
            if name not in value:
                raise ApiError(_BAD_REQUEST, f"The '{name}' field is missing", name)
        for name, item in value.items():
            if name not in schema["properties"]:
                raise ApiError(_BAD_REQUEST, f"Unknown field '{name}'", name)
            self._check(item, schema["properties"][name], name)


def choices(schema: Schema) -> set[str]:
    """Return the values of an enum; some of the specification's are several in one text."""
    return {word for text in schema["enum"] for word in text.replace(",", " ").split()}


class Shape:
    """Cuts a document into the row that lists show and the detail that batches show."""

    def __init__(self, spec: Spec, path: str, detail_path: str | None) -> None:
        row = spec.listing(path).component
        detail = spec.answer_schema(detail_path) if detail_path else row
        self.row: Callable[[Document], Document] = _projection(spec, row, detail)
        self._list_only = (
            spec.schema(row)["properties"].keys() - spec.schema(detail)["properties"].keys()
        )

    def detail(self, document: Document) -> Document:
        """Return the document without the fields that only lists show."""
        for name in self._list_only:
            document.pop(name, None)
        return document


def _projection(spec: Spec, row: Schema, detail: Schema) -> Callable[[Any], Any]:
    """Return what leaves out of a value the fields that the row's schema does not have."""
    row, detail = spec.schema(row), spec.schema(detail)
    if row == detail or row["type"] != detail["type"]:
        return lambda value: value
    if row["type"] == "array":
        part = _projection(spec, row["items"], detail["items"])
        return lambda values: [part(value) for value in values]
    wanted, known = row.get("properties", {}), detail.get("properties", {})
    if not wanted:
        return lambda value: value
    nested = {
        name: _projection(spec, schema, known[name])
        for name, schema in wanted.items()
        if name in known and schema != known[name]
    }

    def project(document: Document) -> Document:
        picked = {name: document[name] for name in wanted if name in document}
        for name, part in nested.items():
            if picked.get(name) is not None:
                picked[name] = part(picked[name])
        return picked

    return project


@cache
def load_spec() -> Spec:
    """Return the specification, read once."""
    return Spec()


def _parse_boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _parse_time(text: str) -> int:
    if not _NAIVE_TIME.fullmatch(text):
        raise ValueError(text)
    return to_seconds(datetime.fromisoformat(text))


def _parse_date(text: str) -> int:
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return to_days(date.fromisoformat(text))


_PARSERS: dict[str | None, Callable[[str], Any]] = {
    "boolean": _parse_boolean,
    "date-time": _parse_time,
    "date": _parse_date,
    "int32": int,
    "int64": int,
    "number": int,
}
