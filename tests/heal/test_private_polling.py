"""An account whose private stream stays away is asked by REST every few seconds, for all that the stream would tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from btccxt.bt.compat import bt
from btccxt.model import MarketType, StreamKind
from btccxt.session.private_monitor import PrivateStreamMonitor, state_to_hear
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import QUICK, QUICK_ORDERS, Run, check_fills, exchange, store_on

# Nothing is compared for its own sake: what is learned, polling has told.
ORDERS = replace(QUICK_ORDERS, open_orders_slow_s=3600.0, open_orders_fast_s=0.3, private_stream_silent_s=3600.0)

# What a busy machine hands on late is not missed.
PATIENT = replace(QUICK, least_silence_s=60.0, most_silence_s=120.0, open_within_s=60.0, told_within_s=60.0)


@dataclass(frozen=True)
class Place:
    dialect: str
    market_type: str
    host: str = "*"
    path: str = "*"  # of the private connection

    def __str__(self) -> str:
        return f"{self.dialect}-{self.market_type}"

    @property
    def symbol(self) -> str:
        return "BTC/USDT" if self.market_type == "spot" else "BTC/USDT:USDT"

    def exchange(self) -> BackgroundExchange:
        # Kraken's limit is in wall time, and here a minute lasts a quarter of a second.
        limits = {"kraken": {"PRIVATE_CALLS": 100_000}} if self.dialect == "kraken" else None
        return exchange(dialect=self.dialect, symbols=("BTC/USDT", "BTC/USDT:USDT"), limits=limits)


PLACES = [
    Place("binance", "spot", host="ws-api.*"),
    Place("bybit", "linear", path="/v5/private"),
    pytest.param(Place("binanceusdm", "linear", path="/private*"), marks=pytest.mark.slow),
    pytest.param(Place("bybit", "spot", path="/v5/private"), marks=pytest.mark.slow),
    pytest.param(Place("okx", "linear", path="/ws/v5/private"), marks=pytest.mark.slow),
    pytest.param(Place("kraken", "spot", host="ws-auth.*"), marks=pytest.mark.slow),
]


ACCOUNT_CALLS = {"positionRisk", "account", "wallet-balance", "list", "balance", "positions", "Balance", "BalanceEx"}


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_fills_balances_and_positions_come_by_the_private_stream_alone(place):
    with place.exchange() as background:
        asked: Counter[str] = Counter()
        background.exchange.on_request(lambda seen: asked.update([seen.path.rsplit("/", 1)[-1]]))
        store = store_on(
            background, place.dialect, market_type=place.market_type, currency="USDT", tracker=ORDERS, streams=PATIENT
        )
        with store.kept_open():
            data = store.getdata(dataname=place.symbol, timeframe=bt.TimeFrame.Minutes)
            run = Run(store, data, trade_every=0)
            run.until_live(1)
            run.until(lambda: quiet(asked, run, tuple(ACCOUNT_CALLS)), "reconciled after connecting")
            asked.clear()
            order = run.diary.buy(size=0.5 if place.market_type == "spot" else 2)
            run.until(lambda: order.status == bt.Order.Completed, "the fill")
            usdt = background.call(lambda sim: sim.engine.balances("main")["USDT"].total)
            run.until(lambda: store.balance()["USDT"].total == usdt, "the balance")
            if place.market_type == "linear":
                run.until(lambda: [each.amount for each in store.positions()] == [Decimal(2)], "the position")
            assert not ACCOUNT_CALLS & set(asked)
            run.finish()


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_orders_fills_balances_and_positions_are_learned_without_the_private_stream(place):
    with place.exchange() as background:
        store = store_on(background, place.dialect, market_type=place.market_type, currency="USDT", tracker=ORDERS)
        with store.kept_open():
            data = store.getdata(dataname=place.symbol, timeframe=bt.TimeFrame.Minutes)
            run = Run(store, data, trade_every=0)
            run.until_live(1)
            refusal = background.faults.add(
                Fault(FaultKind.REFUSE_CONNECTION, host=place.host, path=place.path, reconnect_heals=False)
            )
            assert background.call(lambda sim: sim.cut_connections(place.path, place.host))
            run.until(lambda: states(store, "orders") == {"degraded"}, "degraded")

            filled_later = run.diary.buy(size=0.5 if place.market_type == "spot" else 2)
            rests = run.diary.buy(exectype=bt.Order.Limit, price=30_000, size=1)
            run.until(lambda: filled_later.status == bt.Order.Completed, "the fill by REST")
            run.until(lambda: rests.status == bt.Order.Accepted, "the order by REST")
            background.call(lambda sim: cancel_outside(sim, place.symbol))
            run.until(lambda: rests.status == bt.Order.Canceled, "a cancellation made elsewhere, by REST")
            background.call(lambda sim: sim.deposit("main", "USDT", Decimal(777)))
            usdt = background.call(lambda sim: sim.engine.balances("main")["USDT"].total)
            run.until(lambda: store.balance()["USDT"].total == usdt, "the balance by REST")
            if place.market_type == "linear":
                run.until(lambda: [each.amount for each in store.positions()] == [Decimal(2)], "the position by REST")

            background.faults.remove(refusal)
            run.until(lambda: states(store, "orders") == {"live"}, "back to the stream")
            run.until(lambda: not store._open_session.monitor.missing(), "all private streams")
            run.finish()
            check_fills(background, store)


def test_asking_ends_when_the_private_stream_is_back():
    with exchange() as background:
        asked: Counter[str] = Counter()
        background.exchange.on_request(lambda seen: asked.update([seen.path.rsplit("/", 1)[-1]]))
        store = store_on(background, tracker=ORDERS)
        with store.kept_open():
            run = Run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), trade_every=0)
            run.until_live(1)
            run.diary.buy(exectype=bt.Order.Limit, price=30_000, size=1)
            refusal = background.faults.add(Fault(FaultKind.REFUSE_CONNECTION, host="ws-api.*", reconnect_heals=False))
            background.call(lambda sim: sim.cut_connections(host="ws-api.*"))
            run.until(lambda: states(store, "orders") == {"degraded"}, "degraded")
            wanted = ("openOrders", "myTrades", "account")
            asked.clear()
            run.until(lambda: min(asked[path] for path in wanted) >= 4, "each asked for again and again")
            background.faults.remove(refusal)
            run.until(run.healthy, "back to the stream")
            run.until(lambda: quiet(asked, run, wanted), "three polling periods without a question")
            run.finish()


def test_a_poll_that_fails_is_said_once_however_often_it_is_tried_again():
    with exchange() as background:
        store = store_on(background, tracker=ORDERS)
        with store.kept_open():
            run = Run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), trade_every=0)
            run.until_live(1)
            background.faults.add(Fault(FaultKind.REFUSE_CONNECTION, host="ws-api.*", reconnect_heals=False))
            failing = Fault(FaultKind.ERROR_BEFORE, path="*/openOrders", times=None, status=502)
            number = background.faults.add(failing)
            background.call(lambda sim: sim.cut_connections(host="ws-api.*"))
            run.until(lambda: [each.fault for each in background.faults.log].count(failing) >= 15, "polled and refused")
            said = Counter(each["what"] for each in store.health()["last_errors"])
            assert said["account"] == 1
            assert set(said.values()) == {1}
            background.faults.remove(number)
            deposit = Decimal(777) + store.balance()["USDT"].total
            background.call(lambda sim: sim.deposit("main", "USDT", Decimal(777)))
            run.until(lambda: store.balance()["USDT"].total == deposit, "polled and answered")
            run.finish()


def reconciliations(store) -> int:
    return [each["what"] for each in store.health()["last_errors"]].count("reconciliation")


def quiet(asked: Counter[str], run: Run, paths: tuple[str, ...]) -> bool:
    """Nothing was asked while so many bars came as take longer than several polls."""
    before = [asked[path] for path in paths]
    run.more_bars(6)
    return [asked[path] for path in paths] == before


def states(store, kind: str) -> set[str]:
    return {each["state"] for each in store.health()["streams"] if each["stream"].startswith(kind)}


def cancel_outside(sim, symbol: str) -> None:
    [order] = sim.engine.orders("main", symbol, open_only=True)
    sim.engine.cancel("main", symbol=symbol, order_id=order.order_id, now_ms=sim.clock.now_ms())


def test_what_has_to_be_heard_depends_on_the_account_and_what_is_not_heard_is_known():
    spot = state_to_hear(MarketType.SPOT, fills=True)
    assert spot == {StreamKind.ORDERS, StreamKind.FILLS, StreamKind.BALANCE}
    assert state_to_hear(MarketType.LINEAR, fills=False) == {
        StreamKind.ORDERS, StreamKind.BALANCE, StreamKind.POSITIONS,
    }  # fmt: skip
    monitor = PrivateStreamMonitor(lambda keys, reason: None, 1.0, spot)
    assert monitor.missing() == spot
