"""A store without an exchange: feeds are scripted, events come from a producer thread, cerebro is the real one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.bt.time import ms_of_num
from btccxt.model import Bar, ConnectionState, Trade
from btccxt.session.events import BarsClosed, FeedEnded, FeedEvent, FeedRequest, FeedState

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC, a Monday
BOUND_S = 60.0
"""How long a test waits for something that should happen at once on an idle machine."""

LIVE = FeedState(ConnectionState.LIVE)
ENDED = FeedEnded("end of script")


def make_bars(count: int, start_ms: int = START_MS, length_ms: int = MINUTE_MS, price: float = 100.0) -> list[Bar]:
    """Bars that are all different: close = price + index."""
    return [
        Bar(start_ms + index * length_ms, price + index - 0.5, price + index + 1, price + index - 1, price + index, 1.0)
        for index in range(count)
    ]


def closed(*bars: Bar) -> BarsClosed:
    return BarsClosed(tuple(bars))


def wait_until(condition: Callable[[], Any], what: str = "condition") -> None:
    """Poll; AssertionError after a generous bound."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {BOUND_S} s: {what}"
        time.sleep(0.001)


class FakeClock:
    """The exchange's clock: stands still at ``ms``, or runs with the computer's after ``run()``."""

    def __init__(self, ms: float = START_MS) -> None:
        self._base_ms, self._since_s = ms, None

    def set(self, ms: float) -> None:
        self._base_ms, self._since_s = ms, None

    def run(self, ms: float) -> None:
        self._base_ms, self._since_s = ms, time.monotonic()

    def now_ms(self) -> float:
        running_ms = 0.0 if self._since_s is None else (time.monotonic() - self._since_s) * 1000
        return self._base_ms + running_ms


