"""Exits follow their entry: protected = entered - exited, whatever happens. One story a test, on a small exchange."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import Market, OrderKind, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.policy import TrackerPolicy
from tests.orders.contingent_world import PERP, SPOT, World

BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "perp"])
SELL, LIMIT, STOP = Side.SELL, OrderKind.LIMIT, OrderKind.STOP


def kinds(world: World) -> list[AlarmKind]:
    return [alarm.kind for alarm in world.alarms]


def entered(market: Market, **terms: str) -> World:
    """A bracket whose entry has filled."""
    world = World(market)
    world.bracket(**terms)
    assert world.strategy["entry"].state.value == "filled"
    return world


# ------------------------------------------------------------------ from the first partial fill on


@BOTH
def test_exits_wait_until_something_is_entered(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    assert world.at_exchange() == {"entry": "limit 1"}


@BOTH
def test_the_first_partial_fill_is_protected_at_once_and_every_further_one(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    for filled in ("0.3", "0.2", "0.1", "0.2", "0.1", "0.1"):
        world.fill("entry", filled)
        if filled == "0.3":
            assert world.protected() == D("0.3")
        world.wait(10)
        assert world.protected() == world.exchange.position
    assert len([what for what in world.at_exchange().values() if what.startswith("stop")]) <= 4
    assert (world.strategy["stop"].amount, world.strategy["stop"].state.value) == (1, "open")
    world.move(89)
    assert (world.exchange.position, world.at_exchange()) == (0, {})
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}
    assert world.strategy["stop"].filled == 1
    assert world.alarms == []


def test_a_market_entry_that_fills_in_parts_gets_one_stop() -> None:
    world = World(SPOT)
    world.exchange.liquidity = D("0.3")
    world.bracket(entry=None)  # what the book does not have expires
    world.exchange.liquidity = None
    assert world.at_exchange() == {"stop": "stop 0.3"}


def test_exits_are_for_what_is_left_after_a_fee_in_the_coin() -> None:
    world = World(SPOT)
    world.exchange.fee_in_base = True
    world.bracket(amount="10")
    assert world.at_exchange() == {"stop": "stop 9.99"}
    assert world.strategy["stop"].amount == world.strategy["target"].amount == D("9.99")
    world.move(111)
    assert world.strategy["target"].filled == D("9.99")
    assert world.states()["stop"] == "canceled"


@BOTH
def test_an_entry_cancelled_after_a_partial_fill_keeps_its_exits(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.fill("entry", "0.4")
    world.strategy_cancels("entry")
    assert world.protected() == D("0.4")
    assert world.strategy["stop"].amount == world.strategy["target"].amount == D("0.4")
    world.move(111)
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "filled"}


@BOTH
def test_an_entry_that_ends_without_a_fill_takes_its_exits_along(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.exchange_cancels("entry")
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "canceled"}
    assert world.at_exchange() == {}


@BOTH
def test_the_end_of_the_entry_counts_though_its_trades_are_listed_late(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    world.messages.popleft()  # the trade; the order's own end says how much
    world.instant = True
    world.settle()
    assert world.protected() >= D("0.999") - D("0.001")
    assert kinds(world) == []


@BOTH
def test_what_fills_after_a_cancel_is_protected_by_new_exits_and_said(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D("0.5"))
    late = list(world.messages)
    world.messages.clear()
    world.exchange.orders["entry"].filled = D(0)  # the cancel names no amount
    world.instant = True
    world.exchange_cancels("entry")
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "canceled"}
    world.messages.append(late[0])
    world.settle()
    assert world.protected() == D("0.5")
    assert kinds(world) == [AlarmKind.UNPROTECTED]
    assert "filled after its exits had ended: they are placed anew" in world.alarms[0].text
    world.move(89)
    assert world.exchange.position == 0


# ------------------------------------------------------------------ the strategy cancels


@BOTH
@pytest.mark.parametrize("exit_", ["stop", "target"])
def test_a_cancelled_exit_cancels_the_whole_bracket_as_in_backtrader(market: Market, exit_: str) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.strategy_cancels(exit_)
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "canceled"}
    assert (world.at_exchange(), world.alarms) == ({}, [])


@BOTH
def test_what_the_entry_fills_before_its_cancel_arrives_keeps_its_exits(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.instant = False
    world.strategy_cancels("stop")
    world.exchange.fill(world.exchange.orders["entry"], D("0.4"))  # quicker than the cancel
    world.instant = True
    world.settle()
    assert world.states()["entry"] == "canceled"
    assert world.protected() == D("0.4")


@BOTH
@pytest.mark.parametrize("exit_", ["stop", "target"])
def test_once_the_entry_is_filled_a_cancelled_exit_takes_the_other_along(market: Market, exit_: str) -> None:
    world = entered(market)
    world.strategy_cancels(exit_)
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "canceled"}
    assert (world.at_exchange(), world.alarms) == ({}, [])


def test_an_exit_whose_own_time_is_over_goes_alone() -> None:
    world = World(PERP)
    world.give("stop", SELL, STOP, "1", {"parent": "entry", "oco": "stop"}, trigger_price="90", reduce_only=True)
    world.give("target", SELL, LIMIT, "1", {"parent": "entry", "oco": "stop", "expires_ms": "1005000"}, price="110",
               reduce_only=True)  # fmt: skip
    world.give("entry", Side.BUY, OrderKind.MARKET, "1")
    world.wait(6)
    world.strategy_cancels("target")  # as the broker does when its time comes
    assert world.at_exchange() == {"stop": "stop 1"}


# ------------------------------------------------------------------ the target ends without a fill


@BOTH
@pytest.mark.parametrize("end", ["refused", "cancelled"])
def test_a_target_that_ends_without_a_fill_leaves_the_stop(market: Market, end: str) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.fill("entry", "1")
    if end == "refused":
        world = World(market)
        world.bracket(entry="95")
        if market is PERP:
            world.exchange.refuse_next = []
            world.instant = False
            world.exchange.fill(world.exchange.orders["entry"], D(1))
            while not any(name == "target" for name, _ in world.requests):
                world.deliver()
            world.requests.rotate(-[name for name, _ in world.requests].index("target"))
            world.exchange.refuse_next = ["post only would take"]
            world.deliver()
            world.instant = True
            world.settle()
        else:
            world.fill("entry", "1")
            world.instant = False
            world.prints("110")
            world.deliver()  # the stop's cancel
            world.instant = True
            world.exchange.refuse_next = ["post only would take"]
            world.settle()
    elif market is PERP:
        world.exchange_cancels("target")
    else:
        world.prints("110")
        world.exchange_cancels("target")
    assert world.states()["target"] in ("rejected", "canceled")
    assert world.protected() == 1
    world.move(89)
    assert (world.exchange.position, world.states()["stop"]) == (0, "filled")


# ------------------------------------------------------------------ spot: the coins are bound once


def test_on_spot_the_stop_rests_and_the_target_waits_here() -> None:
    world = entered(SPOT)
    assert world.at_exchange() == {"stop": "stop 1"}
    assert "the coins are bound" in world.strategy["target"].context["watch"]


def test_a_wick_to_the_target_brings_the_stop_back() -> None:
    world = entered(SPOT)
    world.prints("110.5")
    assert world.at_exchange() == {"target": "limit 1"}
    world.wait(6)
    assert world.protected() == 1
    assert world.states() == {"entry": "filled", "stop": "open", "target": "journaled"}
    world.move(89)
    assert (world.exchange.position, world.alarms) == (0, [])


def test_a_turn_of_the_price_brings_the_stop_back_before_its_time() -> None:
    world = entered(SPOT)
    world.prints("110.5")
    world.prints("104")
    assert world.protected() == 1


def test_a_target_partly_filled_gives_the_rest_back_to_the_stop() -> None:
    world = entered(SPOT)
    world.exchange.liquidity = D("0.4")
    world.move(110)
    assert world.at_exchange() == {"target": "limit 0.6"}
    world.exchange.liquidity = None
    world.wait(6)
    assert world.protected() == D("0.6")
    world.move(89)
    assert world.exchange.position == 0
    assert (world.strategy["stop"].filled, world.strategy["target"].filled) == (D("0.6"), D("0.4"))
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}


def test_the_stop_is_executed_though_the_target_holds_the_coins() -> None:
    world = entered(SPOT)
    world.prints("110.5")
    world.move(85)
    assert (world.exchange.position, world.states()["stop"]) == (0, "filled")


@pytest.mark.parametrize("stop_first", [True, False])
def test_of_a_pair_the_protective_order_rests_whichever_was_given_first(stop_first: bool) -> None:
    world = World(SPOT)
    if stop_first:
        world.give("stop", SELL, STOP, "1", trigger_price="90")
        world.give("limit", SELL, LIMIT, "1", {"oco": "stop"}, price="110")
    else:
        world.give("limit", SELL, LIMIT, "1", price="110")
        world.give("stop", SELL, STOP, "1", {"oco": "limit"}, trigger_price="90")
    assert list(world.at_exchange().values()) == ["stop 1"]
    world.move(110)
    assert world.states() == {"stop": "canceled", "limit": "filled"}


def test_three_exits_of_one_position_end_as_one() -> None:
    world = World(SPOT)
    world.give("stop", SELL, STOP, "1", trigger_price="90")
    world.give("near", SELL, LIMIT, "1", {"oco": "stop"}, price="110")
    world.give("far", SELL, LIMIT, "1", {"oco": "near"}, price="120")
    world.move(121)
    assert sum(order.filled for order in world.exchange.orders.values()) == 1
    assert sorted(world.states().values()) == ["canceled", "canceled", "filled"]


# ------------------------------------------------------------------ contracts: both rest


def test_a_partial_fill_of_the_target_shrinks_the_stop() -> None:
    world = entered(PERP)
    world.fill("target", "0.4")
    world.wait(1)
    assert world.protected() == D("0.6")
    world.move(89)
    assert (world.exchange.position, world.states()["stop"], world.states()["target"]) == (0, "filled", "canceled")
    assert world.strategy["stop"].filled == D("0.6")


def test_both_exits_filled_is_said() -> None:
    world = entered(PERP)
    world.exchange.position += 5  # of somebody else, so that reduce-only does not help
    world.instant = False
    world.exchange.fill(world.exchange.orders["target"], D(1))
    world.exchange.fill(world.exchange.orders["stop"], D(1))
    world.instant = True
    world.settle()
    assert kinds(world) == [AlarmKind.OVERFILL]
    assert "stop 1, target 1: together 2, at most 1 was wanted" in world.alarms[0].text


# ------------------------------------------------------------------ the stop fails


@BOTH
@pytest.mark.parametrize(
    ("policy", "ends", "says"),
    [
        ("exit", (0, "filled"), "closed at market"), ("retry", (1, "open"), "tried again"),
        ("alarm", (1, "rejected"), "has no stop"),
    ],
)  # fmt: skip
def test_a_refused_stop_is_dealt_with_as_the_policy_says(
    market: Market, policy: str, ends: tuple[int, str], says: str
) -> None:
    world = World(market)
    world.bracket(entry="95", on_unprotected=policy)
    world.exchange.refuse_next = ["too many stop orders"]
    world.fill("entry", "1")
    world.wait(5)
    assert (world.exchange.position, world.states()["stop"]) == ends
    assert kinds(world)[0] is AlarmKind.PROTECTIVE_REJECTED
    assert says in world.alarms[0].text


@BOTH
@pytest.mark.parametrize("policy", ["exit", "retry", "alarm"])
def test_a_stop_refused_because_its_price_has_come_is_hit_and_no_alarm(market: Market, policy: str) -> None:
    world = World(market)
    world.bracket(entry="95", on_unprotected=policy)
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    world.exchange.price = D(89)
    world.instant = True
    world.settle()
    world.wait(10)
    assert (world.exchange.position, world.at_exchange(), world.alarms) == (0, {}, [])
    assert world.states() == {"entry": "filled", "stop": "filled", "target": "canceled"}
    (told,) = world.notes_told
    assert "had passed stop stop" in told and "would trigger immediately" in told
    assert told in world.strategy["stop"].notes


def test_a_close_after_such_a_stop_that_is_refused_too_is_alarmed() -> None:
    world = World(SPOT)
    world.bracket(entry="95")
    world.exchange.refuse_next = ["Stop price would trigger immediately."] + ["down for maintenance"] * 20
    world.fill("entry", "1")
    world.wait(8)
    assert kinds(world) == [AlarmKind.PROTECTIVE_REJECTED]
    assert "down for maintenance" in world.alarms[0].text


def test_a_bracket_whose_stop_is_refused_is_closed_unless_something_else_is_asked_for() -> None:
    world = World(SPOT)
    world.bracket(entry="95")
    world.exchange.refuse_next = ["too many stop orders"]
    world.fill("entry", "1")
    assert world.exchange.position == 0


def test_a_stop_guarded_here_meanwhile_is_executed_when_its_price_comes() -> None:
    world = World(SPOT)
    world.bracket(entry="95", on_unprotected="retry")
    world.exchange.refuse_next = ["down"] * 3
    world.fill("entry", "1")
    world.exchange.refuse_next = []
    world.move(89)
    assert world.exchange.position == 0


@BOTH
def test_a_stop_taken_off_at_the_exchange_comes_back(market: Market) -> None:
    world = entered(market)
    world.exchange_cancels("stop")
    world.wait(1)
    assert world.protected() == 1
    assert world.states()["stop"] == "open"


@BOTH
def test_a_stop_that_ends_with_a_remainder_is_replaced(market: Market) -> None:
    world = entered(market)
    world.exchange.liquidity = D("0.3")
    world.move(89)
    world.exchange.liquidity = None
    world.exchange_cancels("stop")
    world.wait(2)
    assert world.exchange.position == 0
    assert (world.states()["stop"], world.strategy["stop"].filled) == ("filled", 1)


@BOTH
def test_a_stop_limit_that_rests_unfilled_is_sold_at_market_in_time(market: Market) -> None:
    world = entered(market, stop_kind=OrderKind.STOP_LIMIT)
    world.move(80)  # through trigger and limit
    assert world.exchange.position == 1
    world.wait(11)
    assert (world.exchange.position, world.states()["stop"]) == (0, "filled")


@BOTH
def test_a_stop_that_is_hit_ends_what_is_left_of_the_entry(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95", stop="94")
    world.fill("entry", "0.5")
    world.exchange.liquidity = D("0.5")
    world.exchange.fill(world.exchange.orders["stop"], D("0.5"))
    world.settle()
    assert world.states()["entry"] == "canceled"
    assert world.at_exchange() == {}


def test_what_is_too_little_for_a_stop_is_said() -> None:
    world = World(SPOT)
    world.bracket(entry="95", stop="90")
    world.fill("entry", "0.01")
    world.strategy_cancels("entry")
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "canceled"}
    assert "less than the exchange takes" in world.alarms[0].text


@BOTH
def test_exits_of_a_position_that_somebody_else_closed_end(market: Market) -> None:
    world = entered(market)
    world.exchange_cancels("stop")  # by hand, or because a reduce-only order has nothing to reduce
    world.exchange.position = world.exchange.coins = D(0)
    world.wait(10)
    assert (world.states()["stop"], world.states()["target"]) == ("canceled", "canceled")
    assert world.at_exchange() == {}
    assert "was closed by other orders" in world.alarms[-1].text


# ------------------------------------------------------------------ measured


def test_the_seconds_without_protection_are_counted_and_said() -> None:
    world = World(PERP, policy=TrackerPolicy(unprotected_alarm_s=2.0))
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D(1))
    while world.messages:
        world.deliver() if not world.requests else world.messages.popleft()
        if world.requests:
            break
    world.requests.clear()  # the stop never arrives, and nobody says so
    world.wait(3)
    (position,) = world.emulator.protection()
    assert (position.open, position.protected) == (1, 0)
    assert 2.5 < position.unprotected_s <= 3.1
    assert AlarmKind.UNPROTECTED in kinds(world)


def test_while_all_is_well_nobody_is_without_protection() -> None:
    world = entered(SPOT)
    world.wait(60)
    (position,) = world.emulator.protection()
    assert (position.open, position.protected, position.unprotected_s, position.unprotected_total_s) == (1, 1, 0, 0)


# ------------------------------------------------------------------ not exits: taken literally, as in backtrader


def alternatives(market: Market) -> World:
    """Buy what comes first: a break-out or a dip."""
    world = World(market)
    world.give("up", Side.BUY, STOP, "1", trigger_price="110")
    world.give("down", Side.BUY, LIMIT, "1", {"oco": "up"}, price="90")
    return world


@BOTH
@pytest.mark.parametrize(("price", "won", "lost"), [(110, "up", "down"), (90, "down", "up")])
def test_of_two_entries_the_first_that_fills_ends_the_other(market: Market, price: int, won: str, lost: str) -> None:
    world = alternatives(market)
    world.move(price)
    assert world.states() == {won: "filled", lost: "canceled"}
    assert world.exchange.position == 1


@BOTH
@pytest.mark.parametrize("cancelled", ["up", "down"])
def test_a_cancelled_alternative_takes_the_other_along(market: Market, cancelled: str) -> None:
    world = alternatives(market)
    world.strategy_cancels(cancelled)
    assert world.states() == {"up": "canceled", "down": "canceled"}


def test_of_two_brackets_the_first_that_is_entered_ends_the_other() -> None:
    world = World(PERP)
    world.give("stop-up", SELL, STOP, "1", {"parent": "up"}, trigger_price="100", reduce_only=True)
    world.give("up", Side.BUY, STOP, "1", trigger_price="110")
    world.give("stop-down", SELL, STOP, "1", {"parent": "down"}, trigger_price="80", reduce_only=True)
    world.give("down", Side.BUY, LIMIT, "1", {"oco": "up"}, price="90")
    world.move(90)
    assert world.states() == {"up": "canceled", "down": "filled", "stop-up": "canceled", "stop-down": "open"}
    assert world.at_exchange() == {"stop-down": "stop 1"}


def test_an_order_that_the_exchange_lacks_waits_here() -> None:
    world = World(SPOT)
    world.give("trail", SELL, OrderKind.TRAILING_AMOUNT, "1", {"watch": "it has none"}, trailing_amount="5")
    for price in (100, 120, 116):
        world.move(price)
    assert world.at_exchange() == {}
    world.move(115)
    assert world.states() == {"trail": "filled"}
    assert not world.watched


# ------------------------------------------------------------------ a kill, and the next life


@BOTH
def test_exits_whose_entry_was_never_placed_end_after_a_restart(market: Market) -> None:
    world = World(market)
    world.give("stop", SELL, STOP, "1", {"parent": "entry", "oco": "stop"}, trigger_price="90")
    world.give("target", SELL, LIMIT, "1", {"parent": "entry", "oco": "stop"}, price="110")
    world.kill()
    assert world.states() == {"stop": "canceled", "target": "canceled"}
    world.move(89)
    assert world.exchange.orders == {}


@BOTH
def test_exits_whose_entry_never_comes_end_in_this_life_too(market: Market) -> None:
    world = World(market)
    world.give("stop", SELL, STOP, "1", {"parent": "entry"}, trigger_price="90")
    world.wait(61)
    assert world.states() == {"stop": "canceled"}


@BOTH
def test_a_position_half_entered_is_protected_after_a_restart(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D("0.4"))
    world.kill()
    world.instant = True
    world.settle()
    assert world.protected() == D("0.4")
    world.fill("entry", "0.6")
    world.wait(3)
    assert world.protected() == 1


def test_a_stop_that_had_made_way_for_its_target_comes_back_after_a_restart() -> None:
    world = entered(SPOT)
    world.prints("110.5")
    world.kill()
    world.wait(6)
    assert world.protected() == 1
    assert world.states() == {"entry": "filled", "stop": "open", "target": "journaled"}


def test_a_stop_whose_price_came_before_the_kill_is_still_executed() -> None:
    world = World(PERP)
    world.give(
        "stop", SELL, STOP, "1", {"parent": "entry", "watch": "it has none"}, trigger_price="90", reduce_only=True
    )
    world.give("entry", Side.BUY, OrderKind.MARKET, "1")
    world.instant = False
    world.prints("89")
    world.kill()  # nothing of it has left
    world.instant = True
    world.settle()
    world.wait(3)
    assert (world.exchange.position, world.states()["stop"]) == (0, "filled")


@BOTH
def test_the_strategys_cancel_is_carried_on_after_a_restart(market: Market) -> None:
    world = entered(market)
    world.instant = False
    world.strategy_cancels("stop")
    world.requests.clear()  # on disk, and not sent
    world.kill()
    world.instant = True
    world.requests += [(name, "cancel") for name, order in world.orders.items() if order.cancel_requested]
    world.settle()
    assert world.states() == {"entry": "filled", "stop": "canceled", "target": "canceled"}
    assert world.at_exchange() == {}


@BOTH
def test_what_is_learned_of_an_ended_entry_only_after_a_restart_gets_new_exits(market: Market) -> None:
    world = World(market)
    world.bracket(entry="95")
    world.instant = False
    world.exchange.fill(world.exchange.orders["entry"], D("0.5"))
    late = world.messages.popleft()
    world.messages.clear()
    world.exchange.orders["entry"].filled = D(0)  # the cancel names no amount
    world.instant = True
    world.exchange_cancels("entry")
    assert world.states() == {"entry": "canceled", "stop": "canceled", "target": "canceled"}
    world.messages.append(late)
    world.kill()
    assert world.protected() == D("0.5")
    assert "placed anew" in world.alarms[-1].text


def unsent_exits(market: Market) -> World:
    """The entry has filled, and the program dies between writing down that its exits go and sending them."""
    world = World(market)
    world.bracket(entry="99")
    world.instant = False
    world.exchange.move(D("98.9"))
    world.clock.run()
    while not world.requests:
        world.deliver()
    assert any(name == "stop" for name, _ in world.requests)
    return world


@pytest.mark.parametrize(("market", "name"), [(SPOT, "stop"), (PERP, "stop"), (PERP, "target")])
def test_an_exit_that_was_not_sent_before_a_kill_is_placed_again(market: Market, name: str) -> None:
    world = unsent_exits(market)
    for lives in range(2):  # a second kill, again in that moment
        world.kill()
        if lives == 0:
            world.requests.clear()
    world.instant = True
    world.settle()
    world.wait(2)
    assert world.exchange.position == world.protected() == 1
    assert (world.states()[name], world.alarms) == ("open" if market is PERP or name == "stop" else "journaled", [])
    assert sum("stop" in what for what in world.at_exchange().values()) == 1
    assert any("never reached the exchange: it is placed again" in note for note in world.strategy[name].notes)
    world.move(111 if name == "target" else 89)
    world.wait(2)
    assert (world.exchange.position, world.at_exchange(), world.states()[name]) == (0, {}, "filled")


@pytest.mark.parametrize("market", [SPOT, PERP])
def test_a_stop_that_was_not_sent_and_whose_price_has_passed_meanwhile_sells_at_market(market: Market) -> None:
    world = unsent_exits(market)
    world.exchange.move(D(88))
    world.kill()
    world.instant = True
    world.settle()
    world.wait(2)
    assert (world.exchange.position, world.at_exchange(), world.states()["stop"]) == (0, {}, "filled")
    assert world.alarms == []
