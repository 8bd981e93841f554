# ruff: noqa: E501 - one message per line reads as a table
"""Orders and fills of the exchanges that the embedded exchange speaks, as they document them: facts, own figures."""

from __future__ import annotations

from typing import Any

T, END = 1_700_000_000_000, 1_700_000_090_500

_BINANCE_ORDER = {"orderId": 7, "orderListId": -1, "clientOrderId": "b1", "price": "100", "origQty": "2", "executedQty": "0.5", "cummulativeQuoteQty": "50", "cumQuote": "50", "avgPrice": "100", "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "stopPrice": "0", "time": T, "updateTime": END, "isWorking": True}  # fmt: skip
_BINANCE_PUSH = {"e": "executionReport", "E": END, "s": "BTCUSDT", "c": "b1", "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "2", "p": "100", "P": "0", "F": "0", "g": -1, "C": "", "x": "CANCELED", "X": "CANCELED", "r": "NONE", "i": 7, "l": "0", "z": "0.5", "L": "0", "n": "0", "N": None, "T": END, "t": -1, "w": False, "m": False, "O": T, "Z": "50", "Y": "0", "Q": "0"}  # fmt: skip
_BINANCE_FILL = {"id": 5000, "orderId": 7, "price": "100", "qty": "0.5", "quoteQty": "50", "commission": "0.0005", "commissionAsset": "BTC", "time": T, "side": "BUY", "isBuyer": True, "isMaker": False, "isBestMatch": True}  # fmt: skip
_FAPI_PUSH = {"e": "ORDER_TRADE_UPDATE", "E": END, "T": END, "o": {"s": "BTCUSDT", "c": "b1", "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "2", "p": "100", "ap": "100", "sp": "0", "x": "EXPIRED", "X": "EXPIRED", "i": 7, "l": "0", "z": "0.5", "L": "0", "T": END, "t": 0, "b": "0", "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0"}}  # fmt: skip
_FAPI_FILL = {"id": 5000, "orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "positionSide": "BOTH", "price": "100", "qty": "0.5", "quoteQty": "50", "commission": "0.05", "commissionAsset": "USDT", "time": T, "buyer": True, "maker": False, "realizedPnl": "0"}  # fmt: skip
_BYBIT_ORDER = {"orderId": "7", "orderLinkId": "b1", "side": "Buy", "orderType": "Limit", "price": "100", "qty": "2", "cumExecQty": "0.5", "cumExecValue": "50", "avgPrice": "100", "orderStatus": "PartiallyFilled", "rejectReason": "EC_NoError", "timeInForce": "GTC", "triggerPrice": "", "reduceOnly": False, "createdTime": str(T), "updatedTime": str(END)}  # fmt: skip
_BYBIT_FILL = {"orderId": "7", "orderLinkId": "b1", "side": "Buy", "orderType": "Limit", "execId": "e5000", "execPrice": "100", "execQty": "0.5", "execFee": "0.0005", "feeRate": "0.001", "feeCurrency": "BTC", "execType": "Trade", "execValue": "50", "isMaker": False, "execTime": str(T)}  # fmt: skip
_OKX_ORDER = {"ordId": "7", "clOrdId": "b1", "side": "sell", "ordType": "limit", "px": "100", "sz": "2", "accFillSz": "0.5", "avgPx": "100", "state": "canceled", "cTime": str(T), "uTime": str(END), "cancelSource": "1", "failCode": "0", "tdMode": "cash"}  # fmt: skip
_OKX_FILL = {"ordId": "7", "clOrdId": "b1", "tradeId": "5000", "billId": "1", "side": "buy", "fillPx": "100", "fillSz": "0.5", "fee": "-0.0005", "feeCcy": "BTC", "execType": "T", "ts": str(T), "fillTime": str(T)}  # fmt: skip
_KRAKEN_FILL = {"id": "T5000", "ordertxid": "O7", "pair": "XXBTZUSD", "time": 1700000000.0, "type": "buy", "ordertype": "limit", "price": "100", "cost": "50", "fee": "0.08", "vol": "0.5", "margin": "0", "maker": False}  # fmt: skip
_KRAKEN_PUSH = {"channel": "executions", "type": "update", "sequence": 1, "data": [{"order_id": "O7", "cl_ord_id": "b1", "symbol": "BTC/USD", "side": "sell", "order_type": "limit", "order_qty": 2.0, "limit_price": 100.0, "cum_qty": 0.5, "cum_cost": 50.0, "avg_price": 100.0, "exec_type": "canceled", "order_status": "canceled", "time_in_force": "GTC", "timestamp": "2023-11-14T22:14:50.500Z"}]}  # fmt: skip
_HYPERLIQUID_FILL = {"closedPnl": "0.0", "coin": "BTC", "crossed": True, "dir": "Open Long", "hash": "0x0", "oid": 7, "px": "100", "side": "B", "startPosition": "0.0", "sz": "0.5", "time": T, "fee": "0.05", "feeToken": "USDC", "tid": 5000}  # fmt: skip


def basic_answers(exchange: str, market_type: str, market_id: str) -> list[tuple[str, str, Any]]:
    """``(way, topic, what is said)``."""
    spot = market_type == "spot"
    match exchange:
        case "binance" | "binanceusdm" | "aster":
            fill = _BINANCE_FILL if spot else _FAPI_FILL
            said = [("order", "", {**_BINANCE_ORDER, "symbol": market_id}), ("fill", "", {**fill, "symbol": market_id})]
            if exchange != "aster":
                said.append(("order frames", "orders", [_BINANCE_PUSH if spot else _FAPI_PUSH]))
            return said
        case "bybit":
            category = {"spot": "spot", "linear": "linear", "inverse": "inverse"}[market_type]
            order = {**_BYBIT_ORDER, "symbol": market_id, "category": category}
            push = {"topic": "order", "id": "1", "creationTime": END, "data": [{**order, "orderStatus": "Cancelled"}]}
            return [
                ("order", "", order),
                ("fill", "", {**_BYBIT_FILL, "symbol": market_id, "category": category}),
                ("order frames", "orders", [push]),
            ]
        case "okx":
            kind = "SPOT" if spot else "SWAP"
            order = {**_OKX_ORDER, "instId": market_id, "instType": kind}
            push = {"arg": {"channel": "orders", "instType": "ANY", "uid": "1"}, "data": [order]}
            fill = {**_OKX_FILL, "instId": market_id, "instType": kind}
            return [("order", "", order), ("fill", "", fill), ("order frames", "orders", [push])]
        case "kraken":
            return [("fill", "", _KRAKEN_FILL), ("order frames", "orders", [_KRAKEN_PUSH])]
        case "hyperliquid" if not spot:
            return [("fill", "", _HYPERLIQUID_FILL)]
        case _:
            return []
