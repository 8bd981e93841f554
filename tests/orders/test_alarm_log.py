"""Alarms are told, or told by the next program; what is told once is told once in the life of a journal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt.model import OrderKind, Side
from btccxt.notices import StoreNotice
from btccxt.orders.alarm_log import AlarmLog
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.events import Alarm, AlarmKind, LifecycleEvent
from btccxt.orders.journal.journal import Journal
from btccxt.orders.lifecycle import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.store.build_config import build_config
from btccxt.store.notifier import Notifier
from tests.orders.conftest import Desk, open_journal
from tests.orders.contingent_world import PERP
from tests.orders.killed_child import run_until_killed

_REFUSED = Alarm(AlarmKind.CANCEL_UNCONFIRMED, "order b1 cannot be cancelled", "b1")
_ONCE = Alarm(AlarmKind.OVERFILL, "a pair filled twice", "b2", once="pair b1")


async def _life(path: Path, *raised: Alarm, tells: bool = True) -> list[Alarm]:
    """What one program tells; with ``tells`` somebody hears it."""
    journal = open_journal(path)
    said: list[Alarm] = []
    log = AlarmLog(journal, lambda: 1_767_614_400_000, said.append)
    await log.restore()
    for alarm in raised:
        log.raise_alarm(alarm)
    if tells:
        for alarm in said:
            log.told(alarm)
    journal.close()
    return said


@pytest.mark.parametrize("alarm", [_REFUSED, _ONCE])
async def test_an_alarm_that_nobody_heard_is_told_by_the_next_program(tmp_path: Path, alarm: Alarm) -> None:
    path = tmp_path / "j.sqlite3"
    assert await _life(path, alarm, tells=False) == [alarm]
    late = replace(alarm, raised_ms=1_767_614_400_000)
    assert await _life(path, tells=False) == [late]
    assert await _life(path) == [late]
    assert await _life(path) == []


async def test_what_is_told_once_is_not_told_again_however_often_it_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite3"
    assert await _life(path, _ONCE, _ONCE) == [_ONCE]
    assert await _life(path, replace(_ONCE, text="in other words")) == []
    assert await _life(path, _REFUSED, _REFUSED) == [_REFUSED, _REFUSED]
    assert await _life(path, _REFUSED) == [_REFUSED]


async def test_what_every_start_finds_out_by_itself_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite3"
    await _life(path, Alarm(AlarmKind.MISMATCH, "journal and exchange disagree"), tells=False)
    assert await _life(path) == []


def test_an_alarm_of_a_former_program_says_when_it_was_raised() -> None:
    said: list[StoreNotice] = []
    watch = Notifier(build_config({"exchange": "binance"}), said.append)
    watch.alarm(replace(_REFUSED, raised_ms=1_767_614_400_000))
    assert said[0].text.endswith("(raised at 2026-01-05T12:00:00+00:00 by a program that ended before it was told)")


# ------------------------------------------------------------------ SIGKILL right after the evidence is on disk

_CHILD = """
import asyncio, os, signal, sys
from decimal import Decimal
from btccxt.model import *
from btccxt.orders.alarm_log import AlarmLog
from btccxt.orders.journal.journal import Journal
from btccxt.orders.tracker import OrderTracker
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.orders.conftest import QUICK, open_journal
from tests.orders.fake_exchange import FakeExchange

path, what, evidence = sys.argv[1:]
commit, transaction = Journal._commit, Journal._transaction

def one_by_one(self, batch):
    for each in batch:
        commit(self, [each])

def dying(self, writes, *, synced):
    transaction(self, writes, synced=synced)
    if self._connection.execute(evidence).fetchone()[0]:
        os.kill(os.getpid(), signal.SIGKILL)

Journal._commit, Journal._transaction = one_by_one, dying

async def main():
    journal = open_journal(path)
    clock = ExchangeClock(WallTime())
    exchange = FakeExchange(now_ms=clock.now_ms)
    alarms = AlarmLog(journal, clock.now_ms, lambda alarm: None)
    await alarms.restore()
    tracker = OrderTracker(exchange, journal, clock, lambda event: None, QUICK, alarm=alarms.raise_alarm)
    await tracker.start()
    name = tracker.next_client_order_id()
    if what == "never arrived":
        exchange.script("create_order", ConnectionError("cut"))
    tracker.submit(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal(100)))
    if what != "never arrived":
        while not tracker.order(name) or not tracker.order(name).acknowledged:
            await asyncio.sleep(0.001)
        (placed,) = exchange.book.values()
        if what == "overfill":
            tracker.on_fill(exchange.trade(placed, "1"))
            tracker.on_fill(exchange.trade(placed, "0.5"))
        else:
            tracker.on_update(exchange.update(placed, Origin.PUSH, status=OrderStatus.FILLED, filled=Decimal(1)))
    await asyncio.sleep(20)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("what", "evidence", "said"),
    [
        ("overfill", "SELECT count(*) = 2 FROM fills", "filled 1.5, asked for 1"),
        ("never arrived", "SELECT count(*) FROM updates WHERE kind = 'NeverArrived'", "no such order"),
        ("fills overdue", "SELECT count(*) FROM updates WHERE kind = 'FillsOverdue'", "have not arrived"),
    ],
)
async def test_a_kill_right_after_the_evidence_is_on_disk_does_not_silence_its_alarm(
    tmp_path: Path, what: str, evidence: str, said: str
) -> None:
    path = tmp_path / "j.sqlite3"
    await run_until_killed(_CHILD, path, what, evidence)
    (alarm,) = await _life(path)
    assert said in alarm.text
    assert await _life(path) == []


