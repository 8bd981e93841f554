"""Bybit v5's endpoints for account, wallet and positions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode, SimPosition
from btccxt.model import ZERO, Side
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import error, parameter_error, refused

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
        "marginMode": "ISOLATED_MARGIN" if _is_isolated(dialect, call.owner) else "REGULAR_MARGIN",
        "updatedTime": str(call.now_ms),
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def _is_isolated(dialect: BybitCore, owner: str) -> bool:
    """One mode for all contracts of a unified account."""
    contracts = (m for m in dialect.venue.engine.markets.values() if m.is_contract)
    return any(dialect.venue.engine.is_isolated(owner, market.symbol) for market in contracts)


def set_margin_mode(dialect: BybitCore, call: Call) -> Any:
    mode, engine = call.required("setMarginMode"), dialect.venue.engine
    if mode not in ("ISOLATED_MARGIN", "REGULAR_MARGIN"):
        raise parameter_error("setMarginMode invalid")
    contracts = [market.symbol for market in engine.markets.values() if market.is_contract]
    busy = bool(engine.positions(call.owner)) or any(
        order.symbol in contracts for order in engine.orders(call.owner, open_only=True)
    )
    if busy:
        raise error(3400045, "Set margin mode failed: close positions and contract orders first")
    for symbol in contracts:
        engine.set_isolated(call.owner, symbol, mode == "ISOLATED_MARGIN")
    return {"reasons": []}


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
    settle = call.text("settleCoin")
    rows = [
        row
        for row in position_rows(dialect, call.owner, symbol, "avgPrice")
        if row["category"] == category and settle in (None, dialect.by_category[category, row["symbol"]].settle)
    ]
    return {"category": category, "list": rows, "nextPageCursor": ""}


def position_rows(dialect: BybitCore, owner: str, symbol: str | None, entry_name: str) -> list[dict[str, Any]]:
    """Open positions; a symbol that is asked for and has none gives one row of size zero."""
    engine, now_ms = dialect.venue.engine, dialect.venue.now_ms()
    held = [position for position in engine.positions(owner) if symbol in (None, position.symbol)]

    def row(held_symbol: str, position: SimPosition | None, index: int) -> dict[str, Any]:
        mark = engine.mark(held_symbol) or ZERO
        leverage = engine.leverage(owner, held_symbol)
        own_id = dialect.ids[held_symbol]
        side = None if position is None else position.hedge_side
        exits = dialect.position_exits.prices(owner, held_symbol, side)
        return fmt.position(
            own_id, dialect.category_of(held_symbol), position, mark, leverage, now_ms, entry_name, index, exits
        )

    rows = [row(p.symbol, p, {"long": 1, "short": 2}.get(p.hedge_side or "", 0)) for p in held]
    if rows or symbol is None:
        return rows
    return [row(symbol, None, index) for index in ((1, 2) if engine.is_hedged(owner) else (0,))]


def set_leverage(dialect: BybitCore, call: Call) -> Any:
    category, _, market = dialect.market_of(call)
    leverage, engine = call.decimal("buyLeverage") or ZERO, dialect.venue.engine
    if leverage == engine.leverage(call.owner, market.symbol):
        raise error(110043, "leverage not modified")
    try:
        engine.set_leverage(call.owner, market.symbol, leverage, call.now_ms)
    except EngineReject as reject:
        if reject.code in (RejectCode.LEVERAGE, RejectCode.POSITION_LIMIT):
            most = fmt.text(engine.brackets(market.symbol)[0].max_leverage * 100)
            wanted = fmt.text(leverage * 100)
            raise error(110013, f"cannot set leverage [{wanted}] gt maxLeverage [{most}] by risk limit") from None
        raise refused(reject, category) from None
    return {}


def switch_mode(dialect: BybitCore, call: Call) -> Any:
    """``mode``: 0 is one-way, 3 is both sides."""
    hedge, engine = call.required("mode") == "3", dialect.venue.engine
    if hedge == engine.is_hedged(call.owner):
        raise error(110025, "Position mode is not modified")
    try:
        engine.set_hedge_mode(call.owner, hedge)
    except EngineReject:
        if engine.positions(call.owner):
            raise error(110024, "You have an existing position, so position mode cannot be switched") from None
        raise error(110028, "Open orders exist, so you cannot change position mode") from None
    return {}


def transaction_log(dialect: BybitCore, call: Call) -> Any:
    """Money from and to other wallets, newest first; the embedded exchange logs nothing else here."""
    moved = reversed(dialect.venue.engine.deposits(call.owner))
    return {"list": [fmt.transaction(each) for each in moved], "nextPageCursor": ""}


ACCOUNT_ROUTES: Mapping[str, Route] = {
    "GET /v5/user/query-api": Route(query_api, signed=True),
    "GET /v5/account/info": Route(account_info, signed=True),
    "POST /v5/account/set-margin-mode": Route(set_margin_mode, signed=True),
    "GET /v5/account/wallet-balance": Route(wallet_balance, signed=True),
    "GET /v5/account/transaction-log": Route(transaction_log, signed=True),
    "GET /v5/account/fee-rate": Route(fee_rates, signed=True),
    "GET /v5/asset/coin/query-info": Route(coin_info, signed=True),
    "GET /v5/position/list": Route(positions, signed=True),
    "POST /v5/position/set-leverage": Route(set_leverage, signed=True),
    "POST /v5/position/switch-mode": Route(switch_mode, signed=True),
}
