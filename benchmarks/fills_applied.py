"""(f) Fills per second through tracker, lifecycle and journal: what a burst of executions costs.

The fills are handed in as the private stream does; counted until the last one is published, and until it is written.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from benchmarks.clients.still_exchange import StillExchange
from benchmarks.processes import once
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median_of
from btccxt.model import Fee, Fill, OrderKind, OrderRequest, Side
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState
from btccxt.orders.tracker import OrderEvent, OrderTracker
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.session.loop_thread import new_event_loop

NAME = "fills_applied"
TITLE = "fills through lifecycle, tracker and journal"

_PUBLISHED, _WRITTEN = "published/s", "written/s"
_PRICE = Decimal(100)


def run(size: Size) -> Report:
    fills, rounds = size.pick(10_000, 10_000, 100), size.pick(5, 3, 1)
    rows = []
    for each in size.pick((1, 100, 10_000), (1, 100, 10_000), (10,)):
        with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
            found = [once(_measure, fills, each, str(Path(folder, f"{number}.sqlite3"))) for number in range(rounds)]
        published, written = median_of(found)
        case = f"{fills:,} fills, {each} per order"
        rows.append(Row(case, "btccxt", {_PUBLISHED: published, _WRITTEN: written}))
    targets = [Target(f"fills published per second, {row.case}", row.values[_PUBLISHED], 10_000, True, 0)
               for row in rows] if size is not Size.SMOKE else []  # fmt: skip
    columns = (Column(_PUBLISHED, 0), Column(_WRITTEN, 0))
    return Report(NAME, TITLE, columns, _PUBLISHED, tuple(rows), tuple(targets), ("Per CPU second; journal on disk.",))


def _measure(fills: int, each: int, path: str) -> tuple[float, float]:
    loop = new_event_loop()
    try:
        return loop.run_until_complete(_apply(fills, each, path))
    finally:
        loop.close()


async def _apply(fills: int, each: int, path: str) -> tuple[float, float]:
    journal = Journal.open(path, exchange="still", mode="sim", account="benchmark")
    events: list[OrderEvent] = []
    tracker = OrderTracker(StillExchange(), journal, ExchangeClock(WallTime()), events.append)
    await tracker.start()
    names = [tracker.next_client_order_id() for _ in range(fills // each)]
    for name in names:
        tracker.submit(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(each), price=_PRICE))
    while not all(order.state is LifecycleState.OPEN for order in tracker.open_orders()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.wrap_future(journal.flush())
    incoming = [_fill(name, number) for number in range(each) for name in names]
    events.clear()
    began_s = time.process_time()
    for fill in incoming:
        tracker.on_fill(fill)
    published_s = time.process_time() - began_s
    await asyncio.wrap_future(journal.flush())
    written_s = time.process_time() - began_s
    await tracker.stop()
    journal.close()
    told = sum(len(event.fills) for event in events)
    if told != fills:
        raise AssertionError(f"{told} of {fills} fills were published")
    return fills / published_s, fills / written_s


def _fill(client_order_id: str, number: int) -> Fill:
    return Fill(
        f"{client_order_id}-{number}", "BTC/USDT", Side.BUY, _PRICE, Decimal(1), 1_767_614_400_000 + number,
        client_order_id=client_order_id, fee=Fee("USDT", Decimal("0.1")), maker=True,
    )  # fmt: skip
