from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_client import Client, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with running(companies=2) as (_, client):
        yield client


def test_a_token_looks_like_a_jwt_and_is_new_each_time(client: Client) -> None:
    answer = client.session.post(client.sandbox.token_url, data=client.form()).json()
    assert answer["expires_in"] == 3600
    assert len(answer["access_token"]) > 255
    assert answer["access_token"].count(".") == 2
    assert answer["access_token"] != client.token()


@pytest.mark.parametrize("path", ["/api", "/latest/api", "/supported/api", "/v2602/api"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_tokens_are_given_below_every_base_path(client: Client, path: str, slash: str) -> None:
    url = f"{client.sandbox.url}{path}/oauth/token{slash}"
    assert client.session.post(url, data=client.form()).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"api_key": "wrong"}, 401, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_are_refused(
    client: Client, changes: dict[str, str], status: int, error: str
) -> None:
    answer = client.session.post(client.sandbox.token_url, data=client.form() | changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_credentials_count_in_the_body_only(client: Client) -> None:
    answer = client.session.post(
        client.sandbox.token_url,
        params=client.form(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400


def test_a_charset_in_the_content_type_is_refused(client: Client) -> None:
    answer = client.session.post(
        client.sandbox.token_url,
        data=client.form(),
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
    )
    assert answer.status_code == 400


def test_a_key_opens_its_own_company(client: Client) -> None:
    companies = [
        client.session.get(
            client.sandbox.api_url + "/sessioninfo",
            headers={"Authorization": f"Bearer {client.token(index)}"},
        ).json()["companyId"]
        for index in (0, 1)
    ]
    assert companies == [company.id for company in client.sandbox.companies]


@pytest.mark.parametrize("value", ["", "Bearer nonsense", "Basic abc"])
def test_without_a_token_nothing_is_answered(client: Client, value: str) -> None:
    client.session.headers["Authorization"] = value
    answer = client.get("/company")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["status"] == 401


def test_a_token_expires_by_the_sandbox_s_clock(client: Client) -> None:
    client.sandbox.advance_clock(3599)
    assert client.get("/company").status_code == 200
    client.sandbox.advance_clock(2)
    assert client.get("/company").status_code == 401


def test_all_tokens_can_be_ended(client: Client) -> None:
    client.sandbox.expire_tokens()
    assert client.get("/company").status_code == 401


def test_a_revoked_key_leaves_its_token_alive(client: Client) -> None:
    client.sandbox.companies[0].revoke_key()
    assert client.get("/company").status_code == 200
    answer = client.session.post(client.sandbox.token_url, data=client.form())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_grant")


def test_a_key_can_be_revoked_with_its_tokens(client: Client) -> None:
    client.sandbox.companies[0].revoke_key(tokens=True)
    assert client.get("/company").status_code == 401


def test_a_replaced_key_opens_the_same_company(client: Client) -> None:
    company = client.sandbox.companies[0]
    old = company.api_key
    assert company.replace_key() != old
    assert client.token()
    form = client.form() | {"api_key": old}
    assert client.session.post(client.sandbox.token_url, data=form).status_code == 401


def test_the_statistics_say_whether_a_redirect_uri_was_sent(client: Client) -> None:
    sandbox = client.sandbox
    assert sandbox.statistics().redirect_uris_sent == 0
    client.session.post(sandbox.token_url, data=client.form() | {"redirect_uri": "http://x"})
    assert sandbox.statistics().redirect_uris_sent == 1
    assert sandbox.statistics().token_requests == 2


def test_other_versions_do_not_exist(client: Client) -> None:
    answer = client.session.get(f"{client.sandbox.url}/v1999/api/company")
    assert answer.status_code == 404
