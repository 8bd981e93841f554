"""``btccxt.study``: one strategy, many sets of parameters, the lake's bars; a table of what came of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from btccxt.bt.compat import bt
from btccxt.config import nearest
from btccxt.errors import ConfigError
from btccxt.store.strategy_file import check_params
from btccxt.sweep import windows as splits
from btccxt.sweep.backtest import Task
from btccxt.sweep.figures import FIGURES
from btccxt.sweep.folder import RESULTS, StudyFolder
from btccxt.sweep.grid import Axis, axes_of
from btccxt.sweep.material import DataWish, Material, material_of
from btccxt.sweep.ray_runner import RayRunner, ray_module
from btccxt.sweep.records import Objective, RunKey, RunSpec, StudyRun
from btccxt.sweep.result import StudyResult
from btccxt.sweep.runners import Runner, ThisProcess
from btccxt.sweep.search import GridSearch, OptunaSearch, Search, optuna_module
from btccxt.sweep.source import StrategySource, analyzer_classes, refuse_while_loading, strategy_source
from btccxt.sweep.windows import Part, Window

_KEPT_AFTER_S = 5.0
_KEPT_AFTER_RUNS = 500
_TESTED_OUT_OF_SAMPLE = 10


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """``done`` of ``total`` runs; ``found``: of them, those that an earlier call had made."""

    done: int
    total: int
    failed: int
    found: int


def study(
    strategy: type[bt.Strategy] | str | Path,
    exchange: str | None = None,
    *,
    symbol: str | Sequence[str],
    grid: Mapping[str, object],
    timeframe: str | Sequence[str] = "1m",
    start: datetime | None = None,
    end: datetime | None = None,
    market_type: str | None = None,
    mode: str | None = None,
    lake: str | Path | None = None,
    cash: float = 10_000.0,
    objective: str = "profit_pct",
    minimise: bool = False,
    trials: int | None = None,
    storage: str | None = None,
    walk_forward: str | None = None,
    out_of_sample: str | float | None = None,
    tested: int | None = None,
    analyzers: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    address: str | None = None,
    output: str | Path | None = None,
    on_progress: Callable[[StudyProgress], None] | None = None,
) -> StudyResult:
    """Backtest a strategy with every combination of ``grid``, or with ``trials`` of them that Optuna chooses. Blocks.

    ``strategy``: a class at the top level of a file, or ``"file.py:Class"``. ``grid``: values by parameter: a list, a
    ``range``, a ``btccxt.Span``. The bars are those of the lake from ``start`` to ``end`` (naive: UTC), one data for
    each symbol and timeframe, in that order; ``exchange``, ``market_type``, ``mode`` and ``lake`` as in
    ``CCXTData.from_lake``. Commission and steps are the exchange's, as in ``run_backtest``; ``cash`` is in the quote
    currency.

    ``objective``: the figure that is to be highest (``minimise``: lowest). ``walk_forward='90d/30d'`` searches 90 days
    and runs the best on the next 30, again and again; ``out_of_sample=0.25`` (or '30d') keeps the end for that, once.
    ``tested``: how many of the best are run there (default 1; out of sample 10). ``analyzers``: names, of the
    strategy's file or of ``bt.analyzers``, whose figures are wanted as well.

    ``workers``: processes; None: one per core, 1: this process alone. ``address``: of a Ray cluster. The outcome is the
    same bit for bit, however many there are. ``output``: a folder that keeps every run as it ends; a call that was
    interrupted goes on there. Raises ConfigError and LakeError before the first run; what the strategy raises is the
    ``error`` of that run, and the study goes on.
    """
    refuse_while_loading()
    chosen, source = strategy_source(strategy)
    axes = axes_of(grid)
    if not axes:
        raise ConfigError("grid: give at least one parameter, as in fast=5,10,20")
    check_params(chosen, axes)
    names = tuple(analyzers)
    analyzer_classes(names, chosen)
    _check_numbers(cash=cash, trials=trials, tested=tested, workers=workers)
    _check_objective(objective, names)
    if storage is not None and trials is None:
        raise ConfigError("storage: is Optuna's; give trials as well")
    if trials is not None:
        optuna_module()
    if workers != 1 or address is not None:
        ray_module()
    wish = DataWish(_words(symbol), _words(timeframe), exchange, market_type, mode, lake, start, end)
    material = material_of(wish)
    windows = _windows(material, walk_forward, out_of_sample)
    aim = Objective(objective, minimise)
    task = Task(source, material.markets, windows, float(cash), names, seed)
    facts = _facts(source, material, windows, task)
    searches = _searches(axes, trials, aim, seed, storage, windows, facts)
    if tested is None:
        tested = _TESTED_OUT_OF_SAMPLE if out_of_sample is not None else 1
    with ExitStack() as opened:
        folder = None
        if output is not None:
            folder = StudyFolder(Path(output).expanduser(), facts)
            opened.callback(folder.close)
        made = _Runs(folder, windows, lambda: _runner(opened, task, material, workers, address), on_progress)
        made.total = sum(each.total for each in searches.values())
        if windows[0].test is not None:
            made.total += tested * len(windows)
        try:
            trained = _search(searches, made)
            pairs = _test(trained, windows, aim, tested, made)
        finally:
            made.keep()
        path = folder.path / RESULTS if folder is not None else None
        return StudyResult(made.in_order(), windows, aim, pairs, path)


def _search(searches: Mapping[int, Search], made: _Runs) -> dict[int, list[StudyRun]]:
    """What the windows' searches wanted to know, window by window."""
    trained: dict[int, list[StudyRun]] = {number: [] for number in searches}
    while True:
        asked = {number: search.ask() for number, search in searches.items()}
        specs = {number: [RunSpec(number, Part.TRAIN, params) for params in found] for number, found in asked.items()}
        if not any(specs.values()):
            return trained
        found = made.all_of([spec for each in specs.values() for spec in each])
        for number, search in searches.items():
            runs = [found[spec.key] for spec in specs[number]]
            search.tell(runs)
            trained[number] += runs


