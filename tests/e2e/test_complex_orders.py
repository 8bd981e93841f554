"""Brackets, pairs and trailing stops, end to end: what rests at the exchange, what waits here, and how it ends."""

from __future__ import annotations

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from tests.e2e.kit import START, Witness, run

pytestmark = pytest.mark.usefixtures("patient_market")

FAST = {"speed": 300.0, "seed": 3, "start": START, "symbols": ("BTC/USDT",)}


def go(act, **options) -> tuple[Witness, list]:
    store = CCXTStore("binance", mode="sim", balance=10_000, sim=FAST)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)
    with store.kept_open():
        witness = run(store, data, broker=True, act=act, **options)
        books = store.books_check()
    assert all(ours == theirs for _, ours, theirs in books), books
    return witness, store


def last_status(witness: Witness) -> dict[int, str]:
    return {order.ref: order.getstatusname() for order in witness.order_news}


@pytest.mark.parametrize("exit_by", ["limit", "stop"])
def test_a_bracket_on_spot_ends_by_one_exit_and_cancels_the_other(exit_by):
    """The stop rests at the exchange; the profit order waits here, since both would bind the same coins."""

    def act(strategy: Witness) -> None:
        if strategy.live != 1:
            if not any(order.alive() for order in strategy.made):
                strategy.env.runstop()  # how long the price takes depends on where the first bar met it
            return
        price = strategy.data.close[0]
        near, far = 1.00005, 1.2
        strategy.made = strategy.buy_bracket(
            size=0.05,
            price=price * 1.01,
            limitprice=price * (near if exit_by == "limit" else far),
            stopprice=price * (2 - far if exit_by == "limit" else 0.9997),
        )

    witness, _ = go(act, live_bars=400)
    entry, stop, limit = (order.ref for order in witness.made)
    ends = last_status(witness)
    assert ends[entry] == "Completed"
    won, lost = (limit, stop) if exit_by == "limit" else (stop, limit)
    assert (ends[won], ends[lost]) == ("Completed", "Canceled")
    closed = [trade for trade in witness.trade_news if trade.isclosed]
    assert len(closed) == 1
    assert witness.broker.getposition(witness.data).size == 0


def test_a_cancelled_entry_takes_its_exits_along():
    def act(strategy: Witness) -> None:
        price = strategy.data.close[0]
        if strategy.live == 1:
            strategy.made = strategy.buy_bracket(
                size=0.05, price=price * 0.8, limitprice=price * 1.2, stopprice=price * 0.7
            )
        elif strategy.live == 3:
            strategy.cancel(strategy.made[0])

    witness, _ = go(act, live_bars=8)
    ends = last_status(witness)
    assert [ends[order.ref] for order in witness.made] == ["Canceled"] * 3


def test_a_trailing_stop_that_the_exchange_lacks_is_emulated_and_sells():
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.05)
        elif strategy.live == 3:
            strategy.trail = strategy.sell(
                size=strategy.position.size, exectype=bt.Order.StopTrail, trailpercent=0.0003
            )
        elif strategy.live > 3 and not strategy.trail.alive():
            strategy.env.runstop()

    witness, _ = go(act, live_bars=400)
    assert "waits on this machine" in witness.trail.info.emulated
    assert last_status(witness)[witness.trail.ref] == "Completed"
    assert witness.broker.getposition(witness.data).size == 0


def test_a_native_stop_sells_when_its_price_comes():
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.05)
        elif strategy.live == 3:
            price = strategy.data.close[0] * 0.9998
            strategy.stop_order = strategy.sell(size=strategy.position.size, exectype=bt.Order.Stop, price=price)
        elif strategy.live > 3 and not strategy.stop_order.alive():
            strategy.env.runstop()

    witness, _ = go(act, live_bars=400)
    assert witness.stop_order.info.get("emulated") is None
    assert last_status(witness)[witness.stop_order.ref] == "Completed"
