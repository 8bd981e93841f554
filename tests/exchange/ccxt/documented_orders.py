# ruff: noqa: E501 - one order per line reads as a table
"""Orders in the shape that each exchange documents, and what each of them means. Facts of the documentation, own figures.

Every order is for 2 (base units or contracts) at 100. ``REST`` orders go through ccxt's ``parse_order``, ``FRAMES``
through ``handle_message``, as they come over the socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from btccxt.model import MarketType, OrderStatus

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
OPEN, TRIGGERED, FILLED = OrderStatus.OPEN, OrderStatus.TRIGGERED, OrderStatus.FILLED
CANCELED, EXPIRED = OrderStatus.CANCELED, OrderStatus.EXPIRED
REJECTED, UNKNOWN = OrderStatus.REJECTED, OrderStatus.UNKNOWN

Expected = tuple[OrderStatus, str | None, str | None]
"""Status, filled, average; None: the message does not say."""

NEW: Expected = (OPEN, "0", None)
PART: Expected = (OPEN, "0.5", "100")
FULL: Expected = (FILLED, "2", "100")
GONE: Expected = (CANCELED, "0", None)
GONE_PART: Expected = (CANCELED, "0.5", "100")

Row = tuple[str, MarketType, str, Any, Expected]


# ------------------------------------------------------------------ Kraken Futures


def _kf_open(status: str, filled: float) -> dict[str, Any]:
    return {"order_id": "7", "cliOrdId": "b1", "symbol": "PF_XBTUSD", "side": "buy", "orderType": "lmt", "limitPrice": 100, "unfilledSize": 2 - filled, "receivedTime": "2024-01-05T17:01:17.410Z", "status": status, "filledSize": filled, "reduceOnly": False, "lastUpdateTime": "2024-01-05T17:01:17.410Z"}  # fmt: skip


def _kf_status(status: str, filled: float, update_reason: str | None = None, **order: Any) -> dict[str, Any]:
    return {"order": {"type": "ORDER", "orderId": "7", "cliOrdId": "b1", "symbol": "PF_XBTUSD", "side": "buy", "quantity": 2, "filled": filled, "limitPrice": 100, "reduceOnly": False, "timestamp": "2024-01-05T17:01:17.410Z", "lastUpdateTimestamp": "2024-01-05T17:01:17.410Z", **order}, "status": status, "updateReason": update_reason, "error": None}  # fmt: skip


def _kf_sent(kind: str, *fills: float, status: str = "placed") -> dict[str, Any]:
    order = {"orderId": "7", "cliOrdId": "b1", "type": kind, "symbol": "PF_XBTUSD", "side": "buy", "quantity": 2, "filled": 0, "limitPrice": 100, "reduceOnly": False, "timestamp": "2024-01-05T17:01:17.410Z", "lastUpdateTimestamp": "2024-01-05T17:01:17.410Z"}  # fmt: skip
    events: list[Any] = [{"type": "EXECUTION", "executionId": f"e{n}", "price": 100, "amount": amount, "orderPriorEdit": None, "orderPriorExecution": order, "takerReducedQuantity": None} for n, amount in enumerate(fills)]  # fmt: skip
    events = events or [{"type": "PLACE", "order": order, "reducedQuantity": None}]
    return {"order_id": "7", "status": status, "receivedTime": "2024-01-05T17:01:17.410Z", "orderEvents": events}


def _kf_history(status: str, quantity: str, filled: str) -> dict[str, Any]:
    return {"uid": "7", "accountUid": "9", "tradeable": "PF_XBTUSD", "direction": "Buy", "quantity": quantity, "filled": filled, "timestamp": 1707258274849, "limitPrice": "100", "orderType": "Limit", "clientId": "b1", "reduceOnly": False, "lastUpdateTimestamp": 1707258274849, "status": status}  # fmt: skip


KRAKENFUTURES: list[tuple[str, Any, Expected]] = [
    ("resting", _kf_open("untouched", 0), NEW),
    ("partly filled", _kf_open("partiallyFilled", 0.5), (OPEN, "0.5", None)),
    ("resting, asked for", _kf_status("ENTERED_BOOK", 0), NEW),
    ("partly filled, asked for", _kf_status("ENTERED_BOOK", 0.5, "PARTIAL_FILL"), (OPEN, "0.5", None)),
    ("filled", _kf_status("FULLY_EXECUTED", 2, "FULL_FILL"), (FILLED, "2", None)),
    ("cancelled after a part", _kf_status("CANCELLED", 0.5, "CANCELLED_BY_USER"), (CANCELED, "0.5", None)),
    ("contract expired", _kf_status("CANCELLED", 0, "CONTRACT_EXPIRED"), (EXPIRED, "0", None)),
    ("rejected", _kf_status("REJECTED", 0, "NOT_ENOUGH_MARGIN"), (REJECTED, "0", None)),
    ("trigger waits", _kf_status("TRIGGER_PLACED", 0, type="TRIGGER_ORDER"), NEW),
    ("trigger fired", _kf_status("CANCELLED", 0, "STOP_ORDER_TRIGGERED", type="TRIGGER_ORDER"), (TRIGGERED, "0", None)),
    ("trigger fired in vain", _kf_status("TRIGGER_ACTIVATION_FAILURE", 0, type="TRIGGER_ORDER"), (REJECTED, "0", None)),
    ("word of tomorrow", _kf_status("PARKED", 0), (UNKNOWN, "0", None)),
    ("placed", _kf_sent("lmt"), NEW),
    ("placed, a part at once", _kf_sent("lmt", 0.5), PART),
    ("placed, all at once in two parts", _kf_sent("ioc", 0.5, 1.5), FULL),
    ("IOC with a remainder: placed is not open", _kf_sent("ioc", 0.5), (UNKNOWN, "0.5", "100")),
    ("post-only would execute", {"status": "postWouldExecute", "orderEvents": []}, (REJECTED, "0", None)),
    ("IOC would not execute", {"status": "iocWouldNotExecute", "orderEvents": []}, (REJECTED, "0", None)),
    ("would trade with itself", {"status": "selfFill", "orderEvents": []}, (REJECTED, "0", None)),
    ("history calls a placed order cancelled", _kf_history("canceled", "2", "0"), (UNKNOWN, "0", None)),
    ("history rejects", _kf_history("rejected", "2", "0"), (REJECTED, "0", None)),
]  # fmt: skip


# ------------------------------------------------------------------ Coinbase


def _coinbase(status: str, filled: str, config: str = "limit_limit_gtc", **more: Any) -> dict[str, Any]:
    sizes: dict[str, dict[str, Any]] = {
        "limit_limit_gtc": {"base_size": "2", "limit_price": "100", "post_only": False},
        "sor_limit_ioc": {"base_size": "2", "limit_price": "100"},
        "limit_limit_fok": {"base_size": "2", "limit_price": "100"},
        "limit_limit_gtd": {"base_size": "2", "limit_price": "100", "end_time": "2024-02-01T00:00:00Z", "post_only": False},
        "stop_limit_stop_limit_gtc": {"base_size": "2", "limit_price": "100", "stop_price": "99", "stop_direction": "STOP_DIRECTION_STOP_UP"},
        "market_market_ioc": {"quote_size": "200"},
    }  # fmt: skip
    kind = {"market_market_ioc": "MARKET", "stop_limit_stop_limit_gtc": "STOP_LIMIT"}.get(config, "LIMIT")
    return {"order_id": "7", "product_id": "BTC-USD", "user_id": "u", "order_configuration": {config: sizes[config]}, "side": "BUY", "client_order_id": "b1", "status": status, "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": "2024-01-05T17:01:17.410Z", "completion_percentage": "0", "filled_size": filled, "average_filled_price": "100" if float(filled) else "0", "fee": "", "number_of_fills": "1", "filled_value": "0", "pending_cancel": False, "size_in_quote": False, "total_fees": "0.3", "size_inclusive_of_fees": False, "total_value_after_fees": "0", "trigger_status": "INVALID_ORDER_TYPE", "order_type": kind, "reject_reason": "REJECT_REASON_UNSPECIFIED", "settled": False, "product_type": "SPOT", "reject_message": "", "cancel_message": "", **more}  # fmt: skip


COINBASE: list[tuple[str, Any, Expected]] = [
    ("pending", _coinbase("PENDING", "0"), NEW),
    ("queued", _coinbase("QUEUED", "0"), NEW),
    ("resting", _coinbase("OPEN", "0"), NEW),
    ("partly filled", _coinbase("OPEN", "0.5"), PART),
    ("filled", _coinbase("FILLED", "2"), FULL),
    ("market buy by cost filled", _coinbase("FILLED", "1.997", "market_market_ioc"), (FILLED, "1.997", "100")),
    ("cancelled", _coinbase("CANCELLED", "0"), GONE),
    ("cancelled after a part", _coinbase("CANCELLED", "0.5"), GONE_PART),
    ("cancel on its way", _coinbase("CANCEL_QUEUED", "0.5"), PART),
    ("edit on its way", _coinbase("EDIT_QUEUED", "0"), NEW),
    ("IOC remainder", _coinbase("CANCELLED", "0.5", "sor_limit_ioc"), GONE_PART),
    ("FOK not filled", _coinbase("CANCELLED", "0", "limit_limit_fok"), GONE),
    ("GTD over", _coinbase("EXPIRED", "0.5", "limit_limit_gtd"), (EXPIRED, "0.5", "100")),
    ("failed", _coinbase("FAILED", "0", reject_reason="INSUFFICIENT_FUNDS"), (REJECTED, "0", None)),
    ("stop waits", _coinbase("OPEN", "0", "stop_limit_stop_limit_gtc", trigger_status="STOP_PENDING"), NEW),
    ("stop fired, its limit rests", _coinbase("OPEN", "0", "stop_limit_stop_limit_gtc", trigger_status="STOP_TRIGGERED"), NEW),
    ("no status yet", _coinbase("UNKNOWN_ORDER_STATUS", "0"), (UNKNOWN, "0", None)),
    ("word of tomorrow", _coinbase("HALTED", "0"), (UNKNOWN, "0", None)),
]  # fmt: skip


# ------------------------------------------------------------------ KuCoin


def _ku_spot(active: bool | None, canceled: bool, deal: str, **more: Any) -> dict[str, Any]:
    return {"id": "7", "symbol": "BTC-USDT", "opType": "DEAL", "type": "limit", "side": "buy", "price": "100", "size": "2", "funds": "0", "dealFunds": str(float(deal) * 100), "dealSize": deal, "fee": "0.05", "feeCurrency": "USDT", "stp": "", "stop": "", "stopTriggered": False, "stopPrice": "0", "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "visibleSize": "0", "cancelAfter": 0, "channel": "API", "clientOid": "b1", "remark": None, "tags": None, "isActive": active, "cancelExist": canceled, "createdAt": 1700000000000, "tradeType": "TRADE", **more}  # fmt: skip


def _ku_stop(status: str | None, **more: Any) -> dict[str, Any]:
    return {"id": "7", "symbol": "BTC-USDT", "userId": "u", "status": status, "type": "limit", "side": "sell", "price": "100", "size": "2", "funds": None, "stp": None, "timeInForce": "GTC", "cancelAfter": -1, "postOnly": False, "hidden": False, "iceberg": False, "visibleSize": None, "channel": "API", "clientOid": "b1", "remark": "", "tags": None, "orderTime": 1700000000000000000, "domainId": "kucoin", "tradeSource": "USER", "tradeType": "TRADE", "feeCurrency": "USDT", "takerFeeRate": "0.001", "makerFeeRate": "0.001", "createdAt": 1700000000000, "stop": "loss", "stopTriggerTime": None, "stopPrice": "101", **more}  # fmt: skip


def _ku_future(active: bool, canceled: bool, filled: int, status: str, **more: Any) -> dict[str, Any]:
    return {"id": "7", "symbol": "XBTUSDTM", "type": "limit", "side": "buy", "price": "100", "size": 2, "value": "200", "dealValue": str(filled * 100), "dealSize": filled, "stp": "", "stop": "", "stopPriceType": "", "stopTriggered": False, "stopPrice": None, "timeInForce": "GTC", "postOnly": False, "hidden": False, "iceberg": False, "leverage": "1", "forceHold": False, "closeOrder": False, "visibleSize": None, "clientOid": "b1", "remark": None, "tags": None, "isActive": active, "cancelExist": canceled, "createdAt": 1700000000000, "updatedAt": 1700000000000, "endAt": None, "orderTime": 1700000000000000000, "settleCurrency": "USDT", "status": status, "filledSize": filled, "filledValue": str(filled * 100), "reduceOnly": False, **more}  # fmt: skip


KUCOIN_SPOT: list[tuple[str, Any, Expected]] = [
    ("resting", _ku_spot(True, False, "0"), NEW),
    ("partly filled", _ku_spot(True, False, "0.5"), PART),
    ("filled", _ku_spot(False, False, "2"), FULL),
    ("cancelled after a part", _ku_spot(False, True, "0.5"), GONE_PART),
    ("cancelled", _ku_spot(False, True, "0"), GONE),
    ("IOC remainder", _ku_spot(False, True, "0.5", timeInForce="IOC"), GONE_PART),
    ("self-trade prevention", _ku_spot(False, True, "0", stp="CN"), GONE),
    ("stop waits", _ku_stop("NEW"), (OPEN, None, None)),
    ("stop fired", _ku_stop("TRIGGERED", stopTriggerTime=1700000000001), (TRIGGERED, None, None)),
    ("child of a stop rests", _ku_spot(True, False, "0", stop="loss", stopTriggered=True, stopPrice="101"), NEW),
    ("child of a stop cancelled", _ku_spot(False, True, "0.5", stop="loss", stopTriggered=True, stopPrice="101"), GONE_PART),
    ("word of tomorrow", _ku_stop("ASLEEP"), (UNKNOWN, None, None)),
]  # fmt: skip
KUCOIN_LINEAR: list[tuple[str, Any, Expected]] = [
    ("resting", _ku_future(True, False, 0, "open"), NEW),
    ("partly filled", _ku_future(True, False, 1, "open"), (OPEN, "1", None)),
    ("filled", _ku_future(False, False, 2, "done"), (FILLED, "2", None)),
    ("cancelled after a part", _ku_future(False, True, 1, "done"), (CANCELED, "1", None)),
    ("IOC not filled", _ku_future(False, True, 0, "done", timeInForce="IOC"), GONE),
    ("stop waits", _ku_future(True, False, 0, "open", stop="down", stopPriceType="TP", stopPrice="99"), NEW),
    ("stop fired, its order rests", _ku_future(True, False, 0, "open", stop="down", stopTriggered=True, stopPrice="99"), NEW),
    ("liquidation", _ku_future(False, False, 2, "done", remark="liquidation", type="market", price="0"), (FILLED, "2", None)),
]  # fmt: skip


# ------------------------------------------------------------------ Gate


def _gate_spot(status: str, finish_as: str, left: str, **more: Any) -> dict[str, Any]:
    done = 2 - float(left)
    return {"id": "7", "text": "t-b1", "amend_text": "-", "create_time": "1700000000", "update_time": "1700000001", "create_time_ms": 1700000000000, "update_time_ms": 1700000001000, "status": status, "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "buy", "amount": "2", "price": "100", "time_in_force": "gtc", "iceberg": "0", "left": left, "filled_amount": f"{done:g}", "fill_price": f"{done * 100:g}", "filled_total": f"{done * 100:g}", **({"avg_deal_price": "100"} if done else {}), "fee": "0", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0", "gt_maker_fee": "0", "gt_taker_fee": "0", "gt_discount": False, "rebated_fee": "0", "rebated_fee_currency": "USDT", "finish_as": finish_as, **more}  # fmt: skip


def _gate_swap(status: str, finish_as: str | None, left: int, **more: Any) -> dict[str, Any]:
    return {"id": 7, "user": 1, "contract": "BTC_USDT", "create_time": 1700000000.1, "size": 2, "iceberg": 0, "left": left, "price": "100", "fill_price": "0" if left == 2 else "100", "mkfr": "0", "tkfr": "0.0005", "tif": "gtc", "refu": 0, "is_reduce_only": False, "is_close": False, "is_liq": False, "text": "t-b1", "status": status, "finish_time": 1700000001.1, "finish_as": finish_as, "stp_id": 0, "stp_act": "-", **more}  # fmt: skip


def _gate_trigger(status: str, finish_as: str | None, trade_id: int = 0, **more: Any) -> dict[str, Any]:
    raw = {"id": 7, "user": 1, "trade_id": trade_id, "create_time": 1700000000, "finish_time": 1700000001, "initial": {"contract": "BTC_USDT", "size": 2, "price": "100", "tif": "gtc", "text": "t-b1", "is_reduce_only": False, "is_close": False}, "trigger": {"strategy_type": 0, "price_type": 0, "price": "99", "rule": 1, "expiration": 86400}, "status": status, "reason": "", "order_type": "", "me_order_id": 0, **more}  # fmt: skip
    return raw if finish_as is None else {**raw, "finish_as": finish_as}


def _gate_spot_trigger(status: str, fired: int = 0) -> dict[str, Any]:
    return {"id": 7, "user": 1, "market": "BTC_USDT", "ctime": 1700000000, "ftime": 1700000001, "fired_order_id": fired, "status": status, "reason": "", "trigger": {"price": "99", "rule": ">=", "expiration": 86400}, "put": {"type": "limit", "side": "buy", "price": "100", "amount": "2", "account": "normal", "time_in_force": "gtc", "text": "api"}}  # fmt: skip


GATE_SPOT: list[tuple[str, Any, Expected]] = [
    ("resting", _gate_spot("open", "open", "2"), NEW),
    ("partly filled", _gate_spot("open", "open", "1.5"), PART),
    ("filled", _gate_spot("closed", "filled", "0"), FULL),
    ("cancelled after a part", _gate_spot("cancelled", "cancelled", "1.5"), GONE_PART),
    ("IOC remainder", _gate_spot("cancelled", "ioc", "1.5", time_in_force="ioc"), GONE_PART),
    ("FOK not filled", _gate_spot("cancelled", "fok", "2", time_in_force="fok"), GONE),
    ("post-only would take", _gate_spot("cancelled", "poc", "2", time_in_force="poc"), GONE),
    ("self-trade prevention", _gate_spot("cancelled", "stp", "2", stp_id=1, stp_act="cn"), GONE),
    ("no liquidity", _gate_spot("cancelled", "depth_not_enough", "1.5"), GONE_PART),
    ("liquidation cancels", _gate_spot("cancelled", "liquidate_cancelled", "2"), GONE),
    ("market buy by cost", _gate_spot("closed", "filled", "0.3", type="market", amount="200", time_in_force="ioc", filled_amount="1.997"), (FILLED, "1.997", "100")),
    ("word of tomorrow", _gate_spot("cancelled", "eclipsed", "2"), (UNKNOWN, "0", None)),
    ("batch refused", {"succeeded": False, "label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance", "text": "t-b1"}, (REJECTED, None, None)),
    ("trigger waits", _gate_spot_trigger("open"), (OPEN, None, None)),
    ("trigger fired", _gate_spot_trigger("finish", 88), (TRIGGERED, None, None)),
    ("trigger cancelled", _gate_spot_trigger("cancelled"), (CANCELED, None, None)),
    ("trigger fired in vain", _gate_spot_trigger("failed"), (REJECTED, None, None)),
    ("trigger too old", _gate_spot_trigger("expired"), (EXPIRED, None, None)),
]  # fmt: skip
GATE_LINEAR: list[tuple[str, Any, Expected]] = [
    ("resting", _gate_swap("open", None, 2), NEW),
    ("partly filled", _gate_swap("open", None, 1), (OPEN, "1", "100")),
    ("filled", _gate_swap("finished", "filled", 0), FULL),
    ("cancelled after a part", _gate_swap("finished", "cancelled", 1), (CANCELED, "1", "100")),
    ("IOC remainder", _gate_swap("finished", "ioc", 1, tif="ioc"), (CANCELED, "1", "100")),
    ("cancelled by a liquidation", _gate_swap("finished", "liquidated", 2), GONE),
    ("a liquidation's own order", _gate_swap("finished", "filled", 0, is_liq=True, text="liquidation"), FULL),
    ("deleveraged", _gate_swap("finished", "auto_deleveraged", 2), GONE),
    ("would not reduce", _gate_swap("finished", "reduce_only", 2, is_reduce_only=True), GONE),
    ("position closed", _gate_swap("finished", "position_closed", 1), (CANCELED, "1", "100")),
    ("reduced out", _gate_swap("finished", "reduce_out", 2), GONE),
    ("self-trade prevention", _gate_swap("finished", "stp", 1, stp_id=1, stp_act="cn"), (CANCELED, "1", "100")),
    ("word of tomorrow", _gate_swap("finished", "eclipsed", 2), (UNKNOWN, "0", None)),
    ("trigger waits", _gate_trigger("open", None), (OPEN, None, None)),
    ("trigger fired, child named", _gate_trigger("finished", "succeeded", 88), (TRIGGERED, None, None)),
    ("trigger fired in vain", _gate_trigger("finished", "failed", reason="INSUFFICIENT_AVAILABLE"), (REJECTED, None, None)),
    ("trigger cancelled", _gate_trigger("finished", "cancelled"), (CANCELED, None, None)),
    ("trigger too old", _gate_trigger("finished", "expired"), (EXPIRED, None, None)),
    ("trigger finished, nobody says how", _gate_trigger("finished", None), (UNKNOWN, None, None)),
    ("trigger invalid", _gate_trigger("invalid", None), (REJECTED, None, None)),
]  # fmt: skip


# ------------------------------------------------------------------ Bitget


def _bg_spot(status: str, base: str, **more: Any) -> dict[str, Any]:
    fee = json.dumps({"newFees": {"c": 0, "d": 0, "deduction": False, "r": -0.05, "t": -0.05, "totalDeductionFee": 0}, "USDT": {"deduction": False, "feeCoinCode": "USDT", "totalDeductionFee": 0, "totalFee": -0.05}})  # fmt: skip
    return {"userId": "1", "symbol": "BTCUSDT", "orderId": "7", "clientOid": "b1", "price": "100", "size": "2", "orderType": "limit", "side": "buy", "status": status, "priceAvg": "100" if float(base) else "0", "baseVolume": base, "quoteVolume": "0", "enterPointSource": "API", "feeDetail": fee, "orderSource": "normal", "cancelReason": "", "cTime": "1700000000000", "uTime": "1700000000000", **more}  # fmt: skip


def _bg_mix(state: str, base: str, **more: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "size": "2", "orderId": "7", "clientOid": "b1", "baseVolume": base, "fee": "-0.05", "price": "100", "priceAvg": "100" if float(base) else "", "state": state, "side": "buy", "force": "gtc", "totalProfits": "0", "posSide": "net", "marginCoin": "USDT", "quoteVolume": "0", "orderType": "limit", "leverage": "20", "marginMode": "crossed", "reduceOnly": "NO", "enterPointSource": "API", "tradeSide": "buy_single", "posMode": "one_way_mode", "orderSource": "normal", "cancelReason": "", "cTime": "1700000000000", "uTime": "1700000000000", **more}  # fmt: skip


def _bg_plan(status: str, key: str = "planStatus", **more: Any) -> dict[str, Any]:
    return {"planType": "normal_plan", "symbol": "BTCUSDT", "size": "2", "orderId": "7", "executeOrderId": "", "clientOid": "b1", key: status, "price": "100", "executePrice": "100", "priceAvg": "", "baseVolume": "0", "callbackRatio": "", "triggerPrice": "99", "triggerType": "fill_price", "side": "buy", "posSide": "net", "marginCoin": "USDT", "marginMode": "crossed", "enterPointSource": "API", "tradeSide": "open", "posMode": "one_way_mode", "orderType": "limit", "orderSource": "normal", "cTime": "1700000000000", "uTime": "1700000000000", **more}  # fmt: skip


def _bg_spot_plan(status: str) -> dict[str, Any]:
    return {"orderId": "7", "clientOid": "b1", "symbol": "BTCUSDT", "size": "2", "executePrice": "100", "triggerPrice": "99", "status": status, "orderType": "limit", "side": "buy", "planType": "amount", "triggerType": "fill_price", "enterPointSource": "API", "cTime": "1700000000000", "uTime": "1700000000000"}  # fmt: skip


BITGET_SPOT: list[tuple[str, Any, Expected]] = [
    ("resting", _bg_spot("live", "0"), NEW),
    ("partly filled", _bg_spot("partially_filled", "0.5"), PART),
    ("filled", _bg_spot("filled", "2"), FULL),
    ("cancelled", _bg_spot("cancelled", "0", cancelReason="normal_cancel"), GONE),
    ("cancelled after a part", _bg_spot("cancelled", "0.5", cancelReason="normal_cancel"), GONE_PART),
    ("post-only would take", _bg_spot("cancelled", "0", force="post_only", cancelReason="post_only_cancel"), GONE),
    ("market buy by cost", _bg_spot("filled", "1.997", orderType="market", size="200", price="0"), (FILLED, "1.997", "100")),
    ("batch refused", {"orderId": "", "clientOid": "b1", "errorMsg": "Insufficient balance", "errorCode": "43012"}, (REJECTED, None, None)),
    ("plan waits", _bg_spot_plan("live"), (OPEN, None, None)),
    ("plan fired", _bg_spot_plan("executed"), (TRIGGERED, None, None)),
    ("plan is firing", _bg_spot_plan("executing"), (TRIGGERED, None, None)),
    ("plan fired in vain", _bg_spot_plan("fail_execute"), (REJECTED, None, None)),
    ("plan cancelled", _bg_spot_plan("cancelled"), (CANCELED, None, None)),
    ("word of tomorrow", _bg_spot("mislaid", "0"), (UNKNOWN, "0", None)),
]  # fmt: skip
BITGET_LINEAR: list[tuple[str, Any, Expected]] = [
    ("resting", _bg_mix("live", "0"), NEW),
    ("partly filled", _bg_mix("partially_filled", "0.5"), PART),
    ("filled", _bg_mix("filled", "2"), FULL),
    ("cancelled after a part", _bg_mix("canceled", "0.5"), GONE_PART),
    ("cancelled by self-trade prevention", _bg_mix("canceled", "0", cancelReason="stp_cancel"), GONE),
    ("liquidation", _bg_mix("filled", "2", orderSource="pos_loss_market", orderType="market", side="sell", reduceOnly="YES"), FULL),
    ("plan waits", _bg_plan("live"), (OPEN, None, None)),
    ("plan fired, its child filled", _bg_plan("executed", executeOrderId="88", baseVolume="2", priceAvg="100"), (TRIGGERED, None, None)),
    ("plan fired, its child not filled", _bg_plan("executed", executeOrderId="88"), (TRIGGERED, None, None)),
    ("plan fired in vain", _bg_plan("fail_execute"), (REJECTED, None, None)),
    ("plan not fired", _bg_plan("fail_trigger"), (REJECTED, None, None)),
    ("plan cancelled", _bg_plan("cancelled"), (CANCELED, None, None)),
]  # fmt: skip


# ------------------------------------------------------------------ MEXC


def _mx_spot(status: str, done: str, **more: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "orderId": "C02__7", "orderListId": -1, "clientOrderId": "b1", "price": "100", "origQty": "2", "executedQty": done, "cummulativeQuoteQty": f"{float(done) * 100:g}", "status": status, "timeInForce": None, "type": "LIMIT", "side": "BUY", "stopPrice": None, "icebergQty": None, "time": 1700000000000, "updateTime": 1700000000000, "isWorking": True, "origQuoteOrderQty": "200", **more}  # fmt: skip


def _mx_swap(state: int, done: int, **more: Any) -> dict[str, Any]:
    return {"orderId": "7", "symbol": "BTC_USDT", "positionId": 0, "price": 100, "vol": 2, "leverage": 20, "side": 1, "category": 1, "orderType": 1, "dealAvgPrice": 100 if done else 0, "dealVol": done, "orderMargin": 0.1, "takerFee": 0, "makerFee": 0, "profit": 0, "feeCurrency": "USDT", "openType": 1, "state": state, "externalOid": "b1", "errorCode": 0, "usedMargin": 0, "createTime": 1700000000000, "updateTime": 1700000000000, **more}  # fmt: skip


def _mx_plan(state: int) -> dict[str, Any]:
    return {"id": "7", "symbol": "BTC_USDT", "leverage": 20, "side": 1, "triggerPrice": 99, "price": 100, "vol": 2, "openType": 1, "triggerType": 1, "state": state, "executeCycle": 24, "trend": 1, "errorCode": 0, "orderType": 1, "createTime": 1700000000000, "updateTime": 1700000000000}  # fmt: skip


MEXC_SPOT: list[tuple[str, Any, Expected]] = [
    ("resting", _mx_spot("NEW", "0"), NEW),
    ("partly filled", _mx_spot("PARTIALLY_FILLED", "0.5"), PART),
    ("filled", _mx_spot("FILLED", "2"), FULL),
    ("cancelled", _mx_spot("CANCELED", "0"), GONE),
    ("cancelled after a part", _mx_spot("PARTIALLY_CANCELED", "0.5"), GONE_PART),
    ("IOC remainder", _mx_spot("PARTIALLY_CANCELED", "0.5", type="IMMEDIATE_OR_CANCEL"), GONE_PART),
    ("FOK not filled", _mx_spot("CANCELED", "0", type="FILL_OR_KILL"), GONE),
    ("post-only would take", _mx_spot("CANCELED", "0", type="LIMIT_MAKER"), GONE),
    ("word of tomorrow", _mx_spot("SUSPENDED", "0"), (UNKNOWN, "0", None)),
    ("batch refused", {"code": 30004, "msg": "Insufficient position", "newClientOrderId": "b1"}, (REJECTED, None, None)),
]  # fmt: skip
MEXC_LINEAR: list[tuple[str, Any, Expected]] = [
    ("uninformed", _mx_swap(1, 0), NEW),
    ("resting", _mx_swap(2, 0), NEW),
    ("partly filled", _mx_swap(2, 1), (OPEN, "1", "100")),
    ("filled", _mx_swap(3, 2), FULL),
    ("cancelled after a part", _mx_swap(4, 1), (CANCELED, "1", "100")),
    ("post-only would take", _mx_swap(4, 0, orderType=2), GONE),
    ("invalid", _mx_swap(5, 0, errorCode=2), (REJECTED, "0", None)),
    ("liquidation", _mx_swap(3, 2, category=2, side=4, externalOid="_m_1"), FULL),
    ("deleveraged", _mx_swap(3, 2, category=4, side=4, externalOid="_m_2"), FULL),
    ("state of tomorrow", _mx_swap(9, 0), (UNKNOWN, "0", None)),
    ("plan waits", _mx_plan(1), (OPEN, None, None)),
    ("plan cancelled", _mx_plan(2), (CANCELED, None, None)),
    ("plan fired", _mx_plan(3), (TRIGGERED, None, None)),
    ("plan invalid", _mx_plan(4), (REJECTED, None, None)),
    ("plan fired in vain", _mx_plan(5), (REJECTED, None, None)),
]  # fmt: skip


# ------------------------------------------------------------------ HTX


def _hx_spot(state: str, done: str, **more: Any) -> dict[str, Any]:
    return {"id": 7, "symbol": "btcusdt", "account-id": 1, "client-order-id": "b1", "amount": "2", "market-amount": "0", "ice-amount": "0", "is-ice": False, "price": "100", "created-at": 1700000000000, "type": "buy-limit", "field-amount": done, "field-cash-amount": f"{float(done) * 100:g}", "field-fees": "0.001", "finished-at": 0, "updated-at": 1700000000000, "source": "spot-api", "state": state, "canceled-at": 0, **more}  # fmt: skip


def _hx_swap(status: int, done: int, **more: Any) -> dict[str, Any]:
    return {"symbol": "BTC", "contract_code": "BTC-USDT", "contract_type": "swap", "business_type": "swap", "volume": 2, "price": 100, "order_price_type": "limit", "order_type": 1, "direction": "buy", "offset": "both", "lever_rate": 5, "order_id": 7, "order_id_str": "7", "client_order_id": 17, "created_at": 1700000000000, "trade_volume": done, "trade_turnover": done * 100, "fee": -0.1, "trade_avg_price": 100 if done else None, "margin_frozen": 0, "profit": 0, "status": status, "order_source": "api", "fee_asset": "USDT", "liquidation_type": "0", "canceled_at": 0, "margin_mode": "cross", "margin_asset": "USDT", "is_tpsl": 0, "real_profit": 0, "reduce_only": 0, **more}  # fmt: skip


def _hx_v5(state: str, done: str, **more: Any) -> dict[str, Any]:
    return {"id": "7", "contract_code": "BTC-USDT", "side": "buy", "position_side": "both", "type": "limit", "price_match": None, "order_id": "7", "client_order_id": "17", "margin_mode": "cross", "price": "100", "volume": "2", "lever_rate": 10, "state": state, "order_source": "api", "reduce_only": False, "time_in_force": "gtc", "trade_avg_price": "100" if float(done) else "0", "trade_volume": done, "trade_turnover": "0", "fee_currency": "USDT", "fee": "0", "profit": "0", "created_time": "1700000000000", "updated_time": "1700000000000", **more}  # fmt: skip


HTX_SPOT: list[tuple[str, Any, Expected]] = [
    ("created", _hx_spot("created", "0"), NEW),
    ("resting", _hx_spot("submitted", "0"), NEW),
    ("partly filled", _hx_spot("partial-filled", "0.5"), PART),
    ("filled", _hx_spot("filled", "2"), FULL),
    ("cancelled", _hx_spot("canceled", "0"), GONE),
    ("cancelled after a part", _hx_spot("partial-canceled", "0.5"), GONE_PART),
    ("cancel on its way", _hx_spot("canceling", "0.5"), PART),
    ("IOC remainder", _hx_spot("partial-canceled", "0.5", type="buy-ioc"), GONE_PART),
    ("FOK not filled", _hx_spot("canceled", "0", type="buy-limit-fok"), GONE),
    ("post-only would take", _hx_spot("canceled", "0", type="buy-limit-maker"), GONE),
    ("stop-limit waits", _hx_spot("created", "0", type="buy-stop-limit", **{"stop-price": "99", "operator": "gte"}), NEW),
    ("stop-limit fired, its limit rests", _hx_spot("submitted", "0", type="buy-stop-limit", **{"stop-price": "99", "operator": "gte"}), NEW),
    ("market buy by cost", _hx_spot("filled", "1.997", type="buy-market", amount="200", price="0", **{"field-cash-amount": "199.7"}), (FILLED, "1.997", "100")),
    ("word of tomorrow", _hx_spot("embargoed", "0"), (UNKNOWN, "0", None)),
    ("batch refused", {"err-code": "order-value-min-error", "err-msg": "Order total cannot be lower", "client-order-id": "b1"}, (REJECTED, None, None)),
]  # fmt: skip
HTX_LINEAR: list[tuple[str, Any, Expected]] = [
    ("submitting", _hx_swap(1, 0), NEW),
    ("resting", _hx_swap(3, 0), NEW),
    ("partly filled", _hx_swap(4, 1), (OPEN, "1", "100")),
    ("filled", _hx_swap(6, 2), FULL),
    ("cancelled after a part", _hx_swap(5, 1), (CANCELED, "1", "100")),
    ("cancelled", _hx_swap(7, 0), GONE),
    ("cancel on its way", _hx_swap(11, 0), NEW),
    ("liquidation", _hx_swap(6, 2, order_type=3, liquidation_type="2", direction="sell"), FULL),
    ("v5 resting", _hx_v5("new", "0"), NEW),
    ("v5 partly filled", _hx_v5("partially_filled", "1"), (OPEN, "1", "100")),
    ("v5 filled", _hx_v5("filled", "2"), FULL),
    ("v5 cancelled after a part", _hx_v5("partially_canceled", "1"), (CANCELED, "1", "100")),
    ("v5 cancelled", _hx_v5("canceled", "0"), GONE),
    ("v5 rejected", _hx_v5("rejected", "0"), (REJECTED, "0", None)),
    ("v5 word of tomorrow", _hx_v5("embargoed", "0"), (UNKNOWN, "0", None)),
]  # fmt: skip


# ------------------------------------------------------------------ Bitfinex


def bitfinex_row(
    state: str, left: float, kind: str = "EXCHANGE LIMIT", market: str = "tBTCUSD", average: float = 0
) -> list[Any]:
    """ID GID CID SYMBOL CREATED UPDATED AMOUNT ORIG TYPE PREV TIF _ FLAGS STATUS _ _ PRICE AVG TRAILING AUX …"""
    return [7, None, 17, market, 1700000000000, 1700000000001, left, 2, kind, None, None, None, 0, state, None, None, 100, average, 0, 0, None, None, None, 0, 0, None, None, None, "API>BFX", None, None, {}]  # fmt: skip


BITFINEX: list[tuple[str, Any, Expected]] = [
    (state, {"result": bitfinex_row(state, left, average=average)}, (status, filled, "100" if average else None))
    for state, left, average, status, filled in [
        ("ACTIVE", 2, 0, OPEN, "0"),
        ("PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100, OPEN, "0.5"),
        ("EXECUTED @ 100.0(2.0)", 0, 100, FILLED, "2"),
        ("EXECUTED @ 100.0(1.5): was PARTIALLY FILLED @ 100.0(0.5)", 0, 100, FILLED, "2"),
        ("FORCED EXECUTED @ 100.0(2.0)", 0, 100, FILLED, "2"),
        ("CANCELED", 2, 0, CANCELED, "0"),
        ("CANCELED was: PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100, CANCELED, "0.5"),
        ("IOC CANCELED was: PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100, CANCELED, "0.5"),
        ("FILLORKILL CANCELED", 2, 0, CANCELED, "0"),
        ("POSTONLY CANCELED", 2, 0, CANCELED, "0"),
        ("INSUFFICIENT MARGIN was: ACTIVE (note:POSCLOSE)", 2, 0, CANCELED, "0"),
        ("RSN_PAUSE (trading is paused / paused due to AMPL rebase event)", 2, 0, REJECTED, "0"),
        ("MOTHBALLED", 2, 0, UNKNOWN, "0"),
    ]
]  # fmt: skip


# ------------------------------------------------------------------ Hyperliquid


def hyperliquid_order(left: str, **more: Any) -> dict[str, Any]:
    return {"coin": "BTC", "side": "B", "limitPx": "100.0", "sz": left, "oid": 7, "timestamp": 1700000000000, "triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": [], "isPositionTpsl": False, "reduceOnly": False, "orderType": "Limit", "origSz": "2.0", "tif": "Gtc", "cloid": "0x" + "b" * 32, **more}  # fmt: skip


def _hl(status: str, left: str, **more: Any) -> dict[str, Any]:
    return {"order": hyperliquid_order(left, **more), "status": status, "statusTimestamp": 1700000000001}


_HL_STOP = {"isTrigger": True, "triggerPx": "99.0", "triggerCondition": "Price above 99", "orderType": "Stop Limit"}
HYPERLIQUID: list[tuple[str, Any, Expected]] = [
    ("resting", _hl("open", "2.0"), NEW),
    ("partly filled", _hl("open", "1.5"), (OPEN, "0.5", None)),
    ("filled", _hl("filled", "0.0"), (FILLED, "2", None)),
    ("filled, the history keeps the size", _hl("filled", "2.0"), (FILLED, None, None)),
    ("cancelled after a part", _hl("canceled", "1.5"), (CANCELED, "0.5", None)),
    ("stop waits", _hl("open", "2.0", **_HL_STOP), NEW),
    ("stop fired, its limit rests", _hl("triggered", "2.0", **_HL_STOP), NEW),
    ("reduce-only cut down, not filled", _hl("open", "1.0", reduceOnly=True), (OPEN, None, None)),
    ("reduce-only with no position left", _hl("reduceOnlyCanceled", "1.0", reduceOnly=True), (CANCELED, None, None)),
    ("dead-man's switch", _hl("scheduledCancel", "2.0"), GONE),
    ("no order of this id", {"status": "unknownOid"}, (UNKNOWN, None, None)),
    ("word of tomorrow", _hl("hibernating", "2.0"), (UNKNOWN, "0", None)),
    ("placed, resting", {"resting": {"oid": 7, "cloid": "0x" + "b" * 32}}, (OPEN, None, None)),
    ("placed, traded at once: perhaps in part", {"filled": {"totalSz": "0.5", "avgPx": "100.0", "oid": 7}}, (UNKNOWN, "0.5", "100")),
    ("refused", {"error": "Post only order would have immediately matched"}, (REJECTED, None, None)),
    *((word, _hl(word, "2.0"), GONE) for word in ("marginCanceled", "vaultWithdrawalCanceled", "openInterestCapCanceled", "selfTradeCanceled", "siblingFilledCanceled", "delistedCanceled", "liquidatedCanceled")),
    *((word, _hl(word, "2.0"), (REJECTED, "0", None)) for word in ("rejected", "tickRejected", "minTradeNtlRejected", "perpMarginRejected", "badAloPxRejected", "iocCancelRejected", "badTriggerPxRejected", "marketOrderNoLiquidityRejected", "oracleRejected", "insufficientSpotBalanceRejected", "perpMaxPositionRejected")),
]  # fmt: skip


# ------------------------------------------------------------------ Deribit


def deribit_order(state: str, filled: float, **more: Any) -> dict[str, Any]:
    return {"web": False, "time_in_force": "good_til_cancelled", "replaced": False, "reduce_only": False, "price": 100.0, "post_only": False, "order_type": "limit", "order_state": state, "order_id": "USDC-7", "max_show": 2.0, "last_update_timestamp": 1700000000001, "label": "b1", "is_rebalance": False, "is_liquidation": False, "instrument_name": "BTC_USDC-PERPETUAL", "filled_amount": filled, "direction": "buy", "creation_timestamp": 1700000000000, "contracts": 20.0, "average_price": 100.0 if filled else 0.0, "api": True, "amount": 2.0, **more}  # fmt: skip


_DB_STOP = {"order_type": "stop_limit", "trigger": "last_price", "trigger_price": 101.0, "triggered": False, "order_id": "USDC-SLTS-7"}  # fmt: skip
DERIBIT: list[tuple[str, Any, Expected]] = [
    ("resting", deribit_order("open", 0), NEW),
    ("partly filled", deribit_order("open", 0.5), PART),
    ("filled", deribit_order("filled", 2), FULL),
    ("cancelled after a part", deribit_order("cancelled", 0.5, cancel_reason="user_request"), GONE_PART),
    ("IOC remainder", deribit_order("cancelled", 0.5, time_in_force="immediate_or_cancel"), GONE_PART),
    ("FOK not filled", deribit_order("cancelled", 0, time_in_force="fill_or_kill"), GONE),
    ("self-trade prevention", deribit_order("cancelled", 0, cancel_reason="self_match_prevention"), GONE),
    ("liquidation", deribit_order("filled", 2, is_liquidation=True, order_type="market", price="market_price"), FULL),
    ("rejected", deribit_order("rejected", 0, reject_reason="not_enough_funds"), (REJECTED, "0", None)),
    ("stop waits", deribit_order("untriggered", 0, **_DB_STOP), NEW),
    ("stop fired", deribit_order("triggered", 0, **{**_DB_STOP, "triggered": True}), (TRIGGERED, "0", None)),
    ("stop's child rests", deribit_order("open", 0, triggered=True, trigger="last_price", trigger_order_id="USDC-SLTS-7", trigger_price=101.0), NEW),
    ("stop's child cancelled", deribit_order("cancelled", 0.5, triggered=True, trigger="last_price", trigger_order_id="USDC-SLTS-7", trigger_price=101.0), GONE_PART),
    ("archived", deribit_order("archive", 0), (UNKNOWN, "0", None)),
    ("word of tomorrow", deribit_order("hibernating", 0), (UNKNOWN, "0", None)),
]  # fmt: skip


# ------------------------------------------------------------------ Kraken: what its recorded answers do not hold


def _kraken(status: str, done: str, oflags: str = "fciq", vol: str = "2", **more: Any) -> dict[str, Any]:
    return {"id": "O7", "refid": None, "userref": 0, "cl_ord_id": "b1", "status": status, "reason": None, "opentm": 1700000000.1, "closetm": 1700000001.1, "starttm": 0, "expiretm": 0, "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "100", "price2": "0", "leverage": "none", "order": "buy 2 XBTUSD @ limit 100", "close": ""}, "vol": vol, "vol_exec": done, "cost": "50", "fee": "0.1", "price": "100" if float(done) else "0", "stopprice": "0", "limitprice": "0", "misc": "", "oflags": oflags, **more}  # fmt: skip


KRAKEN: list[tuple[str, Any, Expected]] = [
    ("IOC remainder", _kraken("canceled", "0.5", timeinforce="IOC"), (CANCELED, "0.5", None)),
    ("post-only would take", _kraken("canceled", "0", "fciq,post", reason="Post only order"), (CANCELED, "0", None)),
    ("GTD over", _kraken("expired", "0.5"), (EXPIRED, "0.5", None)),
    ("market buy by cost counts in quote", _kraken("closed", "200", "fciq,viqc", "200"), (FILLED, None, None)),
    ("word of tomorrow", _kraken("mislaid", "0"), (UNKNOWN, "0", None)),
]  # fmt: skip


def rest_orders() -> Iterator[Row]:
    """Exchange, market, what it shows, the raw order, what it means."""
    tables = [
        ("krakenfutures", LINEAR, KRAKENFUTURES), ("coinbase", SPOT, COINBASE), ("kucoin", SPOT, KUCOIN_SPOT), ("kucoin", LINEAR, KUCOIN_LINEAR),
        ("gate", SPOT, GATE_SPOT), ("gate", LINEAR, GATE_LINEAR), ("bitget", SPOT, BITGET_SPOT), ("bitget", LINEAR, BITGET_LINEAR),
        ("mexc", SPOT, MEXC_SPOT), ("mexc", LINEAR, MEXC_LINEAR), ("htx", SPOT, HTX_SPOT), ("htx", LINEAR, HTX_LINEAR),
        ("bitfinex", SPOT, BITFINEX), ("hyperliquid", LINEAR, HYPERLIQUID), ("deribit", LINEAR, DERIBIT), ("kraken", SPOT, KRAKEN),
    ]  # fmt: skip
    for exchange_id, market_type, table in tables:
        for what, raw, expected in table:
            yield exchange_id, market_type, what, raw, expected
