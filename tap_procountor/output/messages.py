"""Singer messages on standard output, and the way a run is stopped."""

from __future__ import annotations

import math
import select
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import StateMessage

from tap_procountor.state.validation import stamp

if TYPE_CHECKING:
    from singer_sdk.helpers.types import TapState
    from singer_sdk.singerlib import Message

    from tap_procountor.records.converter import Record


#: Bytes handed to the target at once.
_BUFFER_SIZE = 64 * 1024
#: After a state, this multiple of its size is written before the next, or this time passes.
_BYTES_PER_BYTE_OF_STATE = 10
_LONGEST_PAUSE_SECONDS = 10.0

#: A signal whose exception has had no effect for this long is sent again.
_FORGOTTEN_AFTER_SECONDS = 0.5

TARGET_HAS_ENDED = "The target has ended before the tap: see its messages."

_encoder = msgspec.json.Encoder(decimal_format="number")


class Terminated(BaseException):
    """The run was told to stop by a signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class OutputLostError(BaseException):
    """Standard output can no longer be written, which must end the run and not just a stream."""

    def __init__(self, error: OSError | None = None) -> None:
        super().__init__(
            TARGET_HAS_ENDED
            if error is None or isinstance(error, BrokenPipeError)
            else f"Standard output cannot be written ({error.strerror}): see where it leads to."
        )


def check_output() -> None:
    """Raise OutputLostError if standard output is closed."""
    if sys.stdout is None:
        raise OutputLostError(OSError(0, "it is closed"))


def say(text: str) -> None:
    """Print a text for people; characters that the output cannot encode become ``?``."""
    encoding = sys.stdout.encoding
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201
    except OSError as error:
        raise OutputLostError(error) from None


class MessageWriter(MsgSpecWriter):
    """Writes messages with every digit of their decimals, and never half a message.

    Python's buffered output loses bytes when a signal interrupts it while the target is not reading
    (seen with CPython 3.11): hence our own buffer over the raw file.

    Every method that writes may raise ``Terminated`` (a signal came meanwhile) or
    ``OutputLostError``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._line = bytearray()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._is_writing = False
        self.bytes_written = 0
        self._stop_signal: int | None = None
        #: When its exception was raised; infinity if it has yet to be.
        self._stop_raised = 0.0
        self.is_lost = False
        #: Whether ``watching`` has noticed that the pipe has no reader.
        self.target_has_ended = False
        self._extracted = datetime.now(UTC)

    def begin_batch(self) -> None:
        """Give the records that follow one time of extraction.

        A document and the rows inside it then share it, which shows which rows are outdated even if
        the document's version did not change.
        """
        self._extracted = datetime.now(UTC)

    def write_message(self, message: Message) -> None:
        """Write a message, and all that is in the buffer before it."""
        self._add(bytes(self.format_message(message)))
        self.flush()

    def write_record(self, stream: str, record: Record, version: int | None) -> None:
        """Write a RECORD message, without the SDK's object for each."""
        message: dict[str, object] = {"type": "RECORD", "stream": stream, "record": record}
        if version is not None:
            message["version"] = version
        message["time_extracted"] = self._extracted
        # A new buffer would be moved again and again while it grows.
        _encoder.encode_into(message, self._line)
        self._line += b"\n"
        self._add(bytes(self._line))
        if self._pending_bytes >= _BUFFER_SIZE:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the target."""
        self._is_writing = True
        try:
            rest = memoryview(b"".join(self._pending))
            # Before it is written: after a failure it must not be written again.
            self._pending.clear()
            self._pending_bytes = 0
            self.bytes_written += len(rest)
            _write(rest)
        except OSError as error:
            self.is_lost = True
            raise OutputLostError(error) from None
        finally:
            self._is_writing = False
        if self._stop_raised == math.inf and self._stop_signal is not None:
            self._raise_stop(self._stop_signal)

    def _add(self, line: bytes) -> None:
        # In one step: a signal must not find half a line.
        self._pending.append(line)
        self._pending_bytes += len(line)

    def stop(self, signal_number: int) -> None:
        """Stop the run now or, if messages are being written, right after that."""
        if self._is_writing:
            self._stop_raised = math.inf
            self._stop_signal = signal_number
        elif self.target_has_ended:
            self.is_lost = True
            raise OutputLostError
        else:
            self._raise_stop(signal_number)

    def _raise_stop(self, signal_number: int) -> None:
        self._stop_signal = signal_number
        self._stop_raised = time.monotonic()
        raise Terminated(signal_number)

    @property
    def forgotten_signal(self) -> int | None:
        """The signal whose exception has been raised, but has had no effect in time."""
        seconds = time.monotonic() - self._stop_raised
        is_forgotten = not self._is_writing and seconds >= _FORGOTTEN_AFTER_SECONDS
        return self._stop_signal if is_forgotten else None

    def heed_stop(self) -> None:
        """Let the last messages be written: the run is stopping."""
        self._stop_signal = None


def _write(rest: memoryview) -> None:
    output = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    while rest:
        written = output.write(rest)
        if written is None:
            # A non-blocking output that is full.
            select.select([], [output], [])
        else:
            rest = rest[written:]


class StateWriter:
    """Writes states, but not all of them.

    With hundreds of companies a state is large, and each company saves progress: written each time,
    states would be many times the size of the records. The SDK's writer also keeps a deep copy.
    """

    def __init__(self, message_writer: MessageWriter) -> None:
        self._message_writer = message_writer
        self._due_bytes = 0
        self._due_time = 0.0
        self._is_pending = False

    def write_state(self, state: TapState, *, at_once: bool = False) -> None:
        """Write the state if one is due, else remember that it has changed."""
        self._is_pending = True
        if at_once or self.is_due:
            self.flush(state)

    def flush(self, state: TapState) -> None:
        """Write the state if it has changed since it was last written."""
        if self._is_pending:
            self._message_writer.flush()
            before = self._message_writer.bytes_written
            stamp(cast("dict[str, Any]", state))
            self._message_writer.write_message(StateMessage(value=state))
            self._is_pending = False
            after = self._message_writer.bytes_written
            self._due_bytes = after + _BYTES_PER_BYTE_OF_STATE * (after - before)
            self._due_time = time.monotonic() + _LONGEST_PAUSE_SECONDS

    @property
    def is_due(self) -> bool:
        has_written = self._message_writer.bytes_written >= self._due_bytes
        return has_written or time.monotonic() >= self._due_time
