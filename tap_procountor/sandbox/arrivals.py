"""When requests arrived, by the kernel's clock: no work of this process can delay the stamp."""

from __future__ import annotations

import socket
import struct
import sys
import time

#: From Linux's <asm/socket.h>; Python has no name for it.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_NANO = 1e-9

#: By file descriptor, of which a process never has two alike.
_last_arrivals: dict[int, float] = {}


def last_arrival(connection: int) -> float:
    """Return when a connection's latest bytes arrived.

    Args:
        connection: The connection's file descriptor.

    Returns:
        Seconds since the epoch.
    """
    return _last_arrivals[connection]


class ListeningSocket(socket.socket):
    """A TCP socket whose connections note when the bytes that they read last had arrived.

    A handler that computes, or another program that has the processor, may keep the server from
    looking at a request for longer than the slack of a client that keeps the limit. Outside of
    Linux the time of reading has to do.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
    """

    def __init__(self, host: str, port: int) -> None:
        # The explicit protocol makes asyncio switch off Nagle's algorithm, which costs 40 ms.
        super().__init__(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # Connections inherit it, so that bytes which come before they are accepted count too.
            self.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.bind((host, port))
        self.listen()

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection."""
        plain, address = super().accept()
        return _Connection(plain), address


class _Connection(socket.socket):
    def __init__(self, plain: socket.socket) -> None:
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read, and note the time."""
        data, extras, _, _ = self.recvmsg(size, socket.CMSG_SPACE(_TIMESPEC.size), flags)
        arrival = time.time()
        for _, kind, content in extras:
            if kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(content)
                arrival = seconds + nanoseconds * _NANO
        _last_arrivals[self.fileno()] = arrival
        return data
