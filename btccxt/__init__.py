"""btccxt: connect backtrader to any exchange that ccxt knows.

    store = CCXTStore("binance", mode="paper")          # sim | paper (default) | testnet | live
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())

The whole public surface is named here; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btccxt.bt.broker import CCXTBroker
    from btccxt.bt.data import CCXTData
    from btccxt.bt.order_request import TakeProfit, TakeProfitLimit
    from btccxt.exchange.api import ExchangeAPI
    from btccxt.sim.options import SimOptions
    from btccxt.store.live import run_live
    from btccxt.store.store import CCXTStore


__version__ = "0.1.0"
__all__ = [
    "CCXTBroker",
    "CCXTData",
    "CCXTStore",
    "ExchangeAPI",
    "SimOptions",
    "TakeProfit",
    "TakeProfitLimit",
    "__version__",
    "run_live",
]
_HOMES = {
    "CCXTBroker": "btccxt.bt.broker",
    "CCXTData": "btccxt.bt.data",
    "CCXTStore": "btccxt.store.store",
    "ExchangeAPI": "btccxt.exchange.api",
    "SimOptions": "btccxt.sim.options",
    "TakeProfit": "btccxt.bt.order_request",
    "TakeProfitLimit": "btccxt.bt.order_request",
    "run_live": "btccxt.store.live",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'btccxt' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
