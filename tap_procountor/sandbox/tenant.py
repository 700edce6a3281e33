"""A company as the API sees it: its books, its user's rights, the modules in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .rights import Rights
from .spec import load_spec

if TYPE_CHECKING:
    from .books.books import Books
    from .books.collection import Collection, Document


class Tenant:
    """What answers are made from; a test changes it by ``Company``."""

    def __init__(self, books: Books) -> None:
        self.books: Books = books
        self.id = books.company_id
        self.rights: Rights = Rights(load_spec())
        self.documents: bool = True
        self.sie: bool = False
        self.payroll: bool = True
        self.discussion: bool = True
        #: What is wrong with single documents, by resource and id.
        self.spoilt: dict[tuple[str, int], Document] = {}
        #: What is in no books, by resource: made from the specification when first asked for.
        self.made: dict[str, Collection[Any]] = {}
