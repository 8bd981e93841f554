"""The proofs as tests see them: real ccxt builds and signs a request, ``fetch`` writes it down instead of sending.

The one market that stands for all of an exchange is made here; what is asked for, captured and kept is the product's
own (``btccxt/exchange/proof``). ``python -m tests.exchange.prove`` writes the proofs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import ccxt.pro

from btccxt.exchange.guard import guard
from btccxt.exchange.order_list import guard_list
from btccxt.exchange.profile.profile import Profile, known_exchanges, load_profile, market_types
from btccxt.exchange.proof import intents, offline, replay
from btccxt.exchange.proof.intents import (
    EXPIRES_MS,
    ORDER_ID,
    REFERENCE_PRICE,
    client_id_for,
    environments,
    with_feature,
)
from btccxt.exchange.proof.offline import Captured, make_offline
from btccxt.exchange.proof.record import load_proof
from btccxt.exchange.request import needs_reference_price
from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side

__all__ = [
    "EXPIRES_MS", "ORDER_ID", "REFERENCE_PRICE", "Captured", "capture", "capture_call", "capture_list",
    "capture_reference", "capture_request", "check", "check_list", "client_id_for", "environments", "keys_of",
    "make_exchange", "native_lists", "native_requests", "plain_request", "profiles", "proven", "references",
    "symbol_of", "with_feature",
]  # fmt: skip

_KEYS = {
    "apiKey": "key",
    "secret": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    "password": "phrase",
    "uid": "1",
    "walletAddress": "0x" + "a" * 40,
    "privateKey": "0x" + "1" * 64,
}
_KEYS_OF: Mapping[str, Mapping[str, str]] = {
    "backpack": {"secret": "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE="},  # a private key
    "gemini": {"apiKey": "account-key"},
}
# ------------------------------------------------------------------ synthetic markets

_SPOT_IDS = {
    "okx": "BTC-USDT",
    "kucoin": "BTC-USDT",
    "gate": "BTC_USDT",
    "htx": "btcusdt",
    "kraken": "XXBTZUSD",
    "coinbase": "BTC-USD",
    "bitfinex": "tBTCUSD",
    "cryptocom": "BTC_USDT",
    "bingx": "BTC-USDT",
    "bitvavo": "BTC-EUR",
    "bitstamp": "btcusd",
    "gemini": "btcusd",
    "whitebit": "BTC_USDT",
    "upbit": "KRW-BTC",
    "bithumb": "BTC",
    "woo": "SPOT_BTC_USDT",
    "backpack": "BTC_USDC",
    "lbank": "btc_usdt",
    "xt": "btc_usdt",
    "hyperliquid": "@142",
    "deribit": "BTC_USDC",
}
_INVERSE_IDS = {"okx": "BTC-USD-SWAP", "bybit": "BTCUSD"}
_LINEAR_IDS = {
    "okx": "BTC-USDT-SWAP",
    "krakenfutures": "PF_XBTUSD",
    "coinbase": "BIP-20DEC30-CDE",
    "kucoin": "XBTUSDTM",
    "gate": "BTC_USDT",
    "mexc": "BTC_USDT",
    "htx": "BTC-USDT",
    "bitfinex": "tBTCF0:USTF0",
    "cryptocom": "BTCUSD-PERP",
    "bingx": "BTC-USDT",
    "whitebit": "BTC_PERP",
    "woo": "PERP_BTC_USDT",
    "backpack": "BTC_USDC_PERP",
    "hyperliquid": "BTC",
    "deribit": "BTC_USDC-PERPETUAL",
}
_QUOTES = {
    "bitvavo": "EUR",
    "bitstamp": "USD",
    "gemini": "USD",
    "upbit": "KRW",
    "bithumb": "KRW",
    "backpack": "USDC",
    "kraken": "USD",
    "coinbase": "USD",
    "bitfinex": "USD",
    "hyperliquid": "USDC",
    "deribit": "USDC",
}
_LINEAR_QUOTES = {
    "cryptocom": "USD",
    "backpack": "USDC",
    "krakenfutures": "USD",
    "coinbase": "USDC",
    "hyperliquid": "USDC",
    "deribit": "USDC",
}


_BINANCE_TYPES = [
    *("LIMIT", "LIMIT_MAKER", "MARKET", "STOP", "STOP_MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"),
    *("TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"),
]


def symbol_of(exchange_id: str, market_type: MarketType) -> str:
    exchange_id = load_profile(exchange_id, market_type).same_as or exchange_id
    if market_type is MarketType.SPOT:
        return f"BTC/{_QUOTES.get(exchange_id, 'USDT')}"
    if market_type is MarketType.INVERSE:
        return "BTC/USD:BTC"
    quote = _LINEAR_QUOTES.get(exchange_id, "USDT")
    return f"BTC/{quote}:{quote}"


def _synthetic_market(exchange: Any, exchange_id: str, market_type: MarketType) -> dict[str, Any]:
    spot = market_type is MarketType.SPOT
    symbol = symbol_of(exchange_id, market_type)
    exchange_id = load_profile(exchange_id, market_type).same_as or exchange_id
    quote = symbol.split("/")[1].split(":")[0]
    inverse = market_type is MarketType.INVERSE
    settle = "BTC" if inverse else quote
    ids = _SPOT_IDS if spot else _INVERSE_IDS if inverse else _LINEAR_IDS
    market_id = ids.get(exchange_id, "BTCUSDT")
    digits = exchange.precisionMode == 3
    return exchange.safe_market_structure(
        {
            "id": market_id,
            "lowercaseId": market_id.lower(),
            "symbol": symbol,
            "base": "BTC",
            "quote": quote,
            "settle": None if spot else settle,
            "baseName": "BTC",
            "baseId": "10142"
            if exchange_id == "hyperliquid" and spot
            else "0"
            if exchange_id == "hyperliquid"
            else "BTC",
            "quoteId": quote,
            "settleId": None if spot else settle.lower() if exchange_id == "gate" else settle,
            "type": "spot" if spot else "swap",
            "spot": spot,
            "margin": False,
            "swap": not spot,
            "future": False,
            "option": False,
            "active": True,
            "contract": not spot,
            "linear": None if spot else not inverse,
            "inverse": None if spot else inverse,
            "contractSize": None if spot else 1,
            "taker": 0.001,
            "maker": 0.001,
            "precision": {"amount": 8 if digits else 0.01, "price": 5 if digits else 0.01, "cost": 0.01, "quote": 0.01},
            "limits": {"amount": {"min": 0.01}, "price": {}, "cost": {}, "leverage": {"max": 10}},
            "info": {
                "szDecimals": "2",
                "product_type": "SPOT",
                "multiplier": "1",
                "quoteIncrement": "0.01",
                "orderTypes": _BINANCE_TYPES,
            },
        }
    )


def synthetic_market(exchange_id: str, market_type: MarketType) -> dict[str, Any]:
    """ccxt's record of the one market that stands for all."""
    return _synthetic_market(getattr(ccxt.pro, exchange_id)(), exchange_id, market_type)


