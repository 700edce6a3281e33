"""Whether rows that are missing may be declared deleted: asked right before that is sent.

A tombstone is final for those who rely on it. What it goes by is therefore asked for anew at that
moment: the rows themselves (see ``confirmed_gone`` of the streams), then the rights of the user,
which may have been withdrawn in the middle of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.errors import ProcountorError
from tap_procountor.permissions.rights import Changes, read_rights, settings_in, tells_rights

if TYPE_CHECKING:
    from tap_procountor.api.company import Company
    from tap_procountor.permissions.rights import Rights
    from tap_procountor.state.known_rights import KnownRights

#: A few may vanish at once even if they are a large share of what was compared.
_ALWAYS_ALLOWED = 20
#: A table with this many rows does not become empty without a question.
_LEAST_SUSPECT = 3


class DeletionError(ProcountorError):
    """Rows are missing, but it is not certain that they were deleted: no tombstone is sent."""


class DeletionGuard:
    """Decides for a company whether missing rows may be declared deleted.

    Args:
        company: The company.
        known: The rights that the rows in the target were read with.
        rights: The rights and settings at the beginning of the run, or why they cannot be read.
        max_share: The share of the rows compared that may vanish at once.
        is_confirmed: Whether a person has confirmed that what is missing was deleted.
    """

    def __init__(
        self,
        company: Company,
        known: KnownRights,
        rights: Rights | ProcountorError,
        *,
        max_share: float,
        is_confirmed: bool,
    ) -> None:
        self._company = company
        self._known = known
        self._rights = rights
        self._max_share = max_share
        self._is_confirmed = is_confirmed
        self._loss = self._find_loss()

    @property
    def hides_rows(self) -> bool:
        """Whether rows may be hidden, so that neither bookmarks nor deletions can be trusted."""
        return bool(self._loss) and not self._is_confirmed

    def check_rights(self) -> None:
        """Make sure that no row is hidden that was not hidden at the last run.

        Raises:
            DeletionError: If one may be.
        """
        if self.hides_rows:
            msg = (
                f"{self._loss}, so rows may be hidden: the bookmark stays where it was and no "
                "deletion is sent. Restore the rights; or, if the missing rows may count as "
                "deleted, run once with confirm_deletions."
            )
            raise DeletionError(msg)

    def check_rights_again(self) -> None:
        """Make sure that no right has been withdrawn since the run began: it is asked for.

        Raises:
            DeletionError: If one has, so that rows may be hidden.
        """
        self._ask_again()
        self.check_rights()

    def allow(self, gone: int, compared: int) -> None:
        """Let rows be declared deleted, right before that is sent.

        Args:
            gone: How many.
            compared: How many rows of the target were compared.

        Raises:
            DeletionError: If they may not.
        """
        self.check_rights()
        if not gone or self._is_confirmed:
            return
        self.check_rights_again()
        is_everything = gone == compared >= _LEAST_SUSPECT
        if is_everything or gone > max(_ALWAYS_ALLOWED, compared * self._max_share):
            msg = (
                f"{gone:,} of {compared:,} rows have vanished since the last run, more than "
                "max_deleted_share allows: no deletion is sent. If they were really deleted, run "
                "once with confirm_deletions."
            )
            raise DeletionError(msg)

    def _ask_again(self) -> None:
        """Look whether a right has been withdrawn since the run began."""
        try:
            rights = read_rights(self._company)
        except ProcountorError as fault:
            self._rights = fault
        else:
            before = self._rights if isinstance(self._rights, dict) else {}
            self._rights = rights | settings_in(before)
            if rights:
                # What they hide from this run must be read once it can be seen again.
                self._known.keep(self._rights, is_confirmed=False)
        self._loss = self._find_loss()

    def _find_loss(self) -> str:
        """Say what can no longer be read; nothing if all can."""
        before = self._known.highest
        if isinstance(self._rights, ProcountorError):
            reason = str(self._rights).removesuffix(".")
            is_loss = tells_rights(before)
            return f"The rights of the key's user cannot be read ({reason})" if is_loss else ""
        if tells_rights(before) and not tells_rights(self._rights):
            return "The rights of the key's user can no longer be read"
        if lost := Changes.between(before, self._rights).lost:
            return f"The key's user has lost rights since the last run ({', '.join(lost)})"
        return ""
