"""Lists that the API gives in one answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_procountor.readers.list_page import by_id, whole_list
from tap_procountor.readers.lister import ListAtOnce, Lister, WholePage

if TYPE_CHECKING:
    from tap_procountor.records.rejection import Rejection


class WholeList(ListAtOnce):
    """A list in one answer: an array, or one inside an object as in a page."""

    def whole(self) -> WholePage:
        parse = partial(whole_list, path=self.path)
        rejected: list[Rejection] = []
        texts = by_id(self.company.get(self.path, self._filters, parse), rejected)
        return WholePage(dict(sorted(texts.items())), rejected=rejected)


class Whole(Lister):
    """Declares a list in one answer."""

    list_type = WholeList
