"""A store on an embedded exchange whose network is broken on purpose, and the comparison of what came through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.model import ConnectionState, StreamKind
from btccxt.orders.policy import TrackerPolicy
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.session.streams import StreamPolicy
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource

MINUTE_MS = 60_000
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
Row = tuple[int, float, float, float, float, float]

# Everything an outage is judged by, a hundred times quicker than in earnest.
QUICK = StreamPolicy(
    silence_ms={StreamKind.BARS: 60_000, StreamKind.TRADES: 120_000},
    least_silence_s=1.0,
    most_silence_s=4.0,
    check_every_s=0.05,
    open_within_s=2.0,
    proven_after_s=0.3,
    recover_after_s=0.3,
    told_within_s=0.5,
    backoff=Backoff(first_s=0.01, start_s=0.05, factor=1.5, max_s=0.5),
)
QUICK_BREAKER = BreakerPolicy(open_s=0.2, max_open_s=1.0)
QUICK_ORDERS = TrackerPolicy(
    private_stream_silent_s=2.0, open_orders_fast_s=0.5, in_flight_check_s=0.2, visibility_delay_s=0.2,
    fills_first_wait_s=0.05, resolve_first_s=0.05, send_backoff_s=0.05,
)  # fmt: skip


def exchange(
    speed: float = 240.0, seed: int = 5, dialect: str = "binance", symbols: tuple[str, ...] = SYMBOLS, **options: Any
) -> BackgroundExchange:
    listings = [listing for listing in default_listings() if listing.market.symbol in symbols]
    return BackgroundExchange(
        lambda: SimExchange(
            SyntheticSource(listings, seed, tick_ms=5_000),
            (dialect,),
            speed=speed,
            seed=seed,
            balances={"USDT": Decimal(1_000_000), "BTC": Decimal(5)},
            **options,
        )
    )


def store_on(background: BackgroundExchange, dialect: str = "binance", **options: Any) -> CCXTStore:
    given = {"streams": QUICK, "breaker": QUICK_BREAKER, "tracker": QUICK_ORDERS, **options}
    return CCXTStore(dialect, mode="sim", sim_address=str(background.address), **given)


class Diary(bt.Strategy):
    """Writes down bars, trades, fills and news; trades a little all the time; stops when it is told to."""

    params = (("trade_every", 4), ("each_bar", None))

    def __init__(self) -> None:
        self.rows: dict[int, list[Row]] = {number: [] for number in range(len(self.datas))}
        self.seen = [0] * len(self.datas)
        self.data_news: list[tuple[str, str]] = []
        self.store_news: list[Any] = []
        self.fills: list[tuple[str, Decimal, Decimal]] = []
        self.ends: list[str] = []
        self.live_bars = 0
        self.enough = threading.Event()

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        self.data_news.append((data._dataname, data._getstatusname(status)))

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.store_news.append(msg)

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.ends.append(order.getstatusname())

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for number, data in enumerate(self.datas):
            if len(data) > self.seen[number]:
                self.seen[number] = len(data)
                figures = (data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0])
                self.rows[number].append((ms_of_num(data.datetime[0]), *figures))
        data = self.datas[0]
        if data._laststatus == data.LIVE:
            self.live_bars += 1
        if self.p.each_bar is not None:
            self.p.each_bar(self)
        if self.p.trade_every and self.live_bars and len(data) % self.p.trade_every == 0:
            (self.sell if self.getposition(data).size > 5.005 else self.buy)(data=data, size=0.003)
        if self.enough.is_set():
            self.env.runstop()


class Run:
    """A strategy in a thread of its own, so that the test can break things meanwhile."""

    def __init__(
        self, store: CCXTStore, *datas: Any, broker: bool = True, strategy: type[Any] = Diary, **params: Any
    ) -> None:
        self.store = store
        self._cerebro = bt.Cerebro(stdstats=False)
        for data in datas:
            self._cerebro.adddata(data)
        if broker:
            self._cerebro.setbroker(store.getbroker())
        self._cerebro.addstrategy(strategy, **params)
        self._failure: BaseException | None = None
        self._diary: Diary | None = None
        self._thread = threading.Thread(target=self._run, name="strategy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._cerebro.run()
        except BaseException as failure:  # noqa: BLE001 - raised where the test waits
            self._failure = failure

    @property
    def diary(self) -> Diary:
        self.until(lambda: bool(getattr(self._cerebro, "runningstrats", ())), "strategy runs")
        return self._cerebro.runningstrats[0]

    def until(self, condition: Callable[[], object], what: str, patience_s: float = 60.0) -> None:
        """Poll; fails with the store's own words if it takes too long."""
        deadline = time.monotonic() + patience_s
        while not condition():
            if self._failure is not None:
                raise self._failure
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {patience_s:g} s for: {what}. {self.store.health()}")
            time.sleep(0.01)

    def healthy(self) -> bool:
        return self.store.state is ConnectionState.LIVE

    def until_live(self, bars: int = 1) -> None:
        self.until(lambda: self.diary.live_bars >= bars and self.healthy(), "live bars")

    def more_bars(self, count: int = 2) -> None:
        wanted = self.diary.live_bars + count
        self.until(lambda: self.diary.live_bars >= wanted, f"{count} more live bars")

    def finish(self) -> Diary:
        diary = self.diary
        diary.enough.set()
        self._thread.join(100)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the strategy would not end"
        return diary


def history_of(background: BackgroundExchange, symbol: str, first_stamp_ms: int, last_stamp_ms: int) -> list[Row]:
    """The exchange's own 1m bars, stamped at their close."""
    count = (last_stamp_ms - first_stamp_ms) // MINUTE_MS + 1
    bars = background.call(
        lambda sim: sim.venue.history(symbol, "1m", first_stamp_ms - MINUTE_MS, last_stamp_ms - MINUTE_MS, count)
    )
    return [(bar.open_ms + MINUTE_MS, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]


def check_bars(background: BackgroundExchange, diary: Diary, symbols: tuple[str, ...] = SYMBOLS) -> int:
    """Every bar of the exchange between the first and the last seen, once, in order. Returns how many."""
    total = 0
    for number, symbol in enumerate(symbols):
        rows = diary.rows[number]
        wanted = history_of(background, symbol, rows[0][0], rows[-1][0])
        assert [row[0] for row in rows] == [row[0] for row in wanted], f"{symbol}: lost, doubled or out of order"
        assert rows == wanted, f"{symbol}: other figures than the exchange's"
        total += len(rows)
    return total


def check_fills(background: BackgroundExchange, store: CCXTStore) -> int:
    """Our books, order by order and coin by coin, are the exchange's. Returns the number of fills."""
    theirs = background.call(lambda sim: sim.engine.fills("main"))
    tracker = store._open_session.tracker
    assert tracker is not None
    ours = [fill for order in tracker._register.orders.values() for fill in order.fills.values()]
    assert len({(fill.symbol, fill.trade_id) for fill in ours}) == len(ours)
    assert sorted(map(_trade, ours)) == sorted(map(_trade, theirs))  # dialects spell trade ids in their own ways
    books = store.books_check()
    assert all(mine == exchange for _, mine, exchange in books), books
    return len(theirs)


def _trade(fill: Any) -> tuple[int, str, str, Decimal, Decimal]:
    return fill.time_ms, fill.symbol, fill.side.value, fill.price, fill.amount
