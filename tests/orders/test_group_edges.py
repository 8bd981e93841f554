"""The edges of a group of contingent orders: one step more or less, an order too many, what is on its way meanwhile."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.model import ZERO, Market, OrderKind, OrderRequest, Side
from btccxt.orders.actions import Place
from btccxt.orders.closing import Share
from btccxt.orders.contingency import FIRED
from btccxt.orders.events import Alarm
from btccxt.orders.leg import Leg
from btccxt.orders.live_order import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from tests.orders.contingent_world import PERP, SPOT
from tests.orders.test_group_cases import POLICY, Group, short

D = Decimal
K = OrderKind
STEP = "0.001"
BOTH = pytest.mark.parametrize("market", [SPOT, PERP], ids=["spot", "contract"])
FREE = replace(SPOT, min_cost=None)  # of which any step can be placed
FOR_CLOSING = "(an order of the strategy closes the position)"


def closes(group: Group, amount: str, filled: str = "0", *, sent: bool = True, state: S = S.OPEN) -> None:
    """An order of the strategy's own that closes a part of the position."""
    if "close" not in group.core.closing.names:
        group.core.closing.add("close", Share(D(amount), ZERO))
    request = OrderRequest("close", group.market.symbol, Side.SELL, K.MARKET, D(amount))
    group.core.closing.hear(LiveOrder(request, state=state, filled=D(filled), pending_release=not sent))


def resting(market: Market = PERP, filled: str = "1", **options: Any) -> Group:
    """Its entry has filled, its exits stand."""
    group = Group(market, **options)
    group.enter(filled, S.FILLED if filled == "1" else S.PARTIALLY_FILLED)
    for action in group.plan():
        if isinstance(action, Place):
            group.answer(action.leg, action.request.client_order_id)
    group.plan()
    return group


def alarms(actions: list[Any]) -> list[Alarm]:
    return [each for each in actions if isinstance(each, Alarm)]


# ------------------------------------------------------------------ one step


@pytest.mark.parametrize("market", [FREE, PERP], ids=["spot", "contract"])
def test_a_position_of_one_step_is_protected_and_a_smaller_one_is_none(market: Market) -> None:
    group = Group(market, target=False)
    group.enter(STEP, S.CANCELED)
    assert short(group.plan()) == [f"place stop for stop: stop {STEP}"]
    assert group.core.unprotected_since_s == 1_000.0
    assert group.plan(0.1) == []
    group.answer("stop", state=S.CANCELED)
    group.plan()
    assert short(group.plan(31.0))[-1] == f"place s1 for stop: stop {STEP}"
    group.answer("stop", "s1", triggered=True)
    group.answer("stop", "s1", state=S.CANCELED, triggered=True)
    group.plan()
    assert short(group.plan(31.0))[-1] == f"place s2 for stop: market {STEP}"
    none = Group(market, target=False)
    none.enter("0.0009", S.CANCELED)
    assert short(none.plan()) == ["end stop"]


def test_an_entry_that_goes_on_with_one_step_has_its_exits() -> None:
    group = Group()
    group.enter(STEP, S.PARTIALLY_FILLED)
    assert short(group.plan()) == [f"place stop for stop: stop {STEP}", f"place target for target: limit {STEP}"]


def test_a_step_more_is_added() -> None:
    group = resting(filled="0.5", target=False)
    group.enter("0.501", S.PARTIALLY_FILLED)
    assert short(group.plan(1.0)) == [f"place s1 for stop: stop {STEP}"]


def test_a_step_less_is_taken_off_after_the_same_pause() -> None:
    group = resting()
    group.answer("target", filled=STEP)
    assert group.plan() == [] and group.plan(POLICY.resize_wait_s / 2) == []
    assert short(group.plan(POLICY.resize_wait_s / 2)) == ["place s1 for stop: stop 0.999"]


def test_the_pause_before_an_exit_shrinks_begins_anew_when_it_was_right_meanwhile() -> None:
    group = resting(filled="0.5")
    group.answer("target", filled="0.25")
    assert group.plan() == []
    group.enter("0.75", S.PARTIALLY_FILLED)  # as much again
    assert short(group.plan(0.0)) == []
    assert group.core.exposure == D("0.5")
    group.answer("target", filled="0.3")
    assert not [each for each in short(group.plan(POLICY.resize_wait_s)) if "for stop" in each]
    assert "place s2 for stop: stop 0.45" in short(group.plan(POLICY.resize_wait_s))


