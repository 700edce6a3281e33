"""The settings of the tap: names, meanings and checks."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR, extend_validator_with_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

#: The years a date may have: others are typing errors, and datetime ends at 9999.
_DATE = "^(19|20)[0-9]{2}"
#: The smallest rate or timeout; the SDK's type hint knows no fractions.
_LEAST: Any = 0.01
_ON, _OFF = frozenset(("true", "1", "yes", "on")), frozenset(("false", "0", "no", "off"))

#: Checks the settings and fills in their defaults.
_Validator = extend_validator_with_defaults(DEFAULT_JSONSCHEMA_VALIDATOR)

_TEST_SERVER = "pts-api.procountor.com"
_TEST_SERVERS_RATE, _USUAL_RATE = 1.5, 20


def _setting(
    name: str,
    kind: th.JSONTypeHelper[Any] | type[th.JSONTypeHelper[Any]],
    description: str,
    **options: Any,  # noqa: ANN401 - those of th.Property
) -> th.Property[Any]:
    """Declare a setting, titled by its name in words."""
    words = name.replace("_", " ").capitalize()
    title = re.sub(
        r"\b(api|id|uri|url)\b", lambda word: word[0].upper(), words, flags=re.IGNORECASE
    )
    return th.Property(name, kind, title=title, description=description, **options)


SETTINGS = th.PropertiesList(
    _setting(
        "client_id",
        th.StringType(nullable=False),
        "Client ID of your integration, issued by Procountor.",
        required=True,
    ),
    _setting(
        "client_secret",
        th.StringType(nullable=False),
        "Client secret of your integration, issued by Procountor.",
        required=True,
        secret=True,
    ),
    _setting(
        "api_key",
        th.StringType,
        "API key of the company to read. A key opens one company.",
        secret=True,
    ),
    _setting(
        "api_keys",
        th.ArrayType(th.StringType(nullable=False)),
        "API keys of several companies to read in one run, instead of `api_key`.",
        secret=True,
    ),
    _setting(
        "redirect_uri",
        th.StringType,
        "Redirect URI of your integration. Sent with the token request only when set; most "
        "integrations need none.",
    ),
    _setting(
        "api_url",
        th.URIType,
        "Base URL of the API, including the version: `/latest/api`, `/supported/api` or a numbered "
        "one such as `/v2602/api`.",
        default="https://api.procountor.com/latest/api",
    ),
    _setting(
        "token_url",
        th.URIType,
        "URL of the token endpoint. Default: the origin of `api_url` plus `/api/oauth/token`.",
    ),
    _setting(
        "start_date",
        th.StringType(pattern=_DATE),
        "Earliest change to read: a date or time in ISO 8601, local to `timezone` unless it has an "
        "offset. Default: everything.",
    ),
    _setting(
        "end_date",
        th.StringType(pattern=_DATE),
        "Latest change to read, for a backfill: the run reads from `start_date` to here and leaves "
        "the bookmarks of normal runs alone.",
    ),
    _setting(
        "requests_per_second",
        th.NumberType(minimum=_LEAST, maximum=10_000),
        "Maximum requests in any second, counted over all companies of the `client_id`. Default: "
        "20, the lowest documented limit of the production server; 1.5 (90 a minute) if `api_url` "
        "points to the test server, `pts-api.procountor.com`.",
    ),
    _setting(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=100),
        "Maximum requests in flight. The tap can use its full rate while responses take less than "
        "`max_concurrency` / `requests_per_second` seconds.",
        default=20,
    ),
    _setting(
        "request_timeout",
        th.NumberType(minimum=_LEAST, maximum=86_400),
        "Seconds without a response after which a request is retried.",
        default=120,
    ),
    _setting(
        "timezone",
        th.StringType,
        "Time zone of the API's times, which carry no offset.",
        default="Europe/Helsinki",
    ),
    _setting(
        "lookback",
        th.IntegerType(minimum=0, maximum=315_360_000),
        "Overlap of incremental reads, in seconds. Four hours suffice even if Procountor's server "
        "writes UTC or another European time.",
        default=14400,
    ),
    _setting(
        "date_lookback_days",
        th.IntegerType(minimum=0, maximum=36_500),
        "Days to read again of tables that the API filters by date only (payments, bank "
        "statements, reference payments). Their statuses and allocations change for weeks after "
        "the date.",
        default=90,
    ),
    _setting(
        "project_dimensions",
        th.ArrayType(th.StringType(nullable=False)),
        "Names of the dimensions whose items become the rows of `projects`.",
        default=["Projekti", "Project", "Projekt"],
    ),
    _setting(
        "deletion_check",
        th.StringType,
        "Where to look for deletions: `open_periods` compares the ledger receipts of tracking "
        "periods that can change, `full` compares every table (about 5 more requests per 1,000 "
        "documents), `off` compares nothing.",
        allowed_values=["open_periods", "full", "off"],
        default="open_periods",
    ),
    _setting(
        "max_deleted_share",
        th.NumberType(minimum=0, maximum=1),
        "If more than this share of a table (and more than 20 rows) has vanished since the last "
        "run, the tap sends no deletions and the run fails.",
        default=0.1,
    ),
    _setting(
        "confirm_deletions",
        th.BooleanType,
        "Send the deletions that were held back because there were too many, or because the user "
        "had lost rights. For a single run.",
        default=False,
    ),
    _setting(
        "on_missing_permission",
        th.StringType,
        "What to do if the key's user may not read a stream in full: `fail` reads the other "
        "streams and ends with a non-zero exit code, `warn` only logs it.",
        allowed_values=["fail", "warn"],
        default="fail",
    ),
    _setting(
        "reconcile",
        th.StringType,
        "Compare the ledger receipts of tracking periods that the run has read as a whole with "
        "Procountor's own report, by account (one request per period): `warn` says what differs, "
        "`strict` also ends with a non-zero exit code, `off` compares nothing.",
        allowed_values=["warn", "strict", "off"],
        default="warn",
    ),
    _setting(
        "max_rejected_records",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        "Number of rejected records that a run tolerates before its exit code is non-zero. "
        "Rejected records never enter their tables; they are written to `rejected_records`.",
        default=0,
    ),
    _setting(
        "rejected_record_content",
        th.StringType,
        "What `rejected_records` keeps: `full` the whole record, `reason_only` its primary key and "
        "the reason, which names the field. `as_selected` keeps the whole record unless a column "
        "of its table is deselected or `stream_maps` are set, so that nothing you left out comes "
        "back.",
        allowed_values=["as_selected", "full", "reason_only"],
        default="as_selected",
    ),
    _setting(
        "attachment_files_path",
        th.StringType,
        "Where to download the files of `attachment_files`, `invoice_images` and `sie_files`: a "
        "folder or a URL such as `s3://…`, `gs://…`, `az://…` (extras `s3`, `gcs`, `azure`) or "
        "another that fsspec supports. Without it, nothing is downloaded.",
    ),
    _setting(
        "max_attachment_downloads",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        "Maximum attachments and invoice pages to download in a run; the next run continues.",
    ),
    _setting(
        "max_attachment_size",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        "Maximum size of an attachment in bytes; larger ones are skipped. Procountor accepts up to "
        "10,000,000. Only companies with the Documents add-on show the size before the download.",
    ),
    _setting(
        "attachment_types",
        th.ArrayType(th.StringType(nullable=False)),
        "MIME types of the attachments to download, such as `application/pdf` or `image/*`. "
        "Default: all.",
    ),
    _setting(
        "attachments_since",
        th.StringType(pattern=_DATE),
        "Download only attachments since this date or time. Companies with the Documents add-on "
        "show when a file was attached; for others, and for `invoice_images`, the last change of "
        "the document counts.",
    ),
    _setting(
        "attachment_plan",
        th.BooleanType,
        "Download no attachments or invoice images; report how many a run without this setting "
        "would download, and their size.",
        default=False,
    ),
    _setting(
        "report_fiscal_years",
        th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
        "Fiscal years to read accounting reports of, besides the open ones: the first day or the "
        "beginning of it, `2024-05-01` or `2024`.",
        default=[],
    ),
    _setting("run_report_path", th.StringType, "File to write a JSON report of the run to."),
    _setting(
        "emit_activate_version_messages",
        th.BooleanType,
        "Send ACTIVATE_VERSION after the last record of each full-table stream, so that the target "
        "drops rows that are gone.",
        default=False,
    ),
    additional_properties=False,
)


class Secret(str):
    """Text that no log, traceback or debugger shows by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def normalize(config: dict[str, Any], jsonschema: dict[str, Any]) -> None:
    """Drop settings that are null, convert the others to their types, and hide secrets.

    Meltano and the environment give text, the SDK's files decimals. A value that cannot be
    converted stays, for ``check`` to name its setting.
    """
    for name, schema in jsonschema["properties"].items():
        value = config.get(name)
        if value is None:
            config.pop(name, None)
            continue
        kinds = set(schema["type"])
        if isinstance(value, str) and "string" not in kinds:
            value = _from_text(value, kinds)
        if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
            value = _plain_number(value, kinds)
        config[name] = _hidden(value) if schema.get("secret") else value


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; NaN and Infinity, which Python would accept, raise ValueError."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _from_text(text: str, kinds: set[str]) -> Any:  # noqa: ANN401 - any JSON
    """Return the value that a text stands for, or the text itself."""
    if "boolean" in kinds:
        word = text.lower()
        return True if word in _ON else False if word in _OFF else text
    try:
        return parse_json(text)
    except (RecursionError, ValueError):
        is_list = "array" in kinds and not text.lstrip().startswith("[")
        return [item.strip() for item in text.split(",")] if is_list else text


