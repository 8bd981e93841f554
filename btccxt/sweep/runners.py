"""Who makes a study's runs: this process, or Ray's workers."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Protocol

from btccxt.sweep.backtest import Bars, Task, Worker
from btccxt.sweep.records import RunSpec, StudyRun


class Runner(Protocol):
    def run(self, specs: Sequence[RunSpec]) -> Iterator[StudyRun]:
        """Every run once, in whatever order they end."""

    def close(self) -> None:
        """What is under way is given up. Idempotent."""


class ThisProcess:
    """One run after the other."""

    def __init__(self, task: Task, bars: Bars) -> None:
        self._worker = Worker(task)
        self._bars = bars
        keep_out_of_collections()

    def run(self, specs: Sequence[RunSpec]) -> Iterator[StudyRun]:
        for spec in specs:
            yield self._worker.run(spec, self._bars)

    def close(self) -> None:
        """No other process is open."""
        gc.unfreeze()


def keep_out_of_collections() -> None:
    """What is there now stays, and need not be looked at after every run."""
    gc.collect()
    gc.freeze()
