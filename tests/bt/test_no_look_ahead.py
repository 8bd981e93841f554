"""No bar is seen before the last trade in it and no trade is lost: feeds, resampled and replayed data, in any zone.

Trades are random; every feed's bars are made of them, one trade being a volume of 1, so that the volume that a strategy
has been shown says how many trades it knows.
"""

from __future__ import annotations

import random
import zoneinfo
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btccxt.bars.aggregate import TradeBars
from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.model import Bar, Trade
from btccxt.timeframe import parse_timeframe
from tests.bt.harness import DAY_MS, ENDED, HOUR_MS, LIVE, MINUTE_MS, START_MS, FakeStore, Run, closed, stamp_ms

TF = bt.TimeFrame
ZONES = [
    None, "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Cairo",
]  # fmt: skip
FEEDS = {
    "15m": (TF.Minutes, 15), "1h": (TF.Minutes, 60), "4h": (TF.Minutes, 240), "12h": (TF.Minutes, 720),
    "1d": (TF.Days, 1), "1w": (TF.Weeks, 1),
}  # fmt: skip
TARGETS = [(TF.Minutes, 60), (TF.Minutes, 120), (TF.Minutes, 360), (TF.Days, 1), (TF.Days, 2), (TF.Weeks, 1)]
STARTS = ["2024-03-08", "2024-03-29", "2024-04-05", "2024-10-25", "2024-11-01", "2024-12-29"]  # before clocks change


def start_of(day: str) -> int:
    return round(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000)


def trades_of(seed: int, start_ms: int, hours: int) -> list[Trade]:
    """Some on full minutes, where bars meet."""
    chance = random.Random(seed)
    times = [start_ms + chance.randrange(hours * 60) * MINUTE_MS for _ in range(hours * 2)]
    times += [start_ms + chance.randrange(hours * HOUR_MS) for _ in range(hours)]
    return [Trade(str(n), time_ms, 100.0 + n % 7, 1.0) for n, time_ms in enumerate(sorted(times))]


def bars_of(trades: Sequence[Trade], name: str, end_ms: int) -> list[Bar]:
    frame = parse_timeframe(name)
    builder = TradeBars(frame)
    bars = [bar for trade in trades for bar in builder.on_trade(trade) if isinstance(bar, Bar)]
    last = builder.due(end_ms, 0)
    return bars if last is None else [*bars, last]


@dataclass(frozen=True)
class Part:
    """A data of the run: a feed, or what was made of one."""

    data: Any
    base: str
    target: tuple[int, int] | None = None
    replayed: bool = False

    def volume(self) -> float:
        """Of all that the strategy has been shown of it."""
        return sum(self.data.volume.get(size=len(self.data))) if len(self.data) else 0.0


derivations = st.tuples(st.sampled_from(["15m", "1h", "4h"]), st.sampled_from(TARGETS), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(ZONES),
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(sorted(FEEDS)), min_size=1, max_size=3, unique=True),
    st.lists(derivations, max_size=3),
    st.booleans(),
    st.integers(0, 1000),
)
def test_what_is_seen_was_traded_and_what_closed_is_seen(
    zone: str | None, start: str, feeds: list[str], derived: list[Any], live: bool, seed: int
) -> None:
    start_ms, end_ms = start_of(start), start_of(start) + 5 * DAY_MS
    trades = trades_of(seed, start_ms, 5 * 24)
    times = [trade.time_ms for trade in trades]
    store = FakeStore(offered=tuple(FEEDS))
    run = Run(store)
    parts: dict[str, Part] = {}
    for name in dict.fromkeys([*feeds, *(base for base, _, _ in derived)]):
        timeframe, compression = FEEDS[name]
        store.past[name] = bars_of(trades, name, end_ms)
        data = store.getdata(name, timeframe=timeframe, compression=compression, historical=not live, tz=zone)
        run.cerebro.adddata(data)
        parts[name] = Part(data, name)
    for base, (timeframe, compression), replayed in derived:
        if timeframe != TF.Minutes or compression * MINUTE_MS >= (parse_timeframe(base).length_ms or 0):
            add = run.cerebro.replaydata if replayed else run.cerebro.resampledata
            data = add(parts[base].data, timeframe=timeframe, compression=compression)
            parts[f"{base} {timeframe} {compression} {replayed} {len(parts)}"] = Part(
                data, base, (timeframe, compression), replayed
            )
    seen: list[tuple[int, dict[str, float]]] = []

    def look(_: Any) -> None:
        now_ms = max(stamp_ms(part.data) for part in parts.values() if len(part.data))
        seen.append((now_ms, {name: part.volume() for name, part in parts.items()}))

    run.cerebro.strats.clear()
    run.cerebro.addstrategy(run.strategy_class, log=run.log, on_next=look)
    if live:
        store.play(lambda: [store.send(name, closed(*bars), LIVE, ENDED) for name, bars in store.past.items()])  # type: ignore[func-returns-value,arg-type]
    run.go()

    closes = {name: [parse_timeframe(name).next_open(bar.open_ms) for bar in bars] for name, bars in store.past.items()}
    sums = {
        name: [sum(bar.volume for bar in bars[:n]) for n in range(len(bars) + 1)] for name, bars in store.past.items()
    }
    assert seen
    assert [now_ms for now_ms, _ in seen] == sorted(now_ms for now_ms, _ in seen)
    for now_ms, volumes in seen:
        traded = bisect_left(times, now_ms)
        for name, part in parts.items():
            closed_volume = sums[part.base][bisect_left(closes[part.base], now_ms + 1)]
            assert volumes[name] <= traded, f"{name}: a bar was seen before its last trade"
            if part.target is None or part.replayed:
                assert volumes[name] == closed_volume, f"{name}: not all that had closed was seen"
            else:
                assert volumes[name] <= closed_volume
    for name, part in parts.items():
        if part.target is not None and not part.replayed:
            # All but the group that is not over.
            newest = 0 if not len(part.data) else stamp_ms(part.data)
            left = sum(
                bar.volume for bar, at in zip(store.past[part.base], closes[part.base], strict=True) if at > newest
            )
            assert part.volume() + left == len(trades), f"{name}: trades were lost"


