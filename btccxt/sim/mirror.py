"""The order book as subscribers know it: last published levels, update ids, and what changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from btccxt.model import ZERO

if TYPE_CHECKING:
    from btccxt.matching.engine import Engine

Level = tuple[Decimal, Decimal]  # price, amount


@dataclass(frozen=True, slots=True)
class BookChange:
    """Changed levels of one refresh; amount zero: the level is gone. Ids are contiguous from change to change."""

    symbol: str
    first_id: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    best_changed: bool


class BookMirror:
    """Snapshots and changes come from the same place, so their ids always fit together.

    ``refresh`` tells every listener of a change before it returns: a snapshot taken afterwards never runs ahead of
    the changes that were published.
    """

    def __init__(self, engine: Engine, symbol: str, depth: int = 1000) -> None:
        self.symbol = symbol
        self.update_id = 1
        self.bids: Sequence[Level] = ()
        self.asks: Sequence[Level] = ()
        self.listeners: list[Callable[[BookChange], None]] = []
        self._engine = engine
        self._depth = depth

    @property
    def best_bid(self) -> Level | None:
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        return self.asks[0] if self.asks else None

    def refresh(self) -> BookChange | None:
        """Compare with the engine's book now; None if nothing changed."""
        bids, asks = self._engine.depth(self.symbol, self._depth)
        if bids == self.bids and asks == self.asks:
            return None
        changed_bids, changed_asks = _changes(self.bids, bids), _changes(self.asks, asks)
        best_changed = bids[:1] != self.bids[:1] or asks[:1] != self.asks[:1]
        first_id = self.update_id + 1
        self.update_id += max(1, len(changed_bids) + len(changed_asks))
        self.bids, self.asks = bids, asks
        change = BookChange(self.symbol, first_id, self.update_id, changed_bids, changed_asks, best_changed)
        for listener in self.listeners:
            listener(change)
        return change


def _changes(before: Sequence[Level], after: Sequence[Level]) -> tuple[Level, ...]:
    old, new = dict(before), dict(after)
    gone = [(price, ZERO) for price in old if price not in new]
    return (*(level for level in after if old.get(level[0]) != level[1]), *gone)
