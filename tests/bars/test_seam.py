"""History and live, joined: the cases one by one. ``test_seam_property.py`` mixes them."""

import pytest

from btccxt.bars.closing import Correction
from btccxt.bars.seam import Gap, Hole, HoleCause, Page, Seam, closed_until, first_open
from btccxt.model import Bar
from btccxt.timeframe import Timeframe, parse_timeframe
from tests.fakes import bar, bars

MINUTE = 60_000
TF = parse_timeframe("1m")


def seam(timeframe: Timeframe = TF, **settings: object) -> Seam:
    return Seam(timeframe, **{"start_ms": 0, "grace_ms": 0, **settings})  # type: ignore[arg-type]


def page(rows: list[Bar], from_ms: int, to_ms: int, seen_to_ms: int | None = None) -> Page:
    return Page(from_ms, to_ms, rows, seen_to_ms if seen_to_ms is not None else rows[-1].open_ms if rows else from_ms)


def test_the_whole_past_is_asked_for_first_and_the_forming_bar_is_not() -> None:
    assert seam().gap(now_ms=10 * MINUTE + 30_000) == Gap(0, 10 * MINUTE)


def test_a_start_inside_a_bar_begins_with_the_next_one() -> None:
    assert seam(start_ms=1).next_open_ms == MINUTE


def test_live_bars_in_order_pass_at_once() -> None:
    joined = seam()
    rows = bars("1m", 0, 3)
    assert [joined.on_live(row) for row in rows] == [[row] for row in rows]
    assert joined.last_open_ms == 2 * MINUTE


def test_a_live_bar_beyond_a_gap_waits_for_history_and_follows_it() -> None:
    joined = seam()
    rows = bars("1m", 0, 5)
    assert joined.on_live(rows[4]) == []
    assert joined.held == 1
    assert joined.gap(5 * MINUTE) == Gap(0, 4 * MINUTE)
    assert joined.on_page(page(rows[:4], 0, 4 * MINUTE), 5 * MINUTE) == rows
    assert joined.gap(5 * MINUTE) is None


def test_history_that_overlaps_live_gives_each_bar_once() -> None:
    joined = seam()
    rows = bars("1m", 0, 6)
    assert joined.on_live(rows[0]) == [rows[0]]
    joined.on_live(rows[3])
    assert joined.on_page(page(rows[:5], 0, 5 * MINUTE), 6 * MINUTE) == rows[1:5]
    assert joined.on_live(rows[4]) == []
    assert joined.on_live(rows[5]) == [rows[5]]


def test_a_bar_that_the_exchange_skipped_is_reported_as_a_hole_once_a_later_one_is_there() -> None:
    joined = seam()
    rows = bars("1m", 0, 6, without=[2, 3])
    events = joined.on_page(page(rows, 0, 6 * MINUTE), 6 * MINUTE)
    assert events == [*rows[:2], Hole(2 * MINUTE, 4 * MINUTE, HoleCause.EXCHANGE), *rows[2:]]


def test_bars_missing_at_the_end_of_an_answer_are_late_not_holes() -> None:
    joined = seam(retry_ms=1_000)
    rows = bars("1m", 0, 3)
    assert joined.on_page(page(rows[:2], 0, 3 * MINUTE), 3 * MINUTE) == rows[:2]
    now = 3 * MINUTE
    for _ in range(20):
        assert joined.missing(now) is not None
        now += 10_000
        assert joined.on_page(page([], 2 * MINUTE, 3 * MINUTE), now) == []
    assert joined.on_page(page(rows[2:], 2 * MINUTE, 3 * MINUTE), now) == rows[2:]


def test_after_an_answer_that_did_not_help_the_next_question_waits_longer_and_longer() -> None:
    joined = seam(retry_ms=1_000)
    joined.on_live(bar(5 * MINUTE))
    now = 5 * MINUTE
    waits = []
    for _ in range(4):
        joined.on_page(page([], 0, 5 * MINUTE), now)
        assert joined.gap(now) is None
        assert joined.deadline_ms is not None
        waits.append(joined.deadline_ms - now)
        now = joined.deadline_ms
        assert joined.gap(now) is not None
    assert waits == [1_000, 2_000, 4_000, 8_000]


def test_a_bar_that_never_comes_is_given_up_after_the_stated_number_of_answers() -> None:
    joined = seam(confirmations=3, last_open_ms=0, start_ms=None)
    later = bar(5 * MINUTE)
    joined.on_live(later)
    nothing = page([], MINUTE, 5 * MINUTE)
    assert joined.on_page(nothing, 5 * MINUTE) == []
    assert joined.on_page(nothing, 5 * MINUTE + 1_000) == []
    assert joined.on_page(nothing, 5 * MINUTE + 3_000) == [Hole(MINUTE, 5 * MINUTE, HoleCause.EXCHANGE), later]


