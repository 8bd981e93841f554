"""REST is the truth: what was missed comes back, once; what cannot be true on both sides stops trading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from btccxt.errors import ConfigError, ConnectionLost, OrderNotFound, Refused, Unsupported
from btccxt.model import Fee, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.external_orders import PendingUpdates
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.reconcile import (
    Ask,
    Contradiction,
    Foreign,
    Heard,
    open_orders_interval_s,
    plan,
)
from tests.orders.conftest import Desk, eventually
from tests.orders.fake_exchange import FakeExchange, Script

D = Decimal
S = LifecycleState


def listed(order_id: str) -> OrderUpdate:
    return OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.QUERY, order_id)


def known(order_id: str, state: S = S.OPEN, updated_ms: int = 50, **changes: object) -> LiveOrder:
    request = OrderRequest(order_id, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(100))
    order = LiveOrder(
        request, state=state, order_id=order_id, updated_ms=updated_ms, acknowledged=state.rank >= S.OPEN.rank
    )
    return replace(order, **changes)


# ------------------------------------------------------------------ the plan (pure)


@pytest.mark.parametrize(
    ("orders", "open_there", "actions"),
    [
        ([], [], []),
        ([known("a")], ["a"], [Heard("a", listed("a"))]),
        ([known("a")], [], [Ask("a")]),
        ([known("a", S.PARTIALLY_FILLED)], [], [Ask("a")]),
        ([], ["z"], [Foreign(listed("z"))]),
        ([known("a", S.CANCELED)], ["a"], [Contradiction("a", listed("a"))]),
        ([known("a", S.CANCELED)], [], []),
        ([known("a", S.REJECTED, never_arrived=True)], ["a"], [Heard("a", listed("a"))]),
        ([known("a", S.SENT)], [], []),  # its sender finds out
        ([known("a", S.UNKNOWN)], ["a"], [Heard("a", listed("a"))]),
        ([known("a", S.JOURNALED, pending_release=True)], [], []),
        ([known("a", updated_ms=200)], [], []),  # changed after the list was asked for
        ([known("a", S.CANCELED, updated_ms=200)], ["a"], []),
        ([known("a", reported_terminal=frozenset({S.FILLED}))], [], []),  # closed there, waits for its trades
        ([known("a"), known("b")], ["b", "z"], [Heard("b", listed("b")), Foreign(listed("z")), Ask("a")]),
    ],
)
def test_the_plan_follows_from_both_sides(
    orders: list[LiveOrder], open_there: list[str], actions: list[object]
) -> None:
    ours = {order.client_order_id: order for order in orders}
    found = plan(
        ours, map(listed, open_there), lambda update: update.order_id if update.order_id in ours else None, 100
    )
    assert list(found) == actions


def test_a_silent_private_stream_is_compensated_by_asking_often() -> None:
    policy = TrackerPolicy(open_orders_fast_s=5, open_orders_slow_s=120, private_stream_silent_s=60)
    assert open_orders_interval_s(None, policy) == 5
    assert open_orders_interval_s(0.0, policy) == 120
    assert open_orders_interval_s(30.0, policy) == 62.5
    assert open_orders_interval_s(60.0, policy) == open_orders_interval_s(9_999.0, policy) == 5


# ------------------------------------------------------------------ held news (pure)


def test_held_news_is_given_out_once_in_order_and_duplicates_are_kept_once() -> None:
    held = PendingUpdates(keep_for=10, limit=5)
    first, second = listed("a"), replace(listed("a"), filled=D(1))
    for news in (first, second, first, listed("b")):
        assert held.hold(news, 0) == []
    assert len(held) == 3
    assert held.take("BTC/USDT", "a") == [first, second]
    assert held.take("BTC/USDT", "a") == []
    assert held.take("ETH/USDT", "b") == []
    assert held.take("BTC/USDT", None) == []
    assert len(held) == 1


def test_held_news_is_bounded_in_number_and_time() -> None:
    held = PendingUpdates(keep_for=10, limit=2)
    held.hold(listed("a"), 0)
    held.hold(listed("b"), 5)
    assert held.hold(listed("c"), 6) == [listed("a")]
    assert held.expired(14) == []
    assert held.expired(15) == [listed("b")]
    assert len(held) == 1
    assert held.hold(replace(listed("d"), order_id=None), 15) == [replace(listed("d"), order_id=None)]


# ------------------------------------------------------------------ against an exchange


async def test_fills_and_ends_missed_while_disconnected_come_back_once(desk: Desk) -> None:
    partly, filled, canceled = [await desk.opened() for _ in range(3)]
    desk.exchange.trade(desk.placed(partly), "0.3")
    desk.exchange.trade(desk.placed(filled), "0.4")
    pushed = desk.exchange.trade(desk.placed(filled), "0.6")
    desk.placed(canceled).status = OrderStatus.CANCELED
    for _ in range(2):
        await desk.tracker.reconcile()
    desk.tracker.on_fill(pushed)
    assert desk.order(partly).filled == D("0.3")
    assert desk.order(filled).state is S.FILLED
    assert desk.order(canceled).state is S.CANCELED
    assert [fill.amount for fill in desk.fills(filled)] == [D("0.4"), D("0.6")]


@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.STOP])
async def test_an_order_missing_from_the_list_is_asked_for_before_it_counts_as_ended(
    desk: Desk, kind: OrderKind
) -> None:
    client_order_id = await desk.opened(desk.request(kind=kind))
    desk.placed(client_order_id).book_of_triggers = False  # a trigger that has fired unheard is an ordinary order

    async def list_lags() -> None:
        desk.exchange.invisible = True

    async def list_is_made() -> None:
        desk.exchange.invisible = False

    desk.exchange.script("fetch_open_orders", Script(gate=list_lags))
    desk.exchange.script("fetch_my_trades", Script(gate=list_is_made))
    await desk.tracker.reconcile()
    assert desk.exchange.count("fetch_order") == (1 if kind is OrderKind.LIMIT else 2)
    assert desk.order(client_order_id).state is S.OPEN


async def test_an_order_that_the_exchange_no_longer_knows_ends_only_after_repeated_answers(desk: Desk) -> None:
    client_order_id = await desk.opened()
    del desk.exchange.book[desk.order(client_order_id).order_id]
    await desk.tracker.reconcile()
    assert desk.exchange.count("fetch_order") == desk.policy.not_found_answers
    assert desk.order(client_order_id).state is S.CANCELED


async def test_a_network_error_while_asking_ends_nothing_and_is_raised(desk: Desk) -> None:
    client_order_id = await desk.opened()
    del desk.exchange.book[desk.order(client_order_id).order_id]
    desk.exchange.script("fetch_order", OrderNotFound("?"), OrderNotFound("?"), ConnectionLost("down"))
    with pytest.raises(ConnectionLost):
        await desk.tracker.reconcile()
    assert desk.order(client_order_id).state is S.OPEN


async def test_a_list_symbol_by_symbol_serves_where_there_is_no_other(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.placed(client_order_id).status = OrderStatus.CANCELED
    desk.exchange.script("fetch_open_orders", Unsupported("symbol required"))
    await desk.tracker.reconcile()
    assert desk.order(client_order_id).state is S.CANCELED


async def test_an_exchange_that_names_no_trades_is_reconciled_by_its_orders(make_desk: Callable[..., Desk]) -> None:
    """Upbit's and Bithumb's: ccxt has no way to the account's trades there."""
    desk = await make_desk(infer_fills=True, query_by_client_id=False).start()
    desk.exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 9)
    client_order_id = await desk.opened()
    desk.placed(client_order_id).status = OrderStatus.CANCELED
    await desk.tracker.reconcile()
    assert desk.order(client_order_id).state is S.CANCELED
    assert not desk.alarms


