"""What must hold whatever two accounts and the market do: money is conserved, books are never crossed, fills add up."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.matching.engine import EngineReject, NewOrder, OrderChanged, SimOrder, SimStatus
from btccxt.matching.values import value_of
from btccxt.model import ZERO, OrderKind, Side
from tests.sim.exchange_kit import BTC, BUY, INVERSE, PERP, SELL, D, Kit, new

prices = st.integers(90, 110).map(D)
amounts = st.integers(60, 3000).map(lambda n: D(n) / 1000)
sides = st.sampled_from([BUY, SELL])
accounts = st.sampled_from(["ann", "bob"])


@st.composite
def orders(draw: st.DrawFn, symbol: str) -> NewOrder:
    contracts = symbol != BTC
    kind = draw(st.sampled_from(list(OrderKind)))
    more: dict[str, Any] = {}
    amount: Decimal | None = draw(amounts_of(symbol))
    if kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT):
        more["price"] = draw(prices)
        more["time_in_force"] = draw(st.sampled_from(["GTC", "GTC", "IOC", "FOK"]))
        if more["time_in_force"] == "GTC":
            more["post_only"] = draw(st.booleans())
            more["iceberg_amount"] = draw(st.sampled_from([None, D(40) if symbol == INVERSE else D("0.4")]))
    if kind in (OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT):
        more["trigger_price"] = draw(prices)
    if kind is OrderKind.TRAILING_AMOUNT:
        more["trailing_amount"] = draw(st.integers(1, 5))
    if kind is OrderKind.TRAILING_PERCENT:
        more["trailing_percent"] = draw(st.integers(1, 5))
    if contracts:
        more["reduce_only"] = draw(st.booleans())
    elif kind is OrderKind.MARKET and draw(st.booleans()):
        amount, more["cost_quote"] = None, draw(st.integers(5, 300))
    return new(draw(sides), kind, amount, symbol=symbol, **more)


def amounts_of(symbol: str) -> st.SearchStrategy[Decimal]:
    return st.integers(6, 300).map(D) if symbol == INVERSE else amounts


def levels(best: Decimal, down: bool, amounts: list[Decimal]) -> list[tuple[Decimal, Decimal]]:
    return [(best - n if down else best + n, amount) for n, amount in enumerate(amounts)]


def actions(symbol: str) -> st.SearchStrategy[tuple[Any, ...]]:
    amounts = amounts_of(symbol)
    few = st.lists(amounts, max_size=3)
    return st.one_of(
        st.tuples(st.just("submit"), accounts, orders(symbol)),
        st.tuples(st.just("submit"), accounts, orders(symbol)),
        st.tuples(st.just("list"), accounts, sides, prices, prices, amounts),
        st.tuples(st.just("pending"), accounts, sides, prices, prices, prices, amounts),
        st.tuples(st.just("leverage"), accounts, st.integers(1, 125)),
        st.tuples(st.just("isolated"), accounts, st.booleans()),
        st.tuples(st.just("cancel"), accounts, st.integers(0, 30)),
        st.tuples(st.just("amend"), accounts, st.integers(0, 30), prices, amounts),
        st.tuples(st.just("depth"), prices, few, few),
        st.tuples(st.just("print"), prices, amounts, st.sampled_from([BUY, SELL, None])),
        st.tuples(st.just("funding"), st.integers(-5, 5)),
    )


def act(kit: Kit, symbol: str, action: tuple[Any, ...]) -> None:
    name, *args = action
    if name == "submit":
        kit.engine.submit(*args, kit.tick())
    elif name == "list":
        account, side, limit, trigger, amount = args
        legs = [
            new(side, OrderKind.LIMIT, amount, price=limit, symbol=symbol),
            new(side, OrderKind.STOP_LIMIT, amount, price=trigger, trigger_price=trigger, symbol=symbol),
        ]
        kit.engine.submit_list(account, legs, kit.tick())
    elif name == "pending":
        account, side, limit, target, trigger, amount = args
        legs = [
            new(side.opposite, OrderKind.LIMIT, amount, price=target, symbol=symbol),
            new(side.opposite, OrderKind.STOP, amount, trigger_price=trigger, symbol=symbol),
        ]
        entry = new(side, OrderKind.LIMIT, amount, price=limit, symbol=symbol)
        kit.engine.submit_with_pending(account, entry, legs, kit.tick())
    elif name == "leverage":
        kit.engine.set_leverage(args[0], symbol, D(args[1]), kit.tick())
    elif name == "isolated":
        kit.engine.set_isolated(args[0], symbol, args[1])
    elif name == "cancel":
        chosen = kit.engine.orders(args[0])[args[1] : args[1] + 1]
        for order in chosen:
            kit.cancel(order)
    elif name == "amend":
        account, place, price, amount = args
        for order in kit.engine.orders(account, symbol)[place : place + 1]:
            kit.engine.amend(
                account, symbol=symbol, order_id=order.order_id, price=price, amount=amount, now_ms=kit.tick()
            )
    elif name == "depth":
        best, bids, asks = args
        kit.engine.set_depth(symbol, levels(best, True, bids), levels(best + 1, False, asks), kit.tick())
    elif name == "print":
        kit.trade(args[0], args[1], args[2], symbol=symbol)
    elif symbol != BTC:
        kit.engine.apply_funding(symbol, D(args[0]) / 10_000, kit.tick())


def check_money(kit: Kit) -> None:
    engine = kit.engine
    for coin, deposited in kit.deposits.items():
        totals = sum((engine.balances(name)[coin].total for name in ("ann", "bob")), ZERO)
        assert totals + engine.collected_fees.get(coin, ZERO) + engine.street.get(coin, ZERO) == deposited, coin
    for name in ("ann", "bob"):
        for coin, balance in engine.balances(name).items():
            assert balance.free >= 0, coin
            assert balance.used >= 0, coin
            held = [order.reserved for order in engine.orders(name, open_only=True) if reserve_coin(order) == coin]
            assert all(amount >= 0 for amount in held)
            positions = engine._accounts[name].positions.values()
            margin = sum((p.margin for p in positions if engine.markets[p.symbol].settle == coin), ZERO)
            shared = sum((s.reserved for key, s in engine._lists.items() if key[0] == name and s.coin == coin), ZERO)
            held_in_all = sum(held, ZERO) + shared + margin
            assert balance.used == min(held_in_all, balance.total), coin


def reserve_coin(order: SimOrder) -> str:
    if order.symbol != BTC:
        return "USDT" if order.symbol == PERP else "BTC"
    return "USDT" if order.side is Side.BUY else "BTC"


def check_book(kit: Kit, symbol: str) -> None:
    bid, ask = kit.engine.best(symbol)
    assert bid is None or ask is None or bid < ask
    bids, asks = kit.engine.depth(symbol, 1000)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert all(amount > 0 for _, amount in [*bids, *asks])
    book, resting = kit.engine._books[symbol], ZERO
    for name in ("ann", "bob"):
        for order in kit.engine.orders(name, symbol, open_only=True):
            if order.status not in (SimStatus.TRIGGER_WAITING, SimStatus.PENDING):
                resting += order.remaining or ZERO
    offered = sum((amount for side in (book.bids, book.asks) for _, amount in side.walk(hidden=True)), ZERO)
    ambient = sum((amount for side in (book.bids, book.asks) for amount in side._ambient.values()), ZERO)
    assert offered - ambient == resting  # the book holds exactly the open orders


def check_orders(kit: Kit) -> None:
    for name in ("ann", "bob"):
        fills = kit.engine.fills(name)
        for order in kit.engine.orders(name):
            mine = [fill for fill in fills if fill.order_id == order.order_id]
            assert order.filled == sum((fill.amount for fill in mine), ZERO)
            market = kit.engine.markets[order.symbol]
            assert order.cost_quote == sum((value_of(market, fill.amount, fill.price) for fill in mine), ZERO)
            if order.remaining is not None:
                assert order.remaining >= 0
                assert (order.remaining == 0) == (order.status is SimStatus.FILLED)
            if order.request.cost_quote is not None:
                assert order.cost_quote <= order.request.cost_quote
            if order.request.price is not None:
                assert all((fill.price - order.request.price) * order.side.sign <= 0 for fill in mine)


def check_history(kit: Kit) -> None:
    """Each order's events tell one story: new first, fills growing, nothing after the end."""
    latest: dict[str, SimOrder] = {}
    for event in kit.heard:
        if not isinstance(event, OrderChanged):
            continue
        before = latest.get(event.order.order_id)
        assert (event.reason == "new") == (before is None)
        if before is not None:
            assert not before.status.is_final
            assert event.order.filled - before.filled == (event.fill.amount if event.fill else ZERO)
        latest[event.order.order_id] = event.order
    for order in latest.values():
        assert kit.now(order).status is order.status
        assert kit.now(order).filled == order.filled


