"""The settings of the tap: their names, meanings and checks, written once."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR, extend_validator_with_defaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema import ValidationError

#: Years that a date may be in: others are typing errors, and the arithmetic of times ends at 9999.
_DATE = "^(19|20)[0-9]{2}"
#: The least that a rate or a time can be; the SDK's type hint forgets fractions.
_LEAST: Any = 0.01
_ON, _OFF = frozenset(("true", "1", "yes", "on")), frozenset(("false", "0", "no", "off"))

#: Checks, and fills in the defaults while it does.
_Validator = extend_validator_with_defaults(DEFAULT_JSONSCHEMA_VALIDATOR)

_TEST_SERVER = "pts-api.procountor.com"
_TEST_SERVERS_RATE, _USUAL_RATE = 1.5, 20

SETTINGS = th.PropertiesList(
    th.Property(
        "client_id",
        th.StringType(nullable=False),
        required=True,
        title="Client ID",
        description="Client ID of your integration, issued by Procountor.",
    ),
    th.Property(
        "client_secret",
        th.StringType(nullable=False),
        required=True,
        secret=True,
        title="Client secret",
        description="Client secret of your integration, issued by Procountor.",
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="API key of the company to read. A key opens one company.",
    ),
    th.Property(
        "api_keys",
        th.ArrayType(th.StringType(nullable=False)),
        secret=True,
        title="API keys",
        description="API keys of several companies to read in one run, instead of `api_key`.",
    ),
    th.Property(
        "redirect_uri",
        th.StringType,
        title="Redirect URI",
        description=(
            "Redirect URI of your integration. Sent with the token request only when set; most "
            "integrations need none."
        ),
    ),
    th.Property(
        "api_url",
        th.URIType,
        default="https://api.procountor.com/latest/api",
        title="API URL",
        description=(
            "Base URL of the API, including the version: `/latest/api`, `/supported/api` or a "
            "numbered one such as `/v2602/api`."
        ),
    ),
    th.Property(
        "token_url",
        th.URIType,
        title="Token URL",
        description=(
            "URL of the token endpoint. Default: the origin of `api_url` plus `/api/oauth/token`."
        ),
    ),
    th.Property(
        "start_date",
        th.StringType(pattern=_DATE),
        title="Start date",
        description=(
            "Earliest change to read: a date or time in ISO 8601, local to `timezone` unless it "
            "has an offset. Default: everything."
        ),
    ),
    th.Property(
        "end_date",
        th.StringType(pattern=_DATE),
        title="End date",
        description=(
            "Latest change to read, for a backfill: the run reads from `start_date` to here and "
            "leaves the bookmarks of normal runs alone."
        ),
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(minimum=_LEAST, maximum=10_000),
        title="Requests per second",
        description=(
            "Maximum requests in any second, counted over all companies of the `client_id`. "
            "Default: 20, the lowest documented limit of the production server; 1.5 (90 a minute) "
            "if `api_url` points to the test server, `pts-api.procountor.com`."
        ),
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=100),
        default=20,
        title="Requests in flight",
        description=(
            "Maximum requests in flight. The tap can use its full rate while responses take less "
            "than `max_concurrency` / `requests_per_second` seconds."
        ),
    ),
    th.Property(
        "request_timeout",
        th.NumberType(minimum=_LEAST, maximum=86_400),
        default=120,
        title="Request timeout",
        description="Seconds without a response after which a request is retried.",
    ),
    th.Property(
        "timezone",
        th.StringType,
        default="Europe/Helsinki",
        title="Time zone",
        description="Time zone of the API's times, which carry no offset.",
    ),
    th.Property(
        "lookback",
        th.IntegerType(minimum=0, maximum=315_360_000),
        default=14400,
        title="Lookback",
        description=(
            "Overlap of incremental reads, in seconds. Four hours suffice even if Procountor's "
            "server writes UTC or another European time."
        ),
    ),
    th.Property(
        "date_lookback_days",
        th.IntegerType(minimum=0, maximum=36_500),
        default=90,
        title="Date lookback",
        description=(
            "Days to read again of tables that the API filters by date only (payments, bank "
            "statements, reference payments). Their statuses and allocations change for weeks "
            "after the date."
        ),
    ),
    th.Property(
        "project_dimensions",
        th.ArrayType(th.StringType(nullable=False)),
        default=["Projekti", "Project", "Projekt"],
        title="Project dimensions",
        description="Names of the dimensions whose items become the rows of `projects`.",
    ),
    th.Property(
        "deletion_check",
        th.StringType,
        allowed_values=["open_periods", "full", "off"],
        default="open_periods",
        title="Deletion check",
        description=(
            "Where to look for deletions: `open_periods` compares the ledger receipts of tracking "
            "periods that can change, `full` compares every table (about 5 more requests per "
            "1,000 documents), `off` compares nothing."
        ),
    ),
    th.Property(
        "max_deleted_share",
        th.NumberType(minimum=0, maximum=1),
        default=0.1,
        title="Most that may be deleted",
        description=(
            "If more than this share of a table (and more than 20 rows) has vanished since the "
            "last run, the tap sends no deletions and the run fails."
        ),
    ),
    th.Property(
        "confirm_deletions",
        th.BooleanType,
        default=False,
        title="Confirm deletions",
        description=(
            "Send the deletions that were held back because there were too many, or because the "
            "user had lost rights. For a single run."
        ),
    ),
    th.Property(
        "on_missing_permission",
        th.StringType,
        allowed_values=["fail", "warn"],
        default="fail",
        title="On missing permission",
        description=(
            "What to do if the key's user may not read a stream in full: `fail` reads the other "
            "streams and ends with a non-zero exit code, `warn` only logs it."
        ),
    ),
    th.Property(
        "max_rejected_records",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        default=0,
        title="Tolerated rejected records",
        description=(
            "Number of rejected records that a run tolerates before its exit code is non-zero. "
            "Rejected records never enter their tables; they are written to `rejected_records`."
        ),
    ),
    th.Property(
        "rejected_record_content",
        th.StringType,
        allowed_values=["as_selected", "full", "reason_only"],
        default="as_selected",
        title="Content of rejected records",
        description=(
            "What `rejected_records` keeps: `full` the whole record, `reason_only` its primary key "
            "and the reason, which names the field. `as_selected` keeps the whole record unless a "
            "column of its table is deselected or `stream_maps` are set, so that nothing you left "
            "out comes back."
        ),
    ),
    th.Property(
        "attachment_files_path",
        th.StringType,
        title="Path of files",
        description=(
            "Where to download the files of `attachment_files`, `invoice_images` and `sie_files`: "
            "a folder or a URL such as `s3://…`, `gs://…`, `az://…` (extras `s3`, `gcs`, `azure`) "
            "or another that fsspec supports. Without it, nothing is downloaded."
        ),
    ),
    th.Property(
        "max_attachment_downloads",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        title="Most files of a run",
        description=(
            "Maximum attachments and invoice pages to download in a run; the next run continues."
        ),
    ),
    th.Property(
        "max_attachment_size",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        title="Most bytes of a file",
        description=(
            "Maximum size of an attachment in bytes; larger ones are skipped. Procountor accepts "
            "up to 10,000,000. Only companies with the Documents add-on show the size before the "
            "download."
        ),
    ),
    th.Property(
        "attachment_types",
        th.ArrayType(th.StringType(nullable=False)),
        title="Types of files",
        description=(
            "MIME types of the attachments to download, such as `application/pdf` or `image/*`. "
            "Default: all."
        ),
    ),
    th.Property(
        "attachments_since",
        th.StringType(pattern=_DATE),
        title="Files since",
        description=(
            "Download only attachments since this date or time. Companies with the Documents "
            "add-on show when a file was attached; for others, and for `invoice_images`, the last "
            "change of the document counts."
        ),
    ),
    th.Property(
        "attachment_plan",
        th.BooleanType,
        default=False,
        title="Only plan downloads",
        description=(
            "Download no attachments or invoice images; report how many a run without this setting "
            "would download, and their size."
        ),
    ),
    th.Property(
        "report_fiscal_years",
        th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
        default=[],
        title="Fiscal years of the reports",
        description=(
            "Fiscal years to read accounting reports of, besides the open ones: the first day or "
            "the beginning of it, `2024-05-01` or `2024`."
        ),
    ),
    th.Property(
        "run_report_path",
        th.StringType,
        title="Run report path",
        description="File to write a JSON report of the run to.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Emit activate version messages",
        description=(
            "Send ACTIVATE_VERSION after the last record of each full-table stream, so that the "
            "target drops rows that are gone."
        ),
    ),
    additional_properties=False,
)


class Secret(str):
    """Text that a log, a traceback or a debugger does not show by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return nothing of the text."""
        return "'***'"


def normalize(config: dict[str, Any], jsonschema: dict[str, Any]) -> None:
    """Drop settings that are null, give the others the types that they have here, and hide secrets.

    Meltano and the environment give text, the SDK's files decimals. What cannot be converted stays
    as it is: the check says which setting is wrong.
    """
    for name, schema in jsonschema["properties"].items():
        value = config.get(name)
        if value is None:
            config.pop(name, None)
            continue
        kinds = {*schema["type"]} if isinstance(schema["type"], list) else {schema["type"]}
        if isinstance(value, str) and "string" not in kinds:
            value = _from_text(value, kinds)
        if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
            value = _plain_number(value, kinds)
        config[name] = _hidden(value) if schema.get("secret") else value


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON strictly.

    Raises:
        ValueError: If it is none; Python would take NaN and Infinity for numbers.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _from_text(text: str, kinds: set[str]) -> Any:  # noqa: ANN401 - any JSON
    """Return the value that a text stands for; the text itself if it stands for none."""
    if "boolean" in kinds:
        word = text.lower()
        return True if word in _ON else False if word in _OFF else text
    try:
        return parse_json(text)
    except (RecursionError, ValueError):
        is_list = "array" in kinds and not text.lstrip().startswith("[")
        return [item.strip() for item in text.split(",")] if is_list else text


def _plain_number(value: Decimal | float, kinds: set[str]) -> Decimal | float:
    """Return a number as Python's own: decimals and floats do not mix."""
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
    """Yield a sentence for each setting that cannot be used; none of them shows a value.

    Args:
        config: The settings as given; the missing ones receive their defaults.
        jsonschema: The JSON schema of all settings, the SDK's own included.
    """
    known = jsonschema["properties"]
    for name in sorted(config.keys() - known.keys()):
        yield f"There is no setting '{name}': {_hint(name, known)}"
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
    """Return the permitted rate: the setting, or what the server of ``api_url`` allows."""
    host = urlsplit(str(config["api_url"])).hostname
    default = _TEST_SERVERS_RATE if host == _TEST_SERVER else _USUAL_RATE
    return float(config.get("requests_per_second") or default)


def is_unencrypted(config: Mapping[str, Any]) -> bool:
    """Tell whether credentials go through a network as they are; on this machine they may."""
    urls = [urlsplit(config[name]) for name in ("api_url", "token_url") if name in config]
    return any(url.scheme == "http" and not _is_here(url.hostname or "") for url in urls)


def _check_url(name: str, text: str) -> Iterator[str]:
    """Check an address that credentials are sent to; it may be a secret in the wrong place."""
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
    """Tell whether a host may be elsewhere than on this machine or in its own network."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not _is_here(host)


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rpartition(".")[2] == "localhost"


def _hint(name: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - slow to import, and rarely needed

    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else "see --about for those there are."


def _sentence(error: ValidationError) -> str:
    """Say what is wrong without the value, which may be a secret."""
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
