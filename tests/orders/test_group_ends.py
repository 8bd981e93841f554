"""How a group of contingent orders goes on after a refusal or an end, and what people are told of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.model import Market, OrderKind, Side
from btccxt.orders.actions import Cancel, Place, PlaceList, Renew, Reprice, Tell
from btccxt.orders.contingency import FIRED
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.group import LIST_ENDS_S
from btccxt.orders.leg import Leg
from btccxt.orders.live_order import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from tests.orders.contingent_world import PERP, SPOT
from tests.orders.test_group_cases import POLICY, Group, short
from tests.orders.test_group_edges import BOTH, alarms, closes, resting

D = Decimal
K = OrderKind
MOVE_S = POLICY.backstop_move_s


# ------------------------------------------------------------------ a trailing stop with a plain one behind it


def trailing(market: Market = PERP, *, are_exits: bool = True, **terms: Any) -> Group:
    """A trailing stop that waits here; the price is 100."""
    group = Group(market, target=False, entry="entry" if are_exits else None, are_exits=are_exits)
    group.core.legs.clear()
    group.add("trail", K.TRAILING_AMOUNT, native=False, trailing_amount=D(10), **terms)
    group.leg("trail").backstop = "plain"
    if are_exits:
        group.enter("0.5", S.PARTIALLY_FILLED)
    group.plan()
    assert group.price(100) == (True, [("trail", D(100))])  # only now is it known where the stop behind it stands
    return group


def backed(market: Market = PERP, **options: Any) -> Group:
    group = trailing(market, **options)
    (placed,) = [each for each in group.plan() if isinstance(each, Place)]
    assert (placed.request.kind, placed.request.trigger_price) == (K.STOP, D(90))
    group.answer("trail", "s1")
    group.plan()
    return group


@pytest.mark.parametrize(
    ("market", "moved"),
    [(SPOT, ["cancel s1 (it follows the price)"]), (PERP, ["place s2 for trail: stop 0.5"])],
    ids=["spot", "contract"],
)
def test_the_stop_behind_follows_in_one_step(market: Market, moved: list[str]) -> None:
    group = backed(market)
    assert group.price(110)[0] is True
    assert group.plan() == []
    assert short(group.plan(MOVE_S)) == moved
    assert group.plan() == []
    if market is PERP:
        assert group.leg("trail").replacement == "s2"
        group.answer("trail", "s2")
        assert short(group.plan()) == ["cancel s1 (a new one has its place)"]


def test_a_stop_behind_that_may_not_follow_yet_grows_with_its_entry_meanwhile() -> None:
    group = backed()
    group.price(110)
    group.enter("0.75", S.PARTIALLY_FILLED)
    assert short(group.plan(1.0)) == ["place s2 for trail: stop 0.25"]


@pytest.mark.parametrize("are_exits", [True, False])
def test_the_stop_behind_goes_first_when_the_price_has_come_here(are_exits: bool) -> None:
    group = backed(are_exits=are_exits)
    group.price(90)
    actions = short(group.plan())
    assert f"note trail: {FIRED}" in actions and "cancel s1 (the price has come)" in actions
    assert not [each for each in actions if each.startswith("place")]
    assert group.plan() == []
    group.answer("trail", "s1", state=S.CANCELED)
    assert short(group.plan()) == [f"place trail for trail: market {'0.5' if are_exits else '1'}"]


def test_what_is_to_go_at_market_needs_no_stop_behind_it() -> None:
    group = backed(are_exits=False)
    group.leg("trail").at_market = True
    assert short(group.plan()) == ["cancel s1 (the price has come)"]


def test_a_stop_behind_that_is_lost_is_tried_at_intervals_three_times_and_then_told() -> None:
    group = backed()
    for number in (1, 2):
        group.answer("trail", f"s{number}", state=S.REJECTED, reasons=("too close", "odd"))
        assert group.plan() == []
        assert group.next_s == POLICY.unprotected_alarm_s or group.next_s == MOVE_S
        assert group.plan(MOVE_S / 2) == []
        assert short(group.plan(MOVE_S / 2)) == [f"place s{number + 1} for trail: stop 0.5"]
    group.answer("trail", "s3", state=S.REJECTED, reasons=("too close", "odd"))
    (told,) = group.plan()
    text = "no stop at the exchange stands behind trail any more (too close; odd): it is kept by this program alone"
    assert told == Tell("trail", text)
    assert group.plan(MOVE_S) == []
    taken = backed()
    taken.leg("trail").backstop_failures = 2
    taken.answer("trail", "s1", state=S.CANCELED)
    assert "any more (canceled): it" in str(taken.plan())


def test_where_one_of_two_stops_behind_is_lost_the_other_does_not_follow_at_once() -> None:
    group = backed()
    group.enter("0.75", S.PARTIALLY_FILLED)
    group.plan(1.0)
    group.answer("trail", "s2")
    group.plan(MOVE_S)
    group.price(110)
    group.answer("trail", "s2", state=S.CANCELED)
    assert group.plan() == []
    assert group.plan(MOVE_S - 0.001) == []
    assert short(group.plan(0.001)) == ["place s3 for trail: stop 0.5"]


def test_what_a_stop_behind_has_not_sold_goes_at_market() -> None:
    group = backed(limit_offset=D(1))
    group.answer("trail", "s1", state=S.CANCELED, filled="0.125", triggered=True)
    assert short(group.plan()) == [
        "cancel entry (the stop of its bracket was hit)",
        "place trail for trail: market 0.375",
    ]


def test_a_price_that_lies_an_offset_from_the_trailing_one_is_rounded_to_its_step() -> None:
    group = Group(SPOT, target=False)
    group.core.legs.clear()
    group.add("trail", K.TRAILING_PERCENT, native=False, trailing_percent=D(5), limit_offset=D(1))
    group.enter()
    group.plan()
    group.price(100.07)
    group.price(95)
    (placed,) = [each for each in group.plan() if isinstance(each, Place)]
    assert (placed.request.kind, placed.request.price) == (K.LIMIT, D("94.07"))  # 95.0665 less 1


# ------------------------------------------------------------------ exits so many per cent from the entry


def test_exits_in_per_cent_wait_a_moment_for_the_price_of_the_entry_and_no_longer() -> None:
    group = Group(target=False)
    group.leg("stop").entry_pct = D(-2)
    group.enter("0", S.OPEN, reported_filled=D(1))
    assert group.plan() == [] and group.next_s == POLICY.market_entry_wait_s
    assert short(group.plan(POLICY.market_entry_wait_s)) == ["place stop for stop: stop 1"]
    assert group.leg("stop").request.trigger_price == 90


def test_exits_in_per_cent_are_priced_once_from_what_the_entry_was_filled_at() -> None:
    group = Group(target=False)
    group.leg("stop").entry_pct = D("-2.50")
    group.enter(cost=D(200))
    repriced, placed = group.plan()
    request = replace(group.leg("stop").request, trigger_price=D(195))
    assert repriced == Reprice("stop", request, "priced from its entry's fills: -2.5 % of 200")
    assert placed == Place("stop", request)
    assert group.leg("stop").trigger.level == 195
    group.enter(cost=D(300))
    assert group.plan() == []


def test_without_an_entry_the_estimate_of_an_exit_in_per_cent_counts() -> None:
    group = Group(entry=None, target=False)
    group.leg("stop").entry_pct = D(-2)
    group.plan()
    assert short(group.plan(POLICY.market_entry_wait_s)) == ["place stop for stop: stop 1"]


# ------------------------------------------------------------------ icebergs


def test_a_last_slice_of_one_step_is_placed_and_less_than_the_exchange_takes_is_no_end_by_filling() -> None:
    def sliced(market: Market, filled: str) -> Group:
        group = Group(market, entry=None, are_exits=False, target=False)
        group.core.legs.clear()
        group.add("ice", K.LIMIT, price=D(110)).slice_amount = D("0.5")
        group.plan()
        group.answer("ice", "s1", state=S.FILLED, filled=filled)
        return group

    assert short(sliced(PERP, "0.999").plan()) == ["place s2 for ice: limit 0.001"]
    for market, filled, over in (
        (PERP, "0.9991", S.FILLED),
        (replace(PERP, min_amount=D("0.4")), "0.7", S.CANCELED),
        (SPOT, "0.999", S.CANCELED),
    ):
        group = sliced(market, filled)
        assert short(group.plan()) == ["end ice"]
        assert group.leg("ice").over is over


def test_an_iceberg_order_that_ends_early_tells_all_reasons() -> None:
    group = Group(PERP, entry=None, are_exits=False, target=False)
    group.core.legs.clear()
    group.add("ice", K.LIMIT, price=D(110)).slice_amount = D("0.5")
    group.plan()
    group.answer("ice", "s1", state=S.REJECTED, filled="0.25", reasons=("odd", "bad"))
    assert group.plan()[0] == Tell("ice", "iceberg order ice ends with a part of it: odd; bad")


@BOTH
def test_the_next_slice_waits_for_the_coins_that_an_alternative_has(market: Market) -> None:
    group = Group(market, entry=None, are_exits=False, target=False)
    leg = group.add("ice", K.LIMIT, price=D(110))
    leg.slice_amount = D("0.25")
    leg.hear(LiveOrder(replace(leg.request, client_order_id="i1", amount=D("0.25")), state=S.FILLED, filled=D("0.25")))
    group.hear(LiveOrder(group.leg("stop").request, state=S.OPEN, acknowledged=True), "stop")
    cancel, place = "cancel stop (nothing is left for it to close)", "place s1 for ice: limit 0.25"
    assert short(group.plan()) == ([cancel, place] if market is PERP else [cancel])
    group.answer("stop", state=S.CANCELED)
    assert short(group.plan()) == (["end stop"] if market is PERP else [place, "end stop"])


# ------------------------------------------------------------------ stop and target as one list


def listed(stop: K = K.STOP, filled: str = "1") -> Group:
    group = Group(SPOT, stop=stop, may_list=lambda stop, target: True)
    group.enter(filled, S.PARTIALLY_FILLED if filled != "1" else S.FILLED)
    (both,) = group.plan()
    assert isinstance(both, PlaceList)
    for name in ("stop", "target"):
        group.answer(name)
    assert group.plan() == []
    return group


def waits_for_coins(group: Group, name: str) -> bool:
    shown = group.core.view(name)
    assert shown is not None
    return "watch" in shown.context


def test_a_list_is_taken_off_by_both_its_orders_each_once() -> None:
    group = listed()
    closes(group, "0.5", sent=False)
    why = "(an order of the strategy closes the position)"
    assert short(group.plan()) == [f"cancel stop {why}", f"cancel target {why}"]
    assert group.plan() == []


def test_a_target_whose_time_is_over_takes_its_lists_along_each_order_once() -> None:
    group = listed(filled="0.5")
    group.enter("1")
    assert isinstance(group.plan(1.0)[0], PlaceList)
    group.answer("stop", "s1")
    group.answer("target", "s2")
    group.plan()
    group.answer("stop", state=S.CANCELED)  # its target's end will be told in a moment
    group.leg("target").ends_at_ms = 5
    assert group.core.cancel("target", 5) == []
    assert short(group.plan()) == ["cancel target", "cancel s2", "cancel s1 (the other one of its list ends)"]
    assert group.plan() == []


def test_a_stop_whose_target_has_begun_to_fill_is_asked_off_in_time_and_the_target_stays() -> None:
    group = listed()
    group.answer("target", filled="0.25")
    assert group.plan() == []
    assert short(group.plan(LIST_ENDS_S)) == ["cancel stop (the other one of its list has begun to fill)"]


def test_while_a_target_of_a_list_fills_in_parts_its_stop_waits_here_for_the_coins() -> None:
    group = listed()
    group.answer("target", filled="0.25")
    group.answer("stop", state=S.EXPIRED)
    group.plan()
    assert waits_for_coins(group, "stop")
    group.answer("target", state=S.FILLED, filled="1")
    assert not waits_for_coins(group, "stop")


def test_a_target_whose_stop_is_being_executed_waits_for_nothing() -> None:
    group = listed(K.STOP_LIMIT)
    group.answer("stop", triggered=True)
    group.answer("target", state=S.EXPIRED)
    group.plan()
    group.plan(POLICY.escalate_stop_s)
    assert group.leg("stop").at_market
    assert not waits_for_coins(group, "target")


def test_a_close_waits_for_a_stop_whose_end_is_not_known_yet_though_its_target_has_filled_in_part() -> None:
    group = listed(filled="0.8")
    group.answer("target", filled="0.4")
    group.enter("1", S.FILLED)
    closes(group, "0.1", sent=False)  # open are 0.6: the target has 0.4 of it, and the stop may still bind 0.8
    assert not group.core.has_made_way()


def test_of_a_list_that_ends_as_a_whole_the_stops_end_is_told() -> None:
    group = listed()
    group.answer("stop", state=S.CANCELED)
    assert group.plan() == []
    group.answer("target", state=S.EXPIRED)
    (alarm,) = alarms(group.plan())
    assert "protective order stop has ended at the exchange (canceled)" in alarm.text


# ------------------------------------------------------------------ a stop that is refused, taken away, or hit


@pytest.mark.parametrize(
    ("market", "unprotected", "times", "once"),
    [
        (PERP, "alarm", 1, "taken away"),
        (SPOT, "retry", 1, "taken away"),
        (PERP, "exit", 4, "taken away again"),
    ],
)
def test_an_alarm_about_the_stop_of_a_bracket_names_the_stop(
    market: Market, unprotected: Any, times: int, once: str
) -> None:
    group = Group(market, target=False, unprotected=unprotected)
    group.enter()
    group.plan()
    group.leg("stop").failures = times - 1
    group.answer("stop", state=S.CANCELED)
    (alarm,) = [each for each in alarms(group.plan()) if each.once is not None]
    assert (alarm.once, alarm.client_order_id) == (f"{once} entry", "stop")


def test_of_a_bracket_too_what_was_closed_elsewhere_is_told_of_the_stop() -> None:
    group = Group(target=False, held=lambda: D("0.25"))
    group.enter()
    group.plan()
    group.leg("stop").failures = 1
    group.answer("stop", state=S.CANCELED)
    assert [(each.client_order_id, each.once) for each in alarms(group.plan())] == [("stop", "closed elsewhere entry")]


def test_a_refusal_without_a_reason_is_a_refusal() -> None:
    group = Group(target=False)
    group.enter()
    group.plan()
    group.answer("stop", state=S.REJECTED)
    assert "stop was refused (refused): its position" in alarms(group.plan())[0].text


@pytest.mark.parametrize(
    ("state", "reasons", "told"),
    [(S.REJECTED, ("odd", "bad"), "(odd; bad)"), (S.REJECTED, (), "(refused)"), (S.CANCELED, (), None)],
)
def test_a_close_at_market_that_is_refused_twice_is_told_and_tried_again(
    state: S, reasons: tuple[str, ...], told: str | None
) -> None:
    group = Group(target=False)
    group.leg("stop").is_native = False
    group.enter()
    group.core.fire("stop", group.now_s)
    group.plan()
    group.answer("stop", state=S.REJECTED)
    assert short(group.plan()) == ["place s1 for stop: market 1"]  # at once
    group.answer("stop", "s1", state=state, reasons=reasons)
    text = f"s1, which closes the position of stop, was refused {told}: tried again"
    expected = [Alarm(AlarmKind.PROTECTIVE_REJECTED, text, "stop", once="close refused entry")]
    assert group.plan() == (expected if told else [])
    assert group.next_s == 2 * POLICY.protect_retry_s
    assert short(group.plan(2 * POLICY.protect_retry_s)) == ["place s2 for stop: market 1"]


def test_what_is_left_of_a_stop_that_ended_while_it_was_executed_goes_at_market_at_once() -> None:
    group = resting(SPOT, stop=K.STOP_LIMIT, target=False)
    group.answer("stop", state=S.CANCELED, filled="0.25", triggered=True)
    assert short(group.plan()) == ["place s1 for stop: market 0.75"]


def test_a_stop_that_has_filled_is_no_failure_though_more_is_open() -> None:
    group = resting(SPOT, "0.5", target=False)
    group.answer("stop", state=S.FILLED, filled="0.5", triggered=True)
    group.enter("0.75", S.CANCELED)
    assert short(group.plan()) == ["place s1 for stop: market 0.25"]
    assert group.leg("stop").failures == 0


def test_a_leg_whose_time_was_over_has_ended_by_that_whatever_the_exchange_says_then() -> None:
    group = resting()
    group.leg("target").ends_at_ms = 5
    group.core.cancel("target", 5)
    group.answer("target", state=S.EXPIRED)
    assert short(group.plan()) == ["end target"]
    assert group.leg("target").over is S.CANCELED


def test_a_target_that_was_refused_when_its_own_price_had_come_was_refused() -> None:
    group = Group(target=False)
    group.add("target", K.TAKE_PROFIT, trigger_price=D(110), reduce_only=True)
    group.enter()
    group.plan()
    group.answer("target", state=S.REJECTED, triggered=True)
    group.plan()
    assert group.leg("target").over is S.REJECTED


def test_the_entry_is_cancelled_once() -> None:
    group = resting(filled="0.5", target=False)
    assert group.core.cancel("stop", 0) == ["entry"]
    group.answer("stop", triggered=True)
    assert group.plan() == []


def test_without_reduce_only_a_stop_waits_for_the_target_to_go() -> None:
    group = Group(entry=None, target=False)
    group.core.legs.clear()
    group.add("stop", K.STOP, native=False, trigger_price=D(90))
    group.add("target", K.LIMIT, price=D(110))
    group.plan()
    group.answer("target")
    group.core.fire("stop", group.now_s)
    assert short(group.plan()) == [f"note stop: {FIRED}", "cancel target (stop is being executed)"]
    group.answer("target", state=S.CANCELED)
    assert short(group.plan()) == ["place stop for stop: market 1"]


# ------------------------------------------------------------------ exits that never reached the exchange


NEVER = {"state": S.REJECTED, "never_arrived": True, "reasons": ("unknown there",)}


@pytest.mark.parametrize("name", ["stop", "target"])
def test_an_exit_that_never_reached_the_exchange_is_placed_again_at_once_and_then_at_intervals(name: str) -> None:
    group = resting()
    group.leg(name).placements.clear()
    group.leg(name).hear(LiveOrder(group.leg(name).request, state=S.OPEN))
    sent, kind = name, "stop" if name == "stop" else "limit"
    for number, wait_s in enumerate((0.0, 1.0, 2.0), 1):
        group.answer(name, sent, **NEVER)
        told, *placed = group.plan()
        assert told == Tell(name, f"exit {sent} never reached the exchange: it is placed again")
        sent = f"s{number}"
        if wait_s:
            assert not placed and group.plan(wait_s - 0.001) == []
            placed = group.plan(0.001)
        assert short(placed) == [f"place {sent} for {name}: {kind} 1"]
    group.answer(name, sent, **NEVER)
    last = short(group.plan())
    if name == "stop":
        assert "its position is closed at market" in last[0]
        assert short(group.plan(4.0)) == ["place s4 for stop: market 1"]
    else:
        assert (last, group.leg(name).over) == (["end target"], S.REJECTED)


def test_a_step_that_never_reached_the_exchange_is_placed_again_and_less_is_not() -> None:
    for filled, again in (("0.001", True), ("0.0009", False)):
        group = Group(target=False)
        group.enter("0.001", S.CANCELED)
        group.plan()
        group.enter(filled, S.CANCELED)
        group.answer("stop", **NEVER)
        assert ("place s1 for stop: stop 0.001" in short(group.plan())) is again
        assert group.leg("stop").failures == again


def test_a_close_at_market_that_never_arrived_and_an_alternative_are_no_exits_to_place_again() -> None:
    group = Group(target=False)
    group.leg("stop").is_native = False
    group.enter()
    group.core.fire("stop", group.now_s)
    group.plan()
    group.answer("stop", **NEVER)
    assert short(group.plan()) == ["place s1 for stop: market 1"]
    literal = Group(entry=None, are_exits=False)
    literal.plan()
    literal.answer("stop", **NEVER)
    assert short(literal.plan())[-1] == "end stop"
    assert literal.leg("stop").over is S.REJECTED


# ------------------------------------------------------------------ ends


def test_a_cancel_by_the_strategy_is_asked_for_once_and_plainly() -> None:
    for group in (resting(), listed()):
        group.core.cancelled = True
        assert group.plan() == [Cancel("stop"), Cancel("target")]
        assert group.plan() == []


def test_what_is_called_filled_without_a_trade_has_ended_without_one() -> None:
    group = resting(target=False)
    group.answer("stop", state=S.FILLED)
    group.enter("0", S.CANCELED)
    group.plan()
    assert group.leg("stop").over is S.CANCELED


def test_every_late_fill_gets_new_exits_and_is_told_with_its_own_amount() -> None:
    group = Group(target=False)
    group.leg("stop").over = S.CANCELED
    told = []
    for number, filled in enumerate(("0.25", "0.5", "0.6"), 1):
        group.enter(filled, S.CANCELED)
        actions = group.plan()
        told += [each.text.split(" ")[0] for each in alarms(actions)]
        renewed = [each for each in actions if isinstance(each, Renew)]
        assert len(renewed) == (number > 1)
        for each in renewed:
            assert each.leg == {2: "stop", 3: "s1"}[number]  # that has its place by now
            group.core.add(Leg.of(each.request, {"follows": each.leg}))
            assert not [again for again in group.plan() if isinstance(again, Renew)]
            group.leg(each.request.client_order_id).over = S.CANCELED
            group.plan()
    assert told == ["0.25", "0.1"]


def test_until_the_new_exits_are_there_more_late_fills_do_not_ask_for_others() -> None:
    group = Group(target=False)
    group.leg("stop").over = S.CANCELED
    group.enter("0.25", S.CANCELED)
    group.plan()
    group.enter("0.5", S.CANCELED)
    assert [each for each in group.plan() if isinstance(each, Renew)]
    group.enter("0.75", S.CANCELED)
    assert group.plan() == []


# ------------------------------------------------------------------ seconds without a stop


def test_every_time_without_a_stop_is_told_with_what_is_missing_and_adds_up() -> None:
    group = Group(target=False, unprotected="retry")
    group.enter("0.25", S.PARTIALLY_FILLED)
    group.plan()
    group.answer("stop")
    group.plan(2.0)
    assert (group.core.unprotected_total_s, group.core.unprotected_since_s) == (2.0, None)
    group.enter("1", S.PARTIALLY_FILLED)
    for seconds, name in ((6.0, "s1"), (7.0, "s2")):
        group.plan()
        (alarm,) = alarms(group.plan(5.0))
        assert "0.75 BTC/USDT:USDT of group entry has been without" in alarm.text
        group.answer("stop", name)
        group.plan(seconds - 5.0)
        group.answer("stop", name, state=S.CANCELED)
        group.leg("stop").failures = group.leg("stop").retry_at_s = 0  # type: ignore[assignment]
    assert group.core.unprotected_total_s == 15.0


def test_a_pair_without_an_entry_is_told_by_its_first_order() -> None:
    group = Group(entry=None)
    group.plan()
    (alarm,) = alarms(group.plan(5.0))
    assert (alarm.client_order_id, alarm.once) == ("stop", None)


def test_without_a_stop_that_was_asked_for_no_seconds_are_counted() -> None:
    without = Group(target=False)
    without.core.legs.clear()
    without.add("target", K.LIMIT, price=D(110), reduce_only=True)
    literal = Group(entry=None, are_exits=False)
    ended = Group()
    ended.leg("stop").over = S.CANCELED
    for group in (without, literal, ended):
        if group.core.entry_name is not None:
            group.enter()
        group.plan()
        assert group.core.unprotected_since_s is None


def test_one_step_that_is_not_protected_counts() -> None:
    group = resting(filled="0.5", target=False)
    group.enter("0.501", S.PARTIALLY_FILLED)
    group.plan()
    assert group.core.unprotected_since_s == group.now_s


# ------------------------------------------------------------------ more than was wanted


def test_a_bracket_of_which_more_was_closed_than_entered_is_told_with_what_was_entered() -> None:
    group = resting(filled="0.5")
    group.answer("stop", filled="0.3", triggered=True)
    group.answer("target", filled="0.3")
    (alarm,) = alarms(group.plan())
    assert (alarm.kind, alarm.client_order_id) == (AlarmKind.OVERFILL, "target")
    assert "(stop 0.3, target 0.3: together 0.6, at most 0.5 was wanted)" in alarm.text


def test_an_order_of_the_strategys_own_may_be_the_other_one() -> None:
    group = resting()
    closes(group, "1", "0.75")
    group.answer("stop", filled="0.5", triggered=True)
    (alarm,) = alarms(group.plan())
    assert alarm.client_order_id == "stop"
    assert "(stop 0.5, orders of its own 0.75: together 1.25, at most 1 was wanted)" in alarm.text


def test_the_alarm_names_the_last_leg_that_has_filled_and_one_alone_is_none() -> None:
    group = Group(entry=None)
    group.add("last", K.LIMIT, price=D(120), reduce_only=True)
    group.plan()
    group.answer("stop", filled="1.5")
    assert not [each for each in alarms(group.plan()) if each.kind is AlarmKind.OVERFILL]
    group.answer("target", filled="0.5")
    group.answer("last", filled="0")
    (alarm,) = [each for each in alarms(group.plan()) if each.kind is AlarmKind.OVERFILL]
    assert alarm.client_order_id == "target"


def test_three_that_have_filled_are_told_by_the_last_and_after_an_entry_literally_too() -> None:
    group = Group(entry=None)
    group.add("last", K.LIMIT, price=D(120), reduce_only=True)
    group.plan()
    for name in ("stop", "target", "last"):
        group.answer(name, filled="0.5")
    (alarm,) = [each for each in alarms(group.plan()) if each.kind is AlarmKind.OVERFILL]
    assert alarm.client_order_id == "last"
    literal = Group(are_exits=False)
    literal.enter("0.25", S.CANCELED)
    literal.plan()
    literal.answer("stop", filled="0.5")
    literal.answer("target", filled="0.5")
    assert not alarms(literal.plan())  # as much as one of them was to do


# ------------------------------------------------------------------ taken literally


def test_an_alternative_that_filled_in_part_while_it_made_way_goes_on() -> None:
    group = Group(SPOT, entry=None, are_exits=False)
    group.plan()
    group.answer("stop")
    group.plan()
    group.price(110)
    group.plan()
    group.answer("stop", state=S.CANCELED, filled="0.25")
    assert short(group.plan()) == ["place s1 for stop: stop 0.75", "end target"]
    assert group.leg("stop").over is None


def test_an_alternative_to_buy_beside_one_to_sell_binds_nothing_of_it() -> None:
    group = Group(SPOT, entry=None, are_exits=False)
    group.add("buy", K.LIMIT, side=Side.BUY, price=D(80))
    assert len(group.plan()) == 3
