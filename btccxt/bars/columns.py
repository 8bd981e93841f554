"""Many bars as numpy columns, for whatever handles them in bulk: the lake, preloading, studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from btccxt.model import Bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRICES = ("open", "high", "low", "close", "volume")
FIELDS = ("open_ms", *PRICES)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Bars, oldest first. ``open_ms`` are int64 (UTC), the rest float64; read-only where they lie in a mapped file."""

    open_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_ms)

    @classmethod
    def empty(cls) -> Columns:
        return cls.of(())

    @classmethod
    def of(cls, bars: Sequence[Bar]) -> Columns:
        """The same bars as columns."""
        import numpy as np

        columns: list[Any] = [np.fromiter(map(attrgetter("open_ms"), bars), np.int64, len(bars))]
        columns += [np.fromiter(map(attrgetter(name), bars), np.float64, len(bars)) for name in PRICES]
        return cls(*columns)

    def bars(self) -> list[Bar]:
        """The same as records."""
        return list(map(Bar, *(getattr(self, name).tolist() for name in FIELDS)))

    def between(self, from_ms: int, to_ms: int) -> Columns:
        """Those with ``from_ms <= open_ms < to_ms``; no copy."""
        first, end = self.open_ms.searchsorted((from_ms, to_ms)).tolist()
        return self if first == 0 and end == len(self) else self[first:end]

    def __getitem__(self, part: slice) -> Columns:
        return Columns(*(getattr(self, name)[part] for name in FIELDS))

    def same_as(self, other: Columns) -> bool:
        """Whether every value is the same, to the last bit."""
        return len(self) == len(other) and all(
            getattr(self, name).tobytes() == getattr(other, name).tobytes() for name in FIELDS
        )


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns that follow each other as one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    return (
        Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))
        if parts
        else Columns.empty()
    )
