"""The leverage that every order names, where silence would mean another one: ccxt's 1, or the exchange's 10."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.ccxt.statuses import number_of
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import OrderRequest

_GOOD_FOR_MS = 60_000
Read = Callable[..., Awaitable[Any]]


class AccountLeverage:
    """The account's own, asked for once a minute and symbol; where it has none, the one of the store's ``leverage=``.

    What the user gives in ``params`` stands.
    """

    def __init__(self, profile: Profile, now_ms: Callable[[], int]) -> None:
        self._exchange, self._param = profile.exchange, profile.leverage_param
        self._now_ms = now_ms
        self._known: dict[str, tuple[int, int]] = {}
        self._wished: dict[str, int] = {}

    @property
    def in_every_order(self) -> bool:
        return self._param is not None

    def wish(self, symbol: str, leverage: Decimal) -> None:
        """Every further order names it. Raises Unsupported for one that is no whole number."""
        if leverage != leverage.to_integral_value():
            raise Unsupported(f"{self._exchange} takes whole numbers as leverage, not {leverage}")
        self._wished[symbol] = int(leverage)

    def wished(self, symbol: str) -> Decimal | None:
        return Decimal(self._wished[symbol]) if symbol in self._wished else None

    async def learn(self, request: OrderRequest, read: Read) -> None:
        """Ask, if it is time. Raises Refused where the exchange tells none; what ``read`` raises, else."""
        if self._param is None or self._param in request.params or request.symbol in self._wished:
            return
        known = self._known.get(request.symbol)
        if known is None or self._now_ms() - known[1] > _GOOD_FOR_MS:
            self._known[request.symbol] = (await self._ask(request.symbol, read), self._now_ms())

    def in_request(self, request: OrderRequest) -> OrderRequest:
        """The request, with the account's leverage as it was learned."""
        leverage = self._wished.get(request.symbol) or self._known.get(request.symbol, (None,))[0]
        if self._param is None or self._param in request.params or leverage is None:
            return request
        return replace(request, params={**request.params, self._param: leverage})

    async def _ask(self, symbol: str, read: Read) -> int:
        try:
            answer = await read("fetch_leverage", symbol)
        except Unsupported:
            answer = None
        leverage = number_of(answer.get("longLeverage")) if isinstance(answer, dict) else None
        if leverage is None or leverage < 1:
            raise Refused(
                f"{self._exchange} does not tell the leverage of {symbol}, and every order names one: "
                f"give the store leverage=…, or the order params={{{self._param!r}: …}}"
            )
        return int(leverage)
