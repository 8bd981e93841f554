"""(i) A thousand symbols on one store, over real sockets: does every bar arrive, how late, at what cost.

Bars close as they do on the hour: all symbols at once. Then, one after the other, at an even pace.
"""

from __future__ import annotations

import time

from benchmarks.clients import ours
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import Worker, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile

NAME = "many_symbols"
TITLE = "1,000 symbols on one store (a quick look: 200)"

_P50, _P99, _WORST, _CPU, _MEMORY = "p50 ms", "p99 ms", "worst ms", "CPU µs/bar", "memory MB"
_BARS, _LOST = "bars", "lost"
_AT_ONCE, _PACED = "all bars close at once", "bars close one after the other"
_BURST_PER_S, _PACED_PER_S = 1e9, 400.0
_PATIENCE_S = 60.0


def run(size: Size) -> Report:
    symbols = size.pick(1_000, 200, 5)
    with worker(serve, {"A": symbols}) as exchange, worker(ours.watch, exchange.ready, "A", symbols) as client:
        exchange.ask("push", PushPlan("A", symbols, symbols, _PACED_PER_S))  # the first bars of a run warm up
        _bars_seen(client, symbols)
        rows = (
            _row(_AT_ONCE, exchange, client, symbols, size.pick(30, 10, 1), _BURST_PER_S),
            _row(_PACED, exchange, client, symbols, size.pick(10, 4, 1), _PACED_PER_S),
        )
    targets = (
        Target(f"bars lost, {symbols} symbols", sum(row.values[_LOST] for row in rows), 0),
        Target("all bars close at once: worst bar (ms)", rows[0].values[_WORST], 1_000),
    )
    columns = (
        Column(_BARS, 0), Column(_LOST, 0), Column(_P50), Column(_P99), Column(_WORST), Column(_CPU, 0),
        Column(_MEMORY),
    )  # fmt: skip
    notes = ("From the frame leaving the exchange to next(). 'all at once' is the last of them after the first.",)
    return Report(NAME, TITLE, columns, _P50, rows, targets, notes)


def _row(case: str, exchange: Worker, client: Worker, symbols: int, rounds: int, per_s: float) -> Row:
    client.ask("latencies")
    cpu_before_s, seen_before = client.ask("cpu")
    sent, late_ms = 0, []
    for _ in range(rounds):
        sent += exchange.ask("push", PushPlan("A", symbols, symbols, per_s))
        _bars_seen(client, seen_before + sent)
        late_ms.append([late_us / 1000 for late_us in client.ask("latencies")])
    cpu_s, seen = client.ask("cpu")
    values = {
        _BARS: float(sent),
        _LOST: float(sent - (seen - seen_before)),
        _P50: median([percentile(each, 50) for each in late_ms]),
        _P99: median([percentile(each, 99) for each in late_ms]),
        _WORST: max(max(each) for each in late_ms),
        _CPU: 1e6 * (cpu_s - cpu_before_s) / sent,
        _MEMORY: client.ask("memory"),
    }
    return Row(f"{symbols} symbols, {case}", "btccxt", values)


def _bars_seen(client: Worker, wanted: int) -> None:
    """Wait until so many bars have been seen; what does not come in time counts as lost."""
    began_s = time.monotonic()
    while client.ask("cpu")[1] < wanted and time.monotonic() - began_s < _PATIENCE_S:
        time.sleep(0.05)
