"""A thread that notices the end of the target and lost signals while the main thread waits."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tap_procountor.output.messages import TARGET_HAS_ENDED, OutputLostError, Terminated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.output.messages import MessageWriter

_PAUSE_SECONDS = 0.2
#: Within which the main thread must end once the target has.
_LONGEST_END_SECONDS = 1.2

logger = logging.getLogger("tap-procountor.watch")


@contextmanager
def watching(writer: MessageWriter) -> Iterator[None]:
    """Watch for two things meanwhile.

    The target may end while nothing is being written to it, so that no write fails. And the
    exception of a signal may get lost, for Python drops those raised inside a finalizer: the signal
    is then sent again.
    """
    is_over = threading.Event()
    report_unraisable = sys.unraisablehook

    def report_others(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, Terminated | OutputLostError):
            report_unraisable(dropped)

    sys.unraisablehook = report_others
    # Windows has no poll, and a caller may have replaced standard output.
    with suppress(AttributeError, OSError):
        output = select.poll()
        # For no event: a pipe without readers is always reported.
        output.register(sys.stdout.fileno(), 0)
        if threading.current_thread() is threading.main_thread():
            arguments = (writer, output, is_over)
            threading.Thread(target=_watch, args=arguments, name="watch", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        sys.unraisablehook = report_unraisable


def _watch(writer: MessageWriter, output: select.poll, is_over: threading.Event) -> None:
    while not output.poll(_PAUSE_SECONDS * 1000):
        if is_over.is_set():
            return
        if number := writer.forgotten_signal:
            os.kill(os.getpid(), number)
    if not (writer.is_lost or is_over.is_set()):
        writer.target_has_ended = True
        # The handler of signals interrupts the main thread.
        os.kill(os.getpid(), signal.SIGTERM)
    if not is_over.wait(_LONGEST_END_SECONDS):
        logger.error(TARGET_HAS_ENDED)
        logging.shutdown()
        os._exit(1)
