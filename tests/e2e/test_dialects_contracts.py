"""Positions in perpetual contracts on every exchange that has them here: long, short, reversed, reduced, leveraged."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.bt.compat import bt
from tests.e2e.kit import Witness, run
from tests.e2e.test_dialects import ROWS, Row, agree, minutes, names, sim_store, trade

pytestmark = pytest.mark.usefixtures("patient_market")

CONTRACTS = [row for row in ROWS if row.market_type == "linear"]


@pytest.fixture(params=CONTRACTS, ids=lambda row: row.exchange)
def row(request) -> Row:
    return request.param


def at(orders):
    """``{live bar: what to do}`` as an ``act``."""

    def act(strategy: Witness) -> None:
        if strategy.live in orders:
            orders[strategy.live](strategy)

    return act


def test_the_books_agree_while_a_position_is_open_and_the_price_moves(row):
    witness, books = trade(row, at({1: lambda strategy: strategy.buy(size=3)}), live_bars=4)
    assert witness.position.size == 3
    assert (row.symbol, D(3), D(3)) in books
    assert agree(books), books


def test_a_short_position_earns_when_the_price_falls(row):
    orders = {1: lambda strategy: strategy.sell(size=2), 4: lambda strategy: strategy.close()}
    witness, books = trade(row, at(orders))
    closed = [news for news in witness.trade_news if news.isclosed]
    assert len(closed) == 1
    entry, exit_ = (bits[0].price for bits in _executions(witness))
    assert closed[0].pnl == pytest.approx(sum(_pnl(witness)))
    assert closed[0].pnl * (entry - exit_) >= 0
    assert agree(books), books


def _executions(witness: Witness):
    orders = {order.ref: order for order in witness.order_news}
    return [list(order.executed.exbits) for order in orders.values()]


def _pnl(witness: Witness):
    return [bit.pnl for bits in _executions(witness) for bit in bits]


def test_one_order_turns_a_long_position_into_a_short_one(row):
    orders = {1: lambda strategy: strategy.buy(size=2), 3: lambda strategy: strategy.sell(size=5)}
    witness, books = trade(row, at(orders))
    assert witness.position.size == -3
    assert (row.symbol, D(-3), D(-3)) in books
    assert len([news for news in witness.trade_news if news.isclosed]) == 1
    assert witness.position.price == pytest.approx(witness.order_news[-1].executed.exbits[-1].price, rel=0.01)
    assert agree(books), books


def test_a_reduce_only_order_closes_the_position_and_opens_none(row):
    def reduce(strategy: Witness) -> None:
        price = strategy.data.close[0]
        strategy.exit = strategy.sell(size=2, exectype=bt.Order.Limit, price=price * 0.99, reduce_only=True, tif="IOC")

    witness, books = trade(row, at({1: lambda strategy: strategy.buy(size=2), 3: reduce}))
    assert names(witness, witness.exit)[-1] == "Completed"
    assert witness.position.size == 0
    assert agree(books), books


def test_the_next_run_of_a_store_kept_open_starts_from_the_position_as_it_is_now(row):
    store = sim_store(row)
    with store.kept_open():
        first = run(store, minutes(store, row), broker=True, live_bars=4, act=at({1: lambda s: s.buy(size=2)}))
        entry = first.position.price
        again = run(store, minutes(store, row), broker=True, live_bars=2)
        books = store.books_check()
    assert again.position.size == 2
    assert again.position.price == pytest.approx(entry)
    assert agree(books), books


def test_cash_is_the_wallet_and_an_open_profit_counts_once(row):
    """Some exchanges call wallet and open profit together the balance; it is no drift and no second profit."""
    store = sim_store(row)
    seen = []

    def look(strategy: Witness) -> None:
        ledger = strategy.broker.ledger
        open_profit = (ledger.price(row.symbol) - ledger.holding(row.symbol).price) * ledger.holding(row.symbol).amount
        seen.append((ledger.cash, ledger.value - ledger.cash - open_profit))

    with store.kept_open():
        run(store, minutes(store, row), broker=True, live_bars=4, act=at({1: lambda s: s.buy(size=2)}))
        again = run(store, minutes(store, row), broker=True, live_bars=12, act=look)
        store.books_check()
        wallet = store._venue.sim.engine.balances("main")[row.currency].total
        assert store.getbroker().ledger.cash == wallet
    assert seen and set(seen) == {(wallet, D(0))}
    assert not [news for news in again.store_news if "drift" in news.lower()]
