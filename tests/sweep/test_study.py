"""A study in one process: the same as single backtests, whatever the strategy does."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest

import btccxt
from btccxt.bars.lake import Lake
from btccxt.errors import ConfigError, LakeError
from btccxt.sweep.study import StudyProgress, study
from btccxt.sweep.windows import Part
from tests.sweep.harness import BEGIN_MS, CROSSING, HERE, HOUR_MS, SYMBOL, make_lake, waves, write_strategy

GRID = {"fast": [3, 5], "slow": [15, 30]}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return make_lake(tmp_path)


@pytest.fixture
def crossing(tmp_path: Path) -> Path:
    return write_strategy(tmp_path)


def made(strategy: Any, lake: Path, **options: Any) -> btccxt.StudyResult:
    given: dict[str, Any] = {"symbol": SYMBOL, "timeframe": "1h", "grid": GRID, "workers": 1, "lake": lake, **options}
    return study(strategy, **given)


def day(number: int) -> datetime:
    """Naive UTC: the first is 2026-01-01."""
    return datetime.fromtimestamp(BEGIN_MS / 1000 + (number - 1) * 86_400, timezone.utc).replace(tzinfo=None)


def backtest(strategy: Any, lake: Path, params: Any, first: int = 1, end: int = 26) -> bt.Strategy:
    return btccxt.run_backtest(
        strategy, "binance", symbol=SYMBOL, timeframe="1h", lake=lake, params=params, start=day(first), end=day(end)
    )


def test_each_run_is_the_backtest_of_its_parameters(lake: Path, crossing: Path):
    result = made(crossing, lake)
    assert [run.params for run in result.runs] == [
        {"fast": 3, "slow": 15}, {"fast": 3, "slow": 30}, {"fast": 5, "slow": 15}, {"fast": 5, "slow": 30},
    ]  # fmt: skip
    for run in result.runs:
        alone = backtest(f"{crossing}:Crossing", lake, run.params)
        assert run.figures["end_value"] == alone.broker.getvalue()
        assert run.figures["bars"] == 600
        assert run.figures["trades"] > 2
        assert run.figures["fees"] > 0
    assert result.best == max(result.runs, key=lambda run: run.figures["profit_pct"] or 0)
    assert list(result.to_frame()["param_slow"]) == [15, 30, 15, 30]


def test_the_figures_are_those_of_backtraders_own_analyzers(lake: Path, crossing: Path):
    (run,) = made(
        crossing, lake, grid={"fast": [3]}, analyzers=["TradeAnalyzer", "DrawDown"], objective="DrawDown.max.drawdown"
    ).runs
    figures = run.figures
    assert figures["trades"] == figures["TradeAnalyzer.total.closed"]
    assert sum(trade.profit for trade in run.trades) == pytest.approx(figures["TradeAnalyzer.pnl.net.total"])
    assert figures["max_drawdown_pct"] == pytest.approx(figures["DrawDown.max.drawdown"])
    assert sum(trade.bars for trade in run.trades) == figures["TradeAnalyzer.len.total"]
    assert all(trade.opened_ms < trade.closed_ms and trade.size == 0.1 for trade in run.trades)


def test_a_window_is_a_backtest_of_its_dates(lake: Path, crossing: Path):
    result = made(crossing, lake, out_of_sample="5d", tested=2)
    assert [(run.part, len(run.trades) > 0) for run in result.runs][-2:] == [(Part.TEST, True)] * 2
    for trained, tested in result.tests:
        assert trained.params == tested.params
        for run, days in ((trained, (1, 21)), (tested, (21, 26))):
            assert run.figures["end_value"] == backtest(crossing, lake, run.params, *days).broker.getvalue()
    assert result.tests[0][0] == result.best


def test_a_walk_tests_what_each_window_found(lake: Path, crossing: Path):
    result = made(crossing, lake, walk_forward="10d/5d")
    assert len(result.windows) == 3
    assert len(result.runs) == 3 * (4 + 1)
    for trained, tested in result.tests:
        rivals = [run for run in result.runs if run.window == trained.window and run.part is Part.TRAIN]
        assert trained.figures["profit_pct"] == max(run.figures["profit_pct"] for run in rivals)
        assert tested.params == trained.params
    assert result.best in [trained for trained, _ in result.tests]


def test_chosen_trials_are_runs_like_others(lake: Path, crossing: Path):
    options = {"grid": {"fast": range(2, 9), "slow": [15, 30]}, "trials": 20, "seed": 3}
    result = made(crossing, lake, **options)
    assert 4 < len(result.runs) <= 20  # the same parameters are run once
    assert result == made(crossing, lake, **options)


def test_a_strategy_that_raises_costs_its_own_run_alone(lake: Path, tmp_path: Path):
    text = CROSSING.replace(
        "    def next(self):", "    def next(self):\n        assert self.p.fast != 5 or len(self) < 50"
    )
    told: list[StudyProgress] = []
    result = made(write_strategy(tmp_path, text), lake, on_progress=told.append)
    assert [run.params["fast"] for run in result.failed] == [5, 5]
    line = text.splitlines().index("    def next(self):") + 2
    assert {run.error for run in result.failed} == {f"crossing.py:{line}: AssertionError"}
    assert result.best is not None
    assert (told[-1].done, told[-1].total, told[-1].failed) == (4, 4, 2)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise bt.errors.StrategySkipError", "skipped by the strategy"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ],
)
def test_whatever_a_strategy_does_at_its_start_is_one_line(lake: Path, tmp_path: Path, does: str, said: str):
    strategy = write_strategy(tmp_path, CROSSING.replace("        averages", f"        {does}\n        averages"))
    result = made(strategy, lake)
    assert len(result.failed) == 4
    assert all(run.error and run.error.endswith(said) for run in result.failed)
    assert result.best is None


def test_a_window_that_is_too_short_for_an_indicator_is_said(lake: Path, crossing: Path):
    result = made(crossing, lake, grid={"slow": [30, 601]})
    assert [run.error for run in result.runs] == [
        None, "too few bars: an indicator needs more of them than the window has",
    ]  # fmt: skip


def test_what_a_strategy_prints_is_not_shown(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = CROSSING.replace("    def next(self):", "    def next(self):\n        print(1)")
    made(write_strategy(tmp_path, text), lake)
    assert capsys.readouterr().out == ""


def test_chance_is_the_same_for_the_same_run(lake: Path, tmp_path: Path):
    text = CROSSING.replace("> 0:", "> 0 and __import__('random').random() > 0.3:")
    strategy = write_strategy(tmp_path, text)
    whole = made(strategy, lake)
    assert made(strategy, lake, grid={"fast": [5], "slow": [30]}).runs[0] == whole.runs[-1]
    assert made(strategy, lake, seed=1).runs != whole.runs


def test_several_symbols_and_timeframes_are_datas_in_that_order(tmp_path: Path):
    lake = make_lake(tmp_path, symbols=(SYMBOL, "ETH/USDT"))
    Lake(lake).bars(HERE, SYMBOL, "1d").append(BEGIN_MS, BEGIN_MS + 25 * 24 * HOUR_MS, waves(25, timeframe="1d"))
    Lake(lake).bars(HERE, "ETH/USDT", "1d").append(BEGIN_MS, BEGIN_MS + 25 * 24 * HOUR_MS, waves(25, timeframe="1d"))
    text = "import backtrader as bt\nclass Order(bt.Strategy):\n    params = (('n', 0),)\n    def stop(self):\n"
    text += "        raise ValueError([(d._dataname, d._compression, len(d)) for d in self.datas])\n"
    result = made(
        write_strategy(tmp_path, text), lake, symbol=(SYMBOL, "ETH/USDT"), timeframe=("1h", "1d"), grid={"n": 1}
    )
    datas = "[('BTC/USDT', 60, 600), ('BTC/USDT', 1, 25), ('ETH/USDT', 60, 600), ('ETH/USDT', 1, 25)]"
    assert result.runs[0].error == f"crossing.py:5: ValueError: {datas}"


# ------------------------------------------------------------------ going on


def test_a_study_that_was_interrupted_goes_on(lake: Path, crossing: Path, tmp_path: Path):
    out = tmp_path / "out"

    def interrupt(progress: StudyProgress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(crossing, lake, output=out, on_progress=interrupt)
    told: list[StudyProgress] = []
    result = made(crossing, lake, output=out, on_progress=told.append)
    assert told[-1] == StudyProgress(done=4, total=4, failed=0, found=3)
    assert result.runs == made(crossing, lake).runs
    assert result.path == out / "results.parquet"
    grown = made(crossing, lake, output=out, grid={**GRID, "fast": [3, 5, 8]}, on_progress=told.append)
    assert (told[-1].found, len(grown.runs)) == (4, 6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cash": 500.0}, "cash: 10000.0 there, 500.0 now"),
        ({"seed": 4}, "seed"),
        ({"walk_forward": "9d/5d"}, "windows"),
    ],
)
def test_another_study_does_not_take_its_runs(lake: Path, crossing: Path, tmp_path: Path, changed: Any, said: str):
    made(crossing, lake, output=tmp_path / "out")
    with pytest.raises(ConfigError, match=said):
        made(crossing, lake, output=tmp_path / "out", **changed)


def test_a_strategy_that_was_changed_does_not_take_its_runs(lake: Path, tmp_path: Path):
    folder = tmp_path / "bots"
    folder.mkdir()
    write_strategy(folder, "SIZE = 1", "sizes.py")
    strategy = write_strategy(folder, "import sizes\n" + CROSSING)
    made(strategy, lake, output=tmp_path / "out")
    write_strategy(folder, "SIZE = 2", "sizes.py")  # a helper beside it counts as well
    with pytest.raises(ConfigError, match=r"holds another study .*\(source: another\)"):
        made(strategy, lake, output=tmp_path / "out")


def test_bars_that_were_corrected_do_not_take_its_runs(lake: Path, crossing: Path, tmp_path: Path):
    made(crossing, lake, output=tmp_path / "out")
    Lake(lake).bars(HERE, SYMBOL, "1h").append(BEGIN_MS, BEGIN_MS + HOUR_MS, [])
    with pytest.raises(ConfigError, match="bars_and_fees: another"):
        made(crossing, lake, output=tmp_path / "out")


# ------------------------------------------------------------------ what is wrong is said before the first run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": {}}, "give at least one parameter"),
        ({"grid": {"fats": [1]}}, "Crossing has no parameter 'fats'.*fast"),
        ({"symbol": "XRP/USDT"}, "no XRP/USDT"),
        ({"symbol": ()}, "symbol: give at least one"),
        ({"symbol": (SYMBOL, SYMBOL)}, "given twice"),
        ({"timeframe": "5m"}, "has no binance spot BTC/USDT 5m"),
        ({"timeframe": "ticks"}, "a study takes bars"),
        ({"start": day(400)}, "nothing lies between"),
        ({"objective": "profits"}, "there is no such figure.*profit"),
        ({"objective": "SQN.sqn"}, "written Analyzer.name"),
        ({"analyzers": ["Nothing"]}, "there is no analyzer 'Nothing'"),
        ({"storage": "x.log"}, "give trials as well"),
        ({"trials": 0}, "trials=0"),
        ({"cash": -1}, "cash=-1"),
        ({"workers": 0}, "workers=0"),
        ({"walk_forward": "5d/5d", "out_of_sample": 0.1}, "give one"),
    ],
)
def test_wrong_arguments_are_said(lake: Path, crossing: Path, options: Any, said: str):
    with pytest.raises((ConfigError, LakeError), match=said):
        made(crossing, lake, **options)


def test_bars_that_were_never_fetched_are_said_with_the_command(lake: Path, crossing: Path):
    with pytest.raises(LakeError, match="btccxt download BTC/USDT"):
        made(crossing, lake, end=day(60))


def test_without_the_exchanges_fees_nothing_is_run(tmp_path: Path, crossing: Path):
    lake = make_lake(tmp_path)
    Lake(lake).keep_markets(HERE, {}, 1)
    with pytest.raises(LakeError, match="does not know the fees and steps of BTC/USDT"):
        made(crossing, lake)


@pytest.mark.parametrize(("module", "options"), [("ray", {"workers": None}), ("optuna", {"trials": 3})])
def test_a_missing_extra_is_said_at_the_beginning(
    lake: Path, crossing: Path, monkeypatch: pytest.MonkeyPatch, module: str, options: Any
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"pip install 'btccxt\[study\]'"):
        made(crossing, lake, **options)


class OfThisModule(bt.Strategy):
    params = (("fast", 1),)


def test_a_class_may_be_given(lake: Path):
    assert made(OfThisModule, lake, grid={"fast": [1, 2]}).failed == []


def test_a_class_that_no_other_process_can_load_is_said(lake: Path):
    class Inside(bt.Strategy):
        params = (("fast", 1),)

    typed: dict[str, Any] = {"__name__": "typed_into_an_interpreter"}
    exec("import backtrader as bt\nclass Typed(bt.Strategy):\n    params = (('fast', 1),)", typed)
    for strategy, said in ((Inside, "inside a function"), (typed["Typed"], "in no file"), (int, "give a bt.Strategy")):
        with pytest.raises(ConfigError, match=said):
            made(strategy, lake, grid={"fast": [1]})


def test_a_file_that_starts_a_study_when_it_is_loaded_is_said(lake: Path, tmp_path: Path):
    call = f"import btccxt\nbtccxt.study(Crossing, symbol='BTC/USDT', lake={str(lake)!r}, grid={{'fast': 1}})"
    with pytest.raises(ConfigError, match='under if __name__ == "__main__"'):
        made(write_strategy(tmp_path, f"{CROSSING}\n{call}\n"), lake)
