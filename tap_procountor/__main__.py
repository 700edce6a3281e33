"""The command ``tap-procountor``, also to be run as ``python -m tap_procountor``."""

from __future__ import annotations

from tap_procountor.memory import no_garbage_collection


def main() -> None:
    """Run the tap."""
    with no_garbage_collection():
        # This import takes most of the time of --version and --discover.
        from tap_procountor.tap import TapProcountor  # noqa: PLC0415

    TapProcountor.cli()


if __name__ == "__main__":
    main()
