"""Money that comes and goes is no profit: told, booked, and left out of the returns."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import backtrader as bt
import pytest

from btccxt.account.ledger import Drift
from btccxt.account.transfers import explained
from btccxt.bt.fund import Fund
from btccxt.errors import ConfigError
from btccxt.model import Transfer, TransferKind
from tests.bt.fake_ports import START_MS, FakeBackend, MinuteBars, Script, run

USDT = "USDT"


def came(amount: str, transfer_id: str = "1", time_ms: int = START_MS, coin: str = USDT) -> Transfer:
    kind = TransferKind.DEPOSIT if D(amount) > 0 else TransferKind.WITHDRAWAL
    return Transfer(coin, D(amount), time_ms, kind, transfer_id)


def moved(ours: str, theirs: str, coin: str = USDT) -> Drift:
    return Drift("balance", coin, D(ours), D(theirs))


# ------------------------------------------------------------------ which record it was


@pytest.mark.parametrize(
    ("theirs", "listed", "ids"),
    [
        ("1500", [came("500")], ["1"]),
        ("400", [came("-600")], ["1"]),
        ("1500", [came("200", "1", 1), came("300", "2", 2)], ["1", "2"]),
        ("1500", [came("500", "old", 1), came("500", "new", 2)], ["new"]),
        ("1500", [came("500", "booked"), came("500", "fresh", 1)], ["fresh"]),
        ("1500", [came("499")], [""]),
        ("1500", [came("500", coin="BTC")], [""]),
        ("1500", [], [""]),
    ],
)
def test_a_balance_that_differs_is_explained_by_the_records_that_fit_or_of_an_unknown_kind(theirs, listed, ids) -> None:
    found = explained([moved("1000", theirs)], listed, {"booked"}, 5)
    assert [each.transfer_id for each in found] == ids
    assert sum(each.amount for each in found) == D(theirs) - 1000
    assert (found[0].kind is TransferKind.UNKNOWN) is (ids == [""])


def test_positions_are_not_money() -> None:
    assert explained([Drift("position", "BTC/USDT:USDT", D(1), D(2))], [], (), 0) == ()


# ------------------------------------------------------------------ shares


def test_a_share_is_worth_the_account_until_money_moves_and_the_same_after_it() -> None:
    fund = Fund()
    fund.begin(1000.0)
    assert (fund.shares, fund.value(1100.0)) == (1.0, 1100.0)
    fund.move(500.0, 1100.0)
    assert fund.value(1600.0) == pytest.approx(1100.0)
    fund.move(-800.0, 1600.0)
    assert fund.value(800.0) == pytest.approx(1100.0)
    fund.move(-900.0, 800.0)  # nothing is left to have shares of
    assert fund.value(800.0) == pytest.approx(1100.0)


def test_a_share_may_begin_at_what_the_user_says() -> None:
    fund = Fund()
    fund.start_value = 100.0
    fund.begin(1000.0)
    assert (fund.shares, fund.value(1100.0)) == (10.0, 110.0)


def test_fundmode_is_backtraders() -> None:
    broker = FakeBackend().broker
    assert broker.fundmode is False
    broker.set_fundmode(True, 100.0)
    assert broker.fundmode is True
    with pytest.raises(ConfigError, match="worth more than nothing"):
        broker.set_fundstartval(0)


# ------------------------------------------------------------------ in a run


def returns_of(backend: FakeBackend, *steps, fund: bool | None = None) -> tuple[Script, dict, list]:
    """The run with the returns of its minutes, and what ``notify_cashvalue`` was told outside of bars."""
    told: list = []

    class Told(Script):
        def notify_cashvalue(self, cash, value):
            told.append((cash, value))

    cerebro = bt.Cerebro(stdstats=False, quicknotify=True)
    data = MinuteBars([50_000.0] * (len(steps) + 2))
    data.p.dataname = "BTC/USDT"
    cerebro.adddata(data)
    data._dataname = "BTC/USDT"
    cerebro.setbroker(backend.broker)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="returns", timeframe=bt.TimeFrame.NoTimeFrame, fund=fund)
    cerebro.addstrategy(Told, steps=steps)
    script = cerebro.run()[0]
    return script, script.analyzers.returns.get_analysis(), told


def arrive(backend: FakeBackend, snapshot):
    return lambda s: backend.broker.arrivals.append(snapshot)


def test_a_listed_deposit_is_booked_when_it_is_first_seen_and_is_no_return() -> None:
    backend = FakeBackend({"USDT": "1000"})
    snapshot = replace(backend.snapshot(USDT="1500"), looked=False, transfers=(came("500"),))
    _, returns, told = returns_of(backend, lambda s: None, arrive(backend, snapshot), lambda s: None)
    (news,) = backend.moved
    assert (news.transfers, news.worth, news.currency) == ((came("500"),), 500, "USDT")
    assert "deposit +500 USDT" in str(news)
    assert backend.drifts == []
    assert backend.broker.getcash() == 1500
    assert list(returns.values()) == [pytest.approx(0.0)]
    assert (1500.0, 1500.0) in told
    assert backend.broker.fundvalue == pytest.approx(1000.0)


def test_an_analyzer_that_was_told_to_measure_the_account_goes_on_doing_so() -> None:
    backend = FakeBackend({"USDT": "1000"})
    snapshot = replace(backend.snapshot(USDT="1500"), transfers=(came("500"),))
    _, returns, _ = returns_of(backend, lambda s: None, arrive(backend, snapshot), lambda s: None, fund=False)
    assert list(returns.values()) == [pytest.approx(0.5)]


def test_what_no_list_explains_is_money_of_an_unknown_kind_and_a_drift_once_it_lasts() -> None:
    backend = FakeBackend({"USDT": "1000"})
    snapshot = replace(backend.snapshot(USDT="1500"), transfers=(came("7"),))
    steps = [arrive(backend, snapshot)] * 2
    _, returns, _ = returns_of(backend, *steps, lambda s: None)
    (news,) = backend.moved
    assert [each.kind for each in news.transfers] == [TransferKind.UNKNOWN]
    assert backend.drifts == [(False, False)]
    assert list(returns.values()) == [pytest.approx(0.0)]


def test_a_coin_that_came_is_worth_its_price() -> None:
    backend = FakeBackend({"USDT": "1000", "ETH": "1"})
    backend.prices = {"ETH/USDT": D(3000)}
    snapshot = replace(backend.snapshot(USDT="1000", ETH="3"), transfers=(came("2", coin="ETH"),))
    returns_of(backend, lambda s: None, arrive(backend, snapshot), lambda s: None)
    assert backend.moved[0].worth == 6000
    assert backend.broker.getvalue() == 10_000
    assert backend.broker.fundvalue == pytest.approx(4_000)


def test_the_same_record_explains_one_deposit_only() -> None:
    backend = FakeBackend({"USDT": "1000"})
    first = replace(backend.snapshot(USDT="1500"), transfers=(came("500"),))
    second = replace(backend.snapshot(USDT="2000"), transfers=(came("500"),))
    run(backend, arrive(backend, first), arrive(backend, second), lambda s: None)
    assert len(backend.moved) == 1
    assert backend.broker.getcash() == 1500
