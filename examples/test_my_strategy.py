"""Tests of a strategy of your own, against an exchange that runs beside them: ``pytest test_my_strategy.py``.

The fixture ``btccxt_sim`` comes with btccxt. The strategy sends its orders over real sockets to the embedded exchange;
the test then asks that exchange's own books, and makes it fail on purpose.
"""

import backtrader as bt
import pytest

from btccxt import CCXTStore, Fault, FaultKind


class BuyOnce(bt.Strategy):
    """Yours would be imported."""

    def __init__(self):
        self.order, self.live_bars = None, 0

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return
        self.live_bars += 1
        if self.order is None or self.order.status == bt.Order.Rejected:  # a busy machine may be late with a bar
            self.order = self.buy(size=0.01)
        has_ended = not self.order.alive() and self.live_bars > 2
        if has_ended or self.live_bars == 100:
            self.env.runstop()


def run(sim):
    store = CCXTStore("binance", mode="sim", sim_address=str(sim.address), journal=":memory:")
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, bars=30))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(BuyOnce)
    return cerebro.run()[0]


@pytest.fixture
def sim(btccxt_sim):
    return btccxt_sim(speed=60, balances={"USDT": 10_000})


def orders_of(sim):
    return sim.call(lambda exchange: exchange.engine.orders("main"))


def test_it_buys_once(sim):
    strategy = run(sim)
    assert strategy.order.status == bt.Order.Completed
    assert [float(order.filled) for order in orders_of(sim)] == [0.01]


def test_a_lost_answer_does_not_make_it_buy_twice(sim):
    sim.faults.add(Fault(FaultKind.LOSE_ANSWER, method="POST", path="/api/v3/order"))
    strategy = run(sim)
    assert strategy.order.status == bt.Order.Completed
    assert len(orders_of(sim)) == 1


def test_without_money_it_is_refused(btccxt_sim):
    sim = btccxt_sim(speed=60, balances={"USDT": 10})
    strategy = run(sim)
    assert strategy.order.status == bt.Order.Margin
    assert not orders_of(sim)
