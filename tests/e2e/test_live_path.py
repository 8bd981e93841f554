"""A strategy trades through CCXTStore: unmodified ccxt.pro, real sockets, the embedded exchange."""

from __future__ import annotations

import threading
from decimal import Decimal as D

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.model import MarketType
from tests.e2e.kit import START, Witness, run

pytestmark = pytest.mark.usefixtures("patient_market")

FAST = {"speed": 300.0, "seed": 3, "start": START, "symbols": ("BTC/USDT", "ETH/USDT")}
MINUTES = {"timeframe": bt.TimeFrame.Minutes, "backfill_start": True}


def sim_store(**options) -> CCXTStore:
    return CCXTStore("binance", mode="sim", balance=options.pop("balance", 10_000), sim={**FAST, **options})


def minutes(store: CCXTStore, symbol: str = "BTC/USDT", **options):
    return store.getdata(dataname=symbol, **{**MINUTES, **options})


# ------------------------------------------------------------------ orders


def test_a_market_order_is_filled_one_notification_per_fill_and_the_books_agree():
    """2,000 times the usual size walks the book: many fills, each with its own price and fee."""

    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.order = strategy.buy(size=40.0)
        elif strategy.live == 4:
            strategy.close()

    store = sim_store(balance=10_000_000)
    with store.kept_open():
        witness = run(store, minutes(store), broker=True, live_bars=8, act=act)
        books = store.books_check()
    statuses = [order.getstatusname() for order in witness.order_news if order.isbuy()]
    assert statuses[:2] == ["Submitted", "Accepted"]
    assert statuses[-1] == "Completed"
    assert statuses.count("Partial") >= 1
    bits = list(witness.order.executed.exbits)
    assert len(bits) == statuses.count("Partial") + 1
    assert sum(D(repr(bit.size)) for bit in bits) == D(40)
    assert all(bit.comm == pytest.approx(bit.size * bit.price * 0.001) for bit in bits)
    assert [bit.price for bit in bits] == sorted(bit.price for bit in bits)
    assert len([trade for trade in witness.trade_news if trade.isclosed]) == 1
    assert all(ours == theirs for _, ours, theirs in books), books


def test_a_limit_order_rests_and_is_cancelled_with_a_confirmation():
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.order = strategy.buy(size=0.01, exectype=bt.Order.Limit, price=strategy.data.close[0] * 0.8)
        elif strategy.live == 3:
            strategy.open_then = [order.info.client_order_id for order in strategy.broker.get_orders_open()]
            strategy.cancel(strategy.order)

    store = sim_store()
    witness = run(store, minutes(store), broker=True, live_bars=8, act=act)
    assert [order.getstatusname() for order in witness.order_news] == ["Submitted", "Accepted", "Canceled"]
    assert witness.open_then == [witness.order.info.client_order_id]
    assert witness.order.info.exchange_order_id
    assert store.getbroker().getcash() == 10_000


@pytest.mark.parametrize(
    ("keywords", "end"),
    [
        ({"tif": "IOC", "price_factor": 0.9}, "Expired"),
        ({"tif": "FOK", "price_factor": 0.9}, "Expired"),
        ({"tif": "IOC", "price_factor": 1.01}, "Completed"),
        ({"post_only": True, "price_factor": 1.01}, "Rejected"),
    ],
)
def test_time_in_force_and_post_only_do_what_the_exchange_says(keywords, end):
    keywords = dict(keywords)
    factor = keywords.pop("price_factor")

    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            price = strategy.data.close[0] * factor
            strategy.buy(size=0.01, exectype=bt.Order.Limit, price=price, **keywords)

    store = sim_store()
    witness = run(store, minutes(store), broker=True, live_bars=6, act=act)
    assert witness.order_news[-1].getstatusname() == end
    if end == "Rejected":
        assert any("immediately" in reason for reason in witness.order_news[-1].info.reasons)


def test_an_order_the_exchange_would_refuse_never_reaches_it():
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.00001)  # 0.6 USDT, the minimum is 5
            strategy.buy(size=100.0)  # not the money

    store = sim_store()
    with store.kept_open():
        witness = run(store, minutes(store), broker=True, live_bars=3, act=act)
        assert store.order_history("BTC/USDT") == []
    ends = {order.ref: order for order in witness.order_news}.values()
    assert [order.getstatusname() for order in ends] == ["Rejected", "Margin"]
    assert all(order.info.reasons for order in ends)


# ------------------------------------------------------------------ data


