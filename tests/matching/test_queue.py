"""A paper order waits behind what the market showed at its price when it came, and walks the levels when it takes."""

from __future__ import annotations

import random
from decimal import Decimal as D

import pytest

from btccxt.matching.engine import Engine, NewOrder, SimOrder
from btccxt.model import Market, MarketType, OrderKind, Side

SYMBOL = "BTC/USDT"
SPOT = Market(SYMBOL, "BTC", "USDT", None, MarketType.SPOT, True, D(1), D("0.1"))
BUY, SELL = Side.BUY, Side.SELL


class Desk:
    def __init__(self, queued: bool = True) -> None:
        self.engine = Engine([SPOT], queued=queued)
        self.engine.open_account("me", {"USDT": D(1_000_000), "BTC": D(1_000)})

    def show(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        levels = ([(D(price), D(amount)) for price, amount in side.items()] for side in (bids, asks))
        self.engine.set_depth(SYMBOL, *levels, 1)

    def bid(self, price: int, amount: int = 1) -> SimOrder:
        return self.engine.submit("me", NewOrder(SYMBOL, BUY, OrderKind.LIMIT, D(amount), D(price)), 1)

    def trade(self, price: int, amount: int, taker: Side | None = SELL) -> None:
        self.engine.print_trade(SYMBOL, D(price), D(amount), taker, 1)

    def filled(self, order: SimOrder) -> D:
        return self.engine.order("me", symbol=SYMBOL, order_id=order.order_id).filled


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.show({100: 5, 99: 7, 98: 9}, {101: 4, 102: 6, 103: 8})
    return desk


def test_trades_at_its_price_first_fill_those_who_were_there_before(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.trade(100, 4)
    assert desk.filled(order) == 0
    desk.trade(100, 2)
    assert desk.filled(order) == 1
    desk.trade(100, 9)
    assert desk.filled(order) == 3


def test_trades_of_the_own_side_do_not_move_the_queue(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.trade(100, 50, taker=BUY)
    desk.trade(100, 5)
    assert desk.filled(order) == 0


def test_a_trade_beyond_its_price_fills_it_wherever_it_stands(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.trade(99, 2)
    assert desk.filled(order) == 2


def test_who_cancels_before_it_lets_it_move_up(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.show({100: 2}, {101: 4})
    desk.show({100: 2}, {101: 4})
    desk.trade(100, 3)
    assert desk.filled(order) == 1


def test_who_comes_after_it_stands_behind_it(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.show({100: 50}, {101: 4})
    desk.trade(100, 6)
    assert desk.filled(order) == 1


def test_a_trade_that_the_book_has_told_already_is_not_counted_twice(desk: Desk) -> None:
    order = desk.bid(100, 3)
    desk.show({100: 2}, {101: 4})  # a trade of 3, whose print comes now
    desk.trade(100, 3)
    assert desk.filled(order) == 0
    desk.trade(100, 3)
    assert desk.filled(order) == 1


def test_inside_the_spread_it_is_the_first(desk: Desk) -> None:
    desk.show({100: 5}, {103: 8})
    order = desk.bid(101, 3)
    desk.trade(101, 2)
    assert desk.filled(order) == 2


def test_deeper_than_what_is_shown_all_that_shows_there_later_stands_before_it(desk: Desk) -> None:
    order = desk.bid(90, 3)
    desk.trade(90, 50)  # before anybody knows what stands there
    assert desk.filled(order) == 0
    desk.show({91: 1, 90: 10}, {101: 4})
    desk.trade(90, 11)
    assert desk.filled(order) == 1


def test_the_second_of_two_own_orders_waits_for_the_first(desk: Desk) -> None:
    first, second = desk.bid(100, 1), desk.bid(100, 1)
    desk.trade(100, 6)
    assert (desk.filled(first), desk.filled(second)) == (1, 0)
    desk.trade(100, 1)
    assert desk.filled(second) == 1


def test_a_taker_walks_the_levels_and_rests_with_what_it_did_not_get(desk: Desk) -> None:
    order = desk.bid(102, 12)
    fills = [(fill.price, fill.amount, fill.maker) for fill in desk.engine.fills("me")]
    assert fills == [(D(101), D(4), False), (D(102), D(6), False)]
    assert desk.filled(order) == 10 and desk.engine.best(SYMBOL)[0] == 102


@pytest.mark.parametrize("seed", range(20))
def test_on_any_tape_it_never_has_more_than_one_who_stands_in_front(seed: int) -> None:
    rng, desks = random.Random(seed), (Desk(queued=True), Desk(queued=False))
    mid, orders = 100, []
    for _ in range(300):
        what = rng.random()
        if what < 0.4:
            mid += rng.choice((-1, 0, 0, 1))
            bids = {mid - n: rng.randint(1, 9) for n in range(1, 4)}
            asks = {mid + n: rng.randint(1, 9) for n in range(1, 4)}
            for desk in desks:
                desk.show(bids, asks)
        elif what < 0.8:
            price, amount, taker = mid + rng.choice((-1, 1)), rng.randint(1, 6), rng.choice((BUY, SELL))
            for desk in desks:
                desk.trade(price, amount, taker)
        elif len(orders) < 15:
            price = mid - rng.randint(1, 3)
            orders.append(tuple(desk.bid(price, 2) for desk in desks))
        for queued, front in orders:
            assert desks[0].filled(queued) <= desks[1].filled(front)
    assert sum(desks[0].filled(queued) for queued, _ in orders) > 0
