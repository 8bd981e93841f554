"""The value of an account is that of every coin, whether a data follows it or not."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import Side, StreamKey, StreamKind
from btccxt.notices import CoinsUnvalued
from tests.e2e.stage import BNB, Player, Step, Venue, play
from tests.still_market import depth

PRICE = D(60_000)


def move(venue: Venue, symbol: str, price: D) -> None:
    def go(exchange) -> None:
        now_ms = int(exchange.clock.now_ms())
        exchange.engine.set_depth(symbol, *depth(price, D("0.01")), now_ms)
        exchange.engine.print_trade(symbol, price, D("0.001"), Side.BUY, now_ms)

    venue.call(go)


def test_coins_without_a_data_count_follow_their_market_and_what_has_none_is_listed() -> None:
    streamed: list[set[StreamKey]] = []
    with Venue(balances={"USDT": D(50_000), "BNB": D(10), "DOGE": D(7)}) as venue:
        store = venue.store()

        async def streams() -> tuple:
            return store._account_session.streams().snapshot()

        def of_bnb() -> set[StreamKey]:
            return {each.key for each in store._ask(streams()) if each.key.symbol == BNB}

        def look(player: Player) -> None:
            streamed.append(of_bnb())
            move(venue, BNB, D(700))

        def rise(player: Player) -> bool:
            return player.broker.getvalue() == pytest.approx(57_000, abs=2)

        def sell_out(player: Player) -> None:
            venue.call(lambda exchange: exchange.deposit("main", "BNB", D(-10)))

        def gone(player: Player) -> bool:
            return not of_bnb()

        ran, game = play(
            venue,
            store,
            [Step(PRICE), Step(PRICE, look, until=rise), Step(PRICE, sell_out, until=gone), Step(PRICE)],
        )
    assert game.values[0] == pytest.approx(56_000, abs=1)
    assert store.getbroker().startingvalue == pytest.approx(56_000, abs=1)
    assert game.values[-1] == 50_000
    assert streamed == [{StreamKey(StreamKind.TICKER, BNB)}]
    (unvalued,) = [news.about for news in ran.store_news if isinstance(getattr(news, "about", None), CoinsUnvalued)]
    assert unvalued.amounts == {"DOGE": 7}
