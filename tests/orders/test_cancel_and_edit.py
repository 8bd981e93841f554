"""Cancels are confirmed, never assumed; an edit says how it was done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
    ConnectionLost,
    ExchangeUnavailable,
    OrderNotFound,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
    Unsupported,
)
from btccxt.model import OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin
from btccxt.orders.events import AlarmKind
from btccxt.orders.live_order import LifecycleState
from tests.orders.conftest import Desk, eventually
from tests.orders.fake_exchange import FakeExchange, Script

CANCELED, FILLED, OPEN = LifecycleState.CANCELED, LifecycleState.FILLED, LifecycleState.OPEN


@dataclass(frozen=True)
class Case:
    name: str
    scripts: tuple[Script | BaseException, ...]


@pytest.mark.parametrize(
    "case",
    [
        Case("answered", ()),
        Case("a rate limit", (RateLimited("slow", 0.01),)),
        Case("maintenance", (ExchangeUnavailable("down"),)),
        Case("a connection cut before it arrived", (ConnectionLost("cut"),)),
        Case("a connection cut after it was done", (Script(after=ConnectionLost("cut")),)),
        Case("an unclear outcome", (Script(after=OrderOutcomeUnknown("time-out")),)),
        Case("an exception nobody expects", (KeyError("spot"),)),
        Case("not found, though it is there", (OrderNotFound("lagging"),)),
        Case("refused once", (Refused("busy"),)),
    ],
    ids=lambda case: case.name,
)
async def test_a_cancel_is_followed_until_the_exchange_confirms_it(case: Case, desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", *case.scripts)
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, CANCELED)
    assert order.cancel_requested
    assert desk.placed(client_order_id).status is OrderStatus.CANCELED
    assert desk.exchange.count("fetch_order") >= 1


async def test_the_answer_to_a_cancel_is_not_taken_for_the_end(desk: Desk) -> None:
    client_order_id = await desk.opened()
    placed = desk.placed(client_order_id)

    async def fill_instead() -> None:
        desk.exchange.trade(placed, "1")

    desk.exchange.script("cancel_order", Script(gate=fill_instead))
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, FILLED)
    assert order.filled == Decimal(1)
    assert CANCELED not in desk.states(client_order_id)


async def test_a_cancel_that_loses_against_a_fill_is_a_fill(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.trade(desk.placed(client_order_id), "1")
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, FILLED)
    assert [fill.amount for fill in desk.fills(client_order_id)] == [Decimal(1)]


async def test_a_cancel_after_a_partial_fill_keeps_the_fill(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.trade(desk.placed(client_order_id), "0.4")
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, CANCELED)
    assert order.filled == Decimal("0.4")
    assert next(event.order.filled for event in desk.events if event.order.state is CANCELED) == Decimal("0.4")


async def test_an_order_that_the_exchange_forgets_when_canceled_is_canceled_after_repeated_answers(
    make_desk: Callable[..., Desk],
) -> None:
    desk = await make_desk(FakeExchange(forgets_canceled=True)).start()
    client_order_id = await desk.opened()
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, CANCELED)
    assert desk.exchange.count("fetch_order") == desk.policy.not_found_answers
    assert desk.exchange.count("fetch_my_trades") >= 1
    assert any("no longer known" in note for note in order.notes)


async def test_a_cancel_before_the_order_was_sent_means_it_is_never_sent(desk: Desk) -> None:
    client_order_id = desk.submit()
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    await desk.quiet()
    assert not desk.exchange.sent()


@pytest.mark.parametrize("error", [Refused("no price"), ExchangeUnavailable("down"), Unsupported("no")], ids=repr)
async def test_an_order_that_was_cancelled_while_it_was_prepared_stays_cancelled(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, error: BtccxtError
) -> None:
    desk = await make_desk(max_send_attempts=1).start()
    preparing, failing = asyncio.Event(), asyncio.Event()

    async def prepare(request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        preparing.set()
        await failing.wait()
        raise error

    monkeypatch.setattr(desk.exchange, "create_order_when", prepare)
    client_order_id = desk.submit()
    await preparing.wait()
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    failing.set()
    await desk.quiet()
    assert desk.states(client_order_id)[-1] is CANCELED


async def test_a_held_order_that_is_released_at_once_is_sent_once(desk: Desk) -> None:
    answer = asyncio.Event()
    desk.exchange.script("create_order", Script(gate=answer.wait), Script(gate=answer.wait))
    client_order_id = desk.submit(hold=True)
    desk.tracker.release(client_order_id)
    await desk.quiet()
    answer.set()
    await desk.until(client_order_id, LifecycleState.OPEN)
    assert desk.exchange.sent() == [client_order_id]


async def test_a_cancel_while_the_order_is_on_its_way_waits_for_it(desk: Desk) -> None:
    answer = asyncio.Event()
    desk.exchange.script("create_order", Script(gate=answer.wait))
    client_order_id = desk.submit()
    await desk.until(client_order_id, LifecycleState.SENT)
    desk.tracker.cancel(client_order_id)
    await desk.quiet()
    assert desk.exchange.count("cancel_order") == 0
    answer.set()
    await desk.until(client_order_id, CANCELED)
    assert desk.placed(client_order_id).status is OrderStatus.CANCELED


async def test_a_cancel_while_waiting_for_the_next_attempt_stops_the_attempts(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(send_total_s=60.0).start()
    desk.exchange.script("create_order", RateLimited("slow", 30.0))
    client_order_id = desk.submit()
    await eventually(lambda: bool(desk.events) and bool(desk.order(client_order_id).notes))
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert len(desk.exchange.sent()) == 1


async def test_a_cancel_that_cannot_be_confirmed_raises_an_alarm_and_the_order_stays_open(
    make_desk: Callable[..., Desk],
) -> None:
    desk = await make_desk(cancel_total_s=0.1).start()
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", *[ConnectionLost("down")] * 100)
    desk.exchange.script("fetch_order", *[ConnectionLost("down")] * 100)
    desk.tracker.cancel(client_order_id)
    await eventually(lambda: bool(desk.alarmed(AlarmKind.CANCEL_UNCONFIRMED)))
    assert desk.order(client_order_id).state is OPEN


async def test_an_unconfirmed_cancel_is_taken_up_again(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(cancel_total_s=0.1).start()
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", *[ConnectionLost("down")] * 6)
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert desk.exchange.count("cancel_order") > 6


async def test_a_cancel_asked_for_while_the_outcome_is_unknown_is_done_once_it_is_known(
    make_desk: Callable[..., Desk],
) -> None:
    desk = await make_desk(cancel_total_s=0.05).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    desk.exchange.script("fetch_order", *[ConnectionLost("down")] * 8)
    client_order_id = desk.submit()
    await desk.until(client_order_id, LifecycleState.UNKNOWN)
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert desk.placed(client_order_id).status is OrderStatus.CANCELED


async def test_a_cancel_without_permission_raises_an_alarm_at_once(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", AuthenticationFailed("no trade permission"))
    desk.tracker.cancel(client_order_id)
    await eventually(lambda: bool(desk.alarmed(AlarmKind.CANCEL_UNCONFIRMED)))
    assert desk.exchange.count("cancel_order") == 1


async def test_a_cancel_goes_on_after_one_answer_that_looked_final(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", AuthenticationFailed("a proxy's page with status 401"))
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert desk.exchange.count("cancel_order") == 2


async def test_cancelling_twice_sends_one_request(desk: Desk) -> None:
    client_order_id = await desk.opened()
    for _ in range(3):
        desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert desk.exchange.count("cancel_order") == 1


async def test_cancelling_what_has_ended_does_nothing(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    desk.tracker.cancel(client_order_id)
    desk.tracker.cancel("never-heard-of")
    await desk.quiet()
    assert desk.exchange.count("cancel_order") == 1


# ------------------------------------------------------------------ edit


async def test_a_native_edit_keeps_the_order_and_says_so(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(can_edit=True)).start()
    client_order_id = await desk.opened()
    old_id = desk.order(client_order_id).order_id
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    await eventually(lambda: desk.order(client_order_id).request.price == Decimal(99))
    order = desk.order(client_order_id)
    assert (order.client_order_id, order.state) == (client_order_id, OPEN)
    assert "edited natively" in order.notes
    # the exchange closes the old id and goes on under the new one
    desk.tracker.on_update(
        replace(desk.exchange.update(desk.placed(client_order_id)), order_id=old_id, status=OrderStatus.CANCELED)
    )
    assert desk.order(client_order_id).state is OPEN
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(client_order_id), "1"))
    assert desk.order(client_order_id).state is FILLED


async def test_an_edit_whose_answer_is_lost_is_found_out(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(can_edit=True)).start()
    client_order_id = await desk.opened()
    desk.exchange.script("edit_order", OrderOutcomeUnknown("time-out"))
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    await eventually(lambda: any("edit not done" in note for note in desk.order(client_order_id).notes))
    assert desk.order(client_order_id).request.price == Decimal(100)


async def test_a_refused_edit_leaves_the_order_as_it_was(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(can_edit=True)).start()
    client_order_id = await desk.opened()
    desk.exchange.script("edit_order", Refused("price step"))
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    await eventually(lambda: any("price step" in note for note in desk.order(client_order_id).notes))
    assert (desk.order(client_order_id).state, desk.order(client_order_id).request.price) == (OPEN, Decimal(100))


async def test_a_second_edit_of_an_order_waits_for_the_first(make_desk: Callable[..., Desk]) -> None:
    """Otherwise the exchange decides which of them counts, and a killed program looks for the wrong one."""
    desk = await make_desk(FakeExchange(can_edit=True)).start()
    client_order_id = await desk.opened()
    answered = asyncio.Event()
    desk.exchange.script("edit_order", Script(gate=answered.wait))
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    desk.tracker.edit(client_order_id, desk.request(price="98"))
    await eventually(lambda: desk.exchange.count("edit_order") > 0)
    for _ in range(10):
        await asyncio.wrap_future(desk.journal.flush())
    assert desk.exchange.count("edit_order") == 1
    answered.set()
    await eventually(lambda: desk.order(client_order_id).request.price == Decimal(98))
    assert desk.order(client_order_id).notes.count("edited natively") >= 1
    assert desk.exchange.count("edit_order") == 2


async def test_without_native_edit_the_rest_is_cancelled_and_placed_anew(desk: Desk) -> None:
    client_order_id = await desk.opened(context={"ref": "7"})
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(client_order_id), "0.4"))
    request = desk.request(amount="1.5", price="99")
    desk.tracker.edit(client_order_id, request)
    order = await desk.until(request.client_order_id, OPEN)
    assert order.amount == Decimal("1.1")
    assert dict(order.context) == {"ref": "7", "replaces": client_order_id}
    assert desk.order(client_order_id).state is CANCELED
    assert any(request.client_order_id in note for note in desk.order(client_order_id).notes)


async def test_an_edit_that_loses_against_a_fill_places_nothing(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.exchange.trade(desk.placed(client_order_id), "1")
    desk.tracker.edit(client_order_id, desk.request(price="99"))
    await desk.until(client_order_id, FILLED)
    await eventually(lambda: any("edit ends here" in note for note in desk.order(client_order_id).notes))
    assert desk.exchange.sent() == [client_order_id]


@pytest.mark.parametrize("disk_is_full", [False, True], ids=["it had ended", "the disk is full"])
async def test_who_waits_for_the_order_that_is_to_follow_is_told_that_none_does(desk: Desk, disk_is_full: bool) -> None:
    client_order_id = await desk.opened()
    if disk_is_full:
        desk.journal._read(lambda connection: connection.execute("PRAGMA query_only=ON"))
    else:
        desk.tracker.cancel(client_order_id)
        await desk.until(client_order_id, CANCELED)
    request = desk.request(price="99")
    desk.tracker.edit(client_order_id, request, follows=True)
    order = await desk.until(request.client_order_id, LifecycleState.REJECTED)
    assert order.reasons[0].startswith("edit not done")
    assert desk.states(request.client_order_id) == [LifecycleState.REJECTED]
    assert desk.exchange.sent() == [client_order_id]


async def test_an_order_that_is_changed_in_place_is_followed_by_none(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    request = desk.request(price="99")
    desk.tracker.edit(client_order_id, request)
    await desk.quiet()
    assert desk.states(request.client_order_id) == []


# ------------------------------------------------------------------ held orders


async def test_a_held_order_is_durable_and_goes_only_when_released(desk: Desk) -> None:
    client_order_id = desk.submit(hold=True)
    await desk.until(client_order_id, LifecycleState.JOURNALED)
    await desk.quiet()
    assert not desk.exchange.sent()
    changed = replace(desk.order(client_order_id).request, price=Decimal(98))
    desk.tracker.release(client_order_id, changed)
    order = await desk.until(client_order_id, OPEN)
    assert (order.pending_release, order.request.price) == (False, Decimal(98))
    desk.tracker.release(client_order_id)
    await desk.quiet()
    assert desk.exchange.sent() == [client_order_id]


async def test_a_held_order_is_changed_and_cancelled_without_the_exchange(desk: Desk) -> None:
    client_order_id = desk.submit(hold=True)
    await desk.until(client_order_id, LifecycleState.JOURNALED)
    desk.tracker.edit(client_order_id, desk.request(price="97"))
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, CANCELED)
    assert order.request.price == Decimal(97)
    assert not [name for name, _ in desk.exchange.calls if name in ("create_order", "cancel_order", "edit_order")]


async def test_a_held_order_cancelled_before_it_is_on_disk_does_not_stay_behind(desk: Desk) -> None:
    client_order_id = desk.submit(hold=True)
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert (await desk.restart()).restored.open_orders == ()


@pytest.mark.parametrize("fired", [False, True])
async def test_a_trigger_is_cancelled_in_the_book_where_it_is(desk: Desk, fired: bool) -> None:
    client_order_id = await desk.opened(desk.request(kind=OrderKind.STOP, trigger_price=Decimal(90)))
    desk.placed(client_order_id).book_of_triggers = not fired
    desk.tracker.cancel(client_order_id)
    await desk.until(client_order_id, CANCELED)
    assert desk.placed(client_order_id).status is OrderStatus.CANCELED


async def test_a_fired_trigger_is_followed_and_cancelled_through_its_child(desk: Desk) -> None:
    client_order_id = await desk.opened(desk.request(kind=OrderKind.STOP, trigger_price=Decimal(90)))
    parent = desk.placed(client_order_id)
    child = desk.exchange.place(replace(parent.request, client_order_id="made-by-the-exchange"))
    parent.status, parent.child_order_id = OrderStatus.TRIGGERED, child.order_id
    desk.tracker.on_update(desk.exchange.update(parent, Origin.PUSH))
    desk.tracker.on_fill(desk.exchange.trade(child, "0.25"))
    assert desk.order(client_order_id).filled == Decimal("0.25")
    desk.tracker.cancel(client_order_id)
    order = await desk.until(client_order_id, CANCELED)
    assert child.status is OrderStatus.CANCELED
    assert order.filled == Decimal("0.25")
    assert not desk.alarmed(AlarmKind.EXTERNAL_ORDER)
