"""The lake: what was kept comes back, others can read it, and damage is never taken for a bar."""

from __future__ import annotations

import json
import multiprocessing
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.bars import series as series_module
from btccxt.bars.columns import Columns
from btccxt.bars.lake import DataVenue, Lake, SeriesKey
from btccxt.bars.segments import Range
from btccxt.bars.series import BarSeries, Damage, GapCause
from btccxt.errors import LakeError
from btccxt.model import Bar, Market, MarketType, Side, Trade
from tests.fakes import SYMBOL, bar

MINUTE, DAY = 60_000, 86_400_000
MARCH = 1_772_323_200_000  # 2026-03-01 00:00 UTC
HERE = DataVenue("binance")


def series_in(folder: Path) -> BarSeries:
    return Lake(folder).bars(HERE, SYMBOL, "1m")


def minutes(first: int, end: int, without: tuple[int, ...] = ()) -> list[Bar]:
    return [bar(position * MINUTE, 100 + position) for position in range(first, end) if position not in without]


def keep(series: BarSeries, first: int, end: int, without: tuple[int, ...] = ()) -> list[Bar]:
    rows = minutes(first, end, without)
    series.append(first * MINUTE, end * MINUTE, rows)
    return rows


def files_of(series: BarSeries) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(series.path.rglob("*.parquet"))}


def test_bars_come_back_to_the_last_bit(tmp_path: Path) -> None:
    rows = [Bar(0, 0.1, 1e300, 5e-324, 96466.11, 0.30000000000000004), bar(MINUTE)]
    series_in(tmp_path).append(0, 5 * MINUTE, rows)
    assert series_in(tmp_path).read(0, 5 * MINUTE) == rows
    assert series_in(tmp_path).read(MINUTE, 2 * MINUTE) == rows[1:]
    assert series_in(tmp_path).read(2 * MINUTE, 9 * MINUTE) == []
    assert series_in(tmp_path).columns(0, 5 * MINUTE).same_as(Columns.of(rows))


