"""Taps to compare with: Procountor's documents read the way the SDK's template has it.

    python tests/benchmarks/baselines.py (batches | single) [options of any tap]

A ``RESTStream`` with the SDK's own writer, conformance level, authenticator and paginator. Nothing
is made slow on purpose: schemas and names are worked out once, and there is one token for all
streams. The records are those of tap-procountor, but for fields that the specification does not
know: the SDK drops them.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import inflection
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import OAuthAuthenticator
from singer_sdk.pagination import BaseAPIPaginator

from tap_procountor.records.schema import RecordSchema

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from singer_sdk import Stream
    from singer_sdk.helpers.types import Context

Json = Any
Record = dict[str, Json]

_PAGE_SIZE = 200
_ZONE = ZoneInfo("Europe/Helsinki")
_NAIVE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

_snake_case = cache(inflection.underscore)


class Authenticator(OAuthAuthenticator):
    """Exchanges the API key for a token."""

    def __init__(self, config: dict[str, Any]) -> None:
        url = urlsplit(config["api_url"])
        super().__init__(
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            auth_endpoint=f"{url.scheme}://{url.netloc}/api/oauth/token",
        )
        self._api_key = config["api_key"]

    @property
    def oauth_request_body(self) -> dict[str, str]:
        """The form of the exchange."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id or "",
            "client_secret": self.client_secret or "",
            "api_key": self._api_key,
        }


class LastIdPaginator(BaseAPIPaginator[int]):
    """Goes on after the last id of a page."""

    def __init__(self) -> None:
        super().__init__(0)

    def get_next(self, response: requests.Response) -> int | None:
        """Return the last id of a full page; after any other the list ends."""
        rows = response.json()["results"]
        return rows[-1]["id"] if len(rows) == _PAGE_SIZE else None


class DocumentStream(RESTStream[int]):
    """A list whose rows are completed by details, one request after the other."""

    primary_keys: ClassVar[tuple[str, ...]] = ("company_id", "id")
    ids_per_request: ClassVar[int]

    _tap: BaselineTap

    @property
    def url_base(self) -> str:
        """The base of the API."""
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> Authenticator:
        """The one of the tap."""
        return self._tap.authenticator

    def get_new_paginator(self) -> LastIdPaginator:
        """Return a paginator for a list."""
        return LastIdPaginator()

    def get_url_params(self, context: Context | None, next_page_token: int | None) -> Record:
        """Return the parameters of a page."""
        page = {"orderById": "ASC", "size": _PAGE_SIZE, "previousId": next_page_token or 0}
        return {**(context or {}), **page}

    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        """Yield the documents of a page."""
        rows = {row["id"]: row for row in response.json(parse_float=Decimal)["results"]}
        ids = list(rows)
        for start in range(0, len(ids), self.ids_per_request):
            for detail in self._details(ids[start : start + self.ids_per_request]):
                yield rows[detail["id"]] | detail

    def post_process(self, row: Record, context: Context | None = None) -> Record:  # noqa: ARG002
        """Put names into snake case and times into UTC."""
        return {**_convert(row), "company_id": self._tap.company_id}

    def _details(self, ids: list[int]) -> list[Record]:
        url = f"{self.url_base}{self.path}/{','.join(map(str, ids))}"
        answer = self.fetch(url).json(parse_float=Decimal)
        return answer if isinstance(answer, list) else [answer]

    def fetch(self, url: str) -> requests.Response:
        """Make a request the way the SDK makes those of pages."""
        request = self.build_prepared_request(method="GET", url=url, headers=self.http_headers)
        return self.request_decorator(self._request)(request, None)


class Invoices(DocumentStream):
    """Invoices."""

    name = "invoices"
    path = "/invoices"
    # The API hides offers by default.
    partitions: ClassVar[list[Record]] = [{}, {"types": "SALES_ORDER", "isOffer": "true"}]
    schema = RecordSchema("InvoiceBasicInfo", "Invoice")


class LedgerReceipts(DocumentStream):
    """Ledger receipts."""

    name = "ledger_receipts"
    path = "/ledgerreceipts"
    schema = RecordSchema("LedgerReceiptBasicInfo", "LedgerReceipt")


class BaselineTap(Tap):
    """A tap as the SDK's template makes it."""

    name = "tap-baseline"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType),
        th.Property("client_id", th.StringType, required=True),
        th.Property("client_secret", th.StringType, required=True, secret=True),
        th.Property("api_key", th.StringType, required=True, secret=True),
    ).to_dict()

    @cached_property
    def authenticator(self) -> Authenticator:
        """One for all streams."""
        return Authenticator(dict(self.config))

    @cached_property
    def company_id(self) -> int:
        """The company that the key opens."""
        stream = next(iter(self.streams.values()))
        assert isinstance(stream, DocumentStream)
        number: int = stream.fetch(f"{stream.url_base}/sessioninfo").json()["companyId"]
        return number

    def discover_streams(self) -> list[Stream]:
        """Return the streams."""
        return [Invoices(self), LedgerReceipts(self)]


def _convert(value: Json) -> Json:
    if isinstance(value, dict):
        return {_snake_case(name): _convert(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_convert(item) for item in value]
    if isinstance(value, str) and _NAIVE_TIME.fullmatch(value):
        moment = datetime.fromisoformat(value).replace(tzinfo=_ZONE).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


if __name__ == "__main__":
    DocumentStream.ids_per_request = {"batches": 200, "single": 1}[sys.argv.pop(1)]
    BaselineTap.cli()
