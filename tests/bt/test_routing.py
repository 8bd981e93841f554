"""The routing broker's own part: whose data it is, whose news comes when, and shares of all accounts together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.routing import RoutingBroker
from btccxt.model import Transfer, TransferKind
from tests.bt.fake_ports import FakeBackend, MinuteBars, Script


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
