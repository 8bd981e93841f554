"""An account in hedge mode on three exchanges: a long and a short position of one symbol, each with its own exits."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.model import Side
from tests.e2e.stage import PERP, Player, Step, Venue, play

PRICE = D(60_000)
LONG, SHORT = f"{PERP} long", f"{PERP} short"


@pytest.fixture(params=["binanceusdm", "bybit", "okx"])
def venue(request: Any) -> Iterator[Venue]:
    with Venue(request.param, hedge=True) as running:
        yield running


def held(venue: Venue) -> dict[str | None, D]:
    return {each.hedge_side: each.amount for each in venue.call(lambda sim: list(sim.engine.positions("main")))}


def test_two_datas_show_and_trade_a_position_each_and_the_books_are_the_exchanges(venue: Venue) -> None:
    sizes: list[tuple[float, float]] = []

    def look(player: Player) -> None:
        sizes.append(tuple(player.getposition(data).size for data in player.datas))

    def open_both(player: Player) -> None:
        player.buy(data=player.datas[0], size=0.03)
        player.sell(data=player.datas[1], size=0.02)

    def close_long(player: Player) -> None:
        look(player)
        player.close(data=player.datas[0])

    def more_short(player: Player) -> None:
        look(player)
        player.order_target_size(data=player.datas[1], target=-0.05)

    def close_short(player: Player) -> None:
        look(player)
        player.close(data=player.datas[1])

    store = venue.store()
    before = venue.balances()["USDT"]
    with store.kept_open():
        steps = [
            Step(PRICE, open_both), Step(PRICE + 1_000, close_long), Step(PRICE + 500, more_short),
            Step(PRICE - 700, close_short), Step(PRICE, look),
        ]  # fmt: skip
        ran, game = play(venue, store, steps, names=(LONG, SHORT))
        books = store.books_check()
    assert venue.call(lambda sim: sim.engine.is_hedged("main"))
    assert sizes == [(0.03, -0.02), (0, -0.02), (0, -0.05), (0, 0)]
    assert {(LONG, D(0), D(0)), (SHORT, D(0), D(0))} <= set(books)
    assert all(ours == theirs for _, ours, theirs in books), books
    assert game.cash == [pytest.approx(float(each)) for each in game.wallet]
    assert game.values == [pytest.approx(float(each)) for each in game.equity]
    closed = [trade for trade in ran.trade_news if trade.isclosed]
    assert {trade.data._dataname for trade in closed} == {LONG, SHORT}
    assert sum(trade.pnlcomm for trade in closed) == pytest.approx(float(venue.balances()["USDT"] - before))


def test_one_data_shows_both_positions_as_one_and_each_order_says_which(venue: Venue) -> None:
    seen: list[tuple[float, float]] = []

    def open_both(player: Player) -> None:
        player.buy(size=0.03, position_side="long")
        player.sell(size=0.02, position_side="short")
        player.made["unclear"] = player.buy(size=0.01)

    def look(player: Player) -> None:
        seen.append((player.position.size, player.position.price))
        player.sell(size=0.03, position_side="long")

    store = venue.store()
    with store.kept_open():
        ran, game = play(venue, store, [Step(PRICE, open_both), Step(PRICE + 300, look), Step(PRICE)])
        assert all(ours == theirs for _, ours, theirs in store.books_check())
        assert [(each.symbol, each.hedge_side, each.amount) for each in store.positions()] == [
            (PERP, "short", D("-0.02"))
        ]
    assert seen[0][0] == 0.01
    entry = {fill.position_side: fill.price for fill in venue.fills()[:2]}
    assert seen[0][1] == pytest.approx(float(3 * entry["long"] - 2 * entry["short"]))
    assert held(venue) == {"short": D("-0.02")}
    assert "give position_side='long' or 'short'" in str(ran.made["unclear"].info.reasons)
    assert game.values == [pytest.approx(float(each)) for each in game.equity]


def test_the_stop_of_a_bracket_closes_its_own_side_and_comes_back_after_a_restart(venue: Venue, tmp_path: Path) -> None:
    def brackets(player: Player) -> None:
        player.buy_bracket(
            data=player.datas[0], size=0.02, exectype=bt.Order.Market, stopprice=59_000, limitprice=63_000
        )
        player.sell_bracket(
            data=player.datas[1], size=0.04, exectype=bt.Order.Market, stopprice=61_000, limitprice=57_000
        )

    def both(player: Player) -> bool:
        return len(player.broker.get_orders_open()) == 4 and held(venue) == {"long": D("0.02"), "short": D("-0.04")}

    journal = tmp_path / "journal.sqlite"
    play(venue, venue.store(journal), [Step(PRICE, brackets, until=both), Step(PRICE)], names=(LONG, SHORT))
    store = venue.store(journal)
    with store.kept_open():
        short_is_gone = Step(PRICE + 1_100, None, until=lambda player: held(venue) == {"long": D("0.02")})
        ran, _ = play(venue, store, [Step(PRICE), short_is_gone, Step(PRICE + 1_000)], names=(LONG, SHORT))
        assert all(ours == theirs for _, ours, theirs in store.books_check())
        left = [(order.data._dataname, order.isbuy()) for order in ran.broker.get_orders_open()]
    assert left == [(LONG, False), (LONG, False)]
    assert held(venue) == {"long": D("0.02")}
    assert {fill.position_side for fill in venue.fills() if fill.side is Side.BUY} == {"long", "short"}


def test_what_would_open_where_it_is_to_close_is_refused_before_anything_is_sent(venue: Venue) -> None:
    def try_it(player: Player) -> None:
        long, short = player.datas
        player.made = {
            "nothing is held": player.sell(data=long, size=0.01),
            "reduce_only: a buy opens the long position": player.buy(data=long, size=0.01, reduce_only=True),
            "bound to the short position": player.sell(data=short, size=0.01, position_side="long"),
            "write 'long' or 'short'": player.buy(data=long, size=0.01, position_side="both"),
        }

    store = venue.store()
    with store.kept_open():
        ran, _ = play(venue, store, [Step(PRICE, try_it), Step(PRICE)], names=(LONG, SHORT))
    reasons = {words: str(order.info.reasons) for words, order in ran.made.items()}
    assert "there is no position" in reasons.pop("nothing is held")
    assert all(words in said for words, said in reasons.items()), reasons
    assert not venue.fills()


def test_flattening_closes_both_positions_also_of_one_data(venue: Venue) -> None:
    def open_both(player: Player) -> None:
        player.buy(size=0.03, position_side="long")
        player.sell(size=0.03, position_side="short")

    store = venue.store(on_stop="flatten")
    play(venue, store, [Step(PRICE, open_both), Step(PRICE)])
    assert held(venue) == {}


def test_words_of_hedge_mode_are_refused_in_one_way_mode() -> None:
    with Venue("binanceusdm") as venue:
        store = venue.store()
        with store.kept_open():
            ran, _ = play(
                venue,
                store,
                [Step(PRICE, lambda player: player.made.update(x=player.buy(size=0.01, position_side="long")))],
            )
        assert "is traded in one-way mode" in str(ran.made["x"].info.reasons)
        assert not venue.fills()
        bound = venue.store()
        bound.getbroker()
        data = bound.getdata(dataname=PERP, position_side="short")
        with pytest.raises(ConfigError, match="position_side='short': the account is in one-way mode"):
            bound.start()
        assert (data._dataname, data._name, data.p.dataname) == (SHORT, SHORT, PERP)