def _test(
    trained: Mapping[int, Sequence[StudyRun]], windows: Sequence[Window], aim: Objective, tested: int, made: _Runs
) -> tuple[tuple[StudyRun, StudyRun], ...]:
    """The best of each window's search, run on what followed."""
    pairs = []
    for window in windows:
        if window.test is None:
            continue
        distinct = list({run.key: run for run in trained[window.number] if aim.value(run) is not None}.values())
        pairs += [(run, RunSpec(window.number, Part.TEST, run.params)) for run in aim.ranked(distinct)[:tested]]
    found = made.all_of([spec for _, spec in pairs])
    return tuple((run, found[spec.key]) for run, spec in pairs)


class _Runs:
    """The runs of this study: found on disk, or made and kept there."""

    def __init__(
        self,
        folder: StudyFolder | None,
        windows: Sequence[Window],
        open_runner: Callable[[], Runner],
        tell: Callable[[StudyProgress], None] | None,
    ) -> None:
        self.total = 0
        self._folder, self._windows, self._open_runner, self._tell = folder, windows, open_runner, tell
        self._there = folder.done() if folder is not None else {}
        self._wanted: dict[RunKey, StudyRun | None] = {}
        self._new: list[StudyRun] = []
        self._kept_s = time.monotonic()
        self._runner: Runner | None = None
        self._done = self._failed = self._found = 0

    def all_of(self, specs: Sequence[RunSpec]) -> Mapping[RunKey, StudyRun]:
        distinct = {spec.key: spec for spec in specs}
        self._wanted.update({key: self._wanted.get(key) or self._there.get(key) for key in distinct})
        missing = [spec for key, spec in distinct.items() if self._wanted[key] is None]
        self._found += len(distinct) - len(missing)
        self._count(len(specs) - len(missing), sum(run.error is not None for run in self._known(distinct)))
        if missing:
            if self._runner is None:
                self._runner = self._open_runner()
            for run in self._runner.run(missing):
                self._wanted[run.key] = run
                self._new.append(run)
                self._count(1, run.error is not None)
                if time.monotonic() - self._kept_s > _KEPT_AFTER_S or len(self._new) >= _KEPT_AFTER_RUNS:
                    self._append()
        return {run.key: run for run in self._known(distinct)}

    def _known(self, keys: Mapping[RunKey, RunSpec]) -> list[StudyRun]:
        return [run for key in keys if (run := self._wanted[key]) is not None]

    def _count(self, done: int, failed: int) -> None:
        self._done += done
        self._failed += failed
        if self._tell is not None:
            self._tell(StudyProgress(self._done, max(self.total, self._done), self._failed, self._found))

    def _append(self) -> None:
        if self._folder is not None:
            self._folder.append(self._new)
        self._new, self._kept_s = [], time.monotonic()

    def keep(self) -> None:
        """Everything to disk; also what an interrupted study has made."""
        self._append()
        if self._folder is not None:
            self._folder.publish(self.in_order(), self._windows)

    def in_order(self) -> tuple[StudyRun, ...]:
        """By window, search before test, as they were asked for."""
        runs = [run for run in self._wanted.values() if run is not None]
        return tuple(sorted(runs, key=lambda run: (run.window, run.part is Part.TEST)))


