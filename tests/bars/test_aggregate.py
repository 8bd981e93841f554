"""Bars from trades and longer bars from shorter ones."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from random import Random

import pandas
import pytest

from btccxt.bars.aggregate import LongerBars, RecentIds, TradeBars, longer_bars
from btccxt.bars.closing import Correction
from btccxt.model import Bar, Side, Trade
from btccxt.timeframe import parse_timeframe
from tests.fakes import bar, bars
from tests.recorded import recorded_path

MINUTE = 60_000
M1, M5, H1 = parse_timeframe("1m"), parse_timeframe("5m"), parse_timeframe("1h")


def trade(number: int, time_ms: int, price: float = 100.0, amount: float = 1.0) -> Trade:
    return Trade(str(number), time_ms, price, amount, Side.BUY, "BTC/USDT")


def fed(builder: TradeBars, *trades: Trade) -> list[Bar | Correction]:
    return [event for one in trades for event in builder.on_trade(one)]


# ---------------------------------------------------------------- trades -> bars


def test_volumes_are_summed_as_the_decimals_that_the_exchange_wrote() -> None:
    builder = TradeBars(M1)
    fed(builder, trade(1, 0, 100, 0.1), trade(2, 1, 101, 0.2))
    assert builder.due(MINUTE, 0) == Bar(0, 100, 101, 100, 101, 0.3)  # and not 0.30000000000000004


def test_a_trade_of_the_next_bar_closes_the_bar_before() -> None:
    builder = TradeBars(M1)
    assert fed(builder, trade(1, 10, 5), trade(2, 20, 7), trade(3, 30, 4), trade(4, 59_999, 6)) == []
    assert fed(builder, trade(5, MINUTE, 9)) == [Bar(0, 5, 7, 4, 6, 4)]
    assert builder.forming_close_ms == 2 * MINUTE


def test_a_trade_that_comes_twice_counts_once() -> None:
    builder = TradeBars(M1)
    fed(builder, trade(1, 10), trade(1, 10), trade(2, 20), trade(1, 10))
    closed = builder.due(MINUTE, 0)
    assert closed is not None
    assert closed.volume == 2


def test_trades_out_of_order_inside_the_forming_bar_give_the_same_bar() -> None:
    trades = [trade(number, (number // 3) * 100, 100 + (number * 7) % 11, 0.1) for number in range(30)]
    ordered, shuffled = TradeBars(M1), TradeBars(M1)
    fed(ordered, *trades)
    Random(5).shuffle(trades)
    fed(shuffled, *trades)
    assert shuffled.due(MINUTE, 0) == ordered.due(MINUTE, 0)


def test_a_trade_of_a_closed_bar_says_what_it_would_have_changed() -> None:
    builder = TradeBars(M1)
    (closed,) = fed(builder, trade(1, 10, 100), trade(2, MINUTE, 100))
    assert isinstance(closed, Bar)
    changed = Bar(0, 100, 120, 100, 120, 3)
    assert fed(builder, trade(3, 50_000, 120, 2)) == [Correction(closed, changed)]
    assert builder.late_trades == 1


def test_bars_without_trades_do_not_appear() -> None:
    builder = TradeBars(M1)
    events = fed(builder, trade(1, 0), trade(2, 5 * MINUTE))
    assert [event.open_ms for event in events if isinstance(event, Bar)] == [0]
    assert builder.due(6 * MINUTE, 0) is not None


def test_the_clock_closes_a_bar_only_after_its_grace() -> None:
    builder = TradeBars(M1)
    fed(builder, trade(1, 0))
    assert builder.due(MINUTE + 499, 500) is None
    assert builder.due(MINUTE + 500, 500) is not None
    assert builder.due(MINUTE + 501, 500) is None


def test_after_missed_trades_only_whole_bars_are_built() -> None:
    builder = TradeBars(M1)
    fed(builder, trade(1, 10))
    builder.restart(2 * MINUTE)
    assert builder.due(5 * MINUTE, 0) is None
    assert fed(builder, trade(2, MINUTE + 5), trade(3, 2 * MINUTE), trade(4, 3 * MINUTE)) == [
        Bar(2 * MINUTE, 100, 100, 100, 100, 1)
    ]


def test_ids_are_remembered_up_to_a_bound() -> None:
    ids = RecentIds(3)
    assert [ids.add(name) for name in "abca"] == [True, True, True, False]
    assert ids.add("d")
    assert "a" not in ids
    assert ids.add("")
    assert ids.add("")


@pytest.mark.recorded
@pytest.mark.parametrize("timeframe", ["1s", "1m", "5m"])
@pytest.mark.parametrize(
    "tape",
    [
        "binance_BTC-USDT_trades_2024-08-08T2354_2024-08-09T0005.csv.gz",
        "binance_ETH-USDT_trades_2024-08-08T2354_2400.csv.gz",
        "binanceusdm_BTC-USDT_trades_2024-08-08T2354_2400.csv.gz",
    ],
)
def test_a_recorded_tape_gives_the_candles_that_exact_decimal_sums_give(tape: str, timeframe: str) -> None:
    path = recorded_path(f"trades/{tape}")
    parsed = parse_timeframe(timeframe)
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    builder = TradeBars(parsed)
    built = fed(
        builder,
        *(Trade(row["id"], int(row["timestamp"]), float(row["price"]), float(row["amount"])) for row in rows),
    )
    last = builder.due(2**60, 0)
    assert last is not None

    frame = pandas.DataFrame(rows)
    frame["price"] = frame["price"].map(Decimal)
    frame["amount"] = frame["amount"].map(Decimal)
    stamps = frame["timestamp"].astype("int64")
    groups = frame.groupby(stamps - stamps % parsed.length_ms)
    expected = [
        Bar(
            int(open_ms),
            float(group["price"].iloc[0]),
            float(group["price"].max()),
            float(group["price"].min()),
            float(group["price"].iloc[-1]),
            float(sum(group["amount"], Decimal(0))),
        )
        for open_ms, group in groups
    ]
    assert [*built, last] == expected


# ---------------------------------------------------------------- bars -> longer bars


def test_a_longer_bar_closes_with_its_last_shorter_bar() -> None:
    builder = LongerBars(M1, M5)
    rows = bars("1m", 0, 5)
    assert [list(builder.on_bar(row)) for row in rows[:4]] == [[], [], [], []]
    (closed,) = builder.on_bar(rows[4])
    assert closed == Bar(0, rows[0].open, rows[4].high, rows[0].low, rows[4].close, sum(row.volume for row in rows))


def test_a_longer_bar_whose_last_part_is_missing_closes_with_the_next_bar() -> None:
    rows = bars("1m", 0, 11, without=[4, 5])
    assert [(row.open_ms, row.open) for row in longer_bars(rows, M1, M5)] == [(0, 100.0), (5 * MINUTE, 106.0)]


def test_a_first_longer_bar_without_its_beginning_is_left_out() -> None:
    rows = bars("1m", 2 * MINUTE, 8)
    assert [row.open_ms for row in longer_bars(rows, M1, M5)] == [5 * MINUTE]


def test_a_hole_can_close_two_longer_bars_at_once() -> None:
    builder = LongerBars(M1, M5)
    for row in bars("1m", 0, 3):
        builder.on_bar(row)
    assert [row.open_ms for row in builder.on_bar(bar(9 * MINUTE))] == [0, 5 * MINUTE]


def test_longer_bars_cannot_be_made_of_bars_as_long() -> None:
    with pytest.raises(ValueError, match="1h bars cannot be made of 1h bars"):
        LongerBars(H1, H1)


@pytest.mark.recorded
def test_longer_bars_of_a_recorded_month_equal_a_decimal_computation() -> None:
    path = recorded_path("ohlcv/binance_BTC-USDT_1m_2024-11-30_2024-12-29.csv.gz")
    frame = pandas.read_csv(path, dtype=str)
    frame["timestamp"] = frame["timestamp"].astype("int64")
    frame = frame.iloc[: 60 * 24 * 3]
    prices = frame[["open", "high", "low", "close", "volume"]].astype(float)
    rows = [Bar(*row) for row in zip(frame["timestamp"].tolist(), *(prices[name] for name in prices), strict=True)]
    frame["volume"] = frame["volume"].map(Decimal)
    hours = frame.groupby(frame["timestamp"] // 3_600_000 * 3_600_000)
    expected = [
        (int(open_ms), float(group["open"].iloc[0]), float(group["high"].astype(float).max()),
         float(group["low"].astype(float).min()), float(group["close"].iloc[-1]),
         float(sum(group["volume"], Decimal(0))))
        for open_ms, group in hours
        if len(group) == 60
    ]  # fmt: skip
    built = [(row.open_ms, row.open, row.high, row.low, row.close, row.volume) for row in longer_bars(rows, M1, H1)]
    assert built == expected
    assert len(built) >= 70
