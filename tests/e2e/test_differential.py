"""Random order scripts on random and recorded prices, in backtrader's own broker and through btccxt: the same ends, the
same fills at the same prices to one price step, or a difference that ``docs/differences.md`` lists.

The exchange is the embedded one with an ideal book: all that is asked for is there, one step apart. A bar goes one way,
from the last close to its own, by levels of a grid, and everything comes to rest at each of them.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.time import num_of_ms
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.markets import linear_market
from btccxt.sim.server import SimExchange
from tests.e2e.stage import PERP, Play, Step, Venue
from tests.recorded import recorded_path
from tests.still_market import START_MS, PacedData, QuietSource

D = Decimal
GRID = 10
START = 1_000
STEP = 0.1
MOST_MOVE = 3  # grid levels a bar goes
RECORDED = "ohlcv/binance_BTC-USDT_1m_2024-11-30_2024-12-29.csv.gz"
Op = tuple[Any, ...]
_SETTLING_BARS = 2


class IdealVenue(Venue):
    """No fees, and any amount at the price; buyers pay one step more."""

    def __init__(self) -> None:
        self.exchange_id, self.symbol = "binanceusdm", PERP
        market = linear_market(PERP, maker="0", taker="0")
        account = SimAccount(balances={"USDT": D(1_000_000)})
        source = QuietSource([market], {PERP: D(START)})
        BackgroundExchange.__init__(
            self, lambda: SimExchange(source, ("binanceusdm",), start_ms=START_MS, accounts=[account])
        )

    def move(self, price: Decimal) -> None:
        def go(exchange: SimExchange) -> None:
            now_ms = int(exchange.clock.now_ms())
            exchange.engine.set_depth(PERP, [(price, D(10**6))], [(price + D("0.1"), D(10**6))], now_ms)
            exchange.engine.print_trade(PERP, price, D(10**6), None, now_ms)

        self.call(go)


class ByLevels(Play):
    """A bar comes when the market has stood at every level on its way."""

    def next_price(self) -> Decimal | None:
        if not self._at_rest():
            return None
        if self.at + 1 >= len(self.steps):
            raise StopIteration
        here = getattr(self, "_here", D(START))
        there = self.steps[self.at + 1].price
        if not self._moved or here != there:
            level = here if here == there else here + (GRID if there > here else -GRID)
            self.venue.move(level)
            self._here, self._moved = level, True
            return None
        return super().next_price()

    def _waiting_for(self) -> list[str]:
        """Orders that wait here have to have heard of the price."""
        busy = super()._waiting_for()
        session = self.store._account_session
        if busy or session is None or self.player is None:
            return busy
        watching = session.emulator._watching.get(PERP, {})
        if watching:
            streams = [each["state"] for each in self.store.health()["streams"] if each["stream"].startswith("trades")]
            if streams != ["live"]:
                return ["the stream of trades"]
        if self._moved and not self._heard(watching):
            return [f"the price {self._here} was not heard of"]
        return []

    def _heard(self, watching: Mapping[str, Any]) -> bool:
        prices = [group.last_price for group in list(watching.values()) if group.last_price is not None]
        return all(abs(price - self._here) <= D("0.1") for price in prices)  # a buyer's own fill is one step higher


class Scripted(bt.Strategy):
    """Does what the script says at each bar; ``made`` holds every order in the order of its making."""

    params = (("script", ()), ("play", None))

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.store_news: list[Any] = []
        self.bar = -1
        if self.p.play is not None:
            self.p.play.player = self

    def next(self) -> None:
        play = self.p.play
        if play is not None and play.acted:
            return
        self.bar += 1
        self.earlier = [order for order in self.made if order.alive()]
        for op in self.p.script[self.bar]:
            self.made += [order for order in self._do(*op) if order is not None]
        if play is not None:
            play.acted = True

    def _do(self, word: str, *args: Any) -> Sequence[Any]:
        if word == "close":
            return [self.close()]
        if word == "cancel":
            if self.earlier:
                self.cancel(self.earlier[args[0] % len(self.earlier)])
            return []
        is_buy, size = args[0], args[1]
        order = self.buy if is_buy else self.sell
        if word == "market":
            return [order(size=size)]
        if word == "oco":
            stop = order(size=size, exectype=bt.Order.Stop, price=args[2])
            return [stop, order(size=size, exectype=bt.Order.Limit, price=args[3], oco=stop)]
        if word == "bracket":
            bracket = self.buy_bracket if is_buy else self.sell_bracket
            entry = {"exectype": bt.Order.Market} if args[2] is None else {"price": args[2]}
            return bracket(size=size, stopprice=args[3], limitprice=args[4], **entry)
        if word == "trail":
            return [order(size=size, exectype=bt.Order.StopTrail, trailamount=args[2])]
        kinds = {"limit": bt.Order.Limit, "stop": bt.Order.Stop, "stop_limit": bt.Order.StopLimit}
        limit = {"plimit": args[2] + (GRID / 2 if is_buy else -GRID / 2)} if word == "stop_limit" else {}
        return [order(size=size, exectype=kinds[word], price=args[2], **limit)]


def random_path(rng: random.Random, bars: int) -> list[int]:
    levels = [START]
    for _ in range(bars - 1):
        levels.append(levels[-1] + GRID * rng.randint(-MOST_MOVE, MOST_MOVE))
    return levels


def recorded_path_of(name: str, bars: int, skip: int) -> list[int]:
    """Closes of a recorded market, on the grid."""
    with gzip.open(recorded_path(name), "rt") as file:
        closes = [float(row[4]) for row in csv.reader(file) if row[0].isdigit()][skip : skip + bars]
    scale = sorted(abs(b - a) for a, b in pairwise(closes))[-len(closes) // 5] or 1.0
    levels = [START]
    for before, after in pairwise(closes):
        move = max(-MOST_MOVE, min(MOST_MOVE, round(2 * (after - before) / scale)))
        levels.append(levels[-1] + GRID * move)
    return levels


def random_script(rng: random.Random, levels: Sequence[int]) -> list[list[Op]]:
    """Orders on the right side of the price: what is wrong is refused, and ends as it does nowhere else.

    Brackets are among themselves and of one side: an exit here never opens the other side.
    """
    script: list[list[Op]] = []
    words, side = ["market", "limit", "stop", "stop_limit", "trail", "oco", "cancel", "close"], None
    if rng.random() < 0.5:
        words, side = ["bracket", "bracket", "cancel"], rng.random() < 0.5
    for bar, price in enumerate(levels):
        ops: list[Op] = []
        for _ in range(rng.choice([0, 1, 1, 2]) if bar < len(levels) - _SETTLING_BARS else 0):
            is_buy, size = rng.random() < 0.5 if side is None else side, rng.choice([0.1, 0.2, 0.5])
            up = 1 if is_buy else -1
            near, far = (GRID * rng.randint(1, 4) for _ in range(2))
            word = rng.choice(words)
            if word == "market":
                ops.append((word, is_buy, size))
            elif word == "limit":
                ops.append((word, is_buy, size, price - up * near))
            elif word in ("stop", "stop_limit"):
                ops.append((word, is_buy, size, price + up * near))
            elif word == "trail":
                ops.append((word, is_buy, size, float(GRID * rng.randint(1, 4))))
            elif word == "oco":
                ops.append((word, is_buy, size, price + up * near, price - up * far))
            elif word == "bracket":  # exits farther than a bar goes: a backtest arms them a bar later
                entry = None if rng.random() < 0.5 else price - up * near
                base = price if entry is None else entry
                out = [GRID * rng.randint(MOST_MOVE + 1, MOST_MOVE + 3) for _ in range(2)]
                ops.append((word, is_buy, size, entry, base - up * out[0], base + up * out[1]))
            elif word == "cancel":
                ops.append((word, rng.randint(0, 5)))
            else:
                ops.append((word,))
        script.append(ops)
    return script


class Bars(bt.feed.DataBase):
    """Each bar opens where the last one closed."""

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self._levels = list(levels)

    def _load(self) -> bool:
        index = len(self) - 1
        if index >= len(self._levels):
            return False
        close, before = self._levels[index], self._levels[max(index - 1, 0)]
        self.lines.datetime[0] = num_of_ms(START_MS + (index + 1) * 60_000)
        self.lines.open[0], self.lines.close[0] = before, close
        self.lines.high[0], self.lines.low[0] = max(before, close), min(before, close)
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        return True


def backtest(levels: Sequence[int], script: Sequence[Sequence[Op]]) -> Scripted:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Bars(levels))
    cerebro.broker.setcash(1_000_000)
    cerebro.broker.setcommission(commission=0.0, margin=1.0, mult=1.0)
    cerebro.addstrategy(Scripted, script=script)
    return cerebro.run()[0]


def live(levels: Sequence[int], script: Sequence[Sequence[Op]]) -> Scripted:
    with IdealVenue() as venue:
        store = venue.store()
        game = ByLevels(venue, store, [Step(D(level)) for level in levels])
        cerebro = bt.Cerebro(stdstats=False)
        minutes = {"timeframe": bt.TimeFrame.Minutes, "compression": 1}
        cerebro.adddata(PacedData(dataname=PERP, next_price=game.next_price, **minutes))
        cerebro.setbroker(store.getbroker())
        cerebro.addstrategy(Scripted, script=script, play=game)
        ran: Scripted = cerebro.run()[0]
    return ran


def told(order: Any) -> tuple[str, str, float]:
    end = "alive" if order.alive() else order.getstatusname()
    if end == "Expired" and order.parent is not None:
        end = "Canceled"  # the exchange was quicker to take off the exit of a position that is closed
    return order.getordername(), end, round(order.executed.size, 8)


def compare(levels: Sequence[int], script: Sequence[Sequence[Op]]) -> None:
    ours, theirs = live(levels, script), backtest(levels, script)
    story = f"levels {levels}\nscript {script}"
    assert [told(order) for order in ours.made] == [told(order) for order in theirs.made], story
    for own, other in zip(ours.made, theirs.made, strict=True):
        if other.executed.size:
            assert own.executed.price == pytest.approx(other.executed.price, abs=1.01 * STEP), (told(own), story)
    assert ours.position.size == pytest.approx(theirs.position.size), story


@pytest.mark.parametrize("seed", range(1, 7))
def test_random_orders_on_random_prices_end_as_in_a_backtest(seed: int) -> None:
    rng = random.Random(seed)
    levels = random_path(rng, 14)
    compare(levels, random_script(rng, levels))


@pytest.mark.parametrize("seed", [1, 2])
def test_random_orders_on_recorded_prices_end_as_in_a_backtest(seed: int) -> None:
    rng = random.Random(seed)
    levels = recorded_path_of(RECORDED, 14, 50 * seed)
    compare(levels, random_script(rng, levels))
