"""An account that is kept call by call and brought back is the account that it was, and goes on as it would have."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.matching.engine import Engine, EngineReject, Event, FundingPaid, NewOrder, OrderChanged
from btccxt.matching.kept import KeptOrder
from btccxt.model import Market, MarketType, OrderKind, Side, TimeInForce
from btccxt.orders.journal.paper import PaperChange, load_paper, prune_paper
from btccxt.orders.journal.schema import MIGRATIONS

SPOT = Market(
    "BTC/USDT", "BTC", "USDT", None, MarketType.SPOT, True, D("0.1"), D("0.001"), maker_rate=D("0.001"),
    taker_rate=D("0.002"),
)  # fmt: skip
PERP = Market(
    "BTC/USDT:USDT", "BTC", "USDT", "USDT", MarketType.LINEAR, True, D("0.1"), D("0.001"), maker_rate=D("0.0002"),
    taker_rate=D("0.0005"),
)  # fmt: skip
COIN = Market(
    "BTC/USD:BTC", "BTC", "USD", "BTC", MarketType.INVERSE, True, D("0.1"), D(1), contract_size=D(100),
    maker_rate=D("0.0002"), taker_rate=D("0.0005"),
)  # fmt: skip
BALANCES = {"USDT": D(10_000), "BTC": D(2)}


class Kept:
    """What a process that was killed after any call has left on disk."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.connection = sqlite3.connect(":memory:")
        for script in MIGRATIONS:
            self.connection.executescript(script)
        self.engine = Engine([market])
        self.engine.open_account("paper", BALANCES)
        self.keep(PaperChange(self.engine.kept_account("paper")))
        self.engine.record(self.on_call)

    def keep(self, change: PaperChange) -> None:
        for statement, values in change.statements():
            self.connection.execute(statement, values)

    def on_call(self, events: Sequence[Event]) -> None:
        changed = [each for each in events if isinstance(each, OrderChanged)]
        orders = {each.order.order_id: self.engine.kept_order("paper", each.order.order_id) for each in changed}
        orders |= {each.order_id: each for each in self.engine.trailing(self.market.symbol)}
        kept: list[KeptOrder] = [each for each in orders.values() if each is not None]
        fills = [each.fill for each in changed if each.fill is not None]
        fundings = [each for each in events if isinstance(each, FundingPaid)]
        self.keep(PaperChange(self.engine.kept_account("paper"), kept, fills, fundings))

    def brought_back(self) -> Engine:
        stored = load_paper(self.connection)
        assert stored is not None
        engine = Engine([self.market])
        engine.restore_account("paper", stored.account, stored.past)
        return engine


def state(engine: Engine, symbol: str) -> tuple[Any, ...]:
    balances = {coin: each for coin, each in engine.balances("paper").items() if each.total or each.used}
    fills = sorted(engine.fills("paper"), key=lambda fill: (fill.trade_id, fill.order_id))
    past = fills, engine.fundings("paper"), engine.orders("paper")
    return balances, engine.positions("paper"), *past


def play(engine: Engine, market: Market, seed: int, now_ms: int) -> None:
    """One thing that happens, the same for the same seed."""
    rng, symbol = random.Random(seed), market.symbol
    last = engine.last(symbol) or D(100)
    price = max(D(50), last + D(rng.randint(-30, 30)) / 10)
    side, amount = rng.choice(list(Side)), D(rng.randint(1, 20)) * (1 if market.amount_step == 1 else D("0.05"))
    try:
        match rng.randint(0, 9):
            case 0 | 1 | 2:
                engine.set_depth(symbol, [], [], now_ms)
                engine.print_trade(symbol, price, amount, rng.choice(list(Side)), now_ms)
                engine.set_depth(symbol, [(price, amount)], [(price + D("0.1"), amount)], now_ms)
            case 3 | 4:
                engine.submit("paper", NewOrder(symbol, side, OrderKind.MARKET, amount), now_ms)
            case 5:
                gtd = {"time_in_force": TimeInForce.GTD, "expires_ms": now_ms + 500} if rng.random() < 0.3 else {}
                engine.submit("paper", NewOrder(symbol, side, OrderKind.LIMIT, amount, price, **gtd), now_ms)
            case 6:
                trailing = NewOrder(symbol, side, OrderKind.TRAILING_AMOUNT, amount, trailing_amount=D(1))
                stop = NewOrder(symbol, side, OrderKind.STOP, amount, trigger_price=last + side.sign * D(2))
                engine.submit("paper", rng.choice([trailing, stop]), now_ms)
            case 7:
                stop = NewOrder(symbol, side, OrderKind.STOP, amount, trigger_price=last + side.sign * D(2))
                engine.submit_list(
                    "paper", [stop, NewOrder(symbol, side, OrderKind.LIMIT, amount, last - side.sign * D(2))], now_ms
                )
            case 8:
                open_orders = engine.orders("paper", open_only=True)
                if open_orders:
                    engine.cancel("paper", symbol=symbol, order_id=rng.choice(open_orders).order_id, now_ms=now_ms)
            case _:
                if market.is_contract:
                    engine.apply_funding(symbol, D("0.001"), now_ms)
    except EngineReject:
        pass


