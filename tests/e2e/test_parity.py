"""The same strategy on the same bars, in a plain backtest and through the store: same bars, same signals.

Fills may differ, and for these reasons only: a backtest fills a market order at the next bar's open price, an exchange
at once against the book, level by level; the exchange takes its fee (here in the coin bought, so positions differ by
it); sizes and prices are rounded to the market's steps. When it fills is the same: after the bar that gave the signal.
"""

from __future__ import annotations

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num, num_of_ms
from tests.e2e.kit import START, Row, row
from tests.patient_market import patient_market


class Crossing(bt.Strategy):
    """Long after an upward cross, flat after a downward one; writes down what it saw and decided."""

    params = (("live_only", False), ("last_ms", None), ("bars", None))

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=3), bt.ind.SMA(period=8))
        self.rows: list[Row] = []
        self.signals: list[tuple[int, str, float]] = []
        self.fills: list[tuple[int, float, float]] = []
        self.live = 0

    def notify_order(self, order: bt.Order) -> None:
        if order.status == order.Completed:
            self.fills.append((ms_of_num(order.executed.dt), order.executed.size, order.executed.price))

    def next(self) -> None:
        self.rows.append(row(self.data))
        self.live += self.data._laststatus == self.data.LIVE
        now_ms = self.rows[-1][0]
        if self.cross > 0 and not self.position:
            self.signals.append((now_ms, "buy", round(self.cross[0], 6)))
            self.buy(size=0.01)
        elif self.cross < 0 and self.position:
            self.signals.append((now_ms, "sell", round(self.cross[0], 6)))
            self.close()
        if self.p.bars is not None and self.live >= self.p.bars:
            self.env.runstop()


class Replayed(bt.feed.DataBase):
    """Plain backtrader feed of given rows."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self._rows = iter(rows)

    def _load(self) -> bool:
        for stamp, *prices in self._rows:
            self.lines.datetime[0] = num_of_ms(stamp)
            lines = (self.lines.open, self.lines.high, self.lines.low, self.lines.close, self.lines.volume)
            for line, value in zip(lines, prices, strict=True):
                line[0] = value
            self.lines.openinterest[0] = 0.0
            return True
        return False


@pytest.fixture(scope="module")
def live() -> Crossing:
    store = CCXTStore(
        "binance",
        mode="sim",
        sim={"speed": 300.0, "seed": 11, "start": START, "symbols": ("BTC/USDT",)},
        balance=10_000,
    )
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, backfill_start=False))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(Crossing, bars=60)
    with patient_market():
        return cerebro.run()[0]


@pytest.fixture(scope="module")
def backtest(live: Crossing) -> Crossing:
    cerebro = bt.Cerebro(stdstats=False)
    # The first seven bars warmed the average up without next(); rows holds the bars since then.
    warm_up = [_row_at(live, ago) for ago in range(len(live.data) - 1, len(live.rows) - 1, -1)]
    cerebro.adddata(Replayed(warm_up + live.rows))
    cerebro.broker.setcash(10_000)
    cerebro.broker.setcommission(commission=0.001)
    cerebro.addstrategy(Crossing)
    return cerebro.run()[0]


def _row_at(strategy: Crossing, ago: int) -> Row:
    data = strategy.data
    lines = (data.open, data.high, data.low, data.close, data.volume)
    return (ms_of_num(data.datetime[-ago]), *(line[-ago] for line in lines))


@pytest.mark.slow
def test_both_saw_the_same_bars(live, backtest):
    assert backtest.rows == live.rows
    assert len(live.rows) > 50


def test_both_gave_the_same_signals(live, backtest):
    assert backtest.signals == live.signals
    assert {side for _, side, _ in live.signals} == {"buy", "sell"}


def test_fills_follow_the_same_signals_and_differ_only_in_price_and_fee(live, backtest):
    pairs = list(zip(live.fills, backtest.fills, strict=False))
    assert len(pairs) >= len(live.signals) - 1
    for (live_ms, live_size, live_price), (_, size, price) in pairs:
        assert live_size == pytest.approx(size, rel=0.0011)  # the fee in coins, floored to a step
        assert live_price == pytest.approx(price, rel=0.01)
        assert any(signal_ms <= live_ms < signal_ms + 60_000 for signal_ms, *_ in live.signals)
