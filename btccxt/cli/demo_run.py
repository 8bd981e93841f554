"""What ``btccxt demo`` does: a moving-average strategy trades on the embedded exchange for about a minute.

Nothing here is special: the strategy is plain backtrader, the store is the one that trades live, and between them and
the embedded exchange are real sockets and the unmodified ccxt.pro client.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from rich.console import Console

from btccxt.bt.compat import bt
from btccxt.cli.run_tables import print_books, print_figures, print_orders
from btccxt.cli.screen import RunScreen
from btccxt.errors import ConfigError
from btccxt.runs.report import write_report
from btccxt.runs.state import RunState
from btccxt.sim.options import SimOptions
from btccxt.store.engine import LiveEngine
from btccxt.store.store import CCXTStore

SYMBOL = "BTC/USDT"
START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
SPEED = 180.0  # exchange seconds per second: three one-minute bars per second
HISTORY_BARS = 120
_WIDTH = 118


class MovingAverageDemo(bt.Strategy):
    """Buys with a limit order when the fast average crosses above the slow one, sells at market on the way back."""

    params = (("fast", 5), ("slow", 14), ("share", 0.9), ("live_bars", 120), ("patience_bars", 4))

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))
        self.order: bt.Order | None = None
        self.order_bar = 0
        self.live_bars = 0

    def notify_order(self, order: bt.Order) -> None:
        if not order.alive():
            self.order = None

    def next(self) -> None:
        if self.data._laststatus != self.data.LIVE and not self.live_bars:
            return
        self.live_bars += 1
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

    def _sent(self, order: bt.Order) -> None:
        self.order, self.order_bar = order, len(self)

    def _leave(self) -> None:
        """End flat, so that the whole result is in cash: cancel, wait for the confirmation, sell, stop."""
        if self.order is not None:
            self.cancel(self.order)
        elif self.position:
            self._sent(self.sell(size=self.position.size))
        else:
            self.env.runstop()


def run_demo(
    live_bars: int = 120, speed: float = SPEED, seed: int = 52, output: Path = Path("demo-output"), quiet: bool = False
) -> bool:
    """Run the demo; True when the broker's books equal the exchange's own at the end."""
    console = Console(quiet=quiet)
    if not console.is_terminal:
        console = Console(quiet=quiet, width=_WIDTH)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output {output} cannot be written: {error.strerror or error}") from None
    console.print(
        f"[bold]btccxt demo[/]: {SYMBOL} on the embedded exchange, Binance's dialect over real sockets, "
        f"{speed:g} times faster than the wall clock. The market is drawn by a seed ({seed}; --seed is another one): "
        "nobody chose it to look good."
    )
    if find_spec("matplotlib") is None:
        console.print("there will be no picture: it needs pip install 'btccxt[plot]'", markup=False)
    started = monotonic()
    store = CCXTStore(
        "binance", mode="sim", journal=":memory:", sim=SimOptions(speed=speed, seed=seed, start=START)
    )  # 10,000 USDT
    engine = LiveEngine(
        MovingAverageDemo,
        store=store,
        symbol=SYMBOL,
        params={"live_bars": live_bars},
        data_options={"fromdate": (START - timedelta(minutes=HISTORY_BARS)).replace(tzinfo=None)},
    )
    run = RunState()
    engine.every_record.append(run.apply)
    screen = RunScreen(engine, console, live_bars)
    with screen.shown(), store.kept_open():
        if engine.run() is None:
            return False
        books = store.books_check()
    print_orders(console, run, store.currency)
    print_figures(console, run, store.currency)
    print_books(console, books)
    for file in write_report(run, output / "demo.html"):
        console.print(f"{'page' if file.suffix == '.html' else 'picture'}: [bold]{file}[/]")
    console.print(f"that took {monotonic() - started:.0f} s; your own strategy: btccxt init, then btccxt run")
    return _agree(books)


def _agree(books: Sequence[tuple[str, Decimal, Decimal]]) -> bool:
    return all(ours == theirs for _, ours, theirs in books)
