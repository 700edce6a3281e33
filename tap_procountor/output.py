"""Singer messages on standard output, and the end of a run that is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message


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
        """Write a message; a signal that came meanwhile takes effect after it.

        Raises:
            Terminated: If the run was told to stop while this message was being written.
        """
        self._is_writing = True
        super().write_message(message)
        self._is_writing = False
        if self._stop_signal is not None:
            self.stop(self._stop_signal)

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
