"""Tables of cases of which a default run takes a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def mostly_slow(cases: Iterable[Any], by_default: int = 1) -> list[Any]:
    """Mark all cases but the first as slow: they go the same way with other data.

    Args:
        cases: Values for ``parametrize``; tuples for several parameters.
        by_default: How many are not slow.
    """
    marked = []
    for number, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        marks = [pytest.mark.slow] if number >= by_default else []
        marked.append(pytest.param(*values, marks=marks))
    return marked
