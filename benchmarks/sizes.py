"""How much is measured: the whole thing, a quick look, or just enough to see that it runs."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Size(Enum):
    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"

    def pick(self, full: T, quick: T, smoke: T) -> T:
        return {Size.FULL: full, Size.QUICK: quick, Size.SMOKE: smoke}[self]
