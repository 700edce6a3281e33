"""Money as whole cents inside, exact decimals outside; never a float."""

from __future__ import annotations

from decimal import Decimal


def euros(cents: int) -> Decimal:
    """Return cents as a decimal that keeps its trailing zeros: 150 becomes 1.50."""
    return Decimal(cents).scaleb(-2)


def per_mille(cents: int, rate: int) -> int:
    """Return a share of an amount, rounded half away from zero."""
    return divide(cents * rate, 1000)


def divide(numerator: int, denominator: int) -> int:
    """Divide by a positive number and round half away from zero."""
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded
