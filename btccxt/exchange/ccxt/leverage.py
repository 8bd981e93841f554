"""The account's own leverage, for exchanges where ccxt names one in every order: 1, if nobody says another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from btccxt.errors import Refused
from btccxt.exchange.ccxt.statuses import number_of
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import OrderRequest

_GOOD_FOR_MS = 60_000
Read = Callable[..., Awaitable[Any]]


class AccountLeverage:
    """Asked for once a minute and symbol; what the user gives in ``params`` stands."""

    def __init__(self, profile: Profile, now_ms: Callable[[], int]) -> None:
        self._exchange, self._param = profile.exchange, profile.leverage_param
        self._now_ms = now_ms
        self._known: dict[str, tuple[int, int]] = {}

    async def learn(self, request: OrderRequest, read: Read) -> None:
        """Ask, if it is time. Raises Refused where the exchange tells none; what ``read`` raises, else."""
        if self._param is None or self._param in request.params:
            return
        known = self._known.get(request.symbol)
        if known is None or self._now_ms() - known[1] > _GOOD_FOR_MS:
            self._known[request.symbol] = (await self._ask(request.symbol, read), self._now_ms())

    def in_request(self, request: OrderRequest) -> OrderRequest:
        """The request, with the account's leverage as it was learned."""
        known = self._known.get(request.symbol)
        if self._param is None or self._param in request.params or known is None:
            return request
        return replace(request, params={**request.params, self._param: known[0]})

    async def _ask(self, symbol: str, read: Read) -> int:
        answer = await read("fetch_leverage", symbol)
        leverage = number_of(answer.get("longLeverage")) if isinstance(answer, dict) else None
        if leverage is None or leverage < 1:
            raise Refused(
                f"{self._exchange} does not tell the leverage of {symbol}, and every order names one: "
                f"give params={{{self._param!r}: …}}"
            )
        return int(leverage)