@pytest.mark.parametrize("market", [SPOT, PERP, COIN], ids=["spot", "linear", "inverse"])
@pytest.mark.parametrize("seed", range(8))
def test_killed_after_any_call_it_is_the_same_account(market: Market, seed: int) -> None:
    kept = Kept(market)
    for step in range(120):
        play(kept.engine, market, seed * 1_000 + step, 1_000 + step * 100)
        if step % 10 == 9:
            assert state(kept.brought_back(), market.symbol) == state(kept.engine, market.symbol)
    assert kept.engine.fills("paper") and len(kept.engine.orders("paper")) > 10


@pytest.mark.parametrize("market", [SPOT, PERP, COIN], ids=["spot", "linear", "inverse"])
@pytest.mark.parametrize("seed", range(4))
def test_it_goes_on_as_the_one_that_was_never_killed(market: Market, seed: int) -> None:
    kept = Kept(market)
    for step in range(60):
        play(kept.engine, market, seed * 1_000 + step, 1_000 + step * 100)
    other = kept.brought_back()
    quiet = D(100) if (last := kept.engine.last(market.symbol)) is None else last
    for engine in (kept.engine, other):  # the market's next word
        engine.print_trade(market.symbol, quiet, D("0.001"), None, 7_000)
        engine.set_depth(market.symbol, [(quiet - 1, D(9))], [(quiet + 1, D(9))], 7_000)
    for step in range(60, 120):
        for engine in (kept.engine, other):
            play(engine, market, seed * 1_000 + step, 1_100 + step * 100)
    assert state(other, market.symbol) == state(kept.engine, market.symbol)


def test_an_account_of_another_market_is_refused() -> None:
    kept = Kept(SPOT)
    kept.engine.set_depth(SPOT.symbol, [(D(99), D(5))], [(D(100), D(5))], 1)
    kept.engine.submit("paper", NewOrder(SPOT.symbol, Side.BUY, OrderKind.MARKET, D(1)), 2)
    stored = load_paper(kept.connection)
    assert stored is not None
    with pytest.raises(EngineReject, match="BTC/USDT"):
        Engine([PERP]).restore_account("paper", stored.account, stored.past)


def test_of_the_past_the_newest_is_kept() -> None:
    kept = Kept(SPOT)
    kept.engine.set_depth(SPOT.symbol, [(D(99), D(5))], [(D(100), D(500))], 1)
    kept.engine.submit("paper", NewOrder(SPOT.symbol, Side.BUY, OrderKind.LIMIT, D(1), D(50)), 2)
    for at in range(6):
        kept.engine.submit("paper", NewOrder(SPOT.symbol, Side.BUY, OrderKind.MARKET, D(1)), 3 + at)
    prune_paper(kept.connection, 2)
    engine = kept.brought_back()
    assert [each.order_id for each in engine.orders("paper")] == ["1", "6", "7"]
    assert [each.order_id for each in engine.fills("paper")] == ["6", "7"]
    assert dict(engine.balances("paper")) == dict(kept.engine.balances("paper"))