def test_an_exit_that_is_too_large_again_when_it_has_shrunk_waits_again() -> None:
    group = resting()
    group.answer("target", filled="0.25")
    group.plan()
    group.plan(POLICY.resize_wait_s)
    group.answer("target", filled="0.5")
    group.answer("stop", "s1")
    assert short(group.plan()) == ["cancel stop (a new one has its place)"]
    group.answer("stop", state=S.CANCELED)
    assert group.plan() == []
    assert short(group.plan(POLICY.resize_wait_s)) == ["place s2 for stop: stop 0.5"]


def test_one_step_of_late_fills_counts_after_a_cancel_and_after_the_end() -> None:
    left = Group(target=False)
    left.enter("0.5", S.CANCELED)
    left.core.cancelled = True
    assert short(left.plan()) == ["end stop"]
    left.enter("0.501", S.CANCELED)
    assert "0.001 BTC/USDT:USDT was filled after the strategy had" in alarms(left.plan())[0].text
    ended = Group(target=False)
    ended.leg("stop").over = S.CANCELED
    ended.enter("0.5", S.CANCELED)
    assert short(ended.plan()) == ["end stop"]
    ended.enter("0.501", S.CANCELED)
    (alarm,) = alarms(ended.plan())
    assert alarm.text.startswith("0.001 BTC/USDT:USDT was filled after its exits had ended")


def test_a_target_refused_while_one_step_is_open_was_refused() -> None:
    group = Group()
    group.enter(STEP, S.CANCELED)
    group.plan()
    group.answer("target", state=S.REJECTED)
    group.plan()
    assert group.leg("target").over is S.REJECTED


# ------------------------------------------------------------------ what the exchange takes


@pytest.mark.parametrize(
    ("market", "amount", "takes"),
    [
        (replace(PERP, min_amount=D("0.01")), "0.01", True),
        (replace(PERP, min_amount=D("0.01")), "0.009", False),
        (replace(SPOT, min_cost=D(9)), "0.1", True),
        (replace(SPOT, min_cost=D(9)), "0.099", False),
        (replace(SPOT, min_cost=D(1), min_amount=D("0.5")), "0.499", False),
    ],
)
def test_the_least_that_the_exchange_takes_is_taken_and_the_alarm_names_the_stop(
    market: Market, amount: str, takes: bool
) -> None:
    group = Group(market, target=False)
    group.enter(amount, S.CANCELED)
    actions = group.plan()
    assert short(actions)[:1] == [f"place stop for stop: stop {amount}"] if takes else not isinstance(actions[0], Place)
    assert [each.client_order_id for each in alarms(actions)] == ([] if takes else ["stop"])


def test_a_stop_that_is_hit_with_less_than_the_exchange_takes_ends_with_an_alarm() -> None:
    group = Group(SPOT, target=False)
    group.leg("stop").is_native = False
    group.enter("0.05", S.CANCELED)
    group.leg("stop").fired = True
    assert short(group.plan()) == [
        "alarm unprotected stop once=too little entry: 0.05 BTC/USDT is less than the exchange takes: it has no stop",
        "end stop",
    ]
    assert group.leg("stop").over is S.CANCELED


def test_a_rest_that_cannot_be_placed_does_not_end_the_stop_that_is_being_executed() -> None:
    group = resting(SPOT, "0.5", target=False)
    group.answer("stop", triggered=True)
    group.enter("0.54", S.CANCELED)  # four hundredths more: less than the exchange takes
    assert group.plan() == []
    assert group.leg("stop").over is None


# ------------------------------------------------------------------ growing


def test_the_pause_between_two_changes_of_size_is_two_seconds_at_most() -> None:
    group = resting(filled="0.1", target=False)
    pauses, name = [], "stop"
    for number in range(2, 8):
        group.enter(f"0.{number}", S.PARTIALLY_FILLED)
        group.plan()
        pauses.append(group.next_s)
        (placed,) = [each for each in group.plan(group.next_s or 0.0) if isinstance(each, Place)]
        name = placed.request.client_order_id
        group.answer("stop", name)
        for action in short(group.plan()):
            group.answer("stop", action.split()[1], state=S.CANCELED)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_after_an_exit_was_off_the_pauses_are_short_again() -> None:
    group = resting(filled="0.5")
    group.answer("target", filled="0.5")
    group.plan()
    group.answer("stop", state=S.CANCELED)
    group.answer("target", state=S.CANCELED, filled="0.5")
    group.enter("0.75", S.PARTIALLY_FILLED)
    assert short(group.plan(5.0))[0] == "place s1 for stop: stop 0.25"
    group.answer("stop", "s1")
    group.enter("1", S.PARTIALLY_FILLED)
    group.plan()
    assert group.next_s == POLICY.resize_wait_s


