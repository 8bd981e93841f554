"""``trade_ids``: one public trade as REST and as the stream are documented to tell it, through ccxt's parsers."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.exchange.ccxt.translate import trade
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof.offline import make_offline
from btccxt.exchange.proof.record import load_proof
from btccxt.model import MarketType
from tests.exchange.capture import keys_of, synthetic_market

T = 1_700_000_000_000
_AGGREGATE = {"a": 7, "p": "100", "q": "0.5", "f": 9, "l": 11, "T": T, "m": False}

# exchange: what REST says, what the stream says
_ROWS: dict[str, tuple[Any, Any]] = {
    "binance": (_AGGREGATE, {"e": "aggTrade", "E": T, "s": "BTCUSDT", **_AGGREGATE}),
    "bybit": (
        {"execId": "7f", "symbol": "BTCUSDT", "price": "100", "size": "0.5", "side": "Buy", "time": str(T)},
        {"T": T, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "100", "L": "PlusTick", "i": "7f", "BT": False},
    ),
    "okx": (
        {"instId": "BTC-USDT", "side": "buy", "sz": "0.5", "px": "100", "tradeId": "7", "ts": str(T)},
        {"instId": "BTC-USDT", "tradeId": "7", "px": "100", "sz": "0.5", "side": "buy", "ts": str(T), "count": "1"},
    ),
    "kraken": (
        ["100", "0.5", T / 1000, "b", "m", "", 7],
        {"symbol": "BTC/USD", "side": "buy", "price": 100, "qty": 0.5, "ord_type": "market", "trade_id": 7,
         "timestamp": "2023-11-14T22:13:20.000000Z"},
    ),
    "coinbase": (
        {"trade_id": "7", "product_id": "BTC-USD", "price": "100", "size": "0.5", "time": "2023-11-14T22:13:20Z",
         "side": "BUY"},
        {"trade_id": "7", "product_id": "BTC-USD", "price": "100", "size": "0.5", "side": "BUY",
         "time": "2023-11-14T22:13:20.000000Z"},
    ),
    "kucoin": (
        {"sequence": "7", "side": "buy", "size": "0.5", "price": "100", "time": T * 1_000_000},
        {"sequence": "7", "type": "match", "symbol": "BTC-USDT", "side": "buy", "price": "100", "size": "0.5",
         "tradeId": "11", "time": str(T * 1_000_000)},
    ),
    "gate": (
        {"id": "7", "create_time": str(T // 1000), "create_time_ms": f"{T}.0", "currency_pair": "BTC_USDT",
         "side": "buy", "amount": "0.5", "price": "100"},
        {"id": 7, "create_time": T // 1000, "create_time_ms": f"{T}.0", "currency_pair": "BTC_USDT", "side": "buy",
         "amount": "0.5", "price": "100"},
    ),
    "bitget": (
        {"symbol": "BTCUSDT", "tradeId": "7", "side": "buy", "price": "100", "size": "0.5", "ts": str(T)},
        {"ts": str(T), "price": "100", "size": "0.5", "side": "buy", "tradeId": "7"},
    ),
    "mexc": (
        {"a": None, "f": None, "l": None, "p": "100", "q": "0.5", "T": T, "m": False, "M": True},
        {"p": "100", "v": "0.5", "S": 1, "t": T},
    ),
    "htx": (
        {"id": 7_000_000_000_001, "ts": T, "trade-id": 7, "amount": 0.5, "price": 100, "direction": "buy"},
        {"id": 7_000_000_000_001, "ts": T, "tradeId": 7, "amount": 0.5, "price": 100, "direction": "buy"},
    ),
    "deribit": (
        {"trade_seq": 1, "trade_id": "7", "timestamp": T, "price": 100, "instrument_name": "BTC_USDC",
         "direction": "buy", "amount": 0.5},
        {"trade_seq": 1, "trade_id": "7", "timestamp": T, "price": 100, "instrument_name": "BTC_USDC",
         "direction": "buy", "amount": 0.5},
    ),
    "cryptocom": (
        {"s": "BUY", "p": "100", "q": "0.5", "t": T, "d": "7", "i": "BTC_USDT"},
        {"d": "7", "t": T, "p": "100", "q": "0.5", "s": "BUY", "i": "BTC_USDT"},
    ),
    "bitvavo": (
        {"id": "7", "timestamp": T, "amount": "0.5", "price": "100", "side": "buy"},
        {"event": "trade", "timestamp": T, "market": "BTC-EUR", "id": "7", "amount": "0.5", "price": "100",
         "side": "buy"},
    ),
    "upbit": (
        {"market": "KRW-BTC", "timestamp": T, "trade_price": 100, "trade_volume": 0.5, "ask_bid": "BID",
         "sequential_id": 7},
        {"type": "trade", "code": "KRW-BTC", "timestamp": T, "trade_timestamp": T, "trade_price": 100,
         "trade_volume": 0.5, "ask_bid": "BID", "sequential_id": 7},
    ),
    "bitfinex": ({"result": [7, T, 0.5, 100]}, {"result": [7, T, 0.5, 100]}),
    "backpack": (
        {"id": 7, "price": "100", "quantity": "0.5", "quoteQuantity": "50", "timestamp": T, "isBuyerMaker": False},
        {"e": "trade", "E": T * 1000, "T": T * 1000, "s": "BTC_USDC", "t": 7, "a": "2", "b": "3", "p": "100",
         "q": "0.5", "m": False},
    ),
    "xt": (
        {"i": 7, "t": T, "p": "100", "q": "0.5", "v": "50", "b": False},
        {"s": "btc_usdt", "i": 7, "t": T, "p": "100", "q": "0.5", "b": False},
    ),
    "woo": (
        {"symbol": "SPOT_BTC_USDT", "side": "BUY", "source": 0, "executedPrice": "100", "executedQuantity": "0.5",
         "executedTimestamp": T},
        {"symbol": "SPOT_BTC_USDT", "price": 100, "size": 0.5, "side": "BUY", "source": 0, "timestamp": T},
    ),
}  # fmt: skip

_OWN_PARSER = (
    "binance",
    "bybit",
    "kucoin",
    "bitget",
    "mexc",
    "bitfinex",
    "backpack",
    "woo",
)  # for pushed public trades


@pytest.mark.parametrize("exchange_id", sorted(_ROWS))
def test_ids_agree_where_the_profile_says_so(exchange_id: str) -> None:
    profile = load_profile(exchange_id, MarketType.SPOT)
    market_record = synthetic_market(exchange_id, MarketType.SPOT)
    instance, _ = make_offline(profile, keys_of(exchange_id), market_record, for_streams=True)
    market = instance.market(market_record["symbol"])
    by_rest, pushed = _ROWS[exchange_id]
    parse_pushed = instance.parse_ws_trade if exchange_id in _OWN_PARSER else instance.parse_trade
    rest, stream = trade(instance.parse_trade(by_rest, market)), trade(parse_pushed(pushed, market))
    assert (rest.time_ms, rest.price, rest.amount) == (stream.time_ms, stream.price, stream.amount) == (T, 100.0, 0.5)
    agree = rest.has_own_id and stream.has_own_id and rest.trade_id == stream.trade_id
    assert profile.trade_ids == ("common" if agree else "different")


@pytest.mark.parametrize("exchange_id", ["binance", "binanceusdm", "binanceus"])
def test_a_stream_is_asked_for_the_trades_that_rest_lists(exchange_id: str) -> None:
    for proof in load_proof(exchange_id).markets.values():
        for requests in proof.requests.values():
            assert ("@aggTrade" in requests["stream trades"]) is ("aggTrades" in requests["trades"])
