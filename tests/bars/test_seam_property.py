"""Promise 1: any mix of history pages, forming and closed frames, duplicates, reordering, cuts, lagging REST and
restarts gives exactly the exchange's bars, each once, in order, and exactly its holes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.bars.closing import BarCloser, Correction
from btccxt.bars.seam import Hole, Page, Seam
from btccxt.model import Bar, BarUpdate
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, bars

MINUTE = 60_000
TF = parse_timeframe("1m")
START = 1_700_000_040_000
GRACE_MS = 2_000
MOST_LAG_MS = 25_000  # what six doubling retries of a second outlast

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.sampled_from([1, 100, 5_000, 20_000, 30_000, 60_000, 150_000])),
        st.tuples(st.just("pass"), st.integers(1, 60_000)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("up"), st.just(0)),
        st.tuples(st.just("up"), st.just(0)),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("answer"), st.integers(1, 8)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("lag"), st.integers(0, MOST_LAG_MS)),
    ),
    min_size=25,
    max_size=80,
)


class World:
    """An exchange, its stream and its REST, a consumer, and somebody who pulls the plug."""

    def __init__(self, existing: list[Bar], flagged: bool, sends_empty: bool, seed: int) -> None:
        self.existing = existing
        self.opens = [row.open_ms for row in existing]
        self.flagged = flagged
        self.sends_empty = sends_empty
        self.random = Random(seed)
        self.now = START + 30_000
        self.lag = 0
        self.connected = False
        self.delivered: list[Bar] = []
        self.holes: list[Hole] = []
        self.in_flight: Page | None = None
        self._start_consumer()

    def _start_consumer(self) -> None:
        last = self.delivered[-1].open_ms if self.delivered else None
        self.seam = Seam(
            TF,
            start_ms=START if last is None else None,
            last_open_ms=last,
            grace_ms=GRACE_MS,
            sends_empty_bars=self.sends_empty,
        )
        self.closer = BarCloser(TF, GRACE_MS)
        self.in_flight = None
        self.connected = False

    def take(self, events: list[Bar | Hole | Correction]) -> None:
        for event in events:
            assert not isinstance(event, Correction), "the exchange changed nothing, so nothing may look changed"
            if isinstance(event, Hole):
                self.holes.append(event)
            else:
                self.delivered.append(event)

    # ------------------------------------------------------------ the exchange

    def between(self, from_ms: int, to_ms: int) -> list[Bar]:
        return self.existing[bisect_left(self.opens, from_ms) : bisect_right(self.opens, to_ms)]

    def frames(self, from_ms: int, to_ms: int) -> list[BarUpdate]:
        """What the stream sends in a span of time, duplicated and, as far as flags allow, out of order."""
        result: list[tuple[float, BarUpdate]] = []
        for row in self.between(from_ms - 2 * MINUTE, to_ms):
            states = [(20_000, 0.25, False), (40_000, 0.5, False), (59_900, 1.0, False)]
            if self.flagged:
                states.append((60_100, 1.0, True))
            for offset, share, closed in states:
                if from_ms < row.open_ms + offset <= to_ms:
                    content = row if share == 1.0 else replace(row, close=row.low, volume=row.volume * share)
                    update = BarUpdate(SYMBOL, "1m", content, closed if self.flagged else None)
                    for _ in range(self.random.choice([1, 1, 2])):
                        # Without flags the order of bars is all that closes them: only one bar's frames are shuffled.
                        place = self.random.random() if self.flagged else row.open_ms + self.random.random()
                        result.append((place, update))
        return [update for _, update in sorted(result, key=lambda pair: pair[0])]

    def answer(self, from_ms: int, to_ms: int, most: int) -> Page:
        known_ms = self.now - self.lag
        to_ms = min(to_ms, from_ms + most * MINUTE)
        rows = self.between(from_ms, known_ms)[: most + 1]
        closed = [row for row in rows if row.open_ms + MINUTE <= min(known_ms, self.now - GRACE_MS)]
        return Page(
            from_ms, to_ms, [row for row in closed if row.open_ms < to_ms], rows[-1].open_ms if rows else from_ms
        )

    # ------------------------------------------------------------ what may happen

    def step(self, what: str, number: int) -> None:
        if what == "pass":
            before, self.now = self.now, self.now + number
            if self.connected:
                self.stream(before)
        elif what == "cut":
            self.connected = False
            self.closer.reset()
            self.seam.on_disconnected()
        elif what == "up":
            self.connected = True
            self.closer.reset()
            self.seam.on_reconnected(self.now)
        elif what == "ask":
            gap = self.seam.gap(self.now)
            if gap is not None:
                self.in_flight = self.answer(gap.from_ms, gap.to_ms, self.random.randint(1, 8))
        elif what == "answer" and self.in_flight is not None:
            page, self.in_flight = self.in_flight, None
            self.take(self.seam.on_page(page, self.now))
        elif what == "restart":
            self._start_consumer()
        elif what == "lag":
            self.lag = number

    def stream(self, since_ms: int) -> None:
        for update in self.frames(since_ms, self.now):
            for event in self.closer.on_update(update):
                assert isinstance(event, Bar)
                self.take(self.seam.on_live(event))
            if not self.sends_empty:
                self.seam.expect(self.closer.newest_open_ms)

    def settle(self) -> None:
        """Peace: the stream serves, REST catches up, everything is asked for."""
        self.lag = 0
        self.step("up", 0)
        for _ in range(200):
            self.step("pass", 1_000)
            self.step("ask", 0)
            self.step("answer", 0)


def expected_holes(existing: list[Bar], delivered: list[Bar]) -> list[tuple[int, int]]:
    result, position = [], START
    for row in existing[: len(delivered)]:
        if row.open_ms > position:
            result.append((position, row.open_ms))
        position = row.open_ms + MINUTE
    return result


@pytest.mark.parametrize("flagged", [True, False], ids=["closed flag", "no flag"])
@pytest.mark.parametrize("sends_empty", [True, False], ids=["empty bars exist", "no trades, no bar"])
@settings(max_examples=80, deadline=None)
@given(steps=STEPS, absent=st.sets(st.integers(0, 59), max_size=25), seed=st.integers(0, 2**32))
def test_exactly_the_exchanges_bars_come_out(
    flagged: bool, sends_empty: bool, steps: list[Step], absent: set[int], seed: int
) -> None:
    existing = bars("1m", START, 240, without=sorted(absent))
    world = World(existing, flagged, sends_empty, seed)
    for what, number in steps:
        if world.now < START + 150 * MINUTE:
            world.step(what, number)
    world.settle()

    # The last minute may still be on its way: inside its grace, or waiting for the proof of a hole before it.
    closed = [row for row in existing if row.open_ms + 2 * MINUTE <= world.now]
    assert world.delivered[: len(closed)] == closed
    assert world.delivered == existing[: len(world.delivered)]
    assert [(hole.from_ms, hole.to_ms) for hole in world.holes] == expected_holes(existing, world.delivered)
