"""How a resource of the API is declared: what the specification leaves open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_procountor.sandbox.books.collection import (
    Between,
    Condition,
    Contains,
    Document,
    Json,
    OneOf,
)

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response

    from tap_procountor.sandbox.company import Company

Filter = Callable[[Any], Condition | None]
Query = Mapping[str, Any]


class Call(NamedTuple):
    """A request of a company's user, its parameters and what it posts checked."""

    company: Company
    query: Query
    headers: Headers
    path: Mapping[str, str]
    body: Document


def since(column: str) -> Filter:
    """Keep what is not before."""
    return lambda value: Between(column, low=value)


def until(column: str) -> Filter:
    """Keep what is not after."""
    return lambda value: Between(column, high=value)


def equal(column: str) -> Filter:
    """Keep what has the value."""
    return lambda value: OneOf(column, frozenset({value}))


def any_of(column: str) -> Filter:
    """Keep what has one of the values."""
    return lambda values: OneOf(column, values)


def text(path: str) -> Filter:
    """Keep what contains the text."""
    return lambda value: Contains(path, value)


def only_active_unless(column: str) -> Filter:
    """Keep what is active, or with true everything."""
    return lambda everything: None if everything else OneOf(column, frozenset({True}))


def but(column: str, *values: str) -> Condition:
    """Return the condition that hides values."""
    return OneOf(column, frozenset(values), negated=True)


@dataclass(frozen=True)
class Register:
    """A paged list, with details where the specification has them.

    Attributes:
        path: The list's path; details are below it.
        name: The collection in the books.
        filters: What each query parameter keeps; one that is missing here is refused.
        header_filters: The path of the text that each request header looks for.
        fallbacks: The conditions that hold when a parameter is not given and has no default.
        rights: Without any of these rights the answer is 403, or nothing where the
            specification has no 403.
        hidden: What is silently left out without a right.
        optional: Fields that are there only when their parameter is true.
        is_available: Whether the company uses the module; if not the answer is 403.
        has_details: Whether ids below the path give the documents of the list in full.
    """

    path: str
    name: str
    filters: Mapping[str, Filter]
    header_filters: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, Condition] = field(default_factory=dict)
    rights: tuple[str, ...] = ()
    hidden: Mapping[str, Condition] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    is_available: Callable[[Company], bool] = lambda _: True
    has_details: bool = True


@dataclass(frozen=True)
class Single:
    """A path that answers with one document, whatever its shape.

    Attributes:
        path: The path.
        answer: Makes the answer: anything that JSON can hold, or a response of another kind.
        rights: Without any of these rights the answer is 403.
    """

    path: str
    answer: Callable[[Call], Json | Response]
    rights: tuple[str, ...] = ()
