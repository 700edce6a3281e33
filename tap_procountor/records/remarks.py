"""What is remarkable about the records of a stream although none is lost for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("tap-procountor.report")


@dataclass
class Remarks:
    """Collects and logs what is remarkable.

    Attributes:
        stream: The stream's name.
        warn: Takes a sentence for the log and the report.
        unknown_fields: Paths of fields that the specification does not know.
        removed_nul: How many NUL were taken out of texts: databases refuse them.
    """

    stream: str
    warn: Callable[[str], None]
    unknown_fields: list[str] = field(default_factory=list)
    removed_nul: int = 0
    _differences: set[tuple[str, str]] = field(default_factory=set)

    def found_unknown_field(self, path: str) -> None:
        self.unknown_fields.append(path)
        logger.warning(
            "%s: the API sends the field '%s', which this version of the tap does not know; "
            "it is kept.",
            self.stream,
            path,
        )

    def found_difference(self, path: str, sentence: str) -> None:
        """Note that a field comes in another form than the specification says, once."""
        if (path, sentence) not in self._differences:
            self._differences.add((path, sentence))
            self.warn(
                f"{self.stream}: the API sends {sentence}, in the field '{path}'; nothing is lost "
                "by it."
            )
