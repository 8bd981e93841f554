"""The broker keeps backtrader's books right: orders, positions, trades, cash; and refuses before sending."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal as D

import backtrader as bt
import pytest

from btccxt.bt.order_request import TakeProfit
from btccxt.errors import BtccxtError
from btccxt.exchange.profile.profile import OrderRule
from btccxt.model import (
    Fee,
    Fill,
    OrderFeature,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Side,
    TimeInForce,
)
from btccxt.orders.emulator import EMULATED
from btccxt.orders.lifecycle import LifecycleState, LiveOrder
from btccxt.orders.live_order import FillLog
from btccxt.orders.tracker import OrderEvent, RestoredState
from tests.bt.fake_ports import START_MS, FakeBackend, run


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


def names(script) -> list[str]:
    return [name for name, *_ in script.heard]


# ------------------------------------------------------------------ fills


def test_each_fill_is_heard_one_by_one_with_its_price_and_what_is_left(backend):
    def news(_):
        backend.accept()
        backend.fill("0.1", "50000", ("USDT", "5"))
        backend.fill("0.3", "50010", ("USDT", "15.003"))

    script = run(backend, lambda s: s.buy(size=0.4), news)
    assert names(script) == ["Submitted", "Accepted", "Partial", "Completed"]
    assert [heard[1] for heard in script.heard] == [0, 0, 0.1, 0.4]
    assert [heard[3] for heard in script.heard][-2:] == [pytest.approx(0.3), 0.0]
    bits = list(script.orders[0].executed.exbits)
    assert [(bit.size, bit.price, bit.comm, bit.psize) for bit in bits] == [
        (0.1, 50000.0, 5.0, 0.1),
        (0.3, 50010.0, 15.003, 0.4),
    ]


def test_float_residue_neither_leaves_an_order_partial_nor_a_trade_open(backend):
    assert 0.3 - 0.1 - 0.2 != 0.0  # the fault: what backtrader's own sums would say is left

    script = run(
        backend,
        lambda s: s.buy(size=0.3),
        lambda s: (backend.fill("0.1", "50000"), backend.fill("0.2", "50000")),
        lambda s: s.sell(size=0.3),
        lambda s: (backend.fill("0.1", "50010"), backend.fill("0.2", "50010")),
    )
    assert [order.status for order in script.orders] == [bt.Order.Completed, bt.Order.Completed]
    assert [trade.pnl for trade in script.closed_trades] == [pytest.approx(3.0)]
    assert backend.broker.getposition(script.data).size == 0.0


def test_stock_bookkeeping_leaves_the_same_fills_partial_and_the_trade_open():
    """The fault that the test above guards against, shown on backtrader's own classes."""
    position, order_left = bt.Position(), 0.3
    for size in (0.1, 0.2):
        position.update(size, 50_000.0)
        order_left -= size
    assert order_left != 0.0
    for size in (-0.3,):
        position.update(size, 50_010.0)
    assert position.size != 0.0


def test_a_base_coin_fee_shrinks_the_position_and_the_trade_still_closes(backend):
    script = run(
        backend,
        lambda s: s.buy(size=1.0),
        lambda s: backend.fill("1", "50000", ("BTC", "0.001")),
        lambda s: s.close(),
        lambda s: backend.fill("0.999", "51000", ("USDT", "50.949")),
    )
    assert backend.sent[1].amount == D("0.9990")
    trade = script.closed_trades[0]
    assert trade.pnl == pytest.approx(999.0)
    assert trade.pnlcomm == pytest.approx(999.0 - 50.0 - 50.949)
    assert backend.broker.getcash() == pytest.approx(100_000 - 50_000 + 50_949 - 50.949)
    assert backend.broker.getvalue() == backend.broker.getcash()


