"""The companies of a run: one per API key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from tap_procountor.api.responses import LARGEST_ID, decode
from tap_procountor.errors import (
    UNFORESEEN,
    ApiError,
    ConfigurationError,
    ProcountorError,
    misunderstood,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_procountor.api.auth import CompanyAuthenticator
    from tap_procountor.api.client import Params, ProcountorClient, Receiver
    from tap_procountor.api.responses import Parse
    from tap_procountor.api.usage import Usage
    from tap_procountor.api.workers import RequestThreads


#: Clocks that differ by this much are worth a warning.
_OFF = timedelta(hours=1)
#: If they differ by this much, neither is trusted; less if the lookback would not make up for it.
_FAR_OFF = timedelta(days=1)

#: Needed by several parts of a run, possibly at the same time: each is asked for once.
_SHARED_RESOURCES = {"/company/usagesettings", "/fiscalyears", "/vats/default"}


def our_time() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


def _locks() -> dict[str, Lock]:
    return {path: Lock() for path in _SHARED_RESOURCES}


@dataclass(frozen=True)
class Company:
    """A company (Procountor: environment) and the way to its data.

    Attributes:
        id: Procountor's id; ids of everything else are unique only within a company.
        server_time: When the run began for this company, by the server's clock.
        our_time: The same by ours.
        opened: The same by the server's or, if they differ so much that nobody knows which is
            right, by the later of both; what changes later is left to the next run.
        agreed: The earlier one then: no bookmark goes beyond what both clocks allow.
        country: In English upper case (``FINLAND``), if known.
        discusses_invoices: Whether the discussion of invoices is in use; None if unknown.
        user_id: The key's user, if known.
        usage: Where the requests made through this object are counted.
        priority: Their place among those that wait; see ``Gate``.
    """

    id: int
    name: str
    server_time: datetime
    our_time: datetime
    opened: datetime
    agreed: datetime
    country: str | None
    discusses_invoices: bool | None
    user_id: int | None
    client: ProcountorClient = field(repr=False)
    _auth: CompanyAuthenticator = field(repr=False)
    usage: Usage | None = None
    priority: int = 0
    _answers: dict[str, Any] = field(default_factory=dict, repr=False)
    _locks: dict[str, Lock] = field(default_factory=_locks, repr=False)

    @classmethod
    def open(cls, client: ProcountorClient, api_key: str, far_off: timedelta = _FAR_OFF) -> Company:
        """Ask which company a key opens.

        If the server's clock and ours differ by ``far_off``, neither is trusted.

        Raises:
            ProcountorError: If the key opens none.
        """
        auth = client.authenticator(api_key)
        answer = client.read(auth, "/sessioninfo")
        session = answer.content
        number = session.get("companyId") if isinstance(session, dict) else None
        if type(number) is not int or not 0 < number <= LARGEST_ID:
            msg = "The API's /sessioninfo names no company: check api_url."
            raise ApiError(msg)
        settings = session.get("companySettings")
        times = answer.server_time, our_time()
        are_far_apart = abs(times[0] - times[1]) >= far_off
        return cls(
            number,
            str(session.get("name")),
            *times,
            max(times) if are_far_apart else times[0],
            min(times) if are_far_apart else times[0],
            session.get("country"),
            settings.get("invoiceDiscussionEnabled") if isinstance(settings, dict) else None,
            session.get("userId"),
            client,
            auth,
        )

    @property
    def threads(self) -> RequestThreads:
        """Where requests run several at once."""
        return self.client.threads

    def for_part(self, usage: Usage, priority: int) -> Company:
        """Return the same company for a part of the run, with its requests counted."""
        return replace(self, usage=usage, priority=priority)

    def get(
        self,
        path: str,
        params: Params | None = None,
        parse: Parse = decode,
        max_tries: int | None = None,
    ) -> Any:  # noqa: ANN401
        read = partial(self._read, path, params, parse=parse, max_tries=max_tries)
        if params or path not in _SHARED_RESOURCES or parse is not decode:
            return read()
        with self._locks[path]:
            if path not in self._answers:
                self._answers[path] = read()
            return self._answers[path]

    def download(self, path: str, receive: Receiver, params: Params | None = None) -> Any:  # noqa: ANN401
        return self._read(path, params, receive=receive)

    def post(self, path: str, question: Params) -> Any:  # noqa: ANN401 - any JSON
        return self._read(path, question=question)

    def _read(self, *resource: Any, **options: Any) -> Any:  # noqa: ANN401
        answer = self.client.read(
            self._auth, *resource, usage=self.usage, priority=self.priority, **options
        )
        return answer.content


def open_companies(
    client: ProcountorClient, keys: list[str], lookback: timedelta
) -> tuple[dict[int, Company], list[tuple[str, ProcountorError]]]:
    """Ask which companies the keys open; a key that opens none does not stop the others.

    Incremental reads overlap by ``lookback``.

    Returns:
        The companies by id, and the keys that open none, by their place in the settings, with why.

    Raises:
        ConfigurationError: If two keys open the same company, or the environment's proxy or
            certificates cannot be used.
    """
    far_off = min(max(lookback, _OFF), _FAR_OFF)
    companies: dict[int, Company] = {}
    names: dict[int, str] = {}
    failures: list[tuple[str, ProcountorError]] = []
    for position, opened in enumerate(client.threads.map(partial(_open, client, far_off), keys)):
        key_name = f"api_keys[{position}]" if len(keys) > 1 else "api_key"
        if isinstance(opened, ProcountorError):
            failures.append((key_name, opened))
            continue
        if opened.id in companies:
            msg = (
                f"{names[opened.id]} and {key_name} open the same company ({opened.id}): "
                "remove one of them."
            )
            raise ConfigurationError(msg)
        companies[opened.id] = opened
        names[opened.id] = key_name
    return companies, failures


def clock_warning(companies: Collection[Company]) -> str | None:
    """Return a sentence if the server's clock and this machine's do not agree."""
    ahead = max((company.server_time - company.our_time for company in companies), key=abs)
    if abs(ahead) < _OFF:
        return None
    warning = (
        f"By its Date header, the server's clock is {abs(ahead) / _OFF:,.0f} hours "
        f"{'ahead of' if ahead > timedelta() else 'behind'} this machine's: correct the one that "
        "is wrong."
    )
    if any(company.opened != company.agreed for company in companies):
        warning += (
            " Until then bookmarks go no further than the earlier of the two, and more is read "
            "again."
        )
    return warning


def _open(client: ProcountorClient, far_off: timedelta, api_key: str) -> Company | ProcountorError:
    try:
        return Company.open(client, api_key, far_off)
    except ConfigurationError:
        # The proxy or the certificates, for all of them.
        raise
    except ProcountorError as error:
        return error
    except UNFORESEEN as error:
        return misunderstood(error)
