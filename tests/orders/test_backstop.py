"""A trailing stop that is kept here has a plain stop behind it at the exchange: it follows, and never fills twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.model import Market, OrderKind, Side
from btccxt.orders.policy import TrackerPolicy
from tests.orders.contingent_world import PERP, SPOT, World

BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "contract"])


def trailing(world: World, amount: str = "10", target: str | None = "130") -> None:
    """A bracket with a trailing stop that the exchange does not have; the entry fills at 100."""
    contract = world.market.is_contract
    context = {"parent": "entry", "watch": "not here", "backstop": "reduce_only" if contract else "plain"}
    reduces = {"reduce_only": True} if contract else {}
    pair = {} if target is None else {"oco": "stop"}
    world.give(
        "stop", Side.SELL, OrderKind.TRAILING_AMOUNT, "1", {**context, **pair}, trailing_amount=amount, **reduces
    )
    if target is not None:
        tied = {"parent": "entry", "oco": "stop"}
        world.give("target", Side.SELL, OrderKind.LIMIT, "1", tied, price=target, **reduces)
    world.give("entry", Side.BUY, OrderKind.LIMIT, "1", price="100")
    world.wait(1)


def stops(world: World) -> list[tuple[D, D]]:
    """Trigger price and amount of every plain stop at the exchange."""
    orders = (o for o in world.exchange.orders.values() if o.is_open and o.request.kind is OrderKind.STOP)
    return [(o.request.trigger_price, o.remaining) for o in orders]


@BOTH
def test_a_plain_stop_stands_at_the_worst_price_and_follows_in_steps(market: Market) -> None:
    world = World(market)
    trailing(world)
    assert stops(world) == [(D(90), D(1))]
    world.move("105")
    assert stops(world) == [(D(90), D(1))]  # not oftener than every ten seconds
    world.wait(11)
    assert stops(world) == [(D(95), D(1))]
    world.wait(11)
    world.move("105.5")
    world.wait(1)
    assert stops(world) == [(D(95), D(1))]  # less than a tenth of the distance
    assert world.strategy["stop"].state.value == "open"
    assert (world.protected(), world.alarms) == (1, [])
    if market.is_contract:
        assert all(o.request.reduce_only for o in world.exchange.orders.values() if o.request.kind is OrderKind.STOP)


@BOTH
def test_while_the_program_is_dead_the_backstop_protects_and_it_counts_afterwards(market: Market) -> None:
    world = World(market)
    trailing(world)
    world.move("105")
    world.wait(11)
    world.exchange.move(D(94))  # nobody here sees it
    assert world.exchange.position == 0
    world.kill()
    world.wait(5)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == "filled"


@BOTH
def test_it_goes_on_following_after_a_kill(market: Market) -> None:
    world = World(market)
    trailing(world)
    world.move("105")
    world.wait(11)
    world.kill()
    world.move("112")
    world.wait(12)
    assert stops(world) == [(D(102), D(1))]
    world.move("102")
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])


@BOTH
@pytest.mark.parametrize("late", range(6))
def test_between_backstop_and_trailing_price_one_order_fills_and_no_other(market: Market, late: int) -> None:
    world = World(market)
    trailing(world)
    world.move("105")  # 95 here, 90 at the exchange
    world.instant = False
    world.exchange.move(D(94))
    world.emulator.on_price(market.symbol, D(94))
    for _ in range(late):
        world.deliver()
    world.exchange.move(D(89))  # the backstop's price comes while it is being taken off
    world.instant = True
    world.settle()
    world.wait(5)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.exchange.coins == 50
    assert world.states()["stop"] == "filled"
    assert world.strategy["stop"].filled == 1


@BOTH
def test_a_backstop_that_the_exchange_refuses_closes_nothing(market: Market) -> None:
    world = World(market)
    contract = market.is_contract
    context = {"parent": "entry", "watch": "not here", "backstop": "reduce_only" if contract else "plain"}
    reduces = {"reduce_only": True} if contract else {}
    world.give("stop", Side.SELL, OrderKind.TRAILING_AMOUNT, "1", context, trailing_amount="10", **reduces)
    world.give("entry", Side.BUY, OrderKind.LIMIT, "1", price="99")
    world.exchange.refuse_next = ["too many stops"] * 3
    world.fill("entry", "1")
    world.wait(60)
    assert (world.exchange.position, stops(world)) == (1, [])
    assert "kept by this program alone" in world.notes_told[0]
    assert (world.emulator._groups.by_name["entry"].protected, world.alarms) == (1, [])
    world.move("89")
    world.wait(1)
    assert (world.exchange.position, world.alarms) == (0, [])


def test_it_stands_as_soon_as_the_first_price_is_known() -> None:
    world = World(SPOT)
    world._watch = lambda symbol, wanted: None  # nobody tells the price at once
    world.emulator._watch_prices = world._watch
    trailing(world, target=None)
    world.wait(30)
    assert world.at_exchange() == {}
    world.prints("100")
    assert stops(world) == [(D(90), D(1))]


def test_it_can_be_switched_off() -> None:
    world = World(SPOT, policy=replace(TrackerPolicy(), trailing_backstop=False))
    trailing(world, target=None)
    assert world.at_exchange() == {}
    world.move("89")
    assert world.exchange.position == 0


@BOTH
def test_a_trailing_stop_alone_has_one_too(market: Market) -> None:
    world = World(market)
    world.give("buy", Side.BUY, OrderKind.MARKET, "1")
    contract = market.is_contract
    context = {"watch": "not here", "trails_from": "100", "backstop": "reduce_only" if contract else "plain"}
    world.give("stop", Side.SELL, OrderKind.TRAILING_AMOUNT, "1", context, trailing_amount="10")
    world.wait(1)
    assert stops(world) == [(D(90), D(1))]
    world.move("110")
    world.wait(11)
    assert stops(world) == [(D(100), D(1))]
    world.kill()
    world.move("104")
    assert world.exchange.position == 1
    world.move("99")
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.states()["stop"]) == (0, {}, "filled")
    assert world.alarms == []


@BOTH
def test_a_cancelled_trailing_stop_takes_its_backstop_along(market: Market) -> None:
    world = World(market)
    world.give("buy", Side.BUY, OrderKind.MARKET, "1")
    context = {"watch": "not here", "trails_from": "100", "backstop": "plain"}
    world.give("stop", Side.SELL, OrderKind.TRAILING_AMOUNT, "1", context, trailing_amount="10")
    world.wait(1)
    world.strategy_cancels("stop")
    world.wait(1)
    assert (world.at_exchange(), world.states()["stop"], world.alarms) == ({}, "canceled", [])


def test_on_spot_a_target_takes_the_backstops_place_and_gives_it_back() -> None:
    world = World(SPOT)
    trailing(world, target="105")
    world.prints("105")
    assert list(world.at_exchange().values()) == ["limit 1"]
    world.wait(6)
    assert stops(world) == [(D(95), D(1))]
    assert world.alarms == []


@BOTH
@pytest.mark.parametrize("late", range(5))
def test_alone_too_it_is_taken_off_before_the_trailing_stop_sells(market: Market, late: int) -> None:
    world = World(market)
    world.give("buy", Side.BUY, OrderKind.MARKET, "1")
    context = {"watch": "not here", "trails_from": "100", "backstop": "reduce_only" if market.is_contract else "plain"}
    world.give("stop", Side.SELL, OrderKind.TRAILING_AMOUNT, "1", context, trailing_amount="10")
    world.wait(1)
    world.move("109")  # 99 here, 90 at the exchange
    world.instant = False
    world.exchange.move(D(98))
    world.emulator.on_price(market.symbol, D(98))
    for _ in range(late):
        world.deliver()
    world.exchange.move(D(89))
    world.instant = True
    world.settle()
    world.wait(5)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert (world.exchange.coins, world.strategy["stop"].filled, world.states()["stop"]) == (50, 1, "filled")
