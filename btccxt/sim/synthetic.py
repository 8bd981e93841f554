"""Seeded synthetic prices, from the day down to the single trade.

Each level is drawn *inside* the one above: a day's bar (open, high, low, close, volume) comes from fractal noise with
trend swings and clustered volatility; it is divided into 24 hours, an hour into 60 minutes, a minute into trades,
each time so that the parts add up to the whole exactly. So any piece of history can be had at once and alone, never
changes, and bars of every timeframe are exactly what their trades make. Prices are whole price steps, amounts whole
amount steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from math import exp, sqrt
from random import Random
from typing import NamedTuple

from btccxt.matching.records import Event
from btccxt.matching.values import is_inverse
from btccxt.model import Bar, Market, Side, Trade
from btccxt.sim.depth import depth_around
from btccxt.sim.markets import Listing, default_listings, many_listings
from btccxt.sim.source import MarketStep, Print
from btccxt.timeframe import parse_timeframe

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
OCTAVES = tuple(2**n for n in range(10))  # periods of the daily price noise, in days
HISTORY_DAYS = 3 * 365
DEFAULT_START_MS = 1_704_110_400_000  # 2024-01-01 12:00 UTC
_RANGE_OF_A_WALK = 1.6  # about, in standard deviations of its end
_WALKS = 16
_NOISE = 1009  # length of the table that varies depth


class Ticks(NamedTuple):
    """A bar in whole price steps and whole amount steps."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Tick(NamedTuple):
    """A trade in whole steps. ``number`` counts the symbol's trades since 1970: ids are contiguous."""

    number: int
    time_ms: int
    price: int
    amount: int
    side: Side


def divide(whole: Ticks, parts: int, least: int, rng: Random) -> list[Ticks]:
    """``parts`` consecutive bars that make exactly ``whole``; each has a volume of ``least`` or more."""
    gauss, random = rng.gauss, rng.random
    activity, weights = gauss(0.0, 0.5), []
    for _ in range(parts):
        activity = 0.8 * activity + 0.3 * gauss(0.0, 1.0)
        weights.append(exp(activity))
    total = sum(weights)
    shares = [weight / total for weight in weights]
    path = bridge(whole, shares, rng)
    highest, lowest = _part_at(path.index(max(path)), parts, rng), _part_at(path.index(min(path)), parts, rng)
    span = whole.high - whole.low
    volumes = share(whole.volume, [weight * (0.6 + random()) for weight in weights], least)
    bars = []
    for n in range(parts):
        opened, closed = path[n], path[n + 1]
        top, bottom = max(opened, closed), min(opened, closed)
        # As far as a walk of its length reaches; the whole bar's ends are touched once, not leant against.
        wicks = max(0.0, span * sqrt(shares[n]) * (0.5 + 0.8 * random()) - (top - bottom))
        above = random()
        high = whole.high if n == highest else top + int(min(wicks * above, 0.8 * (whole.high - top)))
        low = whole.low if n == lowest else bottom - int(min(wicks * (1 - above), 0.8 * (bottom - whole.low)))
        bars.append(Ticks(opened, high, low, closed, volumes[n]))
    return bars


def bridge(whole: Ticks, shares: list[float], rng: Random) -> list[int]:
    """Prices at the borders of the parts: a random walk from the bar's open to its close, within its high and low.

    ``shares``: how much of the variance falls on each part. Of a few walks it is the one that comes nearest to the
    bar's reach; none is cut off at a limit.
    """
    upper, lower = max(whole.open, whole.close), min(whole.open, whole.close)
    above, below = whole.high - upper, lower - whole.low
    scale = (whole.high - whole.low) / _RANGE_OF_A_WALK
    deviations = [sqrt(part) * scale for part in shares]
    chosen, least = [0.0], float("inf")
    for _ in range(_WALKS):
        strayed, strays, gauss = 0.0, [0.0], rng.gauss
        for deviation in deviations:
            strayed += gauss(0.0, 1.0) * deviation
            strays.append(strayed)
        done, walked = 0.0, [float(whole.open)]
        for stray, part in zip(strays[1:], shares, strict=True):
            done += part
            walked.append(whole.open + stray + (whole.close - whole.open - strayed) * done)
        misfit = abs(max(walked) - upper - above) + abs(lower - min(walked) - below)
        if misfit < least:
            chosen, least = walked, misfit
    rise, fall = max(chosen) - upper, lower - min(chosen)
    # One that does not reach far enough is stretched, one that reaches too far turns at the limit.
    up = max(1.0, above * (0.8 + 0.2 * rng.random()) / rise) if rise > 0 else 1.0
    down = max(1.0, below * (0.8 + 0.2 * rng.random()) / fall) if fall > 0 else 1.0
    path = []
    for price in chosen:
        if price > upper:
            price = upper + (price - upper) * up
        elif price < lower:
            price = lower - (lower - price) * down
        path.append(_reflect(round(price), whole.low, whole.high))
    path[0], path[-1] = whole.open, whole.close
    return path


