"""Seeded chaos: faults of every kind while a strategy trades. The long set: ``python -m tests.chaos 1-3000 -j 2``."""

from __future__ import annotations

import pytest

from btccxt.sim.faults import FaultKind
from tests.chaos.run import run_scenario
from tests.chaos.scenario import make_scenario


@pytest.mark.parametrize("seed", range(1, 13))
def test_no_intent_is_lost_or_doubled_and_the_books_equal_the_exchanges(seed: int):
    outcome = run_scenario(make_scenario(seed, steps=6))
    assert outcome.problems == (), "\n".join((f"python -m tests.chaos {seed} --steps 6", *outcome.story))


def test_a_seed_replays_exactly():
    """The same orders with the same ends, fills, costs and fees, the same coins, and the same requests struck."""
    first, second = (run_scenario(make_scenario(1, steps=6)) for _ in range(2))
    assert first.scenario == second.scenario
    assert first.digest == second.digest
    struck = [[each for each in outcome.strikes if "POST" in each] for outcome in (first, second)]
    assert struck[0] == struck[1] != []


def test_the_short_set_strikes_requests_before_and_after_acceptance_and_frames():
    kinds = {
        fault.kind for seed in range(1, 13) for step in make_scenario(seed, steps=6).steps for fault in step.faults
    }
    assert {FaultKind.DROP_REQUEST, FaultKind.LOSE_ANSWER, FaultKind.ERROR_AFTER, FaultKind.LOSE_FRAME} <= kinds
    assert {FaultKind.CLOCK_SKEW, FaultKind.RATE_LIMIT, FaultKind.HTML_ANSWER, FaultKind.DUPLICATE} <= kinds
