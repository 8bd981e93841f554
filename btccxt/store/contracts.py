"""At a start: contract accounts trade as the user asked, or nothing is traded. What he did not ask for stays."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from btccxt.account.contract_terms import ContractWishes, TradedTerms, beyond_brackets
from btccxt.config import Mode, StoreConfig
from btccxt.errors import BtccxtError, ConfigError, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.hedged import HedgedExchange
from btccxt.exchange.position_side import listed, split, symbol_of
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import ContractTerms, LeverageBracket, Market, MarketType, PositionMode

Say = Callable[[str], None]
Trouble = Callable[[str, BaseException], None]
_HEDGE = "position_mode='hedge', or "


class _Connection(Protocol):
    exchange: ExchangeAPI


def in_position_mode(connection: _Connection, settings: StoreConfig, profile: Profile) -> None:
    """Two positions a symbol where the user asked for them. Raises ConfigError where nobody knows how."""
    if settings.position_mode is not PositionMode.HEDGE or profile.market_type is MarketType.SPOT:
        return
    if settings.mode is Mode.PAPER:
        raise ConfigError("position_mode='hedge': a paper account has one position a symbol; use 'one_way'")
    if profile.hedge is None:
        raise ConfigError(
            f"position_mode='hedge': nobody has proven how {profile.exchange} {profile.market_type.value} is traded "
            "with two positions a symbol; use 'one_way'"
        )
    connection.exchange = HedgedExchange(connection.exchange)


async def prepare_contracts(
    exchange: ExchangeAPI,
    markets: Mapping[str, Market],
    symbols: Collection[str],
    wishes: ContractWishes,
    say: Say,
    trouble: Trouble,
    *,
    currency: str,
    hedge_is_proven: bool = False,
) -> dict[str, TradedTerms]:
    """How each symbol is traded, after what was asked for has been set; ``say`` hears of every change.

    ``markets``: of the exchange. ``symbols``: what is traded, by symbol or by the name of one of two positions; what is
    no contract is left out. ``hedge_is_proven``: two positions a symbol could be traded. Raises ConfigError where the
    account holds two unasked, counts in another coin than an inverse contract is settled in (``currency``), or cannot
    be as the user wants it. What is asked for is checked for every symbol before the first is changed.
    """
    contracts = {name: market for name, market in listed(markets).items() if market.is_contract}
    _check_words(wishes, exchange.id, contracts)
    _check_sides(wishes, symbols)
    traded = sorted({*map(symbol_of, symbols), *wishes.symbols} & set(contracts))
    if not contracts:
        return {}
    for symbol in traded:
        market = contracts[symbol]
        if market.type is MarketType.INVERSE and market.settle != currency:
            raise ConfigError(
                f"{symbol} is settled in {market.settle}, and the account counts in {currency}: give "
                f"currency={market.settle!r}"
            )
    if wishes.position_mode is PositionMode.HEDGE:
        for symbol in traded or list(contracts)[:1]:  # some exchanges have a mode for each symbol
            await _switch_to_hedge_mode(exchange, symbol, say, trouble)
    else:
        await _check_position_mode(exchange, (traded or list(contracts))[0], wishes, say, trouble, hedge_is_proven)
    asked = await asyncio.gather(*(_ask(exchange, symbol, wishes, trouble) for symbol in traded))
    found = dict(zip(traded, asked, strict=True))
    reasons = [
        why
        for symbol, each in found.items()
        if (leverage := wishes.leverage_of(symbol)) is not None
        and (why := beyond_brackets(symbol, leverage, each.brackets)) is not None
    ]
    if reasons:
        raise ConfigError("; ".join(reasons))
    for symbol, each in found.items():
        found[symbol] = TradedTerms(await _set(exchange, each.terms, wishes, say), each.brackets)
    return found


def _check_words(wishes: ContractWishes, exchange: str, contracts: Mapping[str, Market]) -> None:
    """Raises ConfigError for words of contracts where there are none, and for symbols that the exchange has not."""
    if wishes.are_some and not contracts:
        raise ConfigError(
            "leverage, margin_mode and position_mode are for contracts, and this is a spot account: leave them out, or "
            "give market_type='linear'"
        )
    for symbol in wishes.symbols:
        if symbol not in contracts:
            near = difflib.get_close_matches(symbol, contracts, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"leverage or margin_mode of {symbol!r}: {exchange} has no such contract{hint}")


def _check_sides(wishes: ContractWishes, names: Collection[str]) -> None:
    """Raises ConfigError for a data of one of two positions where there is one."""
    if wishes.position_mode is PositionMode.HEDGE:
        return
    for name in sorted(names):
        symbol, side = split(name)
        if side is not None:
            raise ConfigError(
                f"{symbol}: position_side={side!r}: the account is in one-way mode, with one position a symbol: leave "
                "it out, or give position_mode='hedge'"
            )


async def _position_mode(exchange: ExchangeAPI, symbol: str, trouble: Trouble) -> PositionMode | None:
    try:
        return await exchange.fetch_position_mode(symbol)
    except BtccxtError as error:  # a key without the right to read it, say
        trouble("position mode", error)
        return None


async def _switch_to_hedge_mode(exchange: ExchangeAPI, symbol: str, say: Say, trouble: Trouble) -> None:
    if await _position_mode(exchange, symbol, trouble) is PositionMode.HEDGE:
        return
    await _set_position_mode(exchange, PositionMode.HEDGE, symbol)
    if await _position_mode(exchange, symbol, trouble) is PositionMode.ONE_WAY:
        raise ConfigError(
            f"{exchange.id}: position_mode='hedge' was set, and the account still is in one-way mode ({symbol})"
        )
    say(f"{exchange.id}: position mode one_way -> hedge, as position_mode asks")


async def _set_position_mode(exchange: ExchangeAPI, mode: PositionMode, symbol: str) -> None:
    try:
        await exchange.set_position_mode(mode, symbol)
    except Retryable:
        raise
    except BtccxtError as error:
        raise ConfigError(f"{exchange.id}: position_mode={mode.value!r} cannot be set: {error}") from error


async def _check_position_mode(
    exchange: ExchangeAPI, symbol: str, wishes: ContractWishes, say: Say, trouble: Trouble, hedge_is_proven: bool
) -> None:
    mode = await _position_mode(exchange, symbol, trouble)
    if mode is None and any(position.hedge_side for position in await exchange.fetch_positions()):
        mode = PositionMode.HEDGE
    if mode is not PositionMode.HEDGE:
        return
    if wishes.position_mode is None:
        raise ConfigError(
            f"{exchange.id}: this account is in hedge mode (a long and a short position a symbol), which is "
            f"{'traded where it is asked for: give' if hedge_is_proven else 'not traded here: give'} "
            f"{_HEDGE if hedge_is_proven else ''}position_mode='one_way', with no position and no order open"
        )
    await _set_position_mode(exchange, PositionMode.ONE_WAY, symbol)
    if await exchange.fetch_position_mode(symbol) is PositionMode.HEDGE:
        raise ConfigError(f"{exchange.id}: position_mode='one_way' was set, and the account still is in hedge mode")
    say(f"{exchange.id}: position mode hedge -> one_way, as position_mode asks")


async def _ask(exchange: ExchangeAPI, symbol: str, wishes: ContractWishes, trouble: Trouble) -> TradedTerms:
    """Raises ConfigError where something is asked for that nobody can look at."""
    terms = ContractTerms(symbol)
    brackets: tuple[LeverageBracket, ...] = ()
    try:
        terms = await exchange.fetch_contract_terms(symbol)
        brackets = tuple(await exchange.fetch_leverage_brackets(symbol))
    except Unsupported:
        pass
    except BtccxtError as error:
        if wishes.leverage_of(symbol) is not None or wishes.margin_mode_of(symbol) is not None:
            if isinstance(error, Retryable):
                raise
            raise ConfigError(f"{exchange.id}: how {symbol} is traded cannot be read: {error}") from error
        trouble(f"leverage of {symbol}", error)
    return TradedTerms(terms, brackets)


async def _set(exchange: ExchangeAPI, terms: ContractTerms, wishes: ContractWishes, say: Say) -> ContractTerms:
    """Only what differs is sent; then it is read again. Raises ConfigError where it is not as asked."""
    symbol = terms.symbol
    leverage, mode = wishes.leverage_of(symbol), wishes.margin_mode_of(symbol)
    changes = []
    try:
        if mode is not None and mode is not terms.margin_mode:
            changes.append(f"margin mode {terms.margin_mode.value if terms.margin_mode else '?'} -> {mode.value}")
            await exchange.set_margin_mode(mode, symbol, leverage or terms.leverage)
            terms = await exchange.fetch_contract_terms(symbol)
        if leverage is not None and leverage != terms.leverage:
            before = "?" if terms.leverage is None else f"{terms.leverage.normalize():f}"
            changes.append(f"leverage {before} -> {leverage.normalize():f}")
            await exchange.set_leverage(leverage, symbol, mode or terms.margin_mode)
            terms = await exchange.fetch_contract_terms(symbol)
    except Retryable:
        raise
    except BtccxtError as error:
        raise ConfigError(f"{exchange.id}: {symbol}: {changes[-1]} cannot be set: {error}") from error
    wrong = [
        f"{name} is {got}, not {wanted}"
        for name, wanted, got in (("leverage", leverage, terms.leverage), ("margin mode", mode, terms.margin_mode))
        if wanted is not None and got is not None and got != wanted
    ]
    if wrong:
        raise ConfigError(f"{exchange.id}: {symbol} was set, and {'; '.join(wrong)}")
    if changes:
        say(f"{exchange.id}: {symbol}: {', '.join(changes)}, as asked")
    return terms
