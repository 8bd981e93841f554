"""Hyperliquid's JSON as pure functions: records in, dicts out. Prices and sizes are strings, times are milliseconds.

Shapes: hyperliquid.gitbook.io, Info endpoint and WebSocket subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from btccxt.matching.filters import plain
from btccxt.matching.records import LIQUIDATION, TRIGGER_KINDS, FundingPaid, SimFill, SimOrder, SimPosition, SimStatus
from btccxt.matching.triggers import fires_above
from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, Side, TimeInForce, Trade, decimal_of
from btccxt.timeframe import parse_timeframe

INTERVALS = frozenset(["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"])
NO_HASH = "0x" + "0" * 64
_FINE = Decimal("1e-10")
Level = tuple[Decimal, Decimal]


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def decimals(step: Decimal | None) -> int:
    exponent = (step or Decimal(1)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def side_letter(side: Side | None) -> str:
    """Bid or ask."""
    return "A" if side is Side.SELL else "B"


# ------------------------------------------------------------------ markets


def perpetual(market: Market, max_leverage: Decimal) -> dict[str, Any]:
    return {
        "szDecimals": decimals(market.amount_step),
        "name": market.base,
        "maxLeverage": int(max_leverage),
        "marginTableId": 56,
        **({} if market.active else {"isDelisted": True}),
    }


def context(market: Market, day: Bar | None, bid: Level | None, ask: Level | None, funding: Decimal) -> dict[str, Any]:
    """What ``metaAndAssetCtxs`` says of a market now."""
    last = decimal_of(day.close) if day is not None else ZERO
    middle = (bid[0] + ask[0]) / 2 if bid and ask else last
    row: dict[str, Any] = {
        "prevDayPx": text(day.open if day is not None else 0.0),
        "dayNtlVlm": text(day.volume * day.close if day is not None else 0.0),
        "dayBaseVlm": text(day.volume if day is not None else 0.0),
        "markPx": text(last),
        "midPx": text(middle),
    }
    if market.is_contract:
        impact = [text(level[0]) for level in (bid, ask) if level]
        row |= {
            "funding": text(funding),
            "openInterest": "0.0",
            "premium": "0.0",
            "oraclePx": text(last),
            "impactPxs": impact if len(impact) == 2 else None,
        }
    return row


def token(coin: str, index: int, size_decimals: int) -> dict[str, Any]:
    return {
        "name": coin,
        "szDecimals": size_decimals,
        "weiDecimals": 8,
        "index": index,
        "tokenId": f"0x{index:032x}",
        "isCanonical": True,
        "evmContract": None,
        "fullName": coin,
    }


def candle(coin: str, interval: str, bar: Bar) -> dict[str, Any]:
    return {
        "t": bar.open_ms,
        "T": parse_timeframe(interval).next_open(bar.open_ms) - 1,
        "s": coin,
        "i": interval,
        "o": text(bar.open),
        "c": text(bar.close),
        "h": text(bar.high),
        "l": text(bar.low),
        "v": text(bar.volume),
        "n": 1 if bar.volume else 0,
    }


def trade(coin: str, trade: Trade) -> dict[str, Any]:
    return {
        "coin": coin,
        "side": side_letter(trade.side),
        "px": text(trade.price),
        "sz": text(trade.amount),
        "time": trade.time_ms,
        "hash": NO_HASH,
        "tid": int(trade.trade_id) if trade.trade_id.isdecimal() else 0,
        "users": ["0x" + "0" * 40] * 2,
    }


def book(coin: str, bids: Iterable[Level], asks: Iterable[Level], now_ms: int) -> dict[str, Any]:
    sides = [[{"px": text(price), "sz": text(amount), "n": 1} for price, amount in side] for side in (bids, asks)]
    return {"coin": coin, "time": now_ms, "levels": sides}


# ------------------------------------------------------------------ orders and fills


def status(order: SimOrder) -> str:
    """``triggered``: it was, and goes on under the same number."""
    if order.status is SimStatus.FILLED:
        return "filled"
    if order.is_open:
        return "triggered" if order.triggered else "open"
    if order.status is SimStatus.CANCELED:
        return "canceled"
    immediate = order.request.time_in_force is TimeInForce.IOC and not order.filled
    if immediate:
        return "iocCancelRejected"
    return "reduceOnlyCanceled" if order.request.reduce_only else "canceled"


_TIF = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc"}
_TYPES = {
    OrderKind.STOP: "Stop Market",
    OrderKind.STOP_LIMIT: "Stop Limit",
    OrderKind.TAKE_PROFIT: "Take Profit Market",
    OrderKind.TAKE_PROFIT_LIMIT: "Take Profit Limit",
}


def basic_order(coin: str, order: SimOrder) -> dict[str, Any]:
    """As ``orderUpdates`` tells it. ``sz`` is what is left."""
    request = order.request
    row = {
        "coin": coin,
        "side": side_letter(order.side),
        "limitPx": text(request.price or request.trigger_price or ZERO),
        "sz": text(order.remaining or ZERO),
        "oid": int(order.order_id),
        "timestamp": order.created_ms,
        "origSz": text(request.amount),
    }
    if is_named(order):
        row["cloid"] = order.client_order_id
    return row


def is_named(order: SimOrder) -> bool:
    return order.client_order_id.startswith("0x")


def order(coin: str, order: SimOrder) -> dict[str, Any]:
    """As the front end shows it."""
    request = order.request
    is_trigger = request.kind in TRIGGER_KINDS
    condition = "N/A"
    if is_trigger:
        condition = f"Price {'above' if fires_above(request) else 'below'} {text(request.trigger_price)}"
    return {
        **basic_order(coin, order),
        "triggerCondition": condition,
        "isTrigger": is_trigger,
        "triggerPx": text(request.trigger_price or ZERO),
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": request.reduce_only,
        "orderType": _TYPES.get(request.kind, "Limit"),
        "tif": None if is_trigger else "Alo" if request.post_only else _TIF.get(request.time_in_force, "Gtc"),
        "cloid": order.client_order_id if is_named(order) else None,
    }


def fill(coin: str, fill: SimFill, order: SimOrder, market: Market, address: str, before: Decimal) -> dict[str, Any]:
    """``before``: the signed position that the fill found."""
    row: dict[str, Any] = {
        "coin": coin,
        "px": text(fill.price),
        "sz": text(fill.amount),
        "side": side_letter(fill.side),
        "time": fill.time_ms,
        "startPosition": text(before),
        "dir": _direction(fill, market, before),
        "closedPnl": text(fill.realized_pnl),
        "hash": NO_HASH,
        "oid": int(fill.order_id),
        "crossed": not fill.maker,
        "fee": text(fill.fee.cost),
        "tid": fill.trade_id,
        "feeToken": fill.fee.currency,
        "twapId": None,
    }
    if is_named(order):
        row["cloid"] = order.client_order_id
    if order.request.label == LIQUIDATION:
        row["liquidation"] = {"liquidatedUser": address, "markPx": text(fill.price), "method": "market"}
    return row


def _direction(fill: SimFill, market: Market, before: Decimal) -> str:
    if not market.is_contract:
        return "Buy" if fill.side is Side.BUY else "Sell"
    after = before + fill.side.sign * fill.amount
    if before * after < 0:
        return "Long > Short" if before > 0 else "Short > Long"
    if abs(after) > abs(before):
        return "Open Long" if after > 0 else "Open Short"
    return "Close Long" if before > 0 else "Close Short"


# ------------------------------------------------------------------ account


def spot_balances(balances: Iterable[Balance], tokens: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "coin": balance.currency,
            "token": tokens.get(balance.currency, 0),
            "hold": text(balance.used),
            "total": text(balance.total),
            "entryNtl": "0.0",
        }
        for balance in balances
    ]


def position(market: Market, position: SimPosition, max_leverage: Decimal) -> dict[str, Any]:
    pnl, isolated = position.unrealised_pnl or ZERO, position.margin_mode == "isolated"
    used = position.margin + pnl if isolated else position.margin
    liquidation = position.liquidation_price
    row = {
        "coin": market.base,
        "szi": text(position.amount),
        "leverage": {"type": position.margin_mode, "value": int(position.leverage or 1)},
        "entryPx": text((position.entry_price or ZERO).quantize(_FINE)),
        "positionValue": text(position.value),
        "unrealizedPnl": text(pnl),
        "returnOnEquity": text((pnl / position.margin).quantize(_FINE) if position.margin else ZERO),
        "liquidationPx": text(liquidation.quantize(_FINE)) if liquidation is not None else None,
        "marginUsed": text(used),
        "maxLeverage": int(max_leverage),
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }
    return {"type": "oneWay", "position": row}


def clearinghouse(
    wallet: Balance | None, positions: list[SimPosition], rows: list[dict[str, Any]], now_ms: int
) -> dict[str, Any]:
    """``wallet``: the settlement coin; what positions have won on paper counts in the account's value."""
    total, used = (ZERO, ZERO) if wallet is None else (wallet.total, wallet.used)
    pnl = sum((each.unrealised_pnl or ZERO for each in positions), ZERO)
    notional = sum((each.value for each in positions), ZERO)
    kept = sum((each.maintenance for each in positions), ZERO)
    summary = {
        "accountValue": text(total + pnl),
        "totalNtlPos": text(notional),
        "totalRawUsd": text(total + pnl - sum((p.value if p.amount > 0 else -p.value for p in positions), ZERO)),
        "totalMarginUsed": text(used),
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": text(kept),
        "withdrawable": text(max(ZERO, total - used + min(ZERO, pnl))),
        "assetPositions": rows,
        "time": now_ms,
    }


def funding_paid(coin: str, paid: FundingPaid) -> dict[str, Any]:
    return {
        "time": paid.time_ms,
        "hash": f"0x{paid.number:064x}",
        "delta": {
            "type": "funding",
            "coin": coin,
            "usdc": text(paid.received),
            "szi": text(paid.amount),
            "fundingRate": text(paid.rate),
            "nSamples": None,
        },
    }
