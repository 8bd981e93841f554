"""``btccxt demo``: a moving-average strategy trades on the embedded exchange for about a minute.

Nothing here is special: the strategy is plain backtrader, the store is the one that trades live, and between them and
the embedded exchange are real sockets and the unmodified ccxt.pro client.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from btccxt.bt.compat import bt
from btccxt.cli.report import ProgressLine, RunRecorder, draw, print_books, print_orders
from btccxt.sim.options import SimOptions
from btccxt.store.store import CCXTStore

SYMBOL = "BTC/USDT"
START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
SPEED = 180.0  # exchange seconds per second: three one-minute bars per second
HISTORY_BARS = 120


class MovingAverageDemo(bt.Strategy):
    """Buys with a limit order when the fast average crosses above the slow one, sells at market on the way back."""

    params = (("fast", 5), ("slow", 14), ("share", 0.6), ("live_bars", 120), ("patience_bars", 4), ("say", None))

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))
        self.order = None
        self.order_bar = 0
        self.live_bars = 0
        self.is_live = False
        self.orders_sent = self.fills = 0

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        self.is_live = status == data.LIVE
        self._say(f"{data._dataname}: {data._getstatusname(status)}")

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self._say(str(msg))

    def notify_order(self, order: Any) -> None:
        if order.status in (order.Partial, order.Completed):
            self.fills += 1
        if not order.alive():
            self.order = None

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self._say(f"trade closed: {trade.pnlcomm:+,.2f} after fees")

    def next(self) -> None:
        if not self.is_live:
            return
        self.live_bars += 1
        self._progress()
        if self.live_bars >= self.p.live_bars:
            self._leave()
        elif self.order is not None:
            if len(self) - self.order_bar > self.p.patience_bars:
                self.cancel(self.order)
        elif self.cross > 0 and not self.position:
            size = self.p.share * self.broker.getvalue() / self.data.close[0]
            self._sent(self.buy(size=size, exectype=bt.Order.Limit, price=self.data.close[0] * 1.0004))
        elif self.cross < 0 and self.position:
            self._sent(self.sell(size=self.position.size))

    def _sent(self, order: Any) -> None:
        self.order, self.order_bar = order, len(self)
        self.orders_sent += 1

    def _leave(self) -> None:
        """End flat, so that the whole result is in cash: cancel, wait for the confirmation, sell, stop."""
        if self.order is not None:
            self.cancel(self.order)
        elif self.position:
            self._sent(self.sell(size=self.position.size))
        else:
            self.env.runstop()

    def _progress(self) -> None:
        bar = min(self.live_bars, self.p.live_bars)  # a few more may be needed to end flat
        self._say(
            f"{self.data.datetime.datetime(0):%H:%M} {SYMBOL} {self.data.close[0]:>10,.2f}   "
            f"bar {bar:>3}/{self.p.live_bars}   orders {self.orders_sent:>2}   fills {self.fills:>3}   "
            f"position {self.position.size:.5f}   equity {self.broker.getvalue():>10,.2f}",
            progress=True,
        )

    def _say(self, text: str, progress: bool = False) -> None:
        if self.p.say is not None:
            self.p.say(text, progress)


def run_demo(
    live_bars: int = 120, speed: float = SPEED, seed: int = 52, output: Path = Path("demo-output"), quiet: bool = False
) -> bool:
    """Run the demo; True when the broker's books equal the exchange's own at the end."""
    console = Console(quiet=quiet)
    if not console.is_terminal:
        console = Console(quiet=quiet, width=118)
    console.print(
        f"[bold]btccxt demo[/]: {SYMBOL} on the embedded exchange, Binance's dialect over real sockets, "
        f"{speed:g} times faster than the wall clock"
    )
    started = monotonic()
    store = CCXTStore(
        "binance",
        mode="sim",
        balance={"USDT": 2_000_000},
        journal=":memory:",
        sim=SimOptions(speed=speed, seed=seed, start=START),
    )
    cerebro = bt.Cerebro()
    cerebro.adddata(
        store.getdata(
            dataname=SYMBOL,
            timeframe=bt.TimeFrame.Minutes,
            compression=1,
            fromdate=(START - timedelta(minutes=HISTORY_BARS)).replace(tzinfo=None),
        )
    )
    cerebro.setbroker(store.getbroker())
    cerebro.addanalyzer(RunRecorder, _name="run")
    with ProgressLine(console) as line:
        cerebro.addstrategy(MovingAverageDemo, live_bars=live_bars, say=line.say)
        with store.kept_open():
            strategy = cerebro.run()[0]
            books = store.books_check()
    recorder = strategy.analyzers.run
    print_orders(console, recorder, store.currency)
    _print_result(console, recorder, store.currency)
    print_books(console, books)
    picture = draw(
        recorder,
        output / "demo.png",
        f"{SYMBOL}, one-minute bars: SMA {strategy.p.fast}/{strategy.p.slow} through CCXTStore('binance', mode='sim')",
        store.currency,
    )
    console.print(f"picture: [bold]{picture}[/]   ({monotonic() - started:.0f} s)")
    return all(ours == theirs for _, ours, theirs in books)


def _print_result(console: Console, recorder: RunRecorder, currency: str) -> None:
    first, last = recorder.bars[0], recorder.bars[-1]
    change = last.value - first.value
    live = sum(bar.live for bar in recorder.bars)
    console.print(
        f"equity {first.value:,.2f} -> {last.value:,.2f} {currency} ({change:+,.2f}, {change / first.value:+.2%})   "
        f"market {last.close / first.close - 1:+.2%}   "
        f"{live} live bars after {len(recorder.bars) - live} of history"
    )
