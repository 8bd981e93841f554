"""Risk limits: what no order may go beyond, whatever the strategy asks for. One pure table.

All sizes are base units on spot and contracts on swaps, all money is in the account's currency. What only reduces
exposure is held to the limits of one order's size and rate, never to those of position, loss or trading state REDUCING.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum

from btccxt.errors import ConfigError
from btccxt.model import ZERO, Side, decimal_of
from btccxt.resilience.checks import names_its_fields


class TradingState(str, Enum):
    """ACTIVE: all orders; REDUCING: what reduces exposure; HALTED: none. Cancels and exits at work always go on."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@names_its_fields
@dataclass(frozen=True, slots=True)
class RiskLimits:
    """None: no limit. Checked before anything is sent."""

    max_order_size: Decimal | None = None  # of one order, in base units or contracts
    max_order_notional: Decimal | None = None  # of one order, in the account's currency
    max_position: Decimal | None = None  # of one symbol, after the order and all that rest
    max_position_notional: Decimal | None = None  # the same in the account's currency
    max_open_orders: Decimal | None = None  # of the account, the new one included
    max_price_distance_pct: Decimal | None = None  # of a limit or trigger price from the latest price
    max_orders_per_minute: Decimal | None = None  # of this store
    max_loss_per_day: Decimal | None = None  # since the day (UTC) or the run began

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is None:
                continue
            try:
                number = decimal_of(value)
            except (InvalidOperation, TypeError, ValueError):
                raise ConfigError(f"risk.{name}={value!r} is not a number") from None
            if isinstance(value, bool) or not number.is_finite() or number <= 0:
                raise ConfigError(f"risk.{name}={value!r}: must be a number above zero (leave it out for no limit)")
            object.__setattr__(self, name, number)

    @property
    def are_set(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One order beside what the account has. ``price``: its own, else the latest. ``reduces``: no more exposure by it.

    ``resting``: signed sum of what open orders of the same side may still add to the position. ``unit_value``: what one
    unit is worth at ``price``, in the account's currency; None where that is not known.
    """

    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None
    latest: Decimal | None
    unit_value: Decimal | None
    reduces: bool
    position: Decimal
    resting: Decimal
    open_orders: int
    orders_last_minute: int
    loss_today: Decimal


def refusals(
    limits: RiskLimits, state: TradingState, why: str, order: Proposal, *, any_limit: bool = True
) -> tuple[str, ...]:
    """Every reason why risk management does not let this order go. ``why``: of the trading state."""
    reasons: list[str] = []
    if state is TradingState.HALTED:
        reasons.append(f"trading is HALTED{f': {why}' if why else ''}")
    elif state is TradingState.REDUCING and not order.reduces:
        reasons.append(f"trading is REDUCING, only what reduces exposure is sent{f': {why}' if why else ''}")
    if any_limit:
        reasons += [text for check in _CHECKS if (text := check(limits, order)) is not None]
    return tuple(reasons)


# ------------------------------------------------------------------ the table


def _order_size(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_order_size
    return None if most is None or order.amount <= most else _beyond("size", order.amount, "max_order_size", most)


def _order_notional(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_order_notional
    if most is None:
        return None
    if order.unit_value is None:
        return _unknown("max_order_notional", order)
    worth = order.amount * order.unit_value
    return None if worth <= most else _beyond("notional", worth, "max_order_notional", most)


def _position(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_position
    if most is None or order.reduces:
        return None
    size = abs(_position_after(order))
    return None if size <= most else _beyond(f"position in {order.symbol}", size, "max_position", most)


def _position_notional(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_position_notional
    if most is None or order.reduces:
        return None
    if order.unit_value is None:
        return _unknown("max_position_notional", order)
    worth = abs(_position_after(order)) * order.unit_value
    return None if worth <= most else _beyond(f"position in {order.symbol}", worth, "max_position_notional", most)


def _open_orders(limits: RiskLimits, order: Proposal) -> str | None:
    most, count = limits.max_open_orders, Decimal(order.open_orders + 1)
    return None if most is None or count <= most else _beyond("open orders", count, "max_open_orders", most)


def _price_distance(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_price_distance_pct
    if most is None or order.price is None or order.price == order.latest:
        return None
    if not order.latest:
        return _unknown("max_price_distance_pct", order)
    away = abs(order.price - order.latest) / order.latest * 100
    if away <= most:
        return None
    return _beyond(
        f"price {order.price:f} is {away:.2f} % from {order.latest:f}; distance", away, "max_price_distance_pct", most
    )


def _rate(limits: RiskLimits, order: Proposal) -> str | None:
    most, count = limits.max_orders_per_minute, Decimal(order.orders_last_minute + 1)
    return None if most is None or count <= most else _beyond("orders per minute", count, "max_orders_per_minute", most)


def _loss(limits: RiskLimits, order: Proposal) -> str | None:
    most = limits.max_loss_per_day
    if most is None or order.reduces or order.loss_today < most:
        return None
    return (
        f"loss today {order.loss_today:.2f} has reached max_loss_per_day {most:f}: only what reduces exposure is sent"
    )


_CHECKS: tuple[Callable[[RiskLimits, Proposal], str | None], ...] = (
    _order_size, _order_notional, _position, _position_notional, _open_orders, _price_distance, _rate, _loss,
)  # fmt: skip


def _position_after(order: Proposal) -> Decimal:
    return order.position + order.resting + order.amount * order.side.sign


def _beyond(what: str, value: Decimal, name: str, most: Decimal) -> str:
    return f"risk limit: {what} {_plain(value)} is beyond {name} {_plain(most)}"


def _unknown(name: str, order: Proposal) -> str:
    return f"risk limit: {name} cannot be judged, {order.symbol} has no price yet"


def _plain(value: Decimal) -> str:
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return text or "0"


def reduces(side: Side, amount: Decimal, position: Decimal) -> bool:
    """Whether an order leaves less exposure than there is, in the same direction or none."""
    return position * side.sign < ZERO and amount <= abs(position)
