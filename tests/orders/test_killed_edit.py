"""A process killed while it changes an order: the edit is found out or carried on, and no intent is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt.model import OrderKind, OrderRequest, OrderStatus, Side
from btccxt.orders.lifecycle import LifecycleState as S
from tests.orders.conftest import Desk, eventually
from tests.orders.fake_exchange import FakeExchange
from tests.orders.killed_child import run_until_killed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

_CHILD = """
import asyncio, json, os, signal, sys
from decimal import Decimal
from pathlib import Path
from btccxt.model import *
from btccxt.orders.journal.journal import Journal
from btccxt.orders.tracker import OrderTracker, TrackerPolicy
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.orders.fake_exchange import FakeExchange

directory, native, moment = Path(sys.argv[1]), sys.argv[2] == "native", sys.argv[3]
exchange = FakeExchange(can_edit=native)

def die():
    (directory / "exchange.json").write_text(json.dumps([
        [p.request.client_order_id, str(p.request.amount), str(p.request.price), p.status.value, p.order_id]
        for p in exchange.book.values()]))
    os.kill(os.getpid(), signal.SIGKILL)

real = exchange._call
async def call(method, argument, work):
    of_the_edit = method != "create_order" or argument.client_order_id == follows
    if moment == f"before {method}" and of_the_edit:
        die()
    update = await real(method, argument, work)
    if moment == f"after {method}" and of_the_edit:
        die()
    return update
exchange._call = call

async def main():
    global follows
    journal = Journal.open(directory / "journal.sqlite3", exchange="fake", mode="testnet", account="abc123")
    clock = ExchangeClock(WallTime())
    exchange.now_ms = clock.now_ms
    tracker = OrderTracker(exchange, journal, clock, lambda event: None, TrackerPolicy(cancel_push_wait_s=0.01))
    await tracker.start()
    name, follows = tracker.next_client_order_id(), ""
    request = OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal(100))
    tracker.submit(request, {"ref": "7"})
    while not tracker.order(name) or not tracker.order(name).acknowledged:
        await asyncio.sleep(0.001)
    follows = tracker.next_client_order_id()
    (directory / "ids").write_text(name + " " + follows)
    tracker.edit(name, OrderRequest(follows, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(2), Decimal(99)))
    await asyncio.sleep(20)

asyncio.run(main())
"""


async def _killed(tmp_path: Path, make_desk: Callable[..., Desk], how: str, moment: str) -> tuple[Desk, str, str]:
    """A desk on the journal of a process that was killed, and the exchange as it left it; not started yet."""
    await run_until_killed(_CHILD, tmp_path, how, moment)
    for rest in ("", "-wal", "-shm"):
        if (old := tmp_path / f"journal.sqlite3{rest}").exists():
            old.rename(tmp_path / f"journal0.sqlite3{rest}")
    exchange = FakeExchange(can_edit=how == "native")
    for name, amount, price, status, order_id in json.loads((tmp_path / "exchange.json").read_text()):
        placed = exchange.place(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(amount), D(price)))
        del exchange.book[placed.order_id]
        placed.order_id, placed.status = order_id, OrderStatus(status)
        exchange.book[order_id] = placed
    name, follows = (tmp_path / "ids").read_text().split()
    return make_desk(exchange), name, follows


def _lives(desk: Desk) -> list[tuple[str, D, D | None]]:
    """What is open at the exchange."""
    open_now = [placed.request for placed in desk.exchange.book.values() if not placed.status.is_final]
    return [(request.client_order_id, request.amount, request.price) for request in open_now]


@pytest.mark.parametrize("moment", ["before cancel_order", "after cancel_order"])
async def test_an_edit_killed_before_or_after_its_cancel_is_carried_on(
    tmp_path: Path, make_desk: Callable[..., Desk], moment: str
) -> None:
    desk, name, follows = await _killed(tmp_path, make_desk, "by cancel", moment)
    await desk.start()
    order = await desk.until(follows, S.OPEN)
    assert desk.order(name).state is S.CANCELED
    assert (order.amount, order.request.price) == (D(2), D(99))
    assert dict(order.context) == {"ref": "7", "replaces": name}
    assert _lives(desk) == [(follows, D(2), D(99))]
    assert desk.exchange.sent() == [follows]


async def test_what_filled_while_away_is_taken_off_the_order_that_follows(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    desk, name, follows = await _killed(tmp_path, make_desk, "by cancel", "before cancel_order")
    desk.exchange.trade(desk.placed(name), "0.4")
    await desk.start()
    assert (await desk.until(follows, S.OPEN)).amount == D("1.6")
    assert desk.order(name).filled == D("0.4")


async def test_an_order_that_filled_while_away_is_not_followed_by_another(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    desk, name, follows = await _killed(tmp_path, make_desk, "by cancel", "before cancel_order")
    desk.exchange.trade(desk.placed(name), "1")
    await desk.start()
    await desk.until(follows, S.CANCELED)
    assert desk.order(name).state is S.FILLED
    assert desk.exchange.sent() == []


@pytest.mark.parametrize(("moment", "state"), [("before create_order", S.REJECTED), ("after create_order", S.OPEN)])
async def test_an_edit_killed_while_the_new_order_is_sent_sends_nothing_twice(
    tmp_path: Path, make_desk: Callable[..., Desk], moment: str, state: S
) -> None:
    desk, name, follows = await _killed(tmp_path, make_desk, "by cancel", moment)
    await desk.start()
    await desk.until(follows, state)
    assert desk.order(name).state is S.CANCELED
    assert desk.exchange.sent() == []
    assert await asyncio.wrap_future(desk.journal.edits()) == {}


@pytest.mark.parametrize(("moment", "done"), [("before edit_order", False), ("after edit_order", True)])
async def test_a_native_edit_whose_process_was_killed_is_found_out(
    tmp_path: Path, make_desk: Callable[..., Desk], moment: str, done: bool
) -> None:
    desk, name, follows = await _killed(tmp_path, make_desk, "native", moment)
    await desk.start()
    order = desk.order(name)
    assert (order.state, order.amount, order.request.price) == (S.OPEN, *((D(2), D(99)) if done else (D(1), D(100))))
    assert any(("found out by asking" if done else "edit not done") in note for note in order.notes)
    assert desk.tracker.order(follows) is None
    assert desk.tracker.next_client_order_id() > follows, "the id that the edit had is handed out a second time"
    assert (desk.exchange.count("edit_order"), desk.exchange.sent()) == (0, [])


async def test_an_edit_under_a_client_order_id_of_its_own_is_not_taken_for_a_lost_order(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    """Some exchanges close the order and go on with a new one, under the edit's id."""
    desk, name, follows = await _killed(tmp_path, make_desk, "native", "before edit_order")
    old = desk.placed(name)
    old.status = OrderStatus.CANCELED
    new = desk.exchange.place(OrderRequest(follows, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(2), D(99)))
    await desk.start()
    order = desk.order(name)
    assert (order.state, order.order_id, order.request.price) == (S.OPEN, new.order_id, D(99))
    desk.tracker.on_fill(desk.exchange.trade(new, "2", client_order_id=None))
    await eventually(lambda: desk.order(name).state is S.FILLED)
