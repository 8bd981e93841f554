"""Leverage, margin mode and position mode: what the user asks for, and what the exchange allows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from btccxt.errors import ConfigError
from btccxt.exchange.position_side import symbol_of
from btccxt.model import (
    ZERO,
    ContractTerms,
    LeverageBracket,
    MarginMode,
    Market,
    MarketType,
    Position,
    PositionMode,
    decimal_of,
)

ALL_SYMBOLS = "*"


@dataclass(frozen=True, slots=True)
class TradedTerms:
    """How a symbol is traded, and its brackets from the smallest position on (none: the exchange does not tell)."""

    terms: ContractTerms
    brackets: tuple[LeverageBracket, ...] = ()


@dataclass(frozen=True, slots=True)
class ContractWishes:
    """What the user asked for, by symbol (``*``: every symbol). What he left out stays as the account has it."""

    leverage: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    margin_mode: Mapping[str, MarginMode] = field(default_factory=lambda: MappingProxyType({}))
    position_mode: PositionMode | None = None

    @property
    def are_some(self) -> bool:
        return bool(self.leverage or self.margin_mode or self.position_mode)

    @property
    def symbols(self) -> list[str]:
        """Those that were named."""
        return sorted({*self.leverage, *self.margin_mode} - {ALL_SYMBOLS})

    def leverage_of(self, symbol: str) -> Decimal | None:
        return self.leverage.get(symbol, self.leverage.get(ALL_SYMBOLS))

    def margin_mode_of(self, symbol: str) -> MarginMode | None:
        return self.margin_mode.get(symbol, self.margin_mode.get(ALL_SYMBOLS))


def leverages(value: Any) -> Mapping[str, Decimal]:
    """A number for all symbols, or one for each. Raises ConfigError."""
    return MappingProxyType({symbol: _leverage(symbol, number) for symbol, number in _by_symbol(value)})


def margin_modes(value: Any) -> Mapping[str, MarginMode]:
    """'cross' or 'isolated' for all symbols, or for each. Raises ConfigError."""
    return MappingProxyType({symbol: _margin_mode(symbol, mode) for symbol, mode in _by_symbol(value)})


def position_mode_asked(value: Any) -> PositionMode | None:
    """Raises ConfigError for what is no mode."""
    if value is None:
        return None
    try:
        return PositionMode(value)
    except ValueError:
        raise ConfigError(f"position_mode={value!r}: use 'one_way' or 'hedge'") from None


def _by_symbol(value: Any) -> list[tuple[str, Any]]:
    if value is None:
        return []
    return list(value.items()) if isinstance(value, Mapping) else [(ALL_SYMBOLS, value)]


def _where(symbol: str) -> str:
    return "" if symbol == ALL_SYMBOLS else f"{symbol}: "


def _leverage(symbol: str, value: Any) -> Decimal:
    try:
        number = decimal_of(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ConfigError(f"{_where(symbol)}{value!r} is not a number") from None
    if isinstance(value, bool) or not number.is_finite() or number < 1:
        raise ConfigError(f"{_where(symbol)}must be a number of at least 1, but is {value!r}")
    return number


def _margin_mode(symbol: str, value: Any) -> MarginMode:
    try:
        return MarginMode(value)
    except ValueError:
        raise ConfigError(f"{_where(symbol)}{value!r} is not 'cross' or 'isolated'") from None


def beyond_brackets(symbol: str, leverage: Decimal, brackets: Sequence[LeverageBracket]) -> str | None:
    """Why no position of this symbol may have this leverage; None where one may, or nothing is known."""
    most = max((bracket.max_leverage for bracket in brackets), default=None)
    if most is None or leverage <= most:
        return None
    return f"leverage={leverage.normalize():f} of {symbol}: the exchange allows {most.normalize():f} at most"


def too_large(traded: TradedTerms, market: Market, amount: Decimal, price: Decimal) -> str | None:
    """Why a position of so many contracts may not have the leverage that the account has set; None where it may.

    ``amount``: with all that rests to enlarge it, as exchanges count.
    """
    leverage = traded.terms.leverage
    if leverage is None or not traded.brackets:
        return None
    allowed = [bracket for bracket in traded.brackets if bracket.max_leverage >= leverage]
    if any(bracket.max_notional is None and bracket.max_amount is None for bracket in allowed):
        return None
    notional = notional_of(market, abs(amount), price)
    fits = [
        bracket
        for bracket in allowed
        if (bracket.max_notional is None or notional <= bracket.max_notional)
        and (bracket.max_amount is None or abs(amount) <= bracket.max_amount)
    ]
    if fits:
        return None
    lower = [
        bracket.max_leverage
        for bracket in traded.brackets
        if (bracket.max_notional is None or notional <= bracket.max_notional)
        and (bracket.max_amount is None or abs(amount) <= bracket.max_amount)
    ]
    coin = market.settle or market.quote
    remedy = f"; a leverage of {max(lower).normalize():f} would allow it" if lower else ""
    return (
        f"a position worth {notional.normalize():f} {coin}, what rests included, is beyond the bracket of leverage "
        f"{leverage.normalize():f}{remedy}"
    )


def with_told_leverage(known: dict[str, TradedTerms], positions: Iterable[Position]) -> list[str]:
    """Take over the leverage that positions are told with; returns what has changed since it was read, for people."""
    changes = []
    for position in positions:
        symbol, leverage = symbol_of(position.symbol), position.leverage
        traded = known.get(symbol)
        if traded is None or not position.amount or not leverage or leverage == traded.terms.leverage:
            continue
        known[symbol] = replace(traded, terms=replace(traded.terms, leverage=leverage))
        if (before := traded.terms.leverage) is not None:
            changes.append(
                f"{symbol}: the leverage was changed at the exchange, {before.normalize():f} -> "
                f"{leverage.normalize():f}"
            )
    return changes


def notional_of(market: Market, amount: Decimal, price: Decimal) -> Decimal:
    """What so many contracts are worth at a price, in the settlement coin."""
    size = amount * market.contract_size
    if market.type is MarketType.INVERSE:
        return size / price if price else ZERO
    return size * price