def test_dust_that_no_order_could_sell_is_no_position_but_stays_in_the_ledger(backend):
    seen = []
    script = run(
        backend,
        lambda s: s.buy(size=0.9847),
        lambda s: backend.fill("0.9847", "50000", ("BTC", "0.0009847")),
        lambda s: (seen.append(s.position.size), s.close())[1],
        lambda s: backend.fill("0.9837", "50000", ("USDT", "0")),
        lambda s: seen.append(bool(s.position)),
    )
    assert seen == [0.9837, False]  # floored to the step of 0.0001
    assert len(script.closed_trades) == 1
    assert backend.broker.ledger.holding("BTC/USDT").amount == D("0.0000153")
    assert backend.broker.getvalue() == pytest.approx(100_000 - 0.0009847 * 50_000)


def test_a_fill_that_comes_after_the_cancel_still_counts(backend):
    script = run(
        backend,
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=49_000),
        lambda s: backend.accept(),
        lambda s: s.cancel(s.orders[0]),
        lambda s: backend.end(OrderStatus.CANCELED),
        lambda s: backend.fill("0.1", "49000"),
    )
    assert backend.cancelled == [backend.sent[0].client_order_id]
    assert names(script)[:3] == ["Submitted", "Accepted", "Canceled"]
    assert backend.broker.getposition(script.data).size == 0.1
    assert script.orders[0].executed.size == 0.1


def test_a_fee_learned_later_takes_the_place_of_the_estimate(backend):
    script = run(
        backend,
        lambda s: s.buy(size=1.0),
        lambda s: backend.fill("1", "50000", fee=None),
        lambda s: backend.correct(("USDT", "37.5")),
        lambda s: s.sell(size=1.0),
        lambda s: backend.fill("1", "50000", ("USDT", "37.5")),
    )
    assert script.orders[0].executed.comm == pytest.approx(37.5)
    assert script.closed_trades[0].pnlcomm == pytest.approx(-75.0)
    assert backend.broker.getcash() == pytest.approx(100_000 - 75)


def test_of_a_trade_with_oneself_each_side_gets_its_own_fee_when_it_is_learned():
    backend = FakeBackend({"USDT": "100000", "BTC": "1"})

    def both_sides(_):
        backend.fill("1", "50000", fee=None, index=0)
        backend._count -= 1  # one trade, one id
        backend.fill("1", "50000", fee=None, index=1)

    def both_fees(_):
        backend.correct(("USDT", "5"), index=0)
        backend.correct(("USDT", "37.5"), index=1)

    script = run(backend, lambda s: s.buy(size=1.0), lambda s: s.sell(size=1.0), both_sides, both_fees)
    assert [order.executed.comm for order in script.orders] == [pytest.approx(5), pytest.approx(37.5)]
    assert backend.broker.getcash() == pytest.approx(100_000 - 42.5)


# ------------------------------------------------------------------ what was there before


def test_selling_coins_that_were_there_before_opens_no_short_trade():
    backend = FakeBackend({"USDT": "1000", "BTC": "0.5"})
    script = run(backend, lambda s: s.sell(size=0.5), lambda s: backend.fill("0.5", "50000"))
    assert [trade.size for trade in script.opened_trades] == [0.5]
    assert [trade.pnl for trade in script.closed_trades] == [0.0]
    assert names(script) == ["Submitted", "Accepted", "Completed"]


