"""(n) Studies: are the cores busy, does memory grow, does a run cost more when there are many, is it the same.

Each run tells what it cost by an analyzer in the strategy's file. Busy: of the time from the first run's begin to the
last one's end, the share in which the workers were inside a run. Memory is private memory (Linux tells it): the bars,
which all workers look at in one place, are not in it.

A thousand runs of 100,000 bars take an hour on two cores: of those as many are made as fit into ``_SAMPLE_S`` (the row
says how many; ``--full`` makes them all), since every run has its own bars, memory and time. What is said of a run
among 2,000 beside one among 100 is measured with all of them, of fewer bars.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.processes import once
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size

NAME = "study"
TITLE = "studies on Ray's workers, beside one process"

_RUNS, _CPU, _DRIVER, _BUSY = "runs", "CPU ms/run", "of them handing out and taking in", "busy cores"
_PRIVATE = "private MB of a worker"
_OURS, _ALONE = "btccxt study, all cores", "btccxt study, one process"
_SYMBOL = "BTC/USDT"
_MINUTE_MS = 60_000
_START_MS = 1_735_689_600_000  # 2025-01-01
_PATIENCE_S = 4 * 3_600.0
_SAMPLE_S = 120.0
_COMPARED = 2
"""Runs of many bars that one process makes as well."""
_BUSY_LIMIT, _MEMORY_LIMIT, _GROWTH_LIMIT = 0.9, 1.3, 1.1

_STRATEGY = """
import os
import time

import backtrader as bt


def private_mb():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0.0


BEFORE_MB = private_mb()


class Usage(bt.Analyzer):
    def start(self):
        self.began = (time.time(), time.process_time())

    def stop(self):
        self.rets = {
            "pid": os.getpid(), "began": self.began[0], "ended": time.time(),
            "cpu": time.process_time() - self.began[1], "grown_mb": private_mb() - BEFORE_MB,
        }

    def get_analysis(self):
        return self.rets


class Crossing(bt.Strategy):
    params = (("number", 0), ("slow", 30))

    def __init__(self):
        fast = 2 + self.p.number % 17  # about the same work in every run
        self.crossing = bt.ind.CrossOver(bt.ind.SMA(period=fast), bt.ind.SMA(period=self.p.slow))

    def next(self):
        if not self.position and self.crossing[0] > 0:
            self.buy(size=0.1)
        elif self.position and self.crossing[0] < 0:
            self.close()
