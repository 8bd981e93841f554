"""Binance spot's account endpoints, and the few of the sapi family that ccxt asks while it loads markets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.matching.records import Deposited
from btccxt.model import ZERO
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.binance import order_format as fmt
from btccxt.sim.dialects.binance.core import BinanceSpotCore
from btccxt.sim.dialects.binance.format import text
from btccxt.sim.dialects.binance.protocol import Call


def account(dialect: BinanceSpotCore, call: Call) -> Any:
    markets = list(dialect.markets.values())
    maker = max((market.maker_rate for market in markets), default=ZERO)
    taker = max((market.taker_rate for market in markets), default=ZERO)
    balances = dialect.venue.engine.balances(call.owner)
    if call.optional("omitZeroBalances") == "true":
        balances = {coin: balance for coin, balance in balances.items() if balance.total}
    return fmt.account(balances, maker, taker, call.now_ms)


def commission(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    none = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    rates = {**none, "maker": text(market.maker_rate), "taker": text(market.taker_rate)}
    return {"symbol": own_id, "standardCommission": rates, "taxCommission": none, "specialCommission": none}


def trade_fees(dialect: BinanceSpotCore, call: Call) -> Any:
    wanted = [dialect.market_of(call)] if call.optional("symbol") else dialect.markets.items()
    return [
        {
            "symbol": own_id,
            "makerCommission": text(market.maker_rate),
            "takerCommission": text(market.taker_rate),
        }
        for own_id, market in wanted
    ]


def coins(dialect: BinanceSpotCore, call: Call) -> Any:
    balances = dialect.venue.engine.balances(call.owner)
    names = {coin for market in dialect.markets.values() for coin in (market.base, market.quote)} | balances.keys()
    return [fmt.coin(name, balances.get(name)) for name in sorted(names)]


def nothing(dialect: BinanceSpotCore, call: Call) -> Any:
    """Margin pairs: there is no margin trading here."""
    return []


def deposits(dialect: BinanceSpotCore, call: Call) -> Any:
    """Newest first."""
    return [fmt.deposit(each) for each in _moved(dialect, call) if each.amount > 0]


def withdrawals(dialect: BinanceSpotCore, call: Call) -> Any:
    """Newest first."""
    return [fmt.withdrawal(each) for each in _moved(dialect, call) if each.amount < 0]


def _moved(dialect: BinanceSpotCore, call: Call) -> list[Deposited]:
    since, until, coin = call.integer("startTime") or 0, call.integer("endTime") or call.now_ms, call.optional("coin")
    moved = dialect.venue.engine.deposits(call.owner)
    return [each for each in reversed(moved) if since <= each.time_ms <= until and coin in (None, each.coin)]


def system_status(dialect: BinanceSpotCore, call: Call) -> Any:
    return {"status": 0, "msg": "normal"}


ACCOUNT_ROUTES: Mapping[str, Route] = {
    "GET /api/v3/account": Route(account, 20, signed=True, accepts=frozenset({"omitZeroBalances"})),
    "GET /api/v3/account/commission": Route(commission, 20, signed=True, accepts=frozenset({"symbol"})),
    "GET /sapi/v1/asset/tradeFee": Route(trade_fees, signed=True, accepts=frozenset({"symbol"})),
    "GET /sapi/v1/capital/config/getall": Route(coins, 10, signed=True),
    "GET /sapi/v1/capital/deposit/hisrec": Route(deposits, signed=True),
    "GET /sapi/v1/capital/withdraw/history": Route(withdrawals, signed=True),
    "GET /sapi/v1/margin/allPairs": Route(nothing, needs_key=True),
    "GET /sapi/v1/margin/allAssets": Route(nothing, needs_key=True),
    "GET /sapi/v1/margin/isolated/allPairs": Route(nothing, 10, signed=True),
    "GET /sapi/v1/system/status": Route(system_status),
}

# Calls of the WebSocket API, each with the REST endpoint that does the same.
ACCOUNT_CALLS: Mapping[str, str] = {
    "account.status": "GET /api/v3/account",
    "account.commission": "GET /api/v3/account/commission",
}
