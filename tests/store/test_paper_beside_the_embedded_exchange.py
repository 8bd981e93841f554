"""The same orders on the same recorded trades, at the embedded exchange and on a paper account that sees its streams.

Takers and stops are alike to the last digit. A resting order differs in one thing: on paper it stands behind what the
book shows at its price, at the embedded exchange before it. ``docs/paper.md`` lists this; here it is bounded.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from btccxt.matching.engine import Engine, Event, NewOrder, PublicTrade
from btccxt.model import OrderBook, OrderKind, Side, StreamKey, StreamKind, TimeInForce, decimal_of
from btccxt.resilience.supervised import Tasks
from btccxt.sim.clock import SteppedClock
from btccxt.sim.market import MarketRunner, RecordedTrades
from btccxt.store.paper_market import PaperMarket
from tests.recorded import recorded_path
from tests.store.test_paper_orders import Told

SYMBOL = "BTC/USDT"
MONEY = {"USDT": D(10**9)}
TRADES = StreamKey(StreamKind.TRADES, SYMBOL)
BOOK = StreamKey(StreamKind.ORDER_BOOK, SYMBOL)
START_MS = 1_767_571_200_000
ORDERS = 100


@pytest.fixture(params=["made", pytest.param("recorded", marks=pytest.mark.recorded)])
def tape(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "recorded":
        return recorded_path("trades/binance_BTC-USDT_trades_2024-08-08T2354_2024-08-09T0005.csv.gz")
    rng, path, ticks = random.Random(11), tmp_path / "trades.csv", 6_000_000
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "timestamp", "side", "price", "amount"])
        for number in range(4_000):
            side = rng.choice(list(Side))
            ticks += rng.choice((-300, -50, 0, 0, 0, 50, 300))
            amount = f"{rng.randint(1, 900) / 1000:.3f}"
            writer.writerow([number, START_MS + number * 97, side.value, f"{ticks / 100:.2f}", amount])
    return path


@dataclass(frozen=True)
class Place:
    """An order, and when it is placed. A limit has its distance below the best bid, a stop above the last price."""

    at_ms: int
    kind: OrderKind
    amount: D
    ticks: int = 0


TAKERS, MAKERS = (OrderKind.MARKET, OrderKind.STOP), (OrderKind.LIMIT,)


def plan(source: RecordedTrades, kinds: Sequence[OrderKind]) -> list[Place]:
    rng, first, last = random.Random(5), source.start_ms + 5_000, (source.end_ms or 0) - 70_000
    return [
        Place(at_ms, rng.choice(kinds), D(rng.randint(1, 2_000)) / 1000, rng.choice((0, 0, 1, 40, 400)))
        for at_ms in sorted(rng.randrange(first, last) for _ in range(ORDERS))
    ]


Played = list[tuple[Place, list[tuple[int, D, D]]]]
"""Each order with its fills: time, price, amount."""


def placed(engine: Engine, source: RecordedTrades, wish: Place, number: int) -> None:
    """Prices are reckoned from the tape, which no own order moves."""
    (trade,) = source.last_trades(SYMBOL, wish.at_ms, 1)
    step, last = source.symbols[SYMBOL].price_step or D("0.01"), decimal_of(trade.price)
    bid = last - step if trade.side is Side.BUY else last
    order = NewOrder(SYMBOL, Side.BUY, wish.kind, wish.amount, client_order_id=str(number))
    if wish.kind is OrderKind.LIMIT:
        order = replace(order, price=bid - wish.ticks * step, time_in_force=TimeInForce.GTC)
    elif wish.kind is OrderKind.STOP:
        order = replace(order, trigger_price=last + (wish.ticks + 1) * step, fires_at_once=True)
    engine.submit("me", order, wish.at_ms)


def told(engine: Engine, wishes: Sequence[Place]) -> Played:
    fills: dict[str, list[tuple[int, D, D]]] = {str(number): [] for number in range(len(wishes))}
    for fill in engine.fills("me"):
        fills[fill.client_order_id].append((fill.time_ms, fill.price, fill.amount))
    return [(wish, fills[str(number)]) for number, wish in enumerate(wishes)]


def at_the_exchange(tape: Path, kinds: Sequence[OrderKind]) -> Played:
    source = RecordedTrades(tape, SYMBOL)
    engine, wishes = Engine(source.symbols.values()), plan(source, kinds)
    engine.open_account("me", MONEY)
    runner = MarketRunner(engine, source, SteppedClock(source.start_ms))
    for number, wish in enumerate(wishes):
        runner.step(wish.at_ms)
        placed(engine, source, wish, number)
    runner.step(source.end_ms or 0)
    return told(engine, wishes)


class Watched(Engine):
    """It tells when its depth was set: an exchange's stream of books."""

    shows: Callable[[int], None] | None = None

    def set_depth(self, symbol: str, bids: Any, asks: Any, now_ms: int) -> None:
        super().set_depth(symbol, bids, asks, now_ms)
        if self.shows is not None:
            self.shows(now_ms)


def on_paper(tape: Path, kinds: Sequence[OrderKind]) -> Played:
    """Beside an exchange where nobody trades: its tape and its book, as floats, are all that is known."""
    source = RecordedTrades(tape, SYMBOL)
    exchange, wishes = Watched(source.symbols.values()), plan(source, kinds)
    paper = Engine(source.symbols.values(), queued=True)
    paper.open_account("me", MONEY)
    clock = SteppedClock(source.start_ms)
    market = PaperMarket(
        Told(StreamKind.ORDER_BOOK, StreamKind.TRADES), paper, lambda: runner.now_ms, Tasks(), "order_book"
    )

    def hear(event: Event) -> None:
        if isinstance(event, PublicTrade):
            market._on_price(TRADES, event.trade)

    def show(now_ms: int) -> None:
        sides = [tuple((float(price), float(amount)) for price, amount in side) for side in exchange.depth(SYMBOL, 25)]
        market._on_price(BOOK, OrderBook(SYMBOL, now_ms, *sides))

    runner = MarketRunner(exchange, source, clock)
    exchange.listen(hear)
    exchange.shows = show
    runner.step(source.start_ms + 1_000)
    for number, wish in enumerate(wishes):
        runner.step(wish.at_ms)
        placed(paper, source, wish, number)
    runner.step(source.end_ms or 0)
    return told(paper, wishes)


def amount_until(fills: list[tuple[int, D, D]], at_ms: int) -> D:
    return sum((amount for time_ms, _, amount in fills if time_ms <= at_ms), D(0))


def both(
    tape: Path, kinds: Sequence[OrderKind]
) -> Iterator[tuple[Place, list[tuple[int, D, D]], list[tuple[int, D, D]]]]:
    """Takers apart from makers: an own order that still waits takes what a later one would have got."""
    for (wish, theirs), (same, ours) in zip(at_the_exchange(tape, kinds), on_paper(tape, kinds), strict=True):
        assert wish == same
        yield wish, theirs, ours


def test_takers_and_stops_are_the_same_to_the_last_digit(tape: Path) -> None:
    filled: list[OrderKind] = []
    for wish, theirs, ours in both(tape, TAKERS):
        assert ours == theirs, wish
        filled += [wish.kind] * len(ours)
    assert filled.count(OrderKind.MARKET) > ORDERS / 2 and filled.count(OrderKind.STOP) > ORDERS / 4  # levels walked


def test_resting_orders_fill_at_the_same_price_never_earlier_and_few_of_them_less(tape: Path) -> None:
    same = later = less = 0
    waits: list[int] = []
    for wish, theirs, ours in both(tape, MAKERS):
        assert {price for _, price, _ in ours} <= {price for _, price, _ in theirs}
        for at_ms, _, _ in ours:
            assert amount_until(ours, at_ms) <= amount_until(theirs, at_ms), wish
        if ours == theirs:
            same += 1
        elif amount_until(ours, 1 << 60) == amount_until(theirs, 1 << 60):
            later += 1
            waits.append(ours[-1][0] - theirs[-1][0])
        else:
            less += 1
    assert later > 0, "nobody waited in a queue"
    assert same > ORDERS / 2 and less <= ORDERS * 0.02
    assert max(waits) <= 2_000
