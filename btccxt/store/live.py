"""``run_live``: one call that builds a cerebro for live trading, runs it, and ends it well."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.store.store import CCXTStore


def run_live(
    strategy: type[bt.Strategy],
    store: CCXTStore,
    symbols: str | Iterable[str],
    *,
    timeframe: int = bt.TimeFrame.Minutes,
    compression: int = 1,
    analyzers: Iterable[type[bt.Analyzer]] = (),
    data_options: dict[str, Any] | None = None,
    **strategy_params: Any,
) -> bt.Strategy:
    """Run one strategy on one store until it calls ``env.runstop()``, or Ctrl-C or SIGTERM comes. Blocks.

    Every symbol becomes a data of the given timeframe; ``data_options`` go to ``store.getdata``. Returns the strategy
    with its analyzers. Signals are taken over only in the main thread, and given back afterwards.
    """
    cerebro = bt.Cerebro(stdstats=False)
    for symbol in [symbols] if isinstance(symbols, str) else symbols:
        cerebro.adddata(
            store.getdata(dataname=symbol, timeframe=timeframe, compression=compression, **(data_options or {}))
        )
    cerebro.setbroker(store.getbroker())
    for analyzer in analyzers:
        cerebro.addanalyzer(analyzer)
    cerebro.addstrategy(strategy, **strategy_params)
    with stopped_by_signals(cerebro):
        ran: list[bt.Strategy] = cerebro.run()
    return ran[0]


@contextmanager
def stopped_by_signals(cerebro: bt.Cerebro) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run as ``cerebro.runstop()`` does: strategies, broker, feeds and store are stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: Any) -> None:
        cerebro.runstop()
        CerebroLoop.of(cerebro).wake()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
