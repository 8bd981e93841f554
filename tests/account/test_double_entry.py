"""Double entry: what the ledger makes of any history of contract fills is what the matching engine's own books have."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.account.ledger import AccountLedger
from btccxt.exchange.position_side import closes, named, positions_of, with_both_sides
from btccxt.matching.positions import PositionState
from btccxt.model import Balance, Balances, Fee, Fill, FundingPayment, Market, Position, Side
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


hedge_fills = st.tuples(
    st.just("fill"), st.sampled_from(["long", "short"]), st.booleans(), st.integers(1, 400).map(D),
    st.integers(300_000, 700_000).map(lambda n: D(n) / 10), st.integers(-50, 200).map(lambda n: D(n).scaleb(-8)),
)  # fmt: skip
moved = st.tuples(st.just("moved"), st.integers(-99_999, 99_999).map(lambda n: D(n).scaleb(-6)))


@pytest.mark.parametrize("market", [LINEAR, INVERSE], ids=["linear", "inverse"])
@settings(max_examples=120, deadline=None)
@given(history=st.lists(st.one_of(hedge_fills, hedge_fills, payments, moved), max_size=30))
def test_in_hedge_mode_the_sum_is_over_two_positions_that_never_touch(market: Market, history: list[tuple]) -> None:
    """Fills, fees, funding, and money that moved: what the account has then, and what both positions are worth."""
    coin = market.settle or ""
    markets = with_both_sides({market.symbol: market})
    names = positions_of(market.symbol, markets)
    ledger = AccountLedger(coin, markets)
    ledger.reset(Balances(0, {coin: Balance(coin, D(10), D(0))}))
    for name in names:
        ledger.track(name)
    engines = {name: PositionState(name, None, market.contract_size, inverse=market is INVERSE) for name in names}
    tolerance = D("1e-6") if any(step[0] == "moved" for step in history) else D(0)  # entry prices are averages
    changes = {"profit": D(0), "fees": D(0), "funding": D(0), "moved": D(0)}

    def wallet() -> D:
        return 10 + sum(changes.values())

    for number, step in enumerate(history):
        if step[0] == "funding":
            changes["funding"] += step[1]
            ledger.receive(FundingPayment(market.symbol, coin, step[1], number))
        elif step[0] == "moved":  # taken over from the exchange's figures, positions and all
            changes["moved"] += step[1]
            held = [Position(name, each.amount, each.entry_price, number) for name, each in engines.items()]
            ledger.reset(Balances(number, {coin: Balance(coin, wallet(), D(0))}), held)
        else:
            _, position_side, opens, amount, price, fee = step
            name = named(market.symbol, position_side)
            engine, other = engines[name], engines[next(each for each in names if each != name)]
            if not opens:
                amount = min(amount, abs(engine.amount))  # more is refused: no position turns into the other
            side = Side.BUY if opens is (position_side == "long") else Side.SELL
            assert closes(side, position_side) is not opens
            if not amount:
                continue
            before = ledger.holding(other.symbol)
            realised = engine.apply(amount * side.sign, price)
            changes["profit"] += realised
            changes["fees"] -= fee
            booking = ledger.apply(Fill(str(number), name, side, price, amount, number, fee=Fee(coin, fee)))
            assert abs(booking.pnl - realised) <= tolerance
            assert (booking.opened if opens else booking.closed) == amount * side.sign
            assert ledger.holding(other.symbol) == before
    assert abs(ledger.cash - wallet()) <= tolerance
    assert [ledger.holding(name).amount for name in names] == [engines[name].amount for name in names]
    mark = D(50_000)
    for name in names:
        ledger.set_price(name, mark)
    profit = sum(engine.unrealised_pnl(mark) for engine in engines.values())
    assert ledger.value == pytest.approx(ledger.cash + profit, abs=D("1e-6"))
    together, net = ledger.entry_price(names), sum(engine.amount for engine in engines.values())
    if together is not None:  # the view of both as one position, which would earn the same
        one = AccountLedger(coin, markets)
        one.open_with(names[0], net, together)
        one.set_price(names[0], mark)
        assert one.open_profit(names[0]) == pytest.approx(profit, abs=D("1e-6"))
