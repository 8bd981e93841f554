"""Exits in per cent of the entry's fill: settled once, rounded towards the entry, the same after a kill."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import Market, OrderKind, OrderRequest, Side
from btccxt.orders.from_entry import priced_from
from tests.orders.contingent_world import PERP, SPOT, World

BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "contract"])


@pytest.mark.parametrize(
    ("side", "percent", "kind", "average", "price"),
    [
        (Side.SELL, "-2", OrderKind.STOP, "100.07", "98.1"), (Side.SELL, "4", OrderKind.LIMIT, "100.07", "104.0"),
        (Side.BUY, "2", OrderKind.STOP, "100.07", "102.0"), (Side.BUY, "-4", OrderKind.LIMIT, "100.07", "96.1"),
        (Side.SELL, "-0.05", OrderKind.STOP, "100", "99.9"),  # half a step away: never on the entry itself
        (Side.SELL, "0.05", OrderKind.LIMIT, "100", "100.1"),
    ],
)  # fmt: skip
def test_prices_are_rounded_towards_the_entry(side, percent, kind, average, price) -> None:
    fields = {"price": D(1)} if kind is OrderKind.LIMIT else {"trigger_price": D(1)}
    request = OrderRequest("x", PERP.symbol, side, kind, D(1), **fields)
    priced = priced_from(request, D(average), D(percent), PERP)
    assert (priced.price or priced.trigger_price) == D(price)


def percent_bracket(world: World, entry: str | None = "95", stop: str = "-2", target: str = "4") -> None:
    reduces = {"reduce_only": True} if world.market.is_contract else {}
    tied = {"parent": "entry", "oco": "stop"}
    world.give("stop", Side.SELL, OrderKind.STOP, "1", {**tied, "entry_pct": stop}, trigger_price="88", **reduces)
    world.give("target", Side.SELL, OrderKind.LIMIT, "1", {**tied, "entry_pct": target}, price="106", **reduces)
    if entry is None:
        world.give("entry", Side.BUY, OrderKind.MARKET, "1")
    else:
        world.give("entry", Side.BUY, OrderKind.LIMIT, "1", price=entry)


def prices(world: World) -> tuple[D | None, D | None]:
    stop, target = world.strategy["stop"].request, world.strategy["target"].request
    return stop.trigger_price, target.price


@BOTH
@pytest.mark.parametrize("killed", [False, True])
def test_exits_are_priced_from_the_first_fill_and_keep_their_price(market: Market, killed: bool) -> None:
    world = World(market)
    percent_bracket(world)
    world.exchange.price = D(94)
    world.fill("entry", "0.4")
    assert prices(world) == (D("92.12") if market is SPOT else D("92.2"), D("97.76") if market is SPOT else D("97.7"))
    first = prices(world)
    if killed:
        world.kill()
    world.exchange.price = D("94.8")
    world.fill("entry", "0.6")
    world.wait(5)
    assert prices(world) == first
    assert world.protected() == 1
    stops = [o.request.trigger_price for o in world.exchange.orders.values() if o.request.kind is OrderKind.STOP]
    assert set(stops) == {first[0]}
    world.move("98")
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["target"] == "filled"


@BOTH
@pytest.mark.parametrize("moment", range(6))
def test_a_kill_before_they_are_priced_keeps_the_percentages(market: Market, moment: int) -> None:
    world = World(market)
    percent_bracket(world)
    world.instant = False
    world.exchange.price = D(94)
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    for _ in range(moment):
        world.deliver()
    world.kill()
    world.instant = True
    world.settle()
    world.wait(2)
    assert prices(world) == (D("92.12") if market is SPOT else D("92.2"), D("97.76") if market is SPOT else D("97.7"))
    assert (world.exchange.position, world.protected(), world.alarms) == (1, 1, [])  # a stop that never arrived as well


@BOTH
def test_a_market_entry_is_priced_from_all_of_its_fills(market: Market) -> None:
    world = World(market)
    percent_bracket(world, entry=None)
    assert prices(world) == (D("98"), D("104"))


def test_no_price_of_the_estimate_fires_an_exit_before_the_true_ones_are_known() -> None:
    world = World(SPOT)
    world.instant = False
    percent_bracket(world, entry=None, target="10")
    while not world.orders.get("entry") or not world.orders["entry"].filled:
        world.deliver()
    world.prints("107")  # beyond the estimate, below the true target
    world.instant = True
    world.settle()
    world.wait(1)
    assert world.states()["target"] == "journaled"


def test_a_fill_whose_trades_are_not_listed_does_not_leave_it_without_a_stop() -> None:
    world = World(SPOT)
    percent_bracket(world)
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    world.messages.popleft()
    world.instant = True
    world.settle()
    world.wait(1)
    assert world.protected() >= D("0.998")
    assert world.strategy["stop"].request.trigger_price == 88