def test_answers_from_before_a_later_bar_was_known_prove_nothing() -> None:
    joined = seam(confirmations=2, last_open_ms=0, start_ms=None)
    for second in range(5):
        joined.on_page(page([], MINUTE, 2 * MINUTE), 2 * MINUTE + second * 1_000)
    assert joined.on_live(bar(2 * MINUTE)) == []
    assert joined.on_page(page([], MINUTE, 2 * MINUTE), 3 * MINUTE) == []


def test_a_history_that_begins_later_than_asked_is_reported_as_depth() -> None:
    joined = seam()
    rows = bars("1m", 10 * MINUTE, 2)
    assert joined.on_page(page(rows, 0, 12 * MINUTE), 12 * MINUTE)[0] == Hole(0, 10 * MINUTE, HoleCause.DEPTH)


def test_a_restart_continues_after_the_last_bar_that_was_passed_on() -> None:
    joined = seam(start_ms=None, last_open_ms=3 * MINUTE)
    assert joined.gap(6 * MINUTE) == Gap(4 * MINUTE, 6 * MINUTE)
    rows = bars("1m", 2 * MINUTE, 4)
    assert joined.on_page(page(rows, 4 * MINUTE, 6 * MINUTE), 6 * MINUTE) == rows[2:]


def test_a_released_bar_that_comes_again_changed_is_reported() -> None:
    joined = seam()
    released, changed = bar(0, 100), bar(0, 101)
    joined.on_live(released)
    assert joined.on_live(released) == []
    assert joined.on_live(changed) == [Correction(released, changed)]
    assert joined.on_page(page([changed], 0, MINUTE), MINUTE) == [Correction(released, changed)]


def test_a_bar_that_is_held_follows_rest_since_nobody_saw_it_yet() -> None:
    joined = seam()
    pushed, asked = bar(MINUTE, 100), bar(MINUTE, 101)
    joined.on_live(pushed)
    assert joined.on_page(page([bar(0), asked], 0, 2 * MINUTE), 2 * MINUTE) == [bar(0), asked]


def test_without_a_stream_each_bar_is_asked_for_just_after_its_close() -> None:
    joined = seam(grace_ms=2_000)
    joined.on_disconnected()
    for position in range(3):
        close = (position + 1) * MINUTE
        assert joined.gap(close + 1_999) is None
        assert joined.deadline_ms == close + 2_000
        assert joined.gap(close + 2_000) == Gap(position * MINUTE, close)
        row = bar(position * MINUTE)
        assert joined.on_page(page([row], position * MINUTE, close), close + 2_000) == [row]


def test_where_bars_without_trades_do_not_exist_a_connected_silence_is_not_asked_about() -> None:
    joined = seam(sends_empty_bars=False, start_ms=10 * MINUTE)
    joined.on_reconnected(10 * MINUTE + 1_000)
    assert joined.gap(11 * MINUTE) == Gap(10 * MINUTE, 11 * MINUTE)  # it may have traded before the stream was up
    row = bar(10 * MINUTE)
    joined.on_page(page([row], 10 * MINUTE, 11 * MINUTE), 11 * MINUTE)
    assert joined.gap(20 * MINUTE) is None
    assert joined.deadline_ms is None

    joined.expect(20 * MINUTE)  # a forming bar was seen
    assert joined.deadline_ms is not None
    assert joined.gap(21 * MINUTE) == Gap(11 * MINUTE, 21 * MINUTE)

    joined.on_disconnected()
    assert joined.gap(25 * MINUTE) == Gap(11 * MINUTE, 25 * MINUTE)


def test_bars_missing_between_two_trades_are_reported_as_no_trades() -> None:
    joined = seam(sends_empty_bars=False, start_ms=None, last_open_ms=0)
    joined.on_reconnected(MINUTE)
    later = bar(4 * MINUTE)
    joined.on_live(later)
    hole = Hole(MINUTE, 4 * MINUTE, HoleCause.NO_TRADES)
    assert joined.on_page(page([], MINUTE, 4 * MINUTE, seen_to_ms=4 * MINUTE), 5 * MINUTE) == [hole, later]


