"""Binance USD-M's JSON, as pure functions: engine records in, dicts out.

Shapes: developers.binance.com, USDⓈ-M futures, REST API and User Data Streams. A conditional order lives in the algo
service with ids of its own (``algo_id``); when its trigger fires, a plain order with a new id appears.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from btccxt.matching.records import LIQUIDATION, TRIGGER_KINDS, SimFill, SimOrder, SimPosition, SimStatus
from btccxt.model import ZERO, Balance, Market, OrderKind, Side, TimeInForce, Trade
from btccxt.sim.dialects.binance.format import NOTHING, public_trade, text

_ALGO_IDS = 4_000_000_000_000  # the engine counts all orders in one row: algo ids start here, so that no two meet
ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
KINDS = {
    "LIMIT": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "STOP": OrderKind.STOP_LIMIT,
    "STOP_MARKET": OrderKind.STOP,
    "TAKE_PROFIT": OrderKind.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderKind.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderKind.TRAILING_PERCENT,
}
_TYPES = {kind: name for name, kind in KINDS.items()}
_STATUS = {
    SimStatus.NEW: "NEW",
    SimStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    SimStatus.FILLED: "FILLED",
    SimStatus.CANCELED: "CANCELED",
    SimStatus.EXPIRED: "EXPIRED",
    SimStatus.REJECTED: "REJECTED",
}


def is_algo(order: SimOrder) -> bool:
    return order.request.kind in TRIGGER_KINDS


def is_plain(order: SimOrder) -> bool:
    """Whether it is (or has become) an order of the matching engine."""
    return order.triggered or not is_algo(order)


def client_id(order: SimOrder) -> str:
    """The exchange's own orders are called after what they do."""
    return f"autoclose-{order.order_id}" if order.request.label == LIQUIDATION else order.client_order_id


def algo_id(order: SimOrder) -> int:
    return _ALGO_IDS + int(order.order_id)


def engine_id(algo: int) -> str:
    return str(algo - _ALGO_IDS)


def contract(own_id: str, market: Market) -> dict[str, Any]:
    step = market.price_step or Decimal("0.00000001")
    lot = market.amount_step or Decimal("0.00000001")
    most = text(market.max_amount or Decimal(1_000_000))
    lot_filter = {"minQty": text(market.min_amount or lot), "maxQty": most, "stepSize": text(lot)}
    return {
        "symbol": own_id,
        "pair": own_id,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING" if market.active else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.settle,
        "pricePrecision": _places(step),
        "quantityPrecision": _places(lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.000000",
        "marketTakeBound": "1.00",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(market.min_price or step),
                "maxPrice": text(market.max_price or Decimal(1_000_000)),
                "tickSize": text(step),
            },
            {"filterType": "LOT_SIZE", **lot_filter},
            {"filterType": "MARKET_LOT_SIZE", **lot_filter},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
            {"filterType": "MIN_NOTIONAL", "notional": text(market.min_cost)},
        ],
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 8


def market_trade(trade: Trade) -> dict[str, Any]:
    row = public_trade(trade)
    del row["isBestMatch"]  # spot's
    return row


# ------------------------------------------------------------------ orders


def _position_side(order: SimOrder) -> str:
    return (order.request.position_side or "both").upper()


def _time_in_force(order: SimOrder) -> str:
    return "GTX" if order.request.post_only else order.request.time_in_force.value


def _average(order: SimOrder) -> Decimal:
    return order.cost_quote / order.filled if order.filled else ZERO


def _gtd(order: SimOrder) -> int:
    return (order.request.expires_ms or 0) if order.request.time_in_force is TimeInForce.GTD else 0


def _type_at_work(order: SimOrder) -> str:
    """What the matching engine sees: a fired trigger is a market or limit order."""
    if is_algo(order):
        return "MARKET" if order.request.price is None else "LIMIT"
    return _TYPES[order.request.kind]


