"""Leverage, margin mode and position mode of a contract account, read and set through ccxt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt.leverage import AccountLeverage
from btccxt.exchange.ccxt.statuses import field_of, number_of
from btccxt.exchange.plausibility import Implausible, check_leverage
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import ContractTerms, LeverageBracket, MarginMode, OrderRequest, PositionMode

T = TypeVar("T")


class ContractCalls:
    """The part of ``CCXTExchange`` that knows how contracts are traded."""

    id: str
    profile: Profile
    _rest: Any
    _leverage: AccountLeverage

    def __init__(self) -> None:
        self._margin_modes: dict[str, MarginMode] = {}
        """Where every order names one: what the user asked for."""

    async def _read(self, method: str, *arguments: Any) -> Any:
        raise NotImplementedError

    async def _understood(self, method: str, *arguments: Any, understand: Callable[[Any], T]) -> T:
        raise NotImplementedError

    async def _change(self, method: str, *arguments: Any) -> None:
        raise NotImplementedError

    def _has(self, feature: str) -> bool:
        return bool(self._rest is not None and self._rest.has.get(feature))

    async def fetch_position_mode(self, symbol: str) -> PositionMode | None:
        rule = self.profile.position_mode
        if rule.ask == "fetch_position_mode" and not self._has("fetchPositionMode"):
            return None

        def understand(answer: Any) -> PositionMode | None:
            told = field_of(answer, rule.field)
            if told is None and rule.field != "hedged":  # elsewhere it stands beside other things, where there is one
                return None
            if not isinstance(told, str | bool | int):
                raise Implausible(f"a position mode: {told!r}")
            return PositionMode.HEDGE if str(told) in rule.hedged else PositionMode.ONE_WAY

        return await self._understood(
            rule.ask, *((symbol,) if rule.argument == "symbol" else ()), understand=understand
        )

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        if not self._has("fetchLeverage"):
            return ContractTerms(symbol, self._leverage.wished(symbol), await self._margin_mode(symbol, None))
        params = self._in_mode(self._margin_modes.get(symbol))

        def understand(answer: Any) -> tuple[Decimal | None, Any]:
            if not isinstance(answer, Mapping):
                raise Implausible("no leverage")
            leverages = [number_of(answer.get(name)) for name in ("longLeverage", "shortLeverage")]
            told = [check_leverage(leverage) for leverage in leverages if leverage]
            return max(told, default=None), answer.get("marginMode")

        leverage, mode = await self._understood("fetch_leverage", symbol, params, understand=understand)
        return ContractTerms(symbol, leverage, await self._margin_mode(symbol, mode))

    async def _margin_mode(self, symbol: str, told: Any) -> MarginMode | None:
        if self.profile.margin_mode_param is not None:
            return self._margin_modes.get(symbol, MarginMode.CROSS)
        if self._has("fetchMarginMode"):
            answer = await self._read("fetch_margin_mode", symbol)
            told = answer.get("marginMode") if isinstance(answer, Mapping) else None
        return next((mode for mode in MarginMode if mode.value == told), None)

    async def fetch_leverage_brackets(self, symbol: str) -> list[LeverageBracket]:
        """Caps only where it is proven what ccxt's figure counts: several exchanges give contracts as notional."""
        if not self._has("fetchMarketLeverageTiers"):
            return []
        unit = self.profile.brackets_in

        def bracket(row: Any) -> LeverageBracket | None:
            leverage, cap = number_of(row.get("maxLeverage")), number_of(row.get("maxNotional"))
            if not leverage:
                return None
            notional, amount = (cap if unit == each else None for each in ("notional", "contracts"))
            return LeverageBracket(check_leverage(leverage), notional, amount)

        def understand(rows: Any) -> list[LeverageBracket]:
            """All or none: without its row a position of some size would count as allowed, or as forbidden."""
            if not isinstance(rows, list):
                raise Implausible("leverage tiers are no list")
            found = [each for each in map(bracket, rows) if each is not None]
            caps = [each.max_notional or each.max_amount for each in sorted(found, key=lambda each: -each.max_leverage)]
            if unit != "unproven" and not all(cap is not None and cap > 0 for cap in caps[:-1]):
                raise Implausible(f"leverage tiers without their sizes: {caps}")
            return found

        found = await self._understood("fetch_market_leverage_tiers", symbol, understand=understand)
        return sorted(found, key=lambda each: -each.max_leverage)

    async def set_position_mode(self, mode: PositionMode, symbol: str) -> None:
        self._must_have("setPositionMode", "position mode")
        await self._change("set_position_mode", mode is PositionMode.HEDGE, symbol)

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        if self.profile.margin_mode_param is not None:
            self._margin_modes[symbol] = mode
            return
        self._must_have("setMarginMode", "margin mode")
        params = {} if leverage is None else {"leverage": str(leverage)}
        await self._change("set_margin_mode", mode.value, symbol, params)

    async def set_leverage(self, leverage: Decimal, symbol: str, mode: MarginMode | None) -> None:
        if self._leverage.in_every_order and not self._has("setLeverage"):
            self._leverage.wish(symbol, leverage)
            return
        self._must_have("setLeverage", "leverage")
        number = int(leverage) if leverage == leverage.to_integral_value() else float(leverage)
        await self._change("set_leverage", number, symbol, self._in_mode(mode))

    def _must_have(self, feature: str, what: str) -> None:
        if not self._has(feature):
            raise Unsupported(f"{self.id}: its {what} cannot be set through ccxt: set it at the exchange")

    def _in_mode(self, mode: MarginMode | None) -> dict[str, str]:
        """Where each margin mode has a leverage of its own."""
        param = self.profile.margin_mode_param
        return {} if param is None or mode is None else {param: mode.value}

    def in_margin_mode(self, request: OrderRequest) -> OrderRequest:
        """The request, with the margin mode that the user asked for where every order names one."""
        param, mode = self.profile.margin_mode_param, self._margin_modes.get(request.symbol)
        if param is None or mode is None or param in request.params:
            return request
        return replace(request, params={**request.params, param: mode.value})
