"""Brackets of leverage: the larger a position, the less leverage it may have and the more margin it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from btccxt.model import ZERO

D = Decimal


@dataclass(frozen=True, slots=True)
class Bracket:
    """For positions worth up to ``cap``, in the settlement coin: what leverage they may have, what margin they keep."""

    cap: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal


def _brackets(*rows: tuple[int, int, str]) -> tuple[Bracket, ...]:
    return tuple(Bracket(D(cap), D(leverage), D(rate)) for cap, leverage, rate in rows)


# As Binance has them for BTC/USDT and BTC/USD.
LINEAR = _brackets(
    (50_000, 125, "0.004"),
    (600_000, 100, "0.005"),
    (3_000_000, 75, "0.0065"),
    (12_000_000, 50, "0.01"),
    (70_000_000, 25, "0.02"),
    (100_000_000, 20, "0.025"),
    (230_000_000, 10, "0.05"),
    (480_000_000, 5, "0.1"),
    (600_000_000, 4, "0.125"),
    (800_000_000, 3, "0.15"),
    (1_200_000_000, 2, "0.25"),
    (1_800_000_000, 1, "0.5"),
)
INVERSE = _brackets(
    (5, 125, "0.004"),
    (10, 100, "0.005"),
    (20, 50, "0.01"),
    (50, 20, "0.025"),
    (100, 10, "0.05"),
    (200, 5, "0.1"),
    (400, 4, "0.125"),
    (1_000, 3, "0.15"),
    (1_500, 2, "0.25"),
)


def largest_value(brackets: Sequence[Bracket], leverage: Decimal) -> Decimal:
    """Of a position at this leverage; zero where no bracket allows it."""
    return max((bracket.cap for bracket in brackets if bracket.max_leverage >= leverage), default=ZERO)


def maintenance(brackets: Sequence[Bracket], value: Decimal) -> Decimal:
    """Margin that a position of this value must keep: each part of it at the rate of its own bracket."""
    kept, floor = ZERO, ZERO
    for bracket in brackets:
        kept += (min(value, bracket.cap) - floor) * bracket.maintenance_rate
        if value <= bracket.cap:
            return kept
        floor = bracket.cap
    return kept + (value - floor) * brackets[-1].maintenance_rate


def maintenance_rate(brackets: Sequence[Bracket], value: Decimal) -> Decimal:
    """Of the bracket that a value lies in."""
    return next(
        (bracket.maintenance_rate for bracket in brackets if value <= bracket.cap), brackets[-1].maintenance_rate
    )
