"""Stops, take-profits, trailing orders, and OCO lists."""

from __future__ import annotations

import pytest

from btccxt.matching.engine import RejectCode, SimOrder, SimStatus
from btccxt.model import OrderKind
from tests.sim.exchange_kit import BUY, SELL, D, Kit, new, refused

BOOK = ([(99, 5), (98, 50)], [(101, 5), (102, 50)])


def kit_at(price: object, **balances: int | str) -> Kit:
    kit = Kit(**balances)
    kit.trade(price)
    kit.depth(*BOOK)
    return kit


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "quiet", "fires"),
    [
        (OrderKind.STOP, BUY, 105, "104.99", 105),
        (OrderKind.STOP, SELL, 95, "95.01", 95),
        (OrderKind.TAKE_PROFIT, BUY, 95, "95.01", "94.5"),
        (OrderKind.TAKE_PROFIT, SELL, 105, "104.99", "105.5"),
    ],
)
def test_a_trigger_order_waits_for_its_price_and_then_trades_at_the_market(
    kind: OrderKind, side: object, trigger: object, quiet: object, fires: object
) -> None:
    kit = kit_at(100)
    order = kit.order("ann", side, kind, 1, trigger_price=trigger)  # type: ignore[arg-type]
    assert order.status is SimStatus.TRIGGER_WAITING
    kit.trade(quiet)
    assert kit.now(order).status is SimStatus.TRIGGER_WAITING
    kit.trade(fires)
    filled = kit.now(order)
    assert (filled.status, filled.triggered) == (SimStatus.FILLED, True)
    assert kit.fills_of(order)[0].price == (101 if side is BUY else 99)
    assert kit.reasons(order) == ["new", "triggered", "trade"]
    assert kit.used("ann", "USDT") == kit.used("ann", "BTC") == 0


def test_a_fired_stop_limit_rests_at_its_limit() -> None:
    kit = kit_at(100)
    order = kit.order("ann", SELL, OrderKind.STOP_LIMIT, 1, trigger_price=95, price="99.5")
    kit.trade(95)
    assert kit.now(order).status is SimStatus.NEW
    assert kit.now(order).triggered
    assert kit.engine.best(order.symbol) == (D(99), D("99.5"))
    kit.trade("99.5", 1, BUY)
    assert kit.now(order).status is SimStatus.FILLED


def test_a_trigger_that_would_fire_at_once_is_refused() -> None:
    kit = kit_at(100)
    with refused(RejectCode.WOULD_TRIGGER, says="last 100"):
        kit.order("ann", SELL, OrderKind.STOP, 1, trigger_price=100)
    with refused(RejectCode.WOULD_TRIGGER):
        kit.order("ann", SELL, OrderKind.TAKE_PROFIT, 1, trigger_price=99)


def test_the_direction_of_a_trigger_may_be_given() -> None:
    kit = kit_at(100)
    order = kit.order("ann", SELL, OrderKind.STOP, 1, trigger_price=105, trigger_above=True)
    kit.trade(105)
    assert kit.now(order).status is SimStatus.FILLED


def test_triggers_fire_in_the_order_in_which_they_were_placed() -> None:
    kit = kit_at(100)
    for side, trigger, price in ((SELL, 95, 94), (BUY, 105, 106)):
        first, second = (kit.order("ann", side, OrderKind.STOP, 1, trigger_price=trigger) for _ in range(2))
        kit.trade(price)
        assert kit.fills_of(first)[0].trade_id < kit.fills_of(second)[0].trade_id


def test_a_trade_between_accounts_fires_triggers_and_these_may_fire_others() -> None:
    kit = Kit()
    kit.trade(100)
    kit.limit("bob", BUY, 1, 90)
    kit.limit("bob", BUY, 1, 80)
    first = kit.order("ann", SELL, OrderKind.STOP, "0.5", trigger_price=90)
    second = kit.order("ann", SELL, OrderKind.STOP, "0.2", trigger_price=85)
    kit.market("ann", SELL, "0.9")
    assert kit.now(first).status is SimStatus.FILLED  # 0.1 at 90, the rest at 80: that fires the second
    assert [fill.price for fill in kit.fills_of(first)] == [90, 80]
    assert [fill.price for fill in kit.fills_of(second)] == [80]


def test_a_stop_that_can_no_longer_be_paid_for_expires() -> None:
    kit = kit_at(100, USDT=1000)
    stop = kit.order("ann", BUY, OrderKind.STOP, 9, trigger_price=105)
    assert kit.used("ann", "USDT") == 945
    kit.depth([(119, 1)], [(120, 50)])
    kit.trade(120)
    assert kit.now(stop).status is SimStatus.EXPIRED
    assert kit.used("ann", "USDT") == 0


def test_a_cancelled_trigger_never_fires() -> None:
    kit = kit_at(100)
    orders = [
        kit.order("ann", SELL, OrderKind.STOP, 1, trigger_price=95),
        kit.order("ann", SELL, OrderKind.TRAILING_AMOUNT, 1, trailing_amount=2),
    ]
    for order in orders:
        kit.cancel(order)
    kit.trade(90)
    assert [kit.reasons(order) for order in orders] == [["new", "canceled"]] * 2
    assert kit.used("ann", "BTC") == 0


# ------------------------------------------------------------------ trailing


