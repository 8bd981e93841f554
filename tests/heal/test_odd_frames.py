"""Odd frames on every connection of a running store: no loop ends, no feed ends; bars, orders and books stay right."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bars.seam import Hole, HoleCause
from btccxt.model import Bar, ConnectionState, OrderKind, OrderRequest, Side
from btccxt.orders.live_order import LiveOrder
from btccxt.session.events import BarsClosed, FeedEnded, FeedEvent, FeedFailed, FeedRequest
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects import dialect_class
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import DEFAULT_START_MS, SyntheticSource
from tests.exchange.ccxt.odd_json import BODIES, PAGE, spoiled
from tests.heal.kit import QUICK, QUICK_BREAKER, QUICK_ORDERS

MINUTE_MS = 60_000
DIALECTS = ("binance", "bybit", "okx", "kraken", "coinbase", "hyperliquid")
FRAMES: dict[str, str | bytes] = {
    **{name: body for name, (_, body) in BODIES.items() if body},
    "rubbish": bytes(range(256)),
    "a packed page": PAGE.encode(),
    "an answer to nothing": '{"result": null, "id": 424242, "req_id": 424242, "op": "subscribe", "success": true}',
    "an error of Binance's streams": '{"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": 3}',
    "an error of OKX's streams": '{"event": "error", "code": "60012", "msg": "Invalid request", "connId": "a4d3ae55"}',
    "an error of Bybit's streams": '{"success": false, "ret_msg": "Request not authorized", "op": "auth"}',
    "an error of Kraken's streams": '{"error": "Currency pair not supported", "method": "subscribe", "success": false}',
    "an error of Coinbase's streams": '{"type": "error", "message": "authentication failure"}',
    "an error of Hyperliquid's streams": '{"channel": "error", "data": "Invalid subscription"}',
    "another market's candle": json.dumps(
        {"e": "kline", "E": 1767614460000, "s": "NOSUCHUSDT", "k": {"t": 1767614400000, "T": 1767614459999, "s":
         "NOSUCHUSDT", "i": "1m", "o": "-1", "c": "NaN", "h": "1e999", "l": None, "v": "x", "x": True}}
    ),
    "an order of nobody": json.dumps(
        {"e": "executionReport", "s": "NOSUCHUSDT", "c": "web_1", "S": "BUY", "o": "LIMIT", "q": "NaN", "X": "FILLED"}
    ),
    "streams of nothing": '{"stream": "btcusdt@kline_1m", "data": null}',
    "a channel of nothing": '{"channel": "executions", "type": "update", "data": [null, {}, 3], "arg": null}',
    "a topic of nothing": '{"topic": "order", "data": [{"orderId": null}], "arg": {"channel": "orders"}}',
}  # fmt: skip


class Run:
    """A store of one dialect with a feed of bars and the account's streams, quick to find out and to come back."""

    def __init__(self, dialect: str, venue: BackgroundExchange) -> None:
        self.dialect, self.venue = dialect, venue
        self.events: list[FeedEvent] = []
        self.trades: list[Any] = []
        quote = dialect_class(dialect).quote
        self.symbol = f"BTC/{quote}"
        self.store = CCXTStore(
            dialect,
            mode="sim",
            sim_address=str(venue.address),
            journal=":memory:",
            currency=quote,
            streams=QUICK,
            breaker=QUICK_BREAKER,
            tracker=QUICK_ORDERS,
            overrides={"rate": {"pools": {"requests": {"capacity": 1e6, "window_ms": 1_000}}, "weights": {}}},
        )
        self.store.getbroker()
        self.store.start()
        bars = "trades" if dialect == "coinbase" else "candles"
        self.store.open_feed(
            FeedRequest(self.symbol, "1m", bars=bars, quotes=True, order_book=True), self.events.append
        )
        self.store.open_feed(FeedRequest(self.symbol, None), self.trades.append)

    @property
    def bars(self) -> list[Bar]:
        return [bar for event in list(self.events) if isinstance(event, BarsClosed) for bar in event.bars]

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < deadline, f"{self.dialect}: never came: {what} {self.store.health()['tasks']}"
            time.sleep(0.005)

    def loops(self) -> set[str]:
        """Without those of streams, which are grouped anew with each connection; ``live`` looks at them."""
        return {name for name in self.store.health()["tasks"] if not name.startswith("streams")} - {"reconciliation"}

    def live(self) -> bool:
        streams = self.store.health()["streams"]
        return self.store.state is ConnectionState.LIVE and all(each["state"] == "live" for each in streams)

    def order(self, name: str) -> LiveOrder | None:
        return self.store._tracker.order(name)

    def placed(self) -> str:
        name = self.store.next_client_order_id()
        self.store._tracker.submit(
            OrderRequest(name, self.symbol, Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("1000"))
        )
        self.until(lambda: (order := self.order(name)) is not None and order.acknowledged, "the order")
        return name

    def check(self, since: int, name: str) -> None:
        """Bars go on without a hole and are the exchange's; the order stands and can be cancelled; books agree."""
        store = self.store
        count = len(self.bars)
        self.until(lambda: len(self.bars) > count + 2, "bars go on")
        self.until(
            lambda: all(not each["failures_in_a_row"] for each in store.health()["tasks"].values()), "all are well"
        )
        lists = store.profile.trades_listed  # else what a cut trade stream has missed is lost, and told
        allowed = {HoleCause.DEPTH} if lists else {HoleCause.DEPTH, HoleCause.LOST}
        ended = [
            each
            for each in (*self.events, *self.trades)
            if isinstance(each, FeedFailed | FeedEnded) or (isinstance(each, Hole) and each.cause not in allowed)
        ]
        assert ended == []
        bars = self.bars
        opens = [bar.open_ms for bar in bars]
        assert opens == list(range(opens[0], opens[0] + len(opens) * MINUTE_MS, MINUTE_MS))
        true = self.venue.call(lambda sim: sim.venue.history(self.symbol, "1m", opens[0], opens[-1], len(opens)))
        figures = [(bar.open, bar.high, bar.low, bar.close) for bar in true]
        assert [(bar.open, bar.high, bar.low, bar.close) for bar in bars] == figures
        order = self.order(name)
        assert order is not None
        assert order.acknowledged
        assert not order.is_final, order
        assert store._tracker.halted is None
        store._tracker.cancel(name)
        self.until(lambda: (order := self.order(name)) is not None and order.is_final, "the cancel")
        theirs = self.venue.call(lambda sim: dict(sim.engine.balances("main")))
        self.until(
            lambda: all(balance.total == theirs[coin].total for coin, balance in store.balance().items()), "the books"
        )