"""


def run(size: Size) -> Report:
    cases = size.pick(((1_000, 100_000), (2_000, 1_000)), ((40, 20_000), (400, 1_000)), ((4, 300), (8, 300)))
    (many, bars), (most, few_bars) = cases
    few = max(2, most // 20)
    rows = []
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        file = Path(folder, "crossing.py")
        file.write_text(_STRATEGY, encoding="utf-8")
        once(_fill_lake, folder, max(bars, few_bars))
        (alone,) = once(_measure, folder, [(_COMPARED, bars)], 1)
        made = size.longest(_that_fit(alone["wall_s"], many), many)
        on_all_cores = [(made, bars), (few, few_bars), (most, few_bars)]
        large, small, grown = once(_measure, folder, on_all_cores, None, patience_s=_PATIENCE_S)
        (again,) = once(_measure, folder, [(few, few_bars)], 1)
    for who, count, found in (
        (_ALONE, bars, alone), (_OURS, bars, large), (_ALONE, few_bars, again), (_OURS, few_bars, small),
        (_OURS, few_bars, grown),
    ):  # fmt: skip
        rows.append(Row(f"{found['values'][_RUNS]:,.0f} runs x {count:,} bars", who, found["values"]))
    same = float(again["found"] == small["found"] and _is_part(alone["found"], large["found"]))
    of_many = f"{made:,}" if made == many else f"{made:,} of {many:,}"
    growth = _ratio(grown, small, _CPU)
    targets = (
        Target(f"{of_many} runs x {bars:,} bars: busy share of the cores", large["values"][_BUSY], _BUSY_LIMIT, True),
        Target("private memory of a worker beside one run's (ratio)", _ratio(large, alone, _PRIVATE), _MEMORY_LIMIT),
        Target(f"cost of a run, {most:,} runs beside {few:,} (ratio)", growth, _GROWTH_LIMIT),
        Target("workers find what one process finds, bit for bit (1: yes)", same, 1.0, True, 0),
    )
    columns = (Column(_RUNS, 0), Column(_CPU), Column(_DRIVER), Column(_BUSY, 2), Column(_PRIVATE))
    notes = (f"Ray's start took {large['start_s']:.1f} s.",)
    return Report(NAME, TITLE, columns, _CPU, tuple(rows), targets, notes)


def _that_fit(wall_s: float, many: int) -> int:
    """How many runs, each as long as one was beside nothing else of ours, the cores make in the time of the sample."""
    return max(2 * _COMPARED, min(many, int(_SAMPLE_S * _cores() / wall_s)))


def _is_part(some: list[Any], all_of_them: list[Any]) -> bool:
    return all(each in all_of_them for each in some)


def _ratio(one: dict[str, Any], other: dict[str, Any], name: str) -> float:
    return float(one["values"][name] / other["values"][name]) if other["values"][name] else 1.0


# ------------------------------------------------------------------ in the measured process


def _fill_lake(folder: str, count: int) -> None:
    import numpy as np

    from btccxt import Columns, DataVenue, Lake
    from btccxt.sim.markets import spot_market

    opens = _START_MS + np.arange(count + 1, dtype=np.int64) * _MINUTE_MS
    prices = 100 + np.cumsum(np.random.default_rng(7).normal(0, 0.05, count + 1))
    before, close = prices[:-1], prices[1:]
    high, low = np.maximum(before, close) + 0.01, np.minimum(before, close) - 0.01
    lake, venue = Lake(Path(folder, "lake")), DataVenue("binance")
    columns = Columns(opens[:-1], before, high, low, close, np.ones(count))
    lake.bars(venue, _SYMBOL, "1m").append(_START_MS, int(opens[-1]), columns)
    lake.keep_markets(venue, {_SYMBOL: spot_market(_SYMBOL)}, _START_MS)


def _measure(folder: str, cases: Sequence[tuple[int, int]], workers: int | None) -> list[dict[str, Any]]:
    began_s = time.time()
    if workers is None:
        from btccxt.sweep.ray_runner import ray_module

        ray_module().init(num_cpus=_cores(), include_dashboard=False, log_to_driver=False)
    start_s = time.time() - began_s
    return [{**_study(folder, runs, bars, workers), "start_s": start_s} for runs, bars in cases]


def _study(folder: str, runs: int, bars: int, workers: int | None) -> dict[str, Any]:
    from btccxt import study

    end = datetime.fromtimestamp((_START_MS + bars * _MINUTE_MS) / 1000, timezone.utc)
    driver_s: list[float] = []
    result = study(
        f"{folder}/crossing.py", symbol=_SYMBOL, lake=f"{folder}/lake", end=end, workers=workers, analyzers=["Usage"],
        grid={"number": range(runs)},
        on_progress=lambda _: driver_s.append(time.process_time()),
    )  # fmt: skip
    used = [run.figures for run in result.runs]
    began, ended, cpu, grown = (
        [each[f"Usage.{name}"] or 0.0 for each in used] for name in ("began", "ended", "cpu", "grown_mb")
    )
    handing_s = driver_s[-1] - driver_s[0] if workers is None else 0.0
    values = {
        _RUNS: float(runs),
        _CPU: 1000 * (sum(cpu) + handing_s) / runs,
        _DRIVER: 1000 * handing_s / runs,
        _BUSY: (sum(ended) - sum(began)) / (max(ended) - min(began)) / (workers or _cores()),
        _PRIVATE: max(grown),
    }
    found = [
        (run.key, {name: value for name, value in run.figures.items() if "Usage" not in name}, run.trades)
        for run in result.runs
    ]
    return {"values": values, "found": found, "wall_s": (sum(ended) - sum(began)) / runs}


def _cores() -> int:
    return os.cpu_count() or 1
