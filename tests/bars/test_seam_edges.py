"""The seam at its edges: the first and last bar, the waits between questions, what is remembered and how long."""

from __future__ import annotations

import pytest

from btccxt.bars.closing import Correction
from btccxt.bars.seam import Gap, Hole, HoleCause, Seam, closed_until
from btccxt.timeframe import parse_timeframe
from tests.bars.test_seam import MINUTE, TF, page, seam
from tests.fakes import bar, bars

JANUARY, MARCH, DAY = 1_704_067_200_000, 1_709_251_200_000, 86_400_000  # 2024


@pytest.mark.parametrize(
    ("timeframe", "open_ms", "now_ms", "until_ms"),
    [
        ("1m", 15_000, 3 * MINUTE, 135_000),  # the exchange's own alignment
        ("1m", MINUTE, MINUTE, MINUTE),
        ("1M", JANUARY, MARCH + DAY, MARCH),
        ("1M", JANUARY + 14 * DAY, JANUARY + 20 * DAY, JANUARY + 14 * DAY),
        ("1M", MARCH, JANUARY, MARCH),
    ],
)
def test_what_is_closed_is_counted_from_the_bar_at_hand(
    timeframe: str, open_ms: int, now_ms: int, until_ms: int
) -> None:
    assert closed_until(parse_timeframe(timeframe), open_ms, now_ms) == until_ms


def test_by_default_a_bar_has_two_seconds_to_come_and_six_answers_to_be_there() -> None:
    joined = Seam(TF, last_open_ms=0)
    assert (joined.gap(2 * MINUTE + 1_999), joined.gap(2 * MINUTE + 2_000)) == (None, Gap(MINUTE, 2 * MINUTE))
    later = bar(2 * MINUTE)
    joined.on_live(later)
    now, nothing = 3 * MINUTE, page([], MINUTE, 2 * MINUTE)
    for wait_ms in (1_000, 2_000, 4_000, 8_000, 16_000):
        assert joined.on_page(nothing, now) == []
        assert (joined.gap(now + wait_ms - 1), joined.gap(now + wait_ms)) == (None, Gap(MINUTE, 2 * MINUTE))
        now += wait_ms
    assert joined.on_page(nothing, now) == [Hole(MINUTE, 2 * MINUTE, HoleCause.EXCHANGE), later]


def test_the_first_answer_without_the_bar_costs_the_shortest_wait_also_where_nothing_is_held() -> None:
    joined = seam(start_ms=None, last_open_ms=0, retry_ms=1_000)
    joined.on_page(page([], MINUTE, 2 * MINUTE), 2 * MINUTE)
    assert joined.deadline_ms == 2 * MINUTE + 1_000


def test_a_bar_that_opened_before_the_start_is_not_wanted() -> None:
    joined = seam(start_ms=1)
    assert joined.on_live(bar(0)) == []
    assert joined.on_live(bar(MINUTE)) == [bar(MINUTE)]


def test_nothing_at_or_after_the_end_is_passed_on_whoever_brings_it() -> None:
    rows = bars("1m", 0, 6)
    joined = seam(end_ms=4 * MINUTE)
    assert joined.on_live(rows[4]) == [] and joined.held == 0
    assert joined.on_page(page(rows, 0, 6 * MINUTE), 6 * MINUTE) == rows[:4]
    by_page = seam(end_ms=4 * MINUTE)
    assert by_page.on_page(page(rows[:4], 0, 4 * MINUTE, seen_to_ms=4 * MINUTE), 6 * MINUTE) == rows[:4]
    assert by_page.has_ended


def test_a_bar_that_waits_and_comes_again_is_known_and_a_changed_one_is_reported() -> None:
    joined = seam()
    kept, changed = bar(3 * MINUTE, 100), bar(3 * MINUTE, 101)
    assert joined.on_live(kept) == joined.on_live(kept) == []
    assert joined.on_live(changed) == [Correction(kept, changed)]
    assert joined.held == 1


