"""Linear perpetuals: positions, margin, reduce-only, hedge mode, funding, liquidation. Fees are zero in this market."""

from __future__ import annotations

from typing import Any

from btccxt.matching.engine import OrderChanged, PositionChanged, RejectCode, SimOrder, SimStatus
from btccxt.matching.positions import PositionState
from btccxt.model import OrderKind, Position, Side
from tests.sim.exchange_kit import BUY, PERP, SELL, D, Kit, refused


def kit_at(price: int, **balances: int | str) -> Kit:
    kit = Kit(**(balances or {"USDT": 1000}))
    move(kit, price)
    return kit


def move(kit: Kit, price: int) -> None:
    """The market goes to this price, with as much depth as anybody wants."""
    kit.depth([], [], PERP)
    kit.trade(price, symbol=PERP)
    kit.depth([(price, 1000)], [(D(price) + D("0.1"), 1000)], PERP)


def buy(kit: Kit, amount: object, **more: Any) -> SimOrder:
    return kit.market("ann", BUY, amount, symbol=PERP, **more)


def sell(kit: Kit, amount: object, **more: Any) -> SimOrder:
    return kit.market("ann", SELL, amount, symbol=PERP, **more)


def position(kit: Kit, side: str | None = None) -> Position | None:
    return next((p for p in kit.engine.positions("ann") if p.hedge_side == side), None)


def test_buying_opens_a_position_with_margin_and_selling_it_realises_the_profit() -> None:
    kit = kit_at(100)
    buy(kit, 10)
    opened = position(kit)
    assert opened is not None
    assert (opened.amount, opened.entry_price, opened.leverage) == (10, D("100.1"), 20)
    assert opened.unrealised_pnl == 0
    assert kit.used("ann", "USDT") == D("50.05")
    move(kit, 110)
    order = sell(kit, 4)
    assert kit.fills_of(order)[0].realized_pnl == D("39.6")
    assert kit.engine.balances("ann")["USDT"].total == D("1039.6")
    assert kit.used("ann", "USDT") == D("30.03")
    sell(kit, 6)
    assert position(kit) is None
    assert kit.engine.balances("ann")["USDT"].total == 1099
    assert kit.used("ann", "USDT") == 0
    assert PositionChanged("ann", PERP, kit.now_ms) in kit.heard


def test_selling_more_than_the_position_turns_it_round_at_the_new_price() -> None:
    kit = kit_at(100)
    buy(kit, 2)
    move(kit, 90)
    order = sell(kit, 5)
    assert kit.fills_of(order)[0].realized_pnl == D("-20.2")
    turned = position(kit)
    assert turned is not None
    assert (turned.amount, turned.entry_price) == (-3, 90)


def test_the_entry_price_is_the_average_of_what_was_added() -> None:
    kit = kit_at(100)
    sell(kit, 1)
    move(kit, 110)
    sell(kit, 3)
    shorted = position(kit)
    assert shorted is not None
    assert shorted.entry_price == D("107.5")
    assert shorted.unrealised_pnl == -10


def test_margin_follows_the_leverage() -> None:
    kit = kit_at(100)
    kit.engine.set_leverage("ann", PERP, D(5), kit.tick())
    sell(kit, 10)
    assert kit.used("ann", "USDT") == 200
    kit.engine.set_leverage("ann", PERP, D(10), kit.tick())
    assert kit.used("ann", "USDT") == 100
    sell(kit, 30)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="margin"):
        kit.engine.set_leverage("ann", PERP, D(2), kit.tick())
    assert kit.used("ann", "USDT") == 400
    with refused(RejectCode.INSUFFICIENT_FUNDS):
        sell(kit, 70)
    with refused(RejectCode.BAD_REQUEST, says="at least 1"):
        kit.engine.set_leverage("ann", PERP, D("0.5"), kit.tick())


def test_a_resting_order_holds_margin_only_for_what_it_would_open() -> None:
    kit = kit_at(100)
    buy(kit, 10)
    held = kit.used("ann", "USDT")
    closing = kit.limit("ann", SELL, 8, 120, symbol=PERP)
    assert kit.used("ann", "USDT") == held
    kit.limit("ann", SELL, 8, 120, symbol=PERP)  # 2 close what the first leaves, 6 would open a short
    assert kit.used("ann", "USDT") == held + 6 * 120 / D(20)
    kit.cancel(closing)
    assert kit.used("ann", "USDT") == held + 36


def test_reduce_only_closes_at_most_the_position_and_needs_one() -> None:
    kit = kit_at(100)
    with refused(RejectCode.REDUCE_ONLY):
        sell(kit, 1, reduce_only=True)
    buy(kit, 2)
    with refused(RejectCode.REDUCE_ONLY):
        buy(kit, 1, reduce_only=True)
    order = sell(kit, 5, reduce_only=True)
    assert (order.status, order.filled) == (SimStatus.EXPIRED, 2)
    assert position(kit) is None


def test_what_is_left_of_a_position_may_be_closed_however_small_it_is() -> None:
    kit = kit_at(100)
    buy(kit, "1.001")
    sell(kit, 1)
    with refused(RejectCode.MIN_COST):
        sell(kit, "0.001")
    assert sell(kit, "0.001", reduce_only=True).status is SimStatus.FILLED


