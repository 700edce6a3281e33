"""Pages and details of a declared register."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from .answers import json_answer
from .books.collection import Collection, Condition, Contains, Document, Json, OneOf, Order
from .errors import ApiError
from .spec import MAX_PAGE_SIZE, Shape, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.responses import Response

    from .resources import Call, Register

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
_NOTHING = OneOf("id", frozenset())


class RegisterEndpoint:
    """Answers for one register."""

    def __init__(self, spec: Spec, register: Register) -> None:
        self._register = register
        self._parameters = spec.parameters(register.path)
        self._shape = Shape(spec, register.path)
        self._list_is_forbidden = spec.documents_status(register.path, _FORBIDDEN)
        self.detail_path = spec.detail_path(register.path) if register.has_details else None
        self._takes_batches = self.detail_path is not None and spec.takes_batches(self.detail_path)

    def page(self, call: Call) -> Response:
        """Answer one page of the list."""
        collection: Collection[Any] = call.company.books.collection(self._register.name)
        order = self._order(call)
        positions = collection.select(self._conditions(call), order)
        size = call.query.get("size", _DEFAULT_PAGE_SIZE)
        number = call.query.get("page", 0)
        if not 1 <= size <= MAX_PAGE_SIZE or number < 0:
            raise ApiError(_BAD_REQUEST, f"size must be 1 to {MAX_PAGE_SIZE}, page 0 or more")
        start = number * size + _first_after(collection, positions, order, call)
        results = [
            self._served(self._shape.row(collection.summary(collection.row_at(at))), call)
            for at in positions[start : start + size]
        ]
        meta = {
            "pageNumber": number,
            "pageSize": size,
            "resultCount": len(results),
            "totalCount": len(positions),
        }
        return json_answer({"results": results, "meta": meta})

    def details(self, call: Call) -> Response:
        """Answer the details of one id, or of several where the resource allows it."""
        readable = self._check_rights(call)
        ids = self._ids(call)
        collection: Collection[Any] = call.company.books.collection(self._register.name)
        found = (collection.position(number) for number in sorted(set(ids)))
        positions: Iterable[int] = [at for at in found if at is not None]
        for condition in self._hidden(call):
            positions = collection.keep(condition, positions)
        details = [
            self._served(self._shape.detail(collection.document(collection.row_at(at))), call)
            for at in positions
        ]
        if not details or not readable:
            raise ApiError(_NOT_FOUND, "Not found")
        return json_answer(details if len(ids) > 1 else details[0])

    def _conditions(self, call: Call) -> frozenset[Condition]:
        register = self._register
        conditions = set(self._hidden(call))
        if not self._check_rights(call):
            conditions.add(_NOTHING)
        for name, parameter in self._parameters.items():
            if name in _PAGING or name in register.optional:
                continue
            value = call.query.get(name, parameter.schema.get("default"))
            condition = self._condition(name, value)
            if condition:
                conditions.add(condition)
        conditions |= {
            Contains(path, call.headers[name])
            for name, path in register.header_filters.items()
            if name in call.headers
        }
        return frozenset(conditions)

    def _condition(self, name: str, value: Json) -> Condition | None:
        if value is None:
            return self._register.fallbacks.get(name)
        if name not in self._register.filters:
            raise ApiError(_BAD_REQUEST, f"The sandbox has no filter '{name}'", name)
        return self._register.filters[name](value)

    def _hidden(self, call: Call) -> Iterator[Condition]:
        for right, condition in self._register.hidden.items():
            if not call.company.rights.allows(right):
                yield condition

    def _check_rights(self, call: Call) -> bool:
        if not self._register.is_available(call.company):
            raise ApiError(_FORBIDDEN, "The module is not in use")
        rights = self._register.rights
        if not rights or any(map(call.company.rights.allows, rights)):
            return True
        if self._list_is_forbidden:
            raise ApiError(_FORBIDDEN, "Insufficient user rights")
        return False

    def _order(self, call: Call) -> Order:
        for name, column in _ORDERS.items():
            if name in call.query:
                return Order(column, descending=call.query[name] == "DESC")
        defaults = {name: one.schema.get("default") for name, one in self._parameters.items()}
        # Where several have a default, which of them counts is nowhere said.
        names = [name for name in ("orderById", *_ORDERS) if defaults.get(name)]
        name = names[0] if names else "orderById"
        return Order(_ORDERS[name], defaults.get(name) == "DESC")

    def _ids(self, call: Call) -> list[int]:
        (text,) = call.path.values()
        try:
            ids = [int(part) for part in text.split(",")]
        except ValueError:
            raise ApiError(_BAD_REQUEST, f"Not an id: {text}") from None
        if len(ids) > (_MOST_IDS if self._takes_batches else 1):
            raise ApiError(_BAD_REQUEST, "Too many ids")
        return ids

    def _served(self, document: Document, call: Call) -> Document:
        for parameter, name in self._register.optional.items():
            if not call.query.get(parameter):
                document.pop(name, None)
        spoilt = call.company.spoilt.get((self._register.name, document.get("id", 0)), {})
        return document | {name: value for name, value in spoilt.items() if name in document}


def _first_after(
    collection: Collection[Any], positions: list[int], order: Order, call: Call
) -> int:
    """Return the index of the first position that follows ``previousId``."""
    previous = call.query.get("previousId")
    if not previous:
        return 0
    if order.column != "id":
        raise ApiError(_BAD_REQUEST, "previousId works with orderById only", "previousId")
    ids = collection.ids
    if order.descending:
        return bisect_right(positions, -previous, key=lambda at: -ids[at])
    return bisect_right(positions, previous, key=lambda at: ids[at])
