"""Lists and details of the declared resources."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from .answers import json_answer
from .books.collection import Condition, Contains, Document, Json, Order
from .documents import Documents
from .errors import ApiError
from .registers import register_of
from .resources.declarations import NOTHING
from .spec import MAX_PAGE_SIZE, Shape, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from starlette.responses import Response

    from .documents import Register
    from .resources import Call, Resource

_DEFAULT_PAGE_SIZE = 50
_MOST_IDS = 200
_ORDERS = {
    "orderByVersion": "version",
    "orderByDate": "date",
    "orderByStartDate": "date",
    "orderByOrderNo": "order",
    "orderByCreated": "created",
    "orderByCreatedDate": "attached",
    "orderByName": "name",
    "orderBySize": "size",
    "orderById": "id",
    # Salary types have no id but their code.
    "orderByCode": "id",
}
_PAGING = frozenset({"size", "page", "previousId", *_ORDERS})
_BAD_REQUEST = 400
_FORBIDDEN = 403
_NOT_FOUND = 404


class Endpoint:
    """Answers for one resource.

    Args:
        spec: The specification.
        resource: The resource.
        owners: The endpoint of the documents that the resource's belong to, if they do.
    """

    def __init__(self, spec: Spec, resource: Resource, owners: Endpoint | None) -> None:
        self._resource = resource
        self._owners = owners
        self._parameters = spec.parameters(resource.path)
        self._listing = spec.listing(resource.path)
        self._list_is_forbidden = spec.documents_status(resource.path, _FORBIDDEN)
        self._knows_404 = spec.documents_status(resource.path, _NOT_FOUND)
        self.detail_path = spec.detail_path(resource.path) if resource.has_details else None
        self._shape = Shape(spec, resource.path, self.detail_path)
        self._takes_batches = self.detail_path is not None and spec.takes_batches(self.detail_path)

    def answers(self) -> Iterator[tuple[str, Callable[[Call], Response]]]:
        """Yield each path of the resource with what answers it."""
        yield self._resource.path, self.list
        if self.detail_path:
            yield self.detail_path, self.details

    def list(self, call: Call) -> Response:
        """Answer the list, or a page of it."""
        conditions = self._conditions(call)
        documents = self.documents(call)
        order = self._order(call)
        positions = documents.select(conditions, order)
        if self._listing.has_pages:
            return json_answer(self._page(documents, positions, order, call))
        return json_answer(self._whole(self._rows(documents, positions, call)))

    def details(self, call: Call) -> Response:
        """Answer the details of one id, or of several where the resource allows it."""
        self._check_rights(call)
        ids = self._ids(call)
        documents = self.documents(call)
        details = [
            self._served(self._shape.detail(documents.document(documents.row_at(at))), call)
            for at in self.visible(documents, sorted(set(ids)), call)
        ]
        if not details:
            raise _not_found()
        return json_answer(details if len(ids) > 1 else details[0])

    def documents(self, call: Call) -> Register:
        """Return the documents, those of the owner in the path where they belong to one."""
        if self._owners is None:
            return register_of(call.company, self._resource)
        owners = self._owners.documents(call)
        text = next(iter(call.path.values()))
        found = self._owners.visible(owners, [int(text)] if text.isdecimal() else [], call)
        if not found and self._knows_404:
            raise _not_found()
        condition = self._resource.applies_to
        if condition and not owners.keep(condition, found):
            raise ApiError(_FORBIDDEN, "Documents like this have none")
        if not found:
            return Documents([])
        return register_of(call.company, self._resource, owners.row_at(found[0]))

    def visible(self, documents: Register, ids: Iterable[int], call: Call) -> Sequence[int]:
        """Return the positions of those of the ids that the user may see."""
        if not self._check_rights(call):
            return []
        positions = [at for at in map(documents.position, ids) if at is not None]
        for condition in self._hidden(call):
            positions = documents.keep(condition, positions)
        return positions

    def _page(
        self, documents: Register, positions: Sequence[int], order: Order, call: Call
    ) -> Document:
        size = call.query.get("size", _DEFAULT_PAGE_SIZE)
        number = call.query.get("page", 0)
        if not 1 <= size <= MAX_PAGE_SIZE or number < 0:
            raise ApiError(_BAD_REQUEST, f"size must be 1 to {MAX_PAGE_SIZE}, page 0 or more")
        start = number * size + _first_after(documents, positions, order, call)
        results = self._rows(documents, positions[start : start + size], call)
        meta = {
            "pageNumber": number,
            "pageSize": size,
            "resultCount": len(results),
            "totalCount": len(positions),
        }
        return {"results": results, "meta": meta}

    def _whole(self, rows: Sequence[Document]) -> Json:
        """Put all rows into the form of the answer."""
        is_object = self._listing.is_object and not self._resource.is_array
        # A 404 below an owner says that there is no owner, or not the only document it can have.
        if not rows and (is_object or (self._knows_404 and not self._owners)):
            raise _not_found()
        if is_object:
            return rows[0]
        return {self._listing.field: rows} if self._listing.field else rows

    def _rows(
        self, documents: Register, positions: Iterable[int], call: Call
    ) -> Sequence[Document]:
        return [
            self._served(self._shape.row(documents.summary(documents.row_at(at))), call)
            for at in positions
        ]

    def _conditions(self, call: Call) -> frozenset[Condition]:
        resource = self._resource
        conditions = set(self._hidden(call))
        if not self._check_rights(call):
            conditions.add(NOTHING)
        for name, parameter in self._parameters.items():
            if name in _PAGING or name in resource.optional:
                continue
            value = call.query.get(name, parameter.schema.get("default"))
            condition = self._condition(name, value)
            if condition:
                conditions.add(condition)
        conditions |= {
            Contains(path, call.headers[name])
            for name, path in resource.header_filters.items()
            if name in call.headers
        }
        return frozenset(conditions)

    def _condition(self, name: str, value: Json) -> Condition | None:
        if value is None:
            return self._resource.fallbacks.get(name)
        if name not in self._resource.filters:
            raise ApiError(_BAD_REQUEST, f"The sandbox has no filter '{name}'", name)
        return self._resource.filters[name](value)

    def _hidden(self, call: Call) -> Iterator[Condition]:
        for right, condition in self._resource.hidden.items():
            if not call.company.rights.allows(right):
                yield condition

    def _check_rights(self, call: Call) -> bool:
        if not self._resource.is_available(call.company):
            raise ApiError(_FORBIDDEN, "The module is not in use")
        rights = self._resource.rights
        if not rights or any(map(call.company.rights.allows, rights)):
            return True
        if self._list_is_forbidden:
            raise ApiError(_FORBIDDEN, "Insufficient user rights")
        return False

    def _order(self, call: Call) -> Order:
        # What is made from the specification has no columns to sort by; its ids grow with time.
        column_of = _ORDERS if self._resource.data else dict.fromkeys(_ORDERS, "id")
        for name, column in column_of.items():
            if name in call.query:
                return Order(column, descending=call.query[name] == "DESC")
        defaults = {name: one.schema.get("default") for name, one in self._parameters.items()}
        # Where several have a default, which of them counts is nowhere said.
        for name in ("orderById", *_ORDERS):
            if defaults.get(name):
                return Order(column_of[name], defaults[name] == "DESC")
        return self._resource.order

    def _ids(self, call: Call) -> Sequence[int]:
        *_, text = call.path.values()
        try:
            ids = [int(part) for part in text.split(",")]
        except ValueError:
            raise ApiError(_BAD_REQUEST, f"Not an id: {text}") from None
        if len(ids) > (_MOST_IDS if self._takes_batches else 1):
            raise ApiError(_BAD_REQUEST, "Too many ids")
        return ids

    def _served(self, document: Document, call: Call) -> Document:
        for parameter, name in self._resource.optional.items():
            if not call.query.get(parameter):
                document.pop(name, None)
        spoilt = call.company.spoilt.get((self._resource.name, document.get("id", 0)), {})
        return document | {name: value for name, value in spoilt.items() if name in document}


def make_endpoints(spec: Spec, resources: Iterable[Resource]) -> Sequence[Endpoint]:
    """Return an endpoint for each resource; owners come before what belongs to them."""
    endpoints: dict[str, Endpoint] = {}
    for one in resources:
        endpoints[one.name] = Endpoint(spec, one, endpoints[one.owners] if one.owners else None)
    return [*endpoints.values()]


def _first_after(documents: Register, positions: Sequence[int], order: Order, call: Call) -> int:
    """Return the index of the first position that follows ``previousId``."""
    previous = call.query.get("previousId")
    if not previous:
        return 0
    if order.column != "id":
        raise ApiError(_BAD_REQUEST, "previousId works with orderById only", "previousId")
    ids = documents.ids
    if order.descending:
        return bisect_right(positions, -previous, key=lambda at: -ids[at])
    return bisect_right(positions, previous, key=lambda at: ids[at])


def _not_found() -> ApiError:
    return ApiError(_NOT_FOUND, "Not found")
