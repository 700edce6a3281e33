"""The command ``tap-procountor``, also to be run as ``python -m tap_procountor``."""

from __future__ import annotations

from tap_procountor.memory import no_garbage_collection


def main() -> None:
    """Run the tap."""
    with no_garbage_collection():
        # What is imported here is most of the time that --version and --discover take.
        from tap_procountor.tap import TapProcountor  # noqa: PLC0415

    TapProcountor.cli()


if __name__ == "__main__":
    main()
