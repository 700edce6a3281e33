"""Singer messages on standard output, and the end of a run that is told to stop."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter, serialize_jsonl

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

    from tap_procountor.convert import Record


class Terminated(BaseException):
    """The run was told to stop by a signal.

    Attributes:
        signal_number: Which signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class MessageWriter(MsgSpecWriter):
    """Writes messages with every digit of their decimals, and never half of one."""

    def __init__(self) -> None:
        super().__init__()
        self._is_writing = False
        self._stop_signal: int | None = None

    def write_message(self, message: Message) -> None:
        """Write a message, and whatever came before it.

        Raises:
            Terminated: If the run was told to stop while this message was being written.
        """
        self._write(self.format_message(message))
        sys.stdout.flush()

    def write_record(self, stream: str, record: Record, version: int | None) -> None:
        """Write a RECORD message; it is flushed with the next message of another kind.

        The same as ``write_message``, without an object per record in between.

        Raises:
            Terminated: If the run was told to stop while this message was being written.
        """
        message: dict[str, object] = {"type": "RECORD", "stream": stream, "record": record}
        if version is not None:
            message["version"] = version
        message["time_extracted"] = datetime.now(UTC)
        self._write(serialize_jsonl(message))

    def stop(self, signal_number: int) -> None:
        """Stop the run now or, if a message is half written, right after it.

        Raises:
            Terminated: If no message is being written.
        """
        if self._is_writing:
            self._stop_signal = signal_number
            return
        self._stop_signal = None
        raise Terminated(signal_number)

    def _write(self, line: bytearray) -> None:
        self._is_writing = True
        sys.stdout.buffer.write(line)
        self._is_writing = False
        if self._stop_signal is not None:
            self.stop(self._stop_signal)
