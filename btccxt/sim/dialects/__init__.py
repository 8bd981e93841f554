"""Wire formats that unmodified ccxt.pro speaks, one package each. How to add one: ``base``."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from btccxt.errors import ConfigError
from btccxt.model import MarketType

if TYPE_CHECKING:
    from btccxt.sim.dialects.base import Dialect

# ccxt id -> module and class; imported when first used.
DIALECTS = {
    "binance": ("btccxt.sim.dialects.binance.dialect", "BinanceSpot"),
    "binanceusdm": ("btccxt.sim.dialects.binanceusdm.dialect", "BinanceUsdM"),
    "bybit": ("btccxt.sim.dialects.bybit.dialect", "Bybit"),
    "okx": ("btccxt.sim.dialects.okx.dialect", "Okx"),
    "kraken": ("btccxt.sim.dialects.kraken.dialect", "Kraken"),
    "hyperliquid": ("btccxt.sim.dialects.hyperliquid.dialect", "Hyperliquid"),
    "coinbase": ("btccxt.sim.dialects.coinbase.dialect", "Coinbase"),
}


def dialect_class(name: str) -> type[Dialect]:
    """Raises ConfigError for a name that has no dialect."""
    if name not in DIALECTS:
        near = get_close_matches(name, DIALECTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise ConfigError(f"the embedded exchange does not speak {name!r}{hint} It speaks: {', '.join(DIALECTS)}")
    module, class_name = DIALECTS[name]
    found: type[Dialect] = getattr(import_module(module), class_name)
    return found


def quote_of(name: str) -> str:
    """Of the markets that this dialect has where nobody names any."""
    return dialect_class(name).quote if name in DIALECTS else "USDT"


def check_market_type(name: str, kind: MarketType) -> None:
    """Raises ConfigError, naming the dialects that have them, where this one has no markets of that type."""
    own = dialect_class(name).market_types
    if kind not in own:
        others = [other for other in DIALECTS if kind in dialect_class(other).market_types]
        nearest_first = sorted(others, key=lambda other: not other.startswith(name))
        hint = f"; {' or '.join(map(repr, nearest_first))} has them" if others else ""
        raise ConfigError(
            f"the embedded exchange's {name} has {' and '.join(sorted(each.value for each in own))} markets, "
            f"no {kind.value} ones{hint}"
        )
