"""OKX v5's JSON for markets, market data and the account, as pure functions: records in, dicts out.

All values are strings; nothing is the empty string. Orders: ``order_format``.
Shapes: www.okx.com/docs-v5 (public data, market data, trading account).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from btccxt.matching.brackets import Bracket
from btccxt.matching.filters import plain
from btccxt.matching.records import Deposited, FundingPaid, SimOrder, SimPosition
from btccxt.matching.values import is_inverse
from btccxt.model import ZERO, Balance, Bar, Market, Trade, decimal_of

BARS = {
    "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "2H": "2h", "4H": "4h",
    "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "1Wutc": "1w", "1Mutc": "1M", "3Mutc": "3M",
}  # fmt: skip
BAR_OF = {timeframe: bar for bar, timeframe in BARS.items()}
SMALLEST = Decimal("0.00000001")
_FIRST_ORDER_ID, _FIRST_ALGO_ID = 2 * 10**18, 10**18  # algo orders and the orders they make have ids of their own
_FUNDING_BILLS = 3 * 10**18
_TRANSFER_BILLS = 4 * 10**18


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def own_order_id(order_id: str) -> str:
    return str(_FIRST_ORDER_ID + int(order_id))


def own_algo_id(order_id: str) -> str:
    return str(_FIRST_ALGO_ID + int(order_id))


def client_id(order: SimOrder) -> str:
    return "" if order.client_order_id == f"sim-{order.order_id}" else order.client_order_id


def instrument_type(market: Market) -> str:
    return "SWAP" if market.is_contract else "SPOT"


# ------------------------------------------------------------------ markets


def instrument(own_id: str, market: Market, max_leverage: Decimal | None) -> dict[str, Any]:
    contract, inverse = market.is_contract, is_inverse(market)
    lot = market.amount_step or SMALLEST
    most = text(market.max_amount or Decimal(1_000_000_000))
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if contract else market.base,
        "category": "1",
        "ctMult": "1" if contract else "",
        "ctType": "inverse" if inverse else "linear" if contract else "",
        "ctVal": text(market.contract_size) if contract else "",
        "ctValCcy": market.quote if inverse else market.base if contract else "",
        "expTime": "",
        "instFamily": f"{market.base}-{market.quote}" if contract else "",
        "instId": own_id,
        "instType": instrument_type(market),
        "lever": text(max_leverage),
        "listTime": "1548133413000",
        "lotSz": text(lot),
        "maxIcebergSz": most,
        "maxLmtAmt": "1000000000",
        "maxLmtSz": most,
        "maxMktAmt": "" if contract else "1000000000",
        "maxMktSz": most,
        "maxStopSz": most,
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": text(market.min_amount or lot),
        "optType": "",
        "quoteCcy": "" if contract else market.quote,
        "ruleType": "normal",
        "settleCcy": market.settle or "",
        "state": "live" if market.active else "suspend",
        "stk": "",
        "tickSz": text(market.price_step or SMALLEST),
        "uly": f"{market.base}-{market.quote}" if contract else "",
    }


def currency(coin: str) -> dict[str, Any]:
    return {
        "ccy": coin,
        "name": coin,
        "chain": f"{coin}-Sim",
        "canDep": False,
        "canWd": False,
        "canInternal": False,
        "minWd": "0",
        "maxWd": "0",
        "wdTickSz": "8",
        "fee": "0",
    }


def tier(number: int, family: str, bracket: Bracket, floor: Decimal, contract_value: Decimal) -> dict[str, Any]:
    """A bracket in contracts. ``contract_value``: of one contract, in the settlement coin."""
    return {
        "uly": family,
        "instFamily": family,
        "instId": "",
        "tier": str(number),
        "minSz": text((floor / contract_value).to_integral_value()),
        "maxSz": text((bracket.cap / contract_value).to_integral_value()),
        "mmr": text(bracket.maintenance_rate),
        "imr": text((1 / bracket.max_leverage).quantize(SMALLEST)),
        "maxLever": text(bracket.max_leverage),
        "optMgnFactor": "0",
        "quoteMaxLoan": "",
        "baseMaxLoan": "",
    }


def funding_bill(own_id: str, paid: FundingPaid, coin: str, balance: Decimal) -> dict[str, Any]:
    return {
        "bal": text(balance),
        "balChg": text(paid.received),
        "billId": str(_FUNDING_BILLS + paid.number),
        "ccy": coin,
        "execType": "",
        "fee": "0",
        "from": "",
        "instId": own_id,
        "instType": "SWAP",
        "mgnMode": "cross",
        "notes": "",
        "ordId": "",
        "pnl": text(paid.received),
        "posBal": "0",
        "posBalChg": "0",
        "subType": "173" if paid.received < 0 else "174",
        "sz": text(abs(paid.amount)),
        "to": "",
        "ts": str(paid.time_ms),
        "type": "8",
    }


def transfer_bill(moved: Deposited, balance: Decimal) -> dict[str, Any]:
    """Of money from (subtype 11) or to (12) the funding account."""
    came = moved.amount > 0
    return {
        "bal": text(balance), "balChg": text(moved.amount), "billId": str(_TRANSFER_BILLS + moved.number),
        "ccy": moved.coin, "execType": "", "fee": "0", "from": "6" if came else "18", "instId": "", "instType": "",
        "mgnMode": "", "notes": "", "ordId": "", "pnl": "0", "posBal": "0", "posBalChg": "0",
        "subType": "11" if came else "12", "sz": text(abs(moved.amount)), "to": "18" if came else "6",
        "ts": str(moved.time_ms), "type": "1",
    }  # fmt: skip


# ------------------------------------------------------------------ market data


def candle_row(bar: Bar, market: Market, closed: bool) -> list[str]:
    """Volumes: spot in base and quote; contracts in contracts, base and quote."""
    base = bar.volume * float(market.contract_size)
    quote = base * (bar.open + bar.close) / 2
    volumes = (bar.volume, base, quote) if market.is_contract else (bar.volume, quote, quote)
    numbers = (bar.open, bar.high, bar.low, bar.close, *volumes)
    return [str(bar.open_ms), *(text(number) for number in numbers), "1" if closed else "0"]


def trade(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "instId": own_id,
        "tradeId": trade.trade_id,
        "px": text(trade.price),
        "sz": text(trade.amount),
        "side": trade.side.value if trade.side else "buy",
        "ts": str(trade.time_ms),
        "count": "1",
    }


Level = tuple[Decimal, Decimal]


def levels(rows: Iterable[Level]) -> list[list[str]]:
    """Price, amount, a field of no meaning any more, number of orders."""
    return [[text(price), text(amount), "0", "1" if amount else "0"] for price, amount in rows]


def ticker(own_id: str, market: Market, day: Bar, bid: Level | None, ask: Level | None, now_ms: int) -> dict[str, Any]:
    turnover = day.volume * (day.open + day.close) / 2
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "last": text(day.close),
        "lastSz": "0",
        "askPx": text(ask[0]) if ask else "",
        "askSz": text(ask[1]) if ask else "",
        "bidPx": text(bid[0]) if bid else "",
        "bidSz": text(bid[1]) if bid else "",
        "open24h": text(day.open),
        "high24h": text(day.high),
        "low24h": text(day.low),
        "volCcy24h": text(day.volume if market.is_contract else turnover),
        "vol24h": text(day.volume),
        "sodUtc0": text(day.open),
        "sodUtc8": text(day.open),
        "ts": str(now_ms),
    }


# ------------------------------------------------------------------ account


def balance_detail(balance: Balance, pnl: Decimal, now_ms: int) -> dict[str, Any]:
    equity = balance.total + pnl
    return {
        "ccy": balance.currency,
        "cashBal": text(balance.total),
        "eq": text(equity),
        "availBal": text(balance.free),
        "availEq": text(equity - balance.used),
        "frozenBal": text(balance.used),
        "ordFrozen": text(balance.used),
        "upl": text(pnl),
        "disEq": "0",
        "eqUsd": "0",
        "isoEq": "0",
        "liab": "",
        "interest": "",
        "uTime": str(now_ms),
    }


def account(details: list[dict[str, Any]], now_ms: int) -> dict[str, Any]:
    return {
        "adjEq": "",
        "imr": "",
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "ordFroz": "",
        "totalEq": "",
        "upl": "",
        "uTime": str(now_ms),
        "details": details,
    }


def position(
    own_id: str,
    market: Market,
    position: SimPosition | None,
    mark: Decimal,
    leverage: Decimal,
    now_ms: int,
    side: str | None,
) -> dict[str, Any]:
    """No position: one row of size zero, as it is pushed when one was closed. ``side``: in hedge mode."""
    amount = ZERO if position is None else position.amount
    value = ZERO if position is None else position.value
    in_usd = abs(amount) * market.contract_size if is_inverse(market) else value
    isolated = position is not None and position.margin_mode == "isolated"
    entry = position.entry_price if position is not None else None
    liquidation = position.liquidation_price if position is not None else None
    return {
        "instType": "SWAP",
        "instId": own_id,
        "mgnMode": "isolated" if isolated else "cross",
        "posId": f"1{sum(own_id.encode())}",
        "posSide": side or "net",
        "pos": text(abs(amount) if side else amount),
        "availPos": text(abs(amount)),
        "posCcy": "",
        "ccy": market.settle,
        "avgPx": text(entry.quantize(SMALLEST)) if entry is not None else "",
        "markPx": text(mark),
        "last": text(mark),
        "lever": text(leverage),
        "liqPx": text(liquidation.quantize(SMALLEST)) if liquidation is not None else "",
        "imr": "" if isolated else text((value / leverage).quantize(SMALLEST)),
        "mmr": text(position.maintenance.quantize(SMALLEST)) if position is not None else "0",
        "margin": text(position.margin) if position is not None and isolated else "",
        "mgnRatio": "",
        "notionalUsd": text(in_usd.quantize(SMALLEST)),
        "upl": text(position.unrealised_pnl) if position is not None else "0",
        "uplRatio": "0",
        "realizedPnl": "0",
        "adl": "1",
        "cTime": str(now_ms if position is None else position.time_ms),
        "uTime": str(now_ms if position is None else position.time_ms),
    }
