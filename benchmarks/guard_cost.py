"""(g) What it costs an order to be checked: rules, risk limits, the call for ccxt, the guard; and loading profiles."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from benchmarks.processes import once
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.request import build_call, decode_request, guard, refusals
from btccxt.model import MarketType, OrderKind, OrderRequest, Side
from btccxt.orders.risk import Proposal, RiskLimits, TradingState
from btccxt.orders.risk import refusals as risk_refusals
from btccxt.sim.markets import spot_market

NAME = "guard_cost"
TITLE = "checking an order, loading the mapping table"

_US, _MS = "CPU µs", "CPU ms"
_URL = "https://api.binance.com/api/v3/order"
_WIRE: dict[OrderKind, dict[str, str]] = {
    OrderKind.MARKET: {"type": "MARKET", "quantity": "0.5"},
    OrderKind.LIMIT: {"type": "LIMIT", "quantity": "0.5", "price": "60000", "timeInForce": "GTC"},
    OrderKind.STOP_LIMIT: {
        "type": "STOP_LOSS_LIMIT", "quantity": "0.5", "price": "60000", "stopPrice": "60100", "timeInForce": "GTC",
    },
}  # fmt: skip


def run(size: Size) -> Report:
    repeats, rounds = size.pick(2_000, 1_000, 5), size.pick(7, 5, 1)
    rows, targets = [], []
    for kind, wire in _WIRE.items():
        steps = _steps(kind, wire)
        found: dict[str, list[float]] = {step: [] for step in steps}
        for _ in range(rounds):
            for step, work in steps.items():
                found[step].append(_cpu_us(work, repeats))
        for step, times in found.items():
            rows.append(Row(f"{kind.value} order", f"btccxt {step}", {_US: median(times)}))
        guard_us = median(found["guard"])
        checks_us = median(found["refusals"]) + median(found["risk"])
        targets.append(Target(f"rules and all risk limits of a {kind.value} order (µs)", checks_us, 50.0, digits=1))
        targets.append(Target(f"the guard's part of a {kind.value} order (µs)", guard_us, 50.0, digits=1))
    found_ms = [once(_load_profiles) for _ in range(rounds)]
    load_ms = median(each for each, _ in found_ms)
    rows.append(Row(f"{found_ms[0][1]} profiles", "btccxt load", {_MS: load_ms}))
    targets.append(Target("loading every profile (ms)", load_ms, 50.0, digits=1))
    return Report(NAME, TITLE, (Column(_US, 1), Column(_MS, 1)), _US, tuple(rows), tuple(targets))


def _steps(kind: OrderKind, wire: dict[str, str]) -> dict[str, Callable[[], Any]]:
    profile, market = load_profile("binance", MarketType.SPOT), spot_market("BTC/USDT")
    limited = kind is not OrderKind.MARKET
    request = OrderRequest(
        "abc123", "BTC/USDT", Side.BUY, kind, Decimal("0.5"), price=Decimal(60_000) if limited else None,
        trigger_price=Decimal(60_100) if kind is OrderKind.STOP_LIMIT else None,
    )  # fmt: skip
    fields = {"symbol": "BTCUSDT", "side": "BUY", "newClientOrderId": "abc123", **wire, "timestamp": "1767614400000"}
    body = urlencode(fields)

    def check() -> None:
        path, found = decode_request(_URL, body)
        guard(request, profile, "POST", path, found)

    limits = RiskLimits(**dict.fromkeys(RiskLimits.__slots__, 10**9))
    price = request.price or Decimal(60_000)
    proposal = Proposal(
        "BTC/USDT", Side.BUY, request.amount, price, Decimal(60_000), price, False, Decimal(1), Decimal(1), 3, 5,
        Decimal(9),
    )  # fmt: skip
    return {
        "refusals": lambda: refusals(request, market, profile),
        "risk": lambda: risk_refusals(limits, TradingState.ACTIVE, "", proposal),
        "call": lambda: build_call(request, market, profile, checked=True),
        "guard": check,
    }


def _cpu_us(work: Callable[[], Any], repeats: int) -> float:
    began_s = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - began_s) / repeats * 1e6


def _load_profiles() -> tuple[float, int]:
    """In a fresh process: nothing is cached yet."""
    began_s, count = time.process_time(), 0
    for exchange in known_exchanges():
        for market_type in market_types(exchange):
            load_profile(exchange, market_type)
            count += 1
    return (time.process_time() - began_s) * 1000, count
