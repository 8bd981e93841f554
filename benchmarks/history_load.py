"""(d) Bars per second of a preloaded history, beside backtrader's own PandasData and GenericCSVData.

Each run is a process of its own; counted is ``cerebro.run()`` alone (for GenericCSVData that includes parsing the file,
for PandasData the frame exists already, for btccxt the bars lie in memory as ``store.history`` returns them). Per CPU
second: everything happens in one thread, and the machine may have other work.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import once
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median_of
from btccxt.bt.compat import bt

NAME = "history_load"
TITLE = "preloaded one-minute history through cerebro.run()"

_RATE, _WALL, _RSS = "bars per CPU second", "bars per second", "peak MB"
_OURS, _LAKE, _PANDAS, _CSV = "btccxt", "btccxt, lake", "PandasData", "GenericCSVData"
_PATIENCE_S = 1_200.0
_EMPTY, _SMA = "empty strategy", "SMA-cross strategy"
_MINUTE_MS = 60_000
_START_MS = 1_735_689_600_000  # 2025-01-01
_LIMITS = {_EMPTY: 3.0, _SMA: 1.8}
_LAKE_LIMITS = {_EMPTY: 5.0, _SMA: 1.8}


def run(size: Size) -> Report:
    count, repeats = size.pick(500_000, 200_000, 500), size.pick(5, 3, 1)
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        path = Path(folder, "bars.csv")
        _write_csv(path, count)
        once(_fill_lake, path, count)
        for _ in range(repeats):
            for case in (_EMPTY, _SMA):
                for who in (_OURS, _LAKE, _PANDAS, _CSV):
                    found.setdefault((case, who), []).append(
                        once(_measure, who, case, count, str(path), patience_s=_PATIENCE_S)
                    )
    rows = []
    for (case, who), each in found.items():
        rate, wall_rate, peak_mb = median_of(each)
        rows.append(Row(case, who, {_RATE: rate, _WALL: wall_rate, _RSS: peak_mb}))
    report = Report(
        NAME, f"{TITLE}, {count:,} bars", (Column(_RATE, 0), Column(_WALL, 0), Column(_RSS, 0)), _RATE, tuple(rows)
    )
    targets = []
    for row in report.rows:
        ratio = report.ratio(row, _PANDAS)
        if ratio is not None:
            text = f"bars per second of {row.who} beside PandasData, {row.case} (ratio)"
            limits = _LAKE_LIMITS if row.who == _LAKE else _LIMITS
            targets.append(Target(text, ratio, limits[row.case], True))
    return Report(
        report.name, report.title, report.columns, report.compared, report.rows, tuple(targets),
        ("Peak MB is the process's, the bars themselves included.",),
    )  # fmt: skip


# ------------------------------------------------------------------ in the measured process


class _Empty(bt.Strategy):
    def next(self) -> None:
        """Nothing."""


class _SmaCross(bt.Strategy):
    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=10), bt.ind.SMA(period=30))
        self.crossings = 0

    def next(self) -> None:
        if self.cross[0]:
            self.crossings += 1


def _measure(who: str, case: str, count: int, path: str) -> tuple[float, float, float]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(_DATAS[who](count, path))
    cerebro.addstrategy(_Empty if case == _EMPTY else _SmaCross)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    strategy = cerebro.run()[0]
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    if len(strategy) != count:
        raise AssertionError(f"{who} delivered {len(strategy)} of {count} bars")
    return count / cpu_s, count / wall_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _price(number: int) -> float:
    """Goes up and down, so that averages cross."""
    return 100.0 + (number * 7 % 101) * 0.1 + (number // 50 % 40) * 0.25


def _ours(count: int, _path: str) -> Any:
    from benchmarks.clients.local import LocalSource
    from btccxt.bt.data import CCXTData

    source = LocalSource(_bars(count))
    return CCXTData(source=source, dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, historical=True)


def _bars(count: int) -> list[Any]:
    from btccxt.model import Bar

    prices = [_price(number) for number in range(count)]
    return [
        Bar(_START_MS + number * _MINUTE_MS, price, price + 0.5, price - 0.5, price, 1.0)
        for number, price in enumerate(prices)
    ]


def _fill_lake(path: Path, count: int) -> None:
    from btccxt import DataVenue, Lake

    series = Lake(path.parent / "lake").bars(DataVenue("binance"), "BTC/USDT", "1m")
    series.append(_START_MS, _START_MS + count * _MINUTE_MS, _bars(count))


def _lake(_count: int, path: str) -> Any:
    """Read from the disk within ``run()``."""
    from btccxt.bt.data import CCXTData

    return CCXTData.from_lake("BTC/USDT", "binance", lake=Path(path).parent / "lake", timeframe=bt.TimeFrame.Minutes)


def _pandas(count: int, _path: str) -> Any:
    import pandas

    prices = [_price(number) for number in range(count)]
    frame = pandas.DataFrame(
        {
            "open": prices,
            "high": [price + 0.5 for price in prices],
            "low": [price - 0.5 for price in prices],
            "close": prices,
            "volume": 1.0,
        },
        index=pandas.date_range("2025-01-01", periods=count, freq="min"),
    )
    return bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes)


def _csv(_count: int, path: str) -> Any:
    return bt.feeds.GenericCSVData(
        dataname=path, dtformat=2, timeframe=bt.TimeFrame.Minutes,
        datetime=0, open=1, high=2, low=3, close=4, volume=5, openinterest=-1,
    )  # fmt: skip


_DATAS = {_OURS: _ours, _LAKE: _lake, _PANDAS: _pandas, _CSV: _csv}


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("time,open,high,low,close,volume\n")
        for number in range(count):
            price = _price(number)
            seconds = (_START_MS + number * _MINUTE_MS) // 1000
            file.write(f"{seconds}.0,{price},{price + 0.5},{price - 0.5},{price},1.0\n")
