"""Judges whether a stream can be read in full, and names the right to grant if not.

Without the right to a resource, Procountor answers 403, or with fewer rows or none, as if there
were no more. The rights that a stream needs are therefore declared (``Access``) and compared with
those of the key's user. Procountor does not document which right opens which resource: the
declarations are inferred from the names, and the API's answers take precedence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import inflection

from tap_procountor.permissions.rights import is_granted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_procountor.permissions.rights import Rights


class Verdict(StrEnum):
    """Whether a stream of a company can be read."""

    READABLE = "readable"
    EMPTY = "readable, but empty"
    HIDDEN = "rows may be hidden"
    FORBIDDEN = "forbidden"
    MODULE_OFF = "module off"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """A verdict, and what to do about it.

    Attributes:
        advice: A sentence that names the right to grant or the module to activate.
    """

    verdict: Verdict
    advice: str | None = None

    @property
    def is_short(self) -> bool:
        return self.verdict not in {Verdict.READABLE, Verdict.EMPTY}


@dataclass(frozen=True)
class Access:
    """The rights that a stream's rows depend on, by their names in ``/users/rights``.

    Attributes:
        any_of: Rights of which one is needed to read anything.
        parts: The rows hidden without a right, by right; without any of these, all are.
        doubts: The rows that may be hidden without a right, by right.
        limits: Switches that narrow what the user sees.
        module: A module of Procountor that must be in use.
        is_never_empty: Whether every company has rows.
    """

    any_of: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    module: str | None = None
    is_never_empty: bool = False

    def concerns(self, right: str) -> bool:
        """Whether a right or a limit bears on the rows; if none are declared, any may."""
        names = {*self.any_of, *self.parts, *self.doubts, *self.limits}
        return not names or right in names

    def judge(self, rights: Rights, *, is_empty: bool) -> Finding:
        """Compare the rights needed with a user's, given whether the stream was empty."""
        if not self._is_opened(rights):
            if is_empty:
                return Finding(Verdict.FORBIDDEN, f"Nothing can be read: grant {self._grants}.")
            return Finding(Verdict.HIDDEN, f"Rows may be hidden: grant {self._grants}.")
        if text := "; ".join(self._hidden(rights)):
            return Finding(Verdict.HIDDEN, f"{text[0].upper()}{text[1:]}.")
        if is_empty and self.is_never_empty:
            return Finding(
                Verdict.HIDDEN,
                f"Every company has rows here: among the user's rights, {self._hint}.",
            )
        return Finding(Verdict.EMPTY if is_empty else Verdict.READABLE)

    def refused(self, rights: Rights, reason: str) -> Finding:
        """Explain a refusal (403) by a missing right, else by the module if there is one."""
        if not self._is_opened(rights):
            return Finding(Verdict.FORBIDDEN, f"{reason} Grant {self._grants}.")
        if self.module:
            return Finding(
                Verdict.MODULE_OFF, f"{reason} The module is probably not in use: {self.module}."
            )
        return Finding(Verdict.FORBIDDEN, f"{reason} Among the user's rights, {self._hint}.")

    def _is_opened(self, rights: Rights) -> bool:
        return not self._openers or any(is_granted(rights, name) for name in self._openers)

    def _hidden(self, rights: Rights) -> Iterator[str]:
        for name, rows in self.parts.items():
            if not is_granted(rights, name):
                yield f"{rows} are hidden: grant {_in_words(name)}"
        for name, rows in self.doubts.items():
            if not is_granted(rights, name):
                yield f"{rows} may be hidden: grant {_in_words(name)}"
        for name in self.limits:
            if rights.get(name) is True:
                yield f"rows may be hidden: take away the limitation {_in_words(name)}"

    @property
    def _openers(self) -> tuple[str, ...]:
        return self.any_of or tuple(self.parts)

    @property
    def _hint(self) -> str:
        return f"check {self._grants}" if self._openers else "look for the one that is missing"

    @property
    def _grants(self) -> str:
        return " or ".join(map(_in_words, self._openers))


def _in_words(name: str) -> str:
    """Name a right as Procountor's user interface does: its group, then the right."""
    group, _, right = name.partition(".")
    words = [inflection.humanize(inflection.underscore(part)) for part in (group, right)]
    return f"'{': '.join(words)}' ({name})"
