"""Orders come back as backtrader orders: same number, tied as before, and the ties work; the strategy is told all."""

from __future__ import annotations

import itertools
from decimal import Decimal as D

import backtrader as bt
import pytest

from tests.e2e.stage import BTC, PERP, Player, Step, Venue, play


def new_process() -> None:
    """Backtrader counts its orders per process, from 1."""
    bt.order.OrderBase.refbasis = itertools.count(1)


def names(player: Player, ref: int) -> list[str]:
    """What was told of an order, fills in parts left out."""
    heard = [news.getstatusname() for news in player.order_news if news.ref == ref]
    return [name for name in heard if name != "Partial"]


def by_kind(orders, exectype):
    return next(order for order in orders if order.exectype == exectype)


def enter_with_bracket(player: Player) -> None:
    player.buy(size=0.01)  # so that the bracket's own numbers are not the first ones
    made = player.buy_bracket(size=0.05, price=60_100.0, limitprice=61_000.0, stopprice=59_000.0)
    player.made.update(zip(("entry", "stop", "limit"), made, strict=True))


def look(player: Player) -> None:
    player.made["open"] = list(player.broker.get_orders_open())
    player.made["position"] = player.getposition().clone()


SYMBOLS = {"binance": BTC, "binanceusdm": PERP}


@pytest.mark.parametrize("exchange", SYMBOLS)
@pytest.mark.parametrize(("price", "won", "lost"), [(61_100, "limit", "stop"), (58_900, "stop", "limit")])
def test_after_a_restart_a_filled_leg_of_a_bracket_still_cancels_the_other(tmp_path, exchange, price, won, lost):
    with Venue(exchange) as venue:
        first, _ = play(venue, venue.store(tmp_path / "j"), [Step(D(60_000), enter_with_bracket), Step(D(60_000))])
        refs = {name: order.ref for name, order in first.made.items()}
        assert names(first, refs["entry"])[-1] == "Completed"
        entry_price = first.position.price

        def one_left(player: Player) -> bool:
            return not player.broker.get_orders_open()

        new_process()
        second, _ = play(
            venue, venue.store(tmp_path / "j"), [Step(D(60_000), look), Step(D(price), until=one_left), Step(D(price))]
        )
        position = venue.position() if exchange == "binanceusdm" else venue.balances()["BTC"]
    restored = {order.ref: order for order in second.made["open"]}
    assert restored.keys() == {refs["stop"], refs["limit"]}
    stop, limit = restored[refs["stop"]], restored[refs["limit"]]
    assert (stop.exectype, limit.exectype) == (bt.Order.Stop, bt.Order.Limit)
    assert stop.parent.ref == limit.parent.ref == refs["entry"]
    assert stop.parent.getstatusname() == "Completed"
    assert limit.oco is stop
    assert names(second, refs[won]) == ["Accepted", "Completed"]
    assert names(second, refs[lost]) == ["Accepted", "Canceled"]
    assert second.made["position"].price == pytest.approx(entry_price)
    assert position < D("0.02")  # the bracket's coins are gone, the 0.01 from before remain


@pytest.mark.parametrize("exchange", SYMBOLS)
def test_after_a_restart_a_filled_member_of_a_pair_still_cancels_the_other(tmp_path, exchange):
    def pair(player: Player) -> None:
        stop = player.sell(size=0.05, exectype=bt.Order.Stop, price=59_000.0)
        limit = player.sell(size=0.05, exectype=bt.Order.Limit, price=61_000.0, oco=stop)
        player.made.update(stop=stop, limit=limit)

    with Venue(exchange) as venue:
        steps = [Step(D(60_000), lambda player: player.buy(size=0.06)), Step(D(60_000), pair), Step(D(60_000))]
        first, _ = play(venue, venue.store(tmp_path / "j"), steps)
        refs = {name: order.ref for name, order in first.made.items()}
        new_process()
        second, _ = play(
            venue,
            venue.store(tmp_path / "j"),
            [
                Step(D(60_000), look),
                Step(D(61_100), until=lambda player: not player.broker.get_orders_open()),
                Step(D(61_100)),
            ],
        )
    restored = {order.ref: order for order in second.made["open"]}
    assert restored.keys() == set(refs.values())
    assert restored[refs["limit"]].oco is restored[refs["stop"]]
    assert names(second, refs["limit"]) == ["Accepted", "Completed"]
    assert names(second, refs["stop"]) == ["Accepted", "Canceled"]


