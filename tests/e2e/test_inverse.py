"""Contracts that are settled in their base coin: cash, profit, fees and funding in that coin, to the last digit."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from tests.e2e.stage import INVERSE, Player, Step, Venue, play

PRICE = D(60_000)


@pytest.fixture(params=["bybit", "okx"])
def venue(request):
    with Venue(request.param, inverse=True) as running:
        yield running


def test_the_books_are_the_exchanges_through_parts_and_a_reversal_and_the_totals_are_the_ledgers(venue):
    unit = 10 if venue.exchange_id == "bybit" else 1  # contracts worth ten dollars

    def buy(size: int):
        return lambda player: player.buy(size=size * unit)

    def sell(size: int):
        return lambda player: player.sell(size=size * unit)

    store = venue.store()
    before = venue.balances()["BTC"]
    with store.kept_open():
        ran, game = play(
            venue,
            store,
            [
                Step(PRICE, buy(500)),
                Step(PRICE + 1_000, buy(333)),
                Step(PRICE + 2_500, sell(300)),
                Step(PRICE + 1_700, sell(900)),
                Step(PRICE + 900, buy(100)),
                Step(PRICE + 500, lambda player: player.close()),
                Step(PRICE + 500),
            ],
            fit=lambda cerebro: cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades"),
        )
        assert all(ours == theirs for _, ours, theirs in store.books_check())
    assert store.currency == "BTC"
    assert game.cash == [pytest.approx(float(each), abs=1e-12) for each in game.wallet]
    assert game.values == [pytest.approx(float(each), abs=2e-8) for each in game.equity]
    earned = venue.balances()["BTC"] - before
    closed = [trade for trade in ran.trade_news if trade.isclosed]
    rounding = 1e-8 * len(venue.fills())  # the exchange rounds what each fill realised
    assert sum(trade.pnlcomm for trade in closed) == pytest.approx(float(earned), abs=rounding)
    assert ran.analyzers.trades.get_analysis().pnl.net.total == pytest.approx(float(earned), abs=rounding)


def test_a_target_is_an_exposure_in_the_coin_that_settles(venue):
    seen: list[float] = []

    def target(player: Player) -> None:
        player.order_target_value(target=0.2)

    def look(player: Player) -> None:
        seen.append(player.broker.getvalue([player.data]))

    play(venue, venue.store(), [Step(PRICE, target), Step(PRICE, look)])
    assert seen == [pytest.approx(0.2, abs=0.001)]
    assert venue.position() == D(12_000) / (10 if venue.exchange_id == "okx" else 1)


def test_funding_is_booked_in_the_coin(venue):
    def fund(player: Player) -> None:
        venue.call(lambda exchange: exchange.fund(INVERSE, D("0.001")))

    def counted(player: Player) -> bool:
        return player.broker.ledger.cash == venue.balances()["BTC"]

    ran, _ = play(
        venue,
        venue.store(),
        [Step(PRICE, lambda player: player.buy(size=100)), Step(PRICE, fund, until=counted), Step(PRICE)],
    )
    assert not any(getattr(news, "kind", None) == "alarm" for news in ran.store_news)


def test_an_account_that_counts_in_another_coin_is_refused_with_the_reason(venue):
    options = {"mode": "sim", "sim_address": str(venue.address), "journal": ":memory:", "market_type": "inverse"}
    store = CCXTStore(venue.exchange_id, currency="USD", **options)
    store.getbroker()
    data = store.getdata(dataname=INVERSE)
    with pytest.raises(ConfigError, match=rf"{data._dataname} is settled in BTC.*currency='BTC'"):
        store.start()
