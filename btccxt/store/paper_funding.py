"""Funding of a paper account: the rates that the real exchange charges, on what was held when it charged them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from btccxt.errors import Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.matching.engine import Engine, SimFill
from btccxt.model import ZERO, Market
from btccxt.store.paper_account import ACCOUNT

PERIOD_S = 60.0
_PUBLISHED_WITHIN_MS = 600_000  # a rate may be listed so long after it was charged


@dataclass(frozen=True, slots=True)
class Charge:
    """``amount``: signed contracts held at ``time_ms``."""

    time_ms: int
    rate: Decimal
    position_side: str | None
    amount: Decimal


def charges(
    rates: Mapping[int, Decimal], fills: Iterable[SimFill], now_held: Mapping[str | None, Decimal], after_ms: int
) -> Iterator[Charge]:
    """Of one symbol, oldest first, for rates charged after ``after_ms``. ``now_held``: by position side."""
    fills = list(fills)
    sides = {*now_held, *(fill.position_side for fill in fills)}
    for time_ms in sorted(each for each in rates if each > after_ms):
        for side in sorted(sides, key=str):
            later = (fill for fill in fills if fill.position_side == side and fill.time_ms >= time_ms)
            amount = now_held.get(side, ZERO) - sum((fill.side.sign * fill.amount for fill in later), ZERO)
            if amount:
                yield Charge(time_ms, rates[time_ms], side, amount)


class PaperFunding:
    def __init__(self, public: ExchangeAPI, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._public, self._engine, self._now_ms = public, engine, now_ms
        self._charged_until_ms: dict[str, int] = {}
        self.is_listed = True
        """Whether the exchange lists its rates; known when it was first asked."""

    async def charge(self) -> None:
        """What has become due since it was called last, also in another process. Raises the exchange's errors."""
        if not self.is_listed:
            return
        for market in [each for each in self._engine.markets.values() if each.is_contract]:
            if self._may_owe(market):
                try:
                    await self._charge(market)
                except Unsupported:
                    self.is_listed = False
                    return

    def _held(self, symbol: str) -> dict[str | None, Decimal]:
        return {each.hedge_side: each.amount for each in self._engine.positions(ACCOUNT) if each.symbol == symbol}

    def _may_owe(self, market: Market) -> bool:
        fills = self._engine.fills(ACCOUNT, market.symbol)
        since_ms = self._now_ms() - _PUBLISHED_WITHIN_MS
        return bool(fills) and (bool(self._held(market.symbol)) or fills[-1].time_ms > since_ms)

    async def _charge(self, market: Market) -> None:
        symbol = market.symbol
        after_ms = self._charged_until_ms.get(symbol)
        if after_ms is None:
            paid = self._engine.fundings(ACCOUNT, symbol)
            after_ms = paid[-1].time_ms if paid else self._engine.fills(ACCOUNT, symbol)[0].time_ms
        rates = await self._public.fetch_funding_rates(symbol, after_ms)
        rates = {time_ms: rate for time_ms, rate in rates.items() if time_ms <= self._now_ms()}
        fills = self._engine.fills(ACCOUNT, symbol)
        for due in list(charges(rates, fills, self._held(symbol), after_ms)):
            self._engine.charge_funding(
                ACCOUNT, symbol, due.position_side, due.amount, due.rate, due.time_ms, self._now_ms()
            )
        self._charged_until_ms[symbol] = max(rates, default=after_ms)