def order_state(own_id: str, order: SimOrder) -> dict[str, Any]:
    """POST, PUT, GET and DELETE order, openOrders, allOrders."""
    kind = _type_at_work(order)
    return {
        "orderId": int(order.order_id),
        "symbol": own_id,
        "status": _STATUS[order.status],
        "clientOrderId": client_id(order),
        "price": text(order.request.price),
        "avgPrice": text(_average(order)),
        "origQty": text(order.request.amount),
        "executedQty": text(order.filled),
        "cumQty": text(order.filled),
        "cumQuote": text(order.cost_quote),
        "timeInForce": _time_in_force(order),
        "type": kind,
        "origType": kind,
        "reduceOnly": order.request.reduce_only,
        "closePosition": order.request.closes_position,
        "side": order.side.name,
        "positionSide": _position_side(order),
        "stopPrice": NOTHING,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": _gtd(order),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def acknowledged(state: dict[str, Any]) -> dict[str, Any]:
    """An ACK tells nothing of what the order met."""
    return {
        **state,
        "status": "NEW",
        "avgPrice": NOTHING,
        "executedQty": NOTHING,
        "cumQty": NOTHING,
        "cumQuote": NOTHING,
    }


def algo_status(order: SimOrder) -> str:
    if order.triggered:
        return "FINISHED" if order.status.is_final else "TRIGGERED"
    return "NEW" if order.status is SimStatus.TRIGGER_WAITING else _STATUS[order.status]


def algo_state(own_id: str, order: SimOrder) -> dict[str, Any]:
    """POST, GET and DELETE algoOrder, openAlgoOrders, allAlgoOrders."""
    request = order.request
    state: dict[str, Any] = {
        "algoId": algo_id(order),
        "clientAlgoId": order.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": _TYPES[request.kind],
        "symbol": own_id,
        "side": order.side.name,
        "positionSide": _position_side(order),
        "timeInForce": _time_in_force(order),
        "quantity": text(request.amount),
        "algoStatus": algo_status(order),
        "actualOrderId": order.order_id if order.triggered else "",
        "actualPrice": text(_average(order)),
        "triggerPrice": text(order.trigger_price or request.trigger_price),
        "price": text(request.price),
        "icebergQuantity": None,
        "tpTriggerPrice": NOTHING,
        "tpPrice": NOTHING,
        "slTriggerPrice": NOTHING,
        "slPrice": NOTHING,
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.request.closes_position,
        "priceProtect": False,
        "reduceOnly": request.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.updated_ms if order.triggered else 0,
        "goodTillDate": _gtd(order),
    }
    if request.trailing_percent is not None:
        state |= {"activatePrice": text(request.trigger_price), "callbackRate": str(request.trailing_percent)}
    return state


def algo_canceled(order: SimOrder) -> dict[str, Any]:
    """DELETE algoOrder."""
    return {"algoId": algo_id(order), "clientAlgoId": order.client_order_id, "code": "200", "msg": "success"}


def my_trade(own_id: str, fill: SimFill) -> dict[str, Any]:
    return {
        "symbol": own_id,
        "id": fill.trade_id,
        "orderId": int(fill.order_id),
        "side": fill.side.name,
        "price": text(fill.price),
        "qty": text(fill.amount),
        "realizedPnl": text(fill.realized_pnl),
        "quoteQty": text(fill.price * fill.amount),
        "commission": text(fill.fee.cost),
        "commissionAsset": fill.fee.currency,
        "time": fill.time_ms,
        "positionSide": (fill.position_side or "both").upper(),
        "buyer": fill.side is Side.BUY,
        "maker": fill.maker,
    }


# ------------------------------------------------------------------ user stream


def order_event(own_id: str, order: SimOrder, fill: SimFill | None, execution: str, now_ms: int) -> dict[str, Any]:
    """``execution``: NEW, TRADE, CANCELED, EXPIRED or AMENDMENT."""
    kind = _type_at_work(order)
    body: dict[str, Any] = {
        "s": own_id,
        "c": client_id(order),
        "S": order.side.name,
        "o": kind,
        "f": _time_in_force(order),
        "q": text(order.request.amount),
        "p": text(order.request.price),
        "ap": text(_average(order)),
        "sp": NOTHING,
        "x": execution,
        "X": _STATUS[order.status],
        "i": int(order.order_id),
        "l": NOTHING,
        "z": text(order.filled),
        "L": NOTHING,
        "n": "0",
        "N": None,
        "T": order.updated_ms,
        "t": 0,
        "b": "0",
        "a": "0",
        "m": False,
        "R": order.request.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": _position_side(order),
        "cp": order.request.closes_position,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": _gtd(order),
    }
    if fill is not None:
        body |= {
            "l": text(fill.amount),
            "L": text(fill.price),
            "n": text(fill.fee.cost),
            "N": fill.fee.currency,
            "T": fill.time_ms,
            "t": fill.trade_id,
            "m": fill.maker,
            "rp": text(fill.realized_pnl),
        }
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": order.updated_ms, "o": body}


def algo_event(own_id: str, order: SimOrder, now_ms: int, reason: str = "") -> dict[str, Any]:
    """``reason``: why it failed, if it did."""
    body = {
        "caid": order.client_order_id,
        "aid": algo_id(order),
        "at": "CONDITIONAL",
        "o": _TYPES[order.request.kind],
        "s": own_id,
        "S": order.side.name,
        "ps": _position_side(order),
        "f": _time_in_force(order),
        "q": text(order.request.amount),
        "X": algo_status(order),
        "ai": order.order_id if order.triggered else "",
        "ap": text(_average(order)),
        "aq": text(order.filled),
        "act": _type_at_work(order) if order.triggered else "0",
        "tp": text(order.trigger_price or order.request.trigger_price),
        "p": text(order.request.price),
        "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": order.request.closes_position,
        "pP": False,
        "R": order.request.reduce_only,
        "tt": order.updated_ms if order.triggered else 0,
        "gtd": _gtd(order),
        "rm": reason,
    }
    return {"e": "ALGO_UPDATE", "T": order.updated_ms, "E": now_ms, "o": body}


def account_event(
    cause: str, balances: Iterable[Balance], positions: Iterable[dict[str, Any]], now_ms: int
) -> dict[str, Any]:
    """``cause``: ORDER, DEPOSIT, WITHDRAW or FUNDING_FEE."""
    coins = [{"a": coin.currency, "wb": text(coin.total), "cw": text(coin.total), "bc": NOTHING} for coin in balances]
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "a": {"m": cause, "B": coins, "P": list(positions)}}


