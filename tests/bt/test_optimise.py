"""``cerebro.optstrategy`` over the lake in several processes finds what one finds, and sends no bars along."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest

from btccxt import BacktestBroker, CCXTData
from btccxt.bars.lake import Lake
from btccxt.errors import LakeError
from btccxt.sim.markets import spot_market
from tests.sweep.harness import BEGIN_MS, HERE, HOUR_MS, SYMBOL, make_lake, waves


class Crossing(bt.Strategy):
    params = (("fast", 5), ("slow", 20))

    def __init__(self) -> None:
        self.crossing = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))

    def next(self) -> None:
        if not self.position and self.crossing[0] > 0:
            self.buy(size=0.1)
        elif self.position and self.crossing[0] < 0:
            self.close()


class Outcome(bt.Analyzer):
    def stop(self) -> None:
        lengths = [len(data) for data in self.strategy.datas]
        self.rets = (self.strategy.broker.getvalue(), self.data.datetime[0], lengths)

    def get_analysis(self) -> Any:
        return self.rets


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_lake(tmp_path, 300)


def optimised(lake: Path, maxcpus: int | None, resampled: bool = False, **options: Any) -> list[Any]:
    cerebro = bt.Cerebro(stdstats=False, maxcpus=maxcpus)
    data = CCXTData.from_lake(SYMBOL, "binance", lake=lake, timeframe=bt.TimeFrame.Minutes, compression=60)
    cerebro.adddata(data)
    if resampled:
        cerebro.resampledata(data, timeframe=bt.TimeFrame.Days)
    broker: Any = BacktestBroker
    cerebro.setbroker(broker(markets={SYMBOL: spot_market(SYMBOL)}, cash=10_000.0))
    cerebro.addanalyzer(Outcome, _name="outcome")
    cerebro.optstrategy(Crossing, fast=[3, 5], slow=[15])
    return [(dict(ran.p._getkwargs()), ran.analyzers.outcome.get_analysis()) for (ran,) in cerebro.run(**options)]


@pytest.mark.parametrize(
    ("resampled", "options"),
    [(False, {}), (True, {}), (False, {"runonce": False}), (True, {"preload": False}), (True, {"exactbars": 1})],
)
def test_processes_find_what_one_finds(lake: Path, resampled: bool, options: dict[str, Any]) -> None:
    alone = optimised(lake, 1, resampled, **options)
    assert [found[2] for _, found in alone] == [[300, 12] if resampled else [300]] * 2
    assert alone[0][1][0] != alone[1][1][0]
    assert optimised(lake, 2, resampled, **options) == alone


def test_bars_are_not_sent_to_the_processes(lake: Path) -> None:
    Lake(lake).bars(HERE, SYMBOL, "1h").append(BEGIN_MS, BEGIN_MS + 9_000 * HOUR_MS, waves(9_000))
    cerebro = bt.Cerebro(stdstats=False, maxcpus=2)
    data = CCXTData.from_lake(SYMBOL, "binance", lake=lake, timeframe=bt.TimeFrame.Minutes, compression=60)
    cerebro.adddata(data)
    cerebro._dooptimize, cerebro._exactbars = True, 0
    data.reset()
    data._start()
    data.preload()
    there = pickle.loads(pickle.dumps(cerebro))
    assert len(pickle.dumps(cerebro)) < 100_000
    assert there.datas[0].source.history(data._request()).close.flags.writeable is False  # it lies in the file


def test_what_was_never_fetched_is_said_before_a_process_starts(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    monkeypatch.setattr(multiprocessing, "Pool", lambda *_: pytest.fail("a process was started"))
    series = Lake(lake).bars(HERE, SYMBOL, "1h")
    series.append(BEGIN_MS + 400 * HOUR_MS, BEGIN_MS + 500 * HOUR_MS, [])
    with pytest.raises(LakeError, match="btccxt download"):
        optimised(lake, 2)