def test_orders_of_a_former_run_come_back_open_and_their_old_fills_are_not_booked_again():
    request = OrderRequest("old1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("0.5"), D("40000"))
    fill = Fill("t1", "BTC/USDT", Side.BUY, D("40000"), D("0.2"), 0, client_order_id="old1", fee=Fee("USDT", D(0)))
    live = LiveOrder(
        request, state=LifecycleState.PARTIALLY_FILLED, order_id="77", filled=D("0.2"), cost=D("8000"),
        fills=FillLog([fill]),
    )  # fmt: skip
    backend = FakeBackend({"USDT": "92000", "BTC": "0.2"}, RestoredState((live,), ()))
    seen = {}

    def look(s):
        seen["open"] = [(order.info.client_order_id, order.executed.size) for order in s.broker.get_orders_open()]
        backend.sent.append(request)
        backend._live["old1"] = live
        backend.fill("0.3", "40000")

    script = run(backend, look, lambda s: None)
    assert seen["open"] == [("old1", 0.2)]
    assert names(script) == ["Partial", "Completed"]
    assert backend.broker.getposition(script.data).size == 0.5
    assert backend.broker.getcash() == 92_000 - 12_000


def test_an_order_that_ended_while_away_is_told_once_and_its_end_is_confirmed():
    request = OrderRequest("old2", "BTC/USDT", Side.SELL, OrderKind.LIMIT, D("0.5"), D("60000"))
    live = LiveOrder(request, state=LifecycleState.FILLED, order_id="78", filled=D("0.5"), cost=D("30000"))
    backend = FakeBackend({"USDT": "30000"}, RestoredState((), (OrderEvent(live, (), ()),)))
    script = run(backend, lambda s: None, lambda s: None)
    assert names(script) == ["Completed"]
    assert backend.told == ["old2"]
    assert backend.broker.getcash() == 30_000


# ------------------------------------------------------------------ refused before anything is sent


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (lambda s: s.buy(size=0.00001), "below one step"),
        (lambda s: s.buy(size=0.1, tif="GTX"), "is not one of GTC, IOC, FOK, GTD"),
        (lambda s: s.buy(size=0.1, post_only=True), "cannot be post_only"),
        (lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=-5), "limit price must be a positive number"),
        (lambda s: s.buy(size=0.1, exectype=bt.Order.StopTrail), "needs trailamount or trailpercent"),
        (lambda s: s.buy(size=0.1, valid=dt.datetime(2001, 1, 1)), "valid lies in the past"),  # noqa: DTZ001 - backtrader takes naive UTC
        (lambda s: s.buy(size=0.1, exectype="limit", price=49_000), "exectype 'limit': write bt.Order.Limit"),
        (lambda s: s.buy(size=0.1, exectype=77, price=49_000), "exectype 77: not supported"),
        (lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailpercent=2), "a fraction: 2 % is 0.02"),
        (lambda s: s.buy(size=0.1, postOnly=True), "postOnly: write post_only="),
        (lambda s: s.buy(size=0.1, reduceonly=True), "reduceonly: write reduce_only="),
        (lambda s: s.buy(size=0.1, timeInForce="IOC"), "timeInForce: write tif="),
        (lambda s: s.buy(size=0.1, post_onyl=True), "post_onyl: write post_only="),
    ],
)
def test_what_cannot_be_sent_is_rejected_with_the_reason_and_never_sent(backend, place, reason):
    script = run(backend, place)
    order = script.orders[-1]
    assert order.status == bt.Order.Rejected
    assert any(reason in text for text in order.info.reasons), order.info.reasons
    assert order.info.get("client_order_id") not in {request.client_order_id for request in backend.sent}


def test_every_reason_is_told_at_once(backend):
    script = run(
        backend,
        lambda s: s.sell(size=0.00001, exectype=bt.Order.Limit, price=-1, post_only=True, tif="IOC"),
    )
    assert len(script.orders[0].info.reasons) == 3


def test_the_exchanges_own_rules_refuse_as_well(backend):
    backend.refusals = ("below the minimum cost of 5 USDT", "iceberg is not native on this exchange")
    script = run(backend, lambda s: s.buy(size=0.1))
    assert script.orders[0].info.reasons == backend.refusals
    assert backend.sent == []


def test_an_order_that_the_account_cannot_pay_ends_in_margin_and_says_what_is_free(backend):
    script = run(backend, lambda s: s.buy(size=1.5, exectype=bt.Order.Limit, price=50_000), lambda s: s.buy(size=1.0))
    assert [order.status for order in script.orders] == [bt.Order.Submitted, bt.Order.Margin]
    (reason,) = script.orders[1].info.reasons
    assert (
        reason == "needs 50000 USDT, 25000 free; 75000 bound by open orders (b00001): cancel those that are not wanted"
    )
    assert len(backend.sent) == 1


