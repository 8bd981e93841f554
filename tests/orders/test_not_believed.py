"""What contradicts an order is not applied to it; what is said too soon is not concluded from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from btccxt.errors import ConnectionLost, OrderNotFound, OrderOutcomeUnknown
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import ZERO, MarketType, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.live_order import LifecycleState as S
from btccxt.orders.policy import TrackerPolicy
from btccxt.store.startup import tracker_policy_of
from tests.orders.conftest import Desk, eventually

D = Decimal


async def test_a_fill_of_the_other_side_is_not_booked_and_the_true_one_is_asked_for(desk: Desk) -> None:
    client_order_id = await desk.opened()
    fill = desk.exchange.trade(desk.placed(client_order_id), "0.4")
    desk.tracker.on_fill(replace(fill, side=Side.SELL))
    assert desk.order(client_order_id).filled == ZERO
    assert "of a sell, but it is a buy" in desk.alarmed(AlarmKind.DRIFT)[0]
    await eventually(lambda: desk.fills(client_order_id) == [fill])
    desk.tracker.on_fill(replace(fill, side=Side.SELL, trade_id="t9"))
    await desk.quiet()
    assert len({alarm.once for alarm in desk.alarms}) == 1
    assert desk.fills(client_order_id) == [fill]


@pytest.mark.parametrize("changes", [{"side": Side.SELL}, {"symbol": "ETH/USDT"}])
async def test_news_of_another_order_changes_nothing(desk: Desk, changes: dict[str, object]) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    await desk.quiet()
    told = len(desk.events)
    desk.tracker.on_update(replace(desk.exchange.update(placed, filled=D("0.5"), **changes)))
    assert desk.order(client_order_id).filled == ZERO
    assert len(desk.events) == told
    assert desk.alarmed(AlarmKind.DRIFT)


@pytest.mark.parametrize("by", ["reconciliation", "cancel"])
async def test_not_found_is_believed_only_after_the_exchanges_visibility_delay(
    make_desk: Callable[..., Desk], by: str
) -> None:
    """Three answers within a third of a second, and then the order is there again."""
    desk = await make_desk(visibility_delay_s=1.0, cancel_total_s=5.0).start()
    client_order_id = await desk.opened()
    desk.exchange.invisible = True
    asyncio.get_running_loop().call_later(0.6, setattr, desk.exchange, "invisible", False)
    if by == "cancel":
        desk.exchange.script("cancel_order", OrderNotFound("not yet visible"))
        desk.tracker.cancel(client_order_id)
        await desk.until(client_order_id, S.CANCELED)
        assert desk.exchange.count("cancel_order") == 2
    else:
        await desk.tracker.reconcile()
        assert desk.order(client_order_id).state is S.OPEN
    assert "no longer known" not in str(desk.order(client_order_id).notes)
    assert desk.exchange.count("fetch_order") >= 3


async def test_an_order_is_not_sent_again_where_the_exchange_might_take_both(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(on_not_found="resend", refuses_duplicates=False).start()
    desk.exchange.script("create_order", OrderOutcomeUnknown("time-out"))
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, S.REJECTED)
    assert desk.exchange.sent() == [client_order_id]
    assert order.never_arrived
    assert "the exchange might take both" in desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)[0]


@pytest.mark.parametrize(("exchange", "kind", "refuses"), [("bybit", "spot", True), ("binance", "spot", False)])
def test_the_profile_says_whether_duplicates_are_refused(exchange: str, kind: str, refuses: bool) -> None:
    policy = tracker_policy_of(TrackerPolicy(on_not_found="resend"), load_profile(exchange, MarketType(kind)))
    assert policy.refuses_duplicates is refuses


async def test_an_edit_that_is_never_found_out_ends_in_an_alarm(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(resolve_total_s=0.3).start()
    desk.exchange.can_edit = True
    client_order_id = await desk.opened()
    desk.exchange.script("edit_order", OrderOutcomeUnknown("time-out"))
    desk.exchange.script("fetch_order", *[ConnectionLost("down")] * 200)
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    await eventually(lambda: bool(desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)))
    assert "it is not known whether the change" in desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)[0]
    await asyncio.sleep(0)
