"""What it costs to judge whether an exchange's answer can be true, beside translating it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.exchange.ccxt import translate
from btccxt.exchange.plausibility import check_bar, check_fill, check_order
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, Origin
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.timeframe import parse_timeframe

NAME = "sense_checks"
TITLE = "judging whether an answer makes sense"
_US = "CPU µs"


def run(size: Size) -> Report:
    repeats, rounds = size.pick(20_000, 5_000, 20), size.pick(7, 5, 1)
    rows, targets = [], []
    for name, (make, check, most_us) in _cases().items():
        record = make()
        found: dict[str, list[float]] = {"translate": [], "check": []}
        for _ in range(rounds):
            found["translate"].append(_cpu_us(make, repeats))
            found["check"].append(_cpu_us(lambda check=check, record=record: check(record), repeats))
        rows += [Row(name, f"btccxt {step}", {_US: median(times)}) for step, times in found.items()]
        targets.append(Target(f"the check of a {name} (µs)", median(found["check"]), most_us, digits=2))
    return Report(NAME, TITLE, (Column(_US, 2),), _US, tuple(rows), tuple(targets))


def _cases() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any], float]]:
    """Name -> translation, check, and what the check may cost in µs."""
    profile = load_profile("binance", MarketType.SPOT)
    clock, minute = ExchangeClock(WallTime()), parse_timeframe("1m")
    now_ms = clock.now_ms()
    clock.add_sample(clock.local_ms() - 10, clock.local_ms(), now_ms)
    row = [now_ms - now_ms % 60_000, 100.0, 101.0, 99.0, 100.5, 7.0]
    order = {
        "id": "1", "clientOrderId": "abc", "symbol": "BTC/USDT", "side": "buy", "type": "limit", "status": "open",
        "price": 100.0, "amount": 2.0, "filled": 1.0, "timestamp": now_ms,
        "info": {"orderId": 1, "status": "PARTIALLY_FILLED", "origQty": "2", "executedQty": "1", "price": "100"},
    }  # fmt: skip
    trade = {
        "id": "7", "order": "1", "symbol": "BTC/USDT", "side": "buy", "price": 100.0, "amount": 1.0,
        "timestamp": now_ms, "info": {}, "fee": {"currency": "BNB", "cost": 0.001},
    }  # fmt: skip
    return {
        "candle frame": (
            lambda: translate.bar(row),
            lambda bar: check_bar(bar, minute, clock.now_ms(), clock.uncertainty_ms or 0.0),
            3.0,
        ),
        "order update": (lambda: translate.order_update(order, profile, Origin.PUSH), check_order, 20.0),
        "fill": (lambda: translate.fill(trade, profile), check_fill, 20.0),
    }


def _cpu_us(work: Callable[[], Any], repeats: int) -> float:
    began_s = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - began_s) / repeats * 1e6
