"""The live path on every exchange that the embedded exchange speaks: another exchange is another word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.model import ConnectionState
from tests.e2e.kit import START, Witness, run

pytestmark = pytest.mark.usefixtures("patient_market")


@dataclass(frozen=True)
class Row:
    """One exchange and market type. ``expired`` and ``would_take`` are how orders end there in backtrader's words."""

    exchange: str
    market_type: str = "spot"
    expired: str = "Canceled"  # of an order whose time in force was over at once
    would_take: str = "Canceled"  # of a post-only order that would have taken
    has_fok: bool = True
    streams: tuple[str, ...] = ("orders", "fills", "balance")  # of the account
    bars: str = "candles"
    currency: str = "USDT"
    speed: float = 300.0
    rest: str | None = None  # where the rest of a partly filled order ends otherwise than an order without fills

    @property
    def symbol(self) -> str:
        return f"BTC/{self.currency}" if self.market_type == "spot" else f"BTC/{self.currency}:{self.currency}"


# ccxt signs its actions in plain Python, in the thread that hears the market.
_HYPERLIQUID: dict[str, Any] = {
    "speed": 120.0,
    "expired": "Rejected",
    "rest": "Canceled",
    "would_take": "Rejected",
    "has_fok": False,
    "currency": "USDC",
}
ROWS = [
    Row("binance", expired="Expired", would_take="Rejected"),
    Row("binanceusdm", "linear", expired="Expired", would_take="Rejected"),
    Row("bybit"),
    Row("bybit", "linear"),
    Row("okx"),
    Row("okx", "linear"),
    Row("kraken", would_take="Rejected"),
    Row("coinbase", would_take="Rejected", streams=("orders",), bars="trades"),
    Row("hyperliquid", **_HYPERLIQUID),
    Row("hyperliquid", "linear", **_HYPERLIQUID),
]

# Seed and start of a market for each symbol. From the close of any of its first six minutes, the price stays below
# +0.9 % for four minutes, so that orders have time to arrive, and rises above +1.9 % within fifteen.
RISING = {
    "BTC/USDT": {"seed": 11, "start": datetime(2026, 1, 5, 20, 53, tzinfo=timezone.utc)},
    "BTC/USDT:USDT": {"seed": 58, "start": datetime(2026, 1, 5, 20, 58, tzinfo=timezone.utc)},
    "BTC/USDC": {"seed": 9, "start": datetime(2026, 1, 5, 11, 18, tzinfo=timezone.utc)},
    "BTC/USDC:USDC": {"seed": 26, "start": datetime(2026, 1, 5, 0, 50, tzinfo=timezone.utc)},
}


@pytest.fixture(params=ROWS, ids=lambda row: f"{row.exchange}-{row.market_type}")
def row(request) -> Row:
    return request.param


def sim_store(row: Row, balance: float = 1_000_000, **options) -> CCXTStore:
    sim = {
        "speed": row.speed,
        "seed": 3,
        "start": START,
        "symbols": (f"BTC/{row.currency}", f"BTC/{row.currency}:{row.currency}"),
        **options,
    }
    return CCXTStore(row.exchange, mode="sim", market_type=row.market_type, balance=balance, sim=sim)


def minutes(store: CCXTStore, row: Row, **options):
    settings = {"timeframe": bt.TimeFrame.Minutes, "backfill_start": True, "bars": row.bars, **options}
    return store.getdata(dataname=row.symbol, **settings)


def trade(row: Row, act, *, live_bars: int = 8, at_once: bool = False, **options):
    """Run; returns the witness and the books (what, ours, theirs) as they were before the store stopped.

    ``act`` begins when the account's streams are live. ``at_once``: with the first live bar, so that REST has to tell
    what happens until then.
    """
    store = sim_store(row, **options)

    def act_when_ready(strategy: Witness) -> None:
        if at_once or store.state is ConnectionState.LIVE:
            act(strategy)
        else:
            strategy.live -= 1  # bars are counted from here on

    with store.kept_open():
        witness = run(store, minutes(store, row), broker=True, live_bars=live_bars, act=act_when_ready)
        return witness, store.books_check()


def stop_when_ended(strategy: Witness, row: Row, orders) -> None:
    """At once, or a few bars later where no stream tells of fills: their fees are asked for."""
    if not any(order.alive() for order in orders):
        strategy.idle = getattr(strategy, "idle", 0) + 1
        if "fills" in row.streams or strategy.idle > 4:
            strategy.env.runstop()


def agree(books) -> bool:
    return bool(books) and all(ours == theirs for _, ours, theirs in books)


def names(witness: Witness, order=None) -> list[str]:
    return [news.getstatusname() for news in witness.order_news if order is None or news.ref == order.ref]


def test_a_store_needs_one_word_and_counts_in_what_the_market_has(row):
    store = CCXTStore(row.exchange, mode="sim", market_type=row.market_type, sim={"speed": 300.0})
    with store.kept_open():
        store.start()
        assert store.currency == row.currency
        assert row.symbol in store.markets


def test_history_and_live_bars_meet_without_hole_or_repetition(row):
    store = sim_store(row)
    with store.kept_open():
        witness = run(store, minutes(store, row), live_bars=5)
        stamps = [line[0] for line in witness.rows[0]]
        own = store.getdata(dataname=row.symbol, timeframe=bt.TimeFrame.Minutes, historical=True)
        again = {line[0]: line for line in run(store, own).rows[0]}
    assert stamps == list(range(stamps[0], stamps[-1] + 1, 60_000))
    assert len(stamps) > 100
    assert ("LIVE" in [status for _, status in witness.data_news]) and witness.live == 5
    shared = [line for line in witness.rows[0][-4:] if line[0] in again]
    assert shared and all(line == again[line[0]] for line in shared)


