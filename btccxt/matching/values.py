"""What an amount is worth in its settlement coin: spot and linear contracts by price, inverse ones by its inverse."""

from __future__ import annotations

from decimal import Decimal

from btccxt.model import ZERO, Market, MarketType


def is_inverse(market: Market) -> bool:
    return market.type is MarketType.INVERSE


def value_of(market: Market, amount: Decimal, price: Decimal) -> Decimal:
    """Quote value on spot; on contracts the notional in the settlement coin. Keeps the sign of ``amount``."""
    size = amount * market.contract_size
    return size / price if is_inverse(market) else size * price


def average_price(market: Market, amount: Decimal, value: Decimal) -> Decimal:
    """The price at which ``amount`` is worth ``value``; zero for no amount."""
    size = amount * market.contract_size
    if not size or not value:
        return ZERO
    return size / value if is_inverse(market) else value / size
