"""What a bot of its kind usually trips over, one line each, said when a store starts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from btccxt.config import Mode
from btccxt.model import ZERO, Balance, Market
from btccxt.orders.risk import TradingState

CLOCK_OFF_MS = 1_000.0


def start_hints(
    mode: Mode,
    symbols: Collection[str],
    markets: Mapping[str, Market],
    balances: Mapping[str, Balance],
    *,
    clock_off_ms: float,
    keys_given: bool,
    trading: tuple[TradingState, str] = (TradingState.ACTIVE, ""),
) -> list[str]:
    """``symbols``: those of the datas. ``clock_off_ms``: the exchange's time minus this machine's. ``trading``: its
    state, and why.
    """
    hints = []
    trading_state, why = trading
    if trading_state is not TradingState.ACTIVE:
        because = f" ({why})" if why else ""
        hints.append(f"trading is {trading_state.upper()}{because}, until: btccxt trading active")
    if keys_given and mode in (Mode.SIM, Mode.PAPER):
        hints.append(f"keys are given, but mode is {mode.value!r}: no order goes to the exchange with them")
    if mode is not Mode.SIM and abs(clock_off_ms) > CLOCK_OFF_MS:
        side = "behind" if clock_off_ms > 0 else "ahead of"
        hints.append(
            f"this machine's clock is {abs(clock_off_ms) / 1000:.1f} s {side} the exchange's; orders carry the "
            "exchange's time, but logs do not: let NTP set it"
        )
    for symbol in symbols:
        market = markets.get(symbol)
        if market is None:
            continue
        if not market.active:
            hints.append(f"{symbol} is not active at the exchange now: orders would be refused")
        elif (lack := _too_little(market, balances)) is not None:
            hints.append(lack)
    return hints


def _too_little(market: Market, balances: Mapping[str, Balance]) -> str | None:
    coin = market.settle or market.quote
    if market.min_cost is None or (not market.is_contract and _free(balances, market.base) > ZERO):
        return None
    free = _free(balances, coin)
    if free >= market.min_cost:
        return None
    return (
        f"{free.normalize():f} {coin} are free, and the smallest order of {market.symbol} costs "
        f"{market.min_cost.normalize():f} {coin}: nothing can be bought"
    )


def _free(balances: Mapping[str, Balance], coin: str) -> Decimal:
    return balances[coin].free if coin in balances else ZERO