@pytest.mark.parametrize("days_before", [1, 3])
def test_weeks_that_begin_on_another_day_are_not_holes(days_before: int) -> None:
    weekly = parse_timeframe("1w")
    thursday = 1_700_697_600_000  # 2023-11-23; weeks are expected to begin on Mondays
    joined = Seam(weekly, start_ms=thursday - days_before * 86_400_000, grace_ms=0)
    rows = bars("1w", thursday, 3)
    now = rows[-1].open_ms + 7 * 86_400_000
    assert joined.on_page(page(rows, joined.next_open_ms, now), now) == rows
    assert joined.gap(now + 6 * 86_400_000) is None


def test_months_are_joined_by_the_calendar() -> None:
    monthly = parse_timeframe("1M")
    january = 1_704_067_200_000  # 2024
    rows = bars("1M", january, 5, without=[2])
    joined = Seam(monthly, start_ms=january, grace_ms=0)
    events = joined.on_page(page(rows, january, rows[-1].open_ms + 1), rows[-1].open_ms)
    march, april = 1_709_251_200_000, 1_711_929_600_000
    assert events == [*rows[:2], Hole(march, april, HoleCause.EXCHANGE), *rows[2:]]


def test_an_end_stops_the_seam_even_if_the_last_bars_never_existed() -> None:
    joined = seam(end_ms=4 * MINUTE, confirmations=2)
    rows = bars("1m", 0, 6)
    assert joined.gap(60 * MINUTE) == Gap(0, 4 * MINUTE)
    assert joined.on_page(page(rows[:2], 0, 4 * MINUTE), 60 * MINUTE) == rows[:2]
    assert joined.on_live(rows[5]) == []
    assert not joined.has_ended
    joined.on_page(page([], 2 * MINUTE, 4 * MINUTE), 60 * MINUTE)
    events = joined.on_page(page([], 2 * MINUTE, 4 * MINUTE), 61 * MINUTE)
    assert events == [Hole(2 * MINUTE, 4 * MINUTE, HoleCause.EXCHANGE)]
    assert joined.has_ended
    assert joined.gap(70 * MINUTE) is None


def test_a_seam_wants_exactly_one_place_to_begin() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Seam(TF)
    with pytest.raises(ValueError, match="exactly one"):
        Seam(TF, start_ms=0, last_open_ms=0)


def test_runs_of_closed_bars_end_at_the_forming_one() -> None:
    assert closed_until(TF, 0, 3 * MINUTE + 1) == 3 * MINUTE
    assert closed_until(TF, 5 * MINUTE, MINUTE) == 5 * MINUTE
    assert first_open(TF, MINUTE) == MINUTE
    assert first_open(TF, MINUTE + 1) == 2 * MINUTE


def test_rest_that_lags_half_a_minute_behind_the_stream_costs_no_bar() -> None:
    joined = seam(start_ms=None, last_open_ms=0)
    missed, later = bar(MINUTE), bar(2 * MINUTE)
    now = 3 * MINUTE
    joined.on_live(later)
    while now < 3 * MINUTE + 30_000:
        assert joined.on_page(page([], MINUTE, 2 * MINUTE), now) == []
        assert joined.deadline_ms is not None
        now = joined.deadline_ms
    assert joined.on_page(page([missed, later], MINUTE, 2 * MINUTE), now) == [missed, later]


def test_an_answer_about_another_range_proves_nothing_about_this_one() -> None:
    joined = seam(start_ms=None, last_open_ms=0)
    rows = bars("1m", 5 * MINUTE, 3)
    assert joined.on_page(page(rows, 5 * MINUTE, 8 * MINUTE), 8 * MINUTE) == []
    assert joined.gap(9 * MINUTE) == Gap(MINUTE, 5 * MINUTE)


def test_a_row_later_than_the_range_says_nothing_about_bars_that_were_not_asked_for() -> None:
    joined = seam()
    rows = bars("1m", 0, 4)
    joined.on_live(rows[1])
    assert joined.on_page(page(rows[:1], 0, MINUTE, seen_to_ms=3 * MINUTE), 5 * MINUTE) == rows[:2]
    assert joined.on_live(rows[3]) == []
    assert joined.gap(5 * MINUTE) == Gap(2 * MINUTE, 3 * MINUTE)


def test_weeks_that_begin_on_thursday_are_an_alignment_not_holes() -> None:
    week, thursday_ms = 7 * 24 * 60 * MINUTE, 0  # 1970-01-01 was one
    rows = [Bar(thursday_ms + n * week, 1.0, 2.0, 1.0, 1.5, 1.0) for n in range(1, 8)]
    joined = Seam(parse_timeframe("1w"), start_ms=week)
    page = Page(week, 5 * week, rows[:3], rows[2].open_ms)
    out = [*joined.on_page(page, 5 * week), *(event for row in rows[3:] for event in joined.on_live(row))]
    assert out == rows
    assert joined.next_open_ms == rows[-1].open_ms + week
