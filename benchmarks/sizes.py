"""How much is measured: the whole thing, also what takes an hour, a quick look, or just enough to see that it runs."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Size(Enum):
    LONG = "long"
    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"

    def pick(self, full: T, quick: T, smoke: T) -> T:
        return {Size.LONG: full, Size.FULL: full, Size.QUICK: quick, Size.SMOKE: smoke}[self]

    def longest(self, usual: T, long: T) -> T:
        """What takes an hour is measured only when it is asked for."""
        return long if self is Size.LONG else usual