@pytest.mark.parametrize(("have", "then"), [("0.99", []), ("0.989", ["stop", "s1", "s2"])])
def test_where_the_coins_are_bound_once_three_slices_are_made_one_for_more_than_a_hundredth(
    have: str, then: list[str]
) -> None:
    group = resting(FREE, "0.33", target=False)
    for number, filled in enumerate(("0.66", have), 1):
        group.enter(filled, S.PARTIALLY_FILLED)
        assert short(group.plan(5.0))[0].startswith(f"place s{number} for stop: stop")
        group.answer("stop", f"s{number}")
        group.plan()
    group.enter("1", S.PARTIALLY_FILLED)
    assert short(group.plan(5.0)) == [f"cancel {name} (they are made one)" for name in then]


def test_a_target_that_is_on_its_way_off_and_may_fill_yet_is_not_placed_again_but_a_stop_is() -> None:
    group = resting(filled="0.5")
    group.answer("target", filled="0.5")
    assert len(group.plan()) == 2  # nothing is open just now: both are to go
    group.enter("0.75", S.PARTIALLY_FILLED)
    assert short(group.plan(5.0)) == ["place s1 for stop: stop 0.25"]
    group.answer("target", state=S.CANCELED, filled="0.5")
    assert short(group.plan()) == ["place s2 for target: limit 0.25"]


def test_a_target_goes_on_growing_while_an_order_that_was_replaced_is_on_its_way_off() -> None:
    group = resting(filled="0.5")
    leg = group.leg("target")
    leg.placements[0].cancelling = True
    leg.hear(LiveOrder(replace(leg.request, client_order_id="t2", amount=D("0.5")), state=S.OPEN, acknowledged=True))
    group.enter("0.75", S.PARTIALLY_FILLED)
    assert "place s2 for target: limit 0.25" in short(group.plan(5.0))


def test_a_replacement_that_is_refused_leaves_the_old_ones() -> None:
    group = resting()
    group.answer("target", filled="0.25")
    group.plan()
    assert short(group.plan(POLICY.resize_wait_s)) == ["place s1 for stop: stop 0.75"]
    group.answer("stop", "s1", state=S.REJECTED, reasons=("busy",))
    group.core._unprotected = "retry"
    assert not [each for each in short(group.plan()) if each.startswith("cancel")]
    assert group.leg("stop").replacement is None
    assert group.core.protected == D("0.75")


def test_a_small_target_is_not_made_larger_when_a_part_of_it_has_filled() -> None:
    group = Group(target=False)
    group.add("target", K.LIMIT, "0.5", price=D(110), reduce_only=True)
    group.enter()
    group.plan()
    group.answer("stop")
    group.answer("target", filled="0.25")
    assert group.plan(5.0) == []


# ------------------------------------------------------------------ what is watched, and what counts as protected


def test_a_leg_is_watched_while_its_price_is_to_be_noticed_here() -> None:
    def names(group: Group) -> list[str]:
        return [leg.name for leg in group.core.watched]

    spot = resting(SPOT)
    assert names(spot) == ["stop", "target"]
    spot.price(110)
    spot.plan()  # the target's turn: the stop is on its way off
    assert names(spot) == ["stop"]
    assert names(resting(SPOT, target=False)) == []  # alone there is nothing to change places with
    over = Group(entry=None)
    over.leg("target").is_native = False
    over.leg("target").over = S.CANCELED
    over.plan()
    assert names(over) == []
    hit = resting(stop=K.STOP_LIMIT)
    hit.answer("stop", triggered=True)
    assert short(hit.plan()) == ["cancel target (stop is being executed)"]
    assert names(hit) == ["stop"]
    unpriced = Group(target=False)
    unpriced.leg("stop").entry_pct = D(-2)
    unpriced.enter("0", S.OPEN, reported_filled=D(1))
    unpriced.plan()
    assert names(unpriced) == []


def test_the_price_of_a_stop_limit_that_rests_on_a_contract_is_the_exchanges_matter() -> None:
    group = resting(stop=K.STOP_LIMIT)
    group.price(90)
    assert not group.leg("stop").reached and group.plan() == []


def test_a_stop_is_no_protection_before_it_is_confirmed_though_its_price_is_watched() -> None:
    group = Group(SPOT)
    group.enter()
    group.plan()
    assert group.leg("stop") in group.core.watched
    assert group.core.protected == 0
    group.answer("stop")
    assert group.core.protected == 1


