"""The account's figures: asked for by REST, believed only as far as they are plausible, and as they were told last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal

from btccxt.account.believable import check_not_emptied, unexplained_absences
from btccxt.account.explain import funding_since
from btccxt.account.ledger import AccountSnapshot
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.position_side import symbol_of
from btccxt.model import Balance, Balances, FundingPayment, Market, Position
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.session.private_streams import AccountStream

_EMPTY_ANSWERS = 3
_EMPTY_PAUSE_S = 0.2
_ABSENCES_TO_ALARM = 5


class AccountFigures:
    """Lives in the session's loop. ``raise_alarm`` and ``trouble`` hear of answers that cannot be."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        account: AccountStream,
        markets: Callable[[], Mapping[str, Market]],
        now_ms: Callable[[], int],
        raise_alarm: Callable[[Alarm], None],
        trouble: Callable[[str, BaseException], None],
    ) -> None:
        self.moved: set[str] = set()
        """Symbols with fills since the account was asked for."""
        self._exchange = exchange
        self._account = account
        self._markets = markets
        self._now_ms = now_ms
        self._raise_alarm = raise_alarm
        self._trouble = trouble
        self._absences = 0  # answers in a row that left out a position without a reason

    async def fetch(self) -> AccountSnapshot:
        asked_ms = self._now_ms()
        moved = set(self.moved)
        balances = await self._fetch_balances()
        positions = await self._exchange.fetch_positions()
        positions = self._with_absent(positions, moved, balances)
        self.moved -= moved
        self._account.take_balances(balances)
        self._account.take_positions(positions)
        return AccountSnapshot(balances, tuple(positions), asked_ms=asked_ms)

    async def _fetch_balances(self) -> Balances:
        known = self._account.balances
        for _ in range(_EMPTY_ANSWERS):
            balances = await self._exchange.fetch_balance()
            check_not_emptied(known, balances)
            if known or balances.by_currency:
                break
            await asyncio.sleep(_EMPTY_PAUSE_S)  # an account may be empty, but that is said several times
        return balances

    def _with_absent(self, told: Sequence[Position], moved: Collection[str], balances: Balances) -> list[Position]:
        """What an answer without any position says nothing of is kept, and told to a person if it stays so."""
        absent = unexplained_absences(
            self._account.positions, told, {*moved, *self.moved}, balances.by_currency, self._markets()
        )
        self._absences = self._absences + 1 if absent else 0
        if self._absences == _ABSENCES_TO_ALARM:
            names = ", ".join(sorted({position.symbol for position in absent}))
            text = (
                f"{self._exchange.id} names no position any more, though nothing closed {names} and its margin is in "
                "use; the last known one is kept: look at the exchange"
            )
            self._raise_alarm(Alarm(AlarmKind.DRIFT, text))
        return [*told, *absent]

    def balances(self) -> dict[str, Balance]:
        """Last known balances. Any thread."""
        return dict(self._account.balances)

    def positions(self) -> tuple[Position, ...]:
        """Last known open positions. Any thread."""
        return tuple(position for position in tuple(self._account.positions.values()) if position.amount)

    def held(self, symbol: str) -> Decimal:
        """Of a market, as the account's figures were told last: coins on spot, the signed position of a contract."""
        market = self._markets()[symbol]
        if market.is_contract:
            return sum((each.amount for each in self.positions() if each.symbol == symbol), Decimal(0))
        balance = self._account.balances.get(market.base)
        return Decimal(0) if balance is None else balance.total

    async def funding(self, asked: Mapping[str, int]) -> tuple[FundingPayment, ...]:
        """Of these symbols and of every position, whoever opened it."""
        since_ms = min(asked.values())
        since: dict[str, int] = {}  # of both positions of a symbol it is told at once
        for name, from_ms in asked.items():
            since[symbol_of(name)] = min(from_ms, since.get(symbol_of(name), from_ms))
        symbols = {**{symbol_of(position.symbol): since_ms for position in self.positions()}, **since}
        return tuple(await funding_since(self._exchange, self._markets(), symbols, self._trouble))


def figures_of(snapshot: AccountSnapshot) -> tuple[dict[str, Decimal], dict[tuple[str, str | None], Decimal]]:
    totals = {coin: balance.total for coin, balance in snapshot.balances.by_currency.items() if balance.total}
    return totals, {(each.symbol, each.hedge_side): each.amount for each in snapshot.positions}
