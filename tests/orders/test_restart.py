"""Promise 4: kill -9 at any instant loses nothing; after a restart orders are back and the strategy is told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from btccxt.errors import ConnectionLost, OrderOutcomeUnknown, StateMismatch
from btccxt.model import OrderKind, OrderRequest, OrderStatus, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.lifecycle import LifecycleState, LiveOrder, apply
from btccxt.orders.tracker import RestoredState
from tests.orders.conftest import Desk, eventually
from tests.orders.fake_exchange import FakeExchange, Script
from tests.orders.killed_child import run_until_killed

D = Decimal
S = LifecycleState


async def test_open_orders_come_back_with_their_fills_and_context(desk: Desk) -> None:
    client_order_id = await desk.opened(context={"ref": "42", "oco": "b-other"})
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(client_order_id), "0.4"))
    before = desk.order(client_order_id)
    after = await desk.restart()
    (order,) = after.restored.open_orders
    for name in (
        "state",
        "filled",
        "cost",
        "fees",
        "fills",
        "order_id",
        "created_ms",
        "sent_ms",
        "attempts",
        "request",
    ):
        assert getattr(order, name) == getattr(before, name)
    assert dict(order.context) == {"ref": "42", "oco": "b-other"}
    assert after.restored.changes == ()
    assert after.events == []


async def test_what_happened_while_away_is_told_before_the_first_bar(desk: Desk) -> None:
    filled, canceled, partly = [await desk.opened() for _ in range(3)]
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(filled), "0.4"))
    waiting = await desk.stopped_and_reopened()
    desk.exchange.trade(desk.placed(filled), "0.6")
    desk.exchange.trade(desk.placed(partly), "0.2")
    desk.placed(canceled).status = OrderStatus.CANCELED
    after = await waiting.start()
    told = {event.order.client_order_id: event for event in after.restored.changes}
    assert told[filled].order.state is S.FILLED
    assert [fill.amount for fill in told[filled].fills] == [D("0.6")]
    assert told[canceled].order.state is S.CANCELED
    assert [fill.amount for fill in told[partly].fills] == [D("0.2")]
    assert [order.client_order_id for order in after.restored.open_orders] == [partly]
    assert after.events == []


async def test_an_end_that_the_strategy_was_never_told_of_is_told_once_more(desk: Desk) -> None:
    told, unacknowledged = [await desk.opened() for _ in range(2)]
    for client_order_id in (told, unacknowledged):
        desk.tracker.on_fill(desk.exchange.trade(desk.placed(client_order_id), "1"))
    desk.tracker.confirm_told(told)
    after = await desk.restart()
    (event,) = after.restored.changes
    assert (event.order.client_order_id, event.order.state, event.fills) == (unacknowledged, S.FILLED, ())
    assert event.order.filled == D(1)
    after.tracker.confirm_told(unacknowledged)
    assert (await after.restart()).restored == RestoredState()


async def test_an_order_on_its_way_when_the_process_ended_is_found(desk: Desk) -> None:
    desk.exchange.script("create_order", Script(after=OrderOutcomeUnknown("cut")))
    desk.exchange.script("fetch_order", *[ConnectionLost("down")] * 3)
    client_order_id = desk.submit()
    await desk.until(client_order_id, S.UNKNOWN)
    after = await desk.restart()
    assert [order.state for order in after.restored.open_orders] == [S.OPEN]
    assert after.exchange.sent() == [client_order_id]


@pytest.mark.parametrize(("choice", "sent", "state"), [("report", 1, S.REJECTED), ("resend", 2, S.OPEN)])
async def test_an_order_that_never_arrived_is_reported_or_sent_again_after_a_restart(
    make_desk: Callable[..., Desk], choice: str, sent: int, state: S
) -> None:
    desk = await make_desk(on_not_found=choice, resolve_first_s=5.0).start()
    desk.exchange.script("create_order", OrderOutcomeUnknown("cut"))
    client_order_id = desk.submit()
    await desk.until(client_order_id, S.UNKNOWN)
    after = await desk.restart(resolve_first_s=0.01)
    assert after.order(client_order_id).state is state
    assert after.exchange.sent() == [client_order_id] * sent
    assert bool(after.alarmed(AlarmKind.OUTCOME_UNKNOWN)) is (choice == "report")


async def test_a_held_order_comes_back_held_and_can_be_released(desk: Desk) -> None:
    client_order_id = desk.submit(context={"parent": "b0"}, hold=True)
    await desk.until(client_order_id, S.JOURNALED)
    after = await desk.restart()
    (order,) = after.restored.open_orders
    assert (order.pending_release, order.state, dict(order.context)) == (True, S.JOURNALED, {"parent": "b0"})
    after.tracker.release(client_order_id)
    await after.until(client_order_id, S.OPEN)


async def test_a_cancel_that_was_asked_for_goes_on_after_the_restart(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk().start()
    client_order_id = await desk.opened()
    desk.exchange.script("cancel_order", *[ConnectionLost("down")] * 2)
    desk.tracker.cancel(client_order_id)
    await eventually(lambda: desk.exchange.count("cancel_order") >= 1)
    after = await desk.restart()
    await after.until(client_order_id, S.CANCELED)


async def test_the_start_waits_for_an_exchange_that_is_away_and_then_gives_up(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.exchange.script("fetch_open_orders", ConnectionLost("down"))
    await desk.start()
    other = make_desk(start_total_s=0.1)
    other.exchange.script("fetch_open_orders", *[ConnectionLost("down")] * 9)
    with pytest.raises(ConnectionLost):
        await other.start()


async def test_an_open_order_with_our_id_that_the_journal_does_not_know_stops_the_start(desk: Desk) -> None:
    request = desk.request()
    desk.exchange.place(request)  # as if the journal had been restored from an older copy
    after = await desk.stopped_and_reopened()
    with pytest.raises(StateMismatch, match=request.client_order_id):
        await after.start()


async def test_an_order_told_as_ended_that_lives_at_the_exchange_stops_the_start(desk: Desk) -> None:
    client_order_id = await desk.opened()
    desk.tracker.on_update(replace(desk.exchange.update(desk.placed(client_order_id)), status=OrderStatus.CANCELED))
    desk.tracker.confirm_told(client_order_id)
    after = await desk.stopped_and_reopened()
    with pytest.raises(StateMismatch, match=client_order_id):
        await after.start()


async def test_a_list_that_lags_behind_an_order_told_as_ended_does_not_stop_the_start(desk: Desk) -> None:
    client_order_id = await desk.opened()
    ended = replace(desk.exchange.update(desk.placed(client_order_id)), status=OrderStatus.CANCELED)
    desk.tracker.on_update(ended)
    desk.tracker.confirm_told(client_order_id)
    desk.exchange.script("fetch_order", Script(answer=lambda update: ended))
    after = await desk.restart()
    assert after.restored.open_orders == ()


async def test_an_order_reported_as_never_placed_that_lives_after_a_restart_is_taken_off(desk: Desk) -> None:
    request = desk.request()
    desk.exchange.script("create_order", OrderOutcomeUnknown("cut"))
    desk.submit(request)
    await desk.until(request.client_order_id, S.REJECTED)
    desk.tracker.confirm_told(request.client_order_id)
    placed = desk.exchange.place(request)
    after = await desk.restart()
    await eventually(lambda: placed.status is OrderStatus.CANCELED)
    assert after.alarmed(AlarmKind.GHOST)


async def test_a_stop_waits_for_the_answer_to_what_is_on_its_way(desk: Desk) -> None:
    answer = asyncio.Event()
    desk.exchange.script("create_order", Script(gate=answer.wait))
    client_order_id = desk.submit()
    await desk.until(client_order_id, S.SENT)
    asyncio.get_running_loop().call_later(0.05, answer.set)
    await desk.tracker.stop()
    assert desk.order(client_order_id).state is S.OPEN


# ------------------------------------------------------------------ a process that is really killed

_CHILD = """
import asyncio, json, os, signal, sys
from decimal import Decimal
from pathlib import Path
from btccxt.model import *
from btccxt.orders.journal.journal import Journal
from btccxt.orders.submission import until_durable
from btccxt.orders.tracker import OrderTracker, TrackerPolicy
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.orders.fake_exchange import FakeExchange, Script

