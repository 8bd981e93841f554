"""Binance USD-M's account endpoints: balances, positions, leverage, modes, listen keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from btccxt.matching.brackets import Bracket, largest_value
from btccxt.matching.engine import Engine
from btccxt.matching.filters import plain
from btccxt.matching.records import EngineReject, RejectCode, SimPosition
from btccxt.model import ZERO, Market
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.binance.account import coins, nothing
from btccxt.sim.dialects.binance.errors import error, missing
from btccxt.sim.dialects.binance.format import NOTHING, text
from btccxt.sim.dialects.binance.protocol import Call
from btccxt.sim.dialects.binanceusdm import format as fmt
from btccxt.sim.dialects.binanceusdm.core import BinanceUsdMCore
from btccxt.sim.dialects.binanceusdm.errors import refused


def _positions(dialect: BinanceUsdMCore, call: Call) -> list[dict[str, Any]]:
    """Open positions, as v3 lists them."""
    symbol = dialect.market_of(call)[1].symbol if call.optional("symbol") else None
    engine = dialect.venue.engine
    return [
        fmt.position_risk(
            dialect.ids[position.symbol],
            engine.markets[position.symbol],
            position,
            engine.mark(position.symbol) or ZERO,
        )
        for position in engine.positions(call.owner)
        if position.symbol in dialect.ids and symbol in (None, position.symbol)
    ]


def position_risk(dialect: BinanceUsdMCore, call: Call) -> Any:
    """v3: symbols with a position only."""
    return _positions(dialect, call)


def position_risk_of_all(dialect: BinanceUsdMCore, call: Call) -> Any:
    """v2: every symbol, flat ones too."""
    held = _positions(dialect, call)
    busy = {row["symbol"] for row in held}
    wanted = [dialect.market_of(call)] if call.optional("symbol") else list(dialect.markets.items())
    engine = dialect.venue.engine
    for own_id, market in wanted:
        if own_id not in busy:
            mode = "isolated" if engine.is_isolated(call.owner, market.symbol) else "cross"
            leverage = engine.leverage(call.owner, market.symbol)
            flat = SimPosition(market.symbol, ZERO, None, 0, ZERO, leverage, None, mode, None)
            held.append(fmt.position_risk(own_id, market, flat, engine.mark(market.symbol) or ZERO))
    return held


def _assets(dialect: BinanceUsdMCore, call: Call) -> list[dict[str, Any]]:
    engine = dialect.venue.engine
    lost: dict[str, Decimal] = {}
    for position in engine.positions(call.owner):
        market = engine.markets[position.symbol]
        coin = market.settle or market.quote
        lost[coin] = lost.get(coin, ZERO) + (position.unrealised_pnl or ZERO)
    return [
        fmt.asset(balance, lost.get(coin, ZERO), call.now_ms) for coin, balance in engine.balances(call.owner).items()
    ]


def account(dialect: BinanceUsdMCore, call: Call) -> Any:
    assets = _assets(dialect, call)

    def total(name: str) -> str:
        return text(sum((Decimal(asset[name]) for asset in assets), ZERO))

    positions = _positions(dialect, call)
    kept = (
        *("symbol", "positionSide", "positionAmt", "unrealizedProfit", "isolatedMargin", "notional", "isolatedWallet"),
        *("initialMargin", "maintMargin", "updateTime", "entryPrice", "leverage"),
    )
    return {
        "totalInitialMargin": total("initialMargin"),
        "totalMaintMargin": text(sum((Decimal(row["maintMargin"]) for row in positions), ZERO)),
        "totalWalletBalance": total("walletBalance"),
        "totalUnrealizedProfit": total("unrealizedProfit"),
        "totalMarginBalance": total("marginBalance"),
        "totalPositionInitialMargin": total("positionInitialMargin"),
        "totalOpenOrderInitialMargin": NOTHING,
        "totalCrossWalletBalance": total("crossWalletBalance"),
        "totalCrossUnPnl": total("crossUnPnl"),
        "availableBalance": total("availableBalance"),
        "maxWithdrawAmount": total("maxWithdrawAmount"),
        "assets": assets,
        "positions": [
            {name: ({**row, "unrealizedProfit": row["unRealizedProfit"]})[name] for name in kept} for row in positions
        ],
    }


def balance(dialect: BinanceUsdMCore, call: Call) -> Any:
    return [
        {
            "accountAlias": "sim",
            "asset": row["asset"],
            "balance": row["walletBalance"],
            "crossWalletBalance": row["crossWalletBalance"],
            "crossUnPnl": row["crossUnPnl"],
            "availableBalance": row["availableBalance"],
            "maxWithdrawAmount": row["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": row["updateTime"],
        }
        for row in _assets(dialect, call)
    ]


# ------------------------------------------------------------------ settings


def set_leverage(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    leverage, engine = call.integer("leverage"), dialect.venue.engine
    if leverage is None:
        raise missing("leverage")
    try:
        engine.set_leverage(call.owner, market.symbol, Decimal(leverage), call.now_ms)
    except EngineReject as reject:
        if reject.code in (RejectCode.LEVERAGE, RejectCode.BAD_REQUEST):
            raise error(-4028, f"Leverage {leverage} is not valid") from None
        raise refused(reject) from None
    return {"leverage": leverage, "maxNotionalValue": _largest(engine, market, Decimal(leverage)), "symbol": own_id}


def _largest(engine: Engine, market: Market, leverage: Decimal) -> str:
    return plain(largest_value(engine.brackets(market.symbol), leverage))


def set_margin_type(dialect: BinanceUsdMCore, call: Call) -> Any:
    _, market = dialect.market_of(call)
    wanted, engine = call.required("marginType"), dialect.venue.engine
    if wanted not in ("CROSSED", "ISOLATED"):
        raise error(-1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
    isolated = wanted == "ISOLATED"
    if isolated == engine.is_isolated(call.owner, market.symbol):
        raise error(-4046, "No need to change margin type.")
    try:
        engine.set_isolated(call.owner, market.symbol, isolated)
    except EngineReject:
        held = any(position.symbol == market.symbol for position in engine.positions(call.owner))
        code, what = (-4048, "exists position") if held else (-4047, "exists open orders")
        raise error(code, f"Margin type cannot be changed if there {what}.") from None
    return {"code": 200, "msg": "success"}


def position_mode(dialect: BinanceUsdMCore, call: Call) -> Any:
    return {"dualSidePosition": dialect.venue.engine.is_hedged(call.owner)}


def set_position_mode(dialect: BinanceUsdMCore, call: Call) -> Any:
    hedge, engine = call.required("dualSidePosition").lower() == "true", dialect.venue.engine
    if hedge == engine.is_hedged(call.owner):
        raise error(-4059, "No need to change position side.")
    try:
        engine.set_hedge_mode(call.owner, hedge)
    except EngineReject:
        held = any(position.amount for position in engine.positions(call.owner))
        code, what = (-4068, "exists position") if held else (-4067, "exists open orders")
        raise error(code, f"Position side cannot be changed if there {what}.") from None
    return {"code": 200, "msg": "success"}


def multi_assets_mode(dialect: BinanceUsdMCore, call: Call) -> Any:
    return {"multiAssetsMargin": False}


def account_config(dialect: BinanceUsdMCore, call: Call) -> Any:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": dialect.venue.engine.is_hedged(call.owner),
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(dialect: BinanceUsdMCore, call: Call) -> Any:
    wanted = [dialect.market_of(call)] if call.optional("symbol") else list(dialect.markets.items())
    engine, rows = dialect.venue.engine, []
    for own_id, market in wanted:
        leverage = engine.leverage(call.owner, market.symbol)
        rows.append(
            {
                "symbol": own_id,
                "marginType": "ISOLATED" if engine.is_isolated(call.owner, market.symbol) else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": int(leverage),
                "maxNotionalValue": _largest(engine, market, leverage),
            }
        )
    return rows


def leverage_brackets(dialect: BinanceUsdMCore, call: Call) -> Any:
    wanted = [dialect.market_of(call)] if call.optional("symbol") else list(dialect.markets.items())
    return [
        {"symbol": own_id, "notionalCoef": 1.0, "brackets": _bracket_rows(dialect.venue.engine.brackets(market.symbol))}
        for own_id, market in wanted
    ]


def _bracket_rows(brackets: Sequence[Bracket]) -> list[dict[str, Any]]:
    """``cum``: what maintenance by one rate for all of a value is too much by."""
    rows, floor, cum, rate = [], ZERO, ZERO, brackets[0].maintenance_rate
    for number, bracket in enumerate(brackets, start=1):
        cum += floor * (bracket.maintenance_rate - rate)
        rate = bracket.maintenance_rate
        rows.append(
            {
                "bracket": number,
                "initialLeverage": int(bracket.max_leverage),
                "notionalCap": int(bracket.cap),
                "notionalFloor": int(floor),
                "maintMarginRatio": float(rate),
                "cum": float(cum),
            }
        )
        floor = bracket.cap
    return rows


def commission_rate(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    return {
        "symbol": own_id,
        "makerCommissionRate": str(market.maker_rate),
        "takerCommissionRate": str(market.taker_rate),
        "rpiCommissionRate": NOTHING,
    }


_TRANSFERS = 9_000_000  # their ids are of their own


def income(dialect: BinanceUsdMCore, call: Call) -> Any:
    """Funding received and paid, money moved from and to other wallets; oldest first."""
    symbol = dialect.market_of(call)[1].symbol if call.optional("symbol") else None
    kind = call.optional("incomeType")
    since, until = call.integer("startTime") or 0, call.integer("endTime") or call.now_ms
    rows: list[dict[str, Any]] = (
        []
        if kind not in (None, "FUNDING_FEE")
        else [
            {
                "symbol": dialect.ids[paid.symbol],
                "incomeType": "FUNDING_FEE",
                "income": text(paid.received),
                "asset": dialect.venue.engine.markets[paid.symbol].settle,
                "info": "FUNDING_FEE",
                "time": paid.time_ms,
                "tranId": paid.number,
                "tradeId": "",
            }
            for paid in dialect.venue.engine.fundings(call.owner, symbol)
            if paid.symbol in dialect.ids and since <= paid.time_ms <= until
        ]
    )
    if kind in (None, "TRANSFER") and symbol is None:
        rows += [
            {
                "symbol": "",
                "incomeType": "TRANSFER",
                "income": text(moved.amount),
                "asset": moved.coin,
                "info": "TRANSFER",
                "time": moved.time_ms,
                "tranId": _TRANSFERS + moved.number,
                "tradeId": "",
            }
            for moved in dialect.venue.engine.deposits(call.owner)
            if since <= moved.time_ms <= until
        ]
    return sorted(rows, key=lambda row: row["time"])[-call.limit(100, 1000) :]


# ------------------------------------------------------------------ user stream


def start_listen_key(dialect: BinanceUsdMCore, call: Call) -> Any:
    """A key that is valid is given again, its hour begins anew."""
    return {"listenKey": dialect.user_streams.open_key(call.owner)}


def keep_listen_key(dialect: BinanceUsdMCore, call: Call) -> Any:
    key = dialect.user_streams.renew(call.owner)
    if key is None:
        raise error(-1125, "This listenKey does not exist.")
    return {"listenKey": key}


def close_listen_key(dialect: BinanceUsdMCore, call: Call) -> Any:
    dialect.user_streams.close(call.owner)
    return {}


ACCOUNT_ROUTES: Mapping[str, Route] = {
    "GET /fapi/v3/account": Route(account, 5, signed=True),
    "GET /fapi/v2/account": Route(account, 5, signed=True),
    "GET /fapi/v3/balance": Route(balance, 5, signed=True),
    "GET /fapi/v2/balance": Route(balance, 5, signed=True),
    "GET /fapi/v3/positionRisk": Route(position_risk, 5, signed=True),
    "GET /fapi/v2/positionRisk": Route(position_risk_of_all, 5, signed=True),
    "POST /fapi/v1/leverage": Route(set_leverage, signed=True),
    "POST /fapi/v1/marginType": Route(set_margin_type, signed=True),
    "GET /fapi/v1/positionSide/dual": Route(position_mode, 30, signed=True),
    "POST /fapi/v1/positionSide/dual": Route(set_position_mode, signed=True),
    "GET /fapi/v1/multiAssetsMargin": Route(multi_assets_mode, 30, signed=True),
    "GET /fapi/v1/accountConfig": Route(account_config, 5, signed=True),
    "GET /fapi/v1/symbolConfig": Route(symbol_config, 5, signed=True),
    "GET /fapi/v1/leverageBracket": Route(leverage_brackets, signed=True),
    "GET /fapi/v1/commissionRate": Route(commission_rate, 20, signed=True),
    "GET /fapi/v1/income": Route(income, 30, signed=True),
    "POST /fapi/v1/listenKey": Route(start_listen_key, needs_key=True),
    "PUT /fapi/v1/listenKey": Route(keep_listen_key, needs_key=True),
    "DELETE /fapi/v1/listenKey": Route(close_listen_key, needs_key=True),
    # What ccxt asks of spot's host while it loads markets.
    "GET /sapi/v1/capital/config/getall": Route(coins, 10, signed=True),
    "GET /sapi/v1/margin/allPairs": Route(nothing, needs_key=True),
    "GET /sapi/v1/margin/isolated/allPairs": Route(nothing, 10, signed=True),
}
