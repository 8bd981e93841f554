"""The routing broker's own part: whose data it is, whose news comes when, and shares of all accounts together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.routing import RoutingBroker, check_accounts
from btccxt.errors import ConfigError
from btccxt.model import Transfer, TransferKind
from btccxt.sim.markets import spot_market
from tests.bt.fake_ports import MARKETS, FakeBackend, MinuteBars, Script


def two() -> tuple[FakeBackend, FakeBackend, RoutingBroker]:
    one, other = FakeBackend({"USDT": "1000"}), FakeBackend({"USDT": "3000"})
    return one, other, RoutingBroker({"one": one.broker, "other": other.broker})


def run(broker: RoutingBroker, backends: list[FakeBackend], *steps) -> Script:
    """One data of each account, both of BTC/USDT."""
    cerebro = bt.Cerebro(stdstats=False, quicknotify=True)
    for backend in backends:
        data = MinuteBars([50_000.0] * (len(steps) + 2))
        data.p.dataname = "BTC/USDT"
        cerebro.adddata(data)
        data._dataname, data.source = "BTC/USDT", backend
    cerebro.setbroker(broker)
    cerebro.addstrategy(Script, steps=steps)
    return cerebro.run()[0]


def test_orders_cancels_and_news_are_those_of_the_datas_account() -> None:
    one, other, broker = two()
    limit = {"exectype": bt.Order.Limit, "price": 40_000}

    def act(s):
        return [s.buy(data=s.data0, size=0.01, **limit), s.buy(data=s.data1, size=0.02, **limit)][1]

    def cancel(s):
        s.cancel(s.orders[0])

    def fill(s):
        one.accept()
        other.accept()
        one.fill("0.01", "40000")

    script = run(broker, [one, other], act, cancel, fill)
    assert [request.amount for request in one.sent] == [D("0.01")]
    assert [request.amount for request in other.sent] == [D("0.02")]
    assert (one.cancelled, other.cancelled) == ([], [other.sent[0].client_order_id])
    heard = [news[0] for news in script.heard]
    assert (heard.count("Accepted"), heard.count("Completed")) == (2, 1)
    assert broker.getposition(script.data0).size == 0.01
    assert broker.getposition(script.data1).size == 0
    assert len(broker.get_orders_open()) == 1


def test_cash_and_value_are_sums_and_money_that_moves_changes_the_shares_of_all() -> None:
    one, other, broker = two()
    came = (Transfer("USDT", D(1000), 1, TransferKind.DEPOSIT, "1"),)
    snapshot = replace(other.snapshot(USDT="4000"), transfers=came)
    run(broker, [one, other], lambda s: None, lambda s: other.broker.arrivals.append(snapshot), lambda s: None)
    assert (broker.startingvalue, broker.getcash(), broker.getvalue()) == (4000, 5000, 5000)
    assert broker.fundshares == pytest.approx(1.25)
    assert broker.fundvalue == pytest.approx(4000)


def test_a_data_of_nobody_is_refused_by_the_first_and_flat() -> None:
    _, _, broker = two()
    stranger = SimpleNamespace(_dataname="XXX/YYY", source=object())
    assert broker.of(stranger) is None
    assert broker.getposition(stranger).size == 0
    assert broker.getvalue([stranger]) == 0


EUR_MARKETS = {**MARKETS, "BTC/EUR": spot_market("BTC/EUR"), "EUR/USDT": spot_market("EUR/USDT")}


def in_two_currencies(quoted_by: str = "other") -> tuple[FakeBackend, FakeBackend, RoutingBroker]:
    """An account in USDT and one in EUR; ``quoted_by``: whose exchange lists EUR/USDT."""
    one, other = FakeBackend({"USDT": "1000"}), FakeBackend({"EUR": "3000"})
    other.currency = "EUR"
    lister, lacks = (one, other) if quoted_by == "one" else (other, one)
    lister.markets = EUR_MARKETS
    lister.prices["EUR/USDT"] = D("1.1")
    if lacks is other:
        lacks.markets = {symbol: each for symbol, each in EUR_MARKETS.items() if symbol != "EUR/USDT"}
    broker = RoutingBroker({"one": one.broker, "other": other.broker}, "USDT")
    return one, other, broker


@pytest.mark.parametrize("quoted_by", ["one", "other"])
def test_accounts_in_different_currencies_are_counted_in_one_and_each_is_visible(quoted_by: str) -> None:
    one, other, broker = in_two_currencies(quoted_by)
    lister = one if quoted_by == "one" else other
    seen: dict[str, float] = {}

    def dearer(s: Script) -> None:
        lister.coin_prices["EUR/USDT"] = D("1.2")

    def look(s: Script) -> None:
        seen.update(value=broker.getvalue(), cash=broker.getcash(), rate=broker.rate(other.broker))

    run(broker, [one, other], dearer, lambda s: None, look)
    assert broker.startingvalue == pytest.approx(1000 + 3000 * 1.1)
    assert seen == pytest.approx({"value": 1000 + 3000 * 1.2, "cash": 1000 + 3000 * 1.2, "rate": 1.2})
    assert {name: each.getcash() for name, each in broker.accounts.items()} == {"one": 1000, "other": 3000}
    assert any("EUR/USDT" in streamed for streamed, _ in lister.followed)


def test_a_target_in_the_common_currency_is_a_size_in_the_accounts_own() -> None:
    one, other, broker = in_two_currencies()

    def act(s: Script) -> None:
        s.order_target_percent(data=s.data1, target=0.25)  # of 4,300 USDT, at 50,000 EUR

    cerebro = bt.Cerebro(stdstats=False, quicknotify=True)
    for backend, symbol in ((one, "BTC/USDT"), (other, "BTC/EUR")):
        data = MinuteBars([50_000.0] * 4)
        data.p.dataname = symbol
        cerebro.adddata(data)
        data._dataname, data.source = symbol, backend
    cerebro.setbroker(broker)
    cerebro.addstrategy(Script, steps=[act, lambda s: None])
    cerebro.run()
    (sent,) = other.sent
    assert sent.amount == pytest.approx(D(4_300) / 4 / D("1.1") / 50_000, rel=D("0.002"))


def test_money_that_comes_in_another_currency_changes_the_shares_by_its_worth() -> None:
    one, other, broker = in_two_currencies()
    came = (Transfer("EUR", D(1000), 1, TransferKind.DEPOSIT, "1"),)
    snapshot = replace(other.snapshot(EUR="4000"), transfers=came)
    run(broker, [one, other], lambda s: None, lambda s: other.broker.arrivals.append(snapshot), lambda s: None)
    assert broker.getvalue() == pytest.approx(5400)
    assert broker.fundvalue == pytest.approx(4300)


def test_currencies_that_no_market_joins_do_not_begin_to_trade() -> None:
    one, other, _ = in_two_currencies()
    other.markets = one.markets
    broker = RoutingBroker({"one": one.broker, "other": other.broker}, "USDT")
    one.prices.clear()
    other.prices.clear()
    with pytest.raises(ConfigError, match="what EUR is worth in USDT"):
        run(broker, [one, other], lambda s: None)


def test_the_common_currency_is_that_of_one_of_the_accounts() -> None:
    one, other, _ = in_two_currencies()
    accounts = {"one": one.broker, "other": other.broker}
    with pytest.raises(ConfigError, match="one in USDT, other in EUR: give currency="):
        check_accounts(accounts, {})
    with pytest.raises(ConfigError, match="count in EUR, USDT: give one"):
        check_accounts(accounts, {}, "USD")
    check_accounts(accounts, {}, "EUR")
