"""``store.orders``: a user's own thread trades by the rules of a strategy, on the embedded exchange."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from btccxt import CCXTStore, LiveEngine
from btccxt.bt.compat import bt
from btccxt.errors import BtccxtError, ConfigError, Refused
from btccxt.store import order_entry

SIM = {"speed": 300.0, "seed": 3, "symbols": ("BTC/USDT",)}


class Watches(bt.Strategy):
    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []
        self.live = 0

    def notify_order(self, order: bt.Order) -> None:
        self.heard.append((order.ref, order.getstatusname()))

    def next(self) -> None:
        self.live += 1


@pytest.fixture
def engine(tmp_path) -> Iterator[LiveEngine]:
    store = CCXTStore("binance", mode="sim", sim=SIM, journal=tmp_path / "j.sqlite3", risk={"max_order_size": 1})
    engine = LiveEngine(Watches, store=store, symbol="BTC/USDT", data_options={"bars": 5})
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def test_buy_bracket_cancel_and_close_from_another_thread(engine):
    orders = engine.store.orders
    bought = orders.wait(orders.buy("BTC/USDT", 0.01), 60)
    assert (bought.status, bought.filled) == ("Completed", 0.01)
    rests = orders.buy("BTC/USDT", 0.01, exectype=bt.Order.Limit, price=bought.average / 2)
    assert rests.is_open
    assert orders.wait(orders.cancel(rests), 60).status == "Canceled"
    entry, stop, target = orders.bracket("BTC/USDT", 0.01, stop_pct=20, target_pct=20)
    assert orders.wait(entry, 60).status == "Completed"
    closed = orders.wait(orders.close("BTC/USDT"), 60)
    assert closed.status == "Completed"
    assert [orders.wait(each, 60).status for each in (stop, target)] == ["Canceled", "Canceled"]
    assert (bought.ref, "Completed") in engine.strategy.heard


def test_rules_and_limits_are_the_strategys_and_told_as_an_exception(engine):
    orders = engine.store.orders
    with pytest.raises(Refused, match="max_order_size"):
        orders.buy("BTC/USDT", 2)
    with pytest.raises(Refused, match="2 % is 2"):
        orders.bracket("BTC/USDT", 0.01, stop_pct=0.02)
    with pytest.raises(Refused, match="stopprice"):
        orders.buy("BTC/USDT", 0.01, stopLoss=3)
    with pytest.raises(Refused, match="no position"):
        orders.close("BTC/USDT")
    with pytest.raises(Refused, match="free"):
        orders.sell("BTC/USDT", 0.5)
    with pytest.raises(ConfigError, match="no data of it"):
        orders.buy("ETH/USDT", 1)
    with pytest.raises(ConfigError, match="no order"):
        orders.cancel("nobody")


def test_a_strategy_that_is_busy_is_said_and_nothing_is_done(engine, monkeypatch):
    monkeypatch.setattr(order_entry, "_ANSWER_S", 0.0)
    before = len(engine.store.getbroker().orders)
    with pytest.raises(BtccxtError, match="did not take it"):
        engine.store.orders.buy("BTC/USDT", 0.01)
    assert len(engine.store.getbroker().orders) == before


def test_without_a_run_it_is_said_what_to_start():
    with pytest.raises(ConfigError, match="LiveEngine"):
        CCXTStore("binance", mode="sim", sim=SIM).orders.buy("BTC/USDT", 1)