@pytest.mark.parametrize("fee_currency", [None, "quote", "BNB"])
@pytest.mark.parametrize("symbol", [BTC, PERP, INVERSE])
def test_whatever_happens_the_books_balance(symbol: str, fee_currency: str | None) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(actions(symbol), min_size=5, max_size=40))
    def run(story: list[tuple[Any, ...]]) -> None:
        usdt, btc = ("150" if symbol == PERP else "600"), ("1.5" if symbol == INVERSE else "5")
        kit = Kit(fee_currency, perp_fees=("0.0002", "0.0005"), USDT=usdt, BTC=btc, BNB=1)
        kit.trade(600, symbol="BNB/USDT")
        kit.trade(100, symbol=symbol)
        for action in story:
            with suppress(EngineReject):  # refused: then nothing may have changed, which the checks see
                act(kit, symbol, action)
            check_money(kit)
            check_book(kit, symbol)
        check_orders(kit)
        check_history(kit)

    run()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(prices, amounts, accounts), min_size=1, max_size=15),
    sides,
    amounts,
)
def test_makers_are_served_by_price_and_then_by_time(
    resting: list[tuple[Decimal, Decimal, str]], side: Side, wanted: Decimal
) -> None:
    kit = Kit()
    placed = [kit.limit(account, side, amount, price) for price, amount, account in resting]
    kit.market("ann", side.opposite, wanted * 3)
    queue = sorted(placed, key=lambda order: (-side.sign * order.request.price, int(order.order_id)))  # type: ignore[operator]
    left = wanted * 3
    for order in queue:
        expected = min(left, order.request.amount or ZERO)
        assert kit.now(order).filled == expected
        left -= expected


@settings(max_examples=40, deadline=None)
@given(st.lists(actions(BTC), min_size=5, max_size=30))
def test_the_same_story_gives_the_same_events(story: list[tuple[Any, ...]]) -> None:
    def tell() -> list[Any]:
        kit = Kit()
        for action in story:
            try:
                act(kit, BTC, action)
            except EngineReject as reject:
                kit.heard.append(reject.message)  # type: ignore[arg-type]
        return kit.heard

    assert tell() == tell()
