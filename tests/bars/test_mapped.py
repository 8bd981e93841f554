"""Bars that many processes map at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from btccxt import Columns, DataVenue, Lake, LakeError, SeriesKey, open_columns
from btccxt.bars.mapped import map_file, open_mapped
from tests.bars.test_lake import HERE, MINUTE, keep, minutes, series_in
from tests.fakes import SYMBOL


def test_mapped_bars_are_those_of_the_lake_and_lie_in_the_file(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    series = series_in(tmp_path / "lake")
    rows = keep(series, 0, 1_000) + keep(series, 1_000, 40_000)
    path = map_file(series, 0, 40_000 * MINUTE, tmp_path)
    before = pyarrow.total_allocated_bytes()
    columns = open_mapped(path)
    assert pyarrow.total_allocated_bytes() - before < 10_000  # 40,000 bars are two megabytes
    assert columns.same_as(Columns.of(rows))
    assert not columns.close.flags.writeable


def test_a_file_is_made_once_and_another_one_when_the_lake_has_more(tmp_path: Path) -> None:
    series = series_in(tmp_path / "lake")
    keep(series, 0, 10)
    first = map_file(series, 0, 20 * MINUTE, tmp_path)
    stamp = first.stat().st_mtime_ns
    assert map_file(series, 0, 20 * MINUTE, tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    keep(series, 10, 20)
    second = map_file(series, 0, 20 * MINUTE, tmp_path)
    assert second != first
    assert len(open_mapped(second)) == 20
    for end in range(1, 30):
        map_file(series, 0, end * MINUTE, tmp_path)
    assert len(list(tmp_path.rglob("*.arrow"))) <= 8


def _length(arguments: tuple[str, str]) -> tuple[str, int]:
    path = map_file(series_in(Path(arguments[0])), 0, 9_999 * MINUTE, Path(arguments[1]))
    return path.name, len(open_mapped(path))


def test_processes_that_ask_at_once_get_the_same_file(tmp_path: Path) -> None:
    keep(series_in(tmp_path / "lake"), 0, 5_000)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_length, [(str(tmp_path / "lake"), str(tmp_path))] * 6)
    assert len(set(found)) == 1
    assert found[0][1] == 5_000


@pytest.mark.parametrize("mapped", [False, True])
def test_one_call_opens_a_series_as_columns(tmp_path: Path, mapped: bool) -> None:
    keep(series_in(tmp_path), 0, 10)
    keep(series_in(tmp_path), 15, 20)
    lake, key = Lake(tmp_path), SeriesKey(HERE, SYMBOL, "1m")
    assert open_columns(lake, key, 0, 10 * MINUTE, mapped=mapped).bars() == minutes(0, 10)
    with pytest.raises(LakeError, match="btccxt download"):
        open_columns(lake, key, mapped=mapped)
    with pytest.raises(LakeError, match="data ls"):
        open_columns(lake, SeriesKey(DataVenue("kraken"), SYMBOL, "1m"), mapped=mapped)
