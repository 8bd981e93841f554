"""``broker.bracket``: exits in per cent of the entry's fill, the same call live and in a backtest."""

from __future__ import annotations

from decimal import Decimal as D

import backtrader as bt
import pytest

from btccxt.bt.backtest_broker import BacktestBroker
from btccxt.model import OrderKind
from btccxt.orders.context import ENTRY_PCT
from tests.account.test_ledger import MARKETS
from tests.bt.fake_ports import FakeBackend, MinuteBars, Script, run
from tests.bt.test_placing import PERP, reasons

SPOT = "BTC/USDT"


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend({"USDT": "100000"})


@pytest.mark.parametrize(("size", "sign"), [(0.1, 1), (-0.1, -1)])
@pytest.mark.parametrize("price", [None, 50_000.0])
def test_one_call_sends_entry_stop_and_target_for_both_sides(size, sign, price):
    backend, made = FakeBackend({"USDT": "100000"}), []
    run(backend, lambda s: made.extend(s.broker.bracket(s.data, size, price=price, stop_pct=2, target_pct=4)),
        symbol=PERP)  # fmt: skip
    stop, target, entry = backend.sent
    assert (entry.kind, entry.price) == ((OrderKind.LIMIT, D(50_000)) if price else (OrderKind.MARKET, None))
    assert (stop.kind, stop.trigger_price) == (OrderKind.STOP, D(50_000 - sign * 1_000))
    assert (target.kind, target.price) == (OrderKind.LIMIT, D(50_000 + sign * 2_000))
    assert [D(context[ENTRY_PCT]) for context in backend.contexts[:2]] == [-2 * sign, 4 * sign]
    assert {stop.side, target.side} == {entry.side.opposite}
    assert [order.ref for order in made] == sorted(order.ref for order in made)
    assert all(context["parent"] == entry.client_order_id for context in backend.contexts[:2])


def test_a_trailing_stop_or_one_exit_alone(backend):
    run(backend, lambda s: s.broker.bracket(s.data, 0.1, trail_pct=3, mark="a"))
    assert [each.kind for each in backend.sent] == [OrderKind.TRAILING_PERCENT, OrderKind.MARKET]
    assert backend.sent[0].trailing_percent == 3
    backend = FakeBackend({"USDT": "100000"})
    made = []
    run(backend, lambda s: made.extend(s.broker.bracket(s.data, 0.1, target_pct=3, on_unprotected="retry")))
    assert (made[1], made[2].exectype) == (None, bt.Order.Limit)


@pytest.mark.parametrize(
    ("size", "words", "says"),
    [
        (0.1, {}, "give stop_pct"), (0.1, {"stop_pct": 2, "trail_pct": 2}, "exclude each other"),
        (0, {"stop_pct": 2}, "above zero buys"), ("x", {"stop_pct": 2}, "above zero buys"),
        (0.1, {"stop_pct": 0.02}, "2 % is 2"), (0.1, {"stop_pct": -2}, "positive"),
        (0.1, {"stop_pct": 100}, "below 100"), (0.1, {"target_pct": "much"}, "not a number"),
        (0.1, {"stop_pct": 2, "stopLoss": 3}, "stopprice"), (float("nan"), {"stop_pct": 2}, "above zero buys"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_anything_is_sent(backend, size, words, says):
    made = []
    run(backend, lambda s: made.extend(s.broker.bracket(s.data, size, **words)))
    assert backend.sent == []
    assert says in reasons(made[0])
    assert all(order is None or order.status == bt.Order.Rejected for order in made)


def test_entry_pct_alone_is_a_word_for_exits(backend):
    script = run(backend, lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=40_000, entry_pct=-2))
    assert "exits of a bracket" in reasons(script.orders[0])
    backend = FakeBackend({"USDT": "100000"})
    run(backend, lambda s: s.buy_bracket(size=0.1, exectype=bt.Order.Market, stopprice=49_000, limitprice=52_000,
                                         stopargs={"entry_pct": 2}))  # fmt: skip
    assert backend.sent == []


# ------------------------------------------------------------------ in a backtest


class Bars(MinuteBars):
    """Each bar opens where the one before closed, plus a gap."""

    params = (("gap", 0.0),)

    def _load(self) -> bool:
        loaded = super()._load()
        if loaded:
            self.lines.open[0] = self.lines.close[0] + self.p.gap
            self.lines.high[0] = max(self.lines.open[0], self.lines.close[0])
            self.lines.low[0] = min(self.lines.open[0], self.lines.close[0])
        return loaded


def backtest(closes: list[float], *steps, gap: float = 0.0, symbol: str = SPOT) -> Script:
    cerebro = bt.Cerebro(stdstats=False)
    data = Bars(closes)
    data.p.gap = gap
    data.p.dataname = symbol
    cerebro.adddata(data)
    cerebro.setbroker(BacktestBroker(markets=MARKETS))
    cerebro.broker.setcash(100_000.0)
    cerebro.addstrategy(Script, steps=steps)
    return cerebro.run()[0]


@pytest.mark.parametrize(("size", "sign"), [(0.1, 1), (-0.1, -1)])
def test_in_a_backtest_the_exits_are_of_the_entrys_fill(size, sign):
    made = []
    backtest(
        [50_000.0, 50_500.0, 50_500.0], lambda s: made.extend(s.broker.bracket(s.data, size, stop_pct=2, target_pct=4)),
        gap=3.0,
    )  # fmt: skip
    entry, stop, target = made
    assert entry.executed.price == 50_503.0
    assert stop.created.price == pytest.approx(50_503 * (1 - sign * 0.02), abs=0.01)
    assert target.created.price == pytest.approx(50_503 * (1 + sign * 0.04), abs=0.01)
    assert stop.alive() and target.alive()


def test_in_a_backtest_too_what_is_wrong_is_rejected():
    made = []
    backtest([50_000.0, 50_000.0], lambda s: made.extend(s.broker.bracket(s.data, 0.1, stop_pct=0.02)))
    assert made[0].status == bt.Order.Rejected
    assert "2 % is 2" in reasons(made[0])


def test_a_market_that_the_exchange_does_not_have_has_no_steps():
    made = []
    backtest(
        [50_000.0, 50_500.0, 50_500.0], lambda s: made.extend(s.broker.bracket(s.data, 0.1, stop_pct=2)),
        symbol="unknown",
    )  # fmt: skip
    assert made[1].created.price == pytest.approx(50_500 * 0.98)
