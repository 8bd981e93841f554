"""(c) From the frame of a fill to ``notify_order``, beside ccxt.pro's own watch loops.

Twice: from the frame coming out of the socket of this process (ours to answer for), and from its leaving the exchange
(socket, TLS and two processes' wake-ups included).
"""

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
TITLE = "a fill's frame to notify_order"

_NS_PER_MS = 1e6
_P50, _P99 = "p50 ms", "p99 ms"
_RECEIVED, _SENT = "frame out of the socket", "frame leaving the exchange"
_OURS = "btccxt"
_PATIENCE_S = 60.0


def run(size: Size) -> Report:
    fills, rounds = size.pick(60, 40, 3), size.pick(5, 3, 1)
    contenders: list[tuple[str, Callable[..., None], tuple[Any, ...]]] = [
        (_OURS, orders_ours.rest, (":memory:",)),
        ("ccxt.pro watch_orders", orders_peers.watch_orders, ()),
        ("ccxt.pro watch_my_trades", orders_peers.watch_trades, ()),
    ]
    late_ms: dict[tuple[str, str], list[list[float]]] = {
        (case, who): [] for case in (_RECEIVED, _SENT) for who, _, _ in contenders
    }
    for _ in range(rounds):
        for who, client, more in contenders:
            for case, late in _round(client, more, fills, ours=who == _OURS).items():
                late_ms[case, who].append(late)
    rows = tuple(
        Row(case, who, {_P50: _middle(rounds_of, 50), _P99: _middle(rounds_of, 99)})
        for (case, who), rounds_of in late_ms.items()
    )
    targets = (Target("p50 from frame to notify_order (ms)", rows[0].values[_P50], 0.6),)
    notes = ("Medians of the rounds' percentiles; journal in memory.",)
    return Report(NAME, TITLE, (Column(_P50, 3), Column(_P99, 3)), _P50, rows, targets, notes)


def _middle(rounds: list[list[float]], percent: float) -> float:
    return median([percentile(late_ms, percent) for late_ms in rounds])


def _round(client: Callable[..., None], more: tuple[Any, ...], fills: int, *, ours: bool) -> dict[str, list[float]]:
    with worker(serve, {"A": 1}) as exchange, worker(client, exchange.ready, "A", *more) as trader:
        exchange.ask("fill_orders", "A")
        if ours:
            exchange.ask("push", PushPlan("A", 1, 1, 1.0))  # the bar with which the strategy begins
        heard_ns: dict[str, int] = {}
        began_s = time.monotonic()
        while len(heard_ns) < fills:
            time.sleep(0.2)
            heard_ns |= trader.ask("instants")
            if time.monotonic() - began_s > _PATIENCE_S:
                raise WorkerFailed(f"{trader.name} heard of {len(heard_ns)} of {fills} fills")
        began_ns = {_RECEIVED: trader.ask("received"), _SENT: exchange.ask("fills_sent")}
    return {
        case: [(heard_ns[each] - instants[each]) / _NS_PER_MS for each in heard_ns if each in instants]
        for case, instants in began_ns.items()
    }
