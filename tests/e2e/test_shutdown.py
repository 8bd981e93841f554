"""How a run ends: orders left, cancelled or the account flattened; and what the store tells of itself meanwhile."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from tests.e2e.kit import START, Witness, run

pytestmark = pytest.mark.usefixtures("patient_market")

FAST = {"speed": 300.0, "seed": 3, "start": START, "symbols": ("BTC/USDT",)}


def run_with(on_stop: str) -> tuple[CCXTStore, Witness, list, dict]:
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.01)
        elif strategy.live == 3:
            strategy.sell(size=0.005, exectype=bt.Order.Limit, price=strategy.data.close[0] * 1.5)

    store = CCXTStore("binance", mode="sim", sim=FAST, on_stop=on_stop)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)
    ended = {}
    with store.kept_open():
        witness = run(store, data, broker=True, live_bars=6, act=act)
        ended["health"] = store.health()
        venue = store._venue
        engine = venue.sim.engine
    open_orders = engine.orders("main", open_only=True)
    return store, witness, open_orders, {"balances": engine.balances("main"), **ended}


def test_leave_leaves_orders_at_the_exchange():
    _, witness, open_orders, _ = run_with("leave")
    assert len(open_orders) == 1
    assert witness.order_news[-1].alive()


def test_cancel_cancels_what_is_open_and_waits_for_the_confirmation():
    store, _, open_orders, ended = run_with("cancel")
    assert open_orders == []
    assert ended["balances"]["BTC"].total > 0
    assert store.getbroker().get_orders_open() == []


def test_flatten_also_sells_the_position():
    store, _, open_orders, ended = run_with("flatten")
    assert open_orders == []
    assert ended["balances"]["BTC"].total < Decimal("0.00001")
    assert store.getbroker().getposition(store.getbroker().traded_datas()[0]).size == 0


def test_health_is_json_and_tells_of_streams_clock_limits_and_orders():
    _, _, _, ended = run_with("leave")
    health = json.loads(json.dumps(ended["health"]))
    assert health["state"] == "live"
    assert {stream["stream"] for stream in health["streams"]} == {"orders", "fills", "balance"}  # the feed has ended
    assert health["clock"]["uncertainty_ms"] is not None
    assert health["orders"]["open"] == 1
    assert health["limits"]
    assert set(health["breakers"].values()) == {"closed"}


def test_an_unknown_way_to_stop_is_refused_at_once():
    with pytest.raises(ConfigError, match="leave"):
        CCXTStore("binance", on_stop="leaf")