# ------------------------------------------------------------------ what a restart knows of pairs


@pytest.mark.parametrize("first", [0, 1])
async def test_a_restart_brings_back_the_told_end_of_a_pair_whichever_order_names_the_other(
    make_desk: Callable[..., Desk], first: int
) -> None:
    desk = await make_desk().start()
    stop = await desk.opened(desk.request(side=Side.SELL, kind=OrderKind.STOP, price=None, trigger_price=D(90)))
    limit = await desk.opened(desk.request(price="110", side=Side.SELL), {"oco": stop})
    told, second = (stop, limit) if first == 0 else (limit, stop)
    desk.tracker.on_fill(desk.exchange.trade(desk.placed(told), "1"))
    await desk.until(told, S.FILLED)
    desk.tracker.confirm_told(told)
    await desk.quiet()
    desk = await desk.stopped_and_reopened()
    desk.exchange.trade(desk.placed(second), "1")
    await desk.start()
    assert [event.order.client_order_id for event in desk.restored.changes] == [second]
    assert [order.client_order_id for order in desk.restored.ended_pairs] == [told]


async def test_pairs_that_ended_long_ago_are_not_brought_back(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk().start()
    stop = await desk.opened()
    limit = await desk.opened(context={"oco": stop})
    for name in (stop, limit):
        desk.tracker.on_fill(desk.exchange.trade(desk.placed(name), "1"))
        await desk.until(name, S.FILLED)
        desk.tracker.confirm_told(name)
    await desk.quiet()
    desk = await desk.restart()
    assert (desk.restored.changes, desk.restored.ended_pairs) == ((), ())


def test_a_journal_from_before_alarms_were_kept_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from btccxt.orders.journal import schema as journal_schema

    path = tmp_path / "j.sqlite3"
    with monkeypatch.context() as old:
        old.setattr(journal_schema, "MIGRATIONS", journal_schema.MIGRATIONS[:1])
        Journal.open(path, exchange="fake", mode="testnet", account="abc123").close()
    journal = open_journal(path)
    assert journal.alarms().result(60) == []
    assert journal.group_members(["b1"]).result(60) == {"b1"}
    journal.close()


# ------------------------------------------------------------------ a strategy that is quicker than the session


async def test_an_end_counts_as_told_only_when_what_follows_from_it_is_in_the_journal(
    make_desk: Callable[..., Desk],
) -> None:
    """The strategy's thread may hear of an end, and say so, before the session has drawn its consequences.

    A kill in between would leave an end that was told, and alarms and exits that nobody will ever think of.
    """
    desk = await make_desk().start()
    log = AlarmLog(desk.journal, desk.clock.now_ms, desk.alarms.append)

    def tell(event: OrderEvent) -> None:
        if event.order.is_final:
            strategy = threading.Thread(target=orders.told, args=(event.order.client_order_id,))
            strategy.start()
            strategy.join()

    orders = OrderEmulator(
        desk.tracker,
        {"BTC/USDT": replace(PERP, symbol="BTC/USDT")},
        lambda symbol, wanted: None,
        log.raise_alarm,
        tell,
        now_ms=desk.clock.now_ms,
    )

    def publish(event: OrderEvent) -> None:
        for news in orders.hear(event):
            tell(news)

    desk.tracker._register.publish = publish
    first, second, child = desk.request(), desk.request(price="99"), desk.request(price="120")
    context = {"oco": first.client_order_id}
    orders.submit(replace(child, side=Side.SELL), {"parent": second.client_order_id})
    for request, ties in ((first, {}), (second, context)):
        orders.submit(request, ties)
        await desk.until(request.client_order_id, S.OPEN)
    await desk.until(child.client_order_id, S.JOURNALED)
    written = _journal_writes(desk.journal)
    for request in (first, second):
        desk.tracker.on_fill(desk.exchange.trade(desk.placed(request.client_order_id), "1"))
    await desk.until(child.client_order_id, S.OPEN)
    await desk.quiet()
    assert [alarm.once for alarm in desk.alarms] == [f"pair {first.client_order_id}"]
    told = written.index(f"told {second.client_order_id}")
    assert written.index(f"alarm pair {first.client_order_id}") < told
    assert written.index(f"Released {child.client_order_id}") < told


def _journal_writes(journal: Journal) -> list[str]:
    """What is handed to the journal from now on, in that order."""
    written: list[str] = []
    mark_told, keep_alarm, record_durably = journal.mark_told, journal.keep_alarm, journal.record_durably

    def told(client_order_id: str) -> None:
        written.append(f"told {client_order_id}")
        mark_told(client_order_id)

    def alarm(kept: Alarm, at_ms: int) -> None:
        written.append(f"alarm {kept.once}")
        keep_alarm(kept, at_ms)

    def durably(order: LiveOrder, event: LifecycleEvent, at_ms: int) -> Future[None]:
        written.append(f"{type(event).__name__} {order.client_order_id}")
        return record_durably(order, event, at_ms)

    journal.mark_told, journal.keep_alarm, journal.record_durably = told, alarm, durably  # type: ignore[method-assign]
    return written


async def test_the_names_of_what_is_told_once_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btccxt.orders.alarm_log._REMEMBERED", 2)
    raised = [Alarm(AlarmKind.OVERFILL, name, once=name) for name in ("a", "b", "b", "c", "c", "a")]
    assert [alarm.text for alarm in await _life(tmp_path / "journal.sqlite3", *raised)] == ["a", "b", "c", "a"]
