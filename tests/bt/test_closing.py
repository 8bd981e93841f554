"""An order that closes what exits guard says so, so that they make way; what has coins of its own does not."""

from __future__ import annotations

from decimal import Decimal as D

import backtrader as bt
import pytest

from btccxt.model import OrderKind, OrderStatus
from btccxt.orders.closing import shares_in
from btccxt.orders.context import CLOSES
from tests.bt.fake_ports import FakeBackend, run
from tests.bt.test_placing import PERP, reasons

BRACKET = {"size": 0.1, "exectype": bt.Order.Market, "stopprice": 45_000, "limitprice": 55_000}


def entered(backend: FakeBackend) -> None:
    """The bracket's entry has filled: it is the last of the three that are sent."""
    entry = next(n for n, request in enumerate(backend.sent) if request.kind is OrderKind.MARKET)
    backend.fill("0.1", "50000", index=entry)
    backend.end(OrderStatus.FILLED, index=entry)


def after_a_bracket(act, symbol: str = "BTC/USDT", coins: str = "0") -> tuple[FakeBackend, object]:
    backend = FakeBackend({"USDT": "100000", "BTC": coins} if symbol == "BTC/USDT" else {"USDT": "100000"})
    script = run(
        backend, lambda s: s.buy_bracket(**BRACKET), lambda s: entered(backend), lambda s: None, act, symbol=symbol
    )
    return backend, script


@pytest.mark.parametrize("symbol", ["BTC/USDT", PERP])
def test_a_close_names_the_bracket_whose_exits_make_way(symbol):
    backend, script = after_a_bracket(lambda s: s.close(), symbol)
    assert backend.contexts[-1][CLOSES] == f"{backend.sent[2].client_order_id}:0.1"
    assert backend.sent[-1].amount == D("0.1")
    assert "make way" in script.orders[-1].info.closes
    assert backend.sent[-1].reduce_only is (symbol == PERP)


def test_coins_that_no_exit_guards_are_sold_first():
    backend, _ = after_a_bracket(lambda s: s.sell(size=0.3), coins="0.5")
    assert CLOSES not in backend.contexts[-1]
    backend, _ = after_a_bracket(lambda s: s.sell(size=0.55), coins="0.5")
    assert backend.contexts[-1][CLOSES].endswith(":0.05")


def test_two_closes_in_one_bar_share_what_is_open():
    def act(s):
        for size in (0.04, 0.06, 0.01):
            s.sell(size=size)

    backend, _ = after_a_bracket(act)
    assert [context[CLOSES].split(":")[1] for context in backend.contexts[3:]] == ["0.04", "0.06"]
    assert [order.getstatusname() for order in backend.broker.orders[-3:]] == ["Submitted", "Submitted", "Margin"]


def test_more_than_there_is_ends_in_margin_on_spot_and_turns_the_position_on_a_contract():
    backend, script = after_a_bracket(lambda s: s.sell(size=0.2))
    assert (len(backend.sent), script.orders[-1].getstatusname()) == (3, "Margin")
    backend, _ = after_a_bracket(lambda s: s.sell(size=0.2), PERP)
    assert backend.contexts[-1][CLOSES].endswith(":0.1")
    assert (backend.sent[-1].amount, backend.sent[-1].reduce_only) == (D("0.2"), False)


def test_a_limit_sale_under_a_bracket_shares_its_coins_and_cannot_be_one_of_a_pair():
    made = []

    def act(s):
        made.append(s.sell(size=0.1, exectype=bt.Order.Limit, price=52_000))
        made.append(s.sell(size=0.1, exectype=bt.Order.Stop, price=48_000, oco=made[0]))

    backend, _ = after_a_bracket(act)
    assert (len(backend.sent), backend.contexts[-1][CLOSES].endswith(":0.1")) == (4, True)
    assert "cancel those first" in reasons(made[1])


def test_an_order_of_the_other_side_and_an_exit_that_is_being_cancelled_guard_nothing():
    backend, _ = after_a_bracket(lambda s: s.buy(size=0.1))
    assert CLOSES not in backend.contexts[-1]

    def act(s):
        s.cancel(s.broker.orders[1])
        s.close()

    backend, _ = after_a_bracket(act)
    assert len(backend.sent) in (3, 4)
    assert all(CLOSES not in context for context in backend.contexts)


# ------------------------------------------------------------------ orders that stand alone

STOP = {"exectype": bt.Order.Stop, "price": 45_000}
TARGET = {"exectype": bt.Order.Limit, "price": 55_000}


def beside(*acts, coins: str = "1", **rules) -> tuple[FakeBackend, object]:
    backend = FakeBackend({"USDT": "0", "BTC": coins})
    backend.emulated = rules.get("emulated", set())
    return backend, run(backend, *acts)


@pytest.mark.parametrize("words", [STOP, TARGET])
def test_a_close_names_the_order_of_its_own_that_binds_the_coins(words):
    backend, script = beside(lambda s: s.sell(size=1, **words), lambda s: s.sell(size=1))
    assert shares_in(backend.contexts[-1]) == {backend.sent[0].client_order_id: 1}
    assert "make way" in script.orders[-1].info.closes


def test_only_what_is_bound_makes_way_the_oldest_first():
    backend, _ = beside(
        lambda s: s.sell(size=0.3, **STOP), lambda s: s.sell(size=0.3, **STOP), lambda s: s.sell(size=0.8)
    )
    first, second = (request.client_order_id for request in backend.sent[:2])
    assert shares_in(backend.contexts[-1]) == {first: D("0.3"), second: D("0.1")}
    backend, _ = beside(lambda s: s.sell(size=0.3, **STOP), lambda s: s.sell(size=0.7))
    assert CLOSES not in backend.contexts[-1]


def test_a_target_waits_beside_a_stop_and_a_stop_beside_no_target():
    backend, _ = beside(lambda s: s.sell(size=1, **STOP), lambda s: s.sell(size=1, **TARGET))
    assert shares_in(backend.contexts[-1]) == {backend.sent[0].client_order_id: 1}
    backend, script = beside(lambda s: s.sell(size=1, **TARGET), lambda s: s.sell(size=1, **STOP))
    assert (len(backend.sent), script.orders[-1].getstatusname()) == (1, "Margin")
    assert f"({backend.sent[0].client_order_id}): cancel those" in reasons(script.orders[-1])


def test_an_order_that_is_being_cancelled_and_one_that_binds_nothing_do_not_make_way():
    backend, script = beside(lambda s: s.sell(size=1, **STOP), lambda s: s.cancel(script_of(s)), lambda s: s.close())
    assert CLOSES not in backend.contexts[-1]
    assert script.orders[-1].info.waits_for


def test_an_order_that_makes_way_can_be_changed_no_more():
    def act(s):
        s.close()
        s.broker.edit(script_of(s), price=44_000)

    backend = FakeBackend({"USDT": "0", "BTC": "1"})
    backend.edits_natively = False
    script = run(backend, lambda s: s.sell(size=1, **STOP), lambda s: backend.accept(), act)
    assert backend.edited == []
    assert "tied to others" in script.orders[0].info.notes[-1]


def script_of(strategy):
    return strategy.orders[0]
