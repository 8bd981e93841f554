"""Bybit v5's JSON as pure functions: records in, dicts out. Numbers are strings, times are strings of milliseconds.

Shapes: bybit-exchange.github.io/docs/v5 (market, order, position, account, websocket).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.brackets import Bracket
from btccxt.matching.filters import plain
from btccxt.matching.records import (
    LIQUIDATION,
    TRIGGER_KINDS,
    Deposited,
    FundingPaid,
    SimFill,
    SimOrder,
    SimPosition,
    SimStatus,
)
from btccxt.matching.triggers import fires_above
from btccxt.matching.values import average_price, is_inverse, value_of
from btccxt.model import ZERO, Balance, Bar, Market, Side, TimeInForce, Trade, decimal_of
from btccxt.timeframe import parse_timeframe

INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h", "360": "6h",
    "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
INTERVAL_OF = {timeframe: interval for interval, timeframe in INTERVALS.items()}
_SMALLEST = Decimal("0.00000001")
_CREATE_TYPES = {
    "TakeProfit": "CreateByTakeProfit",
    "StopLoss": "CreateByStopLoss",
    "TrailingStop": "CreateByTrailingStop",
    "PartialTakeProfit": "CreateByPartialTakeProfit",
    "PartialStopLoss": "CreateByPartialStopLoss",
    LIQUIDATION: "CreateByLiq",
}


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def side_name(side: Side | None) -> str:
    return "Sell" if side is Side.SELL else "Buy"


def own_order_id(order_id: str, category: str) -> str:
    """Engine's id -> Bybit's: a number for spot, a UUID for contracts."""
    return order_id if category == "spot" else str(uuid.UUID(int=int(order_id)))


# ------------------------------------------------------------------ markets


def instrument(own_id: str, market: Market, max_leverage: Decimal | None) -> dict[str, Any]:
    step, lot = market.price_step or _SMALLEST, market.amount_step or _SMALLEST
    common = {
        "symbol": own_id,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "status": "Trading" if market.active else "Closed",
    }
    least, most = text(market.min_amount or lot), text(market.max_amount or Decimal(1_000_000))
    if not market.is_contract:
        lots = {
            "basePrecision": text(lot),
            "quotePrecision": text(_SMALLEST),
            "minOrderQty": least,
            "maxOrderQty": most,
            "minOrderAmt": text(market.min_cost or Decimal(1)),
            "maxOrderAmt": text(market.max_cost or Decimal(1_000_000_000)),
        }
        return {
            **common,
            "innovation": "0",
            "marginTrading": "none",
            "lotSizeFilter": lots,
            "priceFilter": {"tickSize": text(step)},
        }
    return {
        **common,
        "contractType": "InversePerpetual" if is_inverse(market) else "LinearPerpetual",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(step.normalize().as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": text(max_leverage), "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": text(market.min_price or step),
            "maxPrice": text(market.max_price or Decimal(1_000_000)),
            "tickSize": text(step),
        },
        "lotSizeFilter": {
            "maxOrderQty": most,
            "minOrderQty": least,
            "qtyStep": text(lot),
            "postOnlyMaxOrderQty": most,
            "maxMktOrderQty": most,
            "minNotionalValue": text(market.min_cost or Decimal(5)),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": market.settle,
    }


def risk_limit(number: int, own_id: str, bracket: Bracket) -> dict[str, Any]:
    return {
        "id": number,
        "symbol": own_id,
        "riskLimitValue": text(bracket.cap),
        "maintenanceMargin": text(bracket.maintenance_rate),
        "initialMargin": text((1 / bracket.max_leverage).quantize(_SMALLEST)),
        "isLowestRisk": int(number == 1),
        "maxLeverage": text(bracket.max_leverage),
        "mmDeduction": "",
    }


def coin_info(coin: str) -> dict[str, Any]:
    return {"name": coin, "coin": coin, "remainAmount": "0", "chains": []}


# ------------------------------------------------------------------ market data


def kline_row(bar: Bar) -> list[str]:
    turnover = bar.volume * (bar.open + bar.close) / 2
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, turnover)
    return [str(bar.open_ms), *(text(number) for number in numbers)]


def kline_event(interval: str, bar: Bar, closed: bool, now_ms: int) -> dict[str, Any]:
    end_ms = parse_timeframe(INTERVALS[interval]).next_open(bar.open_ms) - 1
    return {
        "start": bar.open_ms,
        "end": end_ms,
        "interval": interval,
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume),
        "turnover": text(bar.volume * (bar.open + bar.close) / 2),
        "confirm": closed,
        "timestamp": now_ms,
    }


def public_trade(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "execId": trade.trade_id,
        "symbol": own_id,
        "price": text(trade.price),
        "size": text(trade.amount),
        "side": side_name(trade.side),
        "time": str(trade.time_ms),
        "isBlockTrade": False,
        "isRPITrade": False,
    }


def trade_event(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "i": trade.trade_id,
        "T": trade.time_ms,
        "p": text(trade.price),
        "v": text(trade.amount),
        "S": side_name(trade.side),
        "s": own_id,
        "BT": False,
        "RPI": False,
    }


Level = tuple[Decimal, Decimal]


def levels(rows: Iterable[Level]) -> list[list[str]]:
    return [[text(price), text(amount)] for price, amount in rows]


def ticker(
    own_id: str, market: Market, day: Bar, bid: Level | None, ask: Level | None, funding_rate: Decimal
) -> dict[str, Any]:
    """As REST gives it: with the best bid and ask on spot too."""
    change = (day.close - day.open) / day.open if day.open else 0.0
    shown = {
        "symbol": own_id,
        "bid1Price": text(bid[0]) if bid else "",
        "bid1Size": text(bid[1]) if bid else "",
        "ask1Price": text(ask[0]) if ask else "",
        "ask1Size": text(ask[1]) if ask else "",
        "lastPrice": text(day.close),
        "prevPrice24h": text(day.open),
        "price24hPcnt": f"{change:.6f}",
        "highPrice24h": text(day.high),
        "lowPrice24h": text(day.low),
        "volume24h": text(day.volume),
        "turnover24h": f"{day.volume * (day.open + day.close) / 2:.8f}",
    }
    if not market.is_contract:
        return {**shown, "usdIndexPrice": text(day.close)}
    return {
        **shown,
        "prevPrice1h": text(day.close),
        "markPrice": text(day.close),
        "indexPrice": text(day.close),
        "openInterest": "0",
        "openInterestValue": "0",
        "fundingRate": text(funding_rate),
        "nextFundingTime": "0",
    }


def ticker_event(row: Mapping[str, Any], market: Market) -> dict[str, Any]:
    """As the stream gives it: spot tickers carry no bid and ask."""
    if market.is_contract:
        return dict(row)
    return {name: value for name, value in row.items() if not name.startswith(("bid1", "ask1"))}


# ------------------------------------------------------------------ orders and fills


def order_status(order: SimOrder, category: str) -> str:
    if order.status in (SimStatus.TRIGGER_WAITING, SimStatus.PENDING):
        return "Untriggered"
    if order.status is SimStatus.REJECTED:
        return "Rejected"
    if order.status in (SimStatus.CANCELED, SimStatus.EXPIRED):
        if order.request.kind in TRIGGER_KINDS and not order.triggered:
            return "Deactivated"
        return "PartiallyFilledCanceled" if order.filled and category == "spot" else "Cancelled"
    return {SimStatus.NEW: "New", SimStatus.PARTIALLY_FILLED: "PartiallyFilled"}.get(order.status, "Filled")


def time_in_force(order: SimOrder) -> str:
    request = order.request
    if request.post_only:
        return "PostOnly"
    if request.price is None:
        return "IOC"
    return "GTC" if request.time_in_force is TimeInForce.GTD else request.time_in_force.value


def reject_reason(order: SimOrder, would_take: bool) -> str:
    if would_take:
        return "EC_PostOnlyWillTakeLiquidity"
    if order.status is SimStatus.EXPIRED:
        return "EC_NoImmediateQtyToFill"
    return "EC_PerCancelRequest" if order.status is SimStatus.CANCELED else "EC_NoError"


def order(
    own_id: str,
    order: SimOrder,
    market: Market,
    *,
    fees: Mapping[str, Decimal],
    exits: tuple[Decimal | None, Decimal | None] = (None, None),
    tpsl_mode: str = "",
    status: str | None = None,
    would_take: bool = False,
) -> dict[str, Any]:
    """``exits``: take-profit and stop-loss that came with it. ``status`` overrides the order's own ('Triggered')."""
    request, category = order.request, market.type.value
    left = ZERO if not order.is_open or order.remaining is None else order.remaining
    is_trigger = request.kind in TRIGGER_KINDS
    canceled_by_user = order.status is SimStatus.CANCELED and not would_take
    return {
        "orderId": own_order_id(order.order_id, category),
        "orderLinkId": link(order),
        "blockTradeId": "",
        "symbol": own_id,
        "price": text(request.price or ZERO),
        "qty": text(request.amount or request.cost_quote or ZERO),
        "marketUnit": "" if category != "spot" or request.price else "baseCoin" if request.amount else "quoteCoin",
        "side": side_name(order.side),
        "isLeverage": "0" if category == "spot" else "",
        "positionIdx": {"long": 1, "short": 2}.get(request.position_side or "", 0),
        "orderStatus": status or order_status(order, category),
        "cancelType": "CancelByUser" if canceled_by_user else "UNKNOWN",
        "rejectReason": reject_reason(order, would_take),
        "avgPrice": text(average(order, market)) if order.filled else "",
        "leavesQty": text(left),
        "leavesValue": text(left * (request.price or ZERO)),
        "cumExecQty": text(order.filled),
        "cumExecValue": text(order.cost_quote),
        "cumExecFee": text(sum(fees.values(), ZERO)),
        "cumFeeDetail": {coin: text(fee) for coin, fee in fees.items()},
        "timeInForce": time_in_force(order),
        "orderType": "Limit" if request.price else "Market",
        "stopOrderType": "" if request.label == LIQUIDATION else request.label,
        "orderIv": "",
        "triggerPrice": text(order.trigger_price or request.trigger_price) or "0",
        "triggerDirection": (1 if fires_above(request) else 2) if is_trigger and category != "spot" else 0,
        "triggerBy": "LastPrice" if is_trigger else "",
        "takeProfit": text(exits[0]),
        "stopLoss": text(exits[1]),
        "tpTriggerBy": "LastPrice" if exits[0] else "",
        "slTriggerBy": "LastPrice" if exits[1] else "",
        "tpLimitPrice": "0",
        "slLimitPrice": "0",
        "lastPriceOnCreated": "",
        "reduceOnly": request.reduce_only,
        "closeOnTrigger": request.closes_position,
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "tpslMode": tpsl_mode,
        "ocoTriggerBy": "OcoTriggerByUnknown" if order.list_id is not None and is_trigger else "",
        "placeType": "",
        "createType": _CREATE_TYPES.get(request.label, "CreateByUser"),
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def link(order: SimOrder) -> str:
    """What the client calls it; nothing where it gave no name."""
    made_here = order.request.label == LIQUIDATION or order.client_order_id == f"sim-{order.order_id}"
    return "" if made_here else order.client_order_id


def average(order: SimOrder, market: Market) -> Decimal:
    return average_price(market, order.filled, order.cost_quote).quantize(_SMALLEST)


def execution(own_id: str, fill: SimFill, order: SimOrder, market: Market) -> dict[str, Any]:
    category, value = market.type.value, value_of(market, fill.amount, fill.price)
    left = order.remaining or ZERO
    return {
        "category": category,
        "symbol": own_id,
        "execId": str(fill.trade_id) if category == "spot" else str(uuid.UUID(int=fill.trade_id)),
        "orderId": own_order_id(fill.order_id, category),
        "orderLinkId": link(order),
        "side": side_name(fill.side),
        "orderPrice": text(order.request.price or ZERO),
        "orderQty": text(order.request.amount or order.filled),
        "leavesQty": text(left),
        "orderType": "Limit" if order.request.price else "Market",
        "stopOrderType": "UNKNOWN" if order.request.label in ("", LIQUIDATION) else order.request.label,
        "execFee": text(fill.fee.cost),
        "feeRate": text((fill.fee.cost / value).quantize(_SMALLEST) if value else ZERO),
        "execPrice": text(fill.price),
        "execQty": text(fill.amount),
        "execType": "BustTrade" if order.request.label == LIQUIDATION else "Trade",
        "execValue": text(value.quantize(_SMALLEST)),
        "execTime": str(fill.time_ms),
        "isMaker": fill.maker,
        "markPrice": text(fill.price),
        "closedSize": "0",
        "execPnl": text(fill.realized_pnl),
        "isLeverage": "0",
        "createType": _CREATE_TYPES.get(order.request.label, "CreateByUser"),
        "seq": fill.trade_id,
    }


def funding(own_id: str, paid: FundingPaid, market: Market) -> dict[str, Any]:
    """A funding payment is an execution of type Funding; a fee above zero was paid."""
    category, value = market.type.value, value_of(market, abs(paid.amount), paid.mark).quantize(_SMALLEST)
    return {
        "category": category,
        "symbol": own_id,
        "execId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"funding {paid.number}")),
        "orderId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"funding order {paid.number}")),
        "orderLinkId": "",
        "side": "Buy" if paid.amount > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": text(-paid.received),
        "feeCurrency": "",
        "feeRate": text(paid.rate if paid.amount > 0 else -paid.rate),
        "execPrice": text(paid.mark),
        "execQty": text(abs(paid.amount)),
        "execType": "Funding",
        "execValue": text(value),
        "execTime": str(paid.time_ms),
        "isMaker": False,
        "markPrice": text(paid.mark),
        "closedSize": "0",
        "execPnl": "0",
        "isLeverage": "0",
        "createType": "",
        "seq": paid.number,
    }


# ------------------------------------------------------------------ account


def coin_row(balance: Balance, order_margin: Decimal, locked: Decimal, pnl: Decimal) -> dict[str, Any]:
    """``locked``: in spot orders; ``order_margin``: in contract orders; what else is used is positions' margin."""
    position_margin = max(ZERO, balance.used - order_margin - locked)
    return {
        "coin": balance.currency,
        "equity": text(balance.total + pnl),
        "usdValue": "",
        "walletBalance": text(balance.total),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": text(order_margin),
        "totalPositionIM": text(position_margin),
        "totalPositionMM": "0",
        "unrealisedPnl": text(pnl),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "locked": text(locked),
        "spotHedgingQty": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
    }


def wallet(coins: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "totalEquity": "",
        "totalWalletBalance": "",
        "totalMarginBalance": "",
        "totalAvailableBalance": "",
        "totalPerpUPL": "",
        "totalInitialMargin": "",
        "totalMaintenanceMargin": "",
        "coin": coins,
    }


def position(
    own_id: str,
    category: str,
    position: SimPosition | None,
    mark: Decimal,
    leverage: Decimal,
    now_ms: int,
    entry_name: str,
    index: int,
    exits: tuple[Decimal | None, Decimal | None, Decimal | None] = (None, None, None),
) -> dict[str, Any]:
    """``entry_name``: 'avgPrice' by REST, 'entryPrice' in the stream. No position: one row of size zero.

    ``exits``: take-profit, stop-loss, and the distance of the trailing stop.
    """
    amount = ZERO if position is None else position.amount
    value = ZERO if position is None else position.value.quantize(_SMALLEST)
    is_isolated = position is not None and position.margin_mode == "isolated"
    return {
        "positionIdx": index,
        "tradeMode": int(is_isolated),
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": own_id,
        "side": "" if not amount else "Buy" if amount > 0 else "Sell",
        "size": text(abs(amount)),
        entry_name: text((position.entry_price or ZERO).quantize(_SMALLEST)) if position is not None else "0",
        "leverage": text(leverage),
        "positionValue": text(value),
        "positionBalance": text(position.margin) if position is not None else "0",
        "markPrice": text(mark),
        "positionIM": text(position.margin) if position is not None else "0",
        "positionMM": text(position.maintenance.quantize(_SMALLEST)) if position is not None else "0",
        "takeProfit": text(exits[0]),
        "stopLoss": text(exits[1]),
        "trailingStop": text(exits[2] or ZERO),
        "unrealisedPnl": text(position.unrealised_pnl) if position is not None else "0",
        "cumRealisedPnl": "0",
        "liqPrice": text(position.liquidation_price.quantize(_SMALLEST))
        if position is not None and position.liquidation_price is not None
        else "",
        "bustPrice": "",
        "category": category,
        "positionStatus": "Normal",
        "adlRankIndicator": 0,
        "autoAddMargin": 0,
        "tpslMode": "Full",
        "createdTime": str(now_ms if position is None else position.time_ms),
        "updatedTime": str(now_ms if position is None else position.time_ms),
        "seq": now_ms,
    }


def transaction(moved: Deposited) -> dict[str, Any]:
    """One entry of the transaction log: a transfer in or out."""
    return {
        "id": f"sim{moved.number}", "symbol": "", "category": "", "side": "None",
        "transactionTime": str(moved.time_ms), "type": "TRANSFER_IN" if moved.amount > 0 else "TRANSFER_OUT",
        "qty": "0", "size": "0", "currency": moved.coin, "tradePrice": "0", "funding": "", "fee": "0",
        "cashFlow": text(moved.amount), "change": text(moved.amount), "cashBalance": "0", "feeRate": "0",
        "bonusChange": "0", "tradeId": "", "orderId": "", "orderLinkId": "",
    }  # fmt: skip