def test_a_pair_with_an_order_that_has_ended_or_is_none_is_refused_and_not_sent_alone(backend):
    script = run(
        backend,
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=49_000),
        lambda s: backend.accept(),
        lambda s: backend.end(OrderStatus.CANCELED),
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=48_000, oco=s.orders[0]),
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=48_000, oco=[1, 2]),
    )
    _, after, strange = script.orders
    assert (after.status, strange.status) == (bt.Order.Rejected, bt.Order.Rejected)
    assert "has ended already" in after.info.reasons[0] and "oco=[1, 2]: give the order" in strange.info.reasons[0]
    assert len(backend.sent) == 1


def test_the_exits_of_a_bracket_on_a_contract_can_only_reduce_the_position(backend):
    """After one has filled, the other must not open the other side, however late its cancel comes."""
    run(
        backend, lambda s: s.buy_bracket(size=1, price=49_000, stopprice=48_000, limitprice=52_000)[0],
        symbol="BTC/USDT:USDT",
    )  # fmt: skip
    by_parent: dict[bool, list[bool]] = {True: [], False: []}
    for request, context in zip(backend.sent, backend.contexts, strict=True):
        by_parent["parent" in context].append(request.reduce_only)
    assert by_parent == {True: [True, True], False: [False]}


def test_the_order_carries_both_ids_the_raw_status_and_the_reasons_of_the_exchange(backend):
    refused = OrderUpdate(
        "BTC/USDT", OrderStatus.REJECTED, Origin.PUSH, order_id="x77", raw_status="REJECTED_BY_RISK",
        reject_reason="too risky",
    )  # fmt: skip
    resting = OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.CREATE, order_id="x77", raw_status="NEW")
    seen = []
    script = run(
        backend,
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=49_000),
        lambda s: backend._tell(0, resting),
        lambda s: (seen.append(s.orders[0].info.raw_status), backend._tell(0, refused)),
    )
    info = script.orders[0].info
    assert (info.client_order_id, info.exchange_order_id) == (backend.sent[0].client_order_id, "x77")
    assert (seen, info.raw_status, info.reasons) == (["NEW"], "REJECTED_BY_RISK", ("too risky",))


def test_a_market_order_is_no_member_of_a_pair(backend):
    script = run(
        backend,
        lambda s: s.buy(size=0.4, exectype=bt.Order.Limit, price=49_000),
        lambda s: backend.accept(),
        lambda s: s.buy(size=0.4, oco=s.orders[0]),
    )
    assert script.orders[1].status == bt.Order.Rejected
    assert "cannot be one of a pair" in script.orders[1].info.reasons[0]
    assert len(backend.sent) == 1


def test_what_is_no_keyword_of_ours_is_kept_for_the_strategy(backend):
    script = run(backend, lambda s: s.buy(size=0.1, why="breakout", tag=7))
    assert (script.orders[0].info.why, script.orders[0].info.tag) == ("breakout", 7)


def test_cancelling_nothing_does_nothing_as_in_a_backtest(backend):
    answers = []
    run(backend, lambda s: answers.append(s.cancel(None)))
    assert answers == [None] and bt.brokers.BackBroker().cancel(None) is False


def test_a_commission_set_before_the_start_counts_and_sizes_keep_the_markets_steps(backend):
    backend.broker.setcommission(commission=0.005, name="BTC/USDT")
    backend.broker.setcommission(commission=0.002)
    script = run(backend, lambda s: None)
    info = backend.broker.getcommissioninfo(script.data)
    assert info.getcommission(1, 50_000) == 250
    assert info.getsize(50_000, 20_123) == 0.4024


