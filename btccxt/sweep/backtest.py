"""One run of a study: the strategy over the bars of its window, as ``btccxt run --mode backtest`` would make it."""

from __future__ import annotations

import contextlib
import gc
import io
import math
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from btccxt.bars.columns import Columns
from btccxt.bars.segments import Range
from btccxt.bt.backtest_broker import BacktestBroker
from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.bt.offline_source import ColumnsSource
from btccxt.bt.time import arguments_of
from btccxt.model import Market
from btccxt.store.user_frames import user_frames
from btccxt.sweep.figures import FigureRecorder, flattened
from btccxt.sweep.records import RunSpec, StudyRun, TradeList
from btccxt.sweep.source import StrategySource, analyzer_classes
from btccxt.sweep.windows import Window

Bars = Mapping[tuple[str, str], Columns]
"""By symbol and timeframe, in the order in which the strategy gets them."""
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


@dataclass(frozen=True, slots=True)
class Task:
    """What all runs of a study have in common, but for the bars."""

    source: StrategySource
    markets: Mapping[str, Market]
    windows: tuple[Window, ...]
    cash: float
    analyzers: tuple[str, ...]
    seed: int


class Worker:
    """Makes runs, one after the other, in this process."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._strategy = task.source.load()
        self._analyzers = analyzer_classes(task.analyzers, self._strategy)

    def run(self, spec: RunSpec, bars: Bars) -> StudyRun:
        """What the strategy prints is not shown; what it raises is the outcome's ``error``."""
        self._seed(spec)
        try:
            with contextlib.redirect_stdout(io.StringIO()), _whole_or_not():
                return self._backtest(spec, bars)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the strategy does
            return StudyRun(spec.window, spec.part, spec.params, error=_explained(error, self._task.source.file))
        finally:
            gc.collect()  # backtrader's objects point at each other: memory would grow from run to run

    def _backtest(self, spec: RunSpec, bars: Bars) -> StudyRun:
        window = self._task.windows[spec.window].range(spec.part)
        cerebro = bt.Cerebro(stdstats=False)
        source = ColumnsSource(bars)
        for symbol, timeframe in bars:
            cerebro.adddata(_data(source, symbol, timeframe, window))
        broker_class: Any = BacktestBroker  # its metaclass takes params as keywords
        cerebro.setbroker(broker_class(markets=self._task.markets, cash=self._task.cash))
        cerebro.addanalyzer(FigureRecorder, _name="study")
        for name, analyzer in self._analyzers.items():
            cerebro.addanalyzer(analyzer, _name=f"study_{name}")
        cerebro.addstrategy(self._strategy, **spec.params)
        ran = cerebro.run()
        if not ran:  # StrategySkipError
            return StudyRun(spec.window, spec.part, spec.params, error="skipped by the strategy")
        recorder: FigureRecorder = ran[0].analyzers.study
        figures = {name: _finite(value) for name, value in recorder.figures().items()}
        for name in self._analyzers:
            found = ran[0].analyzers.getbyname(f"study_{name}").get_analysis()
            figures.update(flattened(name, found))
        return StudyRun(spec.window, spec.part, spec.params, figures, TradeList.of(recorder.trades))

    def _seed(self, spec: RunSpec) -> None:
        """The same run draws the same numbers, whichever worker makes it, and after whichever other run."""
        digest = sha256(repr((self._task.seed, spec.key)).encode()).digest()
        random.seed(digest)
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed(int.from_bytes(digest[:4], "big"))


@contextlib.contextmanager
def _whole_or_not() -> Iterator[None]:
    """A signal raises, instead of ending the backtest in order: half a run must not look like a whole one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) in _DEFAULTS]
    former = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _data(source: ColumnsSource, symbol: str, timeframe: str, window: Range) -> CCXTData:
    return CCXTData(
        source=source, dataname=symbol, historical=True, fromdate=_naive(window.from_ms), todate=_naive(window.to_ms),
        **arguments_of(timeframe),
    )  # fmt: skip


def _naive(time_ms: int) -> datetime:
    """UTC, as backtrader wants it."""
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).replace(tzinfo=None)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _explained(error: BaseException, file: str) -> str:
    """One line, with the strategy's own line where it has part in it."""
    text = " ".join(traceback.format_exception_only(type(error), error)[-1].split())
    if isinstance(error, IndexError) and traceback.extract_tb(error.__traceback__)[-1].name == "once":
        return "too few bars: an indicator needs more of them than the window has"  # backtrader runs over their end
    own = user_frames(error.__traceback__, Path(file))
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}: {text}" if own else text
