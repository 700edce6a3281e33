"""The report of a run: what it has read, what is missing, and why."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_procountor.api.usage import Usage
from tap_procountor.permissions.access import Finding, Verdict
from tap_procountor.records.remarks import Remarks

if TYPE_CHECKING:
    from tap_procountor.records.rejection import Rejection

#: Rejected records of a stream that the log names; the table has all of them.
_MOST_NAMED = 10

_NOT_JUDGED = Finding(Verdict.READABLE)

#: Fields of an outcome that the report file has in another form.
_NOT_REPORTED = {"finding", "plan", "usage"}

logger = logging.getLogger("tap-procountor.report")


@dataclass
class Outcome:
    """The outcome of one stream of one company.

    Attributes:
        documents: Documents read, written or not.
        rows: Records written.
        deleted: Tombstones written.
        rejected: Records that went to ``rejected_records`` instead.
        vanished: Ids that were deleted while the run was reading them.
        finding: Whether all rows can be read, and what to do if not.
        failure: Why the stream ended early, in a sentence.
        tolerated: Whether a missing permission leaves the exit code at zero.
        bookmark_before: The bookmark that the run began with, if the stream has one.
        plan: The number of files that would be downloaded, and their bytes, if the run only plans.
    """

    stream: str
    company_id: int
    documents: int = 0
    rows: int = 0
    deleted: int = 0
    rejected: int = 0
    vanished: list[int] = field(default_factory=list)
    finding: Finding = _NOT_JUDGED
    failure: str | None = None
    tolerated: bool = False
    bookmark_before: str | None = None
    bookmark_after: str | None = None
    plan: dict[str, int] | None = None
    usage: Usage = field(default_factory=Usage)

    @property
    def name(self) -> str:
        return f"{self.stream} of company {self.company_id}"

    @property
    def verdict(self) -> Verdict:
        is_refused = self.finding.verdict in {Verdict.FORBIDDEN, Verdict.MODULE_OFF}
        return Verdict.FAILED if self.failure and not is_refused else self.finding.verdict

    @property
    def shortfall(self) -> str | None:
        """Why rows other than rejected ones are or may be missing."""
        return self.failure or (self.finding.advice if self.finding.is_short else None)

    @property
    def is_complete(self) -> bool:
        return not (self.shortfall or self.rejected)

    def fail(self, error: Exception) -> None:
        """Note that the stream ended early; its bookmark stays where it was."""
        self.failure = str(error)
        self._log(self.failure)

    def find(self, finding: Finding, *, tolerated: bool) -> None:
        """Note whether all rows can be read; the first bad finding counts."""
        # Rows may come from several lists: an empty one proves nothing about the others.
        is_news = finding.verdict is not Verdict.EMPTY or not self.rows
        if not self.finding.is_short and is_news:
            self.finding, self.tolerated = finding, tolerated
            if finding.is_short:
                self._log(finding.advice)

    def reject(self, rejection: Rejection) -> None:
        """Count a rejected record, and log the first ones."""
        self.rejected += 1
        if self.rejected <= _MOST_NAMED:
            logger.error("%s: the record %s is rejected: %s", self.name, *rejection[:2])

    def to_dict(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "company_id": self.company_id,
            "verdict": self.verdict,
            "advice": self.finding.advice,
            **{name: value for name, value in vars(self).items() if name not in _NOT_REPORTED},
            **({"plan": self.plan} if self.plan else {}),
            **self.usage.to_dict(),
        }

    def _log(self, what: str | None) -> None:
        level = logging.WARNING if self.tolerated else logging.ERROR
        logger.log(level, "%s: %s", self.name, what)


class RunReport:
    """Collects the outcomes of a run.

    Args:
        tolerated_rejections: The number of rejected records that leave the exit code at zero.
    """

    def __init__(self, tolerated_rejections: int) -> None:
        self._tolerated_rejections = tolerated_rejections
        self._began = time.monotonic()
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        self._remarks: dict[str, Remarks] = {}
        self._company_failures: list[str] = []
        self._warnings: list[str] = []
        #: About the books, and whether they are sound.
        self._conclusions: list[tuple[str, bool]] = []
        #: Whether rejected records are written to their table.
        self.keeps_rejected = True
        self.api_version: str | None = None

    def outcome(self, stream: str, company_id: int) -> Outcome:
        key = (stream, company_id)
        if key not in self._outcomes:
            self._outcomes[key] = Outcome(stream, company_id)
        return self._outcomes[key]

    def company_failed(self, key_name: str, error: Exception) -> None:
        """Note that an API key opens no readable company."""
        self._company_failures.append(f"{key_name}: {error}")
        logger.error("%s: %s", key_name, error)

    def warn(self, sentence: str) -> None:
        """Warn of something that leaves no gap in the data."""
        self._warnings.append(sentence)
        logger.warning("%s", sentence)

    def conclude(self, sentences: list[str], *, is_sound: bool) -> None:
        """Keep what the comparison of a company's books says, to be said in the end."""
        self._conclusions += [(sentence, is_sound) for sentence in sentences]

    def remarks(self, stream: str) -> Remarks:
        """Return the remarks about a stream's records, to be added to."""
        return self._remarks.setdefault(stream, Remarks(stream, self.warn))

    def is_complete(self, stream: str) -> bool:
        return not self._company_failures and all(
            outcome.is_complete for outcome in self._outcomes.values() if outcome.stream == stream
        )

    @property
    def failures(self) -> list[str]:
        outcomes = self._outcomes.values()
        lines = [
            f"{outcome.name}: {outcome.shortfall}"
            for outcome in outcomes
            if outcome.shortfall and not outcome.tolerated
        ]
        if sum(outcome.rejected for outcome in outcomes) > self._tolerated_rejections:
            hint = (
                "they are in rejected_records"
                if self.keeps_rejected
                else "select the table rejected_records to keep them"
            )
            lines += [
                f"{outcome.name}: {outcome.rejected} records were rejected; {hint}."
                for outcome in outcomes
                if outcome.rejected
            ]
        return self._company_failures + lines

    def log(self, usage: Usage, requests_per_second: float) -> None:
        """Log a summary; failures come last, where they are seen.

        Args:
            usage: The cost of all requests.
            requests_per_second: The permitted rate.
        """
        by_stream: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in self._outcomes.values():
            by_stream[outcome.stream].append(outcome)
        for stream, outcomes in by_stream.items():
            logger.info(
                "%s: %s rows, %s deletions, %s rejected, %s",
                stream,
                *(
                    f"{sum(getattr(outcome, name) for outcome in outcomes):,}"
                    for name in ("rows", "deleted", "rejected")
                ),
                ", ".join(dict.fromkeys(outcome.verdict for outcome in outcomes)),
            )
        for outcome in self._outcomes.values():
            if outcome.vanished:
                ids = ", ".join(map(str, outcome.vanished))
                logger.warning("%s: deleted while being read: %s", outcome.name, ids)
        for remarks in self._remarks.values():
            if remarks.removed_nul:
                self.warn(
                    f"{remarks.stream}: {remarks.removed_nul:,} NUL characters were taken out of "
                    "texts, because databases refuse them."
                )
        seconds = time.monotonic() - self._began
        logger.info(
            "The run took %.0f s: %d requests (%.0f %% of the permitted rate), %d of them "
            "repeats, %.1f MB, API version %s.",
            seconds,
            usage.requests,
            100 * usage.requests / (seconds * requests_per_second),
            usage.retries,
            usage.bytes / 1e6,
            self.api_version or "unknown",
        )
        for sentence, is_sound in self._conclusions:
            logger.log(logging.INFO if is_sound else logging.WARNING, "%s", sentence)
        for failure in self.failures:
            logger.error("Incomplete: %s", failure)

    def write(
        self, path: str, usage: Usage, requests_per_second: float, ended_by: str | None
    ) -> None:
        """Write the report as JSON; arguments as in ``log``, and why the run ended early."""
        seconds = time.monotonic() - self._began
        report = {
            "api_version": self.api_version,
            "seconds": round(seconds, 1),
            **usage.to_dict(),
            "used_share_of_rate": round(usage.requests / (seconds * requests_per_second), 3),
            "streams": [outcome.to_dict() for outcome in self._outcomes.values()],
            "unknown_fields": {
                remarks.stream: remarks.unknown_fields
                for remarks in self._remarks.values()
                if remarks.unknown_fields
            },
            "reconciliation": [sentence for sentence, _ in self._conclusions],
            "warnings": self._warnings,
            "failures": self.failures + ([ended_by] if ended_by else []),
        }
        Path(path).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