def _part_at(border: int, parts: int, rng: Random) -> int:
    """One of the two parts that meet there."""
    return min(parts - 1, max(0, border - (rng.random() < 0.5)))


def walk(anchors: Mapping[int, int], shares: list[float], low: int, high: int, rng: Random) -> list[int]:
    """Prices at 0, 1, … len(shares): a random walk through the anchors (first and last among them) within low … high.

    ``shares`` says how much of the variance falls on each step.
    """
    scale = (high - low) / _RANGE_OF_A_WALK
    places = sorted(anchors)
    prices = [anchors[places[0]]]
    for begin, end in pairwise(places):
        start, target, strayed, strays = anchors[begin], anchors[end], 0.0, []
        for n in range(begin, end):
            strayed += rng.gauss(0.0, 1.0) * sqrt(shares[n]) * scale
            strays.append(strayed)
        length, done = sum(shares[begin:end]), 0.0
        for n in range(begin, end - 1):
            done += shares[n]
            part = done / length
            prices.append(_reflect(round(start + (target - start - strayed) * part + strays[n - begin]), low, high))
        prices.append(target)
    return prices


def _reflect(price: int, low: int, high: int) -> int:
    if price > high:
        price = 2 * high - price
    elif price < low:
        price = 2 * low - price
    return min(max(price, low), high)


def share(volume: int, weights: list[float], least: int) -> list[int]:
    """Split ``volume`` by weight into whole amounts of at least ``least`` that sum to it exactly."""
    spare = volume - least * len(weights)
    total = sum(weights)
    amounts = [least + int(spare * weight / total) for weight in weights]
    amounts[-1] += volume - sum(amounts)
    return amounts


def trade_prices(minute: Ticks, count: int, rng: Random) -> list[int]:
    """``count`` (four or more) trade prices whose bar is exactly the minute's."""
    first, second = 1 + int(rng.random() * (count - 3)), 0
    second = first + 1 + int(rng.random() * (count - 2 - first))
    low_first = (rng.random() < 0.75) == (minute.close >= minute.open)
    lowest, highest = (first, second) if low_first else (second, first)
    anchors = {0: minute.open, lowest: minute.low, highest: minute.high, count - 1: minute.close}
    return walk(anchors, [1 / (count - 1)] * (count - 1), minute.low, minute.high, rng)