# ------------------------------------------------------------------ validity and kinds


def test_sizes_and_prices_are_rounded_to_the_markets_steps_and_the_order_says_so(backend):
    script = run(backend, lambda s: s.buy(size=0.123456, exectype=bt.Order.Limit, price=49_999.999))
    request = backend.sent[0]
    assert (request.amount, request.price) == (D("0.1234"), D("50000.00"))
    order = script.orders[0]
    assert (order.size, order.created.price) == (0.1234, 50_000.0)
    assert set(order.info.rounded) == {"size", "price"}


def test_valid_zero_means_the_end_of_the_day_and_the_order_expires(backend):
    """Stock backtrader computes that day's end and forgets to assign it (order.py:360-365)."""

    def pass_midnight(_):
        backend.clock_ms += 86_400_000

    script = run(
        backend,
        lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=40_000, valid=0),
        lambda s: backend.accept(),
        pass_midnight,
        lambda s: backend.end(OrderStatus.CANCELED),
    )
    assert backend.sent[0].time_in_force is TimeInForce.GTC
    assert backend.cancelled == [backend.sent[0].client_order_id]
    assert names(script)[-1] == "Expired"
    assert "kept by btccxt" in script.orders[0].info.validity


def test_the_end_of_an_orders_validity_that_is_kept_here_outlives_a_restart(backend):
    run(backend, lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=40_000, valid=0))
    (request,), (context,) = backend.sent, backend.contexts
    live = LiveOrder(request, context=context, state=LifecycleState.OPEN, order_id="77")
    again = FakeBackend(restored=RestoredState((live,), ()))
    cancelled: list[list[str]] = []

    def pass_midnight(_):
        cancelled.append(list(again.cancelled))
        again.clock_ms += 86_400_000

    def ended(_):
        again.sent.append(request)
        again._live[request.client_order_id] = live
        again.end(OrderStatus.CANCELED)

    script = run(again, lambda s: None, pass_midnight, lambda s: None, ended, lambda s: None)
    assert cancelled == [[]]
    assert again.cancelled == [request.client_order_id]
    assert names(script)[-1] == "Expired"


def test_a_native_good_till_date_is_left_to_the_exchange(backend):
    backend.native_gtd = True
    run(backend, lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=40_000, valid=dt.timedelta(hours=2)))
    request = backend.sent[0]
    assert request.time_in_force is TimeInForce.GTD
    assert request.expires_ms == pytest.approx(START_MS + 60_000 + 2 * 3_600_000, abs=1_000)


@pytest.mark.parametrize(("minutes", "native"), [(2, False), (11, True)])
def test_a_good_till_date_too_near_for_the_exchange_is_kept_here(backend, minutes, native):
    """Binance's contracts want ten minutes."""
    backend.native_gtd = True
    backend.rules[OrderFeature.GTD] = OrderRule(support="native", min_ahead_s=610)
    valid = dt.timedelta(minutes=minutes)
    script = run(backend, lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=40_000, valid=valid))
    request = backend.sent[0]
    assert (request.time_in_force is TimeInForce.GTD) is native
    assert (request.expires_ms is not None) is native
    assert names(script)[-1] == "Submitted"
    assert ("kept by btccxt" in script.orders[0].info.validity) is not native


@pytest.mark.parametrize(("fraction", "native"), [(0.02, True), (0.0005, False), (0.5, False)])
def test_a_trailing_percentage_that_the_exchange_does_not_accept_is_emulated(fraction, native):
    backend = FakeBackend({"USDT": "100000", "BTC": "1"})
    within = {"trailing_percent": (D("0.1"), D(20))}
    backend.rules[OrderKind.TRAILING_PERCENT] = OrderRule(support="native", within=within)
    run(backend, lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailpercent=fraction))
    why = backend.contexts[0].get(EMULATED)
    assert (why is None) is native
    assert native or "accepts trailing_percent from 0.1 to 20" in why


