"""(b) From ``buy()`` to the request's arrival at the exchange, beside ccxt's own create_order.

The journal in memory and on disk separately: on disk an order is synced before it is sent.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.clients import older_store, orders_ours, orders_peers
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import Worker, WorkerFailed, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile

NAME = "orders_out"
TITLE = "buy() to the request's arrival at the exchange"

PER_S = 20.0
_NS_PER_MS = 1e6
_P50, _P99 = "p50 ms", "p99 ms"
_CCXT, _RAW = "ccxt create_order", "raw signed POST"
_MEMORY, _DISK = "btccxt, journal in memory", "btccxt, journal on disk"
_CASE = "limit IOC"
_PATIENCE_S = 60.0


def run(size: Size) -> Report:
    orders, rounds = size.pick(60, 40, 3), size.pick(7, 3, 1)
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        found = _measure(Path(folder), orders, rounds)
    rows = tuple(
        Row(_CASE, who, {_P50: median([p50 for p50, _ in each]), _P99: median([p99 for _, p99 in each])})
        for who, each in found.items()
    )
    p50 = {row.who: row.values[_P50] for row in rows}
    targets = (
        Target("beside a bare create_order, journal in memory (ratio)", p50[_MEMORY] / p50[_CCXT], 1.3),
        Target("what a journal on disk adds to p50 (ms)", p50[_DISK] - p50[_MEMORY], 1.0),
    )
    notes = (
        "Medians of the rounds' percentiles. The disk is that of the system's folder for temporary files.",
        f"{older_store.NAME}, an older store, takes part where it is installed; it rests 50 ms before each call.",
    )
    return Report(NAME, TITLE, (Column(_P50, 3), Column(_P99, 3)), _P50, rows, targets, notes)


def _measure(folder: Path, orders: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    with worker(serve, dict.fromkeys("ABCDE", 1)) as exchange:
        address = exchange.ready
        disk = str(folder / "journal.sqlite3")
        running = [
            (_MEMORY, "A", Worker(orders_ours.send, address, "A", ":memory:")),
            (_DISK, "B", Worker(orders_ours.send, address, "B", disk)),
            (_CCXT, "C", Worker(orders_peers.send_by_ccxt, address, "C", PER_S)),
            (_RAW, "D", Worker(orders_peers.send_by_hand, address, "D", PER_S)),
        ]
        if older_store.is_installed():
            running.append((older_store.NAME, "E", Worker(older_store.send, address, "E")))
        found: dict[str, list[tuple[float, float]]] = {who: [] for who, _, _ in running}
        try:
            for number in range(rounds + 1):
                for who, group, client in running:
                    late_ms = orders_round(exchange, client, group, orders, ours=who.startswith("btccxt"))
                    if number:  # the first round warms up
                        found[who].append((percentile(late_ms, 50), percentile(late_ms, 99)))
        finally:
            for _, _, client in running:
                client.stop()
    return found


def orders_round(exchange: Worker, client: Worker, group: str, orders: int, *, ours: bool) -> list[float]:
    """How long each of so many orders was on its way to the exchange, in ms."""
    if ours:
        exchange.ask("push", PushPlan(group, 1, orders, PER_S))
    else:
        client.ask("go", orders)
    arrived_ns: dict[str, int] = {}
    began_s = time.monotonic()
    while len(arrived_ns) < orders:
        time.sleep(0.1)
        arrived_ns |= exchange.ask("arrivals")
        if time.monotonic() - began_s > _PATIENCE_S + orders / PER_S:
            raise WorkerFailed(f"{client.name}: {orders - len(arrived_ns)} of {orders} orders did not arrive")
    began_ns = client.ask("instants")
    return [(arrived_ns[each] - began_ns[each]) / _NS_PER_MS for each in arrived_ns if each in began_ns]
