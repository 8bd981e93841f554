"""One trade as each exchange's public stream tells it, with what it sends before: facts of the format, own figures.

Every trade is a purchase of 0.5 at 100; where a stream of trades is not told, a candle that opens at 100.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

T = 1_700_000_000_000
ISO = "2023-11-14T22:13:20.000Z"
Frames = list[Any]

_BINANCE = {"e": "trade", "E": T, "T": T, "t": 1, "p": "100", "q": "0.5", "m": False}
_TRADES: dict[str, Callable[[str], Frames]] = {
    "binance": lambda m: [{"result": None, "id": 1}, {**_BINANCE, "s": m}],
    "binanceusdm": lambda m: [{"result": None, "id": 1}, {**_BINANCE, "s": m, "X": "MARKET"}],
    "aster": lambda m: [{"result": None, "id": 1}, {**_BINANCE, "e": "aggTrade", "a": 1, "s": m, "f": 1, "l": 1}],
    "bybit": lambda m: [
        {"success": True, "ret_msg": "subscribe", "op": "subscribe", "req_id": "1"},
        {
            "topic": f"publicTrade.{m}", "type": "snapshot", "ts": T,
            "data": [{"T": T, "s": m, "S": "Buy", "v": "0.5", "p": "100", "L": "PlusTick", "i": "1", "BT": False}],
        },
    ],
    "okx": lambda m: [
        {"event": "subscribe", "arg": {"channel": "trades", "instId": m}, "connId": "1"},
        {
            "arg": {"channel": "trades", "instId": m},
            "data": [{"instId": m, "tradeId": "1", "px": "100", "sz": "0.5", "side": "buy", "ts": str(T)}],
        },
    ],
    "kraken": lambda m: [
        {
            "channel": "trade", "type": "update",
            "data": [
                {
                    "symbol": "BTC/USD", "side": "buy", "price": 100, "qty": 0.5, "ord_type": "market", "trade_id": 1,
                    "timestamp": ISO,
                }
            ],
        }
    ],
    "krakenfutures": lambda m: [
        {
            "feed": "trade", "product_id": m, "uid": "u1", "side": "buy", "type": "fill", "seq": 1, "time": T,
            "qty": 0.5, "price": 100,
        }
    ],
    "coinbase": lambda m: [
        {
            "channel": "market_trades", "client_id": "", "timestamp": ISO, "sequence_num": 0,
            "events": [
                {
                    "type": "update",
                    "trades": [
                        {"trade_id": "1", "product_id": m, "price": "100", "size": "0.5", "side": "SELL", "time": ISO}
                    ],
                }
            ],
        }
    ],
    "kucoin": lambda m: [
        {"id": "1", "type": "welcome"},
        {
            "type": "message", "topic": f"/market/match:{m}", "subject": "trade.l3match",
            "data": {
                "sequence": "1", "type": "match", "symbol": m, "side": "buy", "price": "100", "size": "0.5",
                "tradeId": "1", "takerOrderId": "2", "makerOrderId": "3", "time": str(T * 1_000_000),
            },
        },
    ],
    "gate": lambda m: [
        {
            "time": T // 1000, "channel": "spot.trades", "event": "update",
            "result": {
                "id": 1, "create_time": T // 1000, "create_time_ms": f"{T}.0", "side": "buy", "currency_pair": m,
                "amount": "0.5", "price": "100",
            },
        }
    ],
    "bitget": lambda m: [
        {"event": "subscribe", "arg": {"instType": "SPOT", "channel": "trade", "instId": m}},
        {
            "action": "update", "arg": {"instType": "SPOT", "channel": "trade", "instId": m}, "ts": T,
            "data": [{"ts": str(T), "price": "100", "size": "0.5", "side": "buy", "tradeId": "1"}],
        },
    ],
    "mexc": lambda m: [
        {
            "c": f"spot@public.deals.v3.api@{m}", "s": m, "t": T,
            "d": {"deals": [{"p": "100", "v": "0.5", "S": 1, "t": T}], "e": "spot@public.deals.v3.api"},
        }
    ],
    "htx": lambda m: [
        {
            "ch": f"market.{m}.trade.detail", "ts": T,
            "tick": {
                "id": 1, "ts": T,
                "data": [{"id": 11, "ts": T, "tradeId": 1, "amount": 0.5, "price": 100, "direction": "buy"}],
            },
        }
    ],
    "bitfinex": lambda m: [
        {"event": "subscribed", "channel": "trades", "chanId": 9, "symbol": m, "pair": m[1:]},
        [9, [[1, T, 0.5, 100]]],
    ],
    "hyperliquid": lambda m: [
        {
            "channel": "trades",
            "data": [{"coin": m, "side": "B", "px": "100", "sz": "0.5", "hash": "0x1", "time": T, "tid": 1}],
        }
    ],
    "deribit": lambda m: [
        {
            "jsonrpc": "2.0", "method": "subscription",
            "params": {
                "channel": f"trades.{m}.100ms",
                "data": [
                    {
                        "trade_seq": 1, "trade_id": "1", "timestamp": T, "tick_direction": 2, "price": 100,
                        "mark_price": 100, "instrument_name": m, "index_price": 100, "direction": "buy", "amount": 0.5,
                    }
                ],
            },
        }
    ],
    "cryptocom": lambda m: [
        {
            "id": 1, "method": "subscribe", "code": 0,
            "result": {
                "channel": "trade", "subscription": f"trade.{m}", "instrument_name": m,
                "data": [{"d": "1", "t": T, "p": "100", "q": "0.5", "s": "BUY", "i": m}],
            },
        }
    ],
    "bingx": lambda m: [
        {"id": "1", "code": 0, "msg": "SUCCESS", "timestamp": T},
        {
            "code": 0, "dataType": f"{m}@trade", "success": True,
            "data": {"E": T, "T": T, "e": "trade", "m": False, "p": "100", "q": "0.5", "s": m, "t": "1"},
        },
    ],
    "bitvavo": lambda m: [
        {"event": "trade", "timestamp": T, "market": m, "id": "1", "amount": "0.5", "price": "100", "side": "buy"}
    ],
    "bitstamp": lambda m: [
        {"event": "bts:subscription_succeeded", "channel": f"live_trades_{m}", "data": {}},
        {
            "event": "trade", "channel": f"live_trades_{m}",
            "data": {
                "id": 1, "timestamp": str(T // 1000), "microtimestamp": str(T * 1000), "amount": 0.5,
                "amount_str": "0.5", "price": 100, "price_str": "100", "type": 0, "buy_order_id": 2, "sell_order_id": 3,
            },
        },
    ],
    "gemini": lambda m: [
        {
            "type": "trade", "symbol": m.upper(), "event_id": 1, "timestamp": T, "price": "100", "quantity": "0.5",
            "side": "buy",
        }
    ],
    "phemex": lambda m: [
        {"sequence": 1, "symbol": m, "trades_p": [[T * 1_000_000, "Buy", "100", "0.5"]], "type": "incremental"}
    ],
    "whitebit": lambda m: [
        {
            "method": "trades_update",
            "params": [m, [{"id": 1, "time": T / 1000, "price": "100", "amount": "0.5", "type": "buy"}]],
        }
    ],
    "upbit": lambda m: [
        {
            "type": "trade", "code": m, "timestamp": T, "trade_date": "2023-11-14", "trade_time": "22:13:20",
            "trade_timestamp": T, "trade_price": 100, "trade_volume": 0.5, "ask_bid": "BID", "sequential_id": 1,
        }
    ],
    "bithumb": lambda m: [
        {
            "type": "transaction",
            "content": {
                "list": [
                    {
                        "symbol": f"{m}_KRW", "buySellGb": "2", "contPrice": "100", "contQty": "0.5", "contAmt": "50",
                        "contDtm": "2023-11-15 07:13:20.000000", "updn": "up",
                    }
                ]
            },
        }
    ],
    "woo": lambda m: [
        {"topic": f"{m}@trade", "ts": T, "data": {"symbol": m, "price": 100, "size": 0.5, "side": "BUY", "source": 0}}
    ],
    "backpack": lambda m: [
        {
            "stream": f"trade.{m}",
            "data": {
                "e": "trade", "E": T * 1000, "T": T * 1000, "s": m, "t": 1, "a": "2", "b": "3", "p": "100", "q": "0.5",
                "m": False,
            },
        }
    ],
    "lbank": lambda m: [
        {
            "type": "trade", "pair": m, "SERVER": "V2", "TS": "2023-11-14T22:13:20.000",
            "trade": {
                "volume": 0.5, "amount": 50, "price": 100, "direction": "buy", "TS": "2023-11-14T22:13:20.000",
            },
        }
    ],
    "xt": lambda m: [
        {
            "topic": "trade", "event": f"trade@{m}",
            "data": {"s": m, "i": 1, "t": T, "p": "100", "q": "0.5", "b": True, "v": "50"},
        }
    ],
}  # fmt: skip
_CONTRACT_TRADES: dict[str, Callable[[str], Frames]] = {
    "coinbase": _TRADES["coinbase"],
    "kucoin": lambda m: [
        {"id": "1", "type": "welcome"},
        {
            "type": "message", "topic": f"/contractMarket/execution:{m}", "subject": "match",
            "data": {
                "sequence": 1, "symbol": m, "side": "buy", "price": "100", "size": 2, "tradeId": "1",
                "takerOrderId": "2", "makerOrderId": "3", "ts": T * 1_000_000,
            },
        },
    ],
    "gate": lambda m: [
        {
            "time": T // 1000, "channel": "futures.trades", "event": "update",
            "result": [
                {"id": 1, "create_time": T // 1000, "create_time_ms": T, "contract": m, "size": 2, "price": "100"}
            ],
        }
    ],
    "bitget": lambda m: [
        {
            "action": "update", "arg": {"instType": "USDT-FUTURES", "channel": "trade", "instId": m}, "ts": T,
            "data": [{"ts": str(T), "price": "100", "size": "0.5", "side": "buy", "tradeId": "1"}],
        }
    ],
    "mexc": lambda m: [
        {"channel": "push.deal", "symbol": m, "ts": T, "data": [{"M": 1, "O": 1, "T": 1, "p": 100, "t": T, "v": 2}]}
    ],
    "xt": _TRADES["xt"],
}  # fmt: skip


def trade_frames(exchange: str, market_id: str, *, contract: bool) -> tuple[str, ...]:
    """The frames of one trade as text; none where nobody has written them down."""
    table = {**_TRADES, **_CONTRACT_TRADES} if contract else _TRADES
    made = table.get(exchange)
    return () if made is None else tuple(json.dumps(frame) for frame in made(market_id))
