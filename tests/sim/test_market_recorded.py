"""Recorded bars and tapes are played as they were; holes stay holes."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from btccxt.matching.engine import Engine, NewOrder, SimStatus
from btccxt.model import Bar, OrderKind, Side, Trade, decimal_of
from btccxt.sim.candles import bars_from_trades
from btccxt.sim.clock import SteppedClock
from btccxt.sim.market import CandleEvent, MarketRunner, RecordedBars, RecordedTrades, spot_market
from btccxt.timeframe import parse_timeframe
from tests.recorded import recorded_path

BTC, ETH = "BTC/USDT", "ETH/USDT"
T0 = 1_700_000_040_000  # a whole minute
MINUTE = 60_000

ROWS = [
    (T0, 10.0, 12.0, 9.5, 11.0, 4.5),
    (T0 + MINUTE, 11.0, 11.0, 11.0, 11.0, 0.0),  # quiet, but recorded
    (T0 + 4 * MINUTE, 11.5, 11.75, 10.0, 10.25, 0.003),  # two minutes are missing before it
]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("timestamp", "open", "high", "low", "close", "volume"), *ROWS])
    return path


def run(source: RecordedBars | RecordedTrades, *watched: tuple[str, str]) -> list[CandleEvent]:
    clock = SteppedClock(source.start_ms)
    runner = MarketRunner(Engine(source.symbols.values()), source, clock, forming_every_ms=0)
    heard: list[CandleEvent] = []
    runner.on_candle(heard.append)
    for symbol, timeframe in watched:
        runner.watch(symbol, timeframe)
    assert source.end_ms is not None
    runner.step(source.end_ms)
    return heard


def closed(events: list[CandleEvent], timeframe: str = "1m") -> list[Bar]:
    return [event.bar for event in events if event.closed and event.timeframe == timeframe]


def test_bars_come_back_as_they_were_recorded(small: Path) -> None:
    source = RecordedBars(small, BTC)
    assert source.history(BTC, "1m", 0, 1 << 50, 100) == [Bar(*row) for row in ROWS]
    assert source.last_bars(BTC, "1m", 1 << 50, 2) == [Bar(*row) for row in ROWS[1:]]
    assert closed(run(source, (BTC, "1m"))) == [Bar(*row) for row in ROWS]


def test_a_bar_is_played_as_open_extremes_and_close_with_its_whole_volume(small: Path) -> None:
    source = RecordedBars(small, BTC)
    rising = source.trades(BTC, T0, T0 + MINUTE - 1, 100)
    assert [trade.price for trade in rising] == [10.0, 9.5, 12.0, 11.0]
    falling = source.trades(BTC, T0 + 4 * MINUTE, T0 + 5 * MINUTE, 100)
    assert [trade.price for trade in falling] == [11.5, 11.75, 10.0, 10.25]
    assert sum(decimal_of(trade.amount) for trade in falling) == Decimal("0.003")
    assert source.trades(BTC, T0 + MINUTE, T0 + 4 * MINUTE - 1, 100) == []
    assert source.last_trades(BTC, 1 << 50, 5) == [rising[-1], *falling]
    assert [trade.side for trade in rising] == [Side.SELL, Side.SELL, Side.BUY, Side.SELL]


def test_a_quiet_bar_closes_on_time_and_a_missing_one_does_not_exist(small: Path) -> None:
    events = run(RecordedBars(small, BTC), (BTC, "1m"))
    assert [event.time_ms for event in events if event.closed] == [T0 + MINUTE, T0 + 2 * MINUTE, T0 + 5 * MINUTE]


def test_higher_timeframes_are_made_of_the_bars_there_are(small: Path) -> None:
    source = RecordedBars(small, BTC)
    whole = Bar(T0 - T0 % 3_600_000, 10.0, 12.0, 9.5, 10.25, 4.503)
    assert source.history(BTC, "1h", T0 - 3_600_000, 1 << 50, 10) == [whole]
    assert source.last_bars(BTC, "1h", 1 << 50, 10) == [whole]
    for finer in ("30s", "90s"):
        with pytest.raises(ValueError, match="cannot be made"):
            source.history(BTC, finer, T0, T0, 10)


def test_the_forming_bar_shows_only_what_was_played(small: Path) -> None:
    source = RecordedBars(small, BTC)
    assert source.history(BTC, "1m", T0, T0 + 20_000, 10) == [Bar(T0, 10.0, 10.0, 9.5, 9.5, 2.25)]
    assert source.history(BTC, "1m", T0, T0 + MINUTE, 10, now_ms=T0) == [Bar(T0, 10.0, 10.0, 10.0, 10.0, 1.125)]
    assert source.last_bars(BTC, "1m", T0 + 20_000, 3) == [Bar(T0, 10.0, 10.0, 9.5, 9.5, 2.25)]


def test_playing_may_begin_in_the_middle_of_a_recording(small: Path) -> None:
    source = RecordedBars(small, BTC, start_ms=T0 + 2 * MINUTE)
    assert closed(run(source, (BTC, "1m"))) == [Bar(*ROWS[2])]
    assert source.history(BTC, "1m", 0, source.start_ms, 10) == [Bar(*row) for row in ROWS[:2]]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ROWS[1], ROWS[0]], "is not after"),
        ([(T0 + 1, *ROWS[0][1:])], "multiple of 1m"),
        ([ROWS[0][:4]], "4 columns instead of 6"),
        ([], "no bars"),
    ],
)
def test_a_file_that_is_not_a_recording_is_refused(tmp_path: Path, rows: list[tuple[float, ...]], says: str) -> None:
    path = tmp_path / "bad.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(ValueError, match=says):
        RecordedBars(path, BTC)


def test_parquet_files_are_read_too(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    names = ["timestamp", "open", "high", "low", "close", "volume"]
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    parquet.write_table(arrow.table(dict(zip(names, columns, strict=True))), tmp_path / "bars.parquet")
    source = RecordedBars(tmp_path / "bars.parquet", BTC)
    assert source.history(BTC, "1m", 0, 1 << 50, 100) == [Bar(*row) for row in ROWS]


def test_resting_orders_are_filled_by_what_was_recorded(small: Path) -> None:
    source = RecordedBars(small, BTC)
    engine = Engine(source.symbols.values())
    runner = MarketRunner(engine, source, SteppedClock(source.start_ms))
    engine.open_account("ann", {"USDT": Decimal(1000)})
    order = NewOrder(BTC, Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal("9.75"))  # the first bar's low is 9.5
    placed = engine.submit("ann", order, source.start_ms)
    runner.step(source.start_ms + MINUTE)
    assert engine.order("ann", symbol=BTC, order_id=placed.order_id).status is SimStatus.FILLED


def _tape_file() -> Path:
    return recorded_path("trades/binance_BTC-USDT_trades_2024-08-08T2354_2024-08-09T0005.csv.gz")


# ------------------------------------------------------------------ real recordings


@pytest.mark.recorded
def test_the_tape_makes_exactly_the_candles_that_its_trades_sum_to() -> None:
    path = _tape_file()
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    source = RecordedTrades(path, BTC)
    bars = source.history(BTC, "1m", 0, 1 << 50, 1000)
    assert len(bars) == 12
    for bar in bars:
        mine = [row for row in rows if bar.open_ms <= int(row["timestamp"]) < bar.open_ms + MINUTE]
        prices = [float(row["price"]) for row in mine]
        volume = float(sum((Decimal(row["amount"]) for row in mine), Decimal(0)))
        assert bar == Bar(bar.open_ms, prices[0], max(prices), min(prices), prices[-1], volume)
    assert closed(run(source, (BTC, "1m"))) == bars
    assert source.last_bars(BTC, "1m", 1 << 50, 5) == bars[-5:]


@pytest.mark.recorded
def test_the_tape_comes_back_trade_by_trade_with_its_ids() -> None:
    path = _tape_file()
    source = RecordedTrades(path, BTC)
    trades = source.trades(BTC, 0, 1 << 50, 1 << 40)
    assert len(trades) == 19_904
    assert trades[0] == Trade("3735683259", 1723161255342, 61837.63, 0.02, Side.SELL, BTC)
    assert all(int(later.trade_id) == int(earlier.trade_id) + 1 for earlier, later in pairwise(trades))
    frame = parse_timeframe("1s")
    exact = bars_from_trades(((trade.time_ms, trade.price, decimal_of(trade.amount)) for trade in trades), frame)
    assert source.history(BTC, "1s", 0, 1 << 50, 1 << 40) == exact


@pytest.mark.recorded
def test_the_outage_of_2023_03_24_keeps_its_eighty_missing_minutes() -> None:
    path = recorded_path("ohlcv/binance_ETH-USDT_1m_2023-03-16_2023-05-01_outage.csv.gz")
    resumed = 1679666400000  # 14:00 UTC
    halt = resumed - 80 * MINUTE
    source = RecordedBars(path, ETH, start_ms=halt - 100 * MINUTE)
    assert source.history(ETH, "1m", halt, resumed - 1, 1000) == []
    runner = MarketRunner(Engine(source.symbols.values()), source, SteppedClock(source.start_ms))
    events: list[CandleEvent] = []
    runner.on_candle(events.append)
    runner.watch(ETH, "1m")
    runner.step(resumed + 10 * MINUTE)
    bars = closed(events)
    assert bars == source.history(ETH, "1m", source.start_ms, resumed + 10 * MINUTE - 1, 1000)
    assert len(bars) == 110
    holes = [
        (before.open_ms, after.open_ms) for before, after in pairwise(bars) if after.open_ms - before.open_ms > MINUTE
    ]
    assert holes == [(halt - MINUTE, resumed)]
    quiet = [bar for bar in bars if not bar.volume]
    assert len(quiet) >= 72  # recorded as flat bars from 11:28 to 12:39: these are real, the missing ones are not


@pytest.mark.recorded
def test_a_whole_recording_survives_the_way_through_the_market_bit_by_bit() -> None:
    path = recorded_path("ohlcv/binance_BTC-USDT_1m_2024-11-30_2024-12-29.csv.gz")
    source = RecordedBars(path, BTC, market=spot_market(BTC))
    with gzip.open(path, "rt") as file:
        rows = [Bar(int(row[0]), *map(float, row[1:])) for row in list(csv.reader(file))[1:]]
    assert source.history(BTC, "1m", 0, 1 << 50, 1 << 40) == rows
    day = rows[:1440]
    traded = source.trades(BTC, day[0].open_ms, day[-1].open_ms + MINUTE - 1, 1 << 40)
    frame = parse_timeframe("1m")
    assert bars_from_trades(((t.time_ms, t.price, decimal_of(t.amount)) for t in traded), frame) == day


def test_what_the_lake_exports_is_a_recording(tmp_path: Path) -> None:
    """Times as text, columns by their names: `btccxt data export` has its own order."""
    bars = tmp_path / "bars.csv"
    bars.write_text(
        "time,open,high,low,close,volume\n2026-01-05 12:00:00.000Z,1,3,1,2,10\n2026-01-05 12:01:00.000Z,2,2,1,1,5\n"
    )
    source = RecordedBars(bars, BTC)
    assert source.start_ms == 1_767_614_400_000
    trades = tmp_path / "trades.csv"
    trades.write_text("time,price,amount,side,trade_id\n2026-01-05 12:00:00.250Z,60000.5,0.25,sell,a7\n")
    tape = RecordedTrades(trades, BTC)
    assert tape.trades(BTC, 0, 1 << 50, 10) == [Trade("a7", 1_767_614_400_250, 60000.5, 0.25, Side.SELL, BTC)]
