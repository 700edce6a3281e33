"""Instructions per record at two commits: whatever else the machine does, they hardly change.

    python tests/benchmarks/instructions.py --baseline COMMIT [--invoices 6000]

The commit and the project as it lies here are installed into environments of their own. Each reads
the invoices and ledger receipts with their rows of a small and of a large sandbox under valgrind,
which must be installed (Debian: ``valgrind``); the start is the same in both and so drops out.
What the kernel does is not counted, nor how threads hinder one another: see ``side_by_side.py``.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import click
from cost import installed, unpacked
from harness import UNLIMITED, Sandbox, Tap, run, show

_STREAMS = ("invoices", "invoice_rows", "ledger_receipts", "ledger_transactions")


def _counted(tap: Tap, sandbox: Sandbox, folder: str) -> tuple[int, int]:
    """Return the records of a run and its instructions."""
    log = Path(folder, "valgrind")
    config = {**sandbox.config, "requests_per_second": UNLIMITED}
    counting = (
        *("valgrind", "--tool=cachegrind", "--cache-sim=no"),
        *("--cachegrind-out-file=/dev/null", f"--log-file={log}"),
    )
    python = str(Path(tap.command[0]).with_name("python"))
    records = run(tap._replace(command=(*counting, python, *tap.command)), config, _STREAMS)
    (instructions,) = re.findall(r"I\s+refs:\s+([\d,]+)", log.read_text())
    return records.output.records, int(instructions.replace(",", ""))


@click.command(help=__doc__)
@click.option("--baseline", required=True, help="The commit.")
@click.option("--invoices", default=6_000, show_default=True)
def main(baseline: str, invoices: int) -> None:
    """Count both and print the ratio."""
    rows: list[list[object]] = []
    per_record: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(invoices=invoices // 4, requests_per_second=0) as small,
        Sandbox(invoices=invoices, requests_per_second=0) as large,
    ):
        before = installed("before", unpacked(baseline, folder), folder)
        for tap in (before, installed("now", Path(__file__).parents[2], folder)):
            (few, start), (many, whole) = (_counted(tap, box, folder) for box in (small, large))
            per_record.append((whole - start) / (many - few))
            rows.append([tap.name, many - few, whole / 1e6, per_record[-1] / 1e3])
    show(
        f"Now at {per_record[1] / per_record[0]:.3f} of {baseline}",
        ["", "records", "millions in all", "thousands per record"],
        rows,
    )


if __name__ == "__main__":
    main()
