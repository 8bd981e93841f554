"""What a study found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btccxt.bars.segments import pyarrow
from btccxt.errors import ConfigError
from btccxt.sweep.records import Objective, StudyRun
from btccxt.sweep.table import result_tables
from btccxt.sweep.windows import Part, Window


@dataclass(frozen=True, slots=True)
class StudyResult:
    """``runs``: all, by window, search before test, in the order of the grid. ``tests``: (search, test) of the best of
    each window. ``path``: the table as Parquet, if it was kept.
    """

    runs: tuple[StudyRun, ...]
    windows: tuple[Window, ...]
    objective: Objective
    tests: tuple[tuple[StudyRun, StudyRun], ...]
    path: Path | None

    @property
    def best(self) -> StudyRun | None:
        """By the objective, of the newest window's search; None where every run failed or has no such figure."""
        ranked = self.ranked
        return ranked[0] if ranked and self.objective.value(ranked[0]) is not None else None

    @property
    def ranked(self) -> Sequence[StudyRun]:
        """The newest window's search, best first; without those that failed."""
        newest = self.windows[-1].number
        runs = [run for run in self.runs if run.window == newest and run.part is Part.TRAIN and run.error is None]
        return self.objective.ranked(runs)

    @property
    def failed(self) -> Sequence[StudyRun]:
        """Those with an ``error``."""
        return [run for run in self.runs if run.error is not None]

    def to_frame(self) -> Any:
        """One row a run, as a pandas DataFrame: window, part, from, to, param_…, figures, error, trade_list."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise ConfigError("a frame needs pandas: pip install 'btccxt[study]'") from None
        tables = list(result_tables(self.runs, self.windows))
        return pyarrow().concat_tables(tables).to_pandas()