def test_what_happened_while_away_is_told_and_its_consequences_follow(tmp_path):
    """The entry fills, and another order in part, with nobody there; a third is cancelled by hand."""

    def orders(player: Player) -> None:
        made = player.buy_bracket(size=0.05, price=59_500.0, limitprice=61_000.0, stopprice=58_000.0)
        player.made.update(zip(("entry", "stop", "limit"), made, strict=True))
        player.made["large"] = player.buy(size=0.4, exectype=bt.Order.Limit, price=59_400.0)
        player.made["cancelled"] = player.buy(size=0.01, exectype=bt.Order.Limit, price=50_000.0)

    with Venue(balances={"USDT": D(50_000)}) as venue:
        first, _ = play(venue, venue.store(tmp_path / "j"), [Step(D(60_000), orders), Step(D(60_000))])
        refs = {name: order.ref for name, order in first.made.items()}
        name = first.made["cancelled"].info.client_order_id
        venue.move(D(59_380))
        venue.call(
            lambda exchange: exchange.engine.cancel(
                "main", symbol=BTC, client_order_id=name, now_ms=int(exchange.clock.now_ms())
            )
        )
        away = sum(fill.amount for fill in venue.fills())
        new_process()
        second, game = play(
            venue,
            venue.store(tmp_path / "j"),
            [
                Step(D(59_380), look),
                Step(D(59_380), look, until=lambda player: len(player.broker.get_orders_open()) == 3),
                Step(D(59_380), look),
            ],
        )
        filled = [fill for fill in venue.fills() if fill.client_order_id == first.made["large"].info.client_order_id]
    assert names(second, refs["entry"]) == ["Completed"]
    assert names(second, refs["cancelled"]) == ["Canceled"]
    large = next(order for order in second.made["open"] if order.ref == refs["large"])
    first_word = next(news for news in second.order_news if news.ref == refs["large"])
    assert first_word.getstatusname() == "Partial"
    assert D(str(first_word.executed.size)) >= away - D("0.05") > 0
    assert D(str(large.executed.size)) == sum(fill.amount for fill in filled)
    assert large.executed.price == pytest.approx(
        float(sum(fill.amount * fill.price for fill in filled) / sum(fill.amount for fill in filled))
    )
    assert {order.ref for order in second.made["open"]} == {refs["large"], refs["stop"], refs["limit"]}
    told = next(news for news in second.order_news if news.ref == refs["entry"])
    assert told.executed.size == 0.05
    assert told.executed.price == pytest.approx(59_500, rel=1e-3)
    assert game.values[0] == pytest.approx(float(game.equity[0]))


def test_a_second_run_of_a_store_kept_open_has_the_orders_of_the_first_with_their_numbers(tmp_path):
    def orders(player: Player) -> None:
        made = player.buy_bracket(size=0.05, price=60_100.0, limitprice=61_000.0, stopprice=59_000.0)
        player.made.update(zip(("entry", "stop", "limit"), made, strict=True))
        player.made["far"] = player.buy(size=0.05, exectype=bt.Order.Limit, price=59_500.0)
        player.made["near"] = player.buy(size=0.05, exectype=bt.Order.Limit, price=59_800.0)
        player.made["gone"] = player.buy(size=0.01, exectype=bt.Order.Limit, price=59_600.0)

    with Venue() as venue:
        store = venue.store(tmp_path / "j")
        with store.kept_open():
            first, _ = play(venue, store, [Step(D(60_000), orders), Step(D(60_000))])
            refs = {name: order.ref for name, order in first.made.items()}
            venue.move(D(59_750))  # between the runs: "near" fills
            second, _ = play(
                venue,
                store,
                [
                    Step(D(59_750), look),
                    Step(D(59_750), lambda player: player.cancel(_of(player, refs["gone"]))),
                    Step(D(59_450)),  # "far" fills
                    Step(D(61_200), until=lambda player: not player.broker.get_orders_open()),
                    Step(D(61_200)),
                ],
            )
            third, _ = play(venue, store, [Step(D(61_200), look), Step(D(61_200))])
            books = store.books_check()
    assert {order.ref for order in second.made["open"]} == {refs[name] for name in ("stop", "limit", "far", "gone")}
    assert second.made["open"][0].p.data is second.data
    assert names(second, refs["near"]) == ["Completed"]
    assert names(second, refs["far"]) == ["Accepted", "Completed"]
    assert names(second, refs["gone"]) == ["Accepted", "Canceled"]
    assert names(second, refs["limit"]) == ["Accepted", "Completed"]
    assert names(second, refs["stop"]) == ["Accepted", "Canceled"]
    assert names(second, refs["entry"]) == []
    assert third.made["open"] == []
    assert third.order_news == []
    assert all(ours == theirs for _, ours, theirs in books), books


def _of(player: Player, ref: int):
    return next(order for order in player.broker.get_orders_open() if order.ref == ref)
