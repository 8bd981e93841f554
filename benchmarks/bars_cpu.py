"""(a) What a candle frame costs from the socket to the user's code, at 1, 10 and 100 symbols.

All clients are connected at the same time, each to symbols of its own; in each round each of them in turn gets a
second's worth of frames. CPU is the client process's own, all threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.clients import ours, peers
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import Worker, WorkerFailed, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median_of, percentile

NAME = "bars_cpu"
TITLE = "a candle frame from the socket to the user's code"

_PER_S = 2_000.0
_MIX = 30  # Binance sends a 1m candle every 2 s: one frame in thirty closes its bar
_US = 1e6
_CPU, _P50, _P99, _SEEN = "CPU µs/frame", "p50 µs", "p99 µs", "seen %"
_BARE, _TOGETHER, _RAW = "ccxt.pro watch_ohlcv", "ccxt.pro for_symbols", "raw aiohttp+orjson"
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    symbols: int
    closes_every: int


@dataclass(slots=True)
class _Contender:
    who: str
    group: str
    client: Worker
    rounds: list[tuple[float, float]]
    late_us: list[float]


def run(size: Size) -> Report:
    cases = [_Case(f"{count} symbols", count, _MIX) for count in size.pick((1, 10, 100), (10, 100), (2,))]
    if size is not Size.SMOKE:
        cases.append(_Case(f"{cases[-1].symbols} symbols, every frame closes", cases[-1].symbols, 1))
    frames, rounds = size.pick(4_000, 2_000, 60), size.pick(7, 3, 1)
    rows: list[Row] = []
    for case in cases:
        rows += _measure(case, frames, rounds)
    return Report(
        NAME, f"{TITLE}, {_PER_S:,.0f} frames/s", (Column(_CPU), Column(_P50, 0), Column(_P99, 0), Column(_SEEN, 0)),
        _CPU, tuple(rows), tuple(_targets(rows)),
        (
            f"One frame in {_MIX} closes its bar (Binance sends 1m candles every 2 s), unless the case says otherwise.",
            "btccxt's latency is that of closing frames, to next(); the others' is that of every frame they saw.",
            "btccxt's 100 % are closed bars seen by the strategy, none lost; the peers' are frames that woke the loop.",
        ),
    )  # fmt: skip


def _targets(rows: list[Row]) -> list[Target]:
    found = []
    for case in dict.fromkeys(row.case for row in rows if row.case.startswith("100 symbols")):
        by_who = {row.who: row.values[_CPU] for row in rows if row.case == case}
        found.append(
            Target(f"CPU per frame beside a bare ccxt.pro loop, {case} (ratio)", by_who["btccxt"] / by_who[_BARE], 1.0)
        )
    return found


def _measure(case: _Case, frames: int, rounds: int) -> list[Row]:
    contenders = [("btccxt", "A", ours.watch), (_BARE, "B", peers.watch_each), (_RAW, "D", peers.raw_socket)]
    if case.symbols > 1:
        contenders.insert(2, (_TOGETHER, "C", peers.watch_together))
    groups = {group: case.symbols for _, group, _ in contenders}
    with worker(serve, groups) as exchange:
        running: list[_Contender] = []
        try:
            for who, group, client in contenders:
                joined = Worker(client, exchange.ready, group, case.symbols)
                running.append(_Contender(who, group, joined, [], []))
                # Backtrader's next() begins when every data has a bar.
                exchange.ask("push", PushPlan(group, case.symbols, case.symbols, _PER_S))
            for number in range(rounds + 1):
                for contender in running:
                    _round(exchange, contender, case, frames, counts=number > 0)  # the first one warms up
        finally:
            for contender in running:
                contender.client.stop()
    return [_row(case, contender) for contender in running]


def _round(exchange: Worker, contender: _Contender, case: _Case, frames: int, *, counts: bool) -> None:
    client = contender.client
    client.ask("latencies")
    cpu_s, seen = client.ask("cpu")
    plan = PushPlan(contender.group, case.symbols, frames, _PER_S, case.closes_every)
    closed = exchange.ask("push", plan)
    expected = closed if contender.who == "btccxt" else frames
    cpu_after_s, seen_after = _settled(client, seen + expected, must=contender.who == "btccxt")
    if counts:
        contender.rounds.append(((cpu_after_s - cpu_s) * _US / frames, 100.0 * (seen_after - seen) / expected))
        contender.late_us += client.ask("latencies")


def _settled(client: Worker, expected: int, *, must: bool) -> tuple[float, int]:
    """Once everything that was sent has been seen. A pull loop misses frames, so there a moment of quiet counts."""
    began_s = time.monotonic()
    before = -1
    while True:
        time.sleep(0.1)
        cpu_s, seen = client.ask("cpu")
        if seen >= expected or (not must and seen == before):
            return cpu_s, seen
        before = seen
        if time.monotonic() - began_s > _PATIENCE_S:
            raise WorkerFailed(f"{client.name}: {expected - seen} of the frames never reached the user's code")


def _row(case: _Case, contender: _Contender) -> Row:
    cpu_us, seen_pct = median_of(contender.rounds)
    late_us = contender.late_us
    values = {_CPU: cpu_us, _P50: percentile(late_us, 50), _P99: percentile(late_us, 99), _SEEN: seen_pct}
    return Row(case.name, contender.who, values)
