"""How a resource of the API is declared: what the specification leaves open.

A new resource is one declaration under its stream's name, in the module of its area::

    Resource(
        "cost_centres",
        path="/costcentres",
        filters={"name": text("name")},
        rights=("management.basicAccountingInfo",),
    )

The rest follows from the specification: whether the answer is a page, an array or an object,
whether there are details, by one id or in batches, and which parameters there are, with their
defaults. The documents too are made from it, by seed, and can be filtered by ``text`` and by the
columns ``id`` and ``version``. A resource that needs others takes them from the books by ``data``.
Either way ``company.truth("cost_centres")`` returns them to the tests.

What belongs to a document names its resource (declared before) and has the id in the path::

    Resource("cost_centre_notes", path="/costcentres/{id}/notes", owners="cost_centres")

Only answers that follow from the request, such as reports, are functions: see ``Computed``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import inflection

from tap_procountor.sandbox.books.collection import (
    Between,
    Condition,
    Contains,
    Document,
    Json,
    OneOf,
    Order,
)
from tap_procountor.sandbox.documents import Register

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response

    from tap_procountor.sandbox.tenant import Tenant

Data = Register | list[Document]
Filter = Callable[[Any], Condition | None]
Query = Mapping[str, Any]

NOTHING = OneOf("id", frozenset())
"""The condition that hides everything."""

BY_ID = Order("id", descending=False)


class Call(NamedTuple):
    """A request of a company's user, its parameters and what it posts checked."""

    company: Tenant
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


VERSIONS = {"versionStartDate": since("version"), "versionEndDate": until("version")}
CREATED = {"createdStartDate": since("created"), "createdEndDate": until("created")}
DATES = {"startDate": since("date"), "endDate": until("date")}


@dataclass(frozen=True)
class Resource:
    """Documents at a path, with details below it where the specification has them.

    What belongs to a document is also bound by the rights and limits of that document's resource.

    Attributes:
        name: The stream's name, or where several streams come of one answer, the answer's.
        path: The path of the list.
        data: Takes the documents from the books; with ``owners``, those of the row of an owner.
            Without it they are made from the specification by seed.
        count: How many documents are made, with ``owners`` at most for each.
        filters: What each query parameter keeps; one that is missing here is refused.
        header_filters: The path of the text that each request header looks for.
        fallbacks: The conditions that hold when a parameter is not given and has no default.
        order: The order of an answer whose parameters have none.
        rights: Without any of these rights the answer is 403, or nothing where the
            specification has no 403.
        hidden: What is silently left out without a right.
        optional: Fields that are there only when their parameter is true.
        is_available: Whether the company uses the module; if not the answer is 403.
        has_details: Whether ids below the path give the documents of the list in full.
        is_array: Whether the answer is an array of what the specification describes.
        owners: The resource whose documents these belong to, by the id in the path.
        applies_to: The owners that may have any; for others the answer is 403.
    """

    name: str
    path: str
    data: Callable[..., Data] | None = None
    count: int = 3
    filters: Mapping[str, Filter] = field(default_factory=dict)
    header_filters: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, Condition] = field(default_factory=dict)
    order: Order = BY_ID
    rights: tuple[str, ...] = ()
    hidden: Mapping[str, Condition] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    is_available: Callable[[Tenant], bool] = lambda _: True
    has_details: bool = True
    is_array: bool = False
    owners: str = ""
    applies_to: Condition | None = None

    @property
    def owner_id(self) -> str:
        """The field that names the owner, like ``employeeId``."""
        singular = inflection.singularize(self.owners)
        return f"{inflection.camelize(singular, uppercase_first_letter=False)}Id"


@dataclass(frozen=True)
class Computed:
    """A path whose answer is worked out from the request, whatever its shape.

    Attributes:
        path: The path.
        answer: Makes the answer: anything that JSON can hold, or a response of another kind.
        rights: Without any of these rights the answer is 403.
    """

    path: str
    answer: Callable[[Call], Json | Response]
    rights: tuple[str, ...] = ()