def position_event(own_id: str, market: Market, position: SimPosition | None, side: str | None) -> dict[str, Any]:
    """``position`` None: it is closed; ``side``: 'long' or 'short' in hedge mode."""
    return {
        "s": own_id,
        "pa": text(position.amount if position else ZERO),
        "ep": text(position.entry_price if position else ZERO),
        "bep": text(position.entry_price if position else ZERO),
        "cr": NOTHING,
        "up": text(position.unrealised_pnl if position else ZERO),
        "mt": position.margin_mode if position else "cross",
        "iw": text(position.margin) if position and position.margin_mode == "isolated" else NOTHING,
        "ps": (side or "both").upper(),
        "ma": market.settle,
    }


# ------------------------------------------------------------------ account


def position_risk(own_id: str, market: Market, position: SimPosition, mark: Decimal) -> dict[str, Any]:
    """v3/positionRisk, with the fields of v2 that ccxt's users know."""
    value = position.value if position.amount > 0 else -position.value
    margin = text(position.margin)
    isolated = position.margin_mode == "isolated"
    return {
        "symbol": own_id,
        "positionSide": (position.hedge_side or "both").upper(),
        "positionAmt": text(position.amount),
        "entryPrice": text(position.entry_price),
        "breakEvenPrice": text(position.entry_price),
        "markPrice": text(mark),
        "unRealizedProfit": text(position.unrealised_pnl),
        "liquidationPrice": text(position.liquidation_price),
        "isolatedMargin": text(position.margin + (position.unrealised_pnl or ZERO)) if isolated else "0",
        "notional": text(value),
        "marginAsset": market.settle,
        "isolatedWallet": margin if isolated else "0",
        "initialMargin": margin,
        "maintMargin": text(position.maintenance),
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "marginType": position.margin_mode,
        "leverage": str(position.leverage),
        "updateTime": position.time_ms,
    }


def asset(balance: Balance, unrealised: Decimal, now_ms: int) -> dict[str, Any]:
    """One of v3/account's assets. What cross positions have won or lost on paper counts in what is available."""
    available = max(ZERO, balance.free + unrealised)
    return {
        "asset": balance.currency,
        "walletBalance": text(balance.total),
        "unrealizedProfit": text(unrealised),
        "marginBalance": text(balance.total + unrealised),
        "maintMargin": NOTHING,
        "initialMargin": text(balance.used),
        "positionInitialMargin": text(balance.used),
        "openOrderInitialMargin": NOTHING,
        "crossWalletBalance": text(balance.total),
        "crossUnPnl": text(unrealised),
        "availableBalance": text(available),
        "maxWithdrawAmount": text(available),
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def mark_price(own_id: str, mark: Decimal | None, rate: Decimal, next_ms: int, now_ms: int) -> dict[str, Any]:
    """premiumIndex."""
    return {
        "symbol": own_id,
        "markPrice": text(mark),
        "indexPrice": text(mark),
        "estimatedSettlePrice": text(mark),
        "lastFundingRate": text(rate),
        "interestRate": "0.00010000",
        "nextFundingTime": next_ms,
        "time": now_ms,
    }