def test_a_market_order_walks_the_book_fill_by_fill_and_the_books_agree(row):
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.order = strategy.buy(size=60.0)
        elif strategy.live == 4:
            strategy.close()

    witness, books = trade(row, act, balance=10_000_000)
    statuses = names(witness, witness.order)
    assert statuses[:2] == ["Submitted", "Accepted"] and statuses[-1] == "Completed"
    assert statuses.count("Partial") >= 1
    bits = list(witness.order.executed.exbits)
    assert sum(D(repr(bit.size)) for bit in bits) == D(60)
    assert all(bit.comm > 0 for bit in bits)
    assert len([closed for closed in witness.trade_news if closed.isclosed]) == 1
    assert agree(books), books


def test_a_limit_order_rests_and_is_cancelled_with_a_confirmation(row):
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            price = strategy.data.close[0] * 0.8
            strategy.order = strategy.buy(size=0.01, exectype=bt.Order.Limit, price=price)
        elif strategy.live == 3:
            strategy.cancel(strategy.order)

    witness, books = trade(row, act)
    assert names(witness) == ["Submitted", "Accepted", "Canceled"]
    assert witness.order.info.exchange_order_id
    assert agree(books), books


def test_a_marketable_limit_order_is_filled(row):
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            price = strategy.data.close[0] * 1.01
            strategy.order = strategy.buy(size=0.01, exectype=bt.Order.Limit, price=price)

    witness, books = trade(row, act, live_bars=5)
    assert names(witness)[-1] == "Completed", witness.order.info.get("reasons")
    assert witness.order.executed.size == 0.01
    assert agree(books), books


def test_a_stop_order_waits_at_the_exchange_and_fires(row):
    """A stop a hair above the price fires on its own; one far away is cancelled."""

    def act(strategy: Witness) -> None:
        price = strategy.data.close[0]
        if strategy.live == 1:
            strategy.near = strategy.buy(size=0.01, exectype=bt.Order.Stop, price=price * 1.014)
            strategy.far = strategy.buy(size=0.01, exectype=bt.Order.Stop, price=price * 1.2)
        elif strategy.live == 3:
            strategy.cancel(strategy.far)
        stop_when_ended(strategy, row, (strategy.near, strategy.far))

    witness, books = trade(row, act, live_bars=20, at_once=True, **RISING[row.symbol])
    assert names(witness, witness.near)[-1] == "Completed"
    assert names(witness, witness.far) == ["Submitted", "Accepted", "Canceled"]
    assert witness.near.executed.size == 0.01
    assert agree(books), books


def test_time_in_force_and_post_only_end_as_the_exchange_says(row):
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            price = strategy.data.close[0]
            limit = {"size": 0.01, "exectype": bt.Order.Limit}
            strategy.ioc = strategy.buy(price=price * 0.9, tif="IOC", **limit)
            strategy.fok = strategy.buy(price=price * 0.9, tif="FOK", **limit)
            strategy.taker = strategy.buy(price=price * 1.01, tif="IOC", **limit)
            strategy.maker = strategy.buy(price=price * 1.01, post_only=True, **limit)

    witness, books = trade(row, act, live_bars=6)
    assert names(witness, witness.ioc)[-1] == row.expired
    assert names(witness, witness.fok)[-1] == (row.expired if row.has_fok else "Rejected")
    assert names(witness, witness.taker)[-1] == "Completed"
    assert names(witness, witness.maker)[-1] == row.would_take
    assert agree(books), books


def test_stop_limits_and_trailing_stops_fire_natively_or_emulated(row):
    def act(strategy: Witness) -> None:
        price = strategy.data.close[0]
        if strategy.live == 1:
            kinds = bt.Order
            strategy.orders = [
                strategy.buy(size=0.01, exectype=kinds.StopLimit, price=price * 1.014, plimit=price * 1.03),
                strategy.buy(size=0.01, exectype=kinds.StopTrail, trailpercent=0.001),
                strategy.buy(size=0.01, exectype=kinds.StopTrail, trailamount=60.0),
            ]
            strategy.far = strategy.buy(size=0.01, exectype=kinds.StopTrail, trailpercent=0.05)
        elif strategy.live == 3:
            strategy.cancel(strategy.far)
        stop_when_ended(strategy, row, (*strategy.orders, strategy.far))

    witness, books = trade(row, act, live_bars=20, at_once=True, **RISING[row.symbol])
    assert [names(witness, order)[-1] for order in witness.orders] == ["Completed"] * 3
    assert names(witness, witness.far)[-1] == "Canceled"
    assert agree(books), books


def test_what_a_partly_filled_order_has_got_stays_when_the_rest_ends(row, patient_market):
    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.order = None
            patient_market.stands_still_until(lambda: strategy.order is not None and not strategy.order.alive())
            best_ask = strategy.broker.store.sim.engine.best(row.symbol)[1]
            price = float(best_ask) * 1.0003
            strategy.order = strategy.buy(size=140.0, exectype=bt.Order.Limit, price=price, tif="IOC")

    witness, books = trade(row, act, live_bars=5, balance=100_000_000)
    statuses = names(witness, witness.order)
    assert "Partial" in statuses and statuses[-1] == (row.rest or row.expired)
    assert 0 < witness.order.executed.size < 140
    assert witness.position.size == pytest.approx(witness.order.executed.size, rel=0.003)  # fees in the coin
    assert agree(books), books
