"""Bars on disk: what was kept comes back, and damage is never taken for a bar."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.bars import cache as cache_module
from btccxt.bars.cache import BarCache, CacheDamaged, Range
from btccxt.model import Bar
from tests.fakes import SYMBOL, bar, bars

MINUTE = 60_000


def cache_in(folder: Path) -> BarCache:
    return BarCache(folder, "binance", SYMBOL, "1m")


def keep(cache: BarCache, first: int, last: int, without: tuple[int, ...] = ()) -> list[Bar]:
    rows = [bar(position * MINUTE, 100 + position) for position in range(first, last) if position not in without]
    cache.append(first * MINUTE, last * MINUTE, rows)
    return rows


def test_bars_come_back_as_they_were_kept(tmp_path: Path) -> None:
    rows = [Bar(0, 0.1, 1e300, 5e-324, 96466.11, 0.30000000000000004), bar(MINUTE)]
    cache_in(tmp_path).append(0, 5 * MINUTE, rows)
    assert cache_in(tmp_path).read(0, 5 * MINUTE) == rows
    assert cache_in(tmp_path).read(MINUTE, 2 * MINUTE) == rows[1:]
    assert cache_in(tmp_path).read(2 * MINUTE, 9 * MINUTE) == []


def test_the_same_bars_come_back_as_columns(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    rows = keep(cache, 0, 10, without=(4,))
    columns = cache.read_columns(2 * MINUTE, 8 * MINUTE)
    wanted = rows[2:7]
    assert len(columns) == len(wanted)
    assert columns.open_ms.tolist() == [row.open_ms for row in wanted]
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(columns, name).tolist() == [getattr(row, name) for row in wanted]


def test_ranges_kept_in_any_order_are_joined_and_what_is_missing_between_them_is_told(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    later, first, middle = keep(cache, 20, 30), keep(cache, 0, 5), keep(cache, 10, 20)
    assert cache.covered() == [Range(0, 5 * MINUTE), Range(10 * MINUTE, 30 * MINUTE)]
    assert cache.missing(-MINUTE, 40 * MINUTE) == [
        Range(-MINUTE, 0),
        Range(5 * MINUTE, 10 * MINUTE),
        Range(30 * MINUTE, 40 * MINUTE),
    ]
    assert cache.missing(12 * MINUTE, 28 * MINUTE) == []
    assert cache.read(0, 30 * MINUTE) == first + middle + later


def test_a_hole_of_the_exchange_is_remembered_as_asked_for(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.append(0, 10 * MINUTE, [])
    assert cache.missing(0, 10 * MINUTE) == []
    assert cache.read(0, 10 * MINUTE) == []


def test_a_later_answer_replaces_an_earlier_one(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, 0, 10)
    changed = [bar(position * MINUTE, 500) for position in (3, 5)]
    cache.append(3 * MINUTE, 6 * MINUTE, changed)
    assert [row.open for row in cache.read(0, 8 * MINUTE)] == [100, 101, 102, 500, 500, 106, 107]


def test_appending_writes_only_the_new_bars(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, 0, 5_000)
    before = cache.path.read_bytes()
    keep(cache, 5_000, 5_001)
    after = cache.path.read_bytes()
    assert after.startswith(before)
    assert len(after) - len(before) < 100


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2_000))
def test_a_file_torn_at_any_byte_gives_whole_answers_or_none_and_can_be_written_again(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    cache = cache_in(folder)
    rows = keep(cache, 0, 10) + keep(cache, 10, 15) + keep(cache, 15, 16)
    whole = cache.path.read_bytes()
    cache.path.write_bytes(whole[: min(cut, len(whole))])

    torn = cache_in(folder)
    covered = torn.covered()
    count = sum((known.to_ms - known.from_ms) // MINUTE for known in covered)
    assert count in (0, 10, 15, 16)
    assert torn.read(0, 20 * MINUTE) == rows[:count]
    for absent in torn.missing(0, 16 * MINUTE):
        torn.append(absent.from_ms, absent.to_ms, [row for row in rows if absent.from_ms <= row.open_ms < absent.to_ms])
    assert cache_in(folder).read(0, 20 * MINUTE) == rows


@settings(max_examples=80, deadline=None)
@given(position=st.integers(0, 1_100), flip=st.integers(1, 255))
def test_no_flipped_byte_ever_gives_a_wrong_bar(
    position: int, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    cache = cache_in(folder)
    rows = keep(cache, 0, 10) + keep(cache, 10, 20)
    content = bytearray(cache.path.read_bytes())
    content[position % len(content)] ^= flip
    cache.path.write_bytes(content)
    try:
        got = cache_in(folder).read(0, 20 * MINUTE)
    except CacheDamaged as error:
        assert str(cache.path) in str(error)
        assert "delete it" in str(error)
    else:
        assert got in ([], rows[:10], rows)


def test_zeros_that_a_crash_left_at_the_end_are_dropped(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    rows = keep(cache, 0, 3)
    with cache.path.open("ab") as file:
        file.write(bytes(4096))
    assert cache_in(tmp_path).read(0, 3 * MINUTE) == rows
    rows += keep(cache, 3, 5)
    assert cache_in(tmp_path).read(0, 9 * MINUTE) == rows


def test_a_last_answer_whose_content_never_arrived_is_dropped(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    rows = keep(cache, 0, 3)
    size = cache.path.stat().st_size
    keep(cache, 3, 6)
    content = bytearray(cache.path.read_bytes())
    content[-48:] = bytes(48)  # the length of a file may reach the disk before its content
    cache.path.write_bytes(content)
    assert cache_in(tmp_path).covered() == [Range(0, 3 * MINUTE)]
    assert cache_in(tmp_path).read(0, 9 * MINUTE) == rows
    assert size < len(content)


def test_what_a_crash_left_behind_is_gone_after_a_shorter_append(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    rows = keep(cache, 0, 3)
    keep(cache, 3, 30)
    cache.path.write_bytes(cache.path.read_bytes()[:-1])
    torn = cache_in(tmp_path)
    rows += keep(torn, 3, 4)
    assert cache_in(tmp_path).read(0, 99 * MINUTE) == rows
    rows += keep(cache_in(tmp_path), 4, 5)
    assert cache_in(tmp_path).read(0, 99 * MINUTE) == rows


def test_damage_in_the_middle_is_said_clearly_and_cleared_on_request(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, 0, 10)
    size = cache.path.stat().st_size
    keep(cache, 10, 20)
    content = bytearray(cache.path.read_bytes())
    content[size - 20] ^= 1
    cache.path.write_bytes(content)
    with pytest.raises(CacheDamaged, match="delete it"):
        cache_in(tmp_path).read(0, 20 * MINUTE)
    assert cache_in(tmp_path).read(10 * MINUTE, 20 * MINUTE)  # the other block is sound
    cache.clear()
    assert cache.covered() == []


def test_a_file_of_another_market_is_refused(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, 0, 3)
    other = BarCache(tmp_path, "binance", "ETH/USDT", "1m")
    cache.path.rename(other.path)
    with pytest.raises(CacheDamaged, match="not the cache of this exchange"):
        other.read(0, MINUTE)


def test_minutes_and_months_are_different_files_even_where_case_does_not_count(tmp_path: Path) -> None:
    names = {
        BarCache(tmp_path, "binance", symbol, timeframe).path.name.lower()
        for symbol in ("BTC/USDT", "BTC/USDT:USDT")
        for timeframe in ("1m", "1M")
    }
    assert len(names) == 4


def test_bars_out_of_order_or_out_of_range_are_refused(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    with pytest.raises(ValueError, match="order"):
        cache.append(0, 5 * MINUTE, [bar(MINUTE), bar(0)])
    with pytest.raises(ValueError, match="outside"):
        cache.append(0, MINUTE, [bar(MINUTE)])
    assert cache.covered() == []


def test_two_instances_see_each_others_appends(tmp_path: Path) -> None:
    first, second = cache_in(tmp_path), cache_in(tmp_path)
    rows = keep(first, 0, 3)
    assert second.read(0, 9 * MINUTE) == rows
    rows += keep(second, 3, 6)
    assert first.read(0, 9 * MINUTE) == rows


def test_many_small_appends_are_joined_to_one_block_per_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_MANY_BLOCKS", 20)
    first, second = cache_in(tmp_path), cache_in(tmp_path)
    rows: list[Bar] = []
    for position in range(50):
        rows += keep(first, position, position + 1)
        assert second.read(0, 99 * MINUTE) == rows
    assert cache_in(tmp_path).path.stat().st_size < 50 * 48 + 25 * 32 + 200


def _append_many(folder: str, first: int, count: int) -> None:
    cache = cache_in(Path(folder))
    for position in range(first, first + count):
        keep(cache, position, position + 1)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(str(tmp_path), first, 60)) for first in (0, 60)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    cache = cache_in(tmp_path)
    assert [row.open_ms for row in cache.read(0, 999 * MINUTE)] == [position * MINUTE for position in range(120)]
    assert cache.covered() == [Range(0, 120 * MINUTE)]


def test_nothing_kept_yet_is_an_empty_cache(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    assert cache.covered() == []
    assert cache.read(0, MINUTE) == []
    assert len(cache.read_columns(0, MINUTE)) == 0
    assert bars("1m", 0, 0) == []
