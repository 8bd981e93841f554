"""The strategy closes what a bracket protects: its exits make way, and come back for what stays open."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import Market, OrderKind, Side
from tests.orders.contingent_world import PERP, SPOT, World

BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "contract"])


def closes(world: World, amount: str = "1", shares: str = "entry:1", **fields: object) -> None:
    kind = fields.pop("kind", OrderKind.MARKET)
    reduces = {"reduce_only": True} if world.market.is_contract else {}
    world.give("close", Side.SELL, kind, amount, {"closes": shares}, **reduces, **fields)


@BOTH
def test_a_close_under_a_bracket_ends_it_without_an_alarm(market: Market) -> None:
    world = World(market)
    world.bracket()
    closes(world)
    world.wait(20)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "canceled", "close": "filled"}
    assert world.emulator.protection() == ()  # not for a second without its stop


def test_on_a_contract_the_stop_stays_until_the_position_has_gone() -> None:
    world = World(PERP)
    world.bracket()
    world.instant = False
    closes(world)
    while world.requests:
        world.deliver()
    while "close" not in world.exchange.orders:
        assert any(name == "stop" and order.is_open for name, order in world.exchange.orders.items())
        world.deliver()
    assert not world.exchange.orders["target"].is_open


@BOTH
def test_after_a_partial_close_the_exits_are_of_the_rest(market: Market) -> None:
    world = World(market)
    world.bracket()
    closes(world, "0.4", "entry:0.4")
    world.wait(5)
    assert world.protected() == world.exchange.position == D("0.6")
    assert {what for what in world.at_exchange().values() if "stop" in what} == {"stop 0.6"}
    assert world.strategy["stop"].amount == world.strategy["target"].amount == D("0.6")
    world.move(111)
    world.wait(1)
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "filled", "close": "filled"}
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])


@BOTH
def test_after_a_refused_close_the_exits_are_back(market: Market) -> None:
    world = World(market)
    world.bracket()
    before = world.at_exchange()
    world.exchange.refuse_next = ["too many requests"]
    closes(world)
    world.wait(2)
    assert sorted(world.at_exchange().values()) == sorted(before.values())
    assert world.states() == {
        "entry": "filled",
        "stop": "open",
        "target": world.states()["target"],
        "close": "rejected",
    }
    assert (world.protected(), world.alarms) == (1, [])


@BOTH
def test_a_close_that_the_book_fills_in_part_leaves_the_rest_protected(market: Market) -> None:
    world = World(market)
    world.bracket()
    world.exchange.liquidity = D("0.3")
    closes(world)
    world.exchange.liquidity = None
    world.wait(2)
    assert (world.states()["close"], world.protected()) == ("expired", D("0.7"))
    assert world.alarms == []


@BOTH
def test_a_stop_that_is_quicker_than_its_cancel_leaves_nothing_to_close(market: Market) -> None:
    world = World(market)
    world.bracket()
    world.instant = False
    closes(world)
    world.exchange.move(D(89))  # before any request arrives
    world.instant = True
    world.settle()
    world.wait(20)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == "filled"
    assert world.states()["close"] in ("canceled", "rejected", "expired")
    assert world.exchange.coins == 50


@BOTH
@pytest.mark.parametrize("moment", range(8))
def test_a_close_goes_on_after_a_kill_and_nothing_is_sold_twice(market: Market, moment: int) -> None:
    world = World(market)
    world.bracket()
    world.instant = False
    closes(world)
    for _ in range(moment):
        world.deliver()
    world.kill()
    world.instant = True
    world.settle()
    world.wait(20)
    assert world.exchange.position == (0 if world.states()["close"] == "filled" else 1)
    assert world.protected() == world.exchange.position
    assert world.alarms == []


@BOTH
def test_what_was_closed_before_a_kill_is_closed_after_it(market: Market) -> None:
    world = World(market)
    world.bracket()
    closes(world, "0.4", "entry:0.4")
    world.kill()
    world.wait(5)
    assert world.protected() == world.exchange.position == D("0.6")
    assert world.alarms == []


@BOTH
def test_one_close_of_several_brackets(market: Market) -> None:
    world = World(market)
    for number in (1, 2):
        tied = {"parent": f"entry{number}"}
        reduces = {"reduce_only": True} if market.is_contract else {}
        world.give(f"stop{number}", Side.SELL, OrderKind.STOP, "0.5", tied, trigger_price="90", **reduces)
        world.give(f"entry{number}", Side.BUY, OrderKind.MARKET, "0.5")
    world.wait(1)
    closes(world, "0.8", "entry1:0.5 entry2:0.3")
    world.wait(5)
    assert world.states()["close"] == "filled"
    assert world.protected() == world.exchange.position == D("0.2")
    assert (world.states()["stop1"], world.states()["stop2"], world.alarms) == ("canceled", "open", [])


@BOTH
def test_a_close_can_be_cancelled_while_exits_make_way(market: Market) -> None:
    world = World(market)
    world.bracket()
    world.instant = False
    closes(world)
    world.strategy_cancels("close")
    world.instant = True
    world.settle()
    world.wait(2)
    assert (world.states()["close"], world.protected(), world.exchange.position) == ("canceled", 1, 1)
    assert world.alarms == []


def test_a_pair_that_opens_a_position_has_no_share_in_a_close() -> None:
    """It was placed while nothing was held, so it guards nothing: the close is sent whole, and at once."""
    world = World(PERP)
    world.give("dip", Side.SELL, OrderKind.LIMIT, "1", {"oco": "dip"}, price="120")
    world.give("break", Side.SELL, OrderKind.STOP, "1", {"oco": "dip"}, trigger_price="80")
    world.give("buy", Side.BUY, OrderKind.MARKET, "1")
    closes(world, "1", "dip:1")
    assert (world.states()["close"], world.exchange.position) == ("filled", 0)
    assert (world.states()["dip"], world.states()["break"], world.alarms) == ("open", "open", [])


# ------------------------------------------------------------------ orders that close later, where coins are bound once


def guest(world: World, amount: str = "0.4", **fields: object) -> None:
    fields = {"kind": OrderKind.LIMIT, "price": "105", **fields}
    closes(world, amount, f"entry:{amount}", **fields)


def test_a_limit_sale_under_a_bracket_waits_for_its_price_beside_the_stop() -> None:
    world = World(SPOT)
    world.bracket()
    guest(world)
    assert world.at_exchange() == {"stop": "stop 1"}
    world.move(106)
    world.wait(1)
    assert (world.states()["close"], world.states()["stop"], world.protected()) == ("filled", "open", D("0.6"))
    world.move(89)
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == "filled"


@pytest.mark.parametrize("then", ["cancelled", "stopped"])
def test_a_sale_that_waits_beside_a_bracket_ends_alone_or_with_the_position(then: str) -> None:
    world = World(SPOT)
    world.bracket()
    guest(world)
    if then == "cancelled":
        world.strategy_cancels("close")
        assert (world.states()["close"], world.states()["stop"], world.protected()) == ("canceled", "open", 1)
    else:
        world.move(89)
        world.wait(1)
        assert (world.states()["close"], world.states()["stop"]) == ("canceled", "filled")
    assert world.alarms == []


def test_when_the_bracket_is_cancelled_the_sale_beside_it_has_the_coins() -> None:
    world = World(SPOT)
    world.bracket()
    guest(world)
    world.strategy_cancels("stop")
    world.wait(1)
    assert world.at_exchange() == {"close": "limit 0.4"}
    world.move(106)
    assert (world.states()["close"], world.states()["stop"], world.alarms) == ("filled", "canceled", [])


def test_a_stop_of_its_own_under_a_bracket_sells_its_part_and_the_bracket_goes_on() -> None:
    world = World(SPOT)
    world.bracket()
    guest(world, kind=OrderKind.STOP, price=None, trigger_price="95")
    world.move(94)
    world.wait(1)
    assert (world.states()["close"], world.exchange.position, world.protected()) == ("filled", D("0.6"), D("0.6"))
    assert world.alarms == []


def test_a_sale_beside_a_bracket_is_still_there_after_a_kill() -> None:
    world = World(SPOT)
    world.bracket()
    guest(world)
    world.kill()
    world.move(106)
    world.wait(1)
    assert (world.states()["close"], world.states()["stop"], world.protected()) == ("filled", "open", D("0.6"))
    world.kill()
    world.wait(1)
    assert world.protected() == world.exchange.position == D("0.6")
    assert world.alarms == []


def test_a_stop_that_is_hit_before_it_was_made_smaller_has_filled_whole_when_the_position_is_gone() -> None:
    """It may only reduce, so the exchange ends the rest of it."""
    world = World(PERP)
    world.bracket()
    closes(world, "0.5", "entry:0.5")
    world.move(89)
    world.wait(2)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    stop = world.strategy["stop"]
    assert (stop.state.value, stop.filled, stop.amount) == ("filled", D("0.5"), D("0.5"))


# ------------------------------------------------------------------ an order that stands alone


def alone(kind: OrderKind = OrderKind.STOP, **fields: object) -> World:
    """One coin was bought, and one order of its own is to sell it."""
    world = World(SPOT)
    world.give("entry", Side.BUY, OrderKind.MARKET, "1")
    prices = {"trigger_price": "90"} if kind is OrderKind.STOP else {"price": "110"}
    world.give("stop", Side.SELL, kind, "1", **prices, **fields)
    world.exchange.coins = world.exchange.position  # and no others
    return world


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.LIMIT])
def test_an_order_that_stands_alone_makes_way_for_a_close_and_ends_with_the_position(kind: OrderKind) -> None:
    world = alone(kind)
    closes(world, shares="stop:1")
    world.wait(20)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states() == {"entry": "filled", "stop": "canceled", "close": "filled"}


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.LIMIT])
@pytest.mark.parametrize("how", ["refused", "in part", "of a part"])
def test_an_order_that_stands_alone_comes_back_for_what_was_not_closed(kind: OrderKind, how: str) -> None:
    world = alone(kind)
    if how == "refused":
        world.exchange.refuse_next = ["too many requests"]
    world.exchange.liquidity = D("0.4") if how == "in part" else None
    part = ("0.4", "stop:0.4") if how == "of a part" else ("1", "stop:1")
    closes(world, *part)
    world.exchange.liquidity = None
    world.wait(5)
    left = D(1) if how == "refused" else D("0.6")
    assert world.exchange.position == left
    assert set(world.at_exchange().values()) == {f"{kind.value} {left}"}
    assert world.strategy["stop"].amount == left
    world.move(89 if kind is OrderKind.STOP else 111)
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == "filled"


def test_an_order_that_stands_alone_is_cancelled_by_the_strategy_after_it_came_back() -> None:
    world = alone()
    closes(world, "0.4", "stop:0.4")
    world.wait(5)
    world.strategy_cancels("stop")
    world.wait(5)
    assert (world.states()["stop"], world.at_exchange(), world.alarms) == ("canceled", {}, [])


@pytest.mark.parametrize("moment", range(8))
def test_a_close_of_what_stands_alone_goes_on_after_a_kill(moment: int) -> None:
    world = alone()
    world.instant = False
    closes(world)
    for _ in range(moment):
        world.deliver()
    world.kill()
    world.instant = True
    world.settle()
    world.wait(20)
    assert world.exchange.position == (0 if world.states()["close"] == "filled" else 1)
    assert set(world.at_exchange().values()) == ({"stop 1"} if world.exchange.position else set())
    assert world.alarms == []


@pytest.mark.parametrize("moment", [0, 1])
def test_what_came_back_is_known_as_the_order_that_stood_alone_after_a_kill(moment: int) -> None:
    world = alone()
    closes(world, "0.4", "stop:0.4")
    world.wait(5)
    for _ in range(moment + 1):
        world.kill()
    assert set(world.at_exchange().values()) == {"stop 0.6"}
    assert (world.states()["stop"], world.strategy["stop"].amount) == ("open", D("0.6"))
    closes_again = {"closes": "stop:0.6"}
    world.give("again", Side.SELL, OrderKind.MARKET, "0.6", closes_again)
    world.wait(5)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == "canceled"


@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_a_close_of_what_stands_alone_that_ended_at_that_moment(end: str) -> None:
    """The strategy has not heard of the end when it closes."""
    world = alone()
    if end == "filled":
        world.move(89)
    else:
        world.exchange_cancels("stop")
    closes(world, shares="stop:1")
    world.wait(20)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states()["stop"] == end
    assert world.states()["close"] == ("canceled" if end == "filled" else "filled")


def test_a_target_waits_beside_a_stop_that_stands_alone() -> None:
    world = alone()
    world.give("target", Side.SELL, OrderKind.LIMIT, "1", {"closes": "stop:1"}, price="110")
    assert world.at_exchange() == {"stop": "stop 1"}
    world.move(111)
    world.wait(1)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert (world.states()["target"], world.states()["stop"]) == ("filled", "canceled")


def test_when_the_stop_is_cancelled_what_waited_beside_it_makes_way_for_a_close() -> None:
    world = alone()
    world.give("target", Side.SELL, OrderKind.LIMIT, "1", {"closes": "stop:1"}, price="110")
    world.strategy_cancels("stop")
    world.wait(1)
    assert world.at_exchange() == {"target": "limit 1"}
    closes(world, shares="target:1")
    world.wait(5)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert (world.states()["target"], world.states()["close"]) == ("canceled", "filled")