def test_every_correction_of_a_page_is_reported_beside_what_else_it_brings() -> None:
    joined = seam(confirmations=1)
    old, new = [bar(0, 100), bar(MINUTE, 100)], [bar(0, 101), bar(MINUTE, 101)]
    for row in old:
        joined.on_live(row)
    later = bar(4 * MINUTE)
    joined.on_live(later)
    corrections = [Correction(*pair) for pair in zip(old, new, strict=True)]
    hole = Hole(2 * MINUTE, 4 * MINUTE, HoleCause.EXCHANGE)
    assert joined.on_page(page(new, 0, 4 * MINUTE), 5 * MINUTE) == [*corrections, hole, later]


def test_the_latest_64_bars_are_remembered() -> None:
    joined = seam()
    for row in bars("1m", 0, 100):
        joined.on_live(row)
    told = [position for position in range(100) if joined.on_live(bar(position * MINUTE, 1.0))]
    assert told == list(range(36, 100))


def test_an_answer_about_what_is_here_already_is_no_reason_to_wait() -> None:
    joined = seam()
    joined.on_live(bar(0))
    joined.on_page(page([], 0, MINUTE), 2 * MINUTE)
    assert joined.gap(2 * MINUTE) == Gap(MINUTE, 2 * MINUTE)


def test_while_a_later_bar_waits_the_questions_become_as_rare_as_once_a_minute() -> None:
    joined = seam(retry_ms=1_000, confirmations=20)
    joined.on_live(bar(5 * MINUTE))
    now, waits = 5 * MINUTE, []
    for _ in range(8):
        joined.on_page(page([], 0, 5 * MINUTE), now)
        assert joined.deadline_ms is not None
        waits.append(joined.deadline_ms - now)
        now = joined.deadline_ms
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]


def test_where_nothing_waits_the_close_of_another_bar_is_a_reason_to_ask() -> None:
    joined = seam(start_ms=None, last_open_ms=0, grace_ms=2_000, retry_ms=30_000)
    joined.on_page(page([], MINUTE, 2 * MINUTE), 3 * MINUTE - 1_000)
    assert joined.deadline_ms == 3 * MINUTE + 2_000


def test_a_reconnect_asks_at_once_and_begins_the_waits_anew() -> None:
    joined = seam(start_ms=None, last_open_ms=0, retry_ms=1_000)
    for second in (0, 10, 20):
        joined.on_page(page([], MINUTE, 2 * MINUTE), 2 * MINUTE + second * 1_000)
    now = 2 * MINUTE + 21_000
    assert joined.gap(now) is None
    joined.on_reconnected(now)
    assert joined.gap(now) == Gap(MINUTE, 2 * MINUTE)
    joined.on_page(page([], MINUTE, 2 * MINUTE), now)
    assert joined.deadline_ms == now + 1_000


def test_silence_counts_as_no_trades_only_while_connected_and_until_a_bar_was_asked_for_in_vain() -> None:
    joined = seam(sends_empty_bars=False, confirmations=2)
    assert joined.gap(3 * MINUTE) == Gap(0, 3 * MINUTE)  # nobody listens yet
    joined.on_page(page(bars("1m", 0, 3), 0, 3 * MINUTE), 3 * MINUTE)
    joined.on_reconnected(3 * MINUTE)
    for second in (0, 10):
        assert joined.gap(4 * MINUTE + second * 1_000) == Gap(3 * MINUTE, 4 * MINUTE)
        joined.on_page(page([], 3 * MINUTE, 4 * MINUTE), 4 * MINUTE + second * 1_000)
    assert joined.gap(9 * MINUTE) is None and joined.deadline_ms is None
    joined.on_disconnected()
    assert joined.gap(9 * MINUTE) == Gap(3 * MINUTE, 9 * MINUTE)


def test_what_was_forgone_is_not_the_exchanges_fault_and_what_is_missing_after_it_is() -> None:
    joined = seam(start_ms=None, last_open_ms=0)
    assert joined.forgo(3 * MINUTE) == []
    second, fifth = bar(2 * MINUTE), bar(5 * MINUTE)
    assert joined.on_live(second) == [Hole(MINUTE, 2 * MINUTE, HoleCause.NOT_ASKED), second]
    assert joined.on_live(fifth) == []
    found = joined.on_page(page([], 3 * MINUTE, 5 * MINUTE, seen_to_ms=5 * MINUTE), 6 * MINUTE)
    assert found == [Hole(3 * MINUTE, 5 * MINUTE, HoleCause.EXCHANGE), fifth]
