"""The documents of a resource in one company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .documents import Documents, Register
from .made import Maker
from .spec import load_spec

if TYPE_CHECKING:
    from .resources import Resource
    from .tenant import Tenant


def register_of(tenant: Tenant, resource: Resource, owner: Any = None) -> Register:  # noqa: ANN401 - a row
    """Return the documents of a resource, with ``owners`` those that belong to a row.

    They come from the books, or where these have none, are made from the specification.
    """
    if resource.data is None:
        return _made(tenant, resource, owner)
    found = resource.data(tenant.books, *([owner] if resource.owners else []))
    return Documents(found) if isinstance(found, list) else found


def _made(tenant: Tenant, resource: Resource, owner: Any) -> Register:  # noqa: ANN401 - a row
    maker = Maker(load_spec(), resource, tenant.books.seed)
    if resource.owners:
        return Documents(maker.of_owner(owner.id, getattr(owner, "revision", 0)))
    if resource.name not in tenant.made:
        tenant.made[resource.name] = maker.collection()
    return tenant.made[resource.name]
