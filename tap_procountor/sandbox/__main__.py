"""``python -m tap_procountor.sandbox``."""

from __future__ import annotations

from .cli import main

main()
