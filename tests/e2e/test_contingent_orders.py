"""Brackets and pairs through real sockets: never naked, never doubled, as in the backtest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal as D
from functools import partial
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.model import OrderKind, Side
from btccxt.orders.events import Alarm
from btccxt.sim.faults import Fault, FaultKind
from tests.e2e.stage import Player, Step, Venue, play

PRICE = D(60_000)
SPOTS = {"binance": 2, "bybit": 1}
"""Exits that rest: both, as one order list; where there are none the protective one, and the target waits here."""
BRACKET = {"size": 0.1, "limitprice": 63_000, "stopprice": 59_000}


@contextmanager
def venue(exchange: str = "binance", **options: Any) -> Iterator[Venue]:
    with Venue(exchange, **options) as place:
        yield place


def alarms(player: Player) -> list[str]:
    about = [getattr(news, "about", None) for news in player.store_news]
    return [each.kind.value for each in about if isinstance(each, Alarm)]


def statuses(player: Player) -> str:
    return " ".join(f"{name} {order.getstatusname()}" for name, order in player.made.items())


def buys(player: Player, **terms: Any) -> None:
    player.made = dict(zip(("entry", "stop", "target"), player.buy_bracket(**{**BRACKET, **terms}), strict=True))


def resting(place: Venue) -> list[tuple[str, str, D]]:
    """What is open at the exchange: side, kind, what is left."""
    orders = place.call(lambda exchange: list(exchange.engine.orders("main", open_only=True)))
    return sorted((o.request.side.value, o.request.kind.value, o.request.amount - o.filled) for o in orders)


def once(condition: Callable[[Player], bool]) -> Callable[[Player], bool]:
    """True from the first time on: what has come about may have passed when the next step looks."""
    seen: list[bool] = []

    def latched(player: Player) -> bool:
        if not seen and condition(player):
            seen.append(True)
        return bool(seen)

    return latched


def prints(place: Venue, price: D) -> None:
    """One trade at a price that the book does not follow."""

    def go(exchange: Any) -> None:
        exchange.engine.print_trade(place.symbol, price, D("0.001"), Side.BUY, int(exchange.clock.now_ms()))

    place.call(go)


def cancels_by_hand(place: Venue, kind: OrderKind) -> None:
    def go(exchange: Any) -> None:
        (order,) = [o for o in exchange.engine.orders("main", open_only=True) if o.request.kind is kind]
        now_ms = int(exchange.clock.now_ms())
        exchange.engine.cancel("main", symbol=place.symbol, order_id=order.order_id, now_ms=now_ms)

    place.call(go)


def hears_trades(player: Player) -> bool:
    """A target waits here, and the stream that its price comes by is up."""
    return any("trades" in str(news) and "live" in str(news) for news in player.store_news)


def run(place: Venue, *steps: Step, store: CCXTStore | None = None) -> Player:
    player, _ = play(place, store or place.store(), steps)
    return player


# ------------------------------------------------------------------ spot: the coins are bound once


def test_a_print_at_the_target_does_not_cost_the_stop() -> None:
    with venue("bybit") as place:

        def wick(player: Player) -> None:
            prints(place, D(63_000))

        player = run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=hears_trades),
            Step(PRICE, wick, once(lambda p: ("sell", "limit", D("0.0999")) in resting(place))),
            Step(D(58_000)),
            Step(D(45_000)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert statuses(player) == "entry Completed stop Completed target Canceled"


@pytest.mark.parametrize("limit_first", [True, False])
def test_of_a_pair_the_stop_rests_at_the_exchange_whichever_was_given_first(limit_first: bool) -> None:
    def act(player: Player) -> None:
        limit, stop = (
            {"size": 0.1, "exectype": bt.Order.Limit, "price": 63_000},
            {"size": 0.1, "exectype": bt.Order.Stop, "price": 59_000},
        )
        first = player.sell(**(limit if limit_first else stop))
        player.made = {"first": first, "second": player.sell(**(stop if limit_first else limit), oco=first)}

    with venue("bybit", balances={"USDT": D(50_000), "BTC": D("0.1")}) as place:
        player = run(
            place,
            Step(PRICE, act, hears_trades),
            Step(PRICE, until=once(lambda p: [kind for _, kind, _ in resting(place)] == ["stop"])),
            Step(D(63_500), until=once(lambda p: not any(order.alive() for order in p.made.values()))),
            Step(D(63_500)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert sorted(order.getstatusname() for order in player.made.values()) == ["Canceled", "Completed"]


@pytest.mark.parametrize("last", [58_000, 63_500], ids=["stop", "target"])
def test_a_bracket_on_an_exchange_with_few_calls_and_counted_signatures(last: int) -> None:
    with venue("kraken") as place:
        ended = once(lambda player: not resting(place))
        player = run(
            place,
            Step(PRICE, partial(buys, price=59_500)),
            Step(D(59_400), until=once(lambda player: len(resting(place)) == 1)),
            Step(D(last), until=ended),
            Step(D(last)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert sorted(order.getstatusname() for order in player.made.values()) == ["Canceled", "Completed", "Completed"]
        assert sum(fill.amount * fill.side.sign for fill in place.fills()) == 0


# ------------------------------------------------------------------ the entry


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm"])
def test_the_filled_part_of_a_resting_entry_is_protected(exchange: str) -> None:
    with venue(exchange) as place:

        def shallow(player: Player) -> None:
            def go(each: Any) -> None:
                now_ms = int(each.clock.now_ms())
                each.engine.set_depth(place.symbol, [(D(59_000), D(1))], [(D(60_000), D("0.04"))], now_ms)

            place.call(go)
            buys(player, price=60_000)

        net = D("0.999") if exchange == "binance" else D(1)

        def protects(bought: str) -> Callable[[Player], bool]:
            def whole(player: Player) -> bool:
                stops = [left for side, kind, left in resting(place) if (side, kind) == ("sell", "stop")]
                return sum(stops) == D(bought) * net

            return once(whole)

        player = run(
            place,
            Step(PRICE, shallow, until=protects("0.04")),
            Step(D(61_000)),
            Step(D(59_500), until=protects("0.1")),  # the rest is bought, above the stop
            Step(D(58_000)),
        )
        assert player.position.size == 0
        assert not any(side == "sell" for side, _, _ in resting(place))
        assert alarms(player) == []


def test_an_entry_whose_trades_are_listed_late_keeps_its_exits() -> None:
    with venue("binanceusdm") as place:
        hidden: list[Any] = []

        def fill_unlisted() -> None:
            time.sleep(0.7)
            place.move(D(59_400))

            def hide(exchange: Any) -> None:
                hidden.extend(exchange.engine._fills["main"])
                exchange.engine._fills["main"].clear()

            place.call(hide)

        def act(player: Player) -> None:
            place.faults.add(Fault(FaultKind.LOSE_FRAME, stream="user", times=None))
            buys(player, exectype=bt.Order.Limit, price=59_500, limitprice=61_000)
            threading.Thread(target=fill_unlisted).start()

        def list_them(player: Player) -> None:
            place.faults.clear()
            place.call(lambda exchange: exchange.engine._fills["main"].extend(hidden))

        player = run(
            place,
            Step(PRICE, act, until=lambda p: not p.made["entry"].alive()),
            Step(D(59_400), list_them, until=lambda p: p.made["entry"].executed.size > 0),
            Step(D(58_500)),
            Step(D(58_000)),
            store=place.store(fills_wait_s=1.0),
        )
        assert (player.position.size, player.made["stop"].getstatusname()) == (0, "Completed")


@pytest.mark.parametrize("cancelled", ["stop", "target"])
def test_a_cancelled_exit_takes_the_entry_along_as_in_a_backtest(cancelled: str) -> None:
    with venue() as place:
        player = run(
            place,
            Step(PRICE, lambda p: buys(p, price=59_500)),
            Step(PRICE, lambda p: p.cancel(p.made[cancelled])),
            Step(D(59_400)),
            Step(D(57_000)),
        )
        assert statuses(player) == "entry Canceled stop Canceled target Canceled"
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])


@pytest.mark.parametrize("exchange", SPOTS)
@pytest.mark.parametrize("cancelled", ["stop", "target"])
def test_an_exit_is_cancelled_and_its_position_closed_in_one_bar(cancelled: str, exchange: str) -> None:
    """Either exit takes the other along, so the coins will be free whichever was named."""
    rest = SPOTS[exchange]
    with venue(exchange) as place:

        def leave(player: Player) -> None:
            player.cancel(player.made[cancelled])
            player.made["close"] = player.close()

        player = run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=lambda p: len(resting(place)) == rest),
            Step(PRICE, leave, until=lambda p: not p.made["close"].alive()),
            Step(PRICE),
        )
        assert statuses(player) == "entry Completed stop Canceled target Canceled close Completed"
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])


@pytest.mark.parametrize(("exchange", "size"), [("binance", 0.1), ("binanceusdm", 0.1), ("binanceusdm", -0.1)])
def test_a_percent_bracket_stands_where_its_entry_was_filled(exchange: str, size: float) -> None:
    def enters(player: Player) -> None:
        orders = player.broker.bracket(player.data, size, stop_pct=2, target_pct=4)
        player.made = dict(zip(("entry", "stop", "target"), orders, strict=True))

    sign = D(1) if size > 0 else D(-1)
    with venue(exchange) as place:

        def stops() -> list[D]:
            standing = place.call(lambda each: list(each.engine.orders("main", open_only=True)))
            return [order.request.trigger_price for order in standing if order.request.kind is OrderKind.STOP]

        def stands(player: Player) -> bool:
            """For all of the entry."""
            paid = D(str(player.made["entry"].executed.price))
            return [abs(price - paid * (1 - sign * D("0.02"))) <= D("0.1") for price in stops()] == [True]

        player = run(
            place,
            Step(PRICE, enters, until=once(lambda p: p.made["entry"].status == bt.Order.Completed and stands(p))),
            Step(PRICE),
            store=place.store(market_entry_wait_s=30.0),  # a slow machine may be told of the fills one by one
        )
        paid = D(str(player.made["entry"].executed.price))
        assert paid != PRICE  # thin levels: it is no round number
        (price,) = stops()
        assert abs(price - paid * (1 - sign * D("0.02"))) <= D("0.1")
        assert player.made["stop"].created.price == float(price)
        assert abs(D(str(player.made["target"].created.price)) - paid * (1 + sign * D("0.04"))) <= D("0.1")
        assert alarms(player) == []


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
def test_a_trailing_stop_that_is_kept_here_has_a_plain_stop_at_the_exchange(exchange: str) -> None:
    def enters(player: Player) -> None:
        player.made["entry"], player.made["stop"], _ = player.broker.bracket(player.data, 0.1, trail_pct=2)

    def stands_at(price: D) -> Callable[[Player], bool]:
        def stands(player: Player) -> bool:
            orders = place.call(lambda each: list(each.engine.orders("main", open_only=True)))
            return [abs(o.request.trigger_price - price) < 100 for o in orders if o.request.trigger_price] == [True]

        return stands

    with venue(exchange) as place:
        store = place.store(backstop_move_s=0.05)
        player = run(
            place,
            Step(PRICE, enters, until=once(stands_at(D(58_800)))),
            Step(D(62_000), until=once(stands_at(D(60_760)))),
            Step(D(60_700), until=once(lambda p: not p.made["stop"].alive())),
            Step(D(60_700)),
            store=store,
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert statuses(player) == "entry Completed stop Completed"
        assert "stop at the exchange" in player.made["stop"].info.backstop


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm"])
@pytest.mark.parametrize("size", [None, 0.04])
def test_a_close_under_a_live_bracket_is_done_and_the_exits_make_way(exchange: str, size: float | None) -> None:
    def closes(player: Player) -> None:
        player.made["close"] = player.close(size=size)

    def is_protected(player: Player) -> bool:
        stops = [left for _, kind, left in resting(place) if kind == "stop"]
        return sum(stops) == D(str(player.position.size)) and not player.made["close"].alive()

    with venue(exchange) as place:
        player = run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=once(lambda p: len(resting(place)) > 0)),
            Step(PRICE, closes, until=once(is_protected)),
            Step(PRICE),
        )
        assert alarms(player) == []
        assert player.made["close"].getstatusname() == "Completed"
        if size is None:
            assert statuses(player) == "entry Completed stop Canceled target Canceled close Completed"
            assert (player.position.size, resting(place)) == (0, [])
        else:
            left = round(player.position.size, 4)
            assert left == (0.0599 if exchange == "binance" else 0.06)
            assert statuses(player) == "entry Completed stop Accepted target Accepted close Completed"
            assert round(-player.made["stop"].executed.remsize, 4) == left


_ALONE = {
    "stop": {"exectype": bt.Order.Stop, "price": 58_000.0},
    "target": {"exectype": bt.Order.Limit, "price": 63_000.0},
    "trail": {"exectype": bt.Order.StopTrail, "trailpercent": 0.03},
}


@pytest.mark.parametrize(
    ("exchange", "what", "part"),
    [("binance", "target", None), ("okx", "stop", None), ("kraken", "stop", 0.4), ("bybit", "trail", 0.4)],
)
def test_a_close_is_done_though_an_order_that_stands_alone_binds_the_coins(
    exchange: str, what: str, part: float | None
) -> None:
    """In a backtest nothing binds coins; what is left of them has its order back."""

    def sells(player: Player) -> None:
        player.made["alone"] = player.sell(size=player.position.size, **_ALONE[what])

    def closes(player: Player) -> None:
        player.made["close"] = player.close(size=part and player.position.size * part)

    def is_done(player: Player) -> bool:
        left = sum(amount for *_, amount in resting(place))
        return not player.made["close"].alive() and abs(left - D(str(player.position.size))) < D("0.0001")

    with venue(exchange) as place:
        player = run(
            place,
            Step(PRICE, lambda p: p.made.update(entry=p.buy(size=0.1)), until=lambda p: p.position.size > 0),
            Step(PRICE, sells, until=once(lambda p: len(resting(place)) > 0)),
            Step(PRICE, closes, until=once(is_done)),
            Step(PRICE),
        )
        assert alarms(player) == []
        left = "Accepted" if part else "Canceled"
        assert statuses(player) == f"entry Completed alone {left} close Completed"
        assert bool(player.position.size) is bool(resting(place)) is bool(part)
        assert "make way" in player.made["close"].info.closes


# ------------------------------------------------------------------ the target, the stop


def test_a_target_cancelled_at_the_exchange_leaves_the_stop() -> None:
    with venue("binanceusdm") as place:
        player = run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=lambda p: len(resting(place)) == 2),
            Step(PRICE, lambda p: cancels_by_hand(place, OrderKind.LIMIT), lambda p: not p.made["target"].alive()),
            Step(D(58_500)),
            Step(D(58_000)),
        )
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert player.position.size == 0


@pytest.mark.parametrize("exchange", SPOTS)
def test_a_stop_taken_off_at_the_exchange_comes_back(exchange: str) -> None:
    rest = SPOTS[exchange]
    with venue(exchange) as place:

        def again(player: Player) -> bool:
            orders = place.call(lambda exchange: list(exchange.engine.orders("main")))
            return len([o for o in orders if o.request.kind is OrderKind.STOP]) == 2 and len(resting(place)) == rest

        player = run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=lambda p: len(resting(place)) == rest),
            Step(PRICE, lambda p: cancels_by_hand(place, OrderKind.STOP), until=again),
            Step(PRICE),
            Step(D(58_000)),
            Step(D(58_000)),
        )
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert (player.position.size, alarms(player)) == (0, ["unprotected"])


def test_our_own_triggered_stop_is_not_taken_for_somebody_elses() -> None:
    """Its fill comes under the id of the order that the trigger made, often before that id is told."""
    for _ in range(4):
        with venue("binanceusdm") as place:
            player = run(
                place,
                Step(PRICE, lambda p: p.buy(size=0.1, exectype=bt.Order.Stop, price=61_000)),
                Step(D(61_100)),
                Step(D(61_200), lambda p: p.sell(size=0.1)),
                Step(PRICE),
            )
            assert alarms(player) == []


# ------------------------------------------------------------------ a restart, and what is seen


def test_a_wick_before_a_restart_does_not_cost_the_stop(tmp_path: Any) -> None:
    journal = tmp_path / "journal.sqlite3"
    with venue("bybit") as place:
        run(
            place,
            Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market), until=hears_trades),
            Step(
                PRICE,
                lambda p: prints(place, D(63_000)),
                once(lambda p: ("sell", "limit", D("0.0999")) in resting(place)),
            ),
            Step(PRICE),
            store=place.store(journal),
        )
        player = run(
            place,
            Step(PRICE, until=once(lambda p: [kind for _, kind, _ in resting(place)] == ["stop"])),
            Step(PRICE),
            Step(D(58_000), until=once(lambda p: any(order.status == order.Completed for order in p.order_news))),
            Step(D(58_000)),
            store=place.store(journal, swap_back_s=0.3),
        )
        assert (place.balances()["BTC"], resting(place)) == (0, [])
        ends = {order.ordtypename() + order.getordername(): order.getstatusname() for order in player.order_news}
        assert (ends["SellStop"], ends["SellLimit"]) == ("Completed", "Canceled")


@pytest.mark.parametrize("exchange", SPOTS)
def test_health_tells_how_the_position_is_protected(exchange: str) -> None:
    with venue(exchange) as place:
        store = place.store()
        seen: list[Any] = []
        run(
            place,
            Step(
                PRICE,
                lambda p: buys(p, exectype=bt.Order.Market),
                until=lambda p: len(resting(place)) == SPOTS[exchange],
            ),
            Step(PRICE, lambda p: seen.extend(store.health()["orders"]["protection"])),
            store=store,
        )
        (position,) = seen
        assert position["symbol"] == "BTC/USDT"
        assert D(position["open"]) == D(position["protected"]) == D("0.0999")
        assert 0 < position["unprotected_total_s"] < 5
        assert position["unprotected_s"] == 0
