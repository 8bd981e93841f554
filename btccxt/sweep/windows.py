"""The stretches of history that a study looks at: where it searches, and where it tests what it found. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from btccxt.bars.offline import iso
from btccxt.bars.segments import Range
from btccxt.errors import ConfigError
from btccxt.timeframe import duration_ms

_MOST_WINDOWS = 1_000


class Part(str, Enum):
    """Which side of a window a run is on."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Window:
    """The search sees ``train`` alone; the best of it are run on ``test`` (None: there is none), which follows it."""

    number: int
    train: Range
    test: Range | None = None

    def range(self, part: Part) -> Range:
        found = self.train if part is Part.TRAIN else self.test
        assert found is not None
        return found


def whole(span: Range) -> tuple[Window, ...]:
    """One window without a test."""
    return (Window(0, span),)


def out_of_sample(span: Range, kept: str | float) -> tuple[Window, ...]:
    """One window whose end is kept for the test: a share of the span (0.25), or a length of time ('30d').

    Raises ConfigError.
    """
    length_ms = span.to_ms - span.from_ms
    share = _number(kept)
    if share is not None:
        if not 0 < share < 1:
            raise ConfigError(f"out of sample: {kept} is no share; write it as 0.25, or as a length of time like 30d")
        test_ms = round(length_ms * share)
    else:
        test_ms = duration_ms(str(kept))
        if not 0 < test_ms < length_ms:
            raise ConfigError(f"out of sample: {kept} leaves nothing to search in: the study has {_days(length_ms)}")
    split_ms = span.to_ms - test_ms
    return (Window(0, Range(span.from_ms, split_ms), Range(split_ms, span.to_ms)),)


def walk_forward(span: Range, lengths: str) -> tuple[Window, ...]:
    """Windows of '90d/30d': 90 days to search, the 30 after them to test, each window 30 days after the one before.

    What is left at the end, too short for a test, is not used. Raises ConfigError.
    """
    first, separator, second = str(lengths).partition("/")
    if not separator:
        raise ConfigError(f"walk forward: {lengths!r}: write it as 90d/30d: the search's length / the test's")
    train_ms, test_ms = duration_ms(first), duration_ms(second)
    length_ms = span.to_ms - span.from_ms
    if train_ms <= 0 or test_ms <= 0:
        raise ConfigError(f"walk forward: {lengths!r}: both lengths must be more than nothing")
    count = (length_ms - train_ms) // test_ms
    if count < 1:
        raise ConfigError(
            f"walk forward: {lengths} does not fit into {_days(length_ms)} ({iso(span.from_ms)} to {iso(span.to_ms)})"
        )
    if count > _MOST_WINDOWS:
        raise ConfigError(f"walk forward: {lengths} makes {count:,} windows; at most {_MOST_WINDOWS:,}")
    windows = []
    for number in range(count):
        from_ms = span.from_ms + number * test_ms
        split_ms = from_ms + train_ms
        windows.append(Window(number, Range(from_ms, split_ms), Range(split_ms, split_ms + test_ms)))
    return tuple(windows)


def _number(given: str | float) -> float | None:
    try:
        number = float(given)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _days(length_ms: int) -> str:
    return f"{length_ms / 86_400_000:,.1f} days"