async def test_hundreds_of_missed_fills_come_page_by_page_each_once(desk: Desk) -> None:
    client_order_id = await desk.opened(desk.request("1000"))
    placed = desk.placed(client_order_id)
    start_ms = desk.exchange.now_ms()
    for number in range(237):
        desk.exchange.trade(placed, "1", time_ms=start_ms + number // 60)  # more than a page within a few ms
    await desk.tracker.reconcile()
    assert desk.order(client_order_id).filled == D(237)
    assert len(desk.fills(client_order_id)) == 237


async def test_trades_are_asked_for_since_the_last_complete_answer_with_an_overlap(desk: Desk) -> None:
    await desk.opened()
    await desk.tracker.reconcile()
    before_ms = desk.exchange.now_ms()
    await desk.tracker.reconcile()
    since = [argument[1] for name, argument in desk.exchange.calls if name == "fetch_my_trades"][-1]
    assert before_ms - desk.policy.fills_overlap_ms - 5_000 < since <= before_ms - desk.policy.fills_overlap_ms


async def test_the_open_orders_are_looked_at_periodically(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(open_orders_fast_s=0.05).start()
    client_order_id = await desk.opened()
    desk.exchange.trade(desk.placed(client_order_id), "1")
    await desk.until(client_order_id, S.FILLED)


async def test_a_failing_periodic_reconciliation_is_noted_and_goes_on(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(open_orders_fast_s=0.03).start()
    client_order_id = await desk.opened()
    desk.exchange.script("fetch_open_orders", ConnectionLost("down"), ConnectionLost("down"))
    desk.exchange.trade(desk.placed(client_order_id), "1")
    await desk.until(client_order_id, S.FILLED)


async def test_filled_is_announced_when_its_trades_are_there(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    desk.exchange.trade(placed, "0.5")
    desk.exchange.trade(placed, "0.5")
    desk.tracker.on_update(desk.exchange.update(placed, Origin.PUSH))
    assert desk.order(client_order_id).state is S.OPEN
    await desk.until(client_order_id, S.FILLED)
    assert len(desk.fills(client_order_id)) == 2
    done = next(event for event in desk.events if event.order.state is S.FILLED)
    assert done.order.filled == D(1)


async def test_filled_whose_trades_never_come_is_announced_with_an_alarm(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    placed.filled, placed.status = D(1), OrderStatus.FILLED
    desk.tracker.on_update(desk.exchange.update(placed, Origin.PUSH))
    order = await desk.until(client_order_id, S.FILLED)
    assert order.filled == 0
    assert len(desk.alarmed(AlarmKind.FILLS_OVERDUE)) == 1
    desk.tracker.on_fill(desk.exchange.trade(placed, "1"))
    assert desk.order(client_order_id).filled == D(1)


async def test_where_the_exchange_names_no_trades_cumulative_amounts_are_fills(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(infer_fills=True).start()
    client_order_id = await desk.opened()
    update = desk.exchange.update(desk.placed(client_order_id), Origin.PUSH)
    desk.tracker.on_update(replace(update, filled=D("0.4"), average=D(100)))
    desk.tracker.on_update(replace(update, filled=D(1), average=D(100), status=OrderStatus.FILLED))
    assert desk.order(client_order_id).state is S.FILLED
    assert [fill.amount for fill in desk.fills(client_order_id)] == [D("0.4"), D("0.6")]


async def test_the_trades_behind_inferred_fills_bring_their_fees(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(fees=Fee("BNB", D("0.01"))), infer_fills=True).start()
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    desk.exchange.trade(placed, "1")
    desk.tracker.on_update(replace(desk.exchange.update(placed, Origin.PUSH), average=D(100)))
    assert desk.order(client_order_id).state is S.FILLED
    await eventually(lambda: dict(desk.order(client_order_id).fees) == {"BNB": D("0.01")})
    assert [fill.amount for fill in desk.fills(client_order_id)] == [D(1)]
    corrections = [fill for event in desk.events for fill in event.corrections]
    assert [(fill.amount, fill.fee) for fill in corrections] == [(D(0), Fee("BNB", D("0.01")))]


async def test_an_exchange_that_names_no_trades_is_not_asked_for_them_again(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(infer_fills=True).start()
    desk.exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 5)
    client_order_id = await desk.opened()
    update = desk.exchange.update(desk.placed(client_order_id), Origin.PUSH, filled=D(1), average=D(100))
    desk.tracker.on_update(replace(update, status=OrderStatus.FILLED))
    await desk.until(client_order_id, S.FILLED)
    await eventually(lambda: desk.exchange.count("fetch_my_trades") == 1)
    await desk.quiet()
    assert desk.exchange.count("fetch_my_trades") == 1
    assert not desk.alarms


async def test_news_without_a_known_status_is_asked_about(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    placed.status = OrderStatus.CANCELED
    desk.tracker.on_update(
        replace(desk.exchange.update(placed, Origin.PUSH), status=OrderStatus.UNKNOWN, raw_status="?")
    )
    await desk.until(client_order_id, S.CANCELED)


async def test_a_status_nobody_knows_ends_nothing_and_a_person_is_told_once(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    placed.status = OrderStatus.UNKNOWN
    news = replace(desk.exchange.update(placed, Origin.PUSH), status=OrderStatus.UNKNOWN, raw_status="PARKED")
    desk.tracker.on_update(news)
    await eventually(lambda: desk.exchange.count("fetch_order") >= 4)
    assert desk.order(client_order_id).state is S.OPEN
    (alarm,) = desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)
    assert client_order_id in alarm and "no status that is known" in alarm
    placed.status = OrderStatus.CANCELED
    await desk.until(client_order_id, S.CANCELED)


# ------------------------------------------------------------------ orders made outside


def somebody_elses(exchange: FakeExchange, client_order_id: str = "web_1") -> OrderRequest:
    request = OrderRequest(client_order_id, "BTC/USDT", Side.SELL, OrderKind.LIMIT, D(2), D(200))
    exchange.place(request)
    return request


async def test_orders_made_outside_are_announced_once_and_left_alone(desk: Desk) -> None:
    somebody_elses(desk.exchange)
    for _ in range(3):
        await desk.tracker.reconcile()
    assert len(desk.alarmed(AlarmKind.EXTERNAL_ORDER)) == 1
    assert desk.tracker.open_orders() == ()


async def test_orders_made_outside_can_be_ignored(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(external_orders="ignore").start()
    somebody_elses(desk.exchange)
    await desk.tracker.reconcile()
    assert not desk.alarms
    assert not desk.events


async def test_orders_made_outside_can_be_adopted_with_their_fills(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(external_orders="adopt").start()
    somebody_elses(desk.exchange)
    await desk.tracker.reconcile()
    (order,) = desk.tracker.open_orders()
    assert (order.external, order.amount, order.request.side) == (True, D(2), Side.SELL)
    desk.tracker.on_fill(desk.exchange.trade(desk.placed("web_1"), "2"))
    await desk.until("web_1", S.FILLED)
    assert [event.order.external for event in desk.events] == [True] * len(desk.events)


async def test_a_fill_of_an_unknown_order_leads_to_its_adoption(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(knows_client_ids=False), external_orders="adopt").start()
    somebody_elses(desk.exchange)
    placed = next(iter(desk.exchange.book.values()))

    async def both_ask() -> None:
        await eventually(lambda: desk.exchange.count("fetch_order") == 2)

    desk.exchange.script("fetch_order", Script(gate=both_ask), Script(gate=both_ask))
    for amount in ("0.5", "0.25"):
        desk.tracker.on_fill(desk.exchange.trade(placed, amount))
    await eventually(lambda: len(desk.fills("external-x1")) == 2)
    assert desk.order("external-x1").filled == D("0.75")
    assert not desk.alarms


async def test_late_news_of_an_order_long_ended_finds_it_in_the_journal(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(knows_client_ids=False), final_orders_kept=1).start()
    first = await desk.opened()
    placed = desk.placed(first)
    desk.tracker.on_fill(desk.exchange.trade(placed, "0.5"))
    late = [desk.exchange.trade(placed, "0.25"), desk.exchange.trade(placed, "0.125")]
    placed.status = OrderStatus.CANCELED
    desk.tracker.on_update(replace(desk.exchange.update(placed, Origin.PUSH), filled=D("0.5")))
    second = await desk.opened()
    desk.placed(second).status = OrderStatus.CANCELED
    desk.tracker.on_update(desk.exchange.update(desk.placed(second), Origin.PUSH))
    assert desk.tracker.order(first) is None
    for fill in late:
        desk.tracker.on_fill(fill)
    await eventually(lambda: len(desk.fills(first)) == 3)
    assert desk.order(first).filled == D("0.875")
    assert not desk.alarmed(AlarmKind.EXTERNAL_ORDER)


async def test_the_other_names_of_an_order_are_forgotten_with_it(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(can_edit=True), final_orders_kept=1).start()
    for _ in range(3):
        name = await desk.opened()
        desk.tracker.edit(name, replace(desk.request(price="99")))
        await eventually(lambda name=name: desk.order(name).request.price == D("99"))
        desk.placed(name).status = OrderStatus.CANCELED
        desk.tracker.on_update(desk.exchange.update(desk.placed(name), Origin.PUSH))
        await desk.until(name, S.CANCELED)
    register = desk.tracker._register
    assert len(register._aliases) == len(register._aliases_of) == len(register.orders) == 1


# ------------------------------------------------------------------ drift and contradiction


async def test_an_order_ended_here_and_open_there_halts_new_orders_but_not_cancels(desk: Desk) -> None:
    ended, living = await desk.opened(), await desk.opened()
    desk.tracker.on_update(replace(desk.exchange.update(desk.placed(ended)), status=OrderStatus.CANCELED))
    await asyncio.sleep(0.005)
    await desk.tracker.reconcile()
    assert ended in desk.alarmed(AlarmKind.MISMATCH)[0]
    refused = desk.submit()
    order = await desk.until(refused, S.REJECTED)
    assert "halted" in order.reasons[0]
    desk.tracker.cancel(living)
    await desk.until(living, S.CANCELED)
    assert refused not in desk.exchange.sent()


async def test_a_lagging_list_is_no_contradiction(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)
    desk.tracker.on_update(replace(desk.exchange.update(placed), status=OrderStatus.CANCELED))
    await asyncio.sleep(0.005)
    desk.exchange.script("fetch_order", Script(answer=lambda update: replace(update, status=OrderStatus.CANCELED)))
    await desk.tracker.reconcile()
    assert desk.tracker.halted is None


async def test_submitting_before_the_start_or_after_the_stop_is_refused(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    with pytest.raises(Exception, match="start the store first"):
        desk.submit()
    await desk.start()
    await desk.tracker.stop()
    with pytest.raises(Exception, match="start the store first"):
        desk.submit()


async def test_a_journal_that_fails_means_the_order_is_not_sent(desk: Desk) -> None:
    desk.journal.close()
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, S.REJECTED)
    assert "not sent" in order.reasons[0]
    assert "is closed" in order.reasons[0]
    assert not desk.exchange.sent()


def test_a_policy_without_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="not_found_answers must be a number of at least 1"):
        TrackerPolicy(not_found_answers=0)
    with pytest.raises(ConfigError, match="cancel_total_s must be zero or more"):
        TrackerPolicy(cancel_total_s=-1)


async def test_a_refusal_costs_no_more_than_its_order(desk: Desk) -> None:
    desk.exchange.script("create_order", Refused("funds"))
    refused, fine = desk.submit(), desk.submit()
    await desk.until(refused, S.REJECTED)
    await desk.until(fine, S.OPEN)