def test_a_trailing_sale_follows_the_price_up_and_fires_on_the_way_down() -> None:
    kit = kit_at(100)
    order = kit.order("ann", SELL, OrderKind.TRAILING_AMOUNT, 1, trailing_amount=5)
    assert order.trigger_price == 95
    for price, trigger in ((103, 98), (110, 105), ("105.01", 105)):
        kit.trade(price)
        assert (kit.now(order).trigger_price, kit.now(order).triggered) == (trigger, False)
    kit.trade(105)
    assert kit.now(order).status is SimStatus.FILLED


def test_a_trailing_purchase_follows_the_price_down_by_percent() -> None:
    kit = kit_at(100)
    order = kit.order("ann", BUY, OrderKind.TRAILING_PERCENT, 1, trailing_percent=2)
    assert order.trigger_price == 102
    kit.trade("77.77")
    assert kit.now(order).trigger_price == D("79.33")  # 79.3254, rounded away from the price
    kit.trade("79.32")
    assert not kit.now(order).triggered
    kit.trade("79.33")
    assert kit.now(order).status is SimStatus.FILLED


def test_a_trailing_order_starts_to_trail_at_its_activation_price() -> None:
    kit = kit_at(100)
    order = kit.order("ann", SELL, OrderKind.TRAILING_AMOUNT, 1, trailing_amount=5, trigger_price=110)
    kit.trade(90)
    assert not kit.now(order).triggered
    kit.trade(112)
    assert kit.now(order).trigger_price == 107
    kit.trade(107)
    assert kit.now(order).triggered


# ------------------------------------------------------------------ lists


def oco(kit: Kit, amount: object = 1) -> tuple[SimOrder, ...]:
    legs = [
        new(SELL, OrderKind.LIMIT, amount, price=110),
        new(SELL, OrderKind.STOP_LIMIT, amount, trigger_price=95, price=94),
    ]
    return kit.engine.submit_list("ann", legs, kit.tick())


def test_the_legs_of_a_list_share_one_reservation() -> None:
    kit = kit_at(100, BTC=1, USDT=0)
    profit, stop = oco(kit)
    assert profit.list_id == stop.list_id is not None
    assert kit.used("ann", "BTC") == 1
    assert kit.free("ann", "BTC") == 0


def test_a_leg_that_fills_even_partly_makes_the_other_expire() -> None:
    kit = kit_at(100)
    profit, stop = oco(kit)
    kit.trade(110, "0.4", BUY)
    assert (kit.now(profit).status, kit.now(stop).status) == (SimStatus.PARTIALLY_FILLED, SimStatus.EXPIRED)
    assert kit.used("ann", "BTC") == D("0.6")
    kit.trade(94)  # the stop is gone
    assert kit.fills_of(stop) == []
    kit.trade(110, 5, BUY)
    assert kit.now(profit).status is SimStatus.FILLED
    assert kit.used("ann", "BTC") == 0


def test_a_leg_that_fires_makes_the_other_expire() -> None:
    kit = kit_at(100)
    profit, stop = oco(kit)
    kit.trade(95)
    assert (kit.now(profit).status, kit.now(stop).status) == (SimStatus.EXPIRED, SimStatus.FILLED)
    assert kit.engine.orders("ann", open_only=True) == []
    assert kit.used("ann", "BTC") == 0


@pytest.mark.parametrize("leg", [0, 1])
def test_cancelling_one_leg_cancels_both(leg: int) -> None:
    kit = kit_at(100)
    legs = oco(kit)
    kit.cancel(legs[leg])
    assert [kit.now(order).status for order in legs] == [SimStatus.CANCELED] * 2
    assert kit.used("ann", "BTC") == 0
    assert kit.engine.depth(legs[0].symbol, 9)[1] == [(D(101), D(5)), (D(102), D(50))]


def test_a_buying_list_reserves_its_dearest_leg() -> None:
    kit = kit_at(100)
    legs = [
        new(BUY, OrderKind.LIMIT, 2, price=90),
        new(BUY, OrderKind.STOP_LIMIT, 2, trigger_price=105, price=106),
    ]
    dip, breakout = kit.engine.submit_list("ann", legs, kit.tick())
    assert kit.used("ann", "USDT") == 212
    kit.trade(90, 1, SELL)
    assert kit.used("ann", "USDT") == 90
    assert kit.now(breakout).status is SimStatus.EXPIRED
    assert kit.now(dip).filled == 1


def test_a_list_is_taken_whole_or_not_at_all() -> None:
    kit = kit_at(100, BTC=1, USDT=0)
    with refused(RejectCode.INSUFFICIENT_FUNDS):
        oco(kit, 2)
    with refused(RejectCode.WOULD_TAKE):
        kit.engine.submit_list(
            "ann",
            [
                new(SELL, OrderKind.STOP, 1, trigger_price=95),
                new(SELL, OrderKind.LIMIT, 1, price=99),
            ],
            kit.tick(),
        )
    with refused(RejectCode.BAD_REQUEST, says="one symbol and side"):
        kit.engine.submit_list(
            "ann", [new(SELL, OrderKind.LIMIT, 1, price=110), new(BUY, OrderKind.LIMIT, 1, price=90)], kit.tick()
        )
    assert kit.engine.orders("ann") == []
    assert kit.used("ann", "BTC") == 0