def _runner(opened: ExitStack, task: Task, material: Material, workers: int | None, address: str | None) -> Runner:
    runner: Runner
    if workers == 1 and address is None:
        runner = ThisProcess(task, material.bars)
    else:
        runner = RayRunner(task, material.bars, address=address, workers=workers)
    opened.callback(runner.close)
    return runner


def _searches(
    axes: Mapping[str, Axis],
    trials: int | None,
    aim: Objective,
    seed: int,
    storage: str | None,
    windows: Sequence[Window],
    facts: Mapping[str, Any],
) -> dict[int, Search]:
    if trials is None:
        return {window.number: GridSearch(axes) for window in windows}
    told = json.dumps([facts, {name: repr(axis) for name, axis in axes.items()}, str(aim)], sort_keys=True)
    name = f"btccxt-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    return {
        window.number: OptunaSearch(axes, trials, aim, seed + window.number, f"{name}-{window.number}", storage)
        for window in windows
    }


def _windows(material: Material, walk_forward: str | None, out_of_sample: str | float | None) -> tuple[Window, ...]:
    if walk_forward is not None and out_of_sample is not None:
        raise ConfigError("walk_forward and out_of_sample: give one; the walk's tests are out of sample already")
    if walk_forward is not None:
        return splits.walk_forward(material.span, walk_forward)
    if out_of_sample is not None:
        return splits.out_of_sample(material.span, out_of_sample)
    return splits.whole(material.span)


def _facts(source: StrategySource, material: Material, windows: Sequence[Window], task: Task) -> dict[str, Any]:
    """What decides a run's outcome, besides its parameters."""
    ranges = [(each.train.from_ms, each.train.to_ms, each.test.to_ms if each.test else None) for each in windows]
    return {
        "strategy": f"{Path(source.file).name}:{source.class_name}",
        "source": source.digest,
        "data": list(material.names),
        "windows_ms": ranges,
        "bars_and_fees": material.digest,
        "cash": task.cash,
        "analyzers": list(task.analyzers),
        "seed": task.seed,
        "versions": {name: version(name) for name in ("btccxt", "backtrader")},
    }


def _check_objective(objective: str, analyzers: tuple[str, ...]) -> None:
    if objective not in FIGURES and objective.partition(".")[0] not in analyzers:
        of = " (a figure of an analyzer is written Analyzer.name, and the analyzer named)" if "." in objective else ""
        raise ConfigError(f"objective {objective!r}: there is no such figure{nearest(objective, FIGURES)}{of}")


def _check_numbers(**given: float | None) -> None:
    for name, value in given.items():
        if value is not None and not value > 0:
            raise ConfigError(f"{name}={value}: must be more than nothing")


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
