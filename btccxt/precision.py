"""Rounding to the market's own steps, exactly. Amounts are floored (never more than asked), prices go to the nearest.

The rules are those of ccxt's ``amount_to_precision`` (truncate) and ``price_to_precision`` (round half up) in TICK_SIZE
mode (ccxt/base/decimal_to_precision.py), on decimals in place of strings.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from btccxt.model import Market

# A float carries about 16 digits: 0.1 + 0.2 lies within this fraction of a step of 0.3 and means 0.3.
_FLOAT_NOISE = Decimal("1e-6")


def round_amount(market: Market, amount: Decimal) -> Decimal:
    """Floor to the amount step; float noise just below a step counts as that step."""
    step = market.amount_step
    if not step:
        return amount
    steps = amount / step
    nearest = steps.to_integral_value(ROUND_HALF_UP)
    if abs(steps - nearest) > _FLOAT_NOISE:
        nearest = steps.to_integral_value(ROUND_FLOOR)
    return nearest * step


def round_price(market: Market, price: Decimal) -> Decimal:
    """Nearest price step, halves up."""
    step = market.price_step
    if not step:
        return price
    return (price / step).to_integral_value(ROUND_HALF_UP) * step
