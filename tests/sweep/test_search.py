"""Optuna's choices are the same for a seed, whether the study was interrupted or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from btccxt.errors import ConfigError
from btccxt.sweep.grid import Span, axes_of
from btccxt.sweep.records import Objective, StudyRun
from btccxt.sweep.search import ASKED_AT_ONCE, GridSearch, OptunaSearch
from btccxt.sweep.windows import Part

AXES = axes_of({"fast": range(2, 30), "share": Span(0.0, 1.0), "side": ["long", "short"]})
AIM = Objective("profit")


def search(trials: int, storage: Path | None = None, **given: Any) -> OptunaSearch:
    kept = None if storage is None else str(storage)
    return OptunaSearch(AXES, trials, given.get("aim", AIM), given.get("seed", 1), "study", kept)


def outcome(params: dict[str, Any]) -> StudyRun:
    if params["fast"] == 5:
        return StudyRun(0, Part.TRAIN, params, error="no")
    return StudyRun(0, Part.TRAIN, params, {"profit": -((params["fast"] - 20) ** 2) - params["share"]})


def tried(made: OptunaSearch, batches: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(batches):
        asked = made.ask()
        if not asked:
            break
        found += asked
        made.tell([outcome(params) for params in asked])
    return found


def test_the_same_seed_tries_the_same():
    first = tried(search(40))
    assert len(first) == 40
    assert first == tried(search(40))
    assert first != tried(search(40, seed=2))


def test_what_was_found_decides_what_comes_next():
    first, later = tried(search(80))[:ASKED_AT_ONCE], tried(search(80))[-ASKED_AT_ONCE:]
    off = [sum(abs(each["fast"] - 20) for each in batch) for batch in (first, later)]
    assert off[1] < off[0] / 2


def test_an_interrupted_study_goes_on_as_if_it_had_not_been(tmp_path: Path):
    whole = tried(search(40, tmp_path / "whole.log"))
    early = search(40, tmp_path / "cut.log")
    before = tried(early, batches=1)
    lost = early.ask()  # and the process is killed
    after = search(40, tmp_path / "cut.log")
    assert before + tried(after) == whole
    assert lost == whole[ASKED_AT_ONCE : 2 * ASKED_AT_ONCE]
    assert tried(search(40, tmp_path / "cut.log")) == []


def test_a_database_keeps_a_study_as_well(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/study.sqlite"
    first = tried(OptunaSearch(AXES, 3, AIM, 1, "study", url))
    assert len(first) == 3
    assert len(tried(OptunaSearch(AXES, 5, AIM, 1, "study", url))) == 2


def test_the_lowest_may_be_wanted():
    best = tried(search(80, aim=Objective("profit", minimise=True)))[-ASKED_AT_ONCE:]
    assert sum(each["fast"] < 8 for each in best) > ASKED_AT_ONCE / 2


def test_a_storage_that_cannot_be_used_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match="storage sqlite:////nowhere/x: Optuna cannot use it"):
        OptunaSearch(AXES, 3, AIM, 0, "study", "sqlite:////nowhere/x")


def test_a_grid_is_asked_once():
    made = GridSearch(axes_of({"a": [1, 2]}))
    assert (made.total, made.ask(), made.ask()) == (2, [{"a": 1}, {"a": 2}], [])