def test_every_kind_of_order_carries_its_prices():
    backend = FakeBackend({"USDT": "100000", "BTC": "1"})
    run(
        backend,
        lambda s: s.sell(size=0.1, exectype=bt.Order.Stop, price=45_000),
        lambda s: s.sell(size=0.1, exectype=bt.Order.StopLimit, price=45_000, plimit=44_900),
        lambda s: s.sell(size=0.1, exectype=TakeProfit, price=55_000),
        lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailpercent=0.02),
        lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailamount=100.0),
    )
    kinds = [(r.kind, r.trigger_price, r.price, r.trailing_percent, r.trailing_amount) for r in backend.sent]
    assert kinds == [
        (OrderKind.STOP, D("45000"), None, None, None),
        (OrderKind.STOP_LIMIT, D("45000"), D("44900"), None, None),
        (OrderKind.TAKE_PROFIT, D("55000"), None, None, None),
        (OrderKind.TRAILING_PERCENT, None, None, D("2.00"), None),
        (OrderKind.TRAILING_AMOUNT, None, None, None, D("100.0")),
    ]


def test_a_copy_of_an_order_is_what_backtraders_own_copy_would_be_and_stays_as_it_was(backend):
    script = run(backend, lambda s: s.buy(size=0.4), lambda s: backend.fill("0.1", "50000"))
    order = script.orders[0]
    order.executed.p1, order.executed.p2 = 0, 0  # one execution is still to be told
    stock = bt.Order.clone(order)
    order.executed.p1, order.executed.p2 = 0, 0
    ours = order.clone()
    assert type(ours) is type(order)
    assert {**vars(ours), "executed": None} == {**vars(stock), "executed": None}
    assert vars(ours.executed) == vars(stock.executed)
    assert [bit.size for bit in ours.executed.getpending()] == [0.1]
    assert (ours.p.size, ours.size, ours.owner, ours.tradeid) == (0.4, 0.4, script, 0)
    backend.fill("0.3", "50000")
    backend.broker.next()
    assert (order.status, ours.status) == (bt.Order.Completed, bt.Order.Partial)
    assert (order.executed.size, ours.executed.size) == (0.4, 0.1)


# ------------------------------------------------------------------ orders that hang together


def test_a_bracket_leaves_together_and_its_exits_wait_for_the_entry(backend):
    backend.balances["BTC"] = "0"
    script = run(
        backend,
        lambda s: s.buy_bracket(size=0.2, price=49_000, stopprice=48_000, limitprice=52_000)[0],
    )
    kinds = [(request.kind, request.side) for request in backend.sent]
    assert kinds == [
        (OrderKind.STOP, Side.SELL), (OrderKind.LIMIT, Side.SELL), (OrderKind.LIMIT, Side.BUY),
    ]  # fmt: skip
    stop, limit, entry = backend.contexts
    assert stop["parent"] == limit["parent"] == backend.sent[2].client_order_id
    assert stop["oco"] == limit["oco"]
    assert "watch" not in {**stop, **limit}  # which of them rests at the exchange is the group's to decide
    assert "parent" not in entry
    assert script.orders[0].alive()


def test_one_refused_order_refuses_its_whole_bracket_before_anything_is_sent(backend):
    script = run(
        backend,
        lambda s: setattr(s, "made", s.buy_bracket(size=0.2, price=49_000, stopprice=-1, limitprice=52_000)),
    )
    assert backend.sent == []
    assert [order.status for order in script.made] == [bt.Order.Rejected] * 3
    assert any("another order of this bracket was refused" in reason for reason in script.made[0].info.reasons)
    assert any("must be a positive number" in reason for reason in script.made[1].info.reasons)