directory, moment = Path(sys.argv[1]), sys.argv[2]

def write_exchange(exchange):
    (directory / "exchange.json").write_text(json.dumps(
        [[p.request.client_order_id, str(p.request.amount), str(p.filled)] for p in exchange.book.values()]))

async def die():
    write_exchange(exchange)
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    journal = Journal.open(directory / "journal.sqlite3", exchange="fake", mode="testnet", account="abc123")
    clock = ExchangeClock(WallTime())
    exchange.now_ms = clock.now_ms
    tracker = OrderTracker(exchange, journal, clock, lambda event: None)
    await tracker.start()
    name = tracker.next_client_order_id()
    request = OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal(100))
    (directory / "id").write_text(request.client_order_id)
    if moment == "between ticket and send":
        async def leaves(client_order_id, ticket):
            await until_durable(ticket)
            await die()
        tracker._submission._leaves = leaves
    elif moment == "before the exchange has it":
        real = exchange._call
        async def call(method, argument, work):
            if method == "create_order":
                await die()
            return await real(method, argument, work)
        exchange._call = call
    elif moment == "before the answer":
        exchange.script("create_order", Script(gate=die))
    tracker.submit(request, {"ref": "7"})
    while not tracker.order(request.client_order_id) or not tracker.order(request.client_order_id).acknowledged:
        await asyncio.sleep(0.001)
    if moment == "after a fill":
        placed = next(iter(exchange.book.values()))
        tracker.on_fill(exchange.trade(placed, "0.4"))
        exchange.trade(placed, "0.1")
        await asyncio.wrap_future(journal.flush())
        await die()