def test_a_closed_position_leaves_no_cost_behind() -> None:
    state = PositionState(PERP, None, D("0.001"))
    for signed, price in ((3, "1.0000001"), (-1, "1.0000002"), (-2, "1.0000003")):
        state.apply(D(signed), D(price))
    assert (state.amount, state.cost) == (0, 0)


def test_resting_reduce_only_orders_expire_with_the_position() -> None:
    kit = kit_at(100)
    buy(kit, 2)
    resting = kit.limit("ann", SELL, 2, 120, symbol=PERP, reduce_only=True)
    stop = kit.order("ann", SELL, OrderKind.STOP, 2, trigger_price=90, symbol=PERP, reduce_only=True)
    sell(kit, 2)
    assert kit.now(resting).status is SimStatus.EXPIRED
    assert kit.now(stop).status is SimStatus.TRIGGER_WAITING
    move(kit, 90)
    assert kit.now(stop).status is SimStatus.EXPIRED
    assert position(kit) is None


def test_a_resting_reduce_only_order_never_turns_the_position_round() -> None:
    kit = kit_at(100)
    buy(kit, 2)
    resting = kit.limit("ann", SELL, 5, 120, symbol=PERP, reduce_only=True)
    kit.trade(125, 50, BUY, symbol=PERP)
    assert (kit.now(resting).status, kit.now(resting).filled) == (SimStatus.EXPIRED, 2)
    assert position(kit) is None


def test_hedge_mode_keeps_long_and_short_apart() -> None:
    kit = kit_at(100)
    kit.engine.set_hedge_mode("ann", True)
    with refused(RejectCode.BAD_REQUEST, says="needs a position side"):
        buy(kit, 1)
    buy(kit, 3, position_side="long")
    sell(kit, 2, position_side="short")
    long, short = position(kit, "long"), position(kit, "short")
    assert long is not None
    assert short is not None
    assert (long.amount, short.amount) == (3, -2)
    with refused(RejectCode.BAD_REQUEST, says="before changing the mode"):
        kit.engine.set_hedge_mode("ann", False)
    closed = sell(kit, 5, position_side="long")
    assert closed.filled == 3  # selling a long only ever closes it
    assert position(kit, "long") is None
    buy(kit, 2, position_side="short")
    assert kit.engine.positions("ann") == []
    kit.engine.set_hedge_mode("ann", False)
    with refused(RejectCode.BAD_REQUEST, says="has no position side"):
        buy(kit, 1, position_side="long")


def test_funding_moves_money_from_longs_to_shorts() -> None:
    kit = kit_at(100)
    kit.depth([], [], PERP)
    kit.limit("bob", SELL, 10, 100, symbol=PERP)
    kit.limit("ann", BUY, 10, 100, symbol=PERP)
    received = kit.engine.apply_funding(PERP, D("0.0001"), kit.tick())
    assert received["ann"] == D("-0.1")
    assert received["bob"] == D("0.1")
    assert kit.engine.balances("ann")["USDT"].total == D("999.9")
    assert PositionChanged("ann", PERP, kit.now_ms) in kit.heard


def test_a_position_is_liquidated_at_about_the_estimated_price() -> None:
    kit = kit_at(100, USDT=100)
    order = kit.limit("ann", SELL, 4, 110, symbol=PERP)
    sell(kit, 15)
    short = position(kit)
    assert short is not None
    assert short.liquidation_price is not None
    assert 106 < short.liquidation_price < 107
    move(kit, 106)
    assert position(kit) is not None
    move(kit, 107)
    assert position(kit) is None
    assert kit.now(order).status is SimStatus.CANCELED
    assert kit.engine.balances("ann")["USDT"].total == 0  # 5 more were lost than there was: the exchange's insurance
    forced = [e.order for e in kit.heard if isinstance(e, OrderChanged) and "liquidation" in e.order.client_order_id]
    assert forced[-1].status is SimStatus.FILLED
    assert forced[-1].side is Side.BUY


def test_a_bankrupt_account_owes_nothing() -> None:
    kit = kit_at(100, USDT=100)
    buy(kit, 15)
    move(kit, 50)
    assert kit.engine.positions("ann") == []
    assert kit.engine.balances("ann")["USDT"].total == 0
    assert kit.engine.street["USDT"] == 100


def test_money_that_a_position_has_lost_on_paper_cannot_be_spent_again() -> None:
    kit = kit_at(100, USDT=200)
    buy(kit, 20)
    move(kit, 95)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="only 0 is free"):
        kit.limit("ann", BUY, 1, 90, symbol=PERP)


def test_a_loss_cancels_the_newest_orders_that_can_no_longer_be_paid_for() -> None:
    kit = kit_at(100, USDT=200)
    buy(kit, 20)
    older = kit.limit("ann", BUY, 10, 80, symbol=PERP)
    newer = kit.limit("ann", BUY, 10, 80, symbol=PERP)
    move(kit, 93)
    sell(kit, 20)
    assert kit.engine.balances("ann")["USDT"].total == D(58)
    assert kit.now(newer).status is SimStatus.CANCELED
    assert kit.now(older).status is SimStatus.NEW
    assert (kit.free("ann", "USDT"), kit.used("ann", "USDT")) == (18, 40)