def test_a_group_knows_a_leg_of_which_no_order_is_known_yet() -> None:
    group = Group(entry=None)
    group.core.add(Leg(replace(group.leg("stop").request, client_order_id="new"), True))
    assert group.core.context_of("new") == {} and group.core.view("new") is None
    group.hear(LiveOrder(group.leg("new").request, {"ref": "7"}, pending_release=True), "new")
    assert group.core.context_of("new") == {"ref": "7"}


def test_what_orders_of_the_strategys_own_have_closed_makes_the_exits_of_a_pair_smaller() -> None:
    group = Group(entry=None)
    closes(group, "0.5", "0.25")
    assert group.core.amount_of(group.leg("stop")) == D("0.75")


def test_on_a_contract_a_target_that_is_sent_from_here_has_no_turn_to_give_back() -> None:
    group = Group()
    group.leg("target").is_native = False
    group.enter()
    group.plan()
    group.answer("stop")
    assert group.price(110) == (True, [])
    assert short(group.plan()) == [f"note target: {FIRED}", "place target for target: limit 1"]
    assert group.price(91) == (False, [])


# ------------------------------------------------------------------ whose turn it is


def test_a_target_without_a_stop_beside_it_keeps_its_turn() -> None:
    group = Group(SPOT, entry=None, target=False)
    group.core.legs.clear()
    for name, price in (("near", 110), ("far", 120)):
        group.add(name, K.LIMIT, price=D(price), native=name == "near")
    group.plan()
    group.answer("near")
    group.plan()
    assert group.price(120)[0] is True
    group.plan()
    group.answer("near", state=S.CANCELED)
    assert short(group.plan()) == ["place far for far: limit 1"]
    group.answer("far")
    group.leg("near").over = S.CANCELED
    assert group.price(60) == (False, [])
    group.plan()
    assert short(group.plan(POLICY.swap_back_s)) == []


def test_the_stop_is_where_the_target_turns_to_whichever_was_given_first() -> None:
    group = Group(SPOT, target=False)
    stop = group.core.legs.pop("stop")
    group.add("target", K.LIMIT, price=D(110))
    group.core.add(stop)
    group.enter()
    group.plan()
    group.answer("stop")
    group.price(110)
    group.plan()
    group.answer("stop", state=S.CANCELED)
    group.plan()
    group.answer("target")
    assert (group.price(106)[0], group.price(105)[0]) == (False, True)


def test_where_the_coins_are_bound_once_one_order_has_them() -> None:
    stops = Group(SPOT, target=False)
    stops.add("stop2", K.STOP, trigger_price=D(80))
    stops.enter()
    assert short(stops.plan()) == ["place stop for stop: stop 1"]
    at_once = Group(SPOT, target=False)
    at_once.add("m1", K.MARKET)
    at_once.add("m2", K.MARKET)
    at_once.enter()
    assert short(at_once.plan()) == ["place m1 for m1: market 1"]


# ------------------------------------------------------------------ making way for an order that closes


def test_a_close_of_one_step_makes_way_and_what_is_right_then_stays() -> None:
    group = resting(FREE, target=False)
    closes(group, STEP, sent=False)
    assert not group.core.has_made_way()
    assert short(group.plan()) == [f"cancel stop {FOR_CLOSING}"]
    group.answer("stop", state=S.CANCELED)
    assert short(group.plan()) == ["place s1 for stop: stop 0.999"]
    group.answer("stop", "s1")
    assert group.core.has_made_way()
    assert group.plan(1.0) == []


def test_on_a_contract_the_stop_does_not_make_way() -> None:
    group = resting()
    closes(group, "0.25", sent=False)
    assert short(group.plan()) == [f"cancel target {FOR_CLOSING}"]
    group.answer("target", state=S.CANCELED)
    assert short(group.plan()) == ["place s1 for target: limit 0.75"]
    group.answer("target", "s1")
    assert group.plan(5.0) == []
    assert group.core.protected == 1