def test_ranges_kept_in_any_order_are_joined_and_what_is_missing_between_them_is_told(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    later, first, middle = keep(series, 20, 30), keep(series, 0, 5), keep(series, 10, 20)
    assert series.covered() == [Range(0, 5 * MINUTE), Range(10 * MINUTE, 30 * MINUTE)]
    assert series.missing(0, 40 * MINUTE) == [
        Range(5 * MINUTE, 10 * MINUTE),
        Range(30 * MINUTE, 40 * MINUTE),
    ]
    assert series.missing(12 * MINUTE, 28 * MINUTE) == []
    assert series.read(0, 30 * MINUTE) == first + middle + later
    assert not series.has_bars_before(0)
    assert series.has_bars_before(1)
    assert series.has_bars_before(99 * MINUTE)


def test_a_hole_of_the_exchange_is_remembered_as_asked_for(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    series.append(0, 10 * MINUTE, [])
    assert series.missing(0, 10 * MINUTE) == []
    assert series.read(0, 10 * MINUTE) == []
    assert not series.has_bars_before(99 * MINUTE)


def test_a_later_answer_replaces_an_earlier_one_and_no_row_is_in_two_files(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    keep(series, 0, 10)
    series.append(3 * MINUTE, 6 * MINUTE, [bar(position * MINUTE, 500) for position in (3, 5)])
    wanted = [100, 101, 102, 500, 500, 106, 107, 108, 109]
    assert [row.open for row in series.read(0, 10 * MINUTE)] == wanted
    assert sum(segment.rows for segment in series.segments()) == len(wanted)
    assert series.covered() == [Range(0, 10 * MINUTE)]


def test_the_same_answer_again_writes_nothing(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    keep(series, 0, 10)
    before = files_of(series)
    series.append(2 * MINUTE, 7 * MINUTE, minutes(2, 7))
    assert files_of(series) == before


def test_appending_changes_no_file_that_is_there(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    keep(series, 0, 5_000)
    before = files_of(series)
    keep(series, 5_000, 5_001)
    after = files_of(series)
    assert before.items() < after.items()
    assert sum(map(len, after.values())) - sum(map(len, before.values())) < 5_000


def test_each_month_has_a_folder_and_long_silence_makes_no_files(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    rows = [bar(MARCH - 2 * MINUTE), bar(MARCH - MINUTE), bar(MARCH), bar(MARCH + 200 * DAY)]
    series.append(MARCH - 3 * MINUTE, MARCH + 201 * DAY, rows)
    months = [path.name for path in sorted(series.path.iterdir()) if path.is_dir()]
    assert months == ["month=2026-02", "month=2026-03", "month=2026-09"]
    assert series.read(0, MARCH + 300 * DAY) == rows
    assert series.covered() == [Range(MARCH - 3 * MINUTE, MARCH + 201 * DAY)]


def test_small_files_are_merged_so_that_their_number_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "MERGED_AT_ONCE", 4)
    first, second = series_in(tmp_path), series_in(tmp_path)
    rows: list[Bar] = []
    for position in range(150):
        rows += keep(first, position, position + 1)
        assert second.read(0, 999 * MINUTE) == rows
        assert len(first.segments()) <= 12
    first.tidy()
    assert len(first.segments()) == 1
    assert second.read(0, 999 * MINUTE) == rows


def test_a_month_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    for n in (5, 4, 3, 2, 1, 0):
        series.append(MARCH - (n + 1) * MINUTE, MARCH - n * MINUTE, [bar(MARCH - (n + 1) * MINUTE)])
    series.append(MARCH, MARCH + MINUTE, [bar(MARCH)])
    assert [segment.rows for segment in series.segments()] == [6, 1]


def test_answers_with_different_causes_or_sources_are_never_merged(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    series.append(0, 3 * MINUTE, minutes(0, 3))
    series.append(3 * MINUTE, 6 * MINUTE, minutes(3, 6), missing=GapCause.NO_TRADES)
    series.append(6 * MINUTE, 9 * MINUTE, minutes(6, 9), missing=GapCause.NO_TRADES)
    series.append(9 * MINUTE, 12 * MINUTE, minutes(9, 12), missing=GapCause.NO_TRADES, source="kraken")
    series.tidy()
    assert [segment.rows for segment in series.segments()] == [3, 6, 3]
    facts = [piece.facts for piece in series.pieces(0, 99 * MINUTE)]
    assert facts[2] == {"missing": "no trades", "source": "kraken"}


# ------------------------------------------------------------------ without btccxt


def test_pandas_polars_and_duckdb_read_it_live_tail_included(tmp_path: Path) -> None:
    duckdb, pandas, polars = (pytest.importorskip(name) for name in ("duckdb", "pandas", "polars"))
    series = Lake(tmp_path).bars(HERE, "BTC/USDT:USDT", "1m")
    series.append(MARCH, MARCH + 3 * MINUTE, [bar(MARCH), bar(MARCH + MINUTE), bar(MARCH + 2 * MINUTE)])
    for n in (3, 4):
        series.append(MARCH + n * MINUTE, MARCH + (n + 1) * MINUTE, [bar(MARCH + n * MINUTE, 7.0)])
    frame = pandas.read_parquet(series.path).sort_values("time")
    assert frame["time"].astype("int64").tolist() == [MARCH + n * MINUTE for n in range(5)]
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"
    whole = pandas.read_parquet(tmp_path / "bars")
    assert set(whole["symbol"]) == {"BTC/USDT:USDT"}
    glob = str(tmp_path / "bars" / "**" / "*.parquet")
    asked = duckdb.sql(
        f"select exchange, mode, market, symbol, timeframe, count(*), sum(open) from read_parquet('{glob}', "
        "hive_partitioning=true) group by all"
    ).fetchall()
    assert asked == [("binance", "live", "spot", "BTC/USDT:USDT", "1m", 5, pytest.approx(frame["open"].sum()))]
    lazy = polars.scan_parquet(glob, hive_partitioning=True)
    assert lazy.filter(polars.col("symbol") == "BTC/USDT:USDT").collect().height == 5


# ------------------------------------------------------------------ damage


@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 2), cut=st.integers(0, 3_000))
def test_a_file_torn_at_any_byte_is_set_aside_and_its_range_counts_as_not_fetched(
    which: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    series = series_in(folder)
    rows = keep(series, 0, 10) + keep(series, 10, 15) + keep(series, 15, 16)
    segment = series.segments()[which]
    content = segment.path.read_bytes()
    segment.path.write_bytes(content[: min(cut, len(content) - 1)])

    said: list[Damage] = []
    torn = Lake(folder, on_damage=said.append).bars(HERE, SYMBOL, "1m")
    got = torn.read(0, 20 * MINUTE)
    assert got == [row for row in rows if not segment.from_ms <= row.open_ms < segment.to_ms]
    assert torn.missing(0, 16 * MINUTE) == [segment.range]
    assert [damage.path for damage in said] == [segment.path]
    assert said[0].moved_to is not None
    assert said[0].moved_to.exists()
    keep(torn, segment.from_ms // MINUTE, segment.to_ms // MINUTE)
    assert series_in(folder).read(0, 20 * MINUTE) == rows
    assert len(said) == 1


def test_what_is_called_like_a_segment_and_is_no_file_counts_as_not_fetched(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    keep(series, 0, 10)
    (segment,) = series.segments()
    for make in (Path.mkdir, lambda path: path.symlink_to(path), lambda path: path.symlink_to("/no/such/file")):
        if segment.path.is_symlink() or segment.path.is_file():
            segment.path.unlink()
        elif segment.path.is_dir():
            segment.path.rmdir()
        make(segment.path)
        assert series_in(tmp_path).read(0, 10 * MINUTE) == []
        assert series_in(tmp_path).missing(0, 10 * MINUTE) == [Range(0, 10 * MINUTE)]


def test_a_file_that_cannot_be_read_now_is_told_by_name_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = series_in(tmp_path)
    rows = keep(series, 0, 10)
    (segment,) = series.segments()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(LakeError, match=f"{segment.path.name} cannot be read: Input/output error"):
            series.read(0, 10 * MINUTE)
    assert series.read(0, 10 * MINUTE) == rows


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_flipped_byte_ever_gives_a_wrong_bar(
    position: int, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    series = series_in(folder)
    keep(series, 0, 10)
    rows = keep(series, 10, 20)
    path = series.segments()[0].path
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= flip
    path.write_bytes(content)
    assert series_in(folder).read(0, 20 * MINUTE) == rows


def test_damage_met_while_writing_costs_only_what_was_damaged(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    keep(series, 0, 10)
    path = series.segments()[0].path
    path.write_bytes(path.read_bytes()[:-1])
    rows = keep(series, 5, 8)
    assert series.read(0, 20 * MINUTE) == rows
    assert series.covered() == [Range(5 * MINUTE, 8 * MINUTE)]


def test_a_damaged_file_that_cannot_be_moved_is_told_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(series_in(tmp_path), 0, 10)
    path = series_in(tmp_path).segments()[0].path
    path.write_bytes(path.read_bytes()[:-1])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(series_module.files.Path, "replace", refuse)
    said: list[Damage] = []
    series = Lake(tmp_path, on_damage=said.append).bars(HERE, SYMBOL, "1m")
    assert series.read(0, 20 * MINUTE) == series.read(0, 20 * MINUTE) == []
    assert series.missing(0, 10 * MINUTE) == [Range(0, 10 * MINUTE)]
    assert [damage.moved_to for damage in said] == [None]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    rows = keep(series, 0, 3)
    month = series.segments()[0].path.parent
    (month / "notes.txt").write_text("mine")
    (month / ".deadbeef.tmp").write_bytes(b"a writer died here")
    (month / "20261399T000000000_20260101T000000000_000001_1_00000000.parquet").write_bytes(b"no date")
    assert series.read(0, 9 * MINUTE) == rows
    (series.path.parent / "timeframe=soon").mkdir()
    assert [key.timeframe for key in Lake(tmp_path).series()] == ["1m"]
    series.tidy()
    assert (month / "notes.txt").read_text() == "mine"
    assert (month / ".deadbeef.tmp").exists()  # somebody may be writing it
    os.utime(month / ".deadbeef.tmp", (0, 0))
    series.tidy()
    assert not (month / ".deadbeef.tmp").exists()


def test_a_writer_that_died_between_writing_and_removing_leaves_no_row_twice(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    rows = keep(series, 0, 4) + keep(series, 4, 8)
    left = {segment.path: segment.path.read_bytes() for segment in series.segments()}
    series.tidy()
    for path, content in left.items():
        path.write_bytes(content)
    assert series.read(0, 9 * MINUTE) == rows
    series.tidy()
    assert [segment.rows for segment in series.segments()] == [8]
    assert series.read(0, 9 * MINUTE) == rows


# ------------------------------------------------------------------ bad input


def test_bars_out_of_order_or_out_of_range_are_refused(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    with pytest.raises(ValueError, match="order"):
        series.append(0, 5 * MINUTE, [bar(MINUTE), bar(0)])
    with pytest.raises(ValueError, match="outside"):
        series.append(0, MINUTE, [bar(MINUTE)])
    assert series.covered() == []


@pytest.mark.parametrize("content", ['{"format": 99}', "[]", "not json"])
def test_a_folder_of_another_version_is_refused(tmp_path: Path, content: str) -> None:
    Lake(tmp_path)
    (tmp_path / "LAKE.json").write_text(content)
    with pytest.raises(LakeError, match="lake"):
        Lake(tmp_path)
    assert (tmp_path / "LAKE.json").read_text() == content


def test_a_lake_that_is_not_there_is_told_with_the_command_that_fills_one(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="btccxt download"):
        Lake(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_file_of_an_early_version_is_refused_where_it_might_be_taken_for_real(tmp_path: Path) -> None:
    old = tmp_path / "binance" / "BTC%2FUSDT.1m.bars"
    old.parent.mkdir()
    old.write_bytes(b"BTCCXT-BARS 1\n")
    lake = Lake(tmp_path)
    for mode in ("live", "testnet"):
        with pytest.raises(LakeError, match="simulated or real"):
            lake.bars(DataVenue("binance", mode), "BTC/USDT", "1m")
    assert lake.bars(DataVenue("binance", "sim-1"), "BTC/USDT", "1m").read(0, DAY) == []
    assert lake.bars(HERE, "ETH/USDT", "1m").read(0, DAY) == []


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = series_in(tmp_path)
    rows = keep(series, 0, 10)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(series_module.files.Path, "replace", full)
    with pytest.raises(LakeError, match="No space left on device"):
        keep(series, 10, 20)
    monkeypatch.undo()
    assert series_in(tmp_path).read(0, 99 * MINUTE) == rows
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_writer_that_does_not_let_go_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_module, "_LOCK_PATIENCE_S", 0.1)
    series = series_in(tmp_path)
    rows = keep(series, 0, 3)
    with series._writing(), pytest.raises(LakeError, match="another process"):
        keep(series_in(tmp_path), 3, 6)
    assert series.read(0, 9 * MINUTE) == rows


# ------------------------------------------------------------------ several at once


def test_two_instances_see_each_others_appends(tmp_path: Path) -> None:
    first, second = series_in(tmp_path), series_in(tmp_path)
    rows = keep(first, 0, 3)
    assert second.read(0, 9 * MINUTE) == rows
    rows += keep(second, 3, 6)
    assert first.read(0, 9 * MINUTE) == rows


def _append_many(folder: str, first: int, count: int) -> None:
    series = series_in(Path(folder))
    for position in range(first, first + count):
        keep(series, position, position + 1)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(str(tmp_path), first, 60)) for first in (0, 40)]
    for writer in writers:
        writer.start()
    series = series_in(tmp_path)
    while any(writer.is_alive() for writer in writers):  # a reader beside them sees whole bars, each once
        opens = [row.open_ms for row in series.read(0, 999 * MINUTE)]
        assert opens == sorted(set(opens))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [row.open_ms for row in series.read(0, 999 * MINUTE)] == [position * MINUTE for position in range(100)]
    assert sum(segment.rows for segment in series.segments()) == 100
    assert series.covered() == [Range(0, 100 * MINUTE)]


# ------------------------------------------------------------------ what there is


def test_series_are_listed_and_never_share_a_folder(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    timeframes = ["1m", "1M", "3M"]
    venues = [
        HERE,
        DataVenue("binance", "testnet"),
        DataVenue("binance", "sim-1"),
        DataVenue("binance", "live", "linear"),
    ]
    keys = [
        SeriesKey(venue, symbol, timeframe)
        for venue in venues
        for symbol in ("BTC/USDT", "BTC/USDT:USDT")
        for timeframe in timeframes
    ]
    for n, key in enumerate(keys):
        assert key.timeframe is not None
        lake.bars(key.venue, key.symbol, key.timeframe).append(0, DAY, [bar(0, n)])
    assert lake.series() == sorted(keys, key=lambda key: (key.venue, key.symbol, timeframes.index(str(key.timeframe))))
    assert len({str(lake.bars(key.venue, key.symbol, str(key.timeframe)).path).lower() for key in keys}) == len(keys)
    for n, key in enumerate(keys):
        assert [row.open for row in lake.bars(key.venue, key.symbol, str(key.timeframe)).read(0, DAY)] == [n]


def test_trades_come_back_as_they_were_kept(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    trades = [
        Trade("a1", 5, 1.5, 0.25, Side.BUY, SYMBOL),
        Trade("a2", 5, 1.5, 0.5, None, SYMBOL),
        Trade("a3", 9, 1.25, 0.1, Side.SELL, SYMBOL),
    ]
    series = lake.trades(HERE, SYMBOL)
    series.append(0, 10, trades)
    assert series.read(0, 10) == trades
    assert series.read(6, 10) == trades[2:]
    assert lake.series() == [SeriesKey(HERE, SYMBOL, None)]
    with pytest.raises(ValueError, match="order"):
        series.append(10, 20, [Trade("b", 15, 1.0, 1.0), Trade("c", 12, 1.0, 1.0)])


def test_markets_come_back_as_the_exchange_told_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.markets(HERE) == {}
    markets = {
        "BTC/USDT": Market(
            "BTC/USDT", "BTC", "USDT", None, MarketType.SPOT, True, Decimal("0.01"), Decimal("0.00001"),
            min_cost=Decimal("5"), taker_rate=Decimal("0.001"),
        ),
        "BTC/USDT:USDT": Market(
            "BTC/USDT:USDT", "BTC", "USDT", "USDT", MarketType.LINEAR, False, None, Decimal("1E-8"),
            contract_size=Decimal("0.001"), maker_rate=Decimal("-0.0001"),
        ),
    }  # fmt: skip
    lake.keep_markets(HERE, markets, 1)
    assert Lake(tmp_path).markets(HERE) == markets
    path = next(tmp_path.rglob("market=spot.json"))
    assert json.loads(path.read_text())["taken_ms"] == 1
    path.write_text("{")
    with pytest.raises(LakeError, match="delete it"):
        lake.markets(HERE)
