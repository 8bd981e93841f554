"""``btccxt study``: what a user types, and the tables he looks at."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from btccxt.cli import app
from btccxt.cli.study_run import _ProgressBar
from btccxt.errors import ConfigError
from btccxt.sweep.study import StudyProgress
from tests.sweep.harness import CROSSING, SYMBOL, make_lake, write_strategy


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_lake(tmp_path)


def study(lake: Path, *words: str, text: str = CROSSING) -> Result:
    write_strategy(lake.parent, text)
    own = ["study", "crossing.py", "-s", SYMBOL, "-t", "1h", "--lake", str(lake), "--workers", "1"]
    return CliRunner().invoke(app, [*own, *words], catch_exceptions=True)


def test_a_grid_is_a_sorted_table_and_a_file(lake: Path):
    words = ["--grid", "fast=3,5", "-g", "slow=15..30..15", "-g", "size=0.1", "--out-of-sample", "5d", "--top", "3"]
    result = study(lake, *words)
    assert result.exit_code == 0, result.output
    rows = re.findall(r"│ (\d) +│ (\d+) +│ +(-?[\d.]+) │", result.output)
    assert len(rows) == 3
    assert [float(profit) for *_, profit in rows] == sorted((float(profit) for *_, profit in rows), reverse=True)
    assert "size" not in result.output.split("the best, on what followed")[0]  # the same in every run
    assert "and 1 more" in result.output
    assert len(re.findall(r"│ 2026-01-21 │ 2026-01-26 │ fast=", result.output)) == 4
    assert result.output.rstrip().endswith(f"study-crossing{os.sep}results.parquet")
    assert Path("study-crossing/results.parquet").is_file()


def test_runs_that_failed_are_counted_with_their_line(lake: Path):
    text = CROSSING.replace("    def next(self):", "    def next(self):\n        assert self.p.fast != 5, 'no five'")
    result = study(lake, "-g", "fast=3,5", "-g", "slow=15,30", text=text)
    assert result.exit_code == 0
    assert "2 of 4 runs failed" in result.output
    assert "AssertionError: no five  with fast=5 slow=15 and 1 more" in result.output
    assert study(lake, "-g", "fast=5", "-o", "out", text=text).exit_code == 1


def test_chosen_trials_and_another_objective(lake: Path):
    words = ["-g", "fast=2..6", "--optuna", "3", "--storage", "optuna.log"]
    words += ["--objective", "SQN.sqn", "--analyzer", "SQN"]
    result = study(lake, *words)
    assert result.exit_code == 0, result.output
    assert "highest SQN.sqn first" in result.output
    assert Path("optuna.log").is_file()


def test_an_interrupted_study_says_how_it_goes_on(lake: Path, monkeypatch: pytest.MonkeyPatch):
    tell = _ProgressBar.tell

    def interrupt(bar: _ProgressBar, news: StudyProgress) -> None:
        tell(bar, news)
        if news.done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(_ProgressBar, "tell", interrupt)
    result = study(lake, "-g", "fast=3,4,5", "-o", "out")
    assert result.exit_code == 130
    assert "interrupted after 2 of 3 runs, which are in out; the same command goes on" in result.output
    monkeypatch.setattr(_ProgressBar, "tell", tell)
    assert study(lake, "-g", "fast=3,4,5", "-o", "out").exit_code == 0


def test_what_is_typed_wrong_is_said(lake: Path):
    for words, said in (
        (["-g", "fast"], "--grid 'fast'"),
        (["-g", "fast=3", "--from", "soon"], "--from 'soon' is no date"),
        (["-g", "fats=3"], "Crossing has no parameter 'fats'"),
    ):
        result = study(lake, *words)
        assert isinstance(result.exception, ConfigError)
        assert said in str(result.exception)
