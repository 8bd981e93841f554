"""Orders that wait for their funds: journaled, sent by the program that took them, and by no later one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side
from btccxt.orders.context import FUNDS
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.live_order import LifecycleState as S
from tests.orders.conftest import Desk, eventually
from tests.orders.killed_child import run_until_killed

WHY = "waits until b1 has ended: its USDT is bound or on its way"
SPOT = Market(
    "BTC/USDT", "BTC", "USDT", None, MarketType.SPOT, active=True, price_step=D("0.1"), amount_step=D("0.001")
)


def emulator_of(desk: Desk) -> OrderEmulator:
    emulator = OrderEmulator(
        desk.tracker,
        {SPOT.symbol: SPOT},
        lambda symbol, wanted: None,
        desk.alarms.append,
        desk.events.append,
        now_ms=desk.clock.now_ms,
    )
    desk.tracker._register.publish = lambda event: desk.events.extend(emulator.hear(event))
    return emulator


def bracket(new_id: Callable[[], str]) -> list[tuple[OrderRequest, dict[str, str]]]:
    """Exits first, as they are handed over."""
    entry, stop, target = new_id(), new_id(), new_id()
    tied = {FUNDS: WHY, "parent": entry, "oco": stop}
    return [
        (OrderRequest(stop, "BTC/USDT", Side.SELL, OrderKind.STOP, D(1), trigger_price=D(90)), tied),
        (OrderRequest(target, "BTC/USDT", Side.SELL, OrderKind.LIMIT, D(1), D(110)), tied),
        (OrderRequest(entry, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(100)), {FUNDS: WHY}),
    ]


async def test_an_order_goes_when_its_funds_have_come_and_is_no_second_time_told(
    make_desk: Callable[..., Desk],
) -> None:
    desk = await make_desk().start()
    emulator = emulator_of(desk)
    orders = bracket(desk.tracker.next_client_order_id)
    for each in orders:
        emulator.submit(*each)
    await desk.quiet()
    assert desk.exchange.sent() == []
    for each in orders:
        emulator.funds_came(*each)
    stop, target, entry = (request.client_order_id for request, _ in orders)
    await desk.until(entry, S.OPEN)
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(entry), "1"))
    await desk.until(stop, S.OPEN)
    assert desk.exchange.sent() == [entry, stop]
    desk.tracker.cancel(entry)
    again = await desk.restart()
    emulator_of(again).restore(again.restored)
    await again.quiet()
    assert {order.client_order_id for order in again.tracker.open_orders()} == {stop, target}
    assert again.exchange.sent() == [entry, stop]


async def test_what_does_not_come_ends_the_order_with_the_reason(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk().start()
    emulator, name = emulator_of(desk), desk.tracker.next_client_order_id()
    emulator.submit(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.MARKET, D(1)), {FUNDS: WHY})
    desk.tracker.withdraw(name, "needs 5 USDT, 0 free")
    assert (await desk.until(name, S.CANCELED)).reasons == ("needs 5 USDT, 0 free",)
    assert desk.exchange.sent() == []
    again = await desk.restart()
    assert again.tracker.order(name) is None or again.order(name).reasons == ("needs 5 USDT, 0 free",)


# ------------------------------------------------------------------ a killed process

_CHILD = """
import asyncio, json, os, signal, sys
from pathlib import Path
from btccxt.orders.tracker import TrackerPolicy
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.orders.conftest import Desk, QUICK, open_journal
from tests.orders.fake_exchange import FakeExchange
from tests.orders.test_waiting_for_funds import bracket, emulator_of

directory, begun = Path(sys.argv[1]), int(sys.argv[2])

async def main():
    desk = Desk(FakeExchange(), open_journal(directory / "journal0.sqlite3"), ExchangeClock(WallTime()), QUICK)
    await desk.start()
    emulator, orders = emulator_of(desk), bracket(desk.tracker.next_client_order_id)
    (directory / "ids").write_text(json.dumps([request.client_order_id for request, _ in orders]))
    for each in orders:
        emulator.submit(*each)
    await desk.quiet()
    for each in orders[:begun]:
        emulator.funds_came(*each)
    await desk.quiet()
    assert desk.exchange.sent() == []
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("begun", [0, 1, 2])
async def test_after_a_kill_the_strategy_is_told_and_nothing_is_sent(
    tmp_path: Path, make_desk: Callable[..., Desk], begun: int
) -> None:
    """``begun``: so many of the exits were handed to their group before the kill; the entry was not."""
    await run_until_killed(_CHILD, tmp_path, begun)
    stop, target, entry = json.loads((tmp_path / "ids").read_text())
    desk = await make_desk().start()
    told = emulator_of(desk).restore(desk.restored)
    await eventually(lambda: all(desk.order(name).is_final for name in (stop, target, entry)))
    await desk.quiet()
    assert {desk.order(name).state for name in (stop, target, entry)} == {S.CANCELED}
    ends = {event.order.client_order_id: event.order for event in (*told.changes, *desk.events)}
    assert ends[entry].reasons == (f"never sent: the program ended while it waited for its funds ({WHY})",)
    assert all(ends[name].is_final for name in (stop, target, entry))
    assert desk.exchange.sent() == []
    again = await desk.restart()
    assert again.exchange.sent() == []
