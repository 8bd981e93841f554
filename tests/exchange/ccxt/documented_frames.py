# ruff: noqa: E501 - one frame per line reads as a table
"""Frames of the private order streams in the shape that each exchange documents, and what each of them means.

Every order is for 2 (base units or contracts) at 100. Facts of the documentation, own figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.exchange.ccxt.documented_orders import (
    CANCELED,
    EXPIRED,
    FILLED,
    FULL,
    GONE,
    GONE_PART,
    LINEAR,
    NEW,
    OPEN,
    PART,
    REJECTED,
    SPOT,
    TRIGGERED,
    UNKNOWN,
    Expected,
    MarketType,
    bitfinex_row,
    deribit_order,
    hyperliquid_order,
)

Frames = tuple[Any, ...]
"""Sent one after the other; what the last one shows is expected."""
FrameRow = tuple[str, MarketType, str, str, Frames, Expected]


def _coinbase(status: str, done: str, left: str) -> Frames:
    order = {"avg_price": "100" if float(done) else "0", "cancel_reason": "", "client_order_id": "b1", "completion_percentage": "0", "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE", "cumulative_quantity": done, "filled_value": f"{float(done) * 100:g}", "leaves_quantity": left, "limit_price": "100", "number_of_fills": "1", "order_id": "7", "order_side": "BUY", "order_type": "Limit", "outstanding_hold_amount": "0", "post_only": "false", "product_id": "BTC-USD", "product_type": "SPOT", "reject_reason": "", "retail_portfolio_id": "r", "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE", "status": status, "stop_price": "", "time_in_force": "GOOD_UNTIL_CANCELLED", "total_fees": "0", "total_value_after_fees": "0", "trigger_status": "INVALID_ORDER_TYPE", "creation_time": "2024-01-05T17:01:17.410Z"}  # fmt: skip
    return (
        {
            "channel": "user",
            "client_id": "",
            "timestamp": "2024-01-05T17:01:18Z",
            "sequence_num": 1,
            "events": [{"type": "update", "orders": [order]}],
        },
    )


def _ku(kind: str, status: str, done: str, *, future: bool = False, **more: Any) -> Frames:
    left = f"{2 - float(done):g}"
    data = {"canceledSize": left if kind == "canceled" else "0", "clientOid": "b1", "filledSize": done, "orderId": "7", "orderTime": 1700000000000000000 if future else 1700000000000, "orderType": "limit", "originSize": "2", "price": "100", "remainSize": "0" if kind == "canceled" else left, "side": "buy", "size": "2", "status": status, "symbol": "XBTUSDTM" if future else "BTC-USDT", "ts": 1700000000000000000, "type": kind, **more}  # fmt: skip
    topic = "/contractMarket/tradeOrders" if future else "/spotMarket/tradeOrdersV2"
    return (
        {
            "topic": topic,
            "type": "message",
            "subject": "symbolOrderChange" if future else "orderChange",
            "channelType": "private",
            "data": data,
        },
    )


_MATCH = {"matchPrice": "100", "matchSize": "0.5", "tradeId": "t1", "liquidity": "taker", "feeType": "takerFee"}


def _ku_stop(kind: str, *, future: bool = False, **more: Any) -> Frames:
    data = {"createdAt": 1700000000000, "orderId": "7", "orderPrice": "100", "orderType": "limit", "side": "sell", "size": "2", "stop": "down" if future else "loss", "stopPrice": "99", "symbol": "XBTUSDTM" if future else "BTC-USDT", "tradeType": "TRADE", "triggerSuccess": True, "ts": 1700000000000000000, "type": kind, **more}  # fmt: skip
    topic = "/contractMarket/advancedOrders" if future else "/spotMarket/advancedOrders"
    return ({"topic": topic, "type": "message", "subject": "stopOrder", "channelType": "private", "data": data},)


def _gate_spot(event: str, finish_as: str, left: str, **more: Any) -> Frames:
    done = 2 - float(left)
    order = {"id": "7", "text": "t-b1", "create_time": "1700000000", "update_time": "1700000000", "currency_pair": "BTC_USDT", "type": "limit", "account": "spot", "side": "buy", "amount": "2", "price": "100", "time_in_force": "gtc", "left": left, "filled_total": f"{done * 100:g}", "filled_amount": f"{done:g}", "avg_deal_price": "100" if done else "0", "fee": "0", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0", "rebated_fee": "0", "rebated_fee_currency": "USDT", "create_time_ms": "1700000000123.1", "update_time_ms": "1700000000123.1", "user": 1, "event": event, "stp_id": 0, "stp_act": "-", "finish_as": finish_as, "biz_info": "-", "amend_text": "-", **more}  # fmt: skip
    return ({"time": 1700000000, "channel": "spot.orders", "event": "update", "result": [order]},)


def _gate_swap(status: str, finish_as: str, left: int, **more: Any) -> Frames:
    order = {"contract": "BTC_USDT", "create_time": 1700000000, "create_time_ms": 1700000000123, "fill_price": 0 if left == 2 else 100, "finish_as": finish_as, "finish_time": 1700000000, "finish_time_ms": 1700000000123, "iceberg": 0, "id": 7, "is_close": False, "is_liq": False, "is_reduce_only": False, "left": left, "mkfr": -0.00025, "price": 100, "refr": 0, "refu": 0, "size": 2, "status": status, "text": "t-b1", "tif": "gtc", "tkfr": 0.0005, "user": "1", "update_id": 1, "update_time": 1700000000123, "stp_id": "0", "stp_act": "-", **more}  # fmt: skip
    return (
        {
            "channel": "futures.orders",
            "event": "update",
            "time": 1700000000,
            "time_ms": 1700000000123,
            "result": [order],
        },
    )


def _bg_spot(status: str, done: str, **more: Any) -> Frames:
    order = {"instId": "BTCUSDT", "orderId": "7", "clientOid": "b1", "price": "100", "size": "2", "newSize": "2", "notional": "200", "orderType": "limit", "force": "gtc", "side": "buy", **({"fillPrice": "100", "tradeId": "t1", "baseVolume": done, "fillTime": "1700000000000", "fillFee": "-0.001", "fillFeeCoin": "BTC", "tradeScope": "M"} if float(done) else {}), "accBaseVolume": done, "priceAvg": "100" if float(done) else "0", "status": status, "cTime": "1700000000000", "uTime": "1700000000000", "stpMode": "none", "feeDetail": [{"feeCoin": "BTC", "fee": "-0.001"}], "enterPointSource": "API", **more}  # fmt: skip
    return (
        {
            "action": "snapshot",
            "arg": {"instType": "SPOT", "channel": "orders", "instId": "default"},
            "data": [order],
            "ts": 1700000000000,
        },
    )


def _bg_mix(status: str, done: str, **more: Any) -> Frames:
    order = {"accBaseVolume": done, "cTime": "1700000000000", "clientOid": "b1", "feeDetail": [{"feeCoin": "USDT", "fee": "-0.1"}], "fillFee": "-0.1", "fillFeeCoin": "USDT", "fillNotionalUsd": "50", "fillPrice": "100", "baseVolume": "0.25", "fillTime": "1700000000000", "force": "gtc", "instId": "BTCUSDT", "leverage": "20", "marginCoin": "USDT", "marginMode": "crossed", "notionalUsd": "200", "orderId": "7", "orderType": "limit", "pnl": "0", "posMode": "one_way_mode", "posSide": "net", "price": "100", "priceAvg": "100" if float(done) else "0", "reduceOnly": "no", "stpMode": "none", "side": "buy", "size": "2", "enterPointSource": "API", "status": status, "tradeScope": "T", "tradeId": "t1", "tradeSide": "buy_single", "presetStopSurplusPrice": "", "totalProfits": "0", "presetStopLossPrice": "", "cancelReason": "", "uTime": "1700000000000", **more}  # fmt: skip
    return (
        {
            "action": "snapshot",
            "arg": {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"},
            "data": [order],
            "ts": 1700000000000,
        },
    )


def _bg_plan(status: str) -> Frames:
    order = {"instId": "BTCUSDT", "orderId": "7", "clientOid": "b1", "triggerPrice": "99", "triggerType": "fill_price", "triggerTime": "1700000000000", "planType": "pl", "price": "100", "executePrice": "100", "size": "2", "actualSize": "2", "orderType": "limit", "side": "buy", "tradeSide": "buy_single", "posSide": "net", "marginCoin": "USDT", "status": status, "posMode": "one_way_mode", "enterPointSource": "API", "cTime": "1700000000000", "uTime": "1700000000000"}  # fmt: skip
    return (
        {
            "action": "snapshot",
            "arg": {"instType": "USDT-FUTURES", "channel": "orders-algo", "instId": "default"},
            "data": [order],
            "ts": 1700000000000,
        },
    )


def _mx_spot(status: int, done: str) -> Frames:
    order = {"id": "C02__7", "clientId": "b1", "price": "100", "quantity": "2", "amount": "200", "avgPrice": "100" if float(done) else "0", "orderType": 1, "tradeType": 1, "remainAmount": "0", "remainQuantity": f"{2 - float(done):g}", "cumulativeQuantity": done, "cumulativeAmount": "0", "status": status, "createTime": "1700000000000"}  # fmt: skip
    return (
        {
            "channel": "spot@private.orders.v3.api.pb",
            "symbol": "BTCUSDT",
            "sendTime": 1700000000000,
            "privateOrders": order,
        },
    )


def _mx_swap(state: int, done: int) -> Frames:
    data = {"category": 1, "createTime": 1700000000000, "dealAvgPrice": 100 if done else 0, "dealVol": done, "errorCode": 0, "externalOid": "b1", "feeCurrency": "USDT", "leverage": 15, "makerFee": 0, "openType": 1, "orderId": "7", "orderMargin": 0, "orderType": 1, "positionId": 1, "price": 100, "profit": 0, "remainVol": 2 - done, "side": 1, "state": state, "symbol": "BTC_USDT", "takerFee": 0, "updateTime": 1700000000000, "usedMargin": 0, "version": 2, "vol": 2}  # fmt: skip
    return ({"channel": "push.personal.order", "data": data, "ts": 1700000000000},)


def _hx_spot(event: str, status: str, done: str = "0", **more: Any) -> Frames:
    base = {"orderId": 7, "type": "buy-limit", "clientOrderId": "b1", "orderSource": "spot-api", "orderPrice": "100", "orderSize": "2", "orderStatus": status, "symbol": "btcusdt", "eventType": event, "accountId": 1}  # fmt: skip
    trade = {"tradePrice": "100", "tradeVolume": "0.5", "tradeTime": 1700000000000, "aggressor": True, "tradeId": 9}
    moved = {"remainAmt": f"{2 - float(done):g}", "execAmt": done, "lastActTime": 1700000000000} if event != "creation" else {"orderCreateTime": 1700000000000}  # fmt: skip
    return (
        {
            "action": "push",
            "ch": "orders#btcusdt",
            "data": {**base, **moved, **(trade if event == "trade" else {}), **more},
        },
    )


def _hx_v5(state: str, done: str) -> Frames:
    data = {"side": "buy", "type": "limit", "price": "100", "volume": "2", "state": state, "profit": "0", "contract_code": "BTC-USDT", "position_side": "both", "price_match": None, "order_id": "7", "client_order_id": "17", "margin_mode": "cross", "lever_rate": 10, "order_source": "api", "reduce_only": False, "time_in_force": "gtc", "trade_avg_price": "100" if float(done) else "0", "trade_volume": done, "trade_turnover": "0", "fee_currency": "USDT", "fee": "0", "created_time": "1700000000000", "updated_time": "1700000000000"}  # fmt: skip
    return (
        {"op": "notify", "topic": "orders", "contract_code": "BTC-USDT", "ts": 1700000000000, "uid": "1", "data": data},
    )


def _bitfinex(name: str, state: str, left: float, average: float = 0) -> Frames:
    return ([0, name, bitfinex_row(state, left, average=average)],)


def _hl(status: str, left: str, **more: Any) -> Frames:
    kept = ("coin", "side", "limitPx", "sz", "oid", "timestamp", "origSz", "cloid")
    order = {key: value for key, value in hyperliquid_order(left).items() if key in kept}
    return (
        {
            "channel": "orderUpdates",
            "data": [{"order": {**order, **more}, "status": status, "statusTimestamp": 1700000000001}],
        },
    )


def _deribit(state: str, filled: float, **more: Any) -> Frames:
    channel = "user.orders.any.any.raw"
    return (
        {
            "jsonrpc": "2.0",
            "method": "subscription",
            "params": {"channel": channel, "data": deribit_order(state, filled, **more)},
        },
    )


_KF_ORDER = {"instrument": "PF_XBTUSD", "time": 1700000000000, "last_update_time": 1700000000000, "qty": 2.0, "filled": 0.0, "limit_price": 100.0, "stop_price": 0.0, "type": "limit", "order_id": "7", "cli_ord_id": "b1", "direction": 0, "reduce_only": False}  # fmt: skip


def _kf(reason: str, **more: Any) -> Frames:
    placed = {
        "feed": "open_orders",
        "order": {**_KF_ORDER, **more},
        "is_cancel": False,
        "reason": "new_placed_order_by_user",
    }
    gone = {"feed": "open_orders", "order_id": "7", "cli_ord_id": "b1", "is_cancel": True, "reason": reason}
    return (placed,) if reason == "new_placed_order_by_user" else (placed, gone)


_KF_PART = {
    "feed": "open_orders",
    "order": {**_KF_ORDER, "qty": 1.5, "filled": 0.5},
    "is_cancel": False,
    "reason": "partial_fill",
}
_KF_STOP = {"stop_price": 99.0, "type": "stop", "triggerSignal": "last"}


def _silent(status: Any) -> Expected:
    return (status, None, None)


TABLES: list[tuple[str, MarketType, str, list[tuple[str, Frames, Expected]]]] = [
    ("krakenfutures", LINEAR, "orders", [
        ("placed", _kf("new_placed_order_by_user"), NEW),
        ("a part filled: ccxt keeps the first figures", (*_kf("new_placed_order_by_user"), _KF_PART), (OPEN, "0", None)),
        ("filled", _kf("full_fill"), _silent(FILLED)),
        ("cancelled", _kf("cancelled_by_user"), _silent(CANCELED)),
        ("dead-man's switch", _kf("dead_man_switch"), _silent(CANCELED)),
        ("liquidation", _kf("liquidation"), _silent(CANCELED)),
        ("no margin", _kf("not_enough_margin"), _silent(CANCELED)),
        ("contract expired", _kf("contract_expired"), _silent(EXPIRED)),
        ("IOC failed", _kf("ioc_order_failed_because_it_would_not_be_executed"), _silent(REJECTED)),
        ("post-only would take", _kf("post_order_failed_because_it_would_filled"), _silent(REJECTED)),
        ("would trade with itself", _kf("would_execute_self"), _silent(REJECTED)),
        ("would not reduce", _kf("would_not_reduce_position"), _silent(REJECTED)),
        ("stop waits", _kf("new_placed_order_by_user", **_KF_STOP), NEW),
        ("stop fired", _kf("stop_order_triggered", **_KF_STOP), _silent(TRIGGERED)),
        ("reason of tomorrow: ccxt says canceled", _kf("absorbed_by_venue"), _silent(UNKNOWN)),
    ]),
    ("coinbase", SPOT, "user", [
        ("pending", _coinbase("PENDING", "0", "2"), NEW),
        ("resting", _coinbase("OPEN", "0", "2"), NEW),
        ("partly filled", _coinbase("OPEN", "0.5", "1.5"), PART),
        ("filled", _coinbase("FILLED", "2", "0"), FULL),
        ("cancelled after a part", _coinbase("CANCELLED", "0.5", "1.5"), GONE_PART),
        ("expired", _coinbase("EXPIRED", "0.5", "1.5"), (EXPIRED, "0.5", "100")),
        ("failed", _coinbase("FAILED", "0", "2"), (REJECTED, "0", None)),
        ("word of tomorrow", _coinbase("HALTED", "0", "2"), (UNKNOWN, "0", None)),
    ]),
    ("kucoin", SPOT, "orders", [
        ("received", _ku("received", "new", "0"), NEW),
        ("open", _ku("open", "open", "0"), NEW),
        ("match", _ku("match", "match", "0.5", **_MATCH), PART),
        ("filled", _ku("filled", "done", "2"), (FILLED, "2", None)),
        ("canceled after a part", _ku("canceled", "done", "0.5"), (CANCELED, "0.5", None)),
        ("made smaller", _ku("update", "open", "0", size="1.5", oldSize="2"), NEW),
        ("type of tomorrow, done", _ku("absorbed", "done", "0.5"), (UNKNOWN, "0.5", None)),
        ("stop waits", _ku_stop("open"), _silent(OPEN)),
        ("stop fired", _ku_stop("triggered"), _silent(TRIGGERED)),
        ("stop fired in vain", _ku_stop("triggered", triggerSuccess=False, error="balance insufficient"), _silent(REJECTED)),
        ("stop cancelled", _ku_stop("cancel"), _silent(CANCELED)),
    ]),
    ("kucoin", LINEAR, "orders", [
        ("open", _ku("open", "open", "0", future=True), NEW),
        ("match", _ku("match", "match", "1", future=True, **{**_MATCH, "matchSize": "1"}), (OPEN, "1", None)),
        ("filled", _ku("filled", "done", "2", future=True), (FILLED, "2", None)),
        ("canceled after a part", _ku("canceled", "done", "1", future=True), (CANCELED, "1", None)),
        ("stop waits", _ku_stop("open", future=True), _silent(OPEN)),
        ("stop fired", _ku_stop("triggered", future=True), _silent(TRIGGERED)),
        ("stop cancelled", _ku_stop("cancel", future=True), _silent(CANCELED)),
    ]),
    ("gate", SPOT, "orders", [
        ("put", _gate_spot("put", "open", "2"), NEW),
        ("update", _gate_spot("update", "open", "1.5"), PART),
        ("filled", _gate_spot("finish", "filled", "0"), FULL),
        ("cancelled after a part", _gate_spot("finish", "cancelled", "1.5"), GONE_PART),
        ("IOC remainder", _gate_spot("finish", "ioc", "1.5"), GONE_PART),
        ("post-only would take", _gate_spot("finish", "poc", "2"), GONE),
        ("self-trade prevention", _gate_spot("finish", "stp", "2"), GONE),
        ("no money", _gate_spot("finish", "trader_not_enough", "2"), GONE),
        ("word of tomorrow", _gate_spot("finish", "eclipsed", "2"), (UNKNOWN, "0", None)),
    ]),
    ("gate", LINEAR, "orders", [
        ("new", _gate_swap("open", "_new", 2), NEW),
        ("partly filled", _gate_swap("open", "_update", 1), (OPEN, "1", "100")),
        ("filled", _gate_swap("finished", "filled", 0), FULL),
        ("cancelled after a part", _gate_swap("finished", "cancelled", 1), (CANCELED, "1", "100")),
        ("liquidated", _gate_swap("finished", "liquidated", 2), GONE),
        ("deleveraged", _gate_swap("finished", "auto_deleveraging", 1), (CANCELED, "1", "100")),
        ("would not reduce", _gate_swap("finished", "reduce_only", 2), GONE),
        ("position closed", _gate_swap("finished", "position_close", 2), GONE),
        ("word of tomorrow", _gate_swap("finished", "eclipsed", 2), (UNKNOWN, "0", None)),
    ]),
    ("bitget", SPOT, "order", [
        ("live", _bg_spot("live", "0"), NEW),
        ("partly filled", _bg_spot("partially_filled", "0.5"), PART),
        ("filled in its last part", _bg_spot("filled", "2", baseVolume="1.5"), FULL),
        ("cancelled after a part", _bg_spot("cancelled", "0.5"), GONE_PART),
        ("word of tomorrow", _bg_spot("mislaid", "0"), (UNKNOWN, "0", None)),
    ]),
    ("bitget", LINEAR, "order", [
        ("live", _bg_mix("live", "0"), NEW),
        ("partly filled", _bg_mix("partially_filled", "0.5"), PART),
        ("filled in its last part", _bg_mix("filled", "2"), FULL),
        ("canceled after a part", _bg_mix("canceled", "0.5"), GONE_PART),
    ]),
    ("bitget", LINEAR, "triggerOrder", [
        ("plan waits", _bg_plan("live"), _silent(OPEN)),
        ("plan fired", _bg_plan("executed"), _silent(TRIGGERED)),
        ("plan fired in vain", _bg_plan("fail_execute"), _silent(REJECTED)),
        ("plan cancelled", _bg_plan("cancelled"), _silent(CANCELED)),
    ]),
    ("mexc", SPOT, "orders", [
        ("new", _mx_spot(1, "0"), NEW),
        ("filled", _mx_spot(2, "2"), FULL),
        ("partly filled", _mx_spot(3, "0.5"), PART),
        ("cancelled", _mx_spot(4, "0"), GONE),
        ("cancelled after a part: ccxt says closed", _mx_spot(5, "0.5"), GONE_PART),
        ("status of tomorrow", _mx_spot(8, "0"), (UNKNOWN, "0", None)),
    ]),
    ("mexc", LINEAR, "orders", [
        ("resting", _mx_swap(2, 0), NEW),
        ("partly filled", _mx_swap(2, 1), (OPEN, "1", "100")),
        ("filled", _mx_swap(3, 2), FULL),
        ("cancelled after a part", _mx_swap(4, 1), (CANCELED, "1", "100")),
        ("invalid", _mx_swap(5, 0), (REJECTED, "0", None)),
    ]),
    ("htx", SPOT, "orders", [
        ("submitted", _hx_spot("creation", "submitted"), _silent(OPEN)),
        ("partly filled", _hx_spot("trade", "partial-filled", "0.5"), (OPEN, "0.5", None)),
        ("filled", _hx_spot("trade", "filled", "2"), (FILLED, "2", None)),
        ("cancelled", _hx_spot("cancellation", "canceled"), GONE),
        ("cancelled after a part", _hx_spot("cancellation", "partial-canceled", "0.5"), (CANCELED, "0.5", None)),
        ("stop fired in vain", _hx_spot("trigger", "rejected", errCode=2002, errMessage="invalid.amount"), (REJECTED, "0", None)),
        ("stop cancelled before it fired", _hx_spot("deletion", "canceled"), GONE),
        ("word of tomorrow", _hx_spot("trade", "embargoed", "0.5"), (UNKNOWN, "0.5", None)),
    ]),
    ("htx", LINEAR, "orders", [
        ("new", _hx_v5("new", "0"), NEW),
        ("partly filled", _hx_v5("partially_filled", "1"), (OPEN, "1", "100")),
        ("filled", _hx_v5("filled", "2"), FULL),
        ("cancelled after a part", _hx_v5("partially_canceled", "1"), (CANCELED, "1", "100")),
        ("cancelled", _hx_v5("canceled", "0"), GONE),
    ]),
    ("bitfinex", SPOT, "orders", [
        ("new", _bitfinex("on", "ACTIVE", 2), NEW),
        ("partly filled", _bitfinex("ou", "PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100), PART),
        ("filled", _bitfinex("oc", "EXECUTED @ 100.0(2.0)", 0, 100), FULL),
        ("cancelled after a part", _bitfinex("oc", "CANCELED was: PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100), GONE_PART),
        ("IOC remainder: ccxt says IOC", _bitfinex("oc", "IOC CANCELED was: PARTIALLY FILLED @ 100.0(0.5)", 1.5, 100), GONE_PART),
        ("FOK not filled", _bitfinex("oc", "FILLORKILL CANCELED", 2), GONE),
        ("post-only would take", _bitfinex("oc", "POSTONLY CANCELED", 2), GONE),
        ("word of tomorrow", _bitfinex("oc", "MOTHBALLED", 2), (UNKNOWN, "0", None)),
    ]),
    ("hyperliquid", LINEAR, "order", [
        ("open", _hl("open", "2.0"), NEW),
        ("partly filled", _hl("open", "1.5"), (OPEN, "0.5", None)),
        ("filled", _hl("filled", "0.0"), (FILLED, "2", None)),
        ("canceled after a part", _hl("canceled", "1.5"), (CANCELED, "0.5", None)),
        ("fired", _hl("triggered", "2.0"), NEW),
        ("margin", _hl("marginCanceled", "1.5"), (CANCELED, "0.5", None)),
        ("post-only would take", _hl("badAloPxRejected", "2.0"), (REJECTED, "0", None)),
        ("reduce-only with no position left", _hl("reduceOnlyCanceled", "1.0", reduceOnly=True), _silent(CANCELED)),
        ("word of tomorrow", _hl("hibernating", "2.0"), (UNKNOWN, "0", None)),
    ]),
    ("deribit", LINEAR, "user.orders", [
        ("open", _deribit("open", 0), NEW),
        ("partly filled", _deribit("open", 0.5), PART),
        ("filled", _deribit("filled", 2), FULL),
        ("cancelled after a part", _deribit("cancelled", 0.5), GONE_PART),
        ("stop waits", _deribit("untriggered", 0, order_type="stop_limit", trigger="last_price", trigger_price=101.0), NEW),
        ("stop fired", _deribit("triggered", 0, order_type="stop_limit", trigger="last_price", trigger_price=101.0), (TRIGGERED, "0", None)),
        ("word of tomorrow", _deribit("hibernating", 0), (UNKNOWN, "0", None)),
    ]),
]  # fmt: skip


def frames() -> Iterator[FrameRow]:
    """Exchange, market, what ccxt puts it under, what it shows, the frames, what the last one means."""
    for exchange_id, market_type, topic, table in TABLES:
        for what, sent, expected in table:
            yield exchange_id, market_type, topic, what, sent, expected