@pytest.fixture(params=DIALECTS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    dialect = request.param
    quote = dialect_class(dialect).quote
    listings = [each for each in default_listings(quote) if each.market.symbol == f"BTC/{quote}"]
    limits = {"kraken": {"PRIVATE_CALLS": 100_000}} if dialect == "kraken" else None
    venue = BackgroundExchange(
        lambda: SimExchange(
            SyntheticSource(listings, 5, tick_ms=5_000),
            (dialect,),
            speed=120.0,
            seed=5,
            start_ms=DEFAULT_START_MS,
            limits=limits,
            balances={quote: Decimal(1_000_000), "BTC": Decimal(5)},
        )
    )
    with venue:
        made = Run(dialect, venue)
        try:
            made.until(lambda: len(made.bars) > 2 and made.live(), "bars")
            yield made
        finally:
            made.store.stop()


def test_odd_frames_end_nothing_and_change_nothing(run: Run) -> None:
    name, before = run.placed(), run.loops()
    for frame in FRAMES.values():
        run.venue.call(lambda sim, frame=frame: sim.push_frame(frame))
        run.until(run.live, "live")
    for code in (1000, 1002, 1011, 3000, 4999):
        run.venue.call(lambda sim, code=code: sim.cut_connections(close_code=code))
        run.until(run.live, "live")
    run.check(len(run.bars), name)
    assert run.loops() >= before


CREATE_AND_CANCEL = {
    "binance": (("POST", "/api/v3/order"), ("DELETE", "/api/v3/order")),
    "bybit": (("POST", "/v5/order/create"), ("POST", "/v5/order/cancel")),
    "okx": (("POST", "/api/v5/trade/batch-orders"), ("POST", "/api/v5/trade/cancel-order")),
    "kraken": (("POST", "/0/private/AddOrder"), ("POST", "/0/private/CancelOrder")),
    "coinbase": (("POST", "/api/v3/brokerage/orders"), ("POST", "/api/v3/brokerage/orders/batch_cancel")),
    "hyperliquid": (("POST", "/exchange"), ("POST", "/exchange")),
}


def test_an_order_with_odd_answers_is_sent_once_and_cancelled(run: Run) -> None:
    (method, path), (cancel_method, cancel_path) = CREATE_AND_CANCEL[run.dialect]
    store, faults = run.store, run.venue.faults
    for label in ("a page", "nothing", "{}", "null", "half of it", "wrong types", "a gateway's 502"):
        status, body = BODIES[label]
        struck = len(faults.log)
        before = run.venue.call(lambda sim: len(list(sim.engine.orders("main"))))
        faults.add(Fault(FaultKind.ODD_ANSWER, method=method, path=path, status=status, body=body))
        name = run.placed()
        assert len(faults.log) == struck + 1, label
        assert run.venue.call(lambda sim: len(list(sim.engine.orders("main")))) == before + 1, f"{label}: sent once"
        order = run.order(name)
        assert order is not None
        assert not order.is_final, f"{label}: {order}"
        faults.add(Fault(FaultKind.ODD_ANSWER, method=cancel_method, path=cancel_path, status=status, body=body))
        store._tracker.cancel(name)
        run.until(lambda name=name: run.order(name).is_final, f"{label}: the cancel")
        assert len(faults.log) == struck + 2, label
        assert run.venue.call(lambda sim: list(sim.engine.orders("main", open_only=True))) == []
    assert store._tracker.halted is None
    run.check(len(run.bars), run.placed())


def test_spoiled_frames_end_nothing(run: Run) -> None:
    """Of the account: what a market's frame says falsely, and could be true, nobody can tell."""
    rng = random.Random(7)
    private = {"binance": "user", "bybit": "*order*", "okx": "*orders*", "kraken": "*executions*"}
    pattern = private.get(run.dialect, "*user*")
    run.venue.faults.add(
        Fault(FaultKind.MALFORMED, stream=pattern, times=None, change=lambda frame: spoiled(frame, rng))
    )
    names = [run.placed() for _ in range(12)]
    for each in names[1:]:
        run.store._tracker.cancel(each)
    run.until(lambda: all(run.order(each).is_final for each in names[1:]), "the cancels")  # type: ignore[union-attr]
    run.venue.faults.clear()
    run.until(run.live, "live")
    run.check(len(run.bars), names[0])
