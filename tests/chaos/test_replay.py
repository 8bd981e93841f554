"""A seed replays exactly: every request, every answer, every switch between threads, at the same instants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.chaos.__main__ import differences, told
from tests.chaos.run import Outcome
from tests.chaos.stage import Job, Stage, StageLost

JOBS = [
    Job(101, wire="SPOT"),
    Job(102, wire="LINEAR"),
    Job(2, kill=True),
    Job(3, kill=True),
]
SEEDS = range(1, 33)  # seeds in which a planted fault may be found


@contextmanager
def _busy_machine() -> Iterator[None]:
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _story(*outcomes: Outcome) -> str:
    return "\n".join(line for outcome in outcomes for line in told(outcome))


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS, ids=str)
def test_a_seed_replays_exactly(stage: Stage, job: Job):
    outcomes = stage.play(job), stage.play(job)
    assert differences(outcomes) == [], _story(*outcomes)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].problems == (), _story(outcomes[0])
    assert len(outcomes[0].log) > 30
    if job.kill:
        assert sum("the bot is dead" in line for line in outcomes[0].log) == 3
    else:
        assert any("FAULT" in line for line in outcomes[0].log), _story(outcomes[0])


@pytest.mark.slow
@pytest.mark.parametrize("job", [Job(102, steps=3, wire="LINEAR"), Job(2, kill=True, lives=1)], ids=str)
def test_it_replays_on_a_busy_machine_whose_threads_dawdle_and_in_another_process(stage: Stage, job: Job):
    quiet = stage.play(job)
    with _busy_machine(), Stage() as other:
        busy = other.play(replace(job, planted="a slow machine"))
    assert differences((quiet, busy)) == [], _story(quiet, busy)


def test_other_seeds_are_other_plays(stage: Stage):
    """Otherwise the tests above would prove nothing."""
    outcomes = [stage.play(Job(seed, steps=3, wire="SPOT")) for seed in (101, 103)]
    assert differences(outcomes) != []


def _first_that_fails(stage: Stage, jobs: Iterable[Job]) -> tuple[Job, Outcome]:
    return next((job, outcome) for job in jobs if (outcome := stage.play(job)).problems)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "kill", "first"),  # the seed that is likely to find it is tried first
    [
        ("fills that are told again count again", False, 1),
        ("tickets are kept in memory", True, 1),
        ("requests leave before their tickets are on disk", True, 4),
    ],
)
def test_a_fault_in_btccxt_is_found_and_the_failing_seed_fails_again_in_the_very_same_way(
    stage: Stage, planted: str, kill: bool, first: int
):
    seeds = [Job(seed, kill=kill, wire="SPOT", planted=planted) for seed in (first, *SEEDS)]
    job, failed = _first_that_fails(stage, seeds)
    again = stage.play(job)
    assert failed == again, differences((failed, again))
    sound = stage.play(replace(job, planted=""))
    assert sound.problems == (), _story(sound)


def test_a_play_that_comes_to_nothing_says_so(stage: Stage):
    with pytest.raises(StageLost, match="no such fault"):
        stage.play(Job(1, planted="no such fault"))
    assert stage.play(Job(1, steps=2)).problems == ()