def test_several_symbols_and_timeframes_share_one_connection_and_merge_in_time_order():
    store = sim_store(speed=600.0)
    datas = [minutes(store), minutes(store, "ETH/USDT"), minutes(store, compression=5)]
    witness = run(store, *datas, live_bars=22)
    for number, step_ms in ((0, 60_000), (1, 60_000), (2, 300_000)):
        stamps = [row[0] for row in witness.rows[number]]
        assert stamps == list(range(stamps[0], stamps[-1] + 1, step_ms))
    fives = {row[0]: row for row in witness.rows[2]}
    for row in witness.rows[2][-3:]:
        parts = [minute for minute in witness.rows[0] if row[0] - 300_000 < minute[0] <= row[0]]
        assert row[1:5] == (
            parts[0][1], max(part[2] for part in parts), min(part[3] for part in parts), parts[-1][4],
        )  # fmt: skip
    assert len(fives) > 100


def test_bars_are_stamped_at_their_close_and_may_keep_the_open_stamp():
    store = sim_store()
    witness = run(store, minutes(store), minutes(store, stamp="open"), live_bars=3)
    closes, opens = witness.rows[0], witness.rows[1]
    by_open = {row[0]: row for row in opens}
    shared = [row for row in closes if row[0] - 60_000 in by_open]
    assert len(shared) > 100
    assert all(by_open[row[0] - 60_000][1:] == row[1:] for row in shared)


def test_resampled_live_bars_equal_the_exchanges_own_beside_the_original():
    store = sim_store(speed=600.0)
    cerebro = bt.Cerebro(stdstats=False)
    data = minutes(store)
    cerebro.adddata(data)
    cerebro.resampledata(data, timeframe=bt.TimeFrame.Minutes, compression=5)
    cerebro.adddata(minutes(store, compression=5))
    cerebro.addstrategy(Witness, live_bars=17)
    witness = cerebro.run()[0]
    own = {row[0]: row for row in witness.rows[2]}
    resampled = [row for row in witness.rows[1][1:] if row[0] in own]
    assert len(resampled) > 100
    for row in resampled:
        assert row[1:5] == own[row[0]][1:5]
        assert row[5] == pytest.approx(own[row[0]][5])


def test_ticks_are_the_exchanges_trades():
    store = sim_store(speed=20.0)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Ticks, backfill_start=False)
    witness = run(store, data, live_bars=30)
    assert len(witness.rows[0]) >= 30
    assert all(row[1] == row[2] == row[3] == row[4] for row in witness.rows[0])
    assert [row[0] for row in witness.rows[0]] == sorted(row[0] for row in witness.rows[0])


def test_historical_data_is_preloaded_and_ends():
    store = sim_store(speed=1.0)
    store.start()
    try:
        now = store.now_ms()
        data = minutes(store, historical=True)
        witness = run(store, data)
    finally:
        store.stop()
    assert len(witness.rows[0]) >= 900
    assert witness.rows[0][-1][0] <= now + 60_000


# ------------------------------------------------------------------ paper


def test_paper_trades_on_public_data_with_the_balance_one_gives_it():
    from btccxt.config import Mode
    from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
    from btccxt.exchange.profile.profile import load_profile
    from btccxt.store.build_config import build_config
    from btccxt.store.venues import connect

    profile = load_profile("binance", MarketType.SPOT)
    venue = connect(
        Mode.SIM, profile, {}, balances={"USDT": D(0)},
        settings=build_config({"exchange": "binance", "mode": "sim", "sim": FAST}),
        report=lambda what, error: None,
    )  # fmt: skip
    try:
        sim = venue.sim
        seen: list[str] = []
        sim.on_request(lambda request: seen.append(request.path))
        public = CCXTExchange(profile, {}, clock=venue.clock, connector=sim.connector)
        store = CCXTStore(public, mode="paper", balance={"USDT": 5_000})

        def act(strategy: Witness) -> None:
            if strategy.live == 1:
                strategy.buy(size=0.01)
            elif strategy.live == 4:
                strategy.close()

        with store.kept_open():
            witness = run(store, minutes(store), broker=True, live_bars=7, act=act)
            books = store.books_check()
        ends = [order.getstatusname() for order in witness.order_news if not order.alive()]
        assert ends == ["Completed", "Completed"]
        assert len([trade for trade in witness.trade_news if trade.isclosed]) == 1
        assert all(ours == theirs for _, ours, theirs in books), books
        assert not [path for path in seen if "order" in path.lower() or "account" in path]
    finally:
        venue.stop()


# ------------------------------------------------------------------ life


def test_a_run_leaves_no_thread_behind_even_when_the_strategy_raises():
    before = set(threading.enumerate())

    def act(strategy: Witness) -> None:
        raise RuntimeError("a bug in the strategy")

    store = sim_store()
    with pytest.raises(RuntimeError, match="a bug in the strategy"):
        run(store, minutes(store), broker=True, act=act)
    assert set(threading.enumerate()) - before == set()


def test_the_next_run_of_the_same_store_works():
    store = sim_store()
    for _ in range(2):
        witness = run(store, minutes(store), live_bars=2)
        assert witness.live == 2
