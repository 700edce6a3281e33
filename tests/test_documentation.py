"""What the documentation says is what the code does."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PLACEHOLDER = "…"


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    command = [sys.executable, "-m", "tap_procountor", "--about", "--format=json"]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    described: dict[str, Any] = json.loads(process.stdout)
    return described


def meltano_tap() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    (tap,) = project["plugins"]["extractors"]
    return dict(tap)


def messages_of_the_source() -> str:
    """Return all texts of the tap's modules, with a placeholder for each value inside them."""
    modules = [
        *(ROOT / "tap_procountor").glob("*.py"),
        *(ROOT / "tap_procountor" / "streams").glob("*.py"),
    ]
    texts = []
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    str(part.value) if isinstance(part, ast.Constant) else PLACEHOLDER
                    for part in node.values
                ]
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"%(s|d|\.\df)", PLACEHOLDER, node.value))
    return "\n".join(texts)


def troubleshooting() -> list[str]:
    section = README.partition("## Troubleshooting")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def test_tables_of_settings_and_streams_are_current() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr


def test_meltano_lists_exactly_the_settings_of_the_tap(about: dict[str, Any]) -> None:
    # Meltano hands over none that it does not list.
    listed = [setting["name"] for setting in meltano_tap()["settings"]]
    assert sorted(listed) == sorted(about["settings"]["properties"])


def test_meltano_hides_exactly_the_secrets(about: dict[str, Any]) -> None:
    properties = about["settings"]["properties"]
    secrets = {name for name, setting in properties.items() if setting.get("secret")}
    hidden = {s["name"] for s in meltano_tap()["settings"] if s.get("sensitive")}
    assert hidden == secrets


def test_meltano_names_the_capabilities_of_the_tap(about: dict[str, Any]) -> None:
    assert sorted(meltano_tap()["capabilities"]) == sorted(about["capabilities"])


def test_settings_of_the_inline_block_exist(about: dict[str, Any]) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tap,) = yaml.safe_load(block)["plugins"]["extractors"]
    names = {setting["name"] for setting in tap["settings"]}
    assert names <= about["settings"]["properties"].keys()
    assert sorted(tap["capabilities"]) == sorted(about["capabilities"])


@pytest.mark.parametrize("message", troubleshooting())
def test_messages_of_the_troubleshooting_are_the_sources(message: str) -> None:
    source = messages_of_the_source()
    fragments = [part for part in message.split(PLACEHOLDER) if re.search(r"\w", part)]
    assert fragments
    missing = [fragment for fragment in fragments if fragment.strip() not in source]
    assert not missing


def test_changelog_speaks_of_the_current_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## [{project['version']}] - " in changelog