def test_an_oco_pair_of_sales_binds_the_coins_once():
    backend = FakeBackend({"USDT": "0", "BTC": "1"})

    def pair(s):
        first = s.sell(size=1.0, exectype=bt.Order.Limit, price=60_000)
        return s.sell(size=1.0, exectype=bt.Order.Stop, price=45_000, oco=first)

    script = run(backend, pair)
    assert script.orders[0].alive()
    assert backend.contexts[1]["oco"] == backend.sent[0].client_order_id


def test_a_kind_the_exchange_lacks_waits_here_and_says_so(backend):
    backend.balances["BTC"] = "1"
    backend.emulated.add(OrderKind.TRAILING_PERCENT)
    script = run(backend, lambda s: s.sell(size=0.5, exectype=bt.Order.StopTrail, trailpercent=0.02))
    assert backend.contexts[0]["watch"] == script.orders[0].info.emulated
    assert "not native in this test" in script.orders[0].info.emulated


def test_a_kind_the_exchange_has_for_one_side_only_waits_here_for_the_other(backend):
    backend.balances["BTC"] = "1"
    backend.rules[OrderKind.STOP] = OrderRule(support="native", sides=("sell",), note="plans sell only")

    def both(script):
        script.buy(size=0.1, exectype=bt.Order.Stop, price=60_000)
        script.sell(size=0.1, exectype=bt.Order.Stop, price=40_000)

    run(backend, both)
    assert ["watch" in context for context in backend.contexts] == [True, False]
    assert "plans sell only" in backend.contexts[0]["watch"]


# ------------------------------------------------------------------ cash and value


def test_value_of_one_data_is_its_position_so_that_target_percent_works(backend):
    values = {}

    def look(s):
        values["data"] = s.broker.getvalue([s.data])
        values["all"] = s.broker.getvalue()
        return s.order_target_percent(target=0.25)

    run(backend, lambda s: s.buy(size=1.0), lambda s: backend.fill("1", "50000"), look)
    assert values == {"data": 50_000.0, "all": 100_000.0}
    assert (backend.sent[1].side, backend.sent[1].amount) == (Side.SELL, D("0.5"))


def test_get_cash_and_get_value_exist_as_the_analyzers_expect(backend):
    class Stock(bt.BrokerBase):
        def getcash(self):
            return 1.0

        def getvalue(self, datas=None):
            return 1.0

    assert not hasattr(Stock, "get_cash")  # the fault: the alias is written to an attribute named after the class
    run(backend, lambda s: None)
    assert backend.broker.get_cash() == backend.broker.getcash() == 100_000.0
    assert backend.broker.get_value() == 100_000.0


def test_two_datas_of_one_symbol_share_one_position_and_one_trade(backend):
    from tests.bt.fake_ports import MinuteBars, Script

    cerebro = bt.Cerebro(stdstats=False, quicknotify=True)
    for _ in range(2):
        data = MinuteBars([50_000.0] * 6)
        cerebro.adddata(data)
        data._dataname = "BTC/USDT"
    cerebro.setbroker(backend.broker)
    steps = (
        lambda s: s.buy(data=s.datas[0], size=1.0),
        lambda s: backend.fill("1", "50000"),
        lambda s: s.sell(data=s.datas[1], size=1.0),
        lambda s: backend.fill("1", "50100"),
    )
    cerebro.addstrategy(Script, steps=steps)
    script = cerebro.run()[0]
    assert [trade.pnl for trade in script.closed_trades] == [pytest.approx(100.0)]
    assert backend.broker.getposition(script.datas[1]).size == 0.0


def test_a_lasting_difference_is_taken_over_and_said_a_passing_one_is_not(backend):
    deposit = backend.snapshot(USDT="100500")
    run(
        backend,
        lambda s: backend.broker.arrivals.append(deposit),
        lambda s: backend.broker.arrivals.append(backend.snapshot(USDT="100000")),
        lambda s: backend.broker.arrivals.append(deposit),
        lambda s: backend.broker.arrivals.append(deposit),
    )
    assert backend.broker.getcash() == 100_500.0
    assert len(backend.notifications) == 1
    assert "USDT 100000 -> 100500" in backend.notifications[0]


