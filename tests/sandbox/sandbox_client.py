"""A plain client of the API, for the sandbox's own tests."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import requests

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


Json = Any
Row = dict[str, Json]


class Client:
    """One company's user."""

    def __init__(self, sandbox: Sandbox, company: int = 0) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.token(company)}"

    def form(self, company: int = 0) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self.sandbox.keyring.client_id,
            "client_secret": self.sandbox.keyring.client_secret,
            "api_key": self.sandbox.companies[company].api_key,
        }

    def token(self, company: int = 0) -> str:
        answer = self.session.post(self.sandbox.token_url, data=self.form(company))
        return str(answer.json()["access_token"])

    def get(self, path: str, **parameters: Json) -> requests.Response:
        return self.session.get(self.sandbox.api_url + path, params=parameters, timeout=10)

    def post(self, path: str, question: Json) -> requests.Response:
        return self.session.post(self.sandbox.api_url + path, json=question, timeout=10)

    def json(self, path: str, **parameters: Json) -> Json:
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal)

    def control(self, action: str, **arguments: Json) -> Json:
        answer = self.session.post(f"{self.sandbox.url}/sandbox/{action}", json=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, path: str, size: int = 200, **parameters: Json) -> Iterator[Row]:
        previous = 0
        while True:
            page = self.json(path, orderById="ASC", previousId=previous, size=size, **parameters)[
                "results"
            ]
            yield from page
            if len(page) < size:
                return
            previous = page[-1]["id"]

    def details(self, path: str, ids: list[int]) -> list[Row]:
        found: list[Row] = []
        for start in range(0, len(ids), 200):
            batch = ids[start : start + 200]
            answer = self.json(f"{path}/{','.join(map(str, batch))}")
            found += answer if len(batch) > 1 else [answer]
        return found


@contextmanager
def running(**settings: Json) -> Iterator[tuple[Sandbox, Client]]:
    with Sandbox(**{"invoices": 60, "requests_per_second": 0, **settings}) as sandbox:
        client = Client(sandbox)
        with client.session:
            yield sandbox, client
