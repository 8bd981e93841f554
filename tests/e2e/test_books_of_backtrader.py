"""Backtrader's own bookkeeping through the store: analyzers and cash beside the exchange's ledger, fees in any coin."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt._bt import bt
from tests.chaos.run import make_store
from tests.chaos.scenario import START_PRICE, Scenario, Step
from tests.chaos.strategy import Conductor, PacedData
from tests.chaos.venue import BNB, BTC, FUNDS, ChaosVenue


class RoundTrips(bt.Strategy):
    """Buys and sells the same amount, large enough to walk several levels of the book, twice."""

    params = (("conductor", None),)

    def __init__(self) -> None:
        self.values: list[float] = []
        self.trades: list = []

    def notify_trade(self, trade) -> None:
        self.trades.append(trade)

    def next(self) -> None:
        if self.p.conductor.acted:
            return
        self.values.append(self.broker.getvalue())
        (self.buy if len(self.values) % 2 else self.sell)(size=0.12)
        self.p.conductor.acted = True


class Pair:
    """The second data follows the first one bar by bar."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._given = 0
        self._ended = False

    def first(self) -> D | None:
        try:
            return self._conductor.next_price()
        except StopIteration:
            self._ended = True
            raise

    def second(self) -> D | None:
        if self._given <= self._conductor.step:
            self._given += 1
            return D(600)
        if self._ended:
            raise StopIteration
        return None


@pytest.mark.parametrize("fee_currency", [None, "quote", "BNB"])
def test_cash_value_drawdown_and_orders_equal_the_exchanges_ledger_with_fees_in_any_coin(fee_currency):
    steps = tuple(Step((), D(price)) for price in (60_300, 60_100, 60_500, 60_200))
    with ChaosVenue(1, START_PRICE, fee_currency) as venue:
        store = make_store(str(venue.address), ":memory:")
        conductor = Conductor(Scenario(1, fee_currency, START_PRICE, steps), venue, store)
        pair = Pair(conductor)
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(PacedData(dataname=BTC, next_price=pair.first, timeframe=bt.TimeFrame.Minutes))
        cerebro.adddata(PacedData(dataname=BNB, next_price=pair.second, timeframe=bt.TimeFrame.Minutes))
        cerebro.setbroker(store.getbroker())
        cerebro.addanalyzer(bt.analyzers.DrawDown, _name="drawdown")
        cerebro.addstrategy(RoundTrips, conductor=conductor)
        with store.kept_open():
            ran = cerebro.run()[0]
            books = store.books_check()
            broker = store.getbroker()
            fills = venue.call(lambda exchange: exchange.engine.fills("main"))
            balances = venue.call(lambda exchange: dict(exchange.engine.balances("main")))
    assert all(ours == theirs for _, ours, theirs in books), books
    assert len(fills) > 4  # in parts
    assert broker.getcash() == float(balances["USDT"].total)
    price = {"USDT": D(1), "BTC": broker.ledger.price(BTC), "BNB": D(600)}
    commission = sum(
        fill.fee.cost * (fill.price if fill.fee.currency == "BTC" else price[fill.fee.currency]) for fill in fills
    )
    orders = broker.orders
    assert sum(order.executed.comm for order in orders if order.info.get("client_order_id")) == pytest.approx(
        float(commission), rel=1e-12
    )
    worth = sum(balances[coin].total * price[coin] for coin in FUNDS)
    assert broker.getvalue() == pytest.approx(float(worth), rel=1e-12)
    peak, worst = 0.0, 0.0
    for value in ran.values:
        peak = max(peak, value)
        worst = max(worst, peak - value)
    assert ran.analyzers.drawdown.get_analysis().max.moneydown == pytest.approx(worst)
