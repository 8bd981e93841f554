"""One strategy trades spot on one exchange and hedges on another: orders, cash and value by the account of the data."""

from __future__ import annotations

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from tests.e2e.kit import Witness
from tests.e2e.test_two_stores import market, minutes

pytestmark = pytest.mark.usefixtures("patient_market")


def test_spot_on_one_exchange_is_hedged_on_another_and_each_account_is_visible():
    spot, perp = market("binance", 3, balance=20_000), market("okx", 8, market_type="linear", balance=30_000)
    seen: dict[str, object] = {}

    def act(strategy: Witness) -> None:
        if strategy.live == 2:
            strategy.buy(data=strategy.data0, size=0.1)
            strategy.sell(data=strategy.data1, size=0.1)
        elif strategy.live == 8:
            broker = strategy.broker
            seen["sizes"] = [broker.getposition(data).size for data in strategy.datas]
            seen["exposures"] = [broker.getvalue([data]) for data in strategy.datas]
            seen["value"] = broker.getvalue() - sum(each.getvalue() for each in broker.accounts.values())
            seen["cash"] = {name: each.getcash() for name, each in broker.accounts.items()}
            seen["total"] = broker.getcash()
            seen["closed"] = [strategy.close(data=data) for data in strategy.datas]

    broker = CCXTStore.broker_of(spot, perp)
    cerebro = bt.Cerebro(stdstats=True)
    cerebro.adddata(minutes(spot, "BTC/USDT"), name="spot")
    cerebro.adddata(minutes(perp, "BTC/USDT:USDT"), name="perp")
    cerebro.setbroker(broker)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="returns", timeframe=bt.TimeFrame.NoTimeFrame)
    cerebro.addstrategy(Witness, live_bars=14, act=act)
    witness = cerebro.run()[0]
    assert seen["sizes"] == [0.0999, -0.1]
    assert seen["exposures"][0] > 0 > seen["exposures"][1]
    assert seen["value"] == 0
    assert seen["total"] == pytest.approx(sum(seen["cash"].values()))
    assert seen["cash"]["binance"] == pytest.approx(14_000, abs=600)
    assert seen["cash"]["okx"] == pytest.approx(30_000, abs=10)
    ended = {order.ref: order for order in witness.order_news if not order.alive()}
    assert [ended[order.ref].getstatusname() for order in seen["closed"]] == ["Completed", "Completed"]
    assert len({order.ref for order in witness.order_news}) == 4
    assert [trade.isclosed for trade in witness.trade_news].count(True) == 2
    assert broker.startingvalue == 50_000


def test_what_has_no_one_currency_or_one_account_twice_is_refused(tmp_path):
    def store(exchange: str, **options) -> CCXTStore:
        return CCXTStore(exchange, mode="sim", journal=":memory:", **options)

    with pytest.raises(ConfigError, match="binance in USDT, kraken in USD: give currency="):
        CCXTStore.broker_of(store("binance"), store("kraken", currency="USD"))
    with pytest.raises(ConfigError, match="give it the stores"):
        CCXTStore.broker_of()
    keys = {"apiKey": "k" * 20, "secret": "s" * 20}
    twins = [CCXTStore("binance", mode="live", config=keys, journal=str(tmp_path / name)) for name in "ab"]
    with pytest.raises(ConfigError, match="binance 1 and binance 2 are stores on one account"):
        CCXTStore.broker_of(*twins)
    assert len(CCXTStore.broker_of(store("binance"), store("binance")).accounts) == 2
