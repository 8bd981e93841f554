from __future__ import annotations

import random
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from btccxt.resilience.backoff import Backoff


@given(st.integers())
def test_every_delay_is_bounded_and_the_first_is_short(seed: int) -> None:
    policy = Backoff(first_s=0.5, start_s=1.0, factor=2.0, max_s=30.0, jitter=0.2)
    first, *rest = islice(policy.delays(random.Random(seed)), 12)
    assert 0 <= first <= 0.5
    for attempt, delay_s in enumerate(rest):
        nominal_s = min(30.0, 2.0**attempt)
        assert 0.8 * nominal_s <= delay_s <= min(30.0, 1.2 * nominal_s)


def test_two_clients_do_not_come_back_in_step() -> None:
    policy = Backoff()
    one = list(islice(policy.delays(random.Random(1)), 5))
    other = list(islice(policy.delays(random.Random(2)), 5))
    assert all(mine != theirs for mine, theirs in zip(one, other, strict=True))


def test_the_same_seed_gives_the_same_delays() -> None:
    assert list(islice(Backoff().delays(random.Random(7)), 9)) == list(islice(Backoff().delays(random.Random(7)), 9))


def test_delays_never_end() -> None:
    assert len(list(islice(Backoff().delays(random.Random(0)), 5_000))) == 5_000
