"""Orders that wait for another one, exits of a whole position, triggers that are reached already, funding records."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.matching.engine import FundingPaid, RejectCode, SimStatus
from btccxt.model import OrderKind
from tests.sim.exchange_kit import BUY, PERP, SELL, D, Kit, new, refused

LIMIT, STOP, TAKE_PROFIT = OrderKind.LIMIT, OrderKind.STOP, OrderKind.TAKE_PROFIT


def bracket(kit: Kit, amount: Any = 1, exits: Any = 1) -> tuple[Any, ...]:
    """A limit buy at 100 with a stop at 90 and a target at 120."""
    pending = [new(SELL, STOP, exits, trigger_price=90), new(SELL, LIMIT, exits, price=120)]
    return kit.engine.submit_with_pending("ann", new(BUY, LIMIT, amount, price=100), pending, kit.tick())


def states(kit: Kit, orders: Any) -> list[SimStatus]:
    return [kit.now(order).status for order in orders]


def quoted() -> Kit:
    kit = Kit()
    kit.depth([(99, 5)], [(101, 5)])
    kit.trade(100.5)
    return kit


def test_pending_orders_go_to_work_when_the_first_is_filled_whole_and_then_exclude_each_other():
    kit = quoted()
    placed = bracket(kit, amount=2)
    assert [order.status for order in placed] == [SimStatus.NEW, SimStatus.PENDING, SimStatus.PENDING]
    assert kit.used("ann", "BTC") == 0
    kit.trade("99.9", 1)
    assert states(kit, placed) == [SimStatus.PARTIALLY_FILLED, SimStatus.PENDING, SimStatus.PENDING]
    kit.trade("99.9", 1)
    assert states(kit, placed) == [SimStatus.FILLED, SimStatus.TRIGGER_WAITING, SimStatus.NEW]
    assert kit.used("ann", "BTC") == 1
    assert kit.reasons(placed[1]) == ["new", "activated"]
    kit.depth([(89, 5)], [(101, 5)])
    kit.trade(90)
    assert states(kit, placed) == [SimStatus.FILLED, SimStatus.FILLED, SimStatus.EXPIRED]
    assert kit.used("ann", "BTC") == 0


@pytest.mark.parametrize("which", [0, 1, 2])
def test_cancelling_any_of_them_cancels_all(which):
    kit = quoted()
    placed = bracket(kit)
    kit.cancel(placed[which])
    assert states(kit, placed) == [SimStatus.CANCELED] * 3
    assert kit.used("ann", "USDT") == 0
    assert kit.engine.orders("ann", open_only=True) == []


def test_pending_orders_that_cannot_go_to_work_are_rejected_together():
    kit = quoted()
    placed = bracket(kit, exits=1)
    kit.limit("ann", SELL, kit.free("ann", "BTC") + 0, 200)
    kit.trade("99.9", 1)  # the fee is taken from the coin, so that there is less than one
    assert states(kit, placed) == [SimStatus.FILLED, SimStatus.REJECTED, SimStatus.REJECTED]
    assert kit.reasons(placed[2]) == ["new", "rejected"]


def test_a_list_that_breaks_a_rule_is_refused_whole():
    kit = quoted()
    with refused(RejectCode.AMOUNT_STEP):
        bracket(kit, exits="0.0001")
    with refused(RejectCode.BAD_REQUEST, "limit order triggers"):
        kit.engine.submit_with_pending("ann", new(BUY, OrderKind.MARKET, 1), [new(SELL, LIMIT, 1, price=120)], 5)
    with refused(RejectCode.INSUFFICIENT_FUNDS):
        bracket(kit, amount=20_000)
    assert kit.engine.orders("ann") == []


# ------------------------------------------------------------------ exits of a whole position


def long_position() -> Kit:
    kit = Kit()
    kit.depth([(99, 9)], [(100, 9)], PERP)
    kit.trade(100, symbol=PERP)
    kit.market("ann", BUY, 2, symbol=PERP)
    return kit


def whole_exit(kit: Kit, trigger: Any = 90) -> Any:
    return kit.order("ann", SELL, STOP, symbol=PERP, trigger_price=trigger, closes_position=True)


def test_an_exit_of_a_whole_position_takes_what_there_is_when_it_fires():
    kit = long_position()
    stop = whole_exit(kit)
    assert stop.request.amount is None
    kit.market("ann", BUY, 3, symbol=PERP)
    kit.depth([(89, 9)], [(100, 9)], PERP)
    kit.trade(90, symbol=PERP)
    assert (kit.now(stop).status, kit.now(stop).filled) == (SimStatus.FILLED, 5)
    assert kit.engine.positions("ann") == []


def test_an_exit_of_a_whole_position_ends_with_it():
    kit = long_position()
    stop = whole_exit(kit)
    kit.market("ann", SELL, 5, symbol=PERP)  # turned into a short
    assert kit.now(stop).status is SimStatus.EXPIRED


@pytest.mark.parametrize("more", [{"amount": 1}, {"price": 89}, {"kind": LIMIT, "price": 120}])
def test_an_exit_of_a_whole_position_has_neither_amount_nor_price(more):
    kit = long_position()
    order = {"kind": STOP, "amount": None, "trigger_price": 90, "closes_position": True, **more}
    if order["kind"] is LIMIT:
        del order["trigger_price"]
    with refused(RejectCode.BAD_REQUEST, "whole position"):
        kit.order("ann", SELL, order.pop("kind"), order.pop("amount"), symbol=PERP, **order)


def test_a_reached_trigger_is_refused_or_fires_at_once():
    kit = long_position()
    with refused(RejectCode.WOULD_TRIGGER):
        whole_exit(kit, 100)
    stop = kit.order("ann", SELL, STOP, 2, symbol=PERP, trigger_price=100, fires_at_once=True)
    assert (stop.status, kit.engine.positions("ann")) == (SimStatus.FILLED, [])


def test_one_leg_of_a_list_may_fire_at_once_and_the_other_expires():
    kit = long_position()
    legs = [
        new(SELL, TAKE_PROFIT, 2, symbol=PERP, trigger_price=98, fires_at_once=True, reduce_only=True),
        new(SELL, STOP, 2, symbol=PERP, trigger_price=90, fires_at_once=True, reduce_only=True),
    ]
    placed = kit.engine.submit_list("ann", legs, kit.tick())
    assert states(kit, placed) == [SimStatus.FILLED, SimStatus.EXPIRED]


# ------------------------------------------------------------------ funding


def test_funding_is_kept_and_told_for_each_account():
    kit = long_position()
    kit.market("bob", SELL, 1, symbol=PERP)
    kit.engine.apply_funding(PERP, D("0.001"), kit.tick())
    told = [event for event in kit.heard if isinstance(event, FundingPaid)]
    assert told == kit.engine.fundings()
    mark = kit.engine.last(PERP)
    assert [(paid.account, paid.amount, paid.received) for paid in told] == [
        ("ann", 2, -2 * mark * D("0.001")),
        ("bob", -1, mark * D("0.001")),
    ]
    assert kit.engine.fundings("bob") == told[1:]


def test_what_follows_a_call_runs_after_its_events_and_may_place_orders():
    kit = quoted()
    seen: list[int] = []

    def follow(now_ms: int) -> None:
        seen.append(len(kit.heard))
        if len(seen) == 1:
            kit.limit("bob", BUY, 1, 98)

    kit.engine.after_each_call(follow)
    kit.limit("ann", BUY, 1, 98)
    assert len(seen) == 2 and seen[0] > 0
    assert len(kit.engine.orders("bob", open_only=True)) == 1
