"""Renew the API's specification inside the package and show what has changed.

Usage: ``python scripts/update_openapi.py SPECIFICATION``, a file in YAML or JSON: Procountor serves
its newest as ``openapi.json`` below the API's address.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent.parent / "tap_procountor" / "openapi.json"


def read_side(specification: dict[str, Any]) -> dict[str, Any]:
    """Keep what a reader needs: GET endpoints, the report POSTs, and all schemas."""
    paths = {}
    for path, operations in specification["paths"].items():
        kept = {
            verb: operation
            for verb, operation in operations.items()
            if verb == "get" or (verb == "post" and path.startswith("/reports/"))
        }
        if kept:
            paths[path] = kept
    return {**specification, "paths": paths}


def facts(specification: dict[str, Any]) -> dict[str, str]:
    """Describe endpoints and fields one by one, in a form that can be compared."""
    described = {
        f"{verb.upper()} {path}": ", ".join(
            sorted(parameter["name"] for parameter in operation.get("parameters", []))
        )
        for path, operations in specification["paths"].items()
        for verb, operation in operations.items()
    }
    for name, schema in specification["components"]["schemas"].items():
        for field, value in schema.get("properties", {}).items():
            described[f"{name}.{field}"] = kind(value)
    return described


def kind(value: dict[str, Any]) -> str:
    """Describe a field's type."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "items" in value:
        return f"array of {kind(value['items'])}"
    if "allOf" in value:
        return " and ".join(kind(part) for part in value["allOf"])
    return " ".join(filter(None, [value.get("type"), value.get("format")]))


def changes(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """Yield a line per difference."""
    for fact in sorted(old.keys() | new.keys()):
        if fact not in new:
            yield f"- {fact}"
        elif fact not in old:
            yield f"+ {fact}: {new[fact]}"
        elif old[fact] != new[fact]:
            yield f"~ {fact}: {old[fact]} -> {new[fact]}"


def main() -> None:
    """Read the new specification, print the differences, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specification", type=Path)
    source = parser.parse_args().specification
    new = read_side(yaml.safe_load(source.read_text("utf-8")))
    old = json.loads(TARGET.read_text("utf-8"))
    print(f"{old['info']['version']} -> {new['info']['version']}")
    for line in changes(facts(old), facts(new)):
        print(line)
    TARGET.write_text(json.dumps(new, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
