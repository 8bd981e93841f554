"""OKX v5's endpoints for account, balance and positions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode, SimPosition
from btccxt.model import ZERO
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.core import OkxCore
from btccxt.sim.dialects.okx.errors import error, parameter_error
from btccxt.sim.dialects.okx.orders import paged


def config(dialect: OkxCore, call: Call) -> Any:
    row = {
        "uid": "1",
        "mainUid": "1",
        "acctLv": "2",
        "posMode": "long_short_mode" if dialect.venue.engine.is_hedged(call.owner) else "net_mode",
        "autoLoan": False,
        "greeksType": "PA",
        "level": "Lv1",
        "levelTmp": "",
        "ctIsoMode": "automatic",
        "mgnIsoMode": "automatic",
        "perm": "read_only,trade",
        "label": "sim",
        "ip": "",
    }
    return [row]


def balance(dialect: OkxCore, call: Call) -> Any:
    wanted = call.text("ccy")
    return [account_row(dialect, call.owner, None if wanted is None else wanted.split(","))]


def account_row(dialect: OkxCore, owner: str, coins: Collection[str] | None = None) -> dict[str, Any]:
    """``coins``: only these; None: all that the account has."""
    engine, now_ms = dialect.venue.engine, dialect.venue.now_ms()
    pnl: dict[str, Decimal] = {}
    for position in engine.positions(owner):
        settle = engine.markets[position.symbol].settle or ""
        pnl[settle] = pnl.get(settle, ZERO) + (position.unrealised_pnl or ZERO)
    details = [
        fmt.balance_detail(balance, pnl.get(coin, ZERO), now_ms)
        for coin, balance in engine.balances(owner).items()
        if coins is None or coin in coins
    ]
    return fmt.account(details, now_ms)


def positions(dialect: OkxCore, call: Call) -> Any:
    wanted, kind = call.text("instId"), call.text("instType")
    rows = position_rows(dialect, call.owner) if kind in (None, "SWAP") else []
    return [row for row in rows if wanted is None or row["instId"] in wanted.split(",")]


def position_rows(dialect: OkxCore, owner: str, symbol: str | None = None) -> list[dict[str, Any]]:
    """Open positions; a ``symbol`` that has none gives one row of size zero."""
    engine, now_ms = dialect.venue.engine, dialect.venue.now_ms()

    def row(held_symbol: str, position: SimPosition | None, side: str | None) -> dict[str, Any]:
        market, mark = engine.markets[held_symbol], engine.mark(held_symbol) or ZERO
        leverage = engine.leverage(owner, held_symbol)
        return fmt.position(dialect.ids[held_symbol], market, position, mark, leverage, now_ms, side)

    rows = [row(p.symbol, p, p.hedge_side) for p in engine.positions(owner) if symbol in (None, p.symbol)]
    if rows or symbol is None:
        return rows
    return [row(symbol, None, side) for side in (("long", "short") if engine.is_hedged(owner) else (None,))]


def set_leverage(dialect: OkxCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    leverage, engine = call.decimal("lever") or ZERO, dialect.venue.engine
    if not market.is_contract:
        raise parameter_error("instId")
    mode = call.required("mgnMode")
    if mode not in ("cross", "isolated"):
        raise parameter_error("mgnMode")
    try:
        engine.set_leverage(call.owner, market.symbol, leverage, call.now_ms)
    except EngineReject as reject:
        if reject.code in (RejectCode.LEVERAGE, RejectCode.POSITION_LIMIT):
            raise error(59102, "Leverage exceeds the maximum leverage. Please adjust the leverage.") from None
        raise error(59110, f"Leverage is refused: {reject.message}") from None
    side = call.text("posSide") or ""
    return [{"lever": fmt.text(leverage), "mgnMode": mode, "instId": own_id, "posSide": side}]


def leverage_info(dialect: OkxCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    engine = dialect.venue.engine
    if not market.is_contract:
        raise parameter_error("instId")
    sides = ("long", "short") if engine.is_hedged(call.owner) else ("net",)
    lever, mode = fmt.text(engine.leverage(call.owner, market.symbol)), call.text("mgnMode") or "cross"
    return [{"instId": own_id, "mgnMode": mode, "posSide": side, "lever": lever} for side in sides]


def set_position_mode(dialect: OkxCore, call: Call) -> Any:
    mode = call.required("posMode")
    if mode not in ("long_short_mode", "net_mode"):
        raise parameter_error("posMode")
    try:
        dialect.venue.engine.set_hedge_mode(call.owner, mode == "long_short_mode")
    except EngineReject:
        raise error(59000, "Setting failed. Cancel any open orders, close positions first.") from None
    return [{"posMode": mode}]


def bills(dialect: OkxCore, call: Call) -> Any:
    """Funding payments and transfers, newest first; the embedded exchange keeps no other bills."""
    wanted = call.text("type")
    engine, kind, coin = dialect.venue.engine, call.text("ctType"), call.text("ccy")
    balances, rows = engine.balances(call.owner), []
    if wanted in (None, "1") and kind is None:
        rows += [
            fmt.transfer_bill(moved, balances[moved.coin].total)
            for moved in engine.deposits(call.owner)
            if coin in (None, moved.coin)
        ]
    for paid in engine.fundings(call.owner) if wanted in (None, "8") else ():
        market = engine.markets[paid.symbol]
        settle = market.settle or market.quote
        if kind in (None, market.type.value) and coin in (None, settle):
            rows.append(fmt.funding_bill(dialect.ids[paid.symbol], paid, settle, balances[settle].total))
    rows.sort(key=lambda row: -int(row["ts"]))
    return paged(rows, call, lambda row: int(row["billId"]))


def trade_fee(dialect: OkxCore, call: Call) -> Any:
    market = dialect.market_of(call)[1] if call.text("instId") else next(iter(dialect.markets.values()))
    maker, taker = fmt.text(-market.maker_rate), fmt.text(-market.taker_rate)
    kind = call.required("instType")
    fees = {"maker": maker, "taker": taker, "makerU": maker, "takerU": taker}
    return [{"instType": kind, "level": "Lv1", "category": "1", "ts": str(call.now_ms), **fees}]


def currencies(dialect: OkxCore, call: Call) -> Any:
    coins = {coin for market in dialect.markets.values() for coin in (market.base, market.quote)}
    return [fmt.currency(coin) for coin in sorted(coins)]


ACCOUNT_ROUTES: Mapping[str, Route] = {
    "GET /api/v5/account/config": Route(config, signed=True),
    "GET /api/v5/account/balance": Route(balance, signed=True),
    "GET /api/v5/account/positions": Route(positions, signed=True),
    "GET /api/v5/account/leverage-info": Route(leverage_info, signed=True),
    "GET /api/v5/account/trade-fee": Route(trade_fee, signed=True),
    "POST /api/v5/account/set-leverage": Route(set_leverage, signed=True),
    "POST /api/v5/account/set-position-mode": Route(set_position_mode, signed=True),
    "GET /api/v5/account/bills": Route(bills, signed=True),
    "GET /api/v5/account/bills-archive": Route(bills, signed=True),
    "GET /api/v5/asset/currencies": Route(currencies, signed=True),
}
