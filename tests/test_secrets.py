"""Nothing but the records shows secrets or the company's data, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from requests import Request
from support.cases import mostly_slow
from support.catalog import selecting
from support.command import exit_code_of, start_command

from tap_procountor.api.client import ProcountorClient
from tap_procountor.api.company import Company
from tap_procountor.errors import ProcountorError
from tap_procountor.sandbox import Sandbox
from tap_procountor.settings import SETTINGS
from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Config = dict[str, Any]

#: What the sandbox's business partners are paid to.
ACCOUNT = "FI4250001510000023"
#: A secret that somebody has put where it does not belong.
MISPLACED = "s3cr3t-0123456789abcdef"


@dataclass
class Run:
    """What a run has left behind, the data of its records aside."""

    exit_code: int
    output: str
    log: str
    report: str

    def everything(self) -> str:
        return self.output + self.log + self.report


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(companies=2, invoices=30, requests_per_second=0) as running:
        yield running


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Config:
    return settings(sandbox, tmp_path)


def settings(sandbox: Sandbox, folder: Path) -> Config:
    return {
        **sandbox.config(),
        "requests_per_second": 1000,
        "run_report_path": str(folder / "report.json"),
    }


def run_tap(
    folder: Path,
    config: Config | None,
    *options: str,
    environment: Mapping[str, str] | None = None,
    **files: Any,
) -> Run:
    """Run the tap with everything that it and its libraries have to say."""
    arguments = [*options]
    for name, content in {"config": config, **files}.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            arguments += [f"--{name}", str(path)]
    files_of_output = [folder / "stdout", folder / "stderr"]
    for file in files_of_output:
        file.unlink(missing_ok=True)
    level = {"TAP_PROCOUNTOR_LOGLEVEL": "DEBUG"}
    exit_code = exit_code_of(
        start_command(arguments, files_of_output, {**level, **(environment or {})}, folder)
    )
    output, log = (file.read_text("utf-8") for file in files_of_output)
    report = folder / "report.json"
    return Run(
        exit_code,
        "\n".join(map(without_data, output.splitlines())),
        log,
        report.read_text("utf-8") if report.exists() else "",
    )


def without_data(line: str) -> str:
    """Return a line of the output without records; what the state has packed is opened."""
    if not line.startswith('{"type"'):
        return line
    message = json.loads(line)
    message.pop("record", None)
    return json.dumps(opened(message))


def opened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: opened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    if isinstance(value, str) and value.startswith("eN"):
        return zlib.decompress(base64.b64decode(value)).decode()
    return value


def secrets_of(sandbox: Sandbox) -> list[str]:
    return [
        ACCOUNT,
        MISPLACED,
        sandbox.keyring.client_secret,
        *(company.api_key for company in sandbox.companies),
        *sandbox.keyring.tokens_given,
    ]


def assert_silent(run: Run, sandbox: Sandbox) -> None:
    """Make sure that nothing secret was said, and that it would have been seen."""
    said = run.everything()
    assert "Traceback" not in said
    assert not [secret for secret in secrets_of(sandbox) if secret in said]


def as_variables(config: Config) -> dict[str, str]:
    return {
        f"TAP_PROCOUNTOR_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in config.items()
    }


def test_the_search_finds_what_it_looks_for(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    run = run_tap(tmp_path, config)
    assert run.exit_code == 0, run.log
    # The libraries speak as well, and the records, which are not looked at, hold the account.
    assert "urllib3.connectionpool" in run.log
    assert any(ACCOUNT in str(one) for one in sandbox.companies[0].truth("invoices"))
    assert len(sandbox.keyring.tokens_given) == 2
    assert '"eN' not in run.output
    assert '[\\"salaries.payroll\\",\\"ALL_RIGHTS\\"]' in run.output
    assert_silent(run, sandbox)


@pytest.mark.parametrize("options", [(), ("--test",), ("--about",), ("--discover",)])
@pytest.mark.parametrize("way", mostly_slow(["file", "environment", "dotenv"]))
def test_every_command(
    sandbox: Sandbox, config: Config, tmp_path: Path, options: tuple[str, ...], way: str
) -> None:
    variables = as_variables(config)
    if way == "file":
        run = run_tap(tmp_path, config, *options)
    elif way == "environment":
        run = run_tap(tmp_path, None, "--config=ENV", *options, environment=variables)
    else:
        lines = [f"{name}='{value}'" for name, value in variables.items()]
        (tmp_path / ".env").write_text("\n".join(lines))
        run = run_tap(tmp_path, None, "--config=ENV", *options)
    assert run.exit_code == 0, run.log
    assert_silent(run, sandbox)


def test_wrong_and_revoked_keys(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    sandbox.companies[1].revoke_key(tokens=True)
    keys = [*config["api_keys"], MISPLACED]
    run = run_tap(tmp_path, config | {"api_keys": keys})
    assert run.exit_code == 1
    assert "api_keys[1]: " in run.log
    assert "api_keys[2]: " in run.log
    assert_silent(run, sandbox)
    assert_silent(run_tap(tmp_path, config | {"client_secret": MISPLACED}), sandbox)


@pytest.mark.parametrize(
    "status", mostly_slow([200, 302, 400, 401, 403, 404, 422, 429, 500], by_default=3)
)
def test_a_token_endpoint_that_echoes_the_form(
    sandbox: Sandbox, config: Config, tmp_path: Path, status: int
) -> None:
    secret, key = sandbox.keyring.client_secret, sandbox.companies[0].api_key
    bodies = [
        f"client_secret={secret}&api_key={key}",
        json.dumps({"error": secret, "error_description": key}),
        json.dumps({"errors": [{"status": status, "field": key, "message": secret}]}),
        json.dumps({"expires_in": secret, "access_token": [key], secret: key}),
    ]
    headers = {"Location": f"/{secret}?api_key={key}", "Retry-After": "1000"}
    for body in bodies:
        sandbox.add_fault(path="/oauth/token", status=status, body=body, headers=headers)
    # Each key gets one of the answers.
    keys = [*config["api_keys"], f"{MISPLACED}-1", f"{MISPLACED}-2"]
    run = run_tap(tmp_path, config | {"api_keys": keys})
    assert run.exit_code == 1
    assert run.log.count("| ERROR    | tap-procountor.report") >= 3
    assert_silent(run, sandbox)


BODIES = {
    "a string": '"%s {authorization}"',
    "an array": '["%s {authorization}", {"id": "%s"}]',
    "an object": '{"a": "{authorization}", "rights": {"b": {"c": "%s"}}, "status": "%s"}',
    "ids": '{"results": [{"id": "%s", "version": "{authorization}"}, {"id": null}]}',
    "no rows": '{"results": "%s", "meta": {"totalCount": "{authorization}"}}',
    "errors": '{"errors": [{"status": 1, "field": "%s", "message": "{authorization}"}]}',
    "an error": '{"error": "%s", "error_description": "{authorization}"}',
    "deep": "[" * 5000 + '"%s"' + "]" * 5000,
    # Asked for again and again, for ten seconds.
    "text": "%s {authorization}",
}
PATHS = ["/users/rights", "/company/usagesettings", "/status", "/fiscalyears"]
PATHS += ["/company", "/coa", "/dimensions", "/products", "/persons", "/persons/*"]
PATHS += ["/invoices", "/invoices/*", "/ledgerreceipts/*", "/businesspartners/groups"]


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("turn", mostly_slow(range(3)))
def test_answers_that_quote_the_data_and_the_token(tmp_path: Path, status: int, turn: int) -> None:
    """Each path gets another body each time."""
    bodies = [body.replace("%s", ACCOUNT) for body in BODIES.values()]
    with Sandbox(companies=2, invoices=30, requests_per_second=0) as sandbox:
        for number, path in enumerate(PATHS):
            sandbox.add_fault(
                path=path,
                status=status,
                times=None,
                body=bodies[(number + turn * 3) % len(bodies)],
                company=sandbox.companies[1].id,
                headers={"Retry-After": "1000", "Location": f"/{ACCOUNT}"},
            )
        run = run_tap(tmp_path, settings(sandbox, tmp_path))
        assert run.exit_code == 1
        assert_silent(run, sandbox)


@pytest.mark.parametrize("name", mostly_slow(BODIES, by_default=3))
def test_a_session_that_quotes_the_data_and_the_token(
    sandbox: Sandbox, config: Config, tmp_path: Path, name: str
) -> None:
    body = BODIES[name].replace("%s", ACCOUNT)
    sandbox.add_fault(path="/sessioninfo", status=200, times=None, body=body, retry_after=1000)
    run = run_tap(tmp_path, config, "--test")
    assert run.exit_code == 1
    assert_silent(run, sandbox)


@pytest.mark.parametrize(
    "changes",
    mostly_slow(
        [
            {"id": ACCOUNT},
            {"version": ACCOUNT},
            {"invoiceRows": [ACCOUNT]},
            {"id": {ACCOUNT: ACCOUNT}},
        ],
        by_default=2,
    ),
    ids=str,
)
def test_rejected_records(
    sandbox: Sandbox, config: Config, tmp_path: Path, changes: Config
) -> None:
    company = sandbox.companies[0]
    company.spoil("invoices", company.truth("invoices")[1]["id"], changes)
    run = run_tap(tmp_path, config)
    assert "is rejected" in run.log
    assert_silent(run, sandbox)


KINDS = {name: set(schema["type"]) for name, schema in SETTINGS.to_dict()["properties"].items()}


def test_a_secret_in_the_place_of_all_settings(sandbox: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, dict.fromkeys(KINDS, MISPLACED))
    assert run.exit_code == 1
    assert_silent(run, sandbox)


@pytest.mark.parametrize(
    "name", mostly_slow([name for name, kind in KINDS.items() if "string" in kind], by_default=5)
)
def test_a_secret_in_the_place_of_a_text(
    sandbox: Sandbox, config: Config, tmp_path: Path, name: str
) -> None:
    run = run_tap(tmp_path, config | {name: MISPLACED}, catalog=selecting("company"))
    assert_silent(run, sandbox)


@pytest.mark.parametrize(
    "name",
    mostly_slow(
        [*(name for name, kind in KINDS.items() if "string" not in kind), "stream_maps"],
        by_default=5,
    ),
)
def test_a_secret_in_the_variable_of_a_setting(
    sandbox: Sandbox, config: Config, tmp_path: Path, name: str
) -> None:
    environment = as_variables(config | {name: MISPLACED})
    run = run_tap(tmp_path, None, "--config=ENV", "--test", environment=environment)
    assert_silent(run, sandbox)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": {MISPLACED: MISPLACED}},
        {"api_keys": [{"key": MISPLACED}]},
        {"api_keys": MISPLACED},
        {"api_url": f"https://user:{MISPLACED}@127.0.0.1:9/latest/api"},
        {"api_url": f"http://{MISPLACED}@127.0.0.1:9/latest/api"},
        {"api_url": f"http://127.0.0.1:9/latest/api?key={MISPLACED}"},
        {"api_url": f"https://[{MISPLACED}/latest/api"},
        {"token_url": f"https://user:{MISPLACED}@127.0.0.1:9/token"},
        {"api_url": "http://127.0.0.1:9/latest/api"},
        {"stream_maps": {"invoices": {"x": f"int('{ACCOUNT}' and 'y')"}}},
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(
    sandbox: Sandbox, config: Config, tmp_path: Path, changes: Config
) -> None:
    # What a stream map says itself is no secret.
    run = run_tap(tmp_path, config | changes)
    assert run.exit_code == 1
    if "stream_maps" not in changes:
        assert_silent(run, sandbox)


@pytest.mark.parametrize("is_structured", [False, True])
def test_a_stream_map_that_fails_on_the_data(
    sandbox: Sandbox, config: Config, tmp_path: Path, *, is_structured: bool
) -> None:
    handler = {"class": "logging.StreamHandler", "formatter": "json"}
    log_config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"default": handler},
        "root": {"level": "DEBUG", "handlers": ["default"]},
    }
    (tmp_path / "logging.yaml").write_text(json.dumps(log_config))
    environment = {"SINGER_SDK_LOG_CONFIG": str(tmp_path / "logging.yaml")} if is_structured else {}
    maps = {"business_partners": {"x": "int(payment_info['bank_account'])"}}
    run = run_tap(
        tmp_path,
        config | {"stream_maps": maps},
        environment=environment,
        catalog=selecting("business_partners"),
    )
    assert run.exit_code == 1
    assert "A stream map of 'business_partners' fails on a record" in run.log
    assert_silent(run, sandbox)


@pytest.mark.parametrize(
    "files",
    [
        {"catalog": {"streams": [{"tap_stream_id": "invoices", "schema": MISPLACED}]}},
        {"catalog": f'{{"streams": "{MISPLACED}'},
        {"state": {"bookmarks": {"invoices": {"partitions": [{"context": {"x": MISPLACED}}]}}}},
        {"state": {"client_secret": MISPLACED}},
        {"state": f"client_secret: {MISPLACED}"},
    ],
    ids=str,
)
def test_files_with_secrets_in_them(
    sandbox: Sandbox, config: Config, tmp_path: Path, files: Config
) -> None:
    run = run_tap(tmp_path, config, **files)
    assert run.exit_code == 1
    assert_silent(run, sandbox)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_with_a_password(
    sandbox: Sandbox, config: Config, tmp_path: Path, name: str
) -> None:
    proxy = {name: f"http://user:{MISPLACED}@127.0.0.1:9", "NO_PROXY": ""}
    scheme = name.partition("_")[0].lower()
    url = {"api_url": f"{scheme}://127.0.0.1:8/latest/api"}
    run = run_tap(tmp_path, config | url, environment=proxy)
    assert run.exit_code == 1
    assert "The connection through the proxy failed" in run.log
    assert_silent(run, sandbox)


def test_a_key_that_is_revoked_during_the_run(
    sandbox: Sandbox, config: Config, tmp_path: Path
) -> None:
    refusal = {"status": 401, "times": None, "body": f'{{"error": "{ACCOUNT} {{authorization}}"}}'}
    sandbox.add_fault(path="/invoices/*", **refusal)
    run = run_tap(tmp_path, config)
    assert run.exit_code == 1
    assert "Procountor refuses the access token" in run.log
    assert_silent(run, sandbox)


def test_objects_do_not_show_secrets(sandbox: Sandbox, config: Config) -> None:
    tap = TapProcountor(config=config)
    client = ProcountorClient(tap.config)
    auth = client.authenticator(config["api_keys"][0])
    company = Company.open(client, tap.config["api_keys"][0])
    answer = client.read(auth, "/invoices", {"size": 5})
    with pytest.raises(ProcountorError) as refusal:
        Company.open(client, tap.config["client_secret"])
    client.close()
    shown = "".join(
        map(
            repr,
            [
                *(tap, tap.config, vars(tap), client, vars(client), auth),
                *(auth.oauth_request_body, company, answer, refusal.value, refusal.getrepr()),
                Request("POST", "https://example.com", data=auth.oauth_request_body),
            ],
        )
    )
    assert sandbox.keyring.tokens_given
    assert not [secret for secret in secrets_of(sandbox) if secret in shown]
