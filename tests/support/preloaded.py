"""What the processes of the tap begin with: all imported, and the schemas of the streams built.

Imported by the server that forks them, and by nothing else. Both take longer than most runs in the
tests.
"""

from __future__ import annotations

import signal

import pendulum  # noqa: F401 - the tap imports it when the first time is read

import support.command  # noqa: F401
from tap_procountor.tap import TapProcountor

_handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
# Each stream builds its schema once in a process.
TapProcountor(config={"client_id": "a", "client_secret": "b", "api_key": "c"})
for _number, _handler in _handlers.items():
    signal.signal(_number, _handler)
