"""Every pair and triple of the words of an order, on five exchanges: each takes full effect, or it is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal as D
from itertools import combinations
from typing import Any

import backtrader as bt
import pytest

from btccxt.bt.order_request import TakeProfit, TakeProfitLimit
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.request import build_call, refusals
from btccxt.exchange.templates import Values, features_of, fill
from btccxt.model import MarketType, OrderKind, OrderRequest, Side, TimeInForce
from btccxt.orders.client_ids import ClientIds
from btccxt.orders.context import EMULATED, ENTRY_PCT, EXPIRES, FIRES
from tests.bt.fake_ports import FakeBackend, run

Order = bt.Order
KINDS = {
    Order.Market: OrderKind.MARKET, Order.Close: OrderKind.MARKET, Order.Limit: OrderKind.LIMIT,
    Order.Stop: OrderKind.STOP, Order.StopLimit: OrderKind.STOP_LIMIT, TakeProfit: OrderKind.TAKE_PROFIT,
    TakeProfitLimit: OrderKind.TAKE_PROFIT_LIMIT, Order.StopTrail: OrderKind.TRAILING_PERCENT,
    Order.StopTrailLimit: OrderKind.TRAILING_PERCENT,
}  # fmt: skip
WORDS: dict[str, dict[str, Any]] = {
    "valid": {"valid": dt.timedelta(hours=3)},
    "IOC": {"tif": "IOC"},
    "FOK": {"tif": "FOK"},
    "GTD": {"tif": "GTD"},
    "post_only": {"post_only": True},
    "reduce_only": {"reduce_only": True},
    "oco": {"oco": "pair"},
    "parent": {"parent": "entry"},
    "iceberg": {"iceberg": 0.1},
    "trail": {"trailpercent": 0.02},
    "entry_pct": {},  # its sign follows from side and kind
}
PRICE = 50_000.0
MARKETS = [
    ("binance", MarketType.SPOT), ("binanceusdm", MarketType.LINEAR), ("bybit", MarketType.LINEAR),
    ("okx", MarketType.LINEAR), ("kraken", MarketType.SPOT),
]  # fmt: skip


def words_of(exectype: int, side: Side, names: tuple[str, ...]) -> dict[str, Any]:
    up = (1 if side is Side.BUY else -1) * 1_000
    breaks_out = exectype in (Order.Stop, Order.StopLimit)
    price = {"price": PRICE + (up if breaks_out else -up)} if exectype not in (Order.Market, Order.Close) else {}
    if exectype in (Order.StopLimit, TakeProfitLimit):
        price["plimit"] = price["price"]
    if exectype in (Order.StopTrail, Order.StopTrailLimit):
        price = {"trailpercent": 0.02}
    words: dict[str, Any] = {"size": 1, "exectype": exectype, **price}
    for name in names:
        words |= WORDS[name]
    if "entry_pct" in names:
        is_below = (side is Side.SELL) == (exectype in (Order.Stop, Order.StopLimit))
        words["entry_pct"] = -2 if is_below else 2
    return words


def cases() -> Iterator[tuple[int, Side, tuple[str, ...]]]:
    for exectype in KINDS:
        for side in Side:
            for count in range(4):
                for names in combinations(WORDS, count):
                    if len({"IOC", "FOK", "GTD"} & set(names)) < 2:  # one keyword has one value
                        yield exectype, side, names


@pytest.mark.parametrize(("exchange", "market_type"), MARKETS)
def test_each_combination_takes_full_effect_or_is_refused(exchange: str, market_type: MarketType) -> None:
    profile = load_profile(exchange, market_type)
    symbol = "BTC/USDT" if market_type is MarketType.SPOT else "BTC/USDT:USDT"
    backend = FakeBackend({"USDT": "1e12", "BTC": "1e9"})
    market = backend.markets[symbol]
    backend.order_rule = profile.rule  # type: ignore[method-assign]
    backend.order_refusals = lambda request: refusals(request, market, profile)  # type: ignore[method-assign]
    backend.next_client_order_id = lambda: ids.new(profile.client_id.form, profile.client_id.max_length)  # type: ignore[method-assign]
    ids = ClientIds(7, 1)
    wrong: list[str] = []
    counts = {"sent": 0, "refused": 0}

    def place_all(strategy: bt.Strategy) -> None:
        rests = {"exectype": Order.Limit, "size": 1}
        others = {
            Side.SELL: {
                "entry": strategy.buy(price=PRICE - 500, **rests),
                "pair": strategy.sell(price=PRICE + 5_000, **rests),
            },
            Side.BUY: {
                "entry": strategy.sell(price=PRICE + 500, **rests),
                "pair": strategy.buy(price=PRICE - 5_000, **rests),
            },
        }
        for exectype, side, names in cases():
            before = len(backend.sent)
            words = words_of(exectype, side, names)
            words |= {name: others[side][words[name]] for name in ("oco",) if name in words}
            words |= {name: others[side][words[name]] for name in ("parent",) if name in words}
            order = (strategy.buy if side is Side.BUY else strategy.sell)(**words)
            case = f"{order.getordername()} {side.value} {names}"
            if len(backend.sent) == before:
                counts["refused"] += 1
                if order.status != Order.Rejected or not order.info.get("reasons"):
                    wrong.append(f"{case}: neither sent nor refused: {order.getstatusname()}")
                continue
            counts["sent"] += 1
            request, context = backend.sent[-1], backend.contexts[-1]
            backend.broker._own.end(order, request.client_order_id)  # one at a time
            wrong.extend(f"{case}: {fault}" for fault in faults(exectype, words, names, request, context))
            if EMULATED not in context:
                wrong.extend(f"{case}: {fault}" for fault in not_said(request, profile, market))

    run(backend, place_all, symbol=symbol)
    assert wrong == []
    assert min(counts.values()) > 100


def faults(
    exectype: int, words: dict[str, Any], names: tuple[str, ...], request: OrderRequest, context: dict[str, str]
) -> Iterator[str]:
    """Words that are not in the intent as it was handed over."""
    if request.kind is not KINDS[exectype]:
        yield f"kind {request.kind}"
    if (exectype == Order.Close) is not (FIRES in context):
        yield "Close does not wait for its time"
    dated = request.expires_ms is not None and request.time_in_force is TimeInForce.GTD
    if "valid" in names and EXPIRES not in context and not dated:
        yield "valid is dropped"
    tif = words.get("tif")
    if tif in ("IOC", "FOK") and request.time_in_force.value != tif:
        yield f"tif {request.time_in_force}"
    if "post_only" in names and not request.post_only:
        yield "post_only is dropped"
    if "reduce_only" in names and not request.reduce_only:
        yield "reduce_only is dropped"
    if "iceberg" in names and request.iceberg_amount != D("0.1"):
        yield "iceberg is dropped"
    if "oco" in names and not context.get("oco"):
        yield "oco is dropped"
    if "parent" in names and not context.get("parent"):
        yield "parent is dropped"
    if "entry_pct" in names and D(context.get(ENTRY_PCT, "0")) != words["entry_pct"]:
        yield "entry_pct is dropped"
    if "trailpercent" in words and request.trailing_percent != 2:
        yield "trail is dropped"


def not_said(request: OrderRequest, profile: Any, market: Any) -> Iterator[str]:
    """Features whose parameters are not in the call that ccxt would get, because another took their place."""
    call = build_call(request, market, profile, reference_price=D(50_000))
    on_the_wire: dict[str, Any] = {}
    for feature in features_of(request):
        for key, value in profile.orders[feature.value].wire.items():
            if on_the_wire.setdefault(key, value) != value:
                yield f"{feature.value}: {key} is to be {on_the_wire[key]!r} and {value!r}"
    for feature in features_of(request):
        rule = profile.orders[feature.value]
        said = fill(rule.params, Values(request, profile, market, D(50_000)), request.side) or {}
        yield from (
            f"{feature.value}: {key} is {call.params.get(key)!r}" for key in said if call.params.get(key) != said[key]
        )
