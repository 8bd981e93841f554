"""Double entry: what the ledger makes of any history of contract fills is what the matching engine's own books have."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.account.ledger import AccountLedger
from btccxt.matching.positions import PositionState
from btccxt.model import Balance, Balances, Fee, Fill, FundingPayment, Market, Side
from btccxt.sim.markets import inverse_market, linear_market

INVERSE = inverse_market("BTC/USD:BTC", contract_size="10")
LINEAR = linear_market("BTC/USDT:USDT", contract_size="0.01")

fills = st.tuples(
    st.just("fill"), st.sampled_from(Side), st.integers(1, 400).map(D),
    st.integers(300_000, 700_000).map(lambda n: D(n) / 10),
    st.integers(-50, 200).map(lambda n: D(n).scaleb(-8)),
)  # fmt: skip
payments = st.tuples(st.just("funding"), st.integers(-9_999, 9_999).map(lambda n: D(n).scaleb(-8)))


@pytest.mark.parametrize("market", [LINEAR, INVERSE], ids=["linear", "inverse"])
@settings(max_examples=120, deadline=None)
@given(history=st.lists(st.one_of(fills, fills, payments), max_size=30))
def test_the_sum_of_all_changes_is_profit_less_fees_plus_funding(market: Market, history: list[tuple]) -> None:
    coin = market.settle or ""
    ledger = AccountLedger(coin, {market.symbol: market})
    ledger.reset(Balances(0, {coin: Balance(coin, D(10), D(0))}))
    ledger.track(market.symbol)
    engine = PositionState(market.symbol, None, market.contract_size, inverse=market is INVERSE)
    wallet = D(10)
    for number, step in enumerate(history):
        if step[0] == "funding":
            wallet += step[1]
            ledger.receive(FundingPayment(market.symbol, coin, step[1], number))
            continue
        _, side, amount, price, fee = step
        realised = engine.apply(amount * side.sign, price)
        wallet += realised - fee
        booking = ledger.apply(Fill(str(number), market.symbol, side, price, amount, number, fee=Fee(coin, fee)))
        assert booking.pnl == realised
        assert booking.closed + booking.opened == amount * side.sign
    holding = ledger.holding(market.symbol)
    assert (ledger.cash, holding.amount) == (wallet, engine.amount)
    assert holding.price == pytest.approx(engine.entry_price) if holding.amount else holding.price is None
    mark = D(50_000)
    ledger.set_price(market.symbol, mark)
    assert ledger.value == pytest.approx(wallet + engine.unrealised_pnl(mark), abs=D("1e-8"))