def _plain_number(value: Decimal | float, kinds: set[str]) -> Decimal | float:
    """Return a number as int or float, which do not mix with decimals."""
    if "integer" in kinds and value == value // 1:
        return int(value)
    try:
        return float(value) if "number" in kinds else value
    except OverflowError:
        return value


def _hidden(value: Any) -> Any:  # noqa: ANN401 - not checked yet
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return Secret(value) if isinstance(value, str) else value


def check(config: dict[str, Any], jsonschema: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting that is wrong; none shows a value, which may be secret.

    Args:
        config: The settings as given; the missing ones receive their defaults.
        jsonschema: The JSON schema of all settings, the SDK's own included.
    """
    known = jsonschema["properties"]
    for name in sorted(config.keys() - known.keys()):
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "See --about for the list."
        yield f"Unknown setting '{name}'. {hint}"
    for error in _Validator(jsonschema).iter_errors(config):
        if error.validator != "additionalProperties":
            yield _sentence(error)
    for name in ("client_id", "client_secret", "api_key"):
        if name in config and not str(config[name]).strip():
            yield f"The setting '{name}' is empty."
    for name in ("api_url", "token_url"):
        if isinstance(config.get(name), str):
            yield from _check_url(name, config[name])
    if bool(config.get("api_key")) == bool(config.get("api_keys")):
        yield "Set either 'api_key' (one company) or 'api_keys' (a list, for several companies)."


def requests_per_second(config: Mapping[str, Any]) -> float:
    """Return the permitted rate: the setting, or the limit of the server in ``api_url``."""
    host = urlsplit(str(config["api_url"])).hostname
    default = _TEST_SERVERS_RATE if host == _TEST_SERVER else _USUAL_RATE
    return float(config.get("requests_per_second") or default)


def is_unencrypted(config: Mapping[str, Any]) -> bool:
    """Whether credentials cross a network unencrypted; on this machine they may."""
    urls = [urlsplit(config[name]) for name in ("api_url", "token_url") if name in config]
    return any(url.scheme == "http" and not _is_here(url.hostname or "") for url in urls)


def _check_url(name: str, text: str) -> Iterator[str]:
    """Check a URL that credentials are sent to; it is not shown: a secret may stand there."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if not host or url.scheme not in {"http", "https"}:
        yield f"The setting '{name}' must be an address that begins with https://."
    elif "@" in url.netloc or url.query or url.fragment:
        yield f"The setting '{name}' must be a plain address, without user, password or parameters."
    elif url.scheme == "http" and _is_public(host):
        yield (
            f"The setting '{name}' must begin with https://: otherwise the credentials and the "
            "company's data could be read on the way."
        )


def _is_public(host: str) -> bool:
    """Whether a host may be outside this machine and its own network."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not _is_here(host)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rpartition(".")[2] == "localhost"


def _sentence(error: ValidationError) -> str:
    """Return a message without the value."""
    if error.validator == "required":
        return f"The setting {error.message.replace(' is a required property', ' is missing')}."
    name = ".".join(str(part) for part in error.absolute_path)
    rule, wanted = str(error.validator), error.validator_value
    if isinstance(wanted, list):
        wanted = " or ".join(str(item) for item in wanted if item != "null")
    problem = {
        "type": f"must be of type {wanted}",
        "enum": f"must be {wanted}",
        "minimum": f"must be at least {wanted}",
        "maximum": f"must be at most {wanted}",
        "exclusiveMinimum": f"must be greater than {wanted}",
        "format": f"must be a valid {wanted}",
        "pattern": "must be a date or time of the years 1900 to 2099, such as 2026-01-31",
    }.get(rule, f"breaks the rule '{rule}'")
    return f"The setting '{name}' {problem}."
