"""Medians and percentiles of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "median_of", "percentile"]


def percentile(values: Sequence[float], pct: float) -> float:
    """The smallest value that ``pct`` per cent of all do not exceed; raises ValueError where nothing was measured."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * pct / 100))]


def median_of(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Column by column."""
    return tuple(median(column) for column in zip(*rows, strict=True))
