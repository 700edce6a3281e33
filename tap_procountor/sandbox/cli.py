"""The console script: a sandbox to look at, or one around a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sandbox import Sandbox

_DEFAULT_PORT = 8765
_SIGNALLED = 128


def _options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--companies", default=1, show_default=True, help="How many companies."),
        click.option("--invoices", default=300, show_default=True, help="Invoices per company."),
        click.option("--partners", type=int, help="Business partners per company."),
        click.option("--products", type=int, help="Products per company."),
        click.option("--seed", default=1, show_default=True, help="Another seed, other data."),
        click.option("--colliding-ids", is_flag=True, help="Let all companies use the same ids."),
        click.option(
            "--documents/--no-documents",
            default=True,
            show_default=True,
            help="Whether the Documents add-on is in use.",
        ),
        click.option(
            "--token-lifetime", default=3600, show_default=True, help="Seconds a token lives."
        ),
        click.option(
            "--requests-per-second",
            default=20,
            show_default=True,
            help="The server's limit per client; 0 is none.",
        ),
        click.option(
            "--requests-per-minute",
            default=0,
            show_default=True,
            help="The same per minute; 0 is none.",
        ),
        click.option("--latency-ms", default=0.0, show_default=True, help="Wait per request."),
        click.option(
            "--jitter-ms", default=0.0, show_default=True, help="Spread around the latency."
        ),
        click.option(
            "--fail-rate",
            type=click.FloatRange(0, 1),
            default=0.0,
            show_default=True,
            help="Share of requests that the gateway answers with 503.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def main() -> None:
    """Run a synthetic Procountor: its API over HTTP, with made-up companies."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=_DEFAULT_PORT, show_default=True)
@_options
def serve(host: str, port: int, **settings: Any) -> None:  # noqa: ANN401 - as Settings has them
    """Serve until interrupted."""
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    sandbox = _make_sandbox(host=host, port=port, **settings)
    try:
        sandbox.start()
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error}"
        raise click.ClickException(message) from None
    try:
        click.echo(f"Serving {sandbox.api_url} (Ctrl-C ends it). A config.json to read it with:")
        click.echo(json.dumps(sandbox.config(), indent=2))
        click.echo(f"Statistics: {sandbox.url}/sandbox/statistics")
        stopped.wait()
    finally:
        sandbox.stop()


@main.command(context_settings={"ignore_unknown_options": True})
@_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], **settings: Any) -> None:  # noqa: ANN401 - as Settings has them
    """Run COMMAND with a sandbox and the variables that lead the tap to it."""
    with _make_sandbox(**settings) as sandbox:
        status = _run(command, _environment(sandbox))
    sys.exit(status)


def _make_sandbox(**settings: Any) -> Sandbox:  # noqa: ANN401 - as Sandbox has them
    try:
        from .sandbox import Sandbox  # noqa: PLC0415 - its server is an extra
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: pip install 'tap-procountor[sandbox]'"
        raise click.ClickException(message) from None
    return Sandbox(**settings)


def _environment(sandbox: Sandbox) -> dict[str, str]:
    config = {
        f"TAP_PROCOUNTOR_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in sandbox.config().items()
    }
    # Keys of real companies must not leak into a run on the sandbox.
    keys = {"TAP_PROCOUNTOR_API_KEY", "TAP_PROCOUNTOR_API_KEYS"}
    inherited = {name: value for name, value in os.environ.items() if name not in keys}
    return inherited | config | {"PROCOUNTOR_SANDBOX_URL": f"{sandbox.url}/sandbox"}


def _run(command: tuple[str, ...], environment: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except OSError as error:
        raise click.ClickException(str(error)) from None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: process.send_signal(received))
    status = process.wait()
    # A command ended by a signal has a negative status; a shell would report it like this.
    return status if status >= 0 else _SIGNALLED - status
