"""What to try next: every point of a grid, or what Optuna makes of what has been found.

Pure but for Optuna's storage. Optuna is asked for so many sets of parameters at a time and told all their outcomes
before it is asked again, however many workers there are and in whatever order they finish: the same seed tries the same
parameters. An interrupted study asks again from the beginning and finds the outcomes on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from btccxt.errors import ConfigError
from btccxt.sweep.grid import Axis, Span, Value, points
from btccxt.sweep.records import Objective, StudyRun

ASKED_AT_ONCE = 16


class Search(Protocol):
    total: int
    """How many sets of parameters it will try."""

    def ask(self) -> list[dict[str, Value]]:
        """The next ones to try; none: it is over."""

    def tell(self, runs: Sequence[StudyRun]) -> None:
        """The outcomes of what ``ask`` gave last, in its order."""


class GridSearch:
    """Every combination, all at once."""

    def __init__(self, axes: Mapping[str, Axis]) -> None:
        self._left = list(points(axes))
        self.total = len(self._left)

    def ask(self) -> list[dict[str, Value]]:
        given, self._left = self._left, []
        return given

    def tell(self, runs: Sequence[StudyRun]) -> None:
        """It does not look."""


class OptunaSearch:
    """``trials`` sets that Optuna's TPE sampler chooses. ``storage``: Optuna's URL or journal file; None: in memory.

    Raises ConfigError where Optuna is not installed or the storage cannot be used.
    """

    def __init__(
        self,
        axes: Mapping[str, Axis],
        trials: int,
        objective: Objective,
        seed: int,
        name: str,
        storage: str | None = None,
    ) -> None:
        self._optuna = optuna_module()
        self._axes, self.total, self._objective, self._seed = axes, trials, objective, seed
        self._study = self._open(name, storage)
        self._asked: list[int] = []  # numbers of trials
        trials_there = self._study.get_trials(deepcopy=False)
        self._left = trials - sum(trial.state.is_finished() for trial in trials_there)
        self._interrupted = [trial for trial in trials_there if not trial.state.is_finished()]

    def _open(self, name: str, storage: str | None) -> Any:
        direction = "minimize" if self._objective.minimise else "maximize"
        optuna = self._optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            kept = _storage(optuna, storage)
            study = optuna.create_study(study_name=name, storage=kept, direction=direction, load_if_exists=True)
        except Exception as error:  # whatever its database says
            why = " ".join(str(error).split())[:200]
            raise ConfigError(f"storage {storage}: Optuna cannot use it ({why})") from error
        return study

    def ask(self) -> list[dict[str, Value]]:
        if again := self._taken_up():
            return again
        count = min(ASKED_AT_ONCE, self._left)
        if count <= 0:
            return []
        # A sampler of its own for every batch: an interrupted study draws on as if it had not been.
        seed = (self._seed * 1_000_003 + self._left) % 2**32
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)
        trials = [self._study.ask() for _ in range(count)]
        self._asked = [trial.number for trial in trials]
        return [{name: self._suggested(trial, name, axis) for name, axis in self._axes.items()} for trial in trials]

    def _taken_up(self) -> list[dict[str, Value]]:
        """What a study that was interrupted had asked for, and was never told."""
        found, self._interrupted = self._interrupted, []
        whole = [trial for trial in found if set(trial.params) == set(self._axes)]
        for trial in found:
            if trial not in whole:
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
                self._left -= 1
        self._asked = [trial.number for trial in whole]
        return [{name: trial.params[name] for name in self._axes} for trial in whole]

    def _suggested(self, trial: Any, name: str, axis: Axis) -> Value:
        if not isinstance(axis, Span):
            chosen: Value = trial.suggest_categorical(name, list(axis))
            return chosen
        if axis.is_whole:
            whole: int = trial.suggest_int(name, axis.low, axis.high, step=axis.step or 1)
            return whole
        number: float = trial.suggest_float(name, axis.low, axis.high, step=axis.step)
        return number

    def tell(self, runs: Sequence[StudyRun]) -> None:
        fail = self._optuna.trial.TrialState.FAIL
        for number, run in zip(self._asked, runs, strict=True):
            value = self._objective.value(run)
            if value is None:
                self._study.tell(number, state=fail)
            else:
                self._study.tell(number, value)
        self._left -= len(runs)


def optuna_module() -> Any:
    """Raises ConfigError where Optuna is not installed."""
    try:
        import optuna
    except ImportError:
        raise ConfigError("trials that are chosen need Optuna: pip install 'btccxt[study]'") from None
    return optuna


def _storage(optuna: Any, storage: str | None) -> Any:
    if storage is None or "://" in storage:
        return storage
    backend = optuna.storages.journal.JournalFileBackend(storage)
    return optuna.storages.JournalStorage(backend)
