"""Bybit v5's endpoints for account, wallet and positions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject
from btccxt.model import ZERO, Side
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import error, refused

_PERMISSIONS = {
    "ContractTrade": ["Order", "Position"],
    "Spot": ["SpotTrade"],
    "Wallet": ["AccountTransfer"],
    "Options": [],
    "Derivatives": ["DerivativesTrade"],
    "Exchange": [],
}


def query_api(dialect: BybitCore, call: Call) -> Any:
    return {
        "id": "1",
        "note": "sim",
        "apiKey": call.account.api_key if call.account else "",
        "readOnly": 0,
        "secret": "",
        "permissions": _PERMISSIONS,
        "ips": ["*"],
        "type": 1,
        "deadlineDay": -1,
        "expiredAt": "",
        "createdAt": "2024-01-01T00:00:00Z",
        "unified": 0,
        "uta": 1,
        "userID": 1,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
    }


def account_info(dialect: BybitCore, call: Call) -> Any:
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(call.now_ms),
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def coin_info(dialect: BybitCore, call: Call) -> Any:
    coins = {coin for market in dialect.venue.engine.markets.values() for coin in (market.base, market.quote)}
    wanted = call.text("coin")
    return {"rows": [fmt.coin_info(coin) for coin in sorted(coins) if wanted in (None, coin)]}


def fee_rates(dialect: BybitCore, call: Call) -> Any:
    category, wanted = call.required("category"), call.text("symbol")
    rows = [
        {"symbol": own_id, "takerFeeRate": fmt.text(market.taker_rate), "makerFeeRate": fmt.text(market.maker_rate)}
        for own_id, market in dialect.listed(category)
        if wanted in (None, own_id)
    ]
    return {"category": category, "list": rows}


def wallet_balance(dialect: BybitCore, call: Call) -> Any:
    kind = call.required("accountType")
    if kind != "UNIFIED":
        raise error(10001, "accountType only support UNIFIED.")
    return {"list": [wallet(dialect, call.owner, call.text("coin"))]}


def wallet(dialect: BybitCore, owner: str, coins: str | None = None) -> dict[str, Any]:
    """What an account holds. ``coins``: names with commas between them; None: all that it has."""
    engine = dialect.venue.engine
    locked: dict[str, Decimal] = {}
    margins: dict[str, Decimal] = {}
    for order in engine.orders(owner, open_only=True):
        market = engine.markets[order.symbol]
        if market.is_contract:
            coin, held = market.settle or market.quote, margins
        else:
            coin, held = (market.quote if order.side is Side.BUY else market.base), locked
        held[coin] = held.get(coin, ZERO) + order.reserved
    pnl: dict[str, Decimal] = {}
    for position in engine.positions(owner):
        settle = engine.markets[position.symbol].settle or ""
        pnl[settle] = pnl.get(settle, ZERO) + (position.unrealised_pnl or ZERO)
    wanted = None if coins is None else coins.split(",")
    rows = [
        fmt.coin_row(balance, margins.get(coin, ZERO), locked.get(coin, ZERO), pnl.get(coin, ZERO))
        for coin, balance in engine.balances(owner).items()
        if wanted is None or coin in wanted
    ]
    return fmt.wallet(rows)


def positions(dialect: BybitCore, call: Call) -> Any:
    category = call.required("category")
    if category == "linear" and call.text("symbol") is None and call.text("settleCoin") is None:
        raise error(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
    symbol = dialect.market_of(call)[2].symbol if call.text("symbol") is not None else None
    rows = position_rows(dialect, call.owner, symbol, "avgPrice") if category == "linear" else []
    return {"category": category, "list": rows, "nextPageCursor": ""}


def position_rows(dialect: BybitCore, owner: str, symbol: str | None, entry_name: str) -> list[dict[str, Any]]:
    """Open positions; a symbol that is asked for and has none gives one row of size zero."""
    engine, now_ms = dialect.venue.engine, dialect.venue.now_ms()
    held = [position for position in engine.positions(owner) if symbol in (None, position.symbol)]

    def row(held_symbol: str, position: Any, index: int) -> dict[str, Any]:
        mark = engine.mark(held_symbol) or ZERO
        leverage = dialect.leverage_of(owner, held_symbol)
        own_id = dialect.ids[held_symbol]
        side = None if position is None else position.hedge_side
        exits = dialect.position_exits.prices(owner, held_symbol, side)
        return fmt.position(own_id, position, mark, leverage, now_ms, entry_name, index, exits)

    rows = [row(p.symbol, p, {"long": 1, "short": 2}.get(p.hedge_side or "", 0)) for p in held]
    return rows if rows or symbol is None else [row(symbol, None, 0)]


def set_leverage(dialect: BybitCore, call: Call) -> Any:
    category, _, market = dialect.market_of(call)
    leverage = call.decimal("buyLeverage") or ZERO
    if leverage == dialect.leverage_of(call.owner, market.symbol):
        raise error(110043, "leverage not modified")
    try:
        dialect.venue.engine.set_leverage(call.owner, market.symbol, leverage, call.now_ms)
    except EngineReject as reject:
        raise refused(reject, category) from None
    dialect.leverages[call.owner, market.symbol] = leverage
    return {}


def switch_mode(dialect: BybitCore, call: Call) -> Any:
    """``mode``: 0 is one-way, 3 is both sides."""
    try:
        dialect.venue.engine.set_hedge_mode(call.owner, call.required("mode") == "3")
    except EngineReject:
        raise error(110024, "You have an existing position, so position mode cannot be switched") from None
    return {}


ACCOUNT_ROUTES: Mapping[str, Route] = {
    "GET /v5/user/query-api": Route(query_api, signed=True),
    "GET /v5/account/info": Route(account_info, signed=True),
    "GET /v5/account/wallet-balance": Route(wallet_balance, signed=True),
    "GET /v5/account/fee-rate": Route(fee_rates, signed=True),
    "GET /v5/asset/coin/query-info": Route(coin_info, signed=True),
    "GET /v5/position/list": Route(positions, signed=True),
    "POST /v5/position/set-leverage": Route(set_leverage, signed=True),
    "POST /v5/position/switch-mode": Route(switch_mode, signed=True),
}
