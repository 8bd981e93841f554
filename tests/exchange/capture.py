"""Offline request capture: real ccxt builds and signs a request, and ``fetch`` writes it down instead of sending.

    python -m tests.exchange.capture                  # print the captures of every native entry
    python -m tests.exchange.capture --write          # into captured_requests.txt; read the diff

Nothing here touches a network: markets are synthetic, and ``fetch`` never reaches the socket.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.ccxt_instance import lead_to
from btccxt.exchange.order_list import guard_list, list_request
from btccxt.exchange.profile.profile import Profile, known_exchanges, load_profile, market_types
from btccxt.exchange.request import (
    CcxtCall,
    build_call,
    decode_request,
    features_of,
    guard,
    needs_reference_price,
    reference_params,
)
from btccxt.model import Market, MarketType, OrderFeature, OrderKind, OrderReference, OrderRequest, Side, TimeInForce

CAPTURES = Path(__file__).with_name("captured_requests.txt")
EXPIRES_MS = 1_999_999_999_000
REFERENCE_PRICE = Decimal("100")

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
# What changes from run to run, or belongs to the signature and not to the order.
_VOLATILE = frozenset(
    {"timestamp", "Timestamp", "nonce", "recvWindow", "signature", "Signature", "SignatureMethod", "SignatureVersion"}
    | {
        "AccessKeyId",
        "tag",
        "startTime",
        "endTime",
        "sig",
        "sign",
        "endTs",
        "broker_id",
        "api_key",
        "start_date",
        "end_date",
    }
)


class _Sent(Exception):
    """Stops ccxt once the request is written down."""


@dataclass(frozen=True)
class Captured:
    method: str
    path: str
    fields: Mapping[str, Any]
    host: str = ""

    def text(self) -> str:
        """One line; nested values flattened, volatile fields left out."""
        volatile = _VOLATILE | ({"id"} if "method" in self.fields else set())  # JSON-RPC: the call's own number
        pairs = sorted(
            (name, value) for name, value in _flatten(self.fields, "") if not volatile & set(name.split("."))
        )
        return f"{self.method} {self.path} " + " ".join(f"{name}={value}" for name, value in pairs)


def _flatten(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flatten(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _flatten(value, f"{name}.{index}" if name else str(index))
    else:
        yield name, node


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


@lru_cache(maxsize=256)
def make_exchange(exchange_id: str, market_type: MarketType, environment: str = "live") -> tuple[Any, Market]:
    """An unmodified ccxt.pro instance with the profile's options and one synthetic market."""
    profile = load_profile(exchange_id, market_type)
    exchange = getattr(ccxt.pro, exchange_id)(
        {**_KEYS, **_KEYS_OF.get(exchange_id, {}), "options": dict(profile.options), "enableRateLimit": False}
    )
    if environment in ("testnet", "demo"):
        lead_to(exchange, profile.switch_to(environment))
    entry = _synthetic_market(exchange, exchange_id, market_type)
    exchange.set_markets([entry])

    async def load_markets(*_: Any, **__: Any) -> Any:
        return exchange.markets

    exchange.load_markets = load_markets
    exchange.accounts = [{"id": "7", "type": "spot", "code": None}]
    exchange.accountsById = {"7": exchange.accounts[0]}
    listed = exchange.market(entry["symbol"])
    market = translate.market(listed, exchange.precisionMode, market_id=profile.market_id)
    assert market is not None
    return exchange, market


# ------------------------------------------------------------------ capturing


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def capture(exchange: Any, coroutine: Any, *, is_wanted: Any = None) -> Captured:
    """The first request that changes something (or that ``is_wanted`` picks); reads before it get ``{}``."""
    caught: list[Captured] = []

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        path, fields = decode_request(url, body)
        found = Captured(method, path, fields, urlsplit(url).netloc)
        if is_wanted(found) if is_wanted is not None else method != "GET":
            caught.append(found)
            raise _Sent
        return {}

    exchange.fetch = fetch
    with suppress(_Sent):
        _loop().run_until_complete(coroutine())
    if not caught:
        raise AssertionError("ccxt sent no such request")
    return caught[0]


def capture_call(exchange: Any, call: CcxtCall, profile: Profile) -> Captured:
    """What ``create_order`` with this call would send."""

    def is_order(found: Captured) -> bool:
        return any(known in f"{found.method} {found.path}" for known in profile.order_requests)

    async def create() -> None:
        await exchange.create_order(call.symbol, call.type, call.side, call.amount, call.price, call.params)

    return capture(exchange, create, is_wanted=is_order)


# ------------------------------------------------------------------ the intents that have to be proven


def client_id_for(profile: Profile) -> str:
    if profile.client_id.form == "hex":
        return "0x" + "ab" * 16
    if profile.client_id.form == "uuid":
        return "00b7e151-6280-4aed-a2a6-abf7158809cf"
    return "81985529" if profile.client_id.form == "integer" else "b7k2m9x0q4"


