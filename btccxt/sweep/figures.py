"""The figures of one backtest: recorded bar by bar by an analyzer that is quick, worked out when the run is over."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.sweep.records import StudyTrade

FIGURES = (
    "profit",
    "profit_pct",
    "hold_pct",
    "max_drawdown_pct",
    "sharpe",
    "trades",
    "win_rate_pct",
    "profit_factor",
    "fees",
    "end_value",
    "bars",
)
"""Every run's. ``sharpe``: of daily returns, per year of 365 days; ``hold_pct``: the first symbol, bought and held."""
_DAYS_A_YEAR = 365


class FigureRecorder(bt.Analyzer):
    """Values and closed trades of a run."""

    def start(self) -> None:
        self._values, self._stamps = array("d"), array("d")
        self._value = self.strategy.broker.getvalue
        self._line = self.strategy.data.datetime
        self._start_value = self._value()
        self._sizes: dict[int, float] = {}
        self._fees: dict[int, float] = {}
        self.trades: list[StudyTrade] = []

    def next(self) -> None:
        self._values.append(self._value())
        self._stamps.append(self._line[0])

    prenext = nextstart = next

    def notify_trade(self, trade: bt.Trade) -> None:
        ref, size = trade.ref, trade.size
        self._fees[ref] = trade.commission
        if abs(size) > abs(self._sizes.get(ref, 0.0)):
            self._sizes[ref] = size
        if trade.isclosed:
            self.trades.append(
                StudyTrade(
                    trade.data._dataname, ms_of_num(trade.dtopen), ms_of_num(trade.dtclose),
                    self._sizes.pop(ref, 0.0), trade.price, trade.pnlcomm, trade.commission, trade.barlen,
                )
            )  # fmt: skip

    def figures(self) -> dict[str, float | None]:
        """By the names of ``FIGURES``; None where there is nothing to divide by."""
        import numpy as np

        values = np.frombuffer(self._values, np.float64) if self._values else np.array([self._start_value])
        start, end = self._start_value, float(values[-1])
        profits = [trade.profit for trade in self.trades]
        gained = sum(profit for profit in profits if profit > 0)
        lost = -sum(profit for profit in profits if profit < 0)
        won = sum(profit > 0 for profit in profits)
        peaks = np.maximum(np.maximum.accumulate(values), start)
        return {
            "profit": end - start,
            "profit_pct": 100 * (end / start - 1) if start else None,
            "hold_pct": self._hold_pct(),
            "max_drawdown_pct": float((100 * (1 - values / peaks)).max()) if start > 0 else None,
            "sharpe": self._sharpe(),
            "trades": float(len(profits)),
            "win_rate_pct": 100 * won / len(profits) if profits else None,
            "profit_factor": gained / lost if lost else None,
            "fees": sum(self._fees.values()),
            "end_value": end,
            "bars": float(len(self._values)),
        }

    def _hold_pct(self) -> float | None:
        closes = self.strategy.data.close.array
        first = next((close for close in closes if close == close), None)
        last = self.strategy.data.close[0] if len(self.strategy.data) else None
        return 100 * (last / first - 1) if first and last is not None else None

    def _sharpe(self) -> float | None:
        import numpy as np

        if not self._values:
            return None
        days = np.floor(np.frombuffer(self._stamps, np.float64) - 1e-9)  # a bar that closes at midnight is of its day
        ends = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
        values = np.frombuffer(self._values, np.float64)[ends]
        before = np.concatenate(([self._start_value], values[:-1]))
        if len(values) < 2 or not (before > 0).all():
            return None
        returns = values / before - 1
        deviation = float(returns.std(ddof=1))
        return float(returns.mean()) / deviation * math.sqrt(_DAYS_A_YEAR) if deviation > 0 else None


def flattened(name: str, found: Any) -> Iterator[tuple[str, float | None]]:
    """The numbers of an analyzer as columns: ``DrawDown.max.drawdown``. What is no number is left out."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from flattened(f"{name}.{key}", value)
    elif isinstance(found, (bool, int, float)):
        yield name, float(found) if math.isfinite(found) else None
    elif found is None:
        yield name, None
