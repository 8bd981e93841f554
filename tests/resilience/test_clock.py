from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.resilience.clock import ExchangeClock, WallTime


class HandTime:
    """Local time that moves by hand."""

    def __init__(self, now_ms: float = 1_000_000.0, speed: float = 1.0) -> None:
        self.time_ms = now_ms
        self.speed = speed

    def now_ms(self) -> float:
        return self.time_ms


def ask(clock: ExchangeClock, local: HandTime, offset_ms: float, there_ms: float, back_ms: float) -> None:
    """A server whose clock is ``offset_ms`` ahead is asked; the question and the answer travel this long."""
    sent_ms = local.time_ms
    server_ms = sent_ms + there_ms + offset_ms
    local.time_ms += there_ms + back_ms
    clock.add_sample(sent_ms, local.time_ms, server_ms)


def test_before_the_first_sample_the_clock_is_the_local_one_and_admits_it() -> None:
    clock = ExchangeClock(HandTime(5_000.7))
    assert (clock.now_ms(), clock.offset_ms, clock.uncertainty_ms) == (5_000, 0.0, None)
    assert not clock.beyond_window(1)


def test_one_symmetric_sample_gives_the_offset_exactly() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    ask(clock, local, offset_ms=3_000, there_ms=20, back_ms=20)
    assert clock.offset_ms == 3_000
    assert clock.uncertainty_ms == 20
    assert clock.now_ms() == int(local.time_ms) + 3_000


@given(
    offset_ms=st.integers(-10_000_000, 10_000_000),
    trips=st.lists(st.tuples(st.integers(0, 800), st.integers(0, 800)), min_size=1, max_size=20),
)
def test_the_true_offset_is_always_within_the_stated_uncertainty(offset_ms: int, trips: list[tuple[int, int]]) -> None:
    local = HandTime(1e12)
    clock = ExchangeClock(local)
    for there_ms, back_ms in trips:
        ask(clock, local, offset_ms, there_ms, back_ms)
        assert clock.uncertainty_ms is not None
        assert abs(clock.offset_ms - offset_ms) <= clock.uncertainty_ms + 1e-3
    assert clock.steps == 0


def test_a_slow_answer_does_not_spoil_the_estimate_of_quick_ones() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    for _ in range(4):
        ask(clock, local, offset_ms=100, there_ms=5, back_ms=5)
    for _ in range(4):
        ask(clock, local, offset_ms=100, there_ms=10, back_ms=900)
    assert clock.offset_ms == pytest.approx(100, abs=1)


def test_stamps_may_follow_the_clock_from_before_it_was_set_back() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    assert clock.stamps_ahead_ms is None
    for offset_ms, ahead_ms in ((0, 0), (-3_600_000, 3_600_000), (-3_601_000, 3_601_000), (-1_000, 1_000), (60_000, 0)):
        for _ in range(3):
            ask(clock, local, offset_ms, there_ms=5, back_ms=5)
        assert clock.stamps_ahead_ms == pytest.approx(ahead_ms + (clock.uncertainty_ms or 0))
    assert clock.steps == 4


def test_a_clock_that_jumped_is_believed_at_the_first_sample_that_proves_it() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    for _ in range(9):
        ask(clock, local, offset_ms=0, there_ms=5, back_ms=5)
    ask(clock, local, offset_ms=2_000, there_ms=30, back_ms=30)
    assert clock.offset_ms == 2_000
    assert clock.steps == 1


@given(
    st.lists(
        st.tuples(st.integers(-900, 900), st.integers(0, 300), st.integers(0, 300), st.integers(0, 5_000)),
        min_size=2,
        max_size=30,
    )
)
def test_now_never_goes_back_after_the_first_sample(steps: list[tuple[int, int, int, int]]) -> None:
    local = HandTime(1e12)
    clock = ExchangeClock(local)
    ask(clock, local, 0, 0, 0)
    before_ms = clock.now_ms()
    for offset_ms, there_ms, back_ms, pause_ms in steps:
        ask(clock, local, offset_ms, there_ms, back_ms)
        assert clock.now_ms() >= before_ms
        local.time_ms += pause_ms
        before_ms = clock.now_ms()


def test_a_correction_by_hours_is_not_waited_out() -> None:
    local = HandTime(1e12)
    clock = ExchangeClock(local)
    ask(clock, local, 7_200_000, 1, 1)
    clock.now_ms()
    ask(clock, local, 0, 1, 1)
    assert clock.now_ms() == int(local.time_ms)


def test_the_first_sample_may_set_the_unsynchronised_clock_back() -> None:
    local = HandTime(1e12)
    clock = ExchangeClock(local)
    clock.now_ms()
    ask(clock, local, -3_000, 1, 1)
    assert clock.now_ms() == int(local.time_ms) - 3_000


def test_uncertainty_grows_while_nobody_asks() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    ask(clock, local, 0, 5, 5)
    local.time_ms += 3_600_000
    assert clock.uncertainty_ms == pytest.approx(5 + 360)


def test_whole_second_answers_are_centred_and_said_to_be_half_a_second_wrong() -> None:
    clock = ExchangeClock(HandTime(10_700))
    clock.add_sample(10_690, 10_700, 12_000, resolution_ms=1_000)
    assert clock.offset_ms == 12_500 - 10_695
    assert clock.uncertainty_ms == 505


def test_an_answer_before_its_question_is_refused() -> None:
    with pytest.raises(ValueError, match="5 ms before it was sent"):
        ExchangeClock(HandTime()).add_sample(100, 95, 100)


def test_orders_stop_when_the_offset_leaves_the_signature_window() -> None:
    local = HandTime()
    clock = ExchangeClock(local)
    ask(clock, local, 4_995, 10, 10)
    assert clock.beyond_window(5_000)  # 4995 + 10 of doubt
    assert not clock.beyond_window(5_006)
    assert not clock.beyond_window(5_000, signing_corrected=True)
    assert clock.beyond_window(9, signing_corrected=True)


def test_durations_shrink_on_an_exchange_that_runs_faster() -> None:
    clock = ExchangeClock(HandTime(speed=60.0))
    assert clock.wall_s(60_000) == 1.0
    assert clock.speed == 60.0


def test_wall_time_is_the_wall_clock_and_does_not_follow_when_it_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    wall = WallTime()
    assert abs(wall.now_ms() - time.time() * 1000) < 60_000
    before_ms = wall.now_ms()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert wall.now_ms() >= before_ms
