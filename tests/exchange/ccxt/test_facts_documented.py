# ruff: noqa: E501 - one message per line reads as a table
"""Sides, times, reasons, ids, averages and fees of orders and fills in the shape that each exchange documents.

Orders begin at ``T`` and end at ``END``; ccxt hands on only the first for most exchanges. Facts of the documentation,
own figures.
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.exchange.ccxt.subscriptions import _positions
from btccxt.exchange.ccxt.times import latest_time, time_of
from btccxt.exchange.ccxt.translate import fill, order_update
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.reading import Reader
from btccxt.model import Fee, MarketType, OrderStatus, Origin, Side, StreamKey, StreamKind
from tests.exchange.ccxt.replay import exchange_for, rows_of_frame

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
T, END = 1_700_000_000_000, 1_700_000_090_500
END_ISO = "2023-11-14T22:14:50.500Z"
BUY, SELL = Side.BUY, Side.SELL

_BYBIT = {
    "orderId": "7",
    "orderLinkId": "b1",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "price": "100",
    "qty": "2",
    "cumExecQty": "0",
    "avgPrice": "",
    "orderStatus": "New",
    "rejectReason": "EC_NoError",
    "createdTime": str(T),
    "updatedTime": str(END),
}
_COINBASE = {
    "order_id": "7",
    "product_id": "BTC-USD",
    "order_configuration": {"limit_limit_gtc": {"base_size": "2", "limit_price": "100", "post_only": False}},
    "side": "BUY",
    "client_order_id": "b1",
    "status": "FILLED",
    "created_time": "2023-11-14T22:13:20Z",
    "last_fill_time": END_ISO,
    "filled_size": "2",
    "average_filled_price": "100",
    "reject_reason": "REJECT_REASON_UNSPECIFIED",
    "reject_message": "",
    "cancel_message": "",
    "order_type": "LIMIT",
}
_OKX = {
    "instId": "BTC-USDT",
    "ordId": "7",
    "clOrdId": "b1",
    "side": "buy",
    "ordType": "limit",
    "px": "100",
    "sz": "2",
    "accFillSz": "2",
    "avgPx": "100",
    "state": "filled",
    "cTime": str(T),
    "uTime": str(END),
    "cancelSourceReason": "",
    "failCode": "0",
    "sMsg": "",
}
_DERIBIT = {
    "order_id": "7",
    "instrument_name": "BTC_USDC-PERPETUAL",
    "direction": "buy",
    "order_type": "limit",
    "price": 100.0,
    "amount": 2.0,
    "filled_amount": 0.0,
    "average_price": 0.0,
    "order_state": "cancelled",
    "label": "b1",
    "creation_timestamp": T,
    "last_update_timestamp": END,
    "time_in_force": "good_til_cancelled",
    "cancel_reason": "user_request",
}
_BITGET = {
    "symbol": "BTCUSDT",
    "orderId": "7",
    "clientOid": "b1",
    "price": "100",
    "size": "2",
    "orderType": "limit",
    "side": "buy",
    "status": "cancelled",
    "priceAvg": "0",
    "baseVolume": "0",
    "cTime": str(T),
    "uTime": str(END),
}
_GATE = {
    "id": "7",
    "text": "t-b1",
    "create_time": "1700000000",
    "create_time_ms": T,
    "update_time": "1700000091",
    "update_time_ms": END,
    "status": "closed",
    "currency_pair": "BTC_USDT",
    "type": "limit",
    "side": "sell",
    "amount": "2",
    "price": "100",
    "left": "0",
    "filled_amount": "2",
    "fill_price": "200",
    "filled_total": "200",
    "avg_deal_price": "100",
    "finish_as": "filled",
}
_KUCOIN = {
    "id": "7",
    "symbol": "BTC-USDT",
    "type": "limit",
    "side": "buy",
    "price": "100",
    "size": "2",
    "dealSize": "0",
    "dealFunds": "0",
    "clientOid": "b1",
    "remark": "my own words",
    "cancelExist": True,
    "active": False,
    "createdAt": T,
    "lastUpdatedAt": END,
}
_HTX = {
    "id": 7,
    "symbol": "btcusdt",
    "client-order-id": "b1",
    "account-id": 1,
    "amount": "2",
    "price": "100",
    "created-at": T,
    "finished-at": END,
    "canceled-at": 0,
    "type": "sell-limit",
    "field-amount": "2",
    "field-cash-amount": "200",
    "field-fees": "0.1",
    "state": "filled",
}
_MEXC_SWAP = {
    "orderId": "7",
    "symbol": "BTC_USDT",
    "positionId": 0,
    "price": 100,
    "vol": 2,
    "leverage": 10,
    "side": 3,
    "category": 1,
    "orderType": 1,
    "dealAvgPrice": 100,
    "dealVol": 2,
    "state": 3,
    "externalOid": "b1",
    "errorCode": 0,
    "createTime": T,
    "updateTime": END,
}

_ORDERS: list[tuple[str, MarketType, str, Any, dict[str, Any]]] = [
    ("bybit", SPOT, "open, no error", _BYBIT, {"reject_reason": None, "time_ms": END, "side": BUY}),
    ("bybit", LINEAR, "cancelled, no error", {**_BYBIT, "orderStatus": "Cancelled"}, {"reject_reason": None, "status": OrderStatus.CANCELED}),
    ("bybit", LINEAR, "cancelled by the user", {**_BYBIT, "orderStatus": "Cancelled", "rejectReason": "EC_PerCancelRequest"}, {"reject_reason": "EC_PerCancelRequest"}),
    ("coinbase", SPOT, "filled", _COINBASE, {"reject_reason": None, "time_ms": END}),
    ("coinbase", SPOT, "cancelled", {**_COINBASE, "status": "CANCELLED", "cancel_message": "User requested cancel"}, {"reject_reason": "User requested cancel"}),
    ("okx", SPOT, "filled", _OKX, {"reject_reason": None, "time_ms": END}),
    ("okx", SPOT, "cancelled, fail code 0", {**_OKX, "state": "canceled", "accFillSz": "0", "avgPx": ""}, {"reject_reason": None}),
    ("deribit", LINEAR, "cancelled", _DERIBIT, {"time_ms": END, "reject_reason": "user_request", "average": None}),
    ("bitget", SPOT, "cancelled", _BITGET, {"time_ms": END}),
    ("bitget", SPOT, "resting: its limit is no average", {**_BITGET, "status": "live", "price": None, "priceAvg": "100", "basePrice": "0"}, {"average": None, "filled": D(0)}),
    ("bitget", SPOT, "partly filled, listed as open", {**_BITGET, "status": "partially_filled", "priceAvg": "100", "basePrice": "99.5", "baseVolume": "1"}, {"average": D("99.5"), "filled": D(1)}),
    ("gate", SPOT, "filled", _GATE, {"time_ms": END, "side": SELL, "average": D(100)}),
    ("gate", SPOT, "filled, only the whole cost told", {k: v for k, v in _GATE.items() if k != "avg_deal_price"}, {"average": D(100)}),
    ("gate", LINEAR, "cancelled", {"id": 7, "text": "t-b1", "contract": "BTC_USDT", "size": -2, "left": -2, "price": "100", "fill_price": "0", "status": "finished", "finish_as": "cancelled", "create_time": 1700000000.0, "finish_time": 1700000090.5}, {"time_ms": END, "side": SELL}),
    ("kucoin", SPOT, "cancelled", _KUCOIN, {"time_ms": END, "reject_reason": None}),
    ("kucoin", LINEAR, "cancelled", {"id": "7", "symbol": "XBTUSDTM", "type": "limit", "side": "sell", "price": "100", "size": 2, "filledSize": 0, "filledValue": "0", "clientOid": "b1", "remark": None, "isActive": False, "cancelExist": True, "status": "done", "createdAt": T, "updatedAt": END, "endAt": END, "orderTime": T * 1_000_000}, {"time_ms": END, "side": SELL}),
    ("htx", SPOT, "filled", _HTX, {"time_ms": END, "side": SELL}),
    ("htx", LINEAR, "cancelled", {"order_id": "7", "client_order_id": "5", "contract_code": "BTC-USDT", "side": "buy", "type": "limit", "price": "100", "volume": "2", "state": "canceled", "trade_volume": "0", "trade_avg_price": "0", "created_time": str(T), "updated_time": str(END)}, {"time_ms": END, "side": BUY}),
    ("mexc", LINEAR, "open long", {**_MEXC_SWAP, "side": 1}, {"side": BUY}),
    ("mexc", LINEAR, "close short", {**_MEXC_SWAP, "side": 2}, {"side": BUY}),
    ("mexc", LINEAR, "open short", _MEXC_SWAP, {"side": SELL, "time_ms": END, "client_order_id": "b1"}),
    ("mexc", LINEAR, "close long", {**_MEXC_SWAP, "side": 4}, {"side": SELL}),
    ("mexc", SPOT, "answer to a cancel", {"symbol": "BTCUSDT", "origClientOrderId": "b1", "orderId": "7", "clientOrderId": "the cancel's own", "price": "100", "origQty": "2", "executedQty": "0", "cummulativeQuoteQty": "0", "status": "CANCELED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY"}, {"client_order_id": "b1", "status": OrderStatus.CANCELED}),
    ("bitfinex", SPOT, "cancelled", {"result": [7, None, 81, "tBTCUSD", T, END, -2, -2, "EXCHANGE LIMIT", None, None, None, 0, "CANCELED", None, None, 100, 0, 0, 0]}, {"time_ms": END, "side": SELL}),
    ("hyperliquid", LINEAR, "cancelled", {"order": {"coin": "BTC", "side": "A", "limitPx": "100", "sz": "2", "origSz": "2", "oid": 7, "cloid": "0x" + "ab" * 16, "timestamp": T, "orderType": "Limit", "tif": "Gtc", "reduceOnly": False}, "status": "canceled", "statusTimestamp": END}, {"time_ms": END, "side": SELL}),
    ("krakenfutures", LINEAR, "cancelled", {"order": {"type": "ORDER", "orderId": "7", "cliOrdId": "b1", "symbol": "PF_XBTUSD", "side": "buy", "quantity": 2, "filled": 0, "limitPrice": 100, "reduceOnly": False, "timestamp": "2023-11-14T22:13:20.000Z", "lastUpdateTimestamp": END_ISO}, "status": "CANCELLED", "updateReason": "CANCELLED_BY_USER", "error": None}, {"time_ms": END, "reject_reason": "CANCELLED_BY_USER"}),
    ("kraken", SPOT, "filled", {"id": "7", "cl_ord_id": "b1", "status": "closed", "opentm": 1700000000.0, "closetm": 1700000090.5, "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "100", "price2": "0", "order": "buy 2 XBTUSD @ limit 100"}, "vol": "2", "vol_exec": "2", "cost": "200", "fee": "0.5", "price": "100", "oflags": "fciq", "reason": None}, {"time_ms": END, "reject_reason": None}),
    ("binance", SPOT, "cancelled", {"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": "b1", "price": "100", "origQty": "2", "executedQty": "0", "cummulativeQuoteQty": "0", "status": "CANCELED", "type": "LIMIT", "side": "BUY", "time": T, "updateTime": END}, {"time_ms": END, "reject_reason": None}),
    ("hyperliquid", LINEAR, "refused for its margin", {"order": {"coin": "BTC", "side": "A", "limitPx": "100", "sz": "2", "origSz": "2", "oid": 7, "cloid": None, "timestamp": T, "orderType": "Limit", "reduceOnly": False}, "status": "perpMarginRejected", "statusTimestamp": END}, {"status": OrderStatus.REJECTED, "reject_reason": "perpMarginRejected"}),
    ("bitfinex", SPOT, "post-only would have taken", {"result": [7, None, 81, "tBTCUSD", T, END, -2, -2, "EXCHANGE LIMIT", None, None, None, 0, "POSTONLY CANCELED", None, None, 100, 0, 0, 0]}, {"status": OrderStatus.CANCELED, "reject_reason": "POSTONLY CANCELED"}),
    ("bitfinex", SPOT, "cancelled says nothing of why", {"result": [7, None, 81, "tBTCUSD", T, END, -2, -2, "EXCHANGE LIMIT", None, None, None, 0, "CANCELED", None, None, 100, 0, 0, 0]}, {"reject_reason": None}),
    ("gate", SPOT, "post-only would have taken", {**_GATE, "status": "cancelled", "finish_as": "poc", "left": "2", "filled_amount": "0", "filled_total": "0", "avg_deal_price": "0"}, {"status": OrderStatus.CANCELED, "reject_reason": "poc"}),
    ("gate", SPOT, "cancelled says nothing of why", {**_GATE, "status": "cancelled", "finish_as": "cancelled", "left": "2", "filled_amount": "0", "filled_total": "0", "avg_deal_price": "0"}, {"status": OrderStatus.CANCELED, "reject_reason": None}),
    ("upbit", SPOT, "the mode of self-match prevention is no reason", {"uuid": "7", "side": "bid", "ord_type": "limit", "price": "100", "state": "cancel", "market": "KRW-BTC", "created_at": "2023-11-14T22:13:20+00:00", "volume": "2", "remaining_volume": "2", "executed_volume": "0", "trades_count": 0, "smp_type": "cancel_maker", "prevented_volume": "0"}, {"status": OrderStatus.CANCELED, "reject_reason": None}),
    ("xt", SPOT, "closed is a fact, no reason", {"symbol": "btc_usdt", "orderId": "7", "clientOrderId": None, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100", "origQty": "2", "executedQty": "0", "leavingQty": "0", "avgPrice": None, "closed": True, "state": "CANCELED", "time": T, "updatedTime": END}, {"status": OrderStatus.CANCELED, "reject_reason": None, "time_ms": END}),
    ("woo", SPOT, "zero is no client id", {"orderId": 7, "clientOrderId": 0, "symbol": "SPOT_BTC_USDT", "side": "BUY", "type": "LIMIT", "quantity": 2, "price": 100, "executed": 0, "status": "CANCELLED", "reason": "", "createdTime": "1700000000.000", "updatedTime": "1700000090.500"}, {"client_order_id": None, "reject_reason": None, "time_ms": END}),
]  # fmt: skip

_FRAMES: list[tuple[str, MarketType, str, Any, dict[str, Any]]] = [
    ("htx", SPOT, "a trigger that failed", {"action": "push", "ch": "orders#btcusdt", "data": {"orderSide": "buy", "lastActTime": END, "clientOrderId": "b1", "orderStatus": "rejected", "symbol": "btcusdt", "eventType": "trigger", "errCode": 2002, "errMessage": "invalid.client.order.id"}}, {"side": BUY, "time_ms": END, "reject_reason": "invalid.client.order.id", "client_order_id": "b1"}),
    ("htx", SPOT, "a deletion before the trigger", {"action": "push", "ch": "orders#btcusdt", "data": {"orderSide": "sell", "lastActTime": END, "clientOrderId": "b1", "orderStatus": "canceled", "symbol": "btcusdt", "eventType": "deletion"}}, {"side": SELL, "time_ms": END, "status": OrderStatus.CANCELED}),
    ("htx", SPOT, "a fill: the type has the side", {"action": "push", "ch": "orders#btcusdt", "data": {"tradePrice": "100", "tradeVolume": "2", "tradeTime": END, "aggressor": True, "execAmt": "2", "orderSource": "spot-api", "orderSize": "2", "remainAmt": "0", "tradeId": 9, "symbol": "btcusdt", "type": "sell-limit", "eventType": "trade", "clientOrderId": "b1", "orderStatus": "filled", "orderId": 7}}, {"side": SELL, "time_ms": END, "client_order_id": "b1"}),
    ("kucoin", SPOT, "nanoseconds", {"topic": "/spotMarket/tradeOrdersV2", "type": "message", "subject": "orderChange", "channelType": "private", "data": {"clientOid": "b1", "filledSize": "0", "orderId": "7", "orderTime": T * 1_000_000, "orderType": "limit", "originSize": "2", "price": "100", "remainSize": "0", "canceledSize": "2", "side": "buy", "size": "2", "status": "done", "symbol": "BTC-USDT", "ts": END * 1_000_000, "type": "canceled"}}, {"time_ms": END}),
    ("bitget", LINEAR, "a plan has an amount", {"action": "snapshot", "arg": {"instType": "USDT-FUTURES", "channel": "orders-algo", "instId": "default"}, "data": [{"instId": "BTCUSDT", "orderId": "7", "clientOid": "b1", "triggerPrice": "90", "triggerType": "fill_price", "triggerTime": "", "planType": "pl", "price": "90", "size": "2", "actualSize": "", "orderType": "market", "side": "sell", "posMode": "one_way_mode", "status": "live", "cTime": str(T), "uTime": str(END)}]}, {"amount": D(2), "conditional": True}),
    ("bitget", SPOT, "a plan has an amount", {"action": "snapshot", "arg": {"instType": "SPOT", "channel": "orders-algo", "instId": "default"}, "data": [{"instId": "BTCUSDT", "orderId": "7", "clientOid": "b1", "triggerPrice": "90", "triggerType": "fill_price", "planType": "amount", "price": "90", "executePrice": "89", "size": "2", "orderType": "limit", "side": "sell", "status": "live", "cTime": str(T), "uTime": str(END)}]}, {"amount": D(2), "conditional": True}),
]  # fmt: skip


def _ids(rows: Any) -> Any:
    return [pytest.param(row[0], row[1], *row[3:], id=f"{row[0]}-{row[1].value}-{row[2]}") for row in rows]


@pytest.mark.parametrize(("exchange_id", "market_type", "raw", "facts"), _ids(_ORDERS))
def test_an_order_says_when_why_and_which_side(
    exchange_id: str, market_type: MarketType, raw: Any, facts: dict[str, Any]
) -> None:
    order = exchange_for(exchange_id, market_type).parse_order(deepcopy(raw))
    update = order_update(order, load_profile(exchange_id, market_type), Origin.QUERY)
    assert {name: getattr(update, name) for name in facts} == facts, update


@pytest.mark.parametrize(("exchange_id", "market_type", "raw", "facts"), _ids(_FRAMES))
def test_a_pushed_order_says_when_why_and_which_side(
    exchange_id: str, market_type: MarketType, raw: Any, facts: dict[str, Any]
) -> None:
    rows = rows_of_frame(exchange_for(exchange_id, market_type), raw, "rder")
    update = order_update(rows[-1], load_profile(exchange_id, market_type), Origin.PUSH)
    assert {name: getattr(update, name) for name in facts} == facts, update


@pytest.mark.parametrize(("number", "side"), [(1, BUY), (2, BUY), (3, SELL), (4, SELL)])
def test_fills_of_mexcs_swaps_bought_or_sold(number: int, side: Side) -> None:
    exchange = exchange_for("mexc", LINEAR)
    raw = {"id": "5000", "symbol": "BTC_USDT", "side": number, "vol": 1, "price": 100, "feeCurrency": "USDT", "fee": 0.05, "timestamp": T, "profit": 0, "category": 1, "orderId": "7", "positionMode": 2, "taker": True}  # fmt: skip
    assert fill(exchange.parse_trade(raw), load_profile("mexc", LINEAR)).side is side


def test_a_builders_share_is_part_of_hyperliquids_fee() -> None:
    exchange, profile = exchange_for("hyperliquid", LINEAR), load_profile("hyperliquid", LINEAR)
    raw = {"coin": "BTC", "px": "100", "sz": "0.5", "side": "B", "time": T, "dir": "Open Long", "oid": 7, "crossed": True, "fee": "0.05", "builderFee": "0.01", "tid": 5000, "feeToken": "USDC"}  # fmt: skip
    assert fill(exchange.parse_trade(raw), profile).fee == Fee("USDC", D("0.05"))


def test_a_time_of_another_unit_or_century_is_no_time() -> None:
    assert time_of(T) == T
    assert [time_of(value) for value in (T * 1_000_000, T * 1_000, T // 1_000, 0, -1, None)] == [None] * 6


@pytest.mark.parametrize(
    "told", [END, str(END), END * 1_000, str(END * 1_000_000), 1700000090.5, END_ISO, END_ISO[:-2] + "000000Z"]
)
def test_an_exchanges_own_time_is_read_in_any_unit(told: Any) -> None:
    order = {"timestamp": T, "lastUpdateTimestamp": T * 1_000_000}
    assert latest_time(order, {"uTime": told}, ("missing", "uTime")) == END


def test_an_unreadable_time_is_none() -> None:
    assert latest_time({}, {"a": "soonT", "b": "never", "c": "2023-99-99T00:00:00Z"}, ("a", "b", "c")) is None


def test_where_a_pushed_order_has_its_creation_only_its_end_is_the_frames() -> None:
    profile = load_profile("coinbase", SPOT)
    ended = {"timestamp": T, "info": {"status": "CANCELLED", "cumulative_quantity": "0", "leaves_quantity": "2"}}
    frame = {"channel": "user", "timestamp": END_ISO, "events": []}
    assert order_update(ended, profile, Origin.PUSH, frame=frame).time_ms == END
    assert order_update(ended, profile, Origin.PUSH).time_ms == T
    resting = {**ended, "info": {"status": "OPEN"}}  # a snapshot tells what is old
    assert order_update(resting, profile, Origin.PUSH, frame=frame).time_ms == T


def test_a_frame_that_names_no_size_is_no_flat_position() -> None:
    """KuCoin's, of a new mark price."""
    exchange, key = exchange_for("kucoin", LINEAR), StreamKey(StreamKind.POSITIONS)
    decode = _positions(key, load_profile("kucoin", LINEAR), lambda: 5, Reader("kucoin"))
    symbol = next(iter(exchange.markets))
    moved = exchange.parse_position({"symbol": "XBTUSDTM", "markPrice": 100.5, "markValue": 1.0, "unrealisedPnl": 0.1})
    held = exchange.parse_position({"symbol": "XBTUSDTM", "currentQty": -20, "avgEntryPrice": 100, "isOpen": True})
    flat = exchange.parse_position({"symbol": "XBTUSDTM", "currentQty": 0, "isOpen": False})
    assert [(each.symbol, each.amount) for _, each in decode([moved, held, flat], None) or ()] == [
        (symbol, D(-20)),
        (symbol, D(0)),
    ]


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "info", "reason"),
    [
        ("binanceusdm", LINEAR, {"X": "EXPIRED", "er": "9", "r": "NONE"}, "the rest of a market order"),
        ("binance", LINEAR, {"status": "EXPIRED", "er": 2}, "the rest of an IOC order"),
        ("binance", SPOT, {"X": "EXPIRED", "r": "NONE", "eR": "INSUFFICIENT_LIQUIDITY"}, "INSUFFICIENT_LIQUIDITY"),
        ("binance", LINEAR, {"X": "CANCELED", "er": "0"}, None),
        ("mexc", LINEAR, {"state": 5, "errorCode": 2}, "not enough money"),
        ("mexc", LINEAR, {"state": 4, "errorCode": 0}, None),
        ("mexc", LINEAR, {"state": 5, "errorCode": 99}, "99"),
    ],
)
def test_a_number_that_says_why_an_order_ended_is_told_in_words(
    exchange_id: str, market_type: MarketType, info: dict[str, Any], reason: str | None
) -> None:
    order = {"symbol": "BTC/USDT", "id": "7", "timestamp": T, "info": info}
    assert order_update(order, load_profile(exchange_id, market_type), Origin.QUERY).reject_reason == reason
