"""The console script: discovery, settings, the connection test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.command import run_tap

from tap_procountor.records.schema import SPECIFICATION, snake_case
from tap_procountor.streams.registry import STREAM_TYPES
from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from tap_procountor.sandbox import Sandbox

CATALOG = Path(__file__).parent / "catalog.json"


def discovered() -> dict[str, Any]:
    """The catalog, found without settings and without a single request."""
    process = subprocess.run(
        [sys.executable, "-m", "tap_procountor", "--discover"],
        capture_output=True,
        text=True,
        check=True,
    )
    catalog: dict[str, Any] = json.loads(process.stdout)
    return catalog


def test_the_catalog_is_the_stored_one() -> None:
    """Renew it with ``tap-procountor --discover > tests/catalog.json`` and look at the diff."""
    assert discovered() == json.loads(CATALOG.read_text("utf-8"))


def test_every_key_begins_with_the_company() -> None:
    for stream in discovered()["streams"]:
        keys = stream["key_properties"]
        properties = stream["schema"]["properties"]
        assert keys[0] == "company_id"
        assert next(iter(properties)) == "company_id"
        for name, schema in properties.items():
            assert ("null" in schema["type"]) is (name not in keys)


def test_no_two_fields_get_one_name() -> None:
    for name, schema in SPECIFICATION.spec["components"]["schemas"].items():
        fields = list(schema.get("properties", {}))
        assert len({snake_case(field) for field in fields}) == len(fields), name


def test_every_stream_says_what_it_is() -> None:
    assert all(stream.__doc__ for stream in STREAM_TYPES)


def test_test_with_a_wrong_key(sandbox: Sandbox, config: dict[str, object], tmp_path: Path) -> None:
    sandbox.companies[0].revoke_key()
    run = run_tap(tmp_path, config, "--test")
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    assert "api_key" in run.log.splitlines()[-1]


def test_about_documents_every_setting() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tap_procountor", "--about", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    properties = json.loads(process.stdout)["settings"]["properties"]
    for name in TapProcountor.config_jsonschema["properties"]:
        assert properties[name]["description"]
    secret = {name for name, schema in properties.items() if schema.get("secret")}
    assert secret == {"client_secret", "api_key", "api_keys"}


def test_cycles_are_looked_for_again_once_all_is_imported() -> None:
    program = """
import gc, sys, types
from tap_procountor import __main__

class TapProcountor:
    def cli(): print(gc.isenabled(), gc.get_freeze_count() > 0)

sys.modules["tap_procountor.tap"] = types.SimpleNamespace(TapProcountor=TapProcountor)
__main__.main()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.split() == [b"True", b"True"]