exchange = FakeExchange()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("moment", "placed", "state", "filled"),
    [
        ("between ticket and send", 0, S.REJECTED, "0"),
        ("before the exchange has it", 0, S.REJECTED, "0"),
        ("before the answer", 1, S.OPEN, "0"),
        ("after a fill", 1, S.PARTIALLY_FILLED, "0.5"),
    ],
)
async def test_a_process_killed_at_any_instant_leaves_an_order_in_a_known_state(
    tmp_path: Path, make_desk: Callable[..., Desk], moment: str, placed: int, state: S, filled: str
) -> None:
    await run_until_killed(_CHILD, tmp_path, moment)
    client_order_id = (tmp_path / "id").read_text()
    exchange = FakeExchange()
    (tmp_path / "journal.sqlite3").rename(tmp_path / "journal0.sqlite3")
    for rest in ("-wal", "-shm"):
        if (old := tmp_path / f"journal.sqlite3{rest}").exists():
            old.rename(tmp_path / f"journal0.sqlite3{rest}")
    desk = make_desk(exchange)
    for name, amount, done in json.loads((tmp_path / "exchange.json").read_text()):
        order = exchange.place(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(amount), D(100)))
        if D(done):
            exchange.trade(order, "0.4")
            exchange.trade(order, "0.1")
    assert len(exchange.book) == placed
    await desk.start()
    order = desk.order(client_order_id)
    assert (order.state, order.filled) == (state, D(filled))
    assert dict(order.context) == {"ref": "7"}
    assert exchange.sent() == []
    if state is S.REJECTED:
        assert [event.order.client_order_id for event in desk.restored.changes] == [client_order_id]
        assert desk.alarmed(AlarmKind.OUTCOME_UNKNOWN)
    else:
        assert [one.client_order_id for one in desk.restored.open_orders] == [client_order_id]


async def test_recovery_asks_the_exchange_for_what_is_open_only(make_desk: Callable[..., Desk]) -> None:
    """1,000 orders in the journal, 40 of them open: one list and one page of trades, not a query for each."""
    desk = make_desk()
    for number in range(1_000):
        order = LiveOrder(desk.request(), created_ms=desk.clock.now_ms())
        desk.journal.record_intent(order, number + 2)
        placed = desk.exchange.place(order.request)
        placed.status = OrderStatus.OPEN if number < 40 else OrderStatus.CANCELED
        update = desk.exchange.update(placed)
        desk.journal.record(apply(order, update, order.created_ms)[0], update, order.created_ms)
        if number >= 40:
            desk.journal.mark_told(order.client_order_id)
    after = await desk.restart()
    assert len(after.restored.open_orders) == 40
    assert len(after.exchange.calls) <= 4
