"""The command: its options, its input, and errors said in one sentence."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from traceback import format_tb
from typing import IO, TYPE_CHECKING, Any

from click.exceptions import ClickException, Exit
from dotenv import find_dotenv, load_dotenv
from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.singerlib import Catalog

from tap_procountor import settings
from tap_procountor.errors import ConfigurationError, ProcountorError
from tap_procountor.output import Terminated
from tap_procountor.streams import STREAM_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import click

#: Errors whose text is made for people and quotes no value; the SDK's speak of stream maps.
SAID_FOR_PEOPLE = (ProcountorError, MappingError)


class CommandLine(Tap):
    """The SDK's command, with what it lets pass checked and what it says wrongly said."""

    @classmethod
    def invoke(
        cls,
        *,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **options: Any,  # noqa: ANN401 - the SDK's
    ) -> None:
        """Run the tap."""
        with cls._one_sentence_errors():
            super().invoke(
                state=_checked_json(state, "state"),
                catalog=_checked_json(catalog, "catalog", _check_catalog),
                **options,
            )

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Read the configuration files."""
        with cls._one_sentence_errors():
            for path in value:
                if path != "ENV":
                    _check_config_file(path)
            return super().cb_config(ctx, param, value)

    @classmethod
    def cb_discover(
        cls: type[CommandLine],
        ctx: click.Context,
        param: click.Option,
        value: bool,  # noqa: FBT001 - click's
    ) -> None:
        """Write the catalog."""
        with cls._one_sentence_errors():
            super().cb_discover(ctx, param, value)

    @classmethod
    def cb_test(
        cls: type[CommandLine], ctx: click.Context, param: click.Option, value: str
    ) -> None:
        """Test the connection: one light request per company, instead of a sync of all streams."""
        if value != "all":
            super().cb_test(ctx, param, value)
            return
        with cls._one_sentence_errors():
            given = ctx.params["config"]
            catalog = _checked_json(ctx.params.get("catalog"), "catalog", _check_catalog)
            tap = cls(
                config=given.config,
                parse_env_config=given.parse_env,
                catalog=json.load(catalog) if catalog else None,
            )
            tap.test_connection()
        ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command; the catalog is read before ``--test`` runs, wherever it stands."""
        command = super().get_singer_command()
        for option in command.params:
            option.is_eager |= option.name == "catalog"
        return command

    @abstractmethod
    def test_connection(self) -> None:
        """Look at every selected stream of every company, and print what can be read."""

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Settings from the environment, and those that it lacks from a ``.env`` file.

        The SDK would let a ``.env`` that lies about win over the environment.
        """
        load_dotenv(find_dotenv(usecwd=True))
        cls.append_builtin_config(cls.config_jsonschema)
        config: dict[str, Any] = {}
        for name, schema in cls.config_jsonschema["properties"].items():
            one = {"properties": {name: schema}}
            try:
                config |= parse_environment_config(one, cls._env_var_prefix, dotenv_path=os.devnull)
            except ValueError:  # its text quotes the value, which may be a secret
                variable = f"{cls._env_var_prefix}{name.upper()}"
                wanted = " or ".join(kind for kind in schema["type"] if kind != "null")
                msg = f"The variable {variable} must hold a value of type {wanted}."
                raise ConfigurationError(msg) from None
        return config

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings.

        The SDK's own check would accept misspelt settings and print the values of wrong ones, which
        may be secrets.
        """
        self.append_builtin_config(self.config_jsonschema)
        settings.normalize(self._config)
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
            yield
        except ConfigValidationError as error:
            for sentence in error.errors:
                cls.logger.error(sentence)  # noqa: TRY400
            sys.exit(1)
        except SAID_FOR_PEOPLE as error:
            cls.logger.error("%s", error)  # noqa: TRY400
            sys.exit(1)
        except Terminated as stop:
            cls.logger.error("Stopped by signal %d.", stop.signal_number)  # noqa: TRY400
            logging.shutdown()
            os._exit(128 + stop.signal_number)
        except BrokenPipeError:
            cls.logger.error("The target has ended before the tap: see its messages.")  # noqa: TRY400
            # What is still buffered can no longer be written; the interpreter must not try.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (ClickException, Exit):
            raise
        except Exception as error:  # noqa: BLE001 - nobody has thought of it
            # Its text, and a traceback with it, may quote secrets or the company's data.
            cls.logger.error(  # noqa: TRY400
                "The tap has failed unexpectedly (%s): please report it with these lines.\n%s",
                type(error).__name__,
                "".join(format_tb(error.__traceback__)),
            )
            sys.exit(1)


def _check_config_file(path: str) -> None:
    try:
        with Path(path).open(encoding="utf-8") as file:
            _checked_json(file, "config")
    except OSError as error:
        msg = f"The config file {path} cannot be read: {error.strerror}."
        raise ConfigurationError(msg) from None


def _check_catalog(catalog: dict[str, Any]) -> None:
    """Make sure that a catalog is one, and names only streams that there are."""
    try:
        names = {entry["tap_stream_id"] for entry in catalog["streams"]}
        Catalog.from_dict(catalog)
    except (AttributeError, KeyError, TypeError):
        msg = "The catalog file holds no Singer catalog: make one with --discover."
        raise ConfigurationError(msg) from None
    unknown = sorted(names - {vars(stream)["name"] for stream in STREAM_TYPES})
    if unknown:
        msg = f"The catalog names streams that there are not: {', '.join(unknown)}."
        raise ConfigurationError(msg)


def _checked_json(
    file: IO[str] | None,
    kind: str,
    check: Callable[[dict[str, Any]], None] = lambda _: None,
) -> IO[str] | None:
    """Make sure that a file holds a JSON object, and what else is to be checked."""
    if file is None:
        return None
    try:
        text = file.read()
        value = json.loads(text)
    except UnicodeDecodeError:
        msg = f"The {kind} file is no valid JSON: it is not in UTF-8."
        raise ConfigurationError(msg) from None
    except ValueError as error:
        msg = f"The {kind} file is no valid JSON: {error}."
        raise ConfigurationError(msg) from None
    if not isinstance(value, dict):
        msg = f"The {kind} file must hold a JSON object."
        raise ConfigurationError(msg)
    check(value)
    return io.StringIO(text)
