"""The tap: its settings, its streams and the SDK's hooks; ``run`` reads them."""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import PluginBase
from singer_sdk.singerlib import Catalog

from tap_procountor.check import test_connection
from tap_procountor.cli import CommandLine
from tap_procountor.errors import ConfigurationError
from tap_procountor.output.messages import MessageWriter, StateWriter
from tap_procountor.reconcile import reconcile
from tap_procountor.run import Run
from tap_procountor.settings import SETTINGS
from tap_procountor.state.validation import check_state
from tap_procountor.streams.base.context import RunContext
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.registry import STREAM_TYPES
from tap_procountor.streams.rejected import RejectedRecords

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk import Stream


class TapProcountor(CommandLine):
    """Singer tap for the Finnish accounting system Procountor."""

    name = "tap-procountor"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS.to_dict()
    message_writer_class = MessageWriter

    #: All of the SDK's except BATCH, whose files lag behind the state, so that a killed run would
    #: lose records, and hold decimals as text.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    message_writer: MessageWriter

    @cached_property
    def context(self) -> RunContext:
        return RunContext(self.config, self.message_writer)

    @property
    def state_writer(self) -> StateWriter:  # type: ignore[override]
        return self.context.state_writer

    def discover_streams(self) -> list[Stream]:
        """Make all streams, without a request; refuse a catalog with unknown ones."""
        streams = [stream_type(self, self.context) for stream_type in STREAM_TYPES]
        # By name, as the SDK has them.
        for stream in sorted(streams, key=attrgetter("name")):
            self.context.streams[stream.name] = stream
            if isinstance(stream, RejectedRecords):
                self.context.rejected_table = stream
            if isinstance(stream, RowStream):
                for owner in streams:
                    if isinstance(owner, ReadStream) and type(owner) in stream.owners:
                        owner.row_streams.append(stream)
        if unknown := (self.input_catalog or {}).keys() - self.context.streams.keys():
            msg = f"The catalog contains unknown streams: {', '.join(sorted(unknown))}."
            raise ConfigurationError(msg)
        return list(streams)

    def setup_mapper(self) -> None:
        """Prepare the stream maps, those of deselected streams included.

        The SDK would refuse these because the streams have no columns: a map that removes personal
        data could then not be set up before the stream is selected.
        """
        try:
            PluginBase.setup_mapper(self)
            # Making the streams completes the entries of a given catalog.
            _ = self.streams
            selected = Catalog()
            for name, entry in self.catalog.items():
                if entry.metadata.resolve_selection()[()]:
                    selected[name] = entry
                else:
                    schema = entry.schema.to_dict()
                    self.mapper.register_raw_stream_schema(name, schema, entry.key_properties)
            self.mapper.register_raw_streams_from_catalog(selected)
        except MappingError as error:
            msg = f"The setting 'stream_maps' cannot be used: {error}"
            raise ConfigurationError(msg) from None
        except ValueError:
            if not self.config.get("flattening_enabled"):
                raise
            msg = (
                "The setting 'flattening_max_key_length' is too short: two columns would have the "
                "same name."
            )
            raise ConfigurationError(msg) from None

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state of the last run, once it is checked."""
        check_state(
            state,
            {
                stream.name: len(stream.lister.variants)
                for stream in self.streams.values()
                if isinstance(stream, IncrementalStream)
            },
        )
        super().load_state(state)

    def run(self) -> None:
        """Read all selected streams; raise IncompleteError if something is missing at the end.

        This replaces the SDK's ``sync_all``, which is final: its loop ends at the first stream that
        fails, knows one parent per child stream, and reads nothing ahead.
        """
        Run(self.context, self.state).sync()

    def test_connection(self) -> None:
        test_connection(Run(self.context, self.state))

    def reconcile(self, year: str) -> None:
        reconcile(Run(self.context, self.state), year)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop on SIGTERM or Ctrl-C, after which the SDK would exit with 0."""
        self.message_writer.stop(signum)