# ------------------------------------------------------------------ exact groups


def group_key(open_ms: int, zone: tzinfo, timeframe: int, compression: int) -> tuple[Any, ...]:
    """By the calendar on the wall: written without the code under test."""
    local = datetime.fromtimestamp(open_ms / 1000, timezone.utc).astimezone(zone)
    if timeframe == TF.Weeks:
        return local.isocalendar()[:2]
    if timeframe == TF.Months:
        return local.year, local.month
    part = (local.hour * 60 + local.minute) // compression if timeframe == TF.Minutes else 0
    return local.date(), part


CALENDAR_TARGETS = [(TF.Minutes, 360), (TF.Minutes, 240), (TF.Days, 1), (TF.Weeks, 1), (TF.Months, 1)]


def is_of_the_calendar(made: Any, bars: Sequence[Bar], step_ms: int, zone: str, target: tuple[int, int]) -> None:
    groups: dict[tuple[Any, ...], list[Bar]] = {}
    for bar in bars:
        groups.setdefault(group_key(bar.open_ms, zoneinfo.ZoneInfo(zone), *target), []).append(bar)
    wanted = [
        (
            part[-1].open_ms + step_ms,
            part[0].open,
            part[-1].high,
            part[0].low,
            part[-1].close,
            sum(b.volume for b in part),
        )
        for part in groups.values()
    ]
    count = len(made)
    columns = [line.get(size=count) for line in (made.open, made.high, made.low, made.close, made.volume)]
    got = list(zip([ms_of_num(num) for num in made.datetime.get(size=count)], *columns, strict=True))
    assert got == wanted[:count]
    assert len(wanted) - count <= 1  # the last one is not over


def quarters(days: int) -> list[Bar]:
    step, start_ms = 15 * MINUTE_MS, start_of("2024-03-03")
    return [Bar(start_ms + n * step, 100.0 + n, 101.0 + n, 99.0 + n, 100.5 + n, 1.0 + n % 3) for n in range(96 * days)]


@pytest.mark.parametrize(
    ("zone", "live"), [(zone, place % 2 == 0) for place, zone in enumerate(ZONES) if zone is not None]
)
def test_resampled_bars_of_a_zone_are_those_of_its_calendar(zone: str, live: bool) -> None:
    bars = quarters(36)
    store = FakeStore(offered=("15m",))
    run = Run(store)
    store.past["BTC/USDT"] = bars
    data = store.getdata(compression=15, historical=not live, tz=zone)
    run.cerebro.adddata(data)
    made = {
        target: run.cerebro.resampledata(data, timeframe=target[0], compression=target[1])
        for target in CALENDAR_TARGETS
    }
    if live:
        store.play(lambda: store.send("BTC/USDT", closed(*bars), LIVE, ENDED))
    run.go()
    for target, data in made.items():
        is_of_the_calendar(data, bars, 15 * MINUTE_MS, zone, target)


