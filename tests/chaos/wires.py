"""The exchanges of the chaos tests: how each is spoken to, and what the account starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from btccxt.model import Market, MarketType
from btccxt.sim.markets import inverse_market, linear_market, spot_market

D = Decimal
ONE = D(1)
PRICE_STEP = D("0.1")  # of every market here


@dataclass(frozen=True, slots=True)
class HttpSession:
    """``place``, ``cancel``, ``edit``, ``queries``: HTTP method and path pattern of what faults strike."""

    name: str
    exchange: str
    market_type: MarketType
    symbol: str
    funds: Mapping[str, Decimal]
    amount_step: Decimal
    place: tuple[str, str]
    cancel: tuple[str, str]
    edit: tuple[str, str] | None  # None: orders are cancelled and placed anew
    queries: tuple[str, ...]
    client_id_names: tuple[str, ...]
    order_id_names: tuple[str, ...]
    says_expired: bool = True  # False: it calls cancelled what expired
    hedge: bool = False  # two positions
    unit: Decimal = ONE  # in amounts, of what a scenario calls one

    @property
    def is_contract(self) -> bool:
        return self.market_type is not MarketType.SPOT

    def markets(self) -> dict[str, Market]:
        if self.market_type is MarketType.INVERSE:
            return {self.symbol: inverse_market(self.symbol, contract_size="1")}
        if self.is_contract:
            return {self.symbol: linear_market(self.symbol)}
        return {symbol: spot_market(symbol) for symbol in (self.symbol, "BNB/USDT")}

    def is_placing(self, method: str, path: str) -> bool:
        return method == self.place[0] and fnmatchcase(path, self.place[1])

    def is_cancelling(self, method: str, path: str) -> bool:
        return method == self.cancel[0] and fnmatchcase(path, self.cancel[1])

    def is_editing(self, method: str, path: str) -> bool:
        return self.edit is not None and method == self.edit[0] and fnmatchcase(path, self.edit[1])

    def order_named(self, params: Mapping[str, Any]) -> str:
        """The client order id in a request, or else the exchange's id."""
        for name in (*self.client_id_names, *self.order_id_names):
            if params.get(name):
                return str(params[name])
        return ""


SPOT = HttpSession(
    name="SPOT",
    exchange="binance",
    market_type=MarketType.SPOT,
    symbol="BTC/USDT",
    funds={"USDT": D(50_000), "BTC": D(1), "BNB": D(10)},
    amount_step=D("0.00001"),
    place=("POST", "/api/v3/order"),
    cancel=("DELETE", "/api/v3/order"),
    edit=None,
    queries=("/api/v3/order", "/api/v3/openOrders", "/api/v3/myTrades", "/api/v3/account"),
    client_id_names=("newClientOrderId", "origClientOrderId"),
    order_id_names=("orderId",),
)
LINEAR = HttpSession(
    name="LINEAR",
    exchange="bybit",
    market_type=MarketType.LINEAR,
    symbol="BTC/USDT:USDT",
    funds={"USDT": D(50_000)},
    amount_step=D("0.001"),
    place=("POST", "/v5/order/create"),
    cancel=("POST", "/v5/order/cancel"),
    edit=("POST", "/v5/order/amend"),
    queries=("/v5/order/realtime", "/v5/execution/list", "/v5/account/wallet-balance", "/v5/position/list"),
    client_id_names=("orderLinkId",),
    order_id_names=("orderId",),
    says_expired=False,
)
HEDGE = replace(LINEAR, name="HEDGE", hedge=True)
INVERSE = replace(
    LINEAR, name="INVERSE", market_type=MarketType.INVERSE, symbol="BTC/USD:BTC", funds={"BTC": D(1)}, amount_step=D(1),
    unit=D(60_000),
)  # fmt: skip
