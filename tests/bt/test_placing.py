"""What keeps an order from leaving: every reason at once, before anything is sent; what waits for its funds; sizes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as D
from fractions import Fraction

import backtrader as bt
import numpy as np
import pytest

from btccxt.account.contract_terms import TradedTerms
from btccxt.bt.order_request import TakeProfit
from btccxt.model import ContractTerms, LeverageBracket, OrderFeature, OrderKind, OrderStatus, Side
from btccxt.notices import WarmUpEnded
from btccxt.orders.context import BACKSTOP, FUNDS, SLICES
from btccxt.orders.risk import RiskLimits
from tests.bt.fake_ports import START_MS, FakeBackend, run

PERP = "BTC/USDT:USDT"
LIMIT = {"exectype": bt.Order.Limit, "price": 49_000}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend({"USDT": "100000", "BTC": "1"})


def reasons(order) -> str:
    return " | ".join(order.info.get("reasons") or ())


# ------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stop_loss_percent", "stopprice"), ("stopLoss", "stopprice"), ("stop_loss", "stopprice"), ("sl", "stopprice"),
        ("take_profit", "limitprice"), ("takeProfitPrice", "limitprice"), ("tp", "limitprice"),
        ("stopPrice", "bt.Order.Stop"), ("triggerPrice", "bt.Order.Stop"), ("leverage", "at the exchange"),
        ("marginMode", "at the exchange"), ("timeInForce", "tif="), ("time_in_force", "tif="), ("expire", "valid="),
        ("good_till", "valid="), ("postOnly", "post_only="), ("maker_only", "post_only"),
        ("reduceOnly", "reduce_only="),
        ("close_position", "reduce_only"), ("quantity", "size="), ("ocaGroup", "oco="),
        ("qty", "size="), ("amount", "size="),
        ("order_type", "exectype="), ("exec_type", "exectype="), ("limit_price", "price="), ("pricelimit", "plimit="),
        ("trail_percent", "trailpercent="), ("trialamount", "trailamount="), ("callbackRate", "trailpercent="),
        ("iceberg_amount", "iceberg"), ("clientOrderId", "gives each order its id"), ("valdi", "valid="),
        ("trail", "trail"), ("symbol", "data="), ("hidden", "iceberg="), ("fok", "tif='FOK'"),
    ],
)  # fmt: skip
def test_a_word_of_the_trade_that_nobody_reads_is_refused_with_the_right_one(backend, word, meant):
    script = run(backend, lambda s: s.buy(size=0.1, **{word: 5}))
    assert backend.sent == []
    assert meant in reasons(script.orders[0])
    assert word in reasons(script.orders[0])


@pytest.mark.parametrize(
    "word", ["mark", "signal", "note", "reason", "level", "grid", "tag", "strategy_name", "entry_id"]
)
def test_a_remark_of_the_strategy_is_kept_in_the_orders_info(backend, word):
    script = run(backend, lambda s: s.buy(size=0.1, **{word: "x"}))
    assert script.orders[0].info[word] == "x"
    assert len(backend.sent) == 1


def test_every_reason_is_told_at_once(backend):
    backend.refusals = ("the exchange's own reason",)
    backend.risk_limits = RiskLimits(max_order_size="0.01")
    backend.broker._forget_orders()

    def act(s):
        return s.buy(
            size=0.1, exectype=bt.Order.Stop, price=40_000, valid=dt.timedelta(hours=-5), tif="FOK", reduce_only=True,
            stopLoss=1, oco=5,
        )  # fmt: skip

    text = reasons(run(backend, act).orders[0])
    for part in (
        "stopLoss",
        "in the past",
        "exclude each other",
        "wrong side",
        "reduce_only",
        "oco=5",
        "own reason",
        "max_order_size",
    ):
        assert part in text, part


@pytest.mark.parametrize("value", ["0.1", None, "much", True, float("nan"), float("inf"), [1]])
def test_what_is_no_size_is_one_clear_error(backend, value):
    script = run(backend, lambda s: s.broker.buy(s, s.data, value))
    assert backend.sent == []
    assert "size" in reasons(script.orders[0])


@pytest.mark.parametrize("number", [np.float64("0.01"), np.float32(0.5), D("0.01"), Fraction(1, 100), np.int64(1)])
def test_numbers_of_any_kind_are_numbers(backend, number):
    run(backend, lambda s: s.buy(size=number, exectype=bt.Order.Limit, price=type(number)(49_000)))
    assert backend.sent[0].amount == D(str(float(number)))
    assert backend.sent[0].price == D(49_000)


def test_targets_take_numpy_numbers(backend):
    run(backend, lambda s: s.order_target_percent(target=np.float64(0.5)))
    assert backend.sent[0].amount == D("0.5")  # half of 150,000 less the coin that is there, at 50,000


# ------------------------------------------------------------------ sides


@pytest.mark.parametrize(
    ("is_buy", "exectype", "price", "plimit", "fine"),
    [
        (False, bt.Order.Stop, 51_000, None, False), (False, bt.Order.Stop, 49_000, None, True),
        (True, bt.Order.Stop, 49_000, None, False), (True, bt.Order.Stop, 51_000, None, True),
        (False, bt.Order.StopLimit, 50_000, 49_000, False), (True, bt.Order.StopLimit, 51_000, 51_100, True),
        (False, TakeProfit, 49_000, None, False), (False, TakeProfit, 51_000, None, True),
        (True, TakeProfit, 51_000, None, False), (True, TakeProfit, 49_000, None, True),
    ],
)  # fmt: skip
def test_a_trigger_on_the_wrong_side_is_refused(backend, is_buy, exectype, price, plimit, fine):
    script = run(
        backend, lambda s: (s.buy if is_buy else s.sell)(size=0.1, exectype=exectype, price=price, plimit=plimit)
    )
    assert bool(backend.sent) is fine
    assert ("wrong side" in reasons(script.orders[0])) is not fine


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"price": 49_000, "stopprice": 49_500, "limitprice": 52_000}, "wrong side"),
        ({"price": 49_000, "stopprice": 48_000, "limitprice": 48_500}, "wrong side"),
        ({"exectype": bt.Order.Market, "stopprice": 55_000, "limitprice": 60_000}, "wrong side"),
        ({"exectype": bt.Order.Stop, "price": 52_000, "stopprice": 53_000, "limitprice": 60_000}, "wrong side"),
    ],
)
def test_a_bracket_with_an_exit_on_the_wrong_side_of_its_entry_is_refused_whole(backend, words, what):
    script = run(backend, lambda s: setattr(s, "made", s.buy_bracket(size=0.2, **words)))
    assert backend.sent == []
    assert [order.status for order in script.made] == [bt.Order.Rejected] * 3
    assert any(what in reasons(order) for order in script.made)


def test_an_exit_between_the_market_and_an_entry_far_away_is_fine(backend):
    run(backend, lambda s: s.buy_bracket(size=0.2, price=45_000, stopprice=44_000, limitprice=46_000)[0])
    assert len(backend.sent) == 3


def test_a_pair_is_of_one_symbol(backend):
    def act(s):
        first = s.sell(size=0.1, exectype=bt.Order.Limit, price=60_000)
        s.datas[0]._dataname = "ETH/USDT"
        order = s.buy(size=0.1, exectype=bt.Order.Limit, price=1_000, oco=first)
        s.datas[0]._dataname = "BTC/USDT"
        return order

    assert "of one symbol" in reasons(run(backend, act).orders[0])


def test_reduce_only_needs_something_to_reduce():
    backend = FakeBackend()
    script = run(backend, lambda s: s.sell(size=1, reduce_only=True), symbol=PERP)
    assert "no position" in reasons(script.orders[0])
    assert backend.sent == []


def test_reduce_only_beside_an_entry_that_is_under_way_is_sent():
    backend = FakeBackend()
    run(backend, lambda s: (s.buy(size=1), s.sell(size=1, reduce_only=True))[1], symbol=PERP)
    assert [request.reduce_only for request in backend.sent] == [False, True]


def test_a_child_of_an_entry_that_has_left_joins_it_and_of_one_that_ended_is_refused(backend):
    script = run(
        backend,
        lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=49_000),
        lambda s: s.sell(size=0.1, exectype=bt.Order.Stop, price=48_000, parent=s.orders[0]),
        lambda s: backend.end(OrderStatus.CANCELED, index=0),
        lambda s: s.sell(size=0.1, exectype=bt.Order.Stop, price=48_000, parent=s.orders[0]),
        lambda s: s.sell(size=0.1, exectype=bt.Order.Stop, price=48_000, parent="a"),
    )
    assert backend.contexts[1]["parent"] == backend.sent[0].client_order_id
    assert len(backend.sent) == 2
    assert "needs its parent" in reasons(script.orders[2])
    assert "give the order" in reasons(script.orders[3])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({**LIMIT, "tif": "IOC", "valid": dt.timedelta(hours=1)}, "exclude each other"),
        ({**LIMIT, "tif": "FOK", "valid": dt.timedelta(hours=1)}, "exclude each other"),
        ({"valid": dt.timedelta(hours=1)}, "fills at once"),
        ({"tif": "FOK"}, "fills at once"),
        ({"iceberg": 0.1}, "iceberg"),
        ({"exectype": bt.Order.Limit, "price": 49_000, "trailpercent": 0.01}, "StopTrail"),
        ({"exectype": bt.Order.StopTrail, "trailamount": 1.0, "trailpercent": 0.01}, "not both"),
        ({"exectype": bt.Order.StopTrail, "trailamount": 0.0001}, "below one step"),
    ],
)  # fmt: skip
def test_words_that_exclude_each_other_are_refused(backend, words, why):
    script = run(backend, lambda s: s.buy(size=0.1, **words))
    assert backend.sent == []
    assert why in reasons(script.orders[0])


def test_trailing_amounts_are_rounded_to_the_price_step(backend):
    run(backend, lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailamount=100.123))
    assert backend.sent[0].trailing_amount == D("100.12")


# ------------------------------------------------------------------ funds


def test_cancel_and_replace_in_one_bar_waits_for_the_coins(backend):
    def replace(s):
        s.cancel(s.orders[0])
        return s.sell(size=1, exectype=bt.Order.Stop, price=46_000)

    seen = []
    script = run(
        backend,
        lambda s: s.sell(size=1, exectype=bt.Order.Stop, price=45_000),
        replace,
        lambda s: seen.append((len(backend.sent), s.orders[1].info.get("waits_for"))),
        lambda s: backend.end(OrderStatus.CANCELED, index=0),
    )
    assert seen[0][0] == 1
    assert "its BTC is bound" in seen[0][1]
    assert backend.sent[1].trigger_price == D(46_000)
    assert "its BTC is bound" in script.orders[1].info.waited_for
    assert [name for name, *_ in script.heard].count("Submitted") == 2


def test_what_waited_is_margin_when_the_cancelled_order_filled_instead(backend):
    def close(s):
        s.cancel(s.orders[0])
        return s.close()

    script = run(
        backend,
        lambda s: s.sell(size=1, exectype=bt.Order.Stop, price=45_000),
        close,
        lambda s: backend.fill("1", "45000", index=0),
    )
    assert len(backend.sent) == 1
    assert script.orders[1].status == bt.Order.Margin


def test_a_wait_for_funds_is_bounded(backend):
    now_s = [0.0]

    def replace(s):
        s.broker._placement._monotonic = lambda: now_s[0]
        s.cancel(s.orders[0])
        return s.sell(size=1, exectype=bt.Order.Stop, price=46_000)

    script = run(
        backend,
        lambda s: s.sell(size=1, exectype=bt.Order.Stop, price=45_000),
        replace,
        lambda s: now_s.__setitem__(0, 61.0),
        lambda s: None,
    )
    assert script.orders[1].status == bt.Order.Margin
    assert "had not come after 60 s" in reasons(script.orders[1])


def test_an_order_that_waits_for_funds_can_be_cancelled_and_ends_with_the_run(backend):
    def replace(s):
        s.cancel(s.orders[0])
        return s.sell(size=1, exectype=bt.Order.Stop, price=46_000)

    script = run(
        backend,
        lambda s: s.sell(size=1, exectype=bt.Order.Stop, price=45_000),
        replace,
        lambda s: (s.cancel(s.orders[1]), None)[1],
        lambda s: s.sell(size=1, exectype=bt.Order.Stop, price=47_000),
    )
    assert [order.status for order in script.orders[1:]] == [bt.Order.Canceled, bt.Order.Canceled]
    assert len(backend.sent) == 1
    assert "the run has ended" in reasons(script.orders[2])
    assert list(backend.withdrawn.values()) == ["cancelled before it was sent", *script.orders[2].info.reasons]


def test_what_waits_for_funds_is_journaled_and_then_goes_exits_first():
    backend = FakeBackend({"USDT": "50000"})

    def replace(s):
        s.cancel(s.orders[0])
        s.made = s.buy_bracket(size=0.5, price=49_000, stopprice=48_000, limitprice=52_000)

    seen = []
    run(
        backend,
        lambda s: s.buy(size=1, exectype=bt.Order.Limit, price=49_500),
        replace,
        lambda s: seen.append(([request.kind for request in backend.held], backend.contexts[1:])),
        lambda s: backend.end(OrderStatus.CANCELED, index=0),
    )
    kinds, contexts = seen[0]
    assert kinds == [OrderKind.STOP, OrderKind.LIMIT, OrderKind.LIMIT]
    assert all("has ended: its USDT is bound" in context[FUNDS] for context in contexts)
    assert [request.kind for request in backend.sent[1:]] == kinds
    assert (backend.held, backend.withdrawn) == ([], {})


def test_what_waited_for_funds_is_not_sent_once_trading_is_halted(backend):
    def replace(s):
        s.cancel(s.orders[0])
        return s.buy(size=2, exectype=bt.Order.Limit, price=49_000)

    script = run(
        backend,
        lambda s: s.buy(size=1, exectype=bt.Order.Limit, price=49_500),
        replace,
        lambda s: (backend.trading.set("halted", "by hand"), backend.end(OrderStatus.CANCELED, index=0))[1],
    )
    assert len(backend.sent) == 1
    assert script.orders[1].status == bt.Order.Rejected
    assert "HALTED: by hand" in reasons(script.orders[1])
    assert "HALTED" in next(iter(backend.withdrawn.values()))


def test_what_waited_for_funds_and_could_not_be_journaled_takes_its_exits_along():
    backend = FakeBackend({"USDT": "50000"})

    def replace(s):
        s.cancel(s.orders[0])
        s.made = s.buy_bracket(size=0.5, price=49_000, stopprice=48_000, limitprice=52_000)

    script = run(
        backend,
        lambda s: s.buy(size=1, exectype=bt.Order.Limit, price=49_500),
        replace,
        lambda s: backend.reject_held(backend.held[-1]),
    )
    assert [order.status for order in script.made] == [bt.Order.Rejected, bt.Order.Canceled, bt.Order.Canceled]
    assert len(backend.withdrawn) == 2


def test_sell_one_and_buy_another_in_one_bar():
    backend = FakeBackend({"USDT": "0", "BTC": "1"})

    def rotate(s):
        s.sell(size=1)
        return s.buy(size=0.9)

    script = run(backend, rotate, lambda s: backend.fill("1", "50000", index=0))
    assert [request.side for request in backend.sent] == [Side.SELL, Side.BUY]
    assert script.orders[0].info.waited_for


def test_a_bracket_that_cannot_be_paid_leaves_nothing_alive():
    backend = FakeBackend({"USDT": "100"})
    script = run(
        backend,
        lambda s: setattr(s, "made", s.buy_bracket(size=0.2, price=49_000, stopprice=48_000, limitprice=52_000)),
    )
    assert backend.sent == []
    assert [order.status for order in script.made] == [bt.Order.Margin, bt.Order.Canceled, bt.Order.Canceled]


def test_a_sale_of_what_was_bought_is_capped_to_what_the_fee_left(backend):
    backend.balances["BTC"] = "0"
    script = run(
        backend,
        lambda s: s.buy(size=1.0),
        lambda s: backend.fill("1", "50000", ("BTC", "0.001")),
        lambda s: s.sell(size=1.0, exectype=bt.Order.StopTrail, trailpercent=0.02),
    )
    assert backend.sent[1].amount == D("0.999")
    assert "0.999 is there" in script.orders[1].info.capped


# ------------------------------------------------------------------ value


def test_a_short_contract_counts_against_the_value_so_that_targets_hold():
    backend = FakeBackend()
    values = []
    script = run(
        backend,
        lambda s: s.order_target_percent(target=-0.1),
        lambda s: backend.fill(str(backend.sent[0].amount), "50000"),
        lambda s: (values.append(s.broker.getvalue([s.data])), s.order_target_percent(target=-0.1))[1],
        lambda s: s.order_target_percent(target=0.1),
        symbol=PERP,
    )
    assert values == [-10_000.0]
    assert len(backend.sent) == 2
    assert (backend.sent[1].side, backend.sent[1].amount) == (Side.BUY, 2 * backend.sent[0].amount)
    assert script.position.size < 0


@pytest.mark.parametrize("leverage", [None, "1", "20"])
@pytest.mark.parametrize("held", ["0", "0.1"])
def test_the_accounts_leverage_does_not_change_what_a_target_buys(leverage, held):
    """Nor whether a position is there already, which is where some exchanges tell it."""
    backend = FakeBackend()
    backend.traded_terms[PERP] = TradedTerms(ContractTerms(PERP, leverage=leverage and D(leverage)))
    steps = [lambda s: s.buy(size=0.1), lambda s: backend.fill("0.1", "50000")] if held != "0" else []
    run(backend, *steps, lambda s: s.order_target_percent(target=0.3), symbol=PERP)
    assert backend.sent[-1].amount + D(held) == D(60)


def test_setcommission_without_a_name_is_of_all_datas_and_keeps_the_contracts_size():
    backend = FakeBackend()
    backend.broker.setcommission(commission=0.0, leverage=3.0)
    seen = []
    run(backend, lambda s: seen.append(s.broker.getcommissioninfo(s.data)), symbol=PERP)
    market = backend.markets[PERP]
    assert (seen[0].p.commission, seen[0].p.leverage) == (0.0, 3.0)
    assert (seen[0].p.mult, seen[0].p.stocklike) == (float(market.contract_size), False)


def test_setcommission_of_a_name_goes_before_that_of_all(backend):
    backend.broker.setcommission(commission=0.5)
    backend.broker.setcommission(commission=0.25, name="BTC/USDT")
    seen = []
    run(backend, lambda s: seen.append(s.broker.getcommissioninfo(s.data).p.commission))
    assert seen == [0.25]


ICE = {"size": 1, "exectype": bt.Order.Limit, "price": 49_000, "iceberg": 0.4}


def test_an_iceberg_that_the_exchange_lacks_goes_in_slices_and_binds_its_money(backend):
    backend.emulated = {OrderFeature.ICEBERG}
    script = run(
        backend, lambda s: s.buy(**ICE), lambda s: backend.accept(), lambda s: s.broker.edit(script_of(s), size=2)
    )
    order = script.orders[0]
    assert (backend.contexts[0][SLICES], order.info.slices) == ("0.4", "0.4 at a time")
    assert backend.sent[0].iceberg_amount == D("0.4")
    assert "cannot be changed" in order.info.notes[-1]
    assert backend.broker.getfree() == pytest.approx(51_000)


def script_of(strategy):
    return strategy.orders[0]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"iceberg": 2}, "more than the size"), ({"tif": "IOC"}, "slices have to rest"),
        ({"size": 3, "price": 49_000}, "free"),
    ],
)  # fmt: skip
def test_an_iceberg_in_slices_that_cannot_be_is_refused(backend, words, why):
    backend.emulated = {OrderFeature.ICEBERG}
    script = run(backend, lambda s: s.buy(**{**ICE, **words}))
    assert backend.sent == []
    assert why in reasons(script.orders[0])


def test_an_exit_cannot_go_in_slices(backend):
    backend.emulated = {OrderFeature.ICEBERG}
    orders = []
    run(backend, lambda s: orders.extend(s.buy_bracket(size=1, exectype=bt.Order.Market, stopprice=45_000,
                                                       limitprice=55_000, limitargs={"iceberg": 0.4})))  # fmt: skip
    assert backend.sent == []
    assert any("cannot be an exit" in reasons(order) for order in orders)


@pytest.mark.parametrize(
    ("symbol", "is_buy", "held", "how"),
    [
        ("BTC/USDT", False, None, "plain"), ("BTC/USDT", True, None, None), (PERP, False, "0.1", "reduce_only"),
        (PERP, False, None, None),
    ],
)  # fmt: skip
def test_a_trailing_stop_that_waits_here_has_a_backstop_where_it_closes(symbol, is_buy, held, how):
    backend = FakeBackend({"USDT": "100000", "BTC": "1"} if symbol == "BTC/USDT" else {"USDT": "100000"})
    backend.emulated = {OrderKind.TRAILING_PERCENT}
    words = {"size": 0.1, "exectype": bt.Order.StopTrail, "trailpercent": 0.02}
    steps = [lambda s: (s.buy if is_buy else s.sell)(**words)]
    if held:
        steps = [lambda s: s.buy(size=0.1), lambda s: backend.fill("0.1", "50000"), lambda s: None, *steps]
    script = run(backend, *steps, symbol=symbol)
    assert backend.contexts[-1].get(BACKSTOP) == how
    assert ("backstop" in script.orders[-1].info) is (how is not None)
    backend = FakeBackend({"USDT": "100000", "BTC": "1"})
    backend.emulated = {OrderKind.TRAILING_PERCENT, OrderKind.STOP}
    run(backend, lambda s: s.sell(**words))
    assert BACKSTOP not in backend.contexts[-1]  # where the exchange has no stops, none can stand there


def test_a_trailing_stop_shows_where_it_stands(backend):
    seen = []
    run(
        backend,
        lambda s: s.sell(size=1, exectype=bt.Order.StopTrail, trailamount=100.0),
        lambda s: seen.append(s.orders[0].created.price),
        lambda s: seen.append(s.orders[0].created.price),
        lambda s: seen.append(s.orders[0].created.price),
        closes=[50_000.0, 50_500.0, 50_200.0, 51_000.0, 51_000.0],
    )
    assert seen == [50_400.0, 50_400.0, 50_900.0]


@pytest.mark.parametrize(("name", "word"), [("set_coc", "closing price"), ("set_coo", "opening price")])
def test_cheating_is_answered_clearly(backend, name, word):
    from btccxt.errors import ConfigError

    getattr(backend.broker, name)(False)
    with pytest.raises(ConfigError, match=word):
        getattr(backend.broker, name)(True)


# ------------------------------------------------------------------ warm-up and trading state


def test_an_order_of_an_old_bar_is_refused_and_told_when_the_data_is_live(backend):
    backend.clock_ms = START_MS + 3 * 86_400_000  # the fake's bars are of a day

    def catch_up(_):
        backend.clock_ms = START_MS

    heard = []
    backend.put_notification = lambda msg, *args, **kwargs: heard.append(msg)
    script = run(backend, lambda s: s.buy(size=0.1), lambda s: s.sell(size=0.1), catch_up, lambda s: s.buy(size=0.2))
    assert [request.amount for request in backend.sent] == [D("0.2")]
    assert all("warm-up" in reasons(order) for order in script.orders[:2])
    (notice,) = [msg.about for msg in heard if isinstance(getattr(msg, "about", None), WarmUpEnded)]
    assert (notice.refused, notice.refs, notice.after_cut) == (
        2,
        tuple(order.ref for order in script.orders[:2]),
        False,
    )


def test_after_it_has_been_live_what_reduces_is_never_held_back_and_the_rest_is(backend):
    def fall_behind(_):
        backend.clock_ms = START_MS + 3 * 86_400_000

    script = run(backend, lambda s: s.buy(size=0.1), fall_behind, lambda s: s.sell(size=0.5), lambda s: s.buy(size=0.2))
    assert [(request.side, request.amount) for request in backend.sent] == [(Side.BUY, D("0.1")), (Side.SELL, D("0.5"))]
    assert "is old: it closed" in reasons(script.orders[2])


def test_send_sends(backend):
    from btccxt.bt.warmup_policy import WarmUpPolicy

    backend.clock_ms = START_MS + 3 * 86_400_000
    backend.broker.warm_up(WarmUpPolicy.of("send", "flat", None))
    run(backend, lambda s: s.buy(size=0.1))
    assert len(backend.sent) == 1


def test_halted_refuses_entries_and_cancels_go_on(backend):
    def halt(s):
        backend.trading.set("halted", "by hand")

    script = run(
        backend,
        lambda s: s.buy(size=0.1, exectype=bt.Order.Limit, price=49_000),
        halt,
        lambda s: s.buy(size=0.1),
        lambda s: (s.cancel(s.orders[0]), None)[1],
        lambda s: backend.trading.set("reducing"),
        lambda s: s.buy(size=0.1),
        lambda s: s.sell(size=0.1),
    )
    assert "HALTED: by hand" in reasons(script.orders[1])
    assert backend.cancelled == [backend.sent[0].client_order_id]
    assert "REDUCING" in reasons(script.orders[2])
    assert backend.sent[-1].side is Side.SELL
    assert len(backend.sent) == 2


def test_loss_of_the_day_stops_entries(backend):
    backend.risk_limits = RiskLimits(max_loss_per_day=500)
    backend.broker._forget_orders()
    script = run(
        backend,
        lambda s: s.buy(size=0.1),
        lambda s: s.buy(size=0.1),
        lambda s: s.sell(size=0.1),
        closes=[50_000.0, 49_000.0, 49_000.0, 49_000.0, 49_000.0],
    )
    assert [request.side for request in backend.sent] == [Side.BUY, Side.SELL]
    assert "max_loss_per_day" in reasons(script.orders[1])


def test_loss_of_the_day_counts_from_its_beginning_also_after_a_restart_and_not_from_yesterdays(backend):
    backend.risk_limits = RiskLimits(max_loss_per_day=500)
    backend.broker._forget_orders()
    run(backend, lambda s: None, lambda s: None)  # no order: the day has begun all the same
    later = FakeBackend({"USDT": "99400", "BTC": "1"})  # 600 less than when the day began
    later.risk_limits, later.kept_variables = backend.risk_limits, backend.kept_variables
    later.broker._forget_orders()
    script = run(later, lambda s: s.buy(size=0.1))
    assert (later.sent, "max_loss_per_day" in reasons(script.orders[0])) == ([], True)
    tomorrow = FakeBackend({"USDT": "99400", "BTC": "1"})
    tomorrow.clock_ms += 86_400_000
    tomorrow.risk_limits, tomorrow.kept_variables = backend.risk_limits, backend.kept_variables
    tomorrow.broker._forget_orders()
    run(tomorrow, lambda s: s.buy(size=0.1))
    assert len(tomorrow.sent) == 1


def test_an_exchange_that_cannot_say_reduce_only_of_a_stop_still_takes_brackets():
    """OKX: only market, limit and trailing orders carry it."""
    from btccxt.exchange.profile.order_rule import OrderRule
    from btccxt.model import OrderFeature

    backend = FakeBackend()
    backend.rules[OrderFeature.REDUCE_ONLY] = OrderRule(support="native", kinds=("market", "limit"))
    run(backend, lambda s: s.buy_bracket(size=1, price=49_000, stopprice=48_000, limitprice=52_000)[0], symbol=PERP)
    assert [(request.kind, request.reduce_only) for request in backend.sent] == [
        (OrderKind.STOP, False), (OrderKind.LIMIT, True), (OrderKind.LIMIT, False),
    ]  # fmt: skip


# ------------------------------------------------------------------ kinds that no exchange has


def test_close_waits_here_for_the_end_of_the_session_and_is_then_a_market_order(backend):
    def pass_midnight(_):
        backend.clock_ms += 86_400_000

    script = run(
        backend, lambda s: s.buy(size=0.1, exectype=bt.Order.Close), lambda s: None, pass_midnight, lambda s: None,
        closes=[50_000.0] * 7,
    )  # fmt: skip
    assert backend.sent[0].kind is OrderKind.MARKET
    assert "until the session" in script.orders[0].info.emulated
    assert int(backend.contexts[0]["fires_ms"]) == pytest.approx(START_MS - START_MS % 86_400_000 + 86_400_000, abs=1)
    assert backend.fired == [backend.sent[0].client_order_id]


def test_a_trailing_stop_that_ends_as_a_limit_order_waits_here_with_its_offset(backend):
    words = {"exectype": bt.Order.StopTrailLimit, "trailamount": 100.0, "price": 50_000, "plimit": 49_990}
    script = run(
        backend, lambda s: s.sell(size=0.1, **words), lambda s: None, closes=[50_000.0, 50_500.0, 50_500.0, 50_500.0]
    )
    request = backend.sent[0]
    assert (request.kind, request.limit_offset) == (OrderKind.TRAILING_AMOUNT, D(10))
    assert "no exchange" in script.orders[0].info.emulated
    assert (script.orders[0].created.price, script.orders[0].created.pricelimit) == (50_400.0, 50_390.0)


def test_what_happens_without_protection_can_be_said_with_the_order(backend):
    words = {"price": 49_000, "stopprice": 48_000, "limitprice": 52_000}
    run(backend, lambda s: s.buy_bracket(size=0.2, on_unprotected="alarm", **words)[0])
    assert [context["on_unprotected"] for context in backend.contexts] == ["alarm"] * 3
    script = run(FakeBackend(), lambda s: s.buy(size=0.2, on_unprotected="pray"))
    assert "exit, retry, alarm" in reasons(script.orders[0])


def test_a_trailing_stop_that_waits_here_trails_from_the_price_that_the_strategy_saw(backend):
    backend.emulated.add(OrderKind.TRAILING_AMOUNT)
    run(backend, lambda s: s.sell(size=0.1, exectype=bt.Order.StopTrail, trailamount=100.0))
    assert backend.contexts[0]["trails_from"] == "50000.0"


# ------------------------------------------------------------------ leverage


def leveraged(backend: FakeBackend, leverage: int) -> None:
    """100 contracts are worth 1 BTC here."""
    brackets = (LeverageBracket(D(100), D(50_000)), LeverageBracket(D(20), D(1_000_000)))
    backend.traded_terms[PERP] = TradedTerms(ContractTerms(PERP, D(leverage)), brackets)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_entry_beyond_the_bracket_of_its_leverage_is_refused_with_what_rests_counted(backend, side):
    leveraged(backend, 100)
    price = {"buy": 49_000, "sell": 51_000}[side]

    def act(s):
        return getattr(s, side)(size=60, exectype=bt.Order.Limit, price=price)

    script = run(backend, act, act, symbol=PERP)
    assert [request.amount for request in backend.sent] == [60]
    assert "beyond the bracket of leverage 100; a leverage of 20 would allow it" in reasons(script.orders[-1])
