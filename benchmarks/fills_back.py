"""(c) From the frame of a fill leaving the exchange to ``notify_order``, beside ccxt.pro's own watch loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.clients import orders_ours, orders_peers
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import WorkerFailed, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile

NAME = "fills_back"
TITLE = "a fill's frame leaving the exchange to notify_order"

_NS_PER_MS = 1e6
_P50, _P99 = "p50 ms", "p99 ms"
_CASE = "resting limit order filled"
_PATIENCE_S = 60.0


def run(size: Size) -> Report:
    fills, rounds = size.pick(60, 40, 3), size.pick(5, 3, 1)
    contenders: list[tuple[str, Callable[..., None], tuple[Any, ...]]] = [
        ("btccxt", orders_ours.rest, (":memory:",)),
        ("ccxt.pro watch_orders", orders_peers.watch_orders, ()),
        ("ccxt.pro watch_my_trades", orders_peers.watch_trades, ()),
    ]
    found: dict[str, list[tuple[float, float]]] = {who: [] for who, _, _ in contenders}
    for _ in range(rounds):
        for who, client, more in contenders:
            late_ms = _round(client, more, fills, ours=who == "btccxt")
            found[who].append((percentile(late_ms, 50), percentile(late_ms, 99)))
    rows = tuple(
        Row(_CASE, who, {_P50: median([p50 for p50, _ in each]), _P99: median([p99 for _, p99 in each])})
        for who, each in found.items()
    )
    targets = (Target("p50 from frame to notify_order (ms)", rows[0].values[_P50], 0.6),)
    notes = ("Medians of the rounds' percentiles; journal in memory.",)
    return Report(NAME, TITLE, (Column(_P50, 3), Column(_P99, 3)), _P50, rows, targets, notes)


def _round(client: Callable[..., None], more: tuple[Any, ...], fills: int, *, ours: bool) -> list[float]:
    with worker(serve, {"A": 1}) as exchange, worker(client, exchange.ready, "A", *more) as trader:
        exchange.ask("fill_orders", "A")
        if ours:
            exchange.ask("push", PushPlan("A", 1, 1, 1.0))  # the bar with which the strategy begins
        sent_ns: dict[str, int] = {}
        heard_ns: dict[str, int] = {}
        began_s = time.monotonic()
        while len(heard_ns) < fills:
            time.sleep(0.2)
            heard_ns |= trader.ask("instants")
            if time.monotonic() - began_s > _PATIENCE_S:
                raise WorkerFailed(f"{trader.name} heard of {len(heard_ns)} of {fills} fills")
        sent_ns |= exchange.ask("fills_sent")
    return [(heard_ns[each] - sent_ns[each]) / _NS_PER_MS for each in heard_ns if each in sent_ns]
