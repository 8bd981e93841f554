"""What the self-check adds to a start: where nothing has changed since the last one, and where all is replayed."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.exchange.ccxt.ccxt_instance import ccxt_class
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof.examine import examine
from btccxt.exchange.proof.standing import standing
from btccxt.model import MarketType

NAME = "self_check"
TITLE = "the self-check at a start"
_MS = "CPU ms"
_WHO = (
    ("binance", MarketType.SPOT), ("bybit", MarketType.LINEAR), ("kraken", MarketType.SPOT),
    ("hyperliquid", MarketType.LINEAR), ("aster", MarketType.LINEAR),
)  # fmt: skip


def run(size: Size) -> Report:
    rounds = size.pick(9, 5, 1)
    rows, targets = [], []
    for name, market_type in _WHO:
        profile, case = load_profile(name, market_type), f"{name} {market_type.value}"
        asyncio.run(examine(profile))  # what is imported and read once
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(standing(profile, "live", Path(folder)))
            kept = [_cpu_ms(lambda p=profile, f=folder: standing(p, "live", Path(f))) for _ in range(rounds)]
        anew = [_cpu_ms(lambda p=profile: examine(p, every_signature=False)) for _ in range(rounds)]
        one = [_instance_ms(name) for _ in range(rounds)]
        figures = {"btccxt kept": median(kept), "btccxt replayed": median(anew), "ccxt.pro, one instance": median(one)}
        rows += [Row(case, who, {_MS: value}) for who, value in figures.items()]
        targets += [
            Target(f"{case}: added to a start, {who} (CPU ms)", figures[f"btccxt {who}"], 100.0, digits=1)
            for who in ("kept", "replayed")
        ]
    notes = ("Replayed: at the first start with another ccxt, table or btccxt. Kept: at every other.",)
    return Report(NAME, TITLE, (Column(_MS, 1),), _MS, tuple(rows), tuple(targets), notes)


def _cpu_ms(ask: Callable[[], Awaitable[Any]]) -> float:
    async def timed() -> float:
        gc.collect()
        began = time.process_time()
        await ask()
        return (time.process_time() - began) * 1000

    return asyncio.run(timed())


def _instance_ms(name: str) -> float:
    gc.collect()
    began = time.process_time()
    ccxt_class(name)()
    return (time.process_time() - began) * 1000
