"""A behaving Procountor, for trying, testing and measuring without credentials."""

from __future__ import annotations

from .company import Company
from .sandbox import Sandbox

__all__ = ["Company", "Sandbox"]
