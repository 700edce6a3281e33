"""What a run asks before it writes anything: the API's status, the rights, the settings."""

from __future__ import annotations

import logging
import re
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tap_procountor.errors import UNFORESEEN, ProcountorError, misunderstood
from tap_procountor.permissions.rights import read_rights, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_procountor.api.client import ProcountorClient
    from tap_procountor.api.company import Company
    from tap_procountor.permissions.rights import Rights

#: Months that Procountor keeps a numbered version after its release, which is mid-month.
_SUPPORTED_MONTHS = 9
_DAY_OF_RELEASE = 15
_WARNING_DAYS = 60

logger = logging.getLogger("tap-procountor.preflight")


class Examination(NamedTuple):
    """What a run knows before it writes anything.

    Attributes:
        api_version: The API's version, if it states one.
        rights: By company, the user's rights and the company's settings, or why they are unknown.
    """

    api_version: str | None
    rights: dict[int, Rights | ProcountorError]


def examine(client: ProcountorClient, companies: Sequence[Company]) -> Examination:
    """Request the status, rights and settings, all at once."""

    def ask(question: tuple[Company, Callable[[Company], Any]]) -> Any:  # noqa: ANN401
        company, read = question
        try:
            return read(company)
        except ProcountorError as fault:
            return fault
        except UNFORESEEN as fault:
            return misunderstood(fault)

    questions = [(companies[0], _api_version), *product(companies, (read_rights, read_settings))]
    answers = client.threads.map(ask, questions)
    version = next(answers)
    if isinstance(version, ProcountorError):
        logger.warning("The API's status is unknown: %s", version)
        version = None
    known = {}
    for company, rights, settings in zip(companies, answers, answers, strict=False):
        are_read = isinstance(rights, dict) and isinstance(settings, dict)
        known[company.id] = rights | settings if are_read else rights
    return Examination(version, known)


def end_of_support(api_url: str, today: date) -> Iterator[str]:
    """Yield a warning if support for the URL's version ends soon or has ended.

    Versions are named after their month: ``/v2602`` came in February 2026.
    """
    version = re.search(r"/v(\d\d)(0[1-9]|1[0-2])(/|$)", urlsplit(api_url).path)
    if not version:
        return
    months = int(version[1]) * 12 + int(version[2]) - 1 + _SUPPORTED_MONTHS
    end = date(2000 + months // 12, months % 12 + 1, _DAY_OF_RELEASE)
    if today >= end - timedelta(days=_WARNING_DAYS):
        yield (
            f"The API version v{version[1]}{version[2]} is supported until about {end}: set "
            "api_url to a newer one, or to /latest/api."
        )


def _api_version(company: Company) -> str | None:
    """Return the API's version; warn if its status is not OK."""
    status = company.get("/status")
    if not isinstance(status, dict):
        return None
    if status.get("status") not in {"OK", None}:
        logger.warning("The API reports the status %s: expect faults.", status["status"])
    version = status.get("version")
    return version if isinstance(version, str) else None
