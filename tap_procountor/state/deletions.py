"""Decides, right before tombstones are sent, whether missing rows may be declared deleted.

A tombstone is final for those who rely on it. Its grounds are therefore requested anew: the rows
themselves (by the streams), then the user's rights, which may have been
withdrawn during the run.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from tap_procountor.errors import ProcountorError
from tap_procountor.permissions.rights import Changes, read_rights, settings_in, tells_rights

if TYPE_CHECKING:
    from tap_procountor.api.company import Company
    from tap_procountor.permissions.rights import Rights
    from tap_procountor.state.known_rights import KnownRights

#: This many may vanish at once, whatever their share.
_ALWAYS_ALLOWED = 20
#: A table with at least this many rows may not become empty unasked.
_LEAST_SUSPECT = 3


class DeletionError(ProcountorError):
    """Rows are missing that may not have been deleted: no tombstone is sent."""


@dataclass
class DeletionGuard:
    """Decides for a company whether missing rows may be declared deleted.

    Attributes:
        company: The company.
        known: The rights under which the rows in the target were read.
        rights: The rights and settings at the start of the run, or why they cannot be read.
        max_share: The share of the compared rows that may vanish at once.
        is_confirmed: Whether a person has confirmed that missing rows were deleted.
    """

    company: Company
    known: KnownRights
    rights: Rights | ProcountorError
    _: KW_ONLY
    max_share: float
    is_confirmed: bool

    def __post_init__(self) -> None:
        self._loss = self._find_loss()

    @property
    def hides_rows(self) -> bool:
        """Whether rows may be hidden, so that neither bookmarks nor deletions can be trusted."""
        return bool(self._loss) and not self.is_confirmed

    def check_rights(self) -> None:
        """Raise DeletionError if rows may be hidden that were visible at the last run."""
        if self.hides_rows:
            msg = (
                f"{self._loss}, so rows may be hidden: the bookmark stays where it was and no "
                "deletion is sent. Restore the rights; or, if the missing rows may count as "
                "deleted, run once with confirm_deletions."
            )
            raise DeletionError(msg)

    def check_rights_again(self) -> None:
        """Request the rights again, and raise DeletionError if rows may be hidden by now."""
        try:
            rights = read_rights(self.company)
        except ProcountorError as fault:
            self.rights = fault
        else:
            before = self.rights if isinstance(self.rights, dict) else {}
            self.rights = rights | settings_in(before)
            if rights:
                # Rows that they hide from this run must be read once they are visible again.
                self.known.keep(self.rights, is_confirmed=False)
        self._loss = self._find_loss()
        self.check_rights()

    def allow(self, gone: int, compared: int) -> None:
        """Raise DeletionError if rows may not be declared deleted.

        Args:
            gone: The number of rows.
            compared: The number of the target's rows that were compared.
        """
        self.check_rights()
        if not gone or self.is_confirmed:
            return
        self.check_rights_again()
        is_everything = gone == compared >= _LEAST_SUSPECT
        if is_everything or gone > max(_ALWAYS_ALLOWED, compared * self.max_share):
            msg = (
                f"{gone:,} of {compared:,} rows have vanished since the last run, more than "
                "max_deleted_share allows: no deletion is sent. If they were really deleted, run "
                "once with confirm_deletions."
            )
            raise DeletionError(msg)

    def _find_loss(self) -> str:
        """Return which rights were lost, in words; empty if none."""
        before = self.known.highest
        if isinstance(self.rights, ProcountorError):
            reason = str(self.rights).removesuffix(".")
            is_loss = tells_rights(before)
            return f"The rights of the key's user cannot be read ({reason})" if is_loss else ""
        if tells_rights(before) and not tells_rights(self.rights):
            return "The rights of the key's user can no longer be read"
        if lost := Changes.between(before, self.rights).lost:
            return f"The key's user has lost rights since the last run ({', '.join(lost)})"
        return ""