class SyntheticSource:
    """A market of seeded synthetic prices, without end.

    ``start_ms``: the day that contains it opens at each listing's start price. ``tick_ms``: one trade per symbol in
    each tick (a divisor of a minute, at most 15 s). History reaches ``history_days`` back from the start.
    Executions of accounts do not change these prices.
    """

    flat_bars_when_quiet = True
    end_ms: int | None = None

    def __init__(
        self,
        listings: Iterable[Listing],
        seed: int = 0,
        start_ms: int = DEFAULT_START_MS,
        tick_ms: int = 1000,
        history_days: int = HISTORY_DAYS,
    ) -> None:
        if MINUTE_MS % tick_ms or not 0 < tick_ms <= 15_000:
            raise ValueError(f"tick_ms must divide a minute and be at most 15000, not {tick_ms}")
        self._listings = {listing.market.symbol: listing for listing in listings}
        if not self._listings:
            raise ValueError("a market needs at least one symbol")
        self.symbols: Mapping[str, Market] = {symbol: item.market for symbol, item in self._listings.items()}
        self.seed = seed
        self.start_ms = start_ms
        self.first_ms = (start_ms // DAY_MS - history_days) * DAY_MS
        self._tick_ms = tick_ms
        self._per_minute = MINUTE_MS // tick_ms
        self._now_ms = start_ms
        rng = Random(f"{seed}|depth")
        self._depth_noise = [rng.random() for _ in range(_NOISE)]
        self._lattice = lru_cache(maxsize=1 << 16)(self._make_lattice)
        self._day = lru_cache(maxsize=1 << 15)(self._make_day)
        self._hours = lru_cache(maxsize=1 << 13)(self._make_hours)
        self._minutes = lru_cache(maxsize=1 << 13)(self._make_minutes)
        self._ticks = lru_cache(maxsize=1 << 11)(self._make_ticks)

    # -------------------------------------------------------------- what clients ask

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        frame = parse_timeframe(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        since_ms = max(since_ms, self.first_ms)
        open_ms = frame.floor(since_ms)
        if open_ms < since_ms:
            open_ms = frame.next_open(open_ms)
        bars: list[Bar] = []
        while open_ms <= min(until_ms, now_ms) and len(bars) < limit:
            close_ms = frame.next_open(open_ms)
            bars.append(self._bar(symbol, open_ms, min(close_ms, now_ms + 1)))
            open_ms = close_ms
        return bars

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        frame = parse_timeframe(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        since_ms = frame.floor(min(until_ms, now_ms))
        for _ in range(limit - 1):
            since_ms = frame.previous_open(since_ms)
        return self.history(symbol, timeframe, since_ms, until_ms, limit, now_ms)

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        found: list[Trade] = []
        since_ms = max(since_ms, self.first_ms)
        for minute in range(since_ms // MINUTE_MS, until_ms // MINUTE_MS + 1):
            for tick in self._ticks(symbol, minute):
                if len(found) == limit:
                    return found
                if since_ms <= tick.time_ms <= until_ms:
                    found.append(self._trade(symbol, tick))
        return found

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        found: list[Trade] = []
        minute = until_ms // MINUTE_MS
        while len(found) < limit and minute * MINUTE_MS >= self.first_ms:
            for tick in reversed(self._ticks(symbol, minute)):
                if tick.time_ms <= until_ms and len(found) < limit:
                    found.append(self._trade(symbol, tick))
            minute -= 1
        return found[::-1]

    # -------------------------------------------------------------- the story

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        self._now_ms = time_ms
        for symbol in self._listings:
            yield self._step(symbol, self._last_tick(symbol, time_ms))

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        while self._now_ms < to_ms:  # minute by minute, so that a long way needs no more memory than a short one
            after_ms, minute = self._now_ms, (self._now_ms + 1) // MINUTE_MS
            self._now_ms = min(to_ms, (minute + 1) * MINUTE_MS - 1)
            due = [
                (tick.time_ms, place, symbol, tick)
                for place, symbol in enumerate(self._listings)
                for tick in self._ticks(symbol, minute)
                if after_ms < tick.time_ms <= self._now_ms
            ]
            due.sort()
            for _, _, symbol, tick in due:
                yield self._step(symbol, tick)

    def made_by_accounts(self, symbol: str) -> bool:
        return False

    def on_event(self, event: Event) -> None:
        """Accounts do not move these prices."""

    def _step(self, symbol: str, tick: Tick) -> MarketStep:
        market = self.symbols[symbol]
        price, lot = tick.price * _step_of(market.price_step), _step_of(market.amount_step)
        typical = self._lots_per_minute(symbol, tick.price) / self._per_minute * 3
        bids, asks = depth_around(market, tick.price, tick.side, int(typical), self._depth_noise, tick.number * 7)
        printed = Print(str(tick.number), price, tick.amount * lot, tick.side)
        return MarketStep(symbol, tick.time_ms, (printed,), bids, asks)

    def _trade(self, symbol: str, tick: Tick) -> Trade:
        market = self.symbols[symbol]
        price, amount = tick.price * _step_of(market.price_step), tick.amount * _step_of(market.amount_step)
        return Trade(str(tick.number), tick.time_ms, float(price), float(amount), tick.side, symbol)

    def _last_tick(self, symbol: str, time_ms: int) -> Tick:
        minute = time_ms // MINUTE_MS
        while True:
            for tick in reversed(self._ticks(symbol, minute)):
                if tick.time_ms <= time_ms:
                    return tick
            minute -= 1

    # -------------------------------------------------------------- bars

    def _bar(self, symbol: str, open_ms: int, end_ms: int) -> Bar:
        """The bar of all trades in [open_ms, end_ms): by whole days, hours, minutes, else by trades."""
        pieces = list(self._pieces(symbol, open_ms, end_ms))
        if not pieces:
            price = self._last_tick(symbol, open_ms - 1).price
            pieces = [Ticks(price, price, price, price, 0)]
        market = self.symbols[symbol]
        step, lot = _step_of(market.price_step), _step_of(market.amount_step)
        return Bar(
            open_ms,
            float(pieces[0].open * step),
            float(max(piece.high for piece in pieces) * step),
            float(min(piece.low for piece in pieces) * step),
            float(pieces[-1].close * step),
            float(sum(piece.volume for piece in pieces) * lot),
        )

    def _pieces(self, symbol: str, from_ms: int, end_ms: int) -> Iterator[Ticks]:
        while from_ms < end_ms:
            if not from_ms % DAY_MS and from_ms + DAY_MS <= end_ms:
                yield self._day(symbol, from_ms // DAY_MS)
                from_ms += DAY_MS
            elif not from_ms % HOUR_MS and from_ms + HOUR_MS <= end_ms:
                yield self._hours(symbol, from_ms // DAY_MS)[from_ms % DAY_MS // HOUR_MS]
                from_ms += HOUR_MS
            elif not from_ms % MINUTE_MS and from_ms + MINUTE_MS <= end_ms:
                yield self._minutes(symbol, from_ms // HOUR_MS)[from_ms % HOUR_MS // MINUTE_MS]
                from_ms += MINUTE_MS
            else:
                minute = from_ms // MINUTE_MS
                until_ms = min(end_ms, (minute + 1) * MINUTE_MS)
                for tick in self._ticks(symbol, minute):
                    if from_ms <= tick.time_ms < until_ms:
                        yield Ticks(tick.price, tick.price, tick.price, tick.price, tick.amount)
                from_ms = until_ms

    # -------------------------------------------------------------- drawing, level by level

    def _rng(self, symbol: str, level: str, index: int) -> Random:
        return Random(f"{self.seed}|{symbol}|{level}|{index}")

    def _make_lattice(self, symbol: str, name: str, index: int) -> float:
        return self._rng(symbol, name, index).gauss(0.0, 1.0)

    def _noise(self, symbol: str, name: str, period: int, day: int) -> float:
        """Smooth noise: drawn every ``period`` days, straight lines between."""
        index, rest = divmod(day, period)
        left = self._lattice(symbol, f"{name}{period}", index)
        return left + (self._lattice(symbol, f"{name}{period}", index + 1) - left) * rest / period if rest else left

    def _day_open(self, symbol: str, day: int) -> int:
        """Fractal noise: slow octaves make trends, fast ones the daily change; it never runs away over the years."""
        listing, start_day = self._listings[symbol], self.start_ms // DAY_MS
        swing = sum(
            sqrt(period) * (self._noise(symbol, "price", period, day) - self._noise(symbol, "price", period, start_day))
            for period in OCTAVES
        )
        price = float(listing.start_price) * exp(0.5 * listing.daily_volatility_pct / 100 * swing)
        return max(10, round(price / float(_step_of(listing.market.price_step))))

    def _make_day(self, symbol: str, day: int) -> Ticks:
        rng = self._rng(symbol, "day", day)
        opened, closed = self._day_open(symbol, day), self._day_open(symbol, day + 1)
        mood = exp(0.4 * self._noise(symbol, "mood", 9, day) + 0.2 * rng.gauss(0.0, 1.0))  # volatility clusters
        reach = opened * self._listings[symbol].daily_volatility_pct / 100 * mood
        high = max(opened, closed) + int(abs(rng.gauss(0.0, 0.6)) * reach)
        low = max(1, min(opened, closed) - int(abs(rng.gauss(0.0, 0.6)) * reach))
        return Ticks(opened, high, low, closed, int(1440 * self._lots_per_minute(symbol, opened) * mood))

    def _lots_per_minute(self, symbol: str, price: int) -> float:
        listing = self._listings[symbol]
        market = listing.market
        size = _step_of(market.amount_step) * market.contract_size
        money_per_lot = float(size) if is_inverse(market) else price * float(_step_of(market.price_step) * size)
        return max(listing.turnover_quote / money_per_lot, 50.0 * self._per_minute)

    def _make_hours(self, symbol: str, day: int) -> list[Ticks]:
        return divide(self._day(symbol, day), 24, 60 * self._per_minute, self._rng(symbol, "hours", day))

    def _make_minutes(self, symbol: str, hour: int) -> list[Ticks]:
        whole = self._hours(symbol, hour // 24)[hour % 24]
        return divide(whole, 60, self._per_minute, self._rng(symbol, "minutes", hour))

    def _make_ticks(self, symbol: str, minute: int) -> list[Tick]:
        rng = self._rng(symbol, "ticks", minute)
        whole = self._minutes(symbol, minute // 60)[minute % 60]
        count = self._per_minute
        prices = trade_prices(whole, count, rng)
        amounts = share(whole.volume, [rng.expovariate(1.0) for _ in range(count)], 1)
        ticks, before, number = [], whole.open, minute * count
        for n, (price, amount) in enumerate(zip(prices, amounts, strict=True)):
            time_ms = minute * MINUTE_MS + n * self._tick_ms + int(rng.random() * self._tick_ms)
            rising = price > before if price != before else rng.random() < 0.5
            ticks.append(Tick(number + n, time_ms, price, amount, Side.BUY if rising else Side.SELL))
            before = price
        return ticks


def _step_of(step: Decimal | None) -> Decimal:
    return step or Decimal("0.00000001")


def default_universe(seed: int = 0, start_ms: int = DEFAULT_START_MS, tick_ms: int = 1000) -> SyntheticSource:
    """Five coins against USDT, one cross pair, two perpetuals. Each symbol walks alone: cross rates do not add up."""
    return SyntheticSource(default_listings(), seed, start_ms, tick_ms)


def many_symbols(count: int, seed: int = 0, start_ms: int = DEFAULT_START_MS, tick_ms: int = 1000) -> SyntheticSource:
    """``count`` spot markets, for benchmarks."""
    return SyntheticSource(many_listings(count), seed, start_ms, tick_ms)
