"""Two positions a symbol: in hedge mode each has a name of its own, ``BTC/USDT:USDT long`` and ``BTC/USDT:USDT short``.

Account, journal, orders and exits know each by its name, as they know a symbol with one position. What goes to the
exchange, and what it says, has symbol and side apart (``hedged.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from btccxt.model import Market, OrderRequest, Side

POSITION_SIDES = ("long", "short")


def named(symbol: str, position_side: str) -> str:
    """The name of one of a symbol's two positions."""
    return f"{symbol} {position_side}"


def split(name: str) -> tuple[str, str | None]:
    """Symbol and side of a name; None for what names a symbol as a whole."""
    symbol, _, side = name.rpartition(" ")
    return (symbol, side) if side in POSITION_SIDES else (name, None)


def symbol_of(name: str) -> str:
    """The exchange's symbol behind a name."""
    return split(name)[0]


def positions_of(symbol: str, markets: Mapping[str, Market]) -> tuple[str, ...]:
    """Names of the positions that a symbol has: one as a rule, two in hedge mode."""
    both = tuple(named(symbol, side) for side in POSITION_SIDES)
    return both if both[0] in markets else (symbol,)


def with_both_sides(markets: Mapping[str, Market]) -> dict[str, Market]:
    """The markets, and each contract under the names of its two positions as well."""
    contracts = [market for market in markets.values() if market.is_contract]
    sides = ((named(market.symbol, side), market) for side in POSITION_SIDES for market in contracts)
    return {**markets, **{name: replace(market, symbol=name) for name, market in sides}}


def listed(markets: Mapping[str, Market]) -> dict[str, Market]:
    """Those that the exchange itself lists."""
    return {name: market for name, market in markets.items() if split(name)[1] is None}


def closes(side: Side, position_side: str) -> bool:
    """Whether an order of this side makes that position smaller."""
    return (side is Side.BUY) is (position_side == "short")


def as_sent(request: OrderRequest) -> OrderRequest:
    """With symbol and side apart. In hedge mode an order that closes cannot open, and none says ``reduce_only``."""
    symbol, position_side = split(request.symbol)
    if position_side is None:
        return request
    return replace(request, symbol=symbol, position_side=position_side, reduce_only=False)