def plain_request(profile: Profile, kind: OrderKind, side: Side) -> OrderRequest:
    """An order of this kind with figures that cannot be mistaken for one another."""
    up = side is Side.BUY
    limits = {OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}
    trigger = None
    if kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        trigger = Decimal("110.25") if up else Decimal("90.75")
    elif kind in (OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT):
        trigger = Decimal("90.75") if up else Decimal("110.25")
    return OrderRequest(
        client_order_id=client_id_for(profile),
        symbol=symbol_of(profile.exchange, profile.market_type),
        side=side,
        kind=kind,
        amount=Decimal(2),
        price=Decimal("101.5") if kind in limits else None,
        trigger_price=trigger,
        trailing_amount=Decimal("7.25") if kind is OrderKind.TRAILING_AMOUNT else None,
        trailing_percent=Decimal("1.5") if kind is OrderKind.TRAILING_PERCENT else None,
    )


def with_feature(request: OrderRequest, feature: OrderFeature) -> OrderRequest:
    """The same order, with one thing more asked for."""
    up = request.side is Side.BUY
    changes: dict[OrderFeature, dict[str, Any]] = {
        OrderFeature.POST_ONLY: {"post_only": True},
        OrderFeature.REDUCE_ONLY: {"reduce_only": True},
        OrderFeature.IOC: {"time_in_force": TimeInForce.IOC},
        OrderFeature.FOK: {"time_in_force": TimeInForce.FOK},
        OrderFeature.GTD: {"time_in_force": TimeInForce.GTD, "expires_ms": EXPIRES_MS},
        OrderFeature.ICEBERG: {"iceberg_amount": Decimal(1)},
        OrderFeature.ATTACHED_EXITS: {
            "stop_loss_price": Decimal("80.5") if up else Decimal("120.25"),
            "take_profit_price": Decimal("130.75") if up else Decimal("70.25"),
        },
        OrderFeature.MARKET_BY_COST: {"cost_quote": Decimal("250.5")},
    }
    return replace(request, **changes[feature])


def native_requests(profile: Profile) -> Iterator[tuple[str, OrderRequest]]:
    """Every intent that the profile calls native: each kind, and each feature with each kind it names; both sides."""
    for kind in OrderKind:
        if profile.orders[kind.value].is_native:
            for side in Side:
                if profile.orders[kind.value].sides and side.value not in profile.orders[kind.value].sides:
                    continue
                yield f"{kind.value} {side.value}", plain_request(profile, kind, side)
    for feature in OrderFeature:
        rule = profile.orders[feature.value]
        if rule.is_native:
            for kind_name in rule.kinds:
                for side in Side:
                    if rule.sides and side.value not in rule.sides:
                        continue
                    request = with_feature(plain_request(profile, OrderKind(kind_name), side), feature)
                    assert feature in features_of(request)
                    yield f"{feature.value} {kind_name} {side.value}", request


def profiles() -> Iterator[Profile]:
    for name in known_exchanges():
        for market_type in market_types(name):
            yield load_profile(name, market_type)


def environments(profile: Profile) -> tuple[str, ...]:
    """Where the exchange can be reached: ``live``, and what its profile has beside it."""
    return ("live", *(name for name in ("testnet", "demo") if getattr(profile, name) != "none"))


def capture_request(profile: Profile, request: OrderRequest, environment: str = "live") -> Captured:
    """The whole way of the product: intent -> build_call -> unmodified ccxt -> HTTP request."""
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    if profile.leverage_param is not None:
        request = replace(request, params={profile.leverage_param: 3})  # the account's own
    price = REFERENCE_PRICE if needs_reference_price(request, profile) else None
    return capture_call(exchange, build_call(request, market, profile, reference_price=price), profile)


ListCall = tuple[OrderRequest, OrderRequest]


def native_lists(profile: Profile) -> Iterator[tuple[str, ListCall]]:
    """Every pair of kinds that the profile takes as one list; both sides."""
    rule = profile.order_lists
    if rule is None:
        return
    for stop_kind in rule.stop:
        for target_kind in rule.target:
            for side in Side:
                stop = plain_request(profile, OrderKind(stop_kind), side)
                target = plain_request(profile, OrderKind(target_kind), side)
                target = replace(
                    target, client_order_id="b7k2m9x0q5", price=Decimal("88.5" if side is Side.BUY else "121.5")
                )
                yield f"order list {stop_kind} {target_kind} {side.value}", (stop, target)


def capture_list(profile: Profile, pair: ListCall, environment: str = "live") -> Captured:
    """Intents -> list_request -> unmodified ccxt -> HTTP request."""
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    assert profile.order_lists is not None
    fields = list_request(*pair, market, profile)
    return capture(exchange, partial(getattr(exchange, profile.order_lists.call), fields))


