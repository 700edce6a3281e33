"""What a run has brought, and what it has not."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

logger = logging.getLogger("tap-procountor.report")


@dataclass
class Outcome:
    """What became of one stream of one company.

    Attributes:
        stream: The stream's name.
        company_id: The company.
        rows: Records written.
        deleted: Tombstones written.
        vanished: Ids that were deleted while the run was reading them.
        failure: Why the stream ended early, in a sentence.
        tolerated: Whether the failure leaves the exit code at zero.
    """

    stream: str
    company_id: int
    rows: int = 0
    deleted: int = 0
    vanished: list[int] = field(default_factory=list)
    failure: str | None = None
    tolerated: bool = False

    def fail(self, error: Exception, *, tolerated: bool = False) -> None:
        """Note that the stream ended early; its bookmark stays where it was."""
        self.failure, self.tolerated = str(error), tolerated
        level = logging.WARNING if tolerated else logging.ERROR
        logger.log(level, "%s of company %d: %s", self.stream, self.company_id, error)


class RunReport:
    """Collects the outcomes of a run."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        self._unknown_fields: dict[str, list[str]] = {}
        self._company_failures: list[str] = []

    def outcome(self, stream: str, company_id: int) -> Outcome:
        """Return the outcome of a stream of a company, to be added to."""
        key = (stream, company_id)
        if key not in self._outcomes:
            self._outcomes[key] = Outcome(stream, company_id)
        return self._outcomes[key]

    def company_failed(self, key_name: str, error: Exception) -> None:
        """Note that an API key opened no company that can be read."""
        self._company_failures.append(f"{key_name}: {error}")
        logger.error("%s: %s", key_name, error)

    def found_unknown_field(self, stream: str, path: str) -> None:
        """Note a field that the specification does not know; it is kept all the same."""
        self._unknown_fields.setdefault(stream, []).append(path)
        logger.warning(
            "%s: the API sends the field '%s', which this version of the tap does not know; "
            "it is kept.",
            stream,
            path,
        )

    def has_failed(self, stream: str) -> bool:
        """Tell whether a stream is incomplete, for whichever company and reason."""
        return bool(self._company_failures) or any(
            outcome.failure for outcome in self._outcomes.values() if outcome.stream == stream
        )

    @property
    def failures(self) -> list[str]:
        """What is missing, a line each."""
        return self._company_failures + [
            f"{outcome.stream} of company {outcome.company_id}: {outcome.failure}"
            for outcome in self._outcomes.values()
            if outcome.failure and not outcome.tolerated
        ]

    def log(self) -> None:
        """Sum the run up; failures come last, where they are seen."""
        for outcome in self._outcomes.values():
            logger.info(
                "%s of company %d: %d rows, %d deletions",
                outcome.stream,
                outcome.company_id,
                outcome.rows,
                outcome.deleted,
            )
            if outcome.vanished:
                logger.warning(
                    "%s of company %d: deleted while being read: %s",
                    outcome.stream,
                    outcome.company_id,
                    ", ".join(map(str, outcome.vanished)),
                )
        for failure in self.failures:
            logger.error("Incomplete: %s", failure)

    def write(self, path: str, figures: dict[str, Any]) -> None:
        """Write the report as JSON.

        Args:
            path: The file.
            figures: What concerns the run as a whole.
        """
        report = {
            **figures,
            "streams": [asdict(outcome) for outcome in self._outcomes.values()],
            "unknown_fields": self._unknown_fields,
            "failures": self.failures,
        }
        Path(path).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
