"""Says when a strategy falls behind what its feeds bring, how far, and when it has caught up. Pure."""

from __future__ import annotations

from collections.abc import Callable

from btccxt.notices import NoticeKind, StoreNotice, StrategyLag
from btccxt.observe.metrics import metrics

WORTH_SAYING_S = 1.0
_CAUGHT_UP_S = 0.25


class LagWatch:
    """One per feed. Said at ``worth_saying_s``, then at every doubling, then once when it is over."""

    def __init__(self, feed: str, tell: Callable[[StoreNotice], None], worth_saying_s: float = WORTH_SAYING_S) -> None:
        self._feed = feed
        self._tell = tell
        self._first_s = self._next_s = worth_saying_s

    def read(self, lag_s: float, waiting: int) -> None:
        """The strategy reads what arrived ``lag_s`` ago, while ``waiting`` more arrivals queue behind it."""
        metrics().strategy_lag(lag_s)
        if lag_s >= self._next_s:
            self._next_s = 2 * lag_s
            text = (
                f"{self._feed}: the strategy is {lag_s:.1f} s behind; {waiting} arrivals wait, nothing is lost. What "
                "next() does takes longer than the bars"
            )
            self._tell(StoreNotice(NoticeKind.STRATEGY_LAG, text, StrategyLag(self._feed, lag_s, waiting)))
        elif self._next_s > self._first_s and lag_s <= _CAUGHT_UP_S and not waiting:
            self._next_s = self._first_s
            lag = StrategyLag(self._feed, lag_s, 0, caught_up=True)
            self._tell(StoreNotice(NoticeKind.STRATEGY_LAG, f"{self._feed}: the strategy has caught up", lag))
