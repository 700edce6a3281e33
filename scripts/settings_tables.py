"""The tables of settings: all of them by group, and the few that README names."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_procountor.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Every setting stands in one group.
GROUPS = {
    "Connection": (
        *("client_id", "client_secret", "api_key", "api_keys", "api_url", "token_url"),
        *("redirect_uri", "requests_per_second", "max_concurrency", "request_timeout"),
    ),
    "What to read": (
        *("start_date", "end_date", "lookback", "date_lookback_days", "timezone"),
        *("project_dimensions", "report_fiscal_years"),
    ),
    "Deletions": (
        *("deletion_check", "max_deleted_share", "confirm_deletions"),
        "emit_activate_version_messages",
    ),
    "Permissions and errors": (
        *("on_missing_permission", "max_rejected_records", "rejected_record_content"),
    ),
    "Reconciliation": ("reconcile",),
    "Files": (
        *("attachment_files_path", "attachment_plan", "attachment_types", "attachments_since"),
        *("max_attachment_downloads", "max_attachment_size"),
    ),
    "Output": ("run_report_path",),
}

#: What most users set.
ESSENTIAL = (
    *("client_id", "client_secret", "api_key", "api_keys", "api_url"),
    *("start_date", "deletion_check", "on_missing_permission"),
)


def essential() -> Iterator[str]:
    """Yield the lines of README's table."""
    yield ""
    yield from _table(ESSENTIAL)
    yield ""


def grouped() -> Iterator[str]:
    """Yield the lines of a table per group, each under its heading.

    Raises:
        ValueError: If a setting is in no group, or a group names what is no setting.
    """
    if wrong := set(chain(*GROUPS.values())) ^ _settings().keys():
        msg = f"Correct the groups of settings for {sorted(wrong)}."
        raise ValueError(msg)
    for title, names in GROUPS.items():
        yield ""
        yield f"### {title}"
        yield ""
        yield from _table(names)
    yield ""


def _settings() -> dict[str, dict[str, Any]]:
    return dict(SETTINGS.to_dict()["properties"])


def _table(names: Iterable[str]) -> Iterator[str]:
    yield "| Setting | Default | Meaning |"
    yield "| --- | --- | --- |"
    required, settings = SETTINGS.to_dict()["required"], _settings()
    for name in names:
        setting = settings[name]
        marks = [
            *(["required"] if name in required else []),
            *(["secret"] if setting.get("secret") else []),
        ]
        default = f"`{json.dumps(setting['default'])}`" if "default" in setting else ""
        shown = f"`{name}`" + (f" ({', '.join(marks)})" if marks else "")
        yield f"| {shown} | {default} | {setting['description']} |"
