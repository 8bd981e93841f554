"""A position as a trader reads it: in contracts and in coins. Pure."""

from __future__ import annotations

from dataclasses import replace

from btccxt.account.contract_terms import notional_of
from btccxt.model import Market, MarketType, Position


def in_coins(position: Position, market: Market | None) -> Position:
    """With its size in base units; of an inverse contract that follows the price."""
    if market is None:
        return position
    if market.type is not MarketType.INVERSE:
        return replace(position, coins=position.amount * market.contract_size)
    price = position.mark_price or position.entry_price
    return position if price is None else replace(position, coins=notional_of(market, position.amount, price))
