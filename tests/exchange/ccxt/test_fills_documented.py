# ruff: noqa: E501 - one fill per line reads as a table
"""One fill as each exchange documents it, over the socket and by REST: the same id, so it counts once; its fee in the coin that paid."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from btccxt.exchange.ccxt.translate import fill
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Fill, MarketType, Side
from tests.exchange.ccxt.replay import FakeClient, exchange_for

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
T = 1_700_000_000_000

# exchange, market, frame, REST row, trade id, amount, fee of the frame, fee of the row (None: not told)
_FILLS: list[tuple[str, MarketType, Any, Any, str, str, str | None, str | None]] = [
    ("htx", SPOT,
     {"action": "push", "ch": "trade.clearing#btcusdt#1", "data": {"eventType": "trade", "symbol": "btcusdt", "orderId": 7, "tradePrice": "100", "tradeVolume": "0.5", "orderSide": "buy", "aggressor": True, "tradeId": 9000, "tradeTime": T, "transactFee": "0.001", "feeCurrency": "btc", "feeDeduct": "0", "feeDeductType": "", "accountId": 1, "source": "spot-api", "orderPrice": "100", "orderSize": "2", "clientOrderId": "b1", "orderCreateTime": T, "orderStatus": "partial-filled", "orderType": "buy-limit"}},
     {"symbol": "btcusdt", "fee-currency": "btc", "source": "spot-api", "order-id": 7, "created-at": T, "role": "taker", "price": "100", "match-id": 3, "filled-amount": "0.5", "filled-fees": "0.001", "filled-points": "0.0", "fee-deduct-currency": "", "fee-deduct-state": "done", "id": 5000, "trade-id": 9000, "type": "buy-limit"},
     "9000", "0.5", "0.001 BTC", "0.001 BTC"),
    ("gate", SPOT,
     {"time": 1, "channel": "spot.usertrades", "event": "update", "result": [{"id": 5000, "user_id": 1, "order_id": "7", "currency_pair": "BTC_USDT", "create_time": 1700000000, "create_time_ms": f"{T}.1", "side": "buy", "amount": "0.5", "role": "taker", "price": "100", "fee": "0.0005", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0", "text": "t-b1", "amend_text": "-", "biz_info": "-"}]},
     {"id": "5000", "create_time": "1700000000", "create_time_ms": f"{T}.1", "currency_pair": "BTC_USDT", "side": "buy", "role": "taker", "amount": "0.5", "price": "100", "order_id": "7", "fee": "0", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0.02", "text": "t-b1"},
     "5000", "0.5", "0.0005 BTC", "0.02 GT"),
    ("gate", LINEAR,
     {"time": 1, "channel": "futures.usertrades", "event": "update", "result": [{"id": "5000", "create_time": 1700000000, "create_time_ms": T, "contract": "BTC_USDT", "order_id": "7", "size": 1, "price": "100", "role": "taker", "text": "t-b1", "fee": 0.05, "point_fee": 0}]},
     {"trade_id": "5000", "create_time": 1700000000.0, "contract": "BTC_USDT", "order_id": "7", "size": 1, "close_size": 0, "price": "100", "role": "taker", "text": "t-b1", "fee": "0.05", "point_fee": "0"},
     "5000", "1", "0.05 USDT", "0.05 USDT"),
    ("kucoin", SPOT,
     {"topic": "/spotMarket/tradeOrdersV2", "type": "message", "subject": "orderChange", "channelType": "private", "data": {"canceledSize": "0", "clientOid": "b1", "filledSize": "0.5", "orderId": "7", "orderTime": T, "orderType": "limit", "originSize": "2", "price": "100", "remainSize": "1.5", "side": "buy", "size": "2", "status": "match", "symbol": "BTC-USDT", "ts": T * 1_000_000, "type": "match", "matchPrice": "100", "matchSize": "0.5", "tradeId": "5000", "liquidity": "taker", "feeType": "takerFee"}},
     {"id": 1000, "orderId": "7", "tradeId": 5000, "symbol": "BTC-USDT", "side": "buy", "liquidity": "taker", "type": "limit", "price": "100", "size": "0.5", "funds": "50", "fee": "0.05", "feeCurrency": "USDT", "stop": "", "tradeType": "TRADE", "createdAt": T},
     "5000", "0.5", None, "0.05 USDT"),
    ("bitget", LINEAR,
     {"action": "snapshot", "arg": {"instType": "USDT-FUTURES", "channel": "fill", "instId": "default"}, "data": [{"orderId": "7", "clientOid": "b1", "tradeId": "5000", "symbol": "BTCUSDT", "side": "buy", "orderType": "market", "posMode": "one_way_mode", "price": "100", "baseVolume": "0.5", "quoteVolume": "50", "profit": "0", "tradeSide": "buy_single", "tradeScope": "taker", "feeDetail": [{"feeCoin": "USDT", "deduction": "no", "totalDeductionFee": "0", "totalFee": "-0.05"}], "cTime": str(T), "uTime": str(T)}], "ts": T},
     {"tradeId": "5000", "symbol": "BTCUSDT", "orderId": "7", "price": "100", "baseVolume": "0.5", "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0", "totalFee": "-0.05"}], "side": "buy", "quoteVolume": "50", "profit": "0", "tradeSide": "buy_single", "posMode": "one_way_mode", "tradeScope": "taker", "cTime": str(T)},
     "5000", "0.5", "0.05 USDT", "0.05 USDT"),
    ("mexc", LINEAR,
     {"channel": "push.personal.order.deal", "data": {"category": 1, "fee": 0.05, "feeCurrency": "USDT", "id": "5000", "isSelf": False, "orderId": "7", "positionMode": 1, "price": 100, "profit": 0, "side": 1, "symbol": "BTC_USDT", "taker": True, "timestamp": T, "vol": 1}, "ts": T},
     {"id": "5000", "symbol": "BTC_USDT", "side": 1, "vol": 1, "price": 100, "feeCurrency": "USDT", "fee": 0.05, "timestamp": T, "profit": 0, "category": 1, "orderId": "7", "positionMode": 2, "taker": True},
     "5000", "1", "0.05 USDT", "0.05 USDT"),
    ("bitfinex", SPOT,
     [0, "tu", [5000, "tBTCUSD", T, 7, 0.5, 100, "EXCHANGE LIMIT", 100, -1, -0.05, "USD", 17]],
     {"result": [5000, "tBTCUSD", T, 7, 0.5, 100, "EXCHANGE LIMIT", 100, -1, -0.05, "USD", 17]},
     "5000", "0.5", "0.05 USD", "0.05 USD"),
    ("hyperliquid", LINEAR,
     {"channel": "userFills", "data": {"user": "0x1", "fills": [{"coin": "BTC", "px": "100", "sz": "0.5", "side": "B", "time": T, "startPosition": "0", "dir": "Open Long", "closedPnl": "0", "hash": "0x", "oid": 7, "crossed": True, "fee": "0.05", "tid": 5000, "feeToken": "USDC"}]}},
     {"closedPnl": "0.0", "coin": "BTC", "crossed": True, "dir": "Open Long", "hash": "0x0", "oid": 7, "px": "100", "side": "B", "startPosition": "0.0", "sz": "0.5", "time": T, "fee": "0.05", "feeToken": "USDC", "tid": 5000},
     "5000", "0.5", "0.05 USDC", "0.05 USDC"),
    ("hyperliquid", SPOT,  # ccxt's stream says USDC whatever coin was paid in
     {"channel": "userFills", "data": {"user": "0x1", "fills": [{"coin": "BTC/USDC", "px": "100", "sz": "0.5", "side": "B", "time": T, "startPosition": "0", "dir": "Buy", "closedPnl": "0", "hash": "0x", "oid": 7, "crossed": True, "fee": "0.0005", "tid": 5000, "feeToken": "BTC"}]}},
     {"closedPnl": "0.0", "coin": "BTC/USDC", "crossed": True, "dir": "Buy", "hash": "0x0", "oid": 7, "px": "100", "side": "B", "startPosition": "0.0", "sz": "0.5", "time": T, "fee": "0.0005", "feeToken": "BTC", "tid": 5000},
     "5000", "0.5", "0.0005 BTC", "0.0005 BTC"),
    ("deribit", LINEAR,
     {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "user.trades.any.any.raw", "data": [{"trade_seq": 1, "trade_id": "USDC-5000", "timestamp": T, "state": "filled", "price": 100.0, "order_type": "limit", "order_id": "7", "liquidity": "T", "label": "b1", "instrument_name": "BTC_USDC-PERPETUAL", "fee_currency": "USDC", "fee": 0.05, "direction": "buy", "amount": 0.5}]}},
     {"trade_seq": 1, "trade_id": "USDC-5000", "timestamp": T, "state": "filled", "price": 100.0, "order_type": "limit", "order_id": "7", "liquidity": "T", "label": "b1", "instrument_name": "BTC_USDC-PERPETUAL", "fee_currency": "USDC", "fee": 0.05, "direction": "buy", "amount": 0.5},
     "USDC-5000", "0.5", "0.05 USDC", "0.05 USDC"),
    ("htx", LINEAR,
     {"op": "notify", "topic": "trade", "contract_code": "BTC-USDT", "ts": T, "uid": "1", "data": [{"direction": "buy", "id": "100-7-1", "contract_code": "BTC-USDT", "contract_type": "swap", "order_id": "7", "trade_id": "5000", "position_side": "both", "trade_volume": "1", "trade_price": "100", "trade_turnover": "100", "role": "taker", "client_order_id": "81985529", "created_time": str(T), "updated_time": str(T)}]},
     {"id": "1513834754679549965", "contract_code": "BTC-USDT", "order_id": "7", "trade_id": "5000", "side": "buy", "position_side": "both", "order_type": "1", "type": "market", "role": "TAKER", "trade_price": "100.0", "trade_volume": "1", "trade_turnover": "100", "created_time": str(T), "updated_time": str(T), "fee_currency": "USDT", "trade_fee": "0.05", "profit": "0", "contract_type": "swap"},
     "5000-100-1", "1", None, "0.05 USDT"),
    ("krakenfutures", LINEAR,
     {"feed": "fills", "username": "u", "fills": [{"instrument": "PF_XBTUSD", "time": T, "price": 100.0, "seq": 1, "buy": True, "qty": 0.5, "remaining_order_qty": 1.5, "order_id": "7", "cli_ord_id": "b1", "fill_id": "f1", "fill_type": "taker", "fee_paid": 0.04, "fee_currency": "USD", "taker_order_type": "ioc", "order_type": "limit"}]},
     {"fill_id": "f1", "symbol": "PF_XBTUSD", "side": "buy", "order_id": "7", "cliOrdId": "b1", "size": 0.5, "price": 100, "fillTime": "2023-11-14T22:13:20.000Z", "fillType": "taker"},
     "f1", "0.5", "0.04 USD", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "frame", "row", "trade_id", "amount", "pushed_fee", "asked_fee"),
    _FILLS,
    ids=lambda value: value.value if isinstance(value, MarketType) else value if isinstance(value, str) else "",
)
def test_a_fill_is_the_same_fill_over_the_socket_and_by_rest(
    exchange_id: str, market_type: MarketType, frame: Any, row: Any, trade_id: str, amount: str,
    pushed_fee: str | None, asked_fee: str | None,
) -> None:  # fmt: skip
    exchange, profile = exchange_for(exchange_id, market_type), load_profile(exchange_id, market_type)
    market = next(iter(exchange.markets.values()))
    client = FakeClient("wss://test/ws")
    exchange.handle_message(client, deepcopy(frame))
    rows = next(rows for topic, rows in client.resolved if "trade" in str(topic).lower())
    pushed, asked = fill(rows[-1], profile), fill(exchange.parse_trade(deepcopy(row), market), profile)
    for each in (pushed, asked):
        assert (each.trade_id, each.order_id, each.symbol, each.time_ms) == (trade_id, "7", market["symbol"], T)
        assert (each.side, each.amount, each.price) == (Side.BUY, Decimal(amount), Decimal(100))
    assert (_fee(pushed), _fee(asked)) == (pushed_fee, asked_fee)


def _fee(each: Fill) -> str | None:
    return None if each.fee is None else f"{each.fee.cost.normalize():f} {each.fee.currency}"
