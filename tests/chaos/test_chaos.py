"""Seeded chaos: faults of every kind while a strategy trades. The long set: ``python -m tests.chaos 1-3000``."""

from __future__ import annotations

import pytest

from btccxt.sim.faults import FaultKind
from tests.chaos.__main__ import differences, told
from tests.chaos.run import run_scenario
from tests.chaos.scenario import make_scenario
from tests.chaos.wires import LINEAR, SPOT, Wire


@pytest.mark.parametrize("seed", range(1, 13))
def test_no_intent_is_lost_or_doubled_and_the_books_equal_the_exchanges(seed: int):
    outcome = run_scenario(make_scenario(seed, steps=6))
    assert outcome.problems == (), "\n".join((f"python -m tests.chaos {seed} --steps 6", *told(outcome)))


@pytest.mark.parametrize("wire", [SPOT, LINEAR], ids=["spot", "linear"])
@pytest.mark.parametrize("seed", [101, 102])
def test_a_seed_replays_exactly(seed: int, wire: Wire):
    """The same intents with the same ends, fills, costs and fees, the same coins, the same orders struck by faults."""
    outcomes = tuple(run_scenario(make_scenario(seed, steps=6, wire=wire)) for _ in range(2))
    assert differences(outcomes) == [], "\n".join(line for outcome in outcomes for line in told(outcome))
    assert outcomes[0].strikes != ()


def test_the_short_set_strikes_requests_before_and_after_acceptance_and_frames_on_both_exchanges():
    scenarios = [make_scenario(seed, steps=6) for seed in range(1, 13)]
    kinds = {fault.kind for scenario in scenarios for step in scenario.steps for fault in step.faults}
    assert {FaultKind.DROP_REQUEST, FaultKind.LOSE_ANSWER, FaultKind.ERROR_AFTER, FaultKind.LOSE_FRAME} <= kinds
    assert {FaultKind.CLOCK_SKEW, FaultKind.RATE_LIMIT, FaultKind.HTML_ANSWER, FaultKind.DUPLICATE} <= kinds
    assert {scenario.wire.exchange for scenario in scenarios} == {SPOT.exchange, LINEAR.exchange}
