"""The command: its options, its input files, and errors in one sentence."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from abc import abstractmethod
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from traceback import format_tb
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click
import msgspec
from click.exceptions import ClickException, Exit
from dotenv import find_dotenv, load_dotenv
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError

from tap_procountor import settings
from tap_procountor.errors import ConfigurationError, ProcountorError
from tap_procountor.output.messages import OutputLostError, Terminated, check_output, say
from tap_procountor.state.validation import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class CommandLine(Tap):
    """Adds input validation and safe error messages to the SDK's command."""

    @classmethod
    def invoke(  # type: ignore[override] # as the SDK's own tap does
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,  # noqa: ANN401 - what cb_config returns
        state: TextIO | None = None,
        catalog: TextIO | None = None,
    ) -> None:
        """Run the tap: our ``run`` in place of the SDK's ``sync_all``."""
        with cls._one_sentence_errors():
            if about:
                cls.print_about(about_format)
                return
            cls.print_version(cls.logger.info)
            cls._from_files(config, catalog, state).run()

    @classmethod
    def _from_files(
        cls,
        config: Any,  # noqa: ANN401 - what cb_config returns
        catalog: TextIO | None,
        state: TextIO | None = None,
    ) -> Self:
        return cls(
            config=config.config,
            parse_env_config=config.parse_env,
            catalog=_catalog_in(catalog) if catalog else None,
            state=_state_in(state) if state else None,
        )

    @abstractmethod
    def run(self) -> None:
        """Read all selected streams."""

    @abstractmethod
    def test_connection(self) -> None:
        """Print what each selected stream of each company lets the key's user read."""

    @abstractmethod
    def reconcile(self, year: str) -> None:
        """Compare the ledger of a fiscal year with Procountor's report."""

    @classmethod
    def print_about(cls, output_format: str | None = None) -> None:
        with redirect_stdout(io.StringIO()) as text:
            super().print_about(output_format)
        say(text.getvalue().rstrip("\n"))

    def run_discovery(self) -> str:
        say(self.catalog_json_text)
        return self.catalog_json_text

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Read the configuration files; later ones win."""
        with cls._one_sentence_errors():
            given = super().cb_config(ctx, param, tuple(one for one in value if one == "ENV"))
            for path in value:
                if path != "ENV":
                    given.config.update(_config_in(path))
            return given

    @classmethod
    def cb_discover(
        cls: type[CommandLine],
        ctx: click.Context,
        param: click.Option,
        value: bool,  # noqa: FBT001 - click's
    ) -> None:
        with cls._one_sentence_errors():
            super().cb_discover(ctx, param, value)

    @classmethod
    def cb_test(
        cls: type[CommandLine], ctx: click.Context, param: click.Option, value: str
    ) -> None:
        """Test the connection by light requests, where the SDK would sync all streams."""
        with cls._one_sentence_errors():
            if value != "all":
                super().cb_test(ctx, param, value)
                return
            cls._from_files(ctx.params["config"], ctx.params.get("catalog")).test_connection()
        ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command, which parses ``--catalog`` before it runs ``--test``."""
        command = super().get_singer_command()
        for option in command.params:
            option.is_eager |= option.name == "catalog"
        command.params.append(
            click.Option(
                ["--reconcile"],
                is_flag=False,
                flag_value="",
                metavar="[YEAR]",
                help=(
                    "Compare the ledger of the fiscal years that begin in YEAR, by default of the "
                    "open ones, with Procountor's report, and print a table."
                ),
                callback=cls.cb_reconcile,
                expose_value=False,
            )
        )
        return command

    @classmethod
    def cb_reconcile(cls, ctx: click.Context, param: click.Option, value: str | None) -> None:  # noqa: ARG003 - click's
        """Compare the ledger with Procountor's report, and end the program."""
        if value is None:
            return
        with cls._one_sentence_errors():
            if value and not re.fullmatch(r"\d{4}", value):
                msg = f"--reconcile takes a year such as 2026, not '{value}'."
                raise ConfigurationError(msg)
            cls._from_files(ctx.params["config"], ctx.params.get("catalog")).reconcile(value)
        ctx.exit()

    @property
    def _env_var_config(self) -> dict[str, Any]:
        """Settings from the environment, else from a ``.env`` file.

        The SDK would let a stray ``.env`` win over the environment, take any switch that is not on
        for off, and quote a wrong value, which may be a secret.
        """
        _load_dotenv()
        self.append_builtin_config(self.config_jsonschema)
        config: dict[str, Any] = {}
        for name in self.config_jsonschema["properties"]:
            variable = f"TAP_PROCOUNTOR_{name.upper()}"
            if variable in os.environ:
                self.logger.info("Reading the setting '%s' from the variable %s.", name, variable)
                config[name] = os.environ[variable]
        return config

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; the SDK would accept misspelt ones, and print wrong values."""
        self.append_builtin_config(self.config_jsonschema)
        settings.normalize(self._config, self.config_jsonschema)
        errors = list(settings.check(self._config, self.config_jsonschema))
        if errors and raise_errors:
            msg = "The settings cannot be used"
            raise ConfigValidationError(msg, errors=errors)
        return errors

    @classmethod
    @contextmanager
    def _one_sentence_errors(cls) -> Iterator[None]:
        """End the program with a sentence instead of a traceback."""
        try:
            check_output()
            yield
        except (ConfigValidationError, ProcountorError) as error:
            for sentence in getattr(error, "errors", [error]):
                cls.logger.error("%s", sentence)  # noqa: TRY400
            sys.exit(1)
        except Terminated as stop:
            cls.logger.error("Stopped by signal %d.", stop.signal_number)  # noqa: TRY400
            logging.shutdown()
            os._exit(128 + stop.signal_number)
        except OutputLostError as error:
            cls.logger.error("%s", error)  # noqa: TRY400
            logging.shutdown()
            # Wait for no requests in flight, and write nothing that is still buffered.
            os._exit(1)
        except (ClickException, Exit):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is
            # Its text, which a whole traceback has too, may quote secrets or the company's data.
            cls.logger.error(  # noqa: TRY400
                "The tap has failed unexpectedly (%s): please report it with these lines.\n%s",
                type(error).__name__,
                "".join(format_tb(error.__traceback__)),
            )
            sys.exit(1)


class _Selection(msgspec.Struct):
    selected: bool | None = None
    selected_by_default: bool | None = msgspec.field(name="selected-by-default", default=None)
    inclusion: Literal["available", "automatic", "unsupported"] | None = None


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: _Selection


class _CatalogEntry(msgspec.Struct):
    """The parts of a stream's entry that the SDK takes over unchecked."""

    tap_stream_id: str
    selected: bool | None = None
    schema: dict[str, Any] = {}
    metadata: list[_Metadata] = []
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None