def test_a_difference_is_not_judged_before_its_reason_was_looked_for(backend):
    """Figures that were asked for before ``look_again`` say nothing of trades made outside, nor of funding."""
    deposit = backend.snapshot(USDT="100500")
    early = replace(deposit, looked=False)
    run(
        backend,
        lambda s: backend.broker.arrivals.append(early),
        lambda s: backend.broker.arrivals.append(early),
        lambda s: len(backend.notifications) == 0 and backend.broker.arrivals.append(deposit),
    )
    assert len(backend.looked_again) == 2
    assert len(backend.notifications) == 1
    assert backend.broker.getcash() == 100_500.0


def test_what_the_account_holds_counts_from_the_start_and_is_no_profit_of_the_first_bar():
    backend = FakeBackend({"USDT": "1000", "BTC": "2"})
    backend.prices = {"BTC/USDT": D("49900")}
    script = run(backend, lambda s: None)
    assert backend.broker.startingvalue == 1000 + 2 * 49_900
    assert script.position.price == 50_000.0  # as before: what was held is taken to have cost the first bar's price


def test_analyzers_give_the_numbers_of_the_ledger(backend):
    script = run(
        backend,
        lambda s: s.buy(size=1.0),
        lambda s: backend.fill("1", "50000", ("USDT", "50")),
        lambda s: s.sell(size=1.0),
        lambda s: backend.fill("1", "49000", ("USDT", "49")),
    )
    net = script.analyzers.trades.get_analysis().pnl.net.total
    assert net == pytest.approx(-1099.0)
    assert backend.broker.getvalue() == pytest.approx(100_000 + net)


def test_a_bar_without_a_price_changes_no_value(backend):
    """A data that raised while it loaded a bar leaves one with NaN behind."""
    script = run(backend, lambda s: None, closes=[50_000.0, float("nan"), float("nan")])
    backend.broker.next()
    assert backend.broker.ledger.price("BTC/USDT") == D(50_000)
    assert script.broker.getvalue() == 100_000.0


def test_an_adopted_order_in_a_market_without_data_here_disturbs_nobody(backend):
    request = OrderRequest("external-9", "ETH/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(100))
    live = LiveOrder(request, state=LifecycleState.OPEN, order_id="9", external=True)
    script = run(backend, lambda s: backend.broker.arrivals.append(OrderEvent(live)), lambda s: None)
    assert script.broker.get_orders_open() == []
    assert script.heard == []


def test_an_order_of_a_former_run_whose_market_has_no_data_any_more_stops_nothing_once_it_has_ended():
    request = OrderRequest("old1", "ETH/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(100))
    done = LiveOrder(request, state=LifecycleState.FILLED, order_id="9", filled=D(1), cost=D(100))
    backend = FakeBackend(restored=RestoredState((), (OrderEvent(done),)))
    script = run(backend, lambda s: None)
    assert script.heard == []
    assert ["old1" in text and "filled 1" in text for text in backend.notifications] == [True]
    assert backend.told == ["old1"]
    still_open = FakeBackend(restored=RestoredState((LiveOrder(request, state=LifecycleState.OPEN, order_id="9"),)))
    with pytest.raises(BtccxtError, match=r"add it with store.getdata\(dataname='ETH/USDT'\)"):
        run(still_open, lambda s: None)


def test_a_strategy_of_the_former_ccxt_store_finds_its_calls(backend):
    told = []
    run(
        backend,
        lambda s: told.append((s.broker.get_wallet_balance("USDT"), s.broker.get_wallet_balance("LTC", {}))),
        lambda s: told.append(s.broker.get_balance() == (s.broker.getcash(), s.broker.getvalue())),
    )
    ((usdt, ltc), same) = told
    assert usdt[0] == usdt[1] > 0 and ltc == (0.0, 0.0) and same
