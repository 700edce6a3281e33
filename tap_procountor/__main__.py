"""``python -m tap_procountor``."""

from __future__ import annotations

from tap_procountor.tap import TapProcountor

TapProcountor.cli()
