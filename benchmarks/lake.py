"""(m) The lake: a year of minutes into columns, and one bar more, beside the peers that read or write the same rows.

``feather`` is one uncompressed file of the whole year, which has to be written whole for one bar more.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median

NAME = "lake"
TITLE = "the lake: one-minute bars into columns, and one bar more"

_READ, _APPEND = "read ms", "append ms"
_OURS, _MAPPED = "btccxt lake", "btccxt lake, mapped"
_PARQUET, _FEATHER = "pandas.read_parquet", "pandas feather"
_MINUTE_MS = 60_000
_START_MS = 1_735_689_600_000  # 2025-01-01
_YEAR = 525_600
_READ_LIMIT_MS, _GROWTH_LIMIT = 150.0, 1.5


def run(size: Size) -> Report:
    counts = size.pick((43_200, _YEAR), (43_200, _YEAR), (200, 2_000))
    repeats = size.pick(9, 5, 1)
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        contenders = [_Contenders(Path(folder, str(count)), count) for count in counts]
        # In turns, so that whatever else the machine does hits all of them.
        reads: dict[tuple[str, str], list[float]] = {}
        appends: dict[tuple[str, str], list[float]] = {}
        for _ in range(repeats):
            for each in contenders:
                for who, read in each.reads().items():
                    reads.setdefault((each.case, who), []).append(_ms(read))
        for _ in range(3 * repeats):
            for each in contenders:
                appends.setdefault((each.case, _OURS), []).append(_ms(each.append_ours))
                appends.setdefault((each.case, _FEATHER), []).append(_ms(each.append_feather))
    rows = []
    for (case, who), found in reads.items():
        values = {_READ: median(found)}
        if (case, who) in appends:
            values[_APPEND] = median(appends[case, who])
        rows.append(Row(case, who, values))
    small, large = (median(appends[each.case, _OURS]) for each in contenders)
    year_ms = median(reads[contenders[1].case, _OURS])
    targets = (
        Target(f"{contenders[1].case} into columns (ms)", year_ms, _READ_LIMIT_MS),
        Target("appending a bar to the large series beside the small one (ratio)", large / small, _GROWTH_LIMIT),
    )
    return Report(NAME, TITLE, (Column(_READ, 2), Column(_APPEND, 2)), _READ, tuple(rows), targets)


class _Contenders:
    """One series in every form. Every read ends with a sum, so that what is only mapped is read too."""

    def __init__(self, folder: Path, count: int) -> None:
        import pandas

        from btccxt import Columns, DataVenue, Lake
        from btccxt.bars.mapped import map_file

        self.case = f"{count:,} bars"
        self._count = count
        self._end_ms = _START_MS + count * _MINUTE_MS
        self._series = Lake(folder / "lake").bars(DataVenue("binance"), "BTC/USDT", "1m")
        self._series.append(_START_MS, self._end_ms, Columns.of([_bar(number) for number in range(count)]))
        self._mapped = map_file(self._series, _START_MS, self._end_ms, folder)
        self._feather = folder / "all.feather"
        self._frame = pandas.read_parquet(self._series.path)
        self.append_feather()

    def reads(self) -> dict[str, Callable[[], Any]]:
        import pandas

        from btccxt.bars.mapped import open_mapped

        return {
            _OURS: lambda: self._series.columns(_START_MS, self._end_ms).close.sum(),
            _MAPPED: lambda: open_mapped(self._mapped).close.sum(),
            _PARQUET: lambda: pandas.read_parquet(self._series.path)["close"].sum(),
            _FEATHER: lambda: pandas.read_feather(self._feather)["close"].sum(),
        }

    def append_ours(self) -> None:
        self._series.append(*_range(self._count), [_bar(self._count)])
        self._count += 1

    def append_feather(self) -> None:
        self._frame.to_feather(self._feather, compression="uncompressed")


def _bar(number: int) -> Any:
    from btccxt.model import Bar

    price = 100.0 + (number * 7 % 101) * 0.1
    return Bar(_START_MS + number * _MINUTE_MS, price, price + 0.5, price - 0.5, price, number % 13 + 0.25)


def _range(number: int) -> tuple[int, int]:
    return _START_MS + number * _MINUTE_MS, _START_MS + (number + 1) * _MINUTE_MS


def _ms(act: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1_000
