"""Streams whose documents stand in a list of the API: a lister and a completer, put together."""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.errors import ApiError
from tap_procountor.readers.completer import AsListed, Completer
from tap_procountor.streams.base.read import ReadStream

if TYPE_CHECKING:
    from singer_sdk import Tap

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.lister import ApiList, Lister
    from tap_procountor.streams.base.context import RunContext


class ListStream(ReadStream):
    """A stream that declares how its list is read, and what completes the list's rows."""

    lister: ClassVar[Lister]
    completer: ClassVar[Completer] = AsListed()

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - as Python has it
        super().__init_subclass__(**options)
        if lister := vars(cls).get("lister"):
            cls.path = lister.path

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        self._completer = self.completer.of(self.lister, getattr_static(self, "schema"))

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        return cls.completer.paths(cls.lister.path)

    def is_empty(self, company: Company) -> bool:
        """Ask for one row of each list, and for what completes it.

        Raises:
            ProcountorError: If it cannot be read.
        """
        for one in self.lists(company):
            for page in one.first():
                for batch in self._completer.complete(one, [page]):
                    for rejection in batch.rejected:
                        raise ApiError(rejection.reason)
                return False
        return True

    def lists(self, company: Company, bounds: Params | None = None) -> list[ApiList]:
        return self.lister.lists(company, bounds, self._completer.list_share)
