"""Seeded chaos: faults of every kind while a strategy trades. The long set: ``python -m tests.chaos 1-3000``."""

from __future__ import annotations

import pytest

from btccxt.sim.faults import FaultKind
from tests.chaos.__main__ import command, told
from tests.chaos.scenario import make_scenario
from tests.chaos.stage import Job, Stage


@pytest.mark.parametrize("seed", range(1, 25))
def test_no_intent_is_lost_or_doubled_and_the_books_equal_the_exchanges(stage: Stage, seed: int):
    outcome = stage.play(Job(seed))
    assert outcome.problems == (), "\n".join((command(Job(seed)), *told(outcome)))


@pytest.mark.parametrize("seed", range(1, 5))
def test_the_same_holds_with_the_machines_own_threads_and_clock(stage: Stage, seed: int):
    outcome = stage.play(Job(seed, steps=6, free=True))
    assert outcome.problems == (), "\n".join(told(outcome))


def test_the_short_set_strikes_requests_before_and_after_acceptance_and_frames_on_every_account():
    scenarios = [make_scenario(seed) for seed in range(1, 25)]
    kinds = {fault.kind for scenario in scenarios for step in scenario.steps for fault in step.faults}
    assert {FaultKind.DROP_REQUEST, FaultKind.LOSE_ANSWER, FaultKind.ERROR_AFTER, FaultKind.LOSE_FRAME} <= kinds
    assert {FaultKind.CLOCK_SKEW, FaultKind.RATE_LIMIT, FaultKind.HTML_ANSWER, FaultKind.DUPLICATE} <= kinds
    assert {scenario.wire.name for scenario in scenarios} == {"SPOT", "LINEAR", "HEDGE", "INVERSE"}