@pytest.mark.parametrize(
    ("market", "stop", "target", "free"),
    [
        (PERP, "1", "0.6", True),  # of a contract only the largest target counts
        (PERP, "1", "0.601", False),
        (SPOT, "0.4", "0.2", True),  # coins are bound by both
        (SPOT, "0.4", "0.201", False),
        (SPOT, "0.4", "0.4", False),
    ],
)
def test_an_order_that_closes_goes_when_the_coins_are_free_or_the_targets_are_small_enough(
    market: Market, stop: str, target: str, free: bool
) -> None:
    group = Group(market)
    group.enter()
    for name, amount in (("stop", stop), ("target", target)):
        request = replace(group.leg(name).request, amount=D(amount))
        group.hear(LiveOrder(request, state=S.OPEN, acknowledged=True), name)
    if market.is_contract:
        group.add("second", K.LIMIT, price=D(120), reduce_only=True)
        group.hear(LiveOrder(replace(group.leg("second").request, amount=D("0.6")), state=S.OPEN), "second")
    closes(group, "0.4", sent=False)
    assert group.core.has_made_way() is free


def test_a_stop_alone_on_a_contract_is_in_no_ones_way() -> None:
    group = resting(target=False)
    closes(group, "0.4", sent=False)
    assert group.core.has_made_way()


def test_a_stop_that_is_hit_while_an_order_closes_sells_the_rest() -> None:
    group = resting(target=False)
    group.leg("stop").is_native = False
    group.answer("stop", state=S.CANCELED)
    group.leg("stop").placements.clear()
    closes(group, "0.25")
    group.core.fire("stop", group.now_s)
    assert short(group.plan())[-1] == "place s1 for stop: market 0.75"


# ------------------------------------------------------------------ orders of its own that wait for the coins


def with_guest(amount: str = "0.4", entered: str = "1") -> Group:
    group = Group(FREE)
    group.add("guest", K.LIMIT, amount, price=D(120))
    group.leg("guest").is_guest = True
    group.enter(entered, S.CANCELED)
    return group


def test_when_the_exits_are_cancelled_the_orders_beside_them_share_the_coins() -> None:
    group = with_guest()
    group.add("more", K.LIMIT, "0.4", price=D(125))
    group.add("most", K.LIMIT, "0.4", price=D(130))
    for name in ("more", "most"):
        group.leg(name).is_guest = True
    group.plan()
    group.answer("stop")
    group.core.cancelled = True
    assert short(group.plan()) == ["cancel stop", "end target"]  # the coins are not free yet
    assert group.plan() == []
    group.answer("stop", state=S.CANCELED)
    assert short(group.plan()) == [
        "place guest for guest: limit 0.4", "place more for more: limit 0.4", "place most for most: limit 0.2",
        "end stop",
    ]  # fmt: skip
    for name in ("guest", "more", "most"):
        group.answer(name)
    assert group.plan() == []


def test_an_order_beside_the_exits_is_filled_when_less_than_a_step_is_left_of_it() -> None:
    for filled, over in (("0.399", None), ("0.3991", S.FILLED)):
        group = with_guest()
        leg = group.leg("guest")
        group.hear(LiveOrder(leg.request, state=S.FILLED, acknowledged=True, filled=D(filled)), "guest")
        group.plan()
        assert leg.over is over


def test_an_order_beside_the_exits_is_not_placed_for_more_than_is_left_of_it() -> None:
    group = with_guest()
    leg = group.leg("guest")
    group.hear(LiveOrder(leg.request, state=S.CANCELED, acknowledged=True, filled=D("0.1"), notes=("made way: x",)),
               "guest")  # fmt: skip
    group.core.cancelled = True
    assert "place s1 for guest: limit 0.3" in short(group.plan())


def test_one_step_is_enough_for_an_order_beside_exits_that_are_gone() -> None:
    group = with_guest(entered=STEP)
    group.core.cancelled = True
    assert short(group.plan()) == [f"place guest for guest: limit {STEP}", "end stop", "end target"]


def test_orders_beside_exits_that_are_gone_leave_what_another_closes_and_end_with_the_position() -> None:
    group = with_guest(entered="0.5")
    closes(group, "0.25", sent=False)
    group.core.cancelled = True
    assert short(group.plan())[0] == "place guest for guest: limit 0.25"
    nothing = with_guest(entered="0.0009")
    assert short(nothing.plan()) == ["end stop", "end target", "end guest"]


def test_exits_that_are_still_on_their_way_off_are_not_left_alone_yet() -> None:
    group = resting(filled="0.5")
    group.core.cancelled = True
    assert short(group.plan()) == ["cancel stop", "cancel target"]
    assert group.plan() == []
    group.enter("0.75", S.PARTIALLY_FILLED)
    assert group.plan() == []  # what fills meanwhile was not filled "after"
    for name in ("stop", "target"):
        group.answer(name, state=S.CANCELED)
    assert short(group.plan()) == ["end stop", "end target"]
