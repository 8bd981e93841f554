"""Backtrader's timeframes, stamps and zones against backtrader's own arithmetic."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.bt.compat import bt
from btccxt.bt.time import (
    DAY_END,
    Stamper,
    backtrader_zone,
    day_num,
    ms_of_num,
    num_of_ms,
    offered_name,
    timeframe_names,
)
from btccxt.errors import ConfigError
from btccxt.timeframe import parse_timeframe
from tests.bt.harness import DAY_MS, HOUR_MS, START_MS, naive

TF = bt.TimeFrame
BINANCE = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")


@pytest.mark.parametrize(
    ("timeframe", "compression", "name"),
    [
        (TF.Seconds, 1, "1s"),
        (TF.Seconds, 60, "1m"),
        (TF.Minutes, 1, "1m"),
        (TF.Minutes, 15, "15m"),
        (TF.Minutes, 60, "1h"),
        (TF.Minutes, 240, "4h"),
        (TF.Minutes, 1440, "1d"),
        (TF.Days, 1, "1d"),
        (TF.Days, 3, "3d"),
        (TF.Days, 7, "1w"),
        (TF.Weeks, 1, "1w"),
        (TF.Months, 1, "1M"),
    ],
)
def test_backtraders_timeframes_have_the_exchanges_names(timeframe: int, compression: int, name: str) -> None:
    assert offered_name(timeframe, compression, BINANCE, "BTC/USDT", "binance") == name


def test_a_timeframe_is_found_under_any_of_its_names() -> None:
    assert offered_name(TF.Minutes, 60, ("60m",), "BTC/USDT", "x") == "60m"
    assert offered_name(TF.Years, 1, ("12M",), "BTC/USDT", "x") == "12M"
    assert offered_name(TF.Months, 12, ("1y",), "BTC/USDT", "x") == "1y"
    assert offered_name(TF.Days, 7, ("7d", "1w"), "BTC/USDT", "x") == "7d"


def test_a_timeframe_that_is_not_offered_names_its_neighbours_and_how_to_build_it() -> None:
    with pytest.raises(ConfigError) as error:
        offered_name(TF.Minutes, 10, BINANCE, "BTC/USDT", "binance")
    text = str(error.value)
    assert "binance has no 10m candles" in text
    assert "Nearest: 5m and 15m" in text
    assert "resampledata(store.getdata(dataname='BTC/USDT', timeframe=bt.TimeFrame.Minutes, compression=5)" in text
    assert "timeframe=bt.TimeFrame.Minutes, compression=10)" in text


def test_the_hint_to_build_hours_writes_minutes_as_backtrader_does() -> None:
    with pytest.raises(
        ConfigError, match=r"timeframe=bt.TimeFrame.Minutes, compression=720\), timeframe=bt.TimeFrame.Days"
    ):
        offered_name(TF.Days, 2, ("1h", "12h"), "BTC/USDT", "x")


@pytest.mark.parametrize("timeframe", [TF.Ticks, TF.MicroSeconds, TF.NoTimeFrame])
def test_what_has_no_candles_is_said(timeframe: int) -> None:
    with pytest.raises(ConfigError, match="has no candles"):
        timeframe_names(timeframe, 1)


def test_a_compression_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="compression=0"):
        timeframe_names(TF.Minutes, 0)


# ------------------------------------------------------------------ stamps


def backtrader_day_end(day: datetime) -> float:
    return bt.date2num(datetime.combine(day.date(), bt.utils.date.TIME_MAX))


def test_the_end_of_a_day_is_backtraders_own_bit_for_bit() -> None:
    for number in range(0, 40_000, 7):
        day = naive(1990, 1, 1) + timedelta(days=number)
        assert bt.date2num(day) + DAY_END == backtrader_day_end(day)


@pytest.mark.parametrize(
    ("name", "bt_timeframe", "open_", "last_day"),
    [
        ("1d", TF.Days, naive(2024, 2, 29), naive(2024, 2, 29)),
        ("3d", TF.Days, naive(2024, 1, 2), naive(2024, 1, 4)),
        ("1w", TF.Weeks, naive(2024, 1, 1), naive(2024, 1, 7)),
        ("1M", TF.Months, naive(2024, 2, 1), naive(2024, 2, 29)),
        ("1y", TF.Years, naive(2024, 1, 1), naive(2024, 12, 31)),
    ],
)
def test_a_day_and_longer_is_stamped_at_the_end_of_its_last_day(
    name: str, bt_timeframe: int, open_: datetime, last_day: datetime
) -> None:
    stamper = Stamper(parse_timeframe(name), bt_timeframe, at_open=False)
    assert stamper.num(ms_of_num(bt.date2num(open_))) == backtrader_day_end(last_day)


@given(st.integers(0, 4_000_000_000), st.sampled_from(["1s", "1m", "5m", "1h", "1d", "3d", "1w"]))
def test_an_intraday_stamp_is_the_close_exactly_and_many_at_once_are_the_same(second: int, name: str) -> None:
    frame = parse_timeframe(name)
    opens = [frame.floor(second * 1000)]
    opens.append(frame.next_open(opens[0]))
    for at_open in (False, True):
        for bt_timeframe in (TF.Minutes, TF.Days):
            if bt_timeframe == TF.Days and frame.unit in "smh":
                continue
            stamper = Stamper(frame, bt_timeframe, at_open)
            assert stamper.nums(opens) == [stamper.num(open_ms) for open_ms in opens]
            assert stamper.nums_of(numpy.array(opens, numpy.int64)).tolist() == stamper.nums(opens)
    close = datetime.fromtimestamp(opens[1] / 1000, tz=timezone.utc).replace(tzinfo=None)
    assert Stamper(frame, TF.Minutes, at_open=False).num(opens[0]) == bt.date2num(close)


@given(st.integers(0, 4_000_000_000), st.sampled_from(["1m", "1h", "1d", "3d", "1w", "1M", "1y"]))
def test_beside_shorter_bars_equal_closes_have_equal_stamps(second: int, name: str) -> None:
    frame = parse_timeframe(name)
    open_ms = frame.floor(second * 1000)
    stamp = Stamper(frame, TF.Days, at_open=False, beside_shorter=True).num(open_ms)
    assert stamp == num_of_ms(frame.next_open(open_ms))
    assert Stamper(frame, TF.Days, at_open=False, beside_shorter=True).nums([open_ms]) == [stamp]


def test_a_close_as_the_end_of_its_session_is_the_same_millisecond() -> None:
    assert day_num(START_MS) == backtrader_day_end(naive(2023, 12, 31))
    for hour in range(48):
        close_ms = START_MS + hour * HOUR_MS
        assert day_num(close_ms) < num_of_ms(close_ms)
        assert ms_of_num(day_num(close_ms)) == close_ms


# ------------------------------------------------------------------ zones


def test_a_wrapped_zone_tells_the_time_as_the_original_does() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    wrapped = backtrader_zone(berlin)
    for hour in range(0, 24 * 366, 5):  # both changes of summer time
        moment = datetime.fromtimestamp(START_MS / 1000 + hour * 3600, tz=timezone.utc)
        ours, theirs = moment.astimezone(wrapped), moment.astimezone(berlin)
        assert ours.replace(tzinfo=None) == theirs.replace(tzinfo=None)
        assert ours.utcoffset() == theirs.utcoffset()
        assert wrapped.localize(theirs.replace(tzinfo=None, fold=theirs.fold)).utcoffset() == theirs.utcoffset()


def test_a_misspelt_zone_is_met_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*Europe/Berlin"):
        backtrader_zone("Europe/Belrin")


def test_minutes_of_a_day_and_days_differ_in_their_stamp_only() -> None:
    frame = parse_timeframe("1d")
    assert ms_of_num(Stamper(frame, TF.Minutes, at_open=False).num(START_MS)) == START_MS + DAY_MS
    assert Stamper(frame, TF.Days, at_open=False).num(START_MS) < num_of_ms(START_MS + DAY_MS)
    assert ms_of_num(Stamper(frame, TF.Days, at_open=True).num(START_MS)) == START_MS
