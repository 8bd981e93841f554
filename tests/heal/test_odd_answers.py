"""One odd answer to each read of a running store costs an attempt: no loop ends; bars, orders and books stay right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from btccxt import CCXTStore
from btccxt.bars.seam import Hole
from btccxt.errors import Fatal
from btccxt.model import Bar, OrderKind, OrderRequest, Side
from btccxt.notices import NoticeKind, StoreNotice
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy
from btccxt.session.events import BarsClosed, FeedEnded, FeedEvent, FeedFailed, FeedRequest
from btccxt.session.streams import StreamPolicy
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import SYMBOLS, exchange

SYMBOL = SYMBOLS[0]
MINUTE_MS = 60_000
_HTML = "<html><head><title>403 Forbidden</title></head><body>cloudflare</body></html>"
_MEGABYTES = json.dumps({"rows": ["x" * 1_000] * 3_000})

BODIES: dict[str, Fault] = {
    "a page": Fault(FaultKind.HTML_ANSWER),
    "nothing": Fault(FaultKind.EMPTY_ANSWER),
    "half of it": Fault(FaultKind.TRUNCATED_ANSWER),
    "never": Fault(FaultKind.HANG),
    **{
        name: Fault(FaultKind.ERROR_BEFORE, status=status, body=body)
        for name, status, body in (
            ("{}", 200, "{}"),
            ("[]", 200, "[]"),
            ("[{}]", 200, "[{}]"),
            ("[null]", 200, "[null]"),
            ("null", 200, "null"),
            ("a string", 200, '"maintenance"'),
            ("a number", 200, "42"),
            ("wrong types", 200, '{"balances": 7, "serverTime": "soon", "symbol": [], "lastPrice": {}}'),
            ("rows of wrong types", 200, '[["x", null, {}, [], "NaN", "1e999"], {"orderId": [], "symbol": 3}]'),
            ("fields that are missing", 200, '{"symbol": "BTCUSDT", "balances": [{"asset": "BTC"}]}'),
            ("nulls", 200, '{"balances": [{"asset": "BTC", "free": null, "locked": null}], "serverTime": null}'),
            ("a maintenance message", 200, '{"msg": "System is under maintenance."}'),
            ("another exchange's error", 200, '{"retCode": 10016, "retMsg": "server error", "result": {}}'),
            ("an error without a name", 400, '{"code": -9999, "msg": "something new"}'),
            ("an order that is not there", 400, '{"code": -2013, "msg": "Order does not exist."}'),
            ("a key that is wrong", 401, '{"code": -2015, "msg": "Invalid API-key, IP, or permissions."}'),
            ("a symbol that is wrong", 400, '{"code": -1121, "msg": "Invalid symbol."}'),
            ("a firewall's 403", 403, _HTML),
            ("a proxy's 404", 404, _HTML),
            ("a gateway's 502", 502, _HTML),
            ("a place that is not served", 451, '{"msg": "Service unavailable from a restricted location"}'),
            ("three megabytes", 200, _MEGABYTES),
        )
    },
}
READS = (
    "/api/v3/account", "/api/v3/openOrders", "/api/v3/myTrades", "/api/v3/klines", "/api/v3/ticker/*", "/api/v3/time",
)  # fmt: skip

QUICK = TrackerPolicy(
    open_orders_fast_s=0.1, open_orders_slow_s=0.2, in_flight_check_s=0.05, visibility_delay_s=0.1,
    private_stream_silent_s=0.2, resolve_first_s=0.02,
)  # fmt: skip
_BACKOFF = Backoff(first_s=0.02, start_s=0.02, factor=1.2, max_s=0.1)


class Run:
    """A store whose every read is made many times a second, and what it said."""

    def __init__(self, store: CCXTStore, venue: BackgroundExchange) -> None:
        self.store, self.venue = store, venue
        self.events: list[FeedEvent] = []
        self.session = store._open_session
        store.open_feed(FeedRequest(SYMBOL, "1m"), self.events.append)
        assert store._session is not None
        store._session.post(self.session._watch_prices, SYMBOL, True)

    @property
    def bars(self) -> list[Bar]:
        return [bar for event in self.events if isinstance(event, BarsClosed) for bar in event.bars]

    def loops(self) -> set[str]:
        return set(self.store.health()["tasks"])

    def alarms(self) -> list[str]:
        return [
            str(news[0])
            for news in self.store._notifications
            if isinstance(news[0], StoreNotice) and news[0].kind is NoticeKind.ALARM
        ]


def until(condition: Callable[[], bool], what: str, more: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what} {more()}"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    patch = pytest.MonkeyPatch()
    patch.setattr("btccxt.store.account_session._CLOCK_PERIOD_S", 0.2)
    patch.setattr("btccxt.session.prices._ASK_EVERY_S", 0.1)
    patch.setattr("btccxt.session.feeds._POLICY", TaskPolicy(_BACKOFF, well_after_s=0.2, fatal=(Fatal,)))
    with exchange(speed=600.0, symbols=(SYMBOL,), limits={"binance": {"REQUEST_WEIGHT": 10_000_000}}) as venue:
        store = CCXTStore(
            "binance",
            mode="sim",
            sim_address=str(venue.address),
            journal=":memory:",
            retry_attempts=1,
            config={"timeout": 2_000},
            tracker=QUICK,
            streams=StreamPolicy(check_every_s=0.05, backoff=_BACKOFF),
            overrides={
                "streams": dict.fromkeys(("trades", "orders", "fills", "balance", "ticker"), False),
                "bars": {"stream": False, "closed_flag": None},
            },
        )
        store.getbroker()
        store.start()
        try:
            running = Run(store, venue)
            until(lambda: len(running.bars) > 5, "bars")
            yield running
        finally:
            store.stop()
            patch.undo()


@pytest.mark.parametrize("name", BODIES)
def test_one_odd_answer_to_each_read_ends_no_loop_and_changes_no_figure(run: Run, name: str) -> None:
    store, venue = run.store, run.venue
    request = OrderRequest(
        store.next_client_order_id(), SYMBOL, Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("1000")
    )
    store._tracker.submit(request)

    def order() -> LiveOrder:
        return store._tracker.order(request.client_order_id)

    until(lambda: order() is not None and order().acknowledged, "the order")
    before, balances = run.loops(), dict(store.balance())
    assert {"clock", "account", "gauges", "open orders", "orders in flight"} <= before
    since = len(venue.faults.log)
    for path in READS:
        venue.faults.add(replace(BODIES[name], path=path, method="GET"))

    def left() -> set[str]:
        return set(READS) - {each.fault.path for each in venue.faults.log[since:]}

    until(lambda: not left(), f"{name}: every read to be struck", lambda: (left(), store.health()["tasks"]))
    venue.faults.clear()
    bars = len(run.bars)
    until(lambda: len(run.bars) > bars + 4, f"{name}: bars go on")
    until(lambda: all(not each["failures_in_a_row"] for each in store.health()["tasks"].values()), "all are well again")
    assert run.loops() == before
    assert not [event for event in run.events if isinstance(event, FeedFailed | FeedEnded | Hole)]
    opens = [bar.open_ms for bar in run.bars]
    assert opens == list(range(opens[0], opens[0] + len(opens) * MINUTE_MS, MINUTE_MS))
    assert all(0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in run.bars)
    assert {coin: each.total for coin, each in store.balance().items()} == {
        coin: each.total for coin, each in balances.items()
    }
    assert order().acknowledged, order()
    assert not order().is_final, order()
    assert store._tracker.halted is None
    store._tracker.cancel(request.client_order_id)
    until(lambda: order().is_final, f"{name}: the order can be cancelled")
    assert run.alarms() == []
