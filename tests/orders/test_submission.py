"""Promise 2: sent once, and after any failure the order ends in a known state or an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from btccxt.errors import (
    AuthenticationFailed,
    ClockSkew,
    ConnectionLost,
    ExchangeUnavailable,
    OrderNotFound,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
    Unsupported,
)
from btccxt.model import OrderRequest, OrderStatus, OrderUpdate
from btccxt.orders.events import AlarmKind
from btccxt.orders.live_order import LifecycleState
from tests.orders.conftest import Desk, StalledDisk, eventually
from tests.orders.fake_exchange import FakeExchange, Script

OPEN, REJECTED, UNKNOWN = LifecycleState.OPEN, LifecycleState.REJECTED, LifecycleState.UNKNOWN


@dataclass(frozen=True)
class Case:
    name: str
    scripts: tuple[Script | BaseException, ...]
    state: LifecycleState
    requests: int
    reason: str = ""


CASES = [
    Case("a clear answer opens it", (), OPEN, 1),
    Case("a refusal rejects it with every reason", (Refused(["too small", "too dear"]),), REJECTED, 1, "too dear"),
    Case("wrong keys reject it", (AuthenticationFailed("no"),), REJECTED, 1, "AuthenticationFailed"),
    Case("an unsupported order is rejected", (Unsupported("no icebergs"),), REJECTED, 1, "no icebergs"),
    Case("a rate limit is waited for", (RateLimited("slow", 0.01),), OPEN, 2),
    Case("a clock error is sent again", (ClockSkew("-1021"),), OPEN, 2),
    Case("maintenance is sent again", (ExchangeUnavailable("maintenance"), ExchangeUnavailable("still")), OPEN, 3),
    Case("rate limits without end give up", (RateLimited("a"),) * 4, REJECTED, 4, "given up after 4 attempts"),
    Case("a time-out after acceptance is found", (Script(after=OrderOutcomeUnknown("time-out")),), OPEN, 1),
    Case(
        "a time-out before acceptance is not resent", (OrderOutcomeUnknown("time-out"),), REJECTED, 1, "no such order"
    ),
    Case("a cut connection after acceptance is found", (Script(after=ConnectionLost("cut")),), OPEN, 1),
    Case("an exception nobody expects is not a failure", (Script(after=KeyError("spot")),), OPEN, 1),
    Case("a bug before sending is not resent", (TypeError("bug"),), REJECTED, 1, "no such order"),
    Case("not found while creating proves nothing", (Script(after=OrderNotFound("?")),), OPEN, 1),
    Case("an answer without id is found", (Script(answer=lambda update: replace(update, order_id=None)),), OPEN, 1),
    Case(
        "an answer without status is open",
        (Script(answer=lambda update: replace(update, status=OrderStatus.UNKNOWN, filled=None, raw_status=None)),),
        OPEN,
        1,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_outcome_ends_in_a_known_state_and_uses_one_client_order_id(case: Case, desk: Desk) -> None:
    desk.exchange.script("create_order", *case.scripts)
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, case.state)
    await desk.quiet()
    assert desk.exchange.sent() == [client_order_id] * case.requests
    assert len(desk.exchange.book) == (1 if case.state is OPEN else 0)
    assert (order.order_id is not None) is (case.state is OPEN)
    assert case.reason in " ".join(order.reasons)
    assert desk.states(client_order_id)[-1] is case.state


async def test_the_clock_is_measured_before_a_clock_error_is_sent_again(make_desk: Callable[..., Desk]) -> None:
    heard: list[int] = []

    async def measure() -> None:
        heard.append(desk.exchange.count("create_order"))

    desk = await make_desk(options={"measure_clock": measure}).start()
    desk.exchange.script("create_order", ClockSkew("-1021"))
    await desk.opened()
    assert heard == [1]


async def test_the_request_leaves_only_after_the_ticket_is_on_disk(desk: Desk) -> None:
    seen: list[bool] = []

    async def look() -> None:
        stored = await asyncio.wrap_future(desk.journal.load_order(client_order_id=client_order_id))
        seen.append(stored is not None)

    desk.exchange.script("create_order", Script(gate=look))
    client_order_id = desk.submit()
    assert not desk.exchange.sent()
    await desk.until(client_order_id, OPEN)
    assert seen == [True]


async def test_a_fault_before_the_request_leaves_is_a_rejection_and_nobody_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        raise ValueError("cannot be built")

    monkeypatch.setattr(desk.exchange, "create_order_when", broken)
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, REJECTED)
    await desk.quiet()
    assert order.reasons == ("not sent: ValueError: cannot be built",)
    assert desk.exchange.count("fetch_order") == 0


async def test_a_request_is_prepared_anew_at_most_once(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(stale_request_s=0.0).start()
    await desk.opened()


async def test_the_time_that_the_disk_takes_is_not_the_exchanges(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(send_total_s=0.3).start()
    desk.exchange.script("create_order", ClockSkew("-1021"))
    with StalledDisk(desk.journal):
        client_order_id = desk.submit()
        await asyncio.sleep(0.4)
    await desk.until(client_order_id, OPEN)


async def test_not_found_counts_only_after_the_visibility_delay(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(visibility_delay_s=0.3, resolve_first_s=0.001).start()
    desk.exchange.invisible = True
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    client_order_id = desk.submit()
    await eventually(lambda: desk.exchange.count("fetch_order") >= 5)
    assert desk.order(client_order_id).state is UNKNOWN
    desk.exchange.invisible = False
    await desk.until(client_order_id, OPEN)
    assert desk.exchange.sent() == [client_order_id]


async def test_network_errors_never_count_as_not_found(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(visibility_delay_s=0.0).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    desk.exchange.script("fetch_order", *[ConnectionLost("DNS")] * 8, OrderNotFound("?"))
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, OPEN, REJECTED)
    assert order.state is OPEN
    assert desk.exchange.count("fetch_order") == 10


async def test_one_not_found_is_not_enough(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(visibility_delay_s=0.0, not_found_answers=3).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    desk.exchange.script("fetch_order", OrderNotFound("?"), OrderNotFound("?"))
    await desk.opened()
    assert desk.exchange.count("fetch_order") == 3


async def test_what_never_arrived_is_reported_with_an_alarm(desk: Desk) -> None:
    desk.exchange.script("create_order", OrderOutcomeUnknown("time-out"))
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, REJECTED)
    assert order.never_arrived
    assert client_order_id in desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)[0]


async def test_what_never_arrived_is_sent_again_under_the_same_id_if_asked_for(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(on_not_found="resend").start()
    desk.exchange.script("create_order", OrderOutcomeUnknown("time-out"))
    client_order_id = await desk.opened()
    assert desk.exchange.sent() == [client_order_id] * 2
    assert any("sent again under the same id" in note for note in desk.order(client_order_id).notes)


async def test_what_never_arrives_is_not_sent_again_without_end(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(on_not_found="resend", max_send_attempts=3).start()
    desk.exchange.script("create_order", *[OrderOutcomeUnknown("time-out")] * 10)
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, REJECTED)
    await desk.quiet()
    assert desk.exchange.sent() == [client_order_id] * 3
    assert order.never_arrived and len(desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)) == 1


async def test_a_pause_longer_than_sending_may_take_gives_up_at_once(make_desk: Callable[..., Desk]) -> None:
    """An order of a minute ago may be the wrong order now: it is said, and not sent late."""
    desk = await make_desk(send_total_s=5.0).start()
    desk.exchange.script("create_order", RateLimited("banned", 60.0))
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, REJECTED)
    assert desk.exchange.sent() == [client_order_id]
    assert "given up after 1 attempts" in order.reasons[-1]


async def test_an_exchange_that_stays_silent_leads_to_an_alarm_and_goes_on_being_asked(
    make_desk: Callable[..., Desk],
) -> None:
    desk = await make_desk(resolve_total_s=0.05).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    desk.exchange.script("fetch_order", *[ConnectionLost("down")] * 12)
    client_order_id = desk.submit()
    await eventually(lambda: bool(desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)))
    assert desk.order(client_order_id).state is UNKNOWN
    assert any("OrderOutcomeUnknown" in reason for reason in desk.order(client_order_id).reasons)
    await desk.until(client_order_id, OPEN)
    assert desk.exchange.sent() == [client_order_id]


async def test_a_push_ends_the_search(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(resolve_first_s=5.0).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    client_order_id = desk.submit()
    await desk.until(client_order_id, UNKNOWN)
    desk.tracker.on_update(desk.exchange.update(desk.placed(client_order_id)))
    await desk.until(client_order_id, OPEN)
    await eventually(lambda: not desk.tracker._sending)
    assert desk.exchange.count("fetch_order") == 0


async def test_without_a_query_by_client_id_the_lists_are_searched(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(query_by_client_id=False).start()
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("time-out")))
    await desk.opened()
    assert desk.exchange.count("fetch_order") == 0

    lost = desk.request()
    desk.exchange.script("create_order", OrderOutcomeUnknown("time-out"))
    desk.submit(lost)
    await desk.until(lost.client_order_id, REJECTED)
    assert desk.exchange.count("fetch_closed_orders") >= desk.policy.not_found_answers


async def test_an_order_that_only_its_trades_show_is_found_by_them(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(query_by_client_id=False).start()

    async def fill_and_hide() -> None:
        desk.exchange.trade(desk.placed(client_order_id), "1")
        desk.exchange.invisible = True

    desk.exchange.script("create_order", Script(gate=fill_and_hide, after=OrderOutcomeUnknown("time-out")))
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, LifecycleState.FILLED)
    assert order.filled == Decimal(1)


async def test_a_fill_pushed_before_the_create_answer_is_counted_once(make_desk: Callable[..., Desk]) -> None:
    """The push names the exchange's id only, which nobody knows yet."""
    desk = await make_desk(FakeExchange(knows_client_ids=False), held_news_s=60.0).start()

    async def push_first() -> None:
        placed = desk.placed(client_order_id)
        fill = desk.exchange.trade(placed, "0.4")
        desk.tracker.on_fill(fill)
        desk.tracker.on_fill(fill)
        await desk.quiet()
        assert not desk.fills(client_order_id)

    script = Script(gate=push_first, answer=lambda update: replace(update, filled=None))
    desk.exchange.script("create_order", script)
    client_order_id = desk.submit()
    order = await desk.until(client_order_id, LifecycleState.PARTIALLY_FILLED)
    assert desk.exchange.count("fetch_my_trades") == 0
    assert order.filled == Decimal("0.4")
    assert [fill.amount for fill in desk.fills(client_order_id)] == [Decimal("0.4")]
    assert not desk.alarmed(AlarmKind.EXTERNAL_ORDER)


async def test_a_client_order_id_is_accepted_once(desk: Desk) -> None:
    request = desk.request()
    await desk.opened(request)
    with pytest.raises(Refused, match="in use"):
        desk.tracker.submit(request)
    assert desk.exchange.sent() == [request.client_order_id]


async def test_an_order_that_was_reported_lost_and_then_appears_is_taken_off(desk: Desk) -> None:
    desk.exchange.script("create_order", OrderOutcomeUnknown("time-out"))
    request = desk.request()
    desk.submit(request)
    await desk.until(request.client_order_id, REJECTED)
    placed = desk.exchange.place(request)  # the request was stuck in a proxy all the time
    desk.tracker.on_update(desk.exchange.update(placed))
    await eventually(lambda: placed.status is OrderStatus.CANCELED)
    assert desk.alarmed(AlarmKind.GHOST)
