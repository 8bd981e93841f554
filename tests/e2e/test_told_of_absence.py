"""A strategy hears at its start what became of its orders while no program looked."""

from __future__ import annotations

from decimal import Decimal as D

from btccxt.bt.compat import bt
from tests.e2e.stage import BTC, Player, Step, Venue, play


def rest(player: Player) -> None:
    player.buy(size=0.05, exectype=bt.Order.Limit, price=59_000.0)


def test_an_order_that_filled_meanwhile_is_told_by_notify_store(tmp_path):
    with Venue("binance") as venue:
        first, _ = play(venue, venue.store(tmp_path / "j"), [Step(D(60_000), rest), Step(D(60_000))])
        venue.move(D(58_900))
        second, _ = play(venue, venue.store(tmp_path / "j"), [Step(D(58_900)), Step(D(58_900))])
    assert not any("away" in str(news) for news in first.store_news)
    assert [str(news) for news in second.store_news if "away" in str(news)] == [
        f"while this program was away: buy 0.05 {BTC} limit at 59000: filled, filled 0.05 at 59000 on average"
    ]
