"""Latency is drawn as it is described, the same for the same seed; what cannot be meant is refused with every fault."""

from __future__ import annotations

import statistics
from decimal import Decimal as D

import pytest

from btccxt.errors import ConfigError
from btccxt.matching.paper_options import Latency, PaperOptions


def drawn(options: PaperOptions, count: int = 20_000) -> list[float]:
    latency = Latency(options)
    return sorted(latency.draw_ms() for _ in range(count))


def test_half_of_the_draws_take_longer_than_the_median_and_one_in_a_hundred_than_the_p99() -> None:
    draws = drawn(PaperOptions(latency_ms=40, latency_p99_ms=250))
    assert statistics.median(draws) == pytest.approx(40, rel=0.05)
    assert draws[int(len(draws) * 0.99)] == pytest.approx(250, rel=0.1)
    assert draws[0] > 0


def test_without_a_p99_it_is_always_the_same_and_a_seed_gives_the_same_draws() -> None:
    assert set(drawn(PaperOptions(latency_ms=40), 100)) == {40.0}
    spread = {"latency_ms": 40, "latency_p99_ms": 90}
    assert drawn(PaperOptions(**spread, seed=7), 50) == drawn(PaperOptions(**spread, seed=7), 50)
    assert drawn(PaperOptions(**spread, seed=7), 50) != drawn(PaperOptions(**spread, seed=8), 50)


def test_fees_in_per_cent_are_exact_and_replace_only_what_was_given() -> None:
    assert PaperOptions(maker_fee_pct=0.02).rates(D("0.001"), D("0.002")) == (D("0.0002"), D("0.002"))
    assert PaperOptions(taker_fee_pct="0.055", maker_fee_pct=-0.01).rates(D(1), D(1)) == (D("-0.0001"), D("0.00055"))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"match": "book"}, "one of 'order_book', 'best', 'trades'"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_p99_ms": 5}, "latency_p99_ms"),
        ({"latency_ms": 9, "latency_p99_ms": 5}, "not below latency_ms"),
        ({"maker_fee_pct": "much", "seed": 0.5}, "seed.*maker_fee_pct"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        PaperOptions(**given)
