"""Record the cassettes again.

python -m tests.cassettes.record                     all of them, through the embedded exchange; no network
python -m tests.cassettes.record okx-spot            one of them
python -m tests.cassettes.record --public okx-spot   public endpoints of the real exchange, no keys; needs network
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.market import SyntheticSource
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from tests.cassettes.scenario import BARS, play, play_public
from tests.cassettes.tape import FOLDER, PUBLIC_FOLDER, tape

# Planted: the embedded exchange opens with these, and no cassette may show any of them.
KEYS = {"apiKey": "PlantedKey0a1b2c3d", "secret": "UGxhbnRlZFNlY3JldDRlNWY2", "password": "PlantedPassphrase7g8h"}
START_MS = 1_767_610_800_000  # 2026-01-05 11:00 UTC


@dataclass(frozen=True)
class Reel:
    """What one cassette is of."""

    exchange: str
    market_type: MarketType

    @property
    def name(self) -> str:
        return f"{self.exchange}-{self.market_type.value}"

    @property
    def symbol(self) -> str:
        return "BTC/USDT" if self.market_type is MarketType.SPOT else "BTC/USDT:USDT"

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.yaml"

    @property
    def truth_path(self) -> Path:
        return FOLDER / f"{self.name}.truth.json"


SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
REELS = (
    Reel("binance", SPOT), Reel("binanceusdm", LINEAR), Reel("bybit", SPOT), Reel("bybit", LINEAR),
    Reel("okx", SPOT), Reel("okx", LINEAR), Reel("kraken", SPOT),
)  # fmt: skip


class Frozen:
    """A clock that stands still, as it stood when the cassette was recorded."""

    speed = 1.0

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> float:
        return self._now_ms


def client(reel: Reel, now_ms: int | None, keys: dict[str, str], **options: Any) -> CCXTExchange:
    """The product's own exchange, asking each thing once. ``now_ms`` None: the wall clock."""
    clock = ExchangeClock(WallTime() if now_ms is None else Frozen(now_ms))
    profile = load_profile(reel.exchange, reel.market_type)
    return CCXTExchange(profile, keys, clock=clock, retry=RetryPolicy(attempts=1), **options)


def record(reel: Reel, path: Path, truth_path: Path) -> None:
    """Play the scenario on the embedded exchange; beside the cassette goes what its engine knows to be true."""
    path.unlink(missing_ok=True)
    truth = asyncio.run(_record(reel, path))
    truth_path.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


async def _record(reel: Reel, path: Path) -> dict[str, Any]:
    listings = [each for each in default_listings() if each.market.symbol in ("BTC/USDT", "BTC/USDT:USDT")]
    sim = SimExchange(
        SyntheticSource(listings, 1, START_MS, 1_000), (reel.exchange,), clock=SteppedClock(START_MS),
        accounts=[
            SimAccount("main", KEYS["apiKey"], KEYS["secret"], KEYS["password"], {"USDT": Decimal(10_000)})
        ],
    )  # fmt: skip
    async with sim:
        sim.advance(90_000)
        now_ms = sim.venue.now_ms()
        exchange = client(reel, now_ms, KEYS, connector=sim.connector)
        with tape(path, record=True, secrets=KEYS.values()):
            await exchange.open()
            try:
                await play(exchange, reel.symbol)
            finally:
                await exchange.close()
        return _truth(sim, reel.symbol, now_ms)


def _truth(sim: SimExchange, symbol: str, now_ms: int) -> dict[str, Any]:
    """From the engine and the market's own books, not through any dialect."""
    market = sim.engine.markets[symbol]
    bars = sim.venue.market.last_bars(symbol, "1m", now_ms, BARS)
    bid, ask = sim.engine.best(symbol)
    return {
        "now_ms": now_ms,
        "market": {name: str(getattr(market, name)) for name in ("price_step", "amount_step", "contract_size")},
        "best": [str(bid), str(ask)],
        "bars": [[bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in bars],
        "trades": [[each.time_ms, each.price, each.amount] for each in sim.venue.market.last_trades(symbol, BARS)],
        "orders": [
            {
                "id": order.order_id, "client": order.client_order_id, "status": order.status.value,
                "amount": str(order.request.amount), "price": order.request.price and str(order.request.price),
                "filled": str(order.filled), "cost": str(order.cost_quote),
            }
            for order in sim.engine.orders("main", symbol)
        ],
        "fills": [
            {
                "price": str(fill.price), "amount": str(fill.amount), "time_ms": fill.time_ms,
                "fee": str(fill.fee.cost), "coin": fill.fee.currency,
            }
            for fill in sim.engine.fills("main", symbol)
        ],
        "positions": [str(each.amount) for each in sim.engine.positions("main")],
    }  # fmt: skip


async def record_public(reel: Reel, path: Path, **options: Any) -> None:
    """The real exchange's public endpoints, without keys."""
    exchange = client(reel, None, {}, **options)
    with tape(path, record=True):
        await exchange.open()
        try:
            await play_public(exchange, reel.symbol)
        finally:
            await exchange.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "reels", nargs="*", help=f"of {', '.join(reel.name for reel in REELS)}; or EXCHANGE-spot|linear"
    )
    parser.add_argument("--public", action="store_true", help="from the real exchange, public endpoints only")
    given = parser.parse_args()
    if given.public and not given.reels:
        parser.error("--public needs to know which, for example okx-spot")
    known = {reel.name: reel for reel in REELS}
    for name in given.reels or known:
        exchange, _, kind = name.rpartition("-")
        if kind not in (SPOT.value, LINEAR.value) or (not given.public and name not in known):
            parser.error(f"{name!r} is not one of {', '.join(known)}")
        reel = Reel(exchange, MarketType(kind))
        if given.public:
            path = PUBLIC_FOLDER / f"{reel.name}.yaml"
            path.unlink(missing_ok=True)
            asyncio.run(record_public(reel, path))
            print(path)
        else:
            record(reel, reel.path, reel.truth_path)
            print(reel.path)


if __name__ == "__main__":
    main()
