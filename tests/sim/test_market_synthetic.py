"""Synthetic prices: reproducible, consistent across timeframes, lively enough to trade."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.model import Bar, Side, decimal_of
from btccxt.sim.candles import bars_from_bars, bars_from_trades
from btccxt.sim.market import SyntheticSource, default_universe, many_symbols
from btccxt.sim.synthetic import DAY_MS, HOUR_MS, MINUTE_MS, Ticks, divide, share, trade_prices
from btccxt.timeframe import parse_timeframe

BTC = "BTC/USDT"
SOURCE = default_universe(seed=7)
START = SOURCE.start_ms


def made_of_trades(source: SyntheticSource, symbol: str, timeframe: str, since_ms: int, until_ms: int) -> list[Bar]:
    trades = source.trades(symbol, since_ms, until_ms, 1 << 40)
    return bars_from_trades(
        ((trade.time_ms, trade.price, decimal_of(trade.amount)) for trade in trades), parse_timeframe(timeframe)
    )


@st.composite
def whole_bars(draw: st.DrawFn) -> Ticks:
    low = draw(st.integers(1, 10_000))
    high = low + draw(st.integers(0, 500))
    inside = st.integers(low, high)
    return Ticks(draw(inside), high, low, draw(inside), draw(st.integers(60 * 24, 10**9)))


@given(whole_bars(), st.integers(0, 10**6))
def test_a_divided_bar_is_exactly_the_sum_of_its_parts(whole: Ticks, seed: int) -> None:
    parts = divide(whole, 24, 60, Random(seed))
    assert (parts[0].open, parts[-1].close) == (whole.open, whole.close)
    assert max(part.high for part in parts) == whole.high
    assert min(part.low for part in parts) == whole.low
    assert sum(part.volume for part in parts) == whole.volume
    assert all(part.volume >= 60 for part in parts)
    assert all(part.low <= min(part.open, part.close) <= max(part.open, part.close) <= part.high for part in parts)
    assert all(before.close == after.open for before, after in pairwise(parts))


@given(whole_bars(), st.integers(4, 60), st.integers(0, 10**6))
def test_trade_prices_make_exactly_their_bar(whole: Ticks, count: int, seed: int) -> None:
    prices = trade_prices(whole, count, Random(seed))
    assert len(prices) == count
    assert (prices[0], max(prices), min(prices), prices[-1]) == (whole.open, whole.high, whole.low, whole.close)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=60), st.integers(60, 10**12))
def test_a_shared_volume_loses_nothing(weights: list[float], volume: int) -> None:
    amounts = share(volume, weights, 1)
    assert sum(amounts) == volume
    assert min(amounts) >= 1


@pytest.mark.parametrize("timeframe", ["1s", "5s", "1m", "3m", "15m", "1h"])
def test_bars_of_every_timeframe_are_what_their_trades_make(timeframe: str) -> None:
    since, until = START - 2 * HOUR_MS, START - 1
    told = SOURCE.history(BTC, timeframe, since, until, 10_000, now_ms=START)
    traded = {bar.open_ms: bar for bar in made_of_trades(SOURCE, BTC, timeframe, since, until)}
    assert len(told) == 2 * HOUR_MS // (parse_timeframe(timeframe).length_ms or 1)
    assert traded == {bar.open_ms: bar for bar in told if bar.volume}
    for before, quiet in pairwise(told):
        if not quiet.volume:  # nobody traded: a flat bar at the last price
            assert quiet == Bar(quiet.open_ms, before.close, before.close, before.close, before.close, 0.0)


@pytest.mark.parametrize(
    ("timeframe", "smaller", "days"),
    [("4h", "1m", 2), ("1d", "1h", 5), ("1d", "1m", 2), ("1w", "1d", 35), ("1M", "1d", 95)],
)
def test_higher_timeframes_are_made_of_lower_ones(timeframe: str, smaller: str, days: int) -> None:
    frame = parse_timeframe(timeframe)
    since = frame.floor(START - days * DAY_MS)
    until = frame.floor(START) - 1
    parts = SOURCE.history(BTC, smaller, since, until, 1 << 40)
    assert SOURCE.history(BTC, timeframe, since, until, 1 << 40) == bars_from_bars(parts, frame)


def test_the_same_seed_tells_the_same_story_whatever_was_asked_before() -> None:
    one, other = default_universe(seed=3), default_universe(seed=3)
    other.last_bars("ETH/USDT", "1h", START + DAY_MS, 500)
    list(other.advance(START + MINUTE_MS))
    window = (START - 300 * DAY_MS, START - 300 * DAY_MS + 10 * MINUTE_MS, 100)
    assert one.history(BTC, "1m", *window) == other.history(BTC, "1m", *window)
    assert one.trades(BTC, *window) == other.trades(BTC, *window)
    assert default_universe(seed=4).history(BTC, "1m", *window) != one.history(BTC, "1m", *window)


def test_symbols_have_stories_of_their_own() -> None:
    source = many_symbols(3)
    bars = [source.last_bars(symbol, "1h", START, 24) for symbol in source.symbols]
    shapes = {tuple(round(bar.close / series[0].open, 9) for bar in series) for series in bars}
    assert len(shapes) == 3


def test_pages_fit_together_without_gap_or_overlap() -> None:
    until, pages, since = START, [], START - 3 * DAY_MS
    while page := SOURCE.history(BTC, "1m", since, until, 1000):
        pages += page
        since = page[-1].open_ms + 1
    assert pages == SOURCE.history(BTC, "1m", START - 3 * DAY_MS, until, 1 << 40)
    assert [bar.open_ms for bar in pages] == list(range(START - 3 * DAY_MS, START + 1, MINUTE_MS))
    assert SOURCE.last_bars(BTC, "1m", until, 1000) == pages[-1000:]


def test_bars_connect_and_prices_keep_to_the_steps() -> None:
    for symbol, market in SOURCE.symbols.items():
        bars = SOURCE.last_bars(symbol, "1m", START - 1, 200)
        assert all(before.close == after.open for before, after in pairwise(bars))
        for bar in bars:
            assert market.price_step is not None
            assert not any(decimal_of(price) % market.price_step for price in (bar.open, bar.high, bar.low, bar.close))


def test_the_forming_bar_shows_only_what_has_happened() -> None:
    now = START + 30_500
    forming = SOURCE.history(BTC, "1h", START, now, 5)
    assert forming == made_of_trades(SOURCE, BTC, "1h", START, now)
    latest = SOURCE.last_trades(BTC, now, 1)[0]
    assert SOURCE.history(BTC, "1h", START, latest.time_ms, 5) == forming  # a trade at this very millisecond counts
    whole = SOURCE.history(BTC, "1h", START, START, 5, now_ms=START + HOUR_MS)
    assert whole[0].volume > forming[0].volume
    assert SOURCE.history(BTC, "1h", START, START + DAY_MS, 5, now_ms=now) == forming


def test_history_begins_where_the_listing_does() -> None:
    bars = SOURCE.history(BTC, "1d", 0, START, 3)
    assert bars[0].open_ms == SOURCE.first_ms == (START // DAY_MS - 3 * 365) * DAY_MS
    assert SOURCE.trades(BTC, 0, SOURCE.first_ms - 1, 10) == []


def test_trade_ids_are_contiguous_and_the_latest_trades_come_last() -> None:
    trades = SOURCE.trades(BTC, START - 2 * MINUTE_MS, START, 1000)
    assert [int(later.trade_id) - int(earlier.trade_id) for earlier, later in pairwise(trades)] == [1] * (
        len(trades) - 1
    )
    assert SOURCE.last_trades(BTC, START, 50) == trades[-50:]
    assert SOURCE.trades(BTC, START - 2 * MINUTE_MS, START, 7) == trades[:7]


def test_the_story_is_the_same_in_big_and_small_steps() -> None:
    big, small = default_universe(seed=5), default_universe(seed=5)
    assert list(big.seek(START)) == list(small.seek(START))
    stepwise = [step for to_ms in range(START, START + 90_001, 250) for step in small.advance(to_ms)]
    assert list(big.advance(START + 90_000)) == stepwise
    times = [step.time_ms for step in stepwise]
    assert times == sorted(times)
    assert times[0] > START


def test_depth_is_never_crossed_and_touches_the_last_price() -> None:
    for step in default_universe(seed=5).advance(START + 20_000):
        assert step.bids
        assert step.asks
        assert step.bids[0][0] < step.asks[0][0]
        printed = step.prints[0]
        assert printed.price == (step.asks if printed.side is Side.BUY else step.bids)[0][0]
        assert all(amount > 0 for _, amount in [*step.bids, *step.asks])


def test_a_moving_average_strategy_finds_something_to_trade() -> None:
    closes = [bar.close for bar in SOURCE.last_bars(BTC, "1m", START, 1440)]
    fast, slow = ([sum(closes[n - length : n]) / length for n in range(30, len(closes))] for length in (10, 30))
    crossings = sum((f > s) != (g > t) for (f, s), (g, t) in pairwise(zip(fast, slow, strict=True)))
    assert 20 < crossings < 200
    assert max(closes) / min(closes) > 1.01


def test_a_tick_that_does_not_divide_a_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="divide a minute"):
        default_universe(tick_ms=7000)


def test_prices_start_where_the_listing_says() -> None:
    day = SOURCE.history(BTC, "1d", START - START % DAY_MS, START, 1)
    assert Decimal(str(day[0].open)) == 60_000


def test_hours_look_like_a_market_without_cliffs_and_without_plateaus() -> None:
    """The old walk jumped from one extreme to the other within a minute, and lay cut off at the hour's limit."""
    shares, touches, still = [], [], []
    for hour in range(400):
        whole = SOURCE._hours(BTC, START // DAY_MS + hour // 24)[hour % 24]
        minutes = SOURCE._minutes(BTC, START // HOUR_MS - START // HOUR_MS % 24 + hour)
        span = whole.high - whole.low
        shares.append(max(part.high - part.low for part in minutes) / span)
        touches.append(sum(part.high == whole.high or part.low == whole.low for part in minutes))
        still.append(sum(part.high - part.low < span / 200 for part in minutes))
    assert sorted(shares)[200] < 0.35 and sum(share > 0.6 for share in shares) < 4
    assert sorted(touches)[200] <= 5
    assert sorted(still)[200] <= 3
