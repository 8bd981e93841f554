"""Backtrader keeps a copy of every order it has told of, and every trade, to the end of the run; a bot runs for years.

It reads neither again but the last trade of each number, so what is old can go.
"""

from __future__ import annotations

from collections import deque

from btccxt.bt.compat import bt

KEPT = 10_000
"""Ended orders, notifications, closed trades: the latest of each, of which a strategy may still ask."""


def bound_notifications(strategy: bt.Strategy) -> None:
    """From now on the strategy keeps the latest ones only. Idempotent, and quick enough for every order."""
    if type(strategy._orders) is list:
        strategy._orders = deque(strategy._orders, maxlen=KEPT)


def forget_trades(strategy: bt.Strategy) -> None:
    """The oldest closed trades beyond ``KEPT``; of each number that is in use the last one stays."""
    for by_number in strategy._trades.values():
        for trades in by_number.values():
            del trades[:-KEPT]
        closed = [number for number, trades in by_number.items() if trades and trades[-1].isclosed]
        for number in closed[: max(0, len(by_number) - KEPT)]:
            del by_number[number]