@pytest.mark.parametrize("target", CALENDAR_TARGETS)
def test_a_data_that_is_only_resampled_gives_the_same(target: tuple[int, int]) -> None:
    bars = quarters(10)
    store = FakeStore(offered=("15m",))
    run = Run(store)
    store.past["BTC/USDT"] = bars
    data = store.getdata(compression=15, historical=True, tz="America/New_York")
    run.cerebro.resampledata(data, timeframe=target[0], compression=target[1])
    run.go()
    is_of_the_calendar(data, bars, 15 * MINUTE_MS, "America/New_York", target)


@pytest.mark.parametrize("live", [False, True])
def test_a_replayed_day_of_a_zone_holds_its_day_and_grows_bar_by_bar(live: bool) -> None:
    bars = quarters(10)  # New York's clock changes on the 10th
    store = FakeStore(offered=("15m",))
    seen: list[tuple[int, float]] = []
    run = Run(store, on_next=lambda strategy: seen.append((len(strategy.data), strategy.data.volume[0])))
    store.past["BTC/USDT"] = bars
    data = store.getdata(compression=15, historical=not live, tz="America/New_York")
    run.cerebro.replaydata(data, timeframe=TF.Days, compression=1)
    if live:
        store.play(lambda: store.send("BTC/USDT", closed(*bars), LIVE, ENDED))
    run.go()
    keys = [group_key(bar.open_ms, zoneinfo.ZoneInfo("America/New_York"), TF.Days, 1) for bar in bars]
    days = {key: place + 1 for place, key in enumerate(dict.fromkeys(keys))}
    sums: dict[Any, float] = {}
    wanted = []
    for key, bar in zip(keys, bars, strict=True):
        sums[key] = sums.get(key, 0.0) + bar.volume
        wanted.append((days[key], sums[key]))
    assert seen == wanted


def test_a_day_is_seen_together_with_its_last_hour_never_before() -> None:
    store = FakeStore()
    lengths: list[tuple[int, int]] = []
    run = Run(store, on_next=lambda strategy: lengths.append((len(strategy.datas[0]), len(strategy.datas[1]))))
    store.past["BTC/USDT"] = [Bar(START_MS + n * HOUR_MS, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(48)]
    store.past["ETH/USDT"] = [Bar(START_MS + n * DAY_MS, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(2)]
    run.cerebro.adddata(store.getdata(compression=60, historical=True))
    run.cerebro.adddata(store.getdata("ETH/USDT", timeframe=TF.Days, historical=True))
    run.go()
    assert [hours for hours, _ in lengths] == list(range(1, 49))
    assert [days for _, days in lengths] == [hours // 24 for hours in range(1, 49)]


def seen_of_a_mix(exactbars: int, live: bool) -> list[tuple[Any, ...]]:
    """A replayed day whose growth has to wait for 12-hour bars, and an hour resampled of the same quarters."""
    trades, end_ms = trades_of(3, START_MS, 72), START_MS + 3 * DAY_MS
    store = FakeStore(offered=tuple(FEEDS))
    datas: list[Any] = []
    seen: list[tuple[Any, ...]] = []

    def look(_: Any) -> None:
        shown = [data for data in datas if len(data)]
        seen.append(tuple((len(data), data.datetime[0], data.volume[0], data.tick_close) for data in shown))

    run = Run(store, on_next=look)
    for name in ("12h", "15m"):
        store.past[name] = bars_of(trades, name, end_ms)
        timeframe, compression = FEEDS[name]
        datas.append(store.getdata(name, timeframe=timeframe, compression=compression, historical=not live))
        run.cerebro.adddata(datas[-1])
    datas.append(run.cerebro.replaydata(datas[1], timeframe=TF.Days, compression=1))
    datas.append(run.cerebro.resampledata(datas[1], timeframe=TF.Minutes, compression=60))

    def script() -> None:
        for name, bars in store.past.items():
            store.send(name, closed(*bars), LIVE, ENDED)

    if live:
        store.play(script)
    run.go(exactbars=exactbars)
    return seen


def test_a_mix_of_feeds_replayed_and_resampled_data_is_the_same_live_and_with_exactbars() -> None:
    wanted = seen_of_a_mix(0, live=False)
    assert len(wanted) > 150
    for exactbars, live in ((1, False), (0, True), (1, True)):
        assert seen_of_a_mix(exactbars, live) == wanted


def test_alone_a_day_is_stamped_within_itself() -> None:
    """Backtrader's analyzers count by that date."""
    store = FakeStore()
    run = Run(store)
    store.past["BTC/USDT"] = [Bar(START_MS + n * DAY_MS, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(31)]
    run.cerebro.adddata(store.getdata(timeframe=TF.Days, historical=True))
    run.cerebro.addanalyzer(bt.analyzers.TimeReturn, timeframe=TF.Months, _name="months")
    run.go()
    assert [str(month)[:7] for month in run.result[0].analyzers.months.get_analysis()] == ["2024-01"]
