"""How the process deals with memory: records come and go by the million."""

from __future__ import annotations

import ctypes
import gc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Parameters of glibc's mallopt by their numbers, and their values.
_ALLOCATION = {
    # M_ARENA_MAX: all threads share one heap; what one has freed, the others take.
    -8: 1,
    # M_MMAP_THRESHOLD: large answers have pages of their own, and leave no holes behind.
    -3: 128 * 1024,
    # M_TRIM_THRESHOLD: free bytes at the end of the heap that are kept.
    -1: 16 * 1024 * 1024,
}


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Look for no cycles meanwhile, nor ever in what stays, not even at the end.

    Among all that the SDK imports, looking takes a sixth of the start, and a tenth of a second at
    the end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def relax_garbage_collection() -> None:
    """Look for cycles less often: records have none, and looking costs a sixth of the run."""
    gc.freeze()
    gc.set_threshold(100_000)


def share_memory() -> None:
    """Have the threads share their free memory, where the C library can be told so.

    glibc otherwise keeps a heap for each of them, and the process grows.
    """
    with suppress(AttributeError, OSError):
        allocator = ctypes.CDLL(None)
        for parameter, value in _ALLOCATION.items():
            allocator.mallopt(parameter, value)
