"""Every setting, with another value than its default, in each way to give it."""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from support.catalog import selecting
from support.command import all_at_once, run_tap

from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.command import Run
    from support.exact import Record

    from tap_procountor.sandbox import Sandbox

TapProcountor.append_builtin_config(TapProcountor.config_jsonschema)
SETTINGS: dict[str, Record] = TapProcountor.config_jsonschema["properties"]


def kinds(schema: Record) -> set[str]:
    given = schema["type"]
    return set(given if isinstance(given, list) else [given]) - {"null"}


def another_value(name: str, schema: Record) -> Any:
    """A value that is not the default, worked out from the schema; KeyError if it has to be told.

    A number is a fraction wherever that is allowed.
    """
    default: Any = schema.get("default")
    if name in TOLD:
        return TOLD[name]
    if "enum" in schema:
        return next(value for value in schema["enum"] if value not in {default, None})
    if kinds(schema) == {"boolean"}:
        return not default
    if kinds(schema) == {"integer"}:
        return (default or schema.get("minimum") or 1) + 1
    if kinds(schema) == {"number"}:
        return round(default * 1.5 + 0.25, 3)
    raise KeyError(name)


#: What cannot be worked out: texts that mean something, lists, objects, numbers of the SDK.
TOLD: Record = {
    "attachment_types": ["application/pdf", "image/*"],
    "attachments_since": "2026-01-01",
    "project_dimensions": ["Kustannuspaikka", "Myyntialue"],
    # Its default depends on the host.
    "requests_per_second": 30.25,
    "redirect_uri": "https://example.com/callback",
    "report_fiscal_years": ["2024", 2025],
    "start_date": "2020-01-01T12:00:00+02:00",
    "end_date": "2030-01-31",
    "timezone": "Europe/Stockholm",
    "stream_maps": {"products": {"share": "1.5"}},
    "stream_map_config": {"rate": 1.5},
    "faker_config": {"seed": 7, "locale": "fi_FI"},
    "flattening_max_key_length": 60,
    "flattening_separator": "___",
}


@pytest.fixture
def given(sandbox: Sandbox, tmp_path: Path) -> Record:
    """A value for every setting but ``api_key``, which ``api_keys`` excludes."""
    config = sandbox.config()
    told = {
        **{name: config[name] for name in ("api_url", "client_id", "client_secret")},
        "api_keys": [config["api_key"]],
        "token_url": sandbox.token_url,
        "attachment_files_path": str(tmp_path / "files"),
        "run_report_path": str(tmp_path / "report.json"),
    }
    return {
        name: told[name] if name in told else another_value(name, schema)
        for name, schema in SETTINGS.items()
        if name != "api_key"
    }


def in_a_file(config: Record, folder: Path) -> tuple[list[str], dict[str, str]]:
    path = folder / "one.json"
    path.write_text(json.dumps(config))
    return [str(path)], {}


def in_several_files(config: Record, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Each setting in one of three files, as Windows saves them; the last one wins."""
    paths = [folder / f"{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        part = {name: config[name] for name in list(config)[number::3]}
        first = {} if number else {"lookback": 3}
        path.write_text(json.dumps(first | part), "utf-8-sig")
    return [str(path) for path in paths], {}


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def in_the_environment(config: Record, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Half of it in a ``.env`` file."""
    variables = {f"TAP_PROCOUNTOR_{name.upper()}": as_text(one) for name, one in config.items()}
    names = list(variables)
    lines = [f"{name}='{variables[name]}'\n" for name in names[::2]]
    (folder / ".env").write_text("".join(lines), "utf-8-sig")
    return ["ENV"], {name: variables[name] for name in names[1::2]}


def as_meltano_does(config: Record, folder: Path) -> tuple[list[str], dict[str, str]]:
    """What comes out of its own environment is text, in the file that it writes for us."""
    return in_a_file({name: as_text(value) for name, value in config.items()}, folder)


WAYS = [in_a_file, in_several_files, in_the_environment, as_meltano_does]


@pytest.mark.parametrize("way", WAYS)
def test_every_setting_in_every_way(
    given: Record,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[Record, Path], tuple[list[str], dict[str, str]]],
) -> None:
    paths, environment = way(given, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    options = [option for path in paths for option in ("--config", path)]
    run = run_tap(tmp_path, {}, *options, catalog=selecting("products", "projects"))
    assert run.exit_code == 0, run.log
    assert json.loads((tmp_path / "report.json").read_text())["failures"] == []
    # They arrive, each with the type that it has here.
    read = TapProcountor.cb_config(None, None, tuple(paths))  # type: ignore[arg-type]
    # The SDK puts what it finds in .env into the environment.
    with patch.dict(os.environ):
        tap = TapProcountor(config=read.config, parse_env_config=read.parse_env)
    assert tap.config == given
    for name, schema in SETTINGS.items():
        assert not isinstance(tap.config.get(name), Decimal), name
        if kinds(schema) == {"number"}:
            assert tap.config[name] != schema.get("default")


def test_numbers_are_pythons_own(config: Record) -> None:
    """The SDK makes decimals of fractions, and JSON has whole numbers with a fraction."""
    tap = TapProcountor(config=config | {"requests_per_second": Decimal("1.5"), "lookback": 60.0})
    rate, lookback = tap.config["requests_per_second"], tap.config["lookback"]
    assert (rate, type(rate)) == (1.5, float)
    assert (lookback, type(lookback)) == (60, int)


def test_every_value_of_every_enumeration(config: Record, tmp_path: Path) -> None:
    cases = [
        (name, value)
        for name, schema in SETTINGS.items()
        for value in schema.get("enum", ())
        if value is not None
    ]
    assert len(cases) >= 5

    def run(case: tuple[str, str]) -> Run:
        folder = tmp_path / "".join(case)
        folder.mkdir()
        return run_tap(folder, config | dict([case]), catalog=selecting("projects"))

    with all_at_once(run, cases) as runs:
        for case, one in runs.items():
            assert one.result().exit_code == 0, (case, one.result().log)


def beyond(schema: Record) -> list[Any]:
    """Values that no setting of its kind can have."""
    if kinds(schema) <= {"integer", "number"}:
        return [1e300, -1e300, 10**400, "NaN", "1e999", -1, "many"]
    if kinds(schema) == {"boolean"}:
        return ["perhaps", 2]
    if "pattern" in schema:
        return ["0001-01-01", "9999-12-31T23:59:59", "1899-12-31", "2026-13-45", "soon"]
    return ["no such value"] if "enum" in schema else []


def test_what_no_setting_can_be_is_named(
    config: Record,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of ours that are numbers have bounds; the SDK's have none."""
    monkeypatch.setattr(sys, "argv", ["tap-procountor"])
    path = tmp_path / "wrong.json"
    for name, schema in SETTINGS.items():
        if name.startswith(("flattening", "faker", "stream_map")):
            continue
        for value in beyond(schema):
            path.write_text(json.dumps(config | {name: value}))
            caplog.clear()
            with pytest.raises(SystemExit) as end:
                TapProcountor.cli(["--config", str(path)])
            errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
            assert end.value.code == 1
            assert len(errors) == 1, (name, value, errors)
            assert f"The setting '{name}'" in errors[0], (name, value)
