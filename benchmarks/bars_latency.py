"""(a) How soon the strategy sees a bar, with 10 and with 200 feeds, and what waiting costs.

One feed at a time gets a bar, at random instants. Twice: from the event in the session's thread to ``next()``, and from
the frame leaving the exchange to ``next()`` (socket, TLS and parsing included), there beside the peers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.clients import local, ours, peers
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import Worker, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile

NAME = "bars_latency"
TITLE = "a closed bar to next(), one feed at a time"

_PER_S = 50.0
_WARM_UP_PER_S = 1_000.0
_P50, _P99, _IDLE = "p50 ms", "p99 ms", "idle CPU %"
_EVENT, _FRAME = "event in the session's thread", "frame leaving the exchange"
_LIMIT_MS = {10: 0.5, 200: 1.5}


def run(size: Size) -> Report:
    rows: list[Row] = []
    for feeds in size.pick((10, 200), (10, 200), (2,)):
        rows.append(_from_event(feeds, size))
        rows += _from_frame(feeds, size)
    targets = []
    for row in rows:
        feeds = int(row.case.split()[0])
        if row.is_ours and _EVENT in row.case and feeds in _LIMIT_MS:
            targets.append(Target(f"p50 from event to next(), {feeds} feeds (ms)", row.values[_P50], _LIMIT_MS[feeds]))
        if row.is_ours and _IDLE in row.values:
            targets.append(Target(f"CPU while nothing happens, {feeds} feeds (%)", row.values[_IDLE], 1.0))
    columns = (Column(_P50, 3), Column(_P99, 3), Column(_IDLE, 2))
    return Report(NAME, TITLE, columns, _P50, tuple(rows), tuple(targets), ("Medians of the rounds' percentiles.",))


def _from_event(feeds: int, size: Size) -> Row:
    p50s, p99s = [], []
    for _ in range(size.pick(5, 3, 1)):
        running = Worker(local.ring, feeds, size.pick(300, 150, 10), _PER_S)
        running.stop()
        late_us, _ = running.ready
        p50s.append(percentile(late_us, 50) / 1000)
        p99s.append(percentile(late_us, 99) / 1000)
    return Row(f"{feeds} feeds, {_EVENT}", "btccxt", {_P50: median(p50s), _P99: median(p99s)})


def _from_frame(feeds: int, size: Size) -> list[Row]:
    contenders: list[tuple[str, str, Callable[..., None]]] = [
        ("btccxt", "A", ours.watch),
        ("ccxt.pro watch_ohlcv", "B", peers.watch_each),
        ("raw aiohttp+orjson", "D", peers.raw_socket),
    ]
    idle_s = size.pick(8.0, 4.0, 0.2)
    with worker(serve, {group: feeds for _, group, _ in contenders}) as exchange:
        running: list[tuple[str, str, Worker]] = []
        idle: dict[str, float] = {}
        try:
            for who, group, client in contenders:
                running.append((who, group, Worker(client, exchange.ready, group, feeds)))
                exchange.ask("push", PushPlan(group, feeds, feeds, _WARM_UP_PER_S))
            time.sleep(1.0)
            for who, _, client in running:
                before_s = client.ask("cpu")[0]
                time.sleep(idle_s)
                idle[who] = 100 * (client.ask("cpu")[0] - before_s) / idle_s
            found: dict[str, list[Any]] = {who: [] for who, _, _ in running}
            for _ in range(size.pick(5, 3, 1)):
                for who, group, client in running:
                    client.ask("latencies")
                    exchange.ask("push", PushPlan(group, feeds, size.pick(200, 100, 10), _PER_S, shuffled=True))
                    time.sleep(0.2)
                    late_us = client.ask("latencies")
                    found[who].append((percentile(late_us, 50) / 1000, percentile(late_us, 99) / 1000))
        finally:
            for _, _, client in running:
                client.stop()
    rows = []
    for who, _, _ in running:
        p50s, p99s = zip(*found[who], strict=True)
        values = {_P50: median(p50s), _P99: median(p99s), _IDLE: idle[who]}
        rows.append(Row(f"{feeds} feeds, {_FRAME}", who, values))
    return rows