class FakeFeed:
    """One open feed: ``send`` may be called from any thread."""

    def __init__(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> None:
        self.request = request
        self.send = sink
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class FakeStore:
    """Feeds, history and notifications as a CCXTStore would give them."""

    name = "fakex"

    def __init__(self, offered: Collection[str] = ("1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w", "1M")) -> None:
        self.offered = offered
        self.clock = FakeClock()
        self.past: dict[str, Sequence[Bar] | Sequence[Trade]] = {}
        self.requests: list[FeedRequest] = []
        self.feeds: dict[str, FakeFeed] = {}
        self.arrivals: deque[Any] = deque()
        self.notifs: deque[Any] = deque()
        self.calls: list[str] = []
        self.cerebro_loop: Any = None
        self.cerebro: Any = None
        self.producer_error: BaseException | None = None
        self._script: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None

    # what CCXTData needs

    def timeframes(self) -> Collection[str]:
        return self.offered

    def open_feed(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> FakeFeed:
        self.requests.append(request)
        feed = self.feeds[request.symbol] = FakeFeed(request, sink)
        return feed

    def history(self, request: FeedRequest) -> Sequence[Bar] | Sequence[Trade]:
        self.requests.append(request)
        return self.past[request.symbol]

    def now_ms(self) -> float:
        return self.clock.now_ms()

    def wall_s(self, exchange_ms: float) -> float:
        return exchange_ms / 1000

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.notifs.append((msg, args, kwargs))

    # what cerebro needs

    @property
    def has_news(self) -> bool:
        return bool(self.notifs)

    def get_notifications(self) -> list[Any]:
        self.cerebro_loop.poll(self)
        return [self.notifs.popleft() for _ in range(len(self.notifs))]

    def start(self) -> None:
        self.calls.append("start")
        if self._script is not None:
            self._thread = threading.Thread(target=self._produce, name="producer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self.calls.append("stop")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(BOUND_S)
            assert not self._thread.is_alive(), "the producer thread did not end"

    # what a test needs

    def getdata(self, dataname: str = "BTC/USDT", **kwargs: Any) -> Any:
        kwargs.setdefault("timeframe", bt.TimeFrame.Minutes)
        data_class: Any = CCXTData
        return data_class(source=self, dataname=dataname, **kwargs)

    def play(self, script: Callable[[], None]) -> None:
        """Run ``script`` in a thread of its own as soon as cerebro starts the store."""
        self._script = script

    def send(self, symbol: str, *events: FeedEvent) -> None:
        """Hand events to an open feed; waits until it is open."""
        wait_until(lambda: symbol in self.feeds, f"feed of {symbol} opened")
        for event in events:
            self.feeds[symbol].send(event)

    def _produce(self) -> None:
        assert self._script is not None
        try:
            self._script()
        except BaseException as error:  # noqa: BLE001 - shown by run()
            self.producer_error = error
            self.cerebro.runstop()


class Seen(bt.Strategy):
    """Writes down everything it is told, in order."""

    params = (("log", None), ("on_next", None))

    def write(self, *entry: Any) -> None:
        self.p.log.append(entry)

    def _bars(self, kind: str) -> None:
        self.write(
            kind, tuple((len(data), stamp_ms(data), data.close[0]) if len(data) else None for data in self.datas)
        )
        if self.p.on_next is not None:
            self.p.on_next(self)

    def prenext(self) -> None:
        self._bars("prenext")

    def next(self) -> None:
        self._bars("next")

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        self.write("data", data._dataname, data._getstatusname(status), *args)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.write("store", msg)

    def stop(self) -> None:
        self.write("stop")


def newest(data: Any) -> tuple[int, int, float] | None:
    return (len(data), stamp_ms(data), data.close[0]) if len(data) else None


def naive(*parts: int) -> datetime:
    """A moment as backtrader's users write it: without a zone."""
    return datetime(*parts, tzinfo=timezone.utc).replace(tzinfo=None)  # type: ignore[arg-type,misc]


def stamp_ms(data: Any, ago: int = 0) -> int:
    return ms_of_num(data.datetime[ago])


class FakeBroker(bt.BrokerBase):
    """Fills one order when the event 'filled' arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: deque[Any] = deque()
        self.notifs: deque[Any] = deque()
        self.order: Any = None
        self.startingcash = 1000.0

    def getcash(self) -> float:
        return 1000.0

    def getvalue(self, datas: Any = None) -> float:
        return 1000.0

    def getposition(self, data: Any, clone: bool = True) -> Any:
        return bt.Position()

    def buy(self, owner: Any, data: Any, size: float, **kwargs: Any) -> Any:
        self.order = bt.BuyOrder(owner=owner, data=data, size=size, exectype=bt.Order.Market, simulated=True)
        return self.order

    def next(self) -> None:
        while self.arrivals:
            assert self.arrivals.popleft() == "filled"
            self.order.completed()
            self.notifs.append(self.order)

    def get_notification(self) -> Any:
        return self.notifs.popleft() if self.notifs else None


class Run:
    """One cerebro run with its log."""

    strategy_class = Seen

    def __init__(self, *stores: FakeStore, cerebro: Any = None, **strategy: Any) -> None:
        self.stores = stores
        self.cerebro = cerebro or bt.Cerebro(stdstats=False)
        for store in stores:
            store.cerebro = self.cerebro
        self.log: list[tuple[Any, ...]] = []
        self.cerebro.addstrategy(strategy.pop("strategy", Seen), log=self.log, **strategy)

    def go(self, **kwargs: Any) -> Run:
        self.result = self.cerebro.run(**kwargs)
        for store in self.stores:
            if store.producer_error is not None:
                raise store.producer_error
        return self

    def kinds(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.log if entry[0] in kinds]

    @property
    def bars(self) -> list[Any]:
        """Per call of next or prenext: (length, stamp in ms, close) of each data."""
        return [entry[1] for entry in self.kinds("next", "prenext")]

    def statuses(self, symbol: str = "BTC/USDT") -> list[str]:
        return [entry[2] for entry in self.kinds("data") if entry[1] == symbol]

    @property
    def store_messages(self) -> list[str]:
        return [str(entry[1]) for entry in self.kinds("store")]
