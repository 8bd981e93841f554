"""One absurd answer to the question for the time is outvoted by the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from btccxt.errors import ExchangeUnavailable
from btccxt.exchange.server_time import measure_clock
from btccxt.observe.log import EventName
from btccxt.resilience.clock import ExchangeClock

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


class Local:
    speed = 1.0

    def __init__(self) -> None:
        self.ms = float(START_MS)

    def now_ms(self) -> float:
        return self.ms


class Exchange:
    """Answers each question for its time after ten milliseconds with its own clock, off by what the script says."""

    id = "exchange"

    def __init__(self, local: Local, off_ms: Sequence[int | Exception]) -> None:
        self.local, self.off_ms = local, list(off_ms)

    async def fetch_time(self) -> int:
        self.local.ms += 10
        off_ms = self.off_ms.pop(0)
        if isinstance(off_ms, Exception):
            raise off_ms
        return int(self.local.ms - 5) + off_ms


def measured(clock: ExchangeClock, local: Local, *off_ms: int | Exception) -> None:
    exchange: Any = Exchange(local, off_ms)
    asyncio.run(measure_clock(exchange, clock))


@pytest.mark.parametrize("known", [True, False], ids=["a clock that is known", "the first measurement"])
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("absurd_ms", [-HOUR_MS, HOUR_MS, 20 * 365 * 24 * HOUR_MS, -1_000])
def test_one_absurd_answer_does_not_move_the_clock(
    absurd_ms: int, place: int, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    local = Local()
    clock = ExchangeClock(local)
    if known:
        measured(clock, local, 40, 40, 40)
    answers = [40, 40, 40]
    answers[place] = absurd_ms
    measured(clock, local, *answers)
    assert clock.steps == 0
    assert clock.offset_ms == pytest.approx(40, abs=5)
    assert [EventName.CLOCK_OUTVOTED in record.getMessage() for record in caplog.records] == [True]


def test_a_step_that_the_answers_agree_on_is_believed_at_once() -> None:
    local = Local()
    clock = ExchangeClock(local)
    measured(clock, local, 0, 0, 0)
    measured(clock, local, HOUR_MS, HOUR_MS, 0)
    assert clock.steps == 1
    assert clock.offset_ms == pytest.approx(HOUR_MS, abs=5)


def test_answers_of_which_no_two_agree_change_nothing() -> None:
    local = Local()
    clock = ExchangeClock(local)
    measured(clock, local, 0, 0, 0)
    measured(clock, local, HOUR_MS, 2 * HOUR_MS, -HOUR_MS)
    assert (clock.steps, clock.offset_ms) == (0, pytest.approx(0, abs=5))


@pytest.mark.parametrize(("said_ms", "offset_ms"), [(HOUR_MS, 0), (3, 3)])
def test_a_single_answer_counts_where_it_agrees_with_what_is_known(said_ms: int, offset_ms: int) -> None:
    local = Local()
    clock = ExchangeClock(local)
    measured(clock, local, 0, 0, 0)
    with pytest.raises(ExchangeUnavailable):
        measured(clock, local, said_ms, ExchangeUnavailable("maintenance"))
    assert clock.steps == 0
    assert clock.offset_ms == pytest.approx(offset_ms, abs=5)


def test_a_single_first_answer_is_better_than_none() -> None:
    local = Local()
    clock = ExchangeClock(local)
    with pytest.raises(ExchangeUnavailable):
        measured(clock, local, HOUR_MS, ExchangeUnavailable("maintenance"))
    assert clock.offset_ms == pytest.approx(HOUR_MS, abs=5)