def check_list(profile: Profile, pair: ListCall, found: Captured) -> None:
    """The guard's opinion of a captured list."""
    market = make_exchange(profile.exchange, profile.market_type)[1]
    guard_list(*pair, profile, found.method, found.path, found.fields, market=market)


ORDER_ID = "987654321012"


def references(profile: Profile, environment: str = "live") -> Iterator[tuple[str, Any]]:
    """``(title, coroutine function)``: query, cancel and lists as the product asks for them."""
    exchange, market = make_exchange(profile.exchange, profile.market_type, environment)
    client_id = client_id_for(profile)
    book = profile.conditional
    books = [False, True] if book.separate_book or book.query_params or book.cancel_params else [False]
    for conditional in books:
        title = " conditional" if conditional else ""
        for pointer in ("id", "client id"):
            reference = OrderReference(
                symbol=market.symbol,
                client_order_id=client_id,
                order_id=ORDER_ID if pointer == "id" else None,
                conditional=conditional,
            )
            yield from _query(exchange, profile, reference, f"{title} by {pointer}")
            yield from _cancel(exchange, profile, reference, f"{title} by {pointer}")
    for params in ({}, *profile.conditional.open_params):
        words = " ".join(f"{name}={value}" for name, value in params.items()) or "plain"
        yield f"open orders {words}", partial(exchange.fetch_open_orders, market.symbol, None, None, dict(params))
    for params in (*(each for each in profile.closed_lists if each), *profile.conditional.closed_params):
        words = " ".join(f"{name}={value}" for name, value in params.items())
        closed = getattr(exchange, _closed_method(exchange))
        yield f"closed orders {words}", partial(closed, market.symbol, None, None, dict(params))


def _query(exchange: Any, profile: Profile, reference: OrderReference, title: str) -> Iterator[tuple[str, Any]]:
    order_id, params = reference_params(reference, profile, "query")
    if reference.conditional and not profile.conditional.fetch_order:
        return
    lookup = profile.client_id.lookup_for(reference.conditional)
    if reference.order_id is not None or lookup == "fetch_order":
        yield f"query{title}", partial(exchange.fetch_order, order_id, reference.symbol, params)
    elif lookup == "open_and_closed_orders":
        closed = getattr(exchange, _closed_method(exchange))
        yield f"query open{title}", partial(exchange.fetch_open_orders, reference.symbol, None, None, params)
        yield f"query closed{title}", partial(closed, reference.symbol, None, None, params)


def _cancel(exchange: Any, profile: Profile, reference: OrderReference, title: str) -> Iterator[tuple[str, Any]]:
    try:
        order_id, params = reference_params(reference, profile, "cancel")
    except Unsupported:
        return
    yield f"cancel{title}", partial(exchange.cancel_order, order_id, reference.symbol, params)


def _closed_method(exchange: Any) -> str:
    return (
        "fetch_canceled_and_closed_orders"
        if exchange.has["fetchCanceledAndClosedOrders"] is True
        else "fetch_closed_orders"
    )


def capture_reference(profile: Profile, coroutine: Any, environment: str = "live") -> Captured:
    exchange, _ = make_exchange(profile.exchange, profile.market_type, environment)
    return capture(exchange, coroutine, is_wanted=lambda found: found.fields.get("type") != "userAbstraction")


def check(profile: Profile, request: OrderRequest, found: Captured) -> None:
    """The guard's opinion of a captured request."""
    price = REFERENCE_PRICE if needs_reference_price(request, profile) else None
    _, market = make_exchange(profile.exchange, profile.market_type)
    guard(request, profile, found.method, found.path, found.fields, reference_price=price, market=market)


def all_captures(only: str | None = None) -> Iterator[tuple[str, str]]:
    for profile in profiles():
        if only is not None and profile.exchange != only:
            continue
        for title, request in native_requests(profile):
            name = f"{profile.exchange} {profile.market_type.value} | {title}"
            try:
                found = capture_request(profile, request)
                check(profile, request, found)
                yield name, found.text()
            except Exception as error:  # noqa: BLE001 - the tool shows every fault
                yield name, f"!! {type(error).__name__}: {re.sub(chr(10), ' ', str(error))[:300]}"
        for title, pair in native_lists(profile):
            listed = capture_list(profile, pair)
            check_list(profile, pair, listed)
            yield f"{profile.exchange} {profile.market_type.value} | {title}", listed.text()
        for title, coroutine in references(profile):
            name = f"{profile.exchange} {profile.market_type.value} | {title}"
            try:
                yield name, capture_reference(profile, coroutine).text()
            except Exception as error:  # noqa: BLE001
                yield name, f"!! {type(error).__name__}: {re.sub(chr(10), ' ', str(error))[:300]}"


def main(arguments: list[str]) -> None:
    only = next((word for word in arguments if not word.startswith("-")), None)
    lines = [f"{name} | {text}" for name, text in all_captures(only)]
    if "--write" in arguments:
        CAPTURES.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
