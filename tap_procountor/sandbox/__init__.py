"""A behaving Procountor, for trying, testing and measuring without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .company import Company

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["Company", "Sandbox"]


def __getattr__(name: str) -> type[Sandbox]:
    """Import the sandbox when it is used: without the extra the console script must start too."""
    if name != "Sandbox":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from .sandbox import Sandbox  # noqa: PLC0415 - see above

    return Sandbox
