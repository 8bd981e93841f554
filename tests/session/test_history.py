"""Loading a past range in the session: how far back a number of bars lies, and trades by way of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from btccxt.bars.columns import Columns
from btccxt.bars.gaps import gaps_of
from btccxt.bars.lake import DataVenue, Lake, LakeView
from btccxt.bars.segments import Range
from btccxt.bars.series import GapCause, LakeGap
from btccxt.exchange.profile.profile import custom_profile
from btccxt.model import Bar, MarketType, Trade
from btccxt.session.events import FeedRequest
from btccxt.session.history import HistoryLoader
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, FakeClock, FakeExchange, bars

MINUTE, DAY = 60_000, 86_400_000
START = 1_772_323_200_000  # 2026-03-01 00:00 UTC
END = 2_000  # minutes
NOW = START + END * MINUTE + 30_000


def exchange(rows: list[Bar], **settings: Any) -> FakeExchange:
    candles = {(SYMBOL, "1m"): rows, (SYMBOL, "1d"): bars("1d", START - 2 * DAY, 5)}
    return FakeExchange(clock=FakeClock(NOW), candles=candles, **settings)


def loader(source: FakeExchange, folder: Path | None) -> HistoryLoader:
    profile = custom_profile("fake", MarketType.SPOT, {"history": {"page_size": 100}})
    view = None if folder is None else LakeView(Lake(folder), DataVenue("fake"))
    return HistoryLoader(source, source.clock.now_ms, profile, lambda what, error: None, view)


def request(**settings: Any) -> FeedRequest:
    return FeedRequest(**{"symbol": SYMBOL, "timeframe": "1m", **settings})


def records(found: Any) -> list[Any]:
    return found.bars() if isinstance(found, Columns) else list(found)


@pytest.mark.parametrize("kept", [False, True], ids=["", "with a lake"])
@pytest.mark.parametrize("every", [1, 7, 60], ids=["every minute", "every seventh", "every hour"])
async def test_the_last_bars_are_so_many_however_long_ago(tmp_path: Path, kept: bool, every: int) -> None:
    rows = bars("1m", START, END, without=[n for n in range(END) if n % every])
    folder = tmp_path if kept else None
    for count in (1, 20, len(rows)):
        asked = request(last_bars=count)
        assert records(await loader(exchange(rows), folder).load(asked)) == rows[-count:]
        assert await loader(exchange(rows), folder).begin_of_last(asked) == rows[-count].open_ms


async def test_where_there_are_fewer_all_are_given(tmp_path: Path) -> None:
    rows = bars("1m", START, END)
    source = exchange(rows)
    assert records(await loader(source, None).load(request(last_bars=5_000))) == rows
    assert len(source.calls) < 80  # asked until the market begins, and no further
    assert records(await loader(exchange([]), None).load(request(last_bars=10))) == []


async def test_trades_come_by_way_of_the_lake(tmp_path: Path) -> None:
    tape = [Trade(f"t{n}", START + n * 700, 100.0, 1.0, None, SYMBOL) for n in range(1_000)]
    source = exchange([], trades={SYMBOL: tape})
    asked = request(timeframe=None, from_ms=START + 5_000, to_ms=START + 400_000)
    wanted = [trade for trade in tape if START + 5_000 <= trade.time_ms < START + 400_000]
    assert records(await loader(source, tmp_path).load(asked)) == wanted
    calls = len(source.calls)
    assert records(await loader(source, tmp_path).load(asked)) == wanted
    assert len(source.calls) == calls


async def test_a_lake_that_cannot_be_written_is_told_once_and_bars_come_all_the_same(tmp_path: Path) -> None:
    rows = bars("1m", START, END)
    source = exchange(rows)
    said: list[BaseException] = []
    profile = custom_profile("fake", MarketType.SPOT, {"history": {"page_size": 100}})
    lake = Lake(tmp_path)
    view = LakeView(lake, DataVenue("fake"))
    broken = HistoryLoader(source, source.clock.now_ms, profile, lambda what, error: said.append(error), view)
    (tmp_path / "bars").write_text("a file where the folder should be")
    found = await broken.load(request(from_ms=START, to_ms=START + 900 * MINUTE))
    assert records(found) == rows[:900]
    assert len(said) == 1
    assert "cannot be written" in str(said[0])


@pytest.mark.parametrize("back", [0, 1_000])
async def test_an_end_alone_gives_the_page_before_it(back: int) -> None:
    rows = bars("1m", START, END)
    found = records(await loader(exchange(rows), None).load(request(to_ms=START + (END - back) * MINUTE)))
    assert found == rows[: END - back][-100:]


async def test_a_history_that_begins_later_is_told_in_dates() -> None:
    said: list[str] = []
    source = exchange(bars("1m", START, END))
    profile = custom_profile("fake", MarketType.SPOT, {})
    history = HistoryLoader(source, source.clock.now_ms, profile, lambda what, error: said.append(str(error)), None)
    await history.load(request(from_ms=START - 2 * DAY))
    assert said == ["history begins at 2026-03-01 00:00, not at 2026-02-27 00:00 as asked for"]


@pytest.mark.parametrize(("empty", "cause"), [(True, GapCause.EXCHANGE_DOWN), (False, GapCause.NO_TRADES)])
async def test_the_profile_says_what_a_missing_bar_means(tmp_path: Path, empty: bool, cause: GapCause) -> None:
    source = exchange(bars("1m", START, END, without=range(50, 60)))
    own = {"bars": {"sends_empty_bars": empty}, "history": {"page_size": 100}}
    view = LakeView(Lake(tmp_path), DataVenue("fake"))
    profile = custom_profile("fake", MarketType.SPOT, own)
    told = HistoryLoader(source, source.clock.now_ms, profile, lambda what, error: None, view)
    await told.load(request(from_ms=START, to_ms=START + 200 * MINUTE))
    series, wanted = view.bars(SYMBOL, "1m"), Range(START, START + 200 * MINUTE)
    gaps = gaps_of(series.pieces(wanted.from_ms, wanted.to_ms), parse_timeframe("1m"), wanted)
    assert gaps == [LakeGap(START + 50 * MINUTE, START + 60 * MINUTE, cause)]