def keys_of(exchange_id: str) -> dict[str, str]:
    return {**_KEYS, **_KEYS_OF.get(exchange_id, {})}


@lru_cache(maxsize=256)
def make_exchange(exchange_id: str, market_type: MarketType, environment: str = "live") -> tuple[Any, Market]:
    """An unmodified ccxt.pro instance with the profile's options and one synthetic market."""
    profile = load_profile(exchange_id, market_type)
    entry = synthetic_market(exchange_id, market_type)
    return make_offline(profile, keys_of(exchange_id), entry, environment, for_streams=True)


# ------------------------------------------------------------------ what is proven


def profiles() -> Iterator[Profile]:
    for name in known_exchanges():
        for market_type in market_types(name):
            yield load_profile(name, market_type)


def proven(profile: Profile, environment: str = "live") -> Mapping[str, str]:
    """Title -> line of every request and subscription."""
    proof = load_proof(profile.exchange)
    assert proof is not None, f"{profile.exchange}: python -m tests.exchange.prove --write {profile.exchange}"
    return proof.markets[profile.market_type.value].requests[environment]


def plain_request(profile: Profile, kind: OrderKind, side: Side) -> OrderRequest:
    return intents.plain_request(profile, kind, side, symbol_of(profile.exchange, profile.market_type))


def native_requests(profile: Profile) -> Iterator[tuple[str, OrderRequest]]:
    return intents.native_requests(profile, symbol_of(profile.exchange, profile.market_type))


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def capture(exchange: Any, ask: Any, is_wanted: Any = None) -> Captured:
    return _loop().run_until_complete(offline.capture(exchange, ask, is_wanted))


def capture_call(exchange: Any, call: Any, profile: Profile) -> Captured:
    return _loop().run_until_complete(replay.capture_call(exchange, call, profile))


def capture_request(profile: Profile, request: OrderRequest, environment: str = "live") -> Captured:
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    return _loop().run_until_complete(replay.capture_order(exchange, market, profile, request))


ListCall = tuple[OrderRequest, OrderRequest]


def native_lists(profile: Profile) -> Iterator[tuple[str, ListCall]]:
    return intents.native_lists(profile, symbol_of(profile.exchange, profile.market_type))


def capture_list(profile: Profile, pair: ListCall, environment: str = "live") -> Captured:
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    return _loop().run_until_complete(replay.capture_list(exchange, market, profile, pair))


def check_list(profile: Profile, pair: ListCall, found: Captured) -> None:
    """The guard's opinion of a captured list."""
    market = make_exchange(profile.exchange, profile.market_type)[1]
    guard_list(*pair, profile, found.method, found.path, found.fields, market=market)


def references(profile: Profile, environment: str = "live") -> Iterator[tuple[str, Any]]:
    """``(title, coroutine function)``: query, cancel and lists as the product asks for them."""
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    for read in intents.references(exchange, market, profile):
        yield read.title, read.ask


def capture_reference(profile: Profile, coroutine: Any, environment: str = "live") -> Captured:
    exchange, _ = make_exchange(profile.exchange, profile.market_type, environment)
    return capture(exchange, coroutine, lambda found: found.fields.get("type") != "userAbstraction")


def check(profile: Profile, request: OrderRequest, found: Captured) -> None:
    """The guard's opinion of a captured request."""
    price = REFERENCE_PRICE if needs_reference_price(request, profile) else None
    _, market = make_exchange(profile.exchange, profile.market_type)
    guard(request, profile, found.method, found.path, found.fields, reference_price=price, market=market)
