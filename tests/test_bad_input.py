"""Bad input gives one clear sentence, a non-zero exit code, and no traceback."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import Run, run_tap

from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

Config = dict[str, Any]


def assert_one_sentence(run: Run, *words: str) -> None:
    assert run.exit_code != 0
    assert "Traceback" not in run.log
    errors = [line for line in run.log.splitlines() if "| ERROR" in line]
    assert len(errors) == 1, run.log
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    mostly_slow(
        [
            ({"api_key": "0" * 48}, ["api_key", "revoked", "401"]),
            ({"client_secret": "wrong"}, ["client_secret", "401"]),
            ({"client_id": "nobody"}, ["client_id", "401"]),
            ({"api_url": "http://127.0.0.1:9/latest/api"}, ["127.0.0.1:9", "api_url"]),
            (
                {"api_url": "https://no-such-host.invalid/latest/api"},
                ["no-such-host.invalid", "api_url"],
            ),
            ({"timezone": "Europe/Nowhere"}, ["timezone", "Europe/Helsinki"]),
            ({"start_date": "yesterday"}, ["start_date"]),
            ({"start_date": "2026-02-01", "end_date": "2026-01-01"}, ["end_date", "start_date"]),
            ({"requests_per_second": 0}, ["requests_per_second", "at least 0.01"]),
            ({"max_concurrency": "many"}, ["max_concurrency"]),
            ({"on_missing_permission": "ignore"}, ["on_missing_permission", "fail or warn"]),
            ({"client_secrets": "x"}, ["client_secrets", "Did you mean 'client_secret'"]),
            ({"client_secret": 123456789}, ["client_secret", "type string"]),
            ({"client_secret": None}, ["client_secret", "missing"]),
            ({"api_key": None}, ["api_key", "api_keys"]),
            ({"api_key": " "}, ["api_key", "empty"]),
        ],
        by_default=4,
    ),
)
def test_settings(config: Config, tmp_path: Path, changes: Config, words: list[str]) -> None:
    began = time.monotonic()
    run = run_tap(tmp_path, config | changes)
    assert time.monotonic() - began < 15
    assert_one_sentence(run, *words)
    assert run.messages == []
    assert "123456789" not in run.log


def test_a_wrong_path_in_api_url(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config | {"api_url": sandbox.api_url.replace("latest", "v1801")})
    assert_one_sentence(run, "There is no API", "404", "v1801")


def test_a_wrong_token_url(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config | {"token_url": f"{sandbox.url}/token"})
    assert_one_sentence(run, "token_url", "404")


def test_both_api_key_and_api_keys(config: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config | {"api_keys": ["a"]})
    assert_one_sentence(run, "either 'api_key'")


def test_two_keys_of_one_company(config: Config, tmp_path: Path) -> None:
    key = config.pop("api_key")
    run = run_tap(tmp_path, config | {"api_keys": [key, key]})
    assert_one_sentence(run, "api_keys[0] and api_keys[1] open the same company")


@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
@pytest.mark.parametrize("text", ['{"half": ', "[]"])
def test_files_that_are_no_json_objects(
    config: Config, tmp_path: Path, option: str, text: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(text)
    run = run_tap(tmp_path, config, option, str(broken))
    assert_one_sentence(run, f"The {option[2:]} file")


def test_a_config_file_that_is_not_there(config: Config, tmp_path: Path) -> None:
    run = run_tap(tmp_path, config, "--config", str(tmp_path / "none.json"))
    assert_one_sentence(run, "none.json", "No such file")


@pytest.mark.parametrize(
    "state",
    mostly_slow(
        [
            {"bookmarks": {"invoices": {"partitions": [{"context": {}}]}}},
            {"bookmarks": {"invoices": "2026-01-01"}},
            {"bookmarks": []},
            {"value": {"bookmarks": {}}},
            {"bookmarks": {"invoices": {"replication_key_value": "2026-01-01T00:00:00Z"}}},
            {
                "bookmarks": {
                    "invoices": {
                        "partitions": [
                            {
                                "context": {"company_id": 1},
                                "replication_key_value": "2026-01-01T02:00:00+02:00",
                            }
                        ]
                    }
                }
            },
            {
                "bookmarks": {
                    "dimensions": {"partitions": [{"context": {"company_id": 1}, "keys": "z"}]}
                }
            },
            {
                "bookmarks": {
                    "invoices": {
                        "partitions": [
                            {"context": {"company_id": 1}, "replication_key_value": "last week"}
                        ]
                    }
                }
            },
        ],
        by_default=3,
    ),
)
def test_a_state_of_another_tap(config: Config, tmp_path: Path, state: Config) -> None:
    assert_one_sentence(run_tap(tmp_path, config, state=state), "The state cannot be understood")


def test_a_catalog_that_selects_an_unknown_stream(config: Config, tmp_path: Path) -> None:
    catalog = selecting("invoices")
    catalog["streams"][0]["tap_stream_id"] = "invoicess"
    assert_one_sentence(run_tap(tmp_path, config, catalog=catalog), "invoicess")


def test_a_catalog_that_changes_the_replication_method(config: Config, tmp_path: Path) -> None:
    catalog = selecting("invoices")
    invoices = next(s for s in catalog["streams"] if s["tap_stream_id"] == "invoices")
    invoices["replication_method"] = "FULL_TABLE"
    run = run_tap(tmp_path, config, catalog=catalog)
    assert_one_sentence(run, "replication method of 'invoices'")


def test_a_report_in_a_folder_that_does_not_exist(config: Config, tmp_path: Path) -> None:
    report = {"run_report_path": str(tmp_path / "none" / "report.json")}
    assert_one_sentence(run_tap(tmp_path, config | report), "run_report_path")


@pytest.mark.parametrize("catalog", [{}, {"streams": [{"name": "invoices"}]}])
def test_a_catalog_of_another_kind(config: Config, tmp_path: Path, catalog: Config) -> None:
    assert_one_sentence(run_tap(tmp_path, config, catalog=catalog), "The catalog")


def test_a_catalog_that_selects_nothing(config: Config, tmp_path: Path) -> None:
    assert_one_sentence(run_tap(tmp_path, config, catalog=selecting()), "No stream is selected")


def test_the_environment_wins_over_a_dotenv_file(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "TAP_PROCOUNTOR_API_URL=http://127.0.0.1:9/latest/api\nTAP_PROCOUNTOR_LOOKBACK=7\n"
    )
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.config().items():
        monkeypatch.setenv(f"TAP_PROCOUNTOR_{name.upper()}", str(value))
    run = run_tap(tmp_path, {}, "--config", "ENV", "--test")
    assert run.exit_code == 0, run.log
    assert "the setting 'lookback' from the variable TAP_PROCOUNTOR_LOOKBACK" in run.log


def test_one_of_several_keys_is_revoked(tmp_path: Path) -> None:
    with Sandbox(companies=3, invoices=30, requests_per_second=0) as sandbox:
        sandbox.companies[1].revoke_key(tokens=True)
        run = run_tap(
            tmp_path,
            {**sandbox.config(), "requests_per_second": 1000},
            catalog=selecting("company"),
        )
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    assert "api_keys[1]" in run.log.splitlines()[-2]
    read = {record["company_id"] for record in run.records("company")}
    assert read == {sandbox.companies[0].id, sandbox.companies[2].id}


def test_numbers_from_the_environment(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.config().items():
        monkeypatch.setenv(f"TAP_PROCOUNTOR_{name.upper()}", str(value))
    monkeypatch.setenv("TAP_PROCOUNTOR_REQUESTS_PER_SECOND", "1000")
    monkeypatch.setenv("TAP_PROCOUNTOR_PROJECT_DIMENSIONS", json.dumps(["Kustannuspaikka"]))
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(selecting("projects")))
    run = run_tap(tmp_path, {}, "--config", "ENV", "--catalog", str(path))
    assert run.exit_code == 0, run.log
    assert {row["dimension_name"] for row in run.records("projects")} == {"Kustannuspaikka"}