def _load_dotenv() -> None:
    """Add a ``.env`` file's variables to the environment, which wins."""
    try:
        load_dotenv(find_dotenv(usecwd=True), encoding="utf-8-sig")
    except UnicodeDecodeError:
        msg = "The .env file is not in UTF-8: save it in UTF-8."
        raise ConfigurationError(msg) from None
    except FileNotFoundError:
        msg = "The working folder no longer exists: change to one that does."
        raise ConfigurationError(msg) from None
    except OSError as error:
        msg = f"The .env file cannot be read: {error.strerror}."
        raise ConfigurationError(msg) from None


def _config_in(path: str) -> dict[str, Any]:
    try:
        return _json_object(Path(path).read_bytes(), "config")
    except OSError as error:
        msg = f"The config file {path} cannot be read: {error.strerror}."
        raise ConfigurationError(msg) from None


def _catalog_in(file: TextIO) -> dict[str, Any]:
    catalog = _json_object(file.buffer.read(), "catalog")
    entries = catalog.get("streams")
    if not isinstance(entries, list):
        msg = "The catalog file holds no Singer catalog: make one with --discover."
        raise ConfigurationError(msg)
    for entry in entries:
        name = entry.get("tap_stream_id") if isinstance(entry, dict) else None
        try:
            msgspec.convert(entry, _CatalogEntry)
        except msgspec.ValidationError as error:
            msg = (
                f"The catalog file holds no Singer catalog (stream '{name}': {error}): correct it, "
                "or make one with --discover."
            )
            raise ConfigurationError(msg) from None
    return catalog


def _state_in(file: TextIO) -> dict[str, Any]:
    """Return the state in a file: the last one, if a target has written several."""
    data = file.buffer.read()
    try:
        return unwrapped(_json_object(data, "state"))
    except ConfigurationError as error:
        try:
            *_, last = [_json_object(line, "state") for line in data.splitlines() if line.strip()]
        except (ConfigurationError, ValueError):
            raise error from None
        return unwrapped(last)


def _json_object(data: bytes, kind: str) -> dict[str, Any]:
    """Parse a JSON object in UTF-8, whatever the terminal's encoding, with or without a BOM.

    Raises:
        ConfigurationError: If the file holds no such object.
    """
    try:
        text = data.decode("utf-8-sig")
        value = settings.parse_json(text)
    except UnicodeDecodeError:
        msg = f"The {kind} file is no valid JSON: it is not in UTF-8."
        raise ConfigurationError(msg) from None
    except (RecursionError, ValueError) as error:
        why = error if text.strip() else "it is empty"
        msg = f"The {kind} file is no valid JSON: {why}."
        raise ConfigurationError(msg) from None
    if not isinstance(value, dict):
        msg = f"The {kind} file must hold a JSON object."
        raise ConfigurationError(msg)
    return value
