"""A stop and a target as one order list of the exchange: one story a test. What else may happen the model finds."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import OrderKind, Side
from btccxt.orders.context import EMULATED
from btccxt.orders.events import AlarmKind
from btccxt.orders.policy import TrackerPolicy
from tests.orders.contingent_world import SPOT, World

SELL, LIMIT, STOP = Side.SELL, OrderKind.LIMIT, OrderKind.STOP
EXPIRY_FIRST = pytest.mark.parametrize("expiry_first", [True, False], ids=["expiry first", "fill first"])


def kinds(world: World) -> list[AlarmKind]:
    return [alarm.kind for alarm in world.alarms]


def entered(*, fills: str | None = None, **terms: str) -> World:
    """A bracket whose entry has filled, or ``fills`` of it."""
    world = World(SPOT, lists=True)
    world.bracket(**({"entry": "95"} if fills else {}), **terms)
    if fills:
        world.fill("entry", fills)
    return world


def sent(world: World) -> list[str]:
    """The orders at the exchange, ended ones too, in their order."""
    return [order.request.kind.value for order in world.exchange.orders.values()]


def test_both_exits_rest_at_the_exchange_and_neither_is_said_to_wait_here() -> None:
    world = entered()
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    assert world.exchange.bound(SELL) == 1
    for name in ("stop", "target"):
        assert world.strategy[name].state.value == "open"
        assert world.strategy[name].order_id is not None
        assert EMULATED not in world.strategy[name].context
    assert (world.protected(), world.alarms) == (1, [])


def test_a_wick_at_the_target_is_the_exchanges_own_matter() -> None:
    world = entered()
    world.prints("110")
    world.wait(20)
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    assert sent(world) == ["limit", "stop", "limit"]


@EXPIRY_FIRST
def test_the_target_fills_and_the_stop_ends_without_a_request_of_ours(expiry_first: bool) -> None:
    world = entered()
    world.exchange.expiry_first = expiry_first
    world.move(111)
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "filled"}
    assert (world.at_exchange(), world.alarms) == ({}, [])
    assert not any(order.cancel_requested for order in world.orders.values())


@EXPIRY_FIRST
def test_the_stop_fires_and_the_target_ends(expiry_first: bool) -> None:
    world = entered()
    world.exchange.expiry_first = expiry_first
    world.move(85)
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}
    assert (world.at_exchange(), world.exchange.coins, world.alarms) == ({}, 50, [])
    assert not any(EMULATED in event.order.context for event in world.news if event.order.order_id)


@EXPIRY_FIRST
def test_what_a_partly_filled_target_leaves_is_guarded_at_once_and_a_list_again_in_time(expiry_first: bool) -> None:
    world = entered()
    world.exchange.expiry_first, world.exchange.liquidity = expiry_first, D("0.3")
    world.move(110)
    assert world.at_exchange() == {"target": "limit 0.7"}  # the exchange has ended the stop
    (guarded,) = world.emulator.protection()
    assert (guarded.open, guarded.protected) == (D("0.7"), D("0.7"))  # its price is watched here
    world.move(104)  # it has turned
    assert sorted(world.at_exchange().values()) == ["limit 0.7", "stop 0.7"]
    world.exchange.liquidity = None
    world.move(89)
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}
    assert (world.strategy["stop"].filled, world.strategy["target"].filled) == (D("0.7"), D("0.3"))
    assert (world.exchange.coins, world.alarms) == (50, [])


def test_after_a_partly_filled_target_a_gap_through_the_stop_sells_the_rest_at_market() -> None:
    world = entered()
    world.exchange.liquidity = D("0.3")
    world.move(110)
    world.exchange.liquidity = None
    world.move(80)
    assert world.at_exchange() == {}
    assert world.strategy["stop"].filled == D("0.7")
    assert (world.exchange.coins, world.states()["stop"]) == (50, "filled")


def test_further_fills_of_the_entry_are_further_lists_made_one_when_there_are_many() -> None:
    world = entered(fills="0.3")
    for amount in ("0.2", "0.1", "0.2", "0.1", "0.1"):
        world.fill("entry", amount)
        world.wait(10)
        assert world.protected() == world.exchange.position
        resting = [what.split()[0] for what in world.at_exchange().values()]
        assert resting.count("stop") == resting.count("limit") - ("entry" in world.at_exchange()) <= 3
    assert world.exchange.bound(SELL) == 1
    world.move(111)
    assert (world.strategy["target"].filled, world.states()["stop"], world.exchange.coins) == (1, "canceled", 50)


def test_a_list_that_is_refused_leaves_the_stop_there_and_the_target_here_and_that_is_said_once() -> None:
    world = World(SPOT, lists=True)
    world.exchange.price = D(110)
    world.bracket(entry="95")
    world.exchange.refuse_next = ["no order lists today"]
    world.move(100)
    world.fill("entry", "1")
    assert sorted(world.at_exchange().values()) == ["stop 1"]
    assert world.strategy["target"].state.value == "journaled"
    assert EMULATED in world.strategy["target"].context
    world.wait(30)
    (told,) = world.notes_told
    assert "no order lists today" in told
    assert world.alarms == []
    world.move(111)
    assert (world.states()["target"], world.states()["stop"], world.exchange.coins) == ("filled", "canceled", 50)


def test_a_list_refused_because_the_price_has_come_is_not_worth_a_word_and_the_stop_is_hit() -> None:
    policy = TrackerPolicy(price_passed_texts=("relationship of the prices", "trigger at once"))
    world = World(SPOT, lists=True, policy=policy)
    world.bracket(entry="89")
    world.exchange.price = D(89)
    world.exchange.refuse_next = ["The relationship of the prices for the orders is not correct."]
    world.fill("entry", "1")
    world.wait(1)
    assert (world.exchange.coins, world.at_exchange(), world.alarms) == (50, {}, [])
    assert (world.states()["stop"], world.notes_told) == ("filled", [])


def test_while_the_price_stays_at_the_target_no_list_is_tried() -> None:
    world = entered()
    world.exchange.liquidity = D("0.3")
    world.move(110)
    world.exchange.liquidity = D(0)
    world.wait(30)
    assert world.alarms == []
    (guarded,) = world.emulator.protection()
    assert (guarded.open, guarded.protected, guarded.unprotected_total_s) == (D("0.7"), D("0.7"), 0)


@pytest.mark.parametrize("by_hand", [0, 1], ids=["the stop", "the target"])
def test_a_list_taken_off_at_the_exchange_is_placed_again_and_said(by_hand: int) -> None:
    world = entered()
    world.exchange_cancels(list(world.at_exchange())[by_hand])
    world.wait(1)
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    assert kinds(world) == [AlarmKind.UNPROTECTED]
    assert "placed again" in world.alarms[0].text
    for _ in range(3):
        world.exchange_cancels(next(iter(world.at_exchange())))
        world.wait(5)
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}  # at market, as for a stop
    assert world.exchange.coins == 50


def test_what_happens_at_once_is_not_called_ended_by_somebody() -> None:
    world = entered()
    world.instant = False
    world.exchange.move(D(111))
    while world.messages:
        world.deliver()
    world.instant = True
    world.settle()
    assert world.alarms == []


def test_a_stop_that_its_target_has_ended_is_not_called_taken_off_however_late_that_is_heard() -> None:
    world = entered()
    world.exchange.liquidity = D("0.3")
    world.instant = False
    world.exchange.move(D(110))
    world.exchange.move(D(100))
    world.exchange.cancel("target")  # by hand
    late = [each for each in world.messages if each[0] == "stop"]
    world.messages = type(world.messages)([*(each for each in world.messages if each not in late), *late])
    world.instant = True
    world.settle()
    assert list(world.at_exchange().values()) == ["stop 0.7"]
    assert (world.protected(), world.alarms) == (D("0.7"), [])


def test_a_cancel_by_the_strategy_takes_both() -> None:
    world = entered()
    world.strategy_cancels("target")
    assert (world.at_exchange(), world.alarms) == ({}, [])
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "canceled"}


def test_a_target_whose_time_is_over_goes_alone_and_the_stop_stands_again() -> None:
    world = World(SPOT, lists=True)
    ends_ms = str(int((world.clock.now_s + 60) * 1000))
    tied = {"parent": "entry", "oco": "stop"}
    world.give("stop", SELL, STOP, "1", tied, trigger_price="90")
    world.give("target", SELL, LIMIT, "1", {**tied, "expires_ms": ends_ms}, price="110")
    world.give("entry", Side.BUY, LIMIT, "1", price="100")
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    world.wait(61)
    world.strategy_cancels("target")  # as the broker does at that time
    assert list(world.at_exchange().values()) == ["stop 1"]
    assert (world.states()["target"], world.alarms) == ("canceled", [])


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_pair_that_a_user_makes_is_a_list_whichever_was_given_first(stop_first: bool) -> None:
    world = World(SPOT, lists=True)
    if stop_first:
        world.give("stop", SELL, STOP, "1", trigger_price="90")
        world.give("target", SELL, LIMIT, "1", {"oco": "stop"}, price="110")
    else:
        world.give("target", SELL, LIMIT, "1", price="110")
        world.give("stop", SELL, STOP, "1", {"oco": "target"}, trigger_price="90")
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    world.move(111)
    assert (world.states(), world.alarms) == ({"stop": "canceled", "target": "filled"}, [])


def test_a_pair_that_opens_a_position_is_a_list_too() -> None:
    world = World(SPOT, lists=True)
    world.give("up", Side.BUY, STOP, "1", trigger_price="110")
    world.give("down", Side.BUY, LIMIT, "1", {"oco": "up"}, price="90")
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    world.exchange.liquidity = D("0.4")
    world.move(90)
    world.wait(20)
    assert world.states()["up"] == "canceled"
    assert world.strategy["down"].filled == D("0.4")
    assert list(world.at_exchange().values()) == ["limit 0.6"]
    assert world.alarms == []


@pytest.mark.parametrize("price", [111, 85])
@pytest.mark.parametrize("meanwhile", [True, False])
def test_a_killed_program_finds_both_again_or_what_became_of_them(price: int, meanwhile: bool) -> None:
    world = entered()
    world.instant = not meanwhile
    if meanwhile:
        world.exchange.move(D(price))
    world.kill()
    world.instant = True
    world.settle()
    if not meanwhile:
        assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
        world.move(price)
    filled, other = ("target", "stop") if price > 100 else ("stop", "target")
    assert (world.states()[filled], world.states()[other]) == ("filled", "canceled")
    assert (world.at_exchange(), world.exchange.coins, world.alarms) == ({}, 50, [])


def test_a_kill_before_the_list_has_left_places_it_after_the_restart() -> None:
    world = World(SPOT, lists=True)
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    while not world.requests:
        world.deliver()
    world.kill()
    world.instant = True
    world.settle()
    world.wait(1)
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]


def test_a_stop_limit_that_rests_unfilled_is_sold_at_market_in_time() -> None:
    world = entered(stop_kind=OrderKind.STOP_LIMIT)
    world.exchange.liquidity = D(0)
    world.move(85)  # through the limit
    assert list(world.at_exchange().values()) == ["stop_limit 1"]
    world.exchange.liquidity = None
    world.wait(11)
    assert (world.at_exchange(), world.exchange.coins, world.states()["stop"]) == ({}, 50, "filled")


def test_news_that_the_stop_has_ended_which_never_comes_is_asked_for() -> None:
    world = entered()
    world.exchange.liquidity = D("0.3")
    world.instant = False
    world.exchange.move(D(110))
    lost = [each for each in world.messages if each[0] == "stop"]
    world.messages = type(world.messages)(each for each in world.messages if each not in lost)
    world.instant = True
    world.settle()
    world.move(104)
    world.wait(3)
    assert any(name == "stop" for name, order in world.orders.items() if order.cancel_requested)
    for name, event in lost:  # the answer
        world._apply(name, event)
    world.settle()
    assert sorted(world.at_exchange().values()) == ["limit 0.7", "stop 0.7"]


# ------------------------------------------------------------------ orders of the strategy's own that close it


def closes(world: World, amount: str = "1", **fields: object) -> None:
    kind = fields.pop("kind", OrderKind.MARKET)
    world.give("close", SELL, kind, amount, {"closes": f"entry:{amount}"}, **fields)


def test_a_close_takes_the_list_off_first() -> None:
    world = entered()
    closes(world)
    world.wait(20)
    assert (world.exchange.coins, world.at_exchange(), world.alarms) == (50, {}, [])
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "canceled", "close": "filled"}


def test_after_a_partial_close_the_list_is_of_the_rest() -> None:
    world = entered()
    closes(world, "0.4")
    world.wait(5)
    assert sorted(world.at_exchange().values()) == ["limit 0.6", "stop 0.6"]
    assert (world.protected(), world.exchange.position, world.alarms) == (D("0.6"), D("0.6"), [])


def test_after_a_refused_close_the_list_is_back() -> None:
    world = entered()
    world.exchange.refuse_next = ["too many requests"]
    closes(world)
    world.wait(5)
    assert world.states()["close"] in ("filled", "rejected")
    assert world.exchange.coins - 50 == world.protected()
    assert world.alarms == []


def test_a_sale_of_the_strategys_own_waits_here_and_takes_the_lists_coins_when_its_price_comes() -> None:
    world = entered()
    closes(world, "0.4", kind=LIMIT, price="105")
    assert sorted(world.at_exchange().values()) == ["limit 1", "stop 1"]
    world.move(105)
    world.wait(10)
    assert world.states()["close"] == "filled"
    assert sorted(world.at_exchange().values()) == ["limit 0.6", "stop 0.6"]
    assert (world.protected(), world.alarms) == (D("0.6"), [])
