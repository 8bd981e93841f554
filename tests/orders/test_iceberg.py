"""An iceberg order that the exchange does not have: slices, one after the other, never more than was asked for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.model import Market, OrderKind, Side
from tests.orders.contingent_world import PERP, SPOT, World

BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "contract"])


def iceberg(world: World, amount: str = "1", part: str = "0.4", price: str = "99", **more: str) -> None:
    context = {"watch": "slices are placed from here", "slices": part, **more}
    world.give("ice", Side.BUY, OrderKind.LIMIT, amount, context, price=price, iceberg_amount=part)


def showing(world: World) -> list[D]:
    return [o.remaining for o in world.exchange.orders.values() if o.is_open]


@BOTH
def test_the_next_slice_comes_when_the_last_has_filled(market: Market) -> None:
    world = World(market)
    iceberg(world)
    for shown in ("0.4", "0.4", "0.2"):
        assert showing(world) == [D(shown)]
        (name,) = [name for name, order in world.exchange.orders.items() if order.is_open]
        assert world.exchange.orders[name].request.iceberg_amount is None
        world.fill(name, "0.1")
        assert showing(world) == [D(shown) - D("0.1")]  # a part of a slice brings no other
        world.fill(name, str(D(shown) - D("0.1")))
    assert showing(world) == []
    assert (world.states()["ice"], world.strategy["ice"].filled, world.exchange.position) == ("filled", 1, 1)
    assert world.strategy["ice"].amount == 1
    assert world.alarms == []


@BOTH
def test_a_price_that_goes_through_it_fills_all_of_it_and_no_more(market: Market) -> None:
    world = World(market)
    iceberg(world)
    world.move("98")
    world.wait(5)
    assert (world.exchange.position, world.states()["ice"], showing(world), world.alarms) == (1, "filled", [], [])


@BOTH
@pytest.mark.parametrize("moment", range(7))
def test_it_goes_on_after_a_kill_and_never_buys_more(market: Market, moment: int) -> None:
    world = World(market)
    iceberg(world)
    world.instant = False
    world.exchange.move(D(98))
    for _ in range(moment):
        world.deliver()
    world.kill()
    world.instant = True
    world.settle()
    world.wait(5)
    sent = sum(order.filled for order in world.exchange.orders.values())
    assert sent == world.exchange.position <= 1
    assert world.strategy["ice"].filled == world.exchange.position
    if world.states()["ice"] == "filled":
        assert world.exchange.position == 1
    else:  # a slice never arrived: it is told, and no other follows
        assert (world.strategy["ice"].is_final, showing(world)) == (True, [])
    assert world.alarms == []


@BOTH
def test_a_cancel_ends_all_of_it(market: Market) -> None:
    world = World(market)
    iceberg(world)
    (name,) = [name for name, order in world.exchange.orders.items() if order.is_open]
    world.fill(name, "0.4")
    world.strategy_cancels("ice")
    world.wait(2)
    assert (world.states()["ice"], showing(world), world.exchange.position) == ("canceled", [], D("0.4"))
    assert world.alarms == []


@BOTH
def test_a_slice_that_is_refused_ends_it_with_the_reason(market: Market) -> None:
    world = World(market)
    iceberg(world)
    (name,) = [name for name, order in world.exchange.orders.items() if order.is_open]
    world.exchange.refuse_next = ["insufficient balance"]
    world.fill(name, "0.4")
    world.wait(2)
    assert (world.states()["ice"], world.strategy["ice"].filled, showing(world)) == ("canceled", D("0.4"), [])
    assert "insufficient balance" in world.notes_told[0]
    world = World(market)
    world.exchange.refuse_next = ["insufficient balance"]
    iceberg(world)
    assert (world.states()["ice"], world.strategy["ice"].reasons) == ("rejected", ("insufficient balance",))


def test_the_last_slice_is_never_less_than_the_exchange_takes() -> None:
    world = World(replace(SPOT, min_amount=D("0.1")))
    iceberg(world, amount="0.85", part="0.4")
    shown = []
    while showing(world):
        shown += showing(world)
        (name,) = [name for name, order in world.exchange.orders.items() if order.is_open]
        world.fill(name, str(shown[-1]))
    assert (shown, world.states()["ice"]) == ([D("0.4"), D("0.35"), D("0.1")], "filled")


def test_it_may_be_the_entry_of_a_bracket() -> None:
    world = World(SPOT)
    tied = {"parent": "ice", "oco": "stop"}
    world.give("stop", Side.SELL, OrderKind.STOP, "1", tied, trigger_price="90")
    world.give("target", Side.SELL, OrderKind.LIMIT, "1", tied, price="110")
    iceberg(world)
    (name,) = [name for name, order in world.exchange.orders.items() if order.is_open]
    world.fill(name, "0.4")
    assert world.protected() == D("0.4")
    world.kill()
    world.wait(1)
    assert world.protected() == D("0.4")
    world.move("98")
    world.wait(5)
    assert (world.exchange.position, world.protected(), world.alarms) == (1, 1, [])
