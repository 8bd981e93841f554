"""Changes of behaviour planted into ccxt, each of another kind: the self-check finds every one and names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.async_support.base.exchange import BaseExchange
from ccxt.async_support.base.ws.cache import ArrayCacheByTimestamp
from ccxt.async_support.base.ws.client import Client
from ccxt.async_support.base.ws.future import Future
from ccxt.base.errors import RateLimitExceeded

from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof.examine import examine
from btccxt.exchange.proof.verdict import under
from btccxt.model import MarketType

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
rest, pro = ccxt.async_support, ccxt.pro
Plant = Callable[[pytest.MonkeyPatch], None]


def after(owner: Any, method: str, change: Callable[[Any], Any]) -> Plant:
    """What the method returns is changed."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        real = getattr(owner, method)
        patch.setattr(owner, method, lambda self, *given, **named: change(real(self, *given, **named)))

    return plant


def before(owner: Any, method: str, change: Callable[..., tuple[Any, ...]]) -> Plant:
    """What the method is given is changed."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        real = getattr(owner, method)
        patch.setattr(owner, method, lambda self, *given, **named: real(self, *change(*given), **named))

    return plant


def instead(owner: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(owner, name, value)


def gone(owner: Any, name: str) -> Plant:
    return lambda patch: patch.delattr(owner, name)


def described(owner: Any, **changes: Any) -> Plant:
    """ccxt's description of an exchange, with other entries."""
    return after(owner, "describe", lambda told: ccxt.Exchange.deep_extend(told, changes))


def renamed(old: str, new: str) -> Callable[[Any], Any]:
    return lambda found: {(new if name == old else name): value for name, value in found.items()}


def without(name: str) -> Callable[[Any], Any]:
    return lambda found: {key: value for key, value in found.items() if key != name}


def _other_header(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "headers": renamed("X-BAPI-SIGN", "X-SIGN")(told["headers"] or {})}


def _resolves_nothing(self: Client, result: Any, message_hash: str) -> Any:
    return result


def _forgets(self: ArrayCacheByTimestamp, item: Any) -> None:
    self.hashmap[item[0]] = item
    self._deque.append(item)


async def _another_way(self: Any, path: str, *given: Any, **named: Any) -> Any:
    return await self.request_once(path, *given, **named)


def _without_price(trade: dict[str, Any], *more: Any) -> tuple[Any, ...]:
    return {**trade, "price": None, "price_str": None}, *more


def _swapped(symbol: Any, kind: Any, side: str, *more: Any) -> tuple[Any, ...]:
    return symbol, kind, {"buy": "sell", "sell": "buy"}[side], *more


PLANTED: dict[str, tuple[str, MarketType, Plant, str, set[str]]] = {
    "a parameter renamed": (
        "binance", SPOT, after(rest.binance, "create_order_request", renamed("stopPrice", "triggerPrice")),
        "stop buy: stopPrice=110.25 is now triggerPrice=110.25", {"stop", "stop_limit", "take_profit"},
    ),
    "another endpoint": (
        "kraken", SPOT,
        before(rest.kraken, "sign", lambda path, *more: (path.replace("AddOrder", "PlaceOrder"), *more)),
        "limit buy: ccxt fails: Blocked: ccxt sends POST /0/private/PlaceOrder", {"limit", "market"},
    ),
    "another header of the signature": (
        "bybit", LINEAR,
        after(rest.bybit, "sign", _other_header), "limit buy: X-BAPI-SIGN is now X-SIGN", {"all orders"},
    ),
    "another signature": (
        "binance", LINEAR, instead(rest.binance, "hmac", staticmethod(lambda *_, **__: "0" * 64)),
        "signature is made otherwise", {"all orders"},
    ),
    "the side swapped": (
        "okx", SPOT, before(rest.okx, "create_order_request", _swapped),
        "limit buy: 0.side=buy is now 0.side=sell", {"market", "limit", "stop"},
    ),
    "seconds for milliseconds in a request": (
        "kraken", SPOT, after(rest.kraken, "nonce", lambda found: found // 1000),
        "nonce=1800000000000 is now nonce=1800000000", {"all orders"},
    ),
    "seconds for milliseconds in an answer": (
        "bybit", SPOT,
        after(rest.bybit, "parse_trade", lambda found: {**found, "timestamp": found["timestamp"] // 1000}),
        "fill 2", {"all orders"},
    ),
    "the client order id dropped": (
        "gate", SPOT, after(rest.gate, "create_order_request", without("text")),
        "limit buy: text=t-b7k2m9x0q4 is missing", {"limit", "market"},
    ),
    "another unit of the amount": (
        "okx", LINEAR, after(rest.okx, "amount_to_precision", lambda found: str(float(found) * 10)),
        "stop buy: sz=2 is now sz=20.0", {"limit", "market", "stop"},
    ),
    "another field of an attached stop": (
        "bybit", LINEAR, after(rest.bybit, "create_order_request", renamed("stopLoss", "slPrice")),
        "attached_exits limit buy: stopLoss=80.5 is now slPrice=80.5",
        {"attached_exits limit", "attached_exits market"},
    ),
    "another map of statuses": (
        "gate", SPOT, instead(rest.gate, "parse_order_status", lambda self, status: "closed"),
        "status cancelled: canceled is now closed", set(),
    ),
    "a handler renamed": (
        "bybit", SPOT, gone(pro.bybit, "handle_trades"),
        "stream trades, a frame through the hooks: ccxt fails", {"stream trades"},
    ),
    "trades in another shape": (
        "bitstamp", SPOT,
        before(pro.bitstamp, "parse_ws_trade", _without_price),
        "stream trades, a frame through the hooks", {"stream trades"},
    ),
    "another cache of candles": (
        "kraken", SPOT, instead(ArrayCacheByTimestamp, "append", _forgets),
        "ccxt's cache of candles", {"all streams"},
    ),
    "futures that are not resolved": (
        "kraken", SPOT, instead(Client, "resolve", _resolves_nothing),
        "ccxt's client of a socket: ccxt fails: resolve does not reach who waits", {"all streams"},
    ),
    "errors that reach nobody": (
        "kraken", SPOT, instead(Future, "reject", lambda self, error=None: None),
        "ccxt's futures", {"all streams"},
    ),
    "another hash of a message": (
        "kraken", SPOT, after(pro.kraken, "get_message_hash", lambda found: f"{found}#2"),
        "#2", {"stream trades"},
    ),
    "another mode of precision": (
        "kraken", SPOT, described(rest.kraken, precisionMode=3),
        "ccxt's precision mode: 4 is now 3", {"all orders"},
    ),
    "a unified field renamed": (
        "okx", SPOT, after(rest.okx, "safe_order", renamed("side", "direction")),
        "order 1", {"all orders"},
    ),
    "a capability withdrawn": (
        "okx", SPOT, described(pro.okx, has={"watchTrades": False}),
        "has watchTrades: yes is now no", set(),
    ),
    "another meaning of an error": (
        "okx", SPOT, described(rest.okx, exceptions={"exact": {"51008": RateLimitExceeded}}),
        "51008: refused is now slow_down", set(),
    ),
    "another address": (
        "bybit", SPOT, described(rest.bybit, hostname="bybit.example"),
        "api.bybit.example", {"all orders", "stream trades"},
    ),
    "another rate limit": (
        "okx", SPOT, described(rest.okx, rateLimit=777),
        "ccxt's rate limit: 110.0 is now 777.0", set(),
    ),
    "requests past the throttle": (
        "okx", SPOT, instead(rest.okx, "fetch2", _another_way),
        "ccxt's request: ccxt fails", {"all orders"},
    ),
    "an internal method renamed": (
        "okx", SPOT, gone(BaseExchange, "spawn"),
        "ccxt's spawn: ccxt no longer has it", {"all streams"},
    ),
    "another name of the order to cancel": (
        "binance", SPOT, before(
            rest.binance, "sign",
            lambda path, api="public", method="GET", params=None, *more: (
                path, api, method, renamed("origClientOrderId", "clientOrderId")(params or {}), *more
            ),
        ),
        "cancel by client id: origClientOrderId=b7k2m9x0q4 is now clientOrderId=b7k2m9x0q4", {"all orders"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
async def test_a_planted_change_is_found_and_named(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, market_type, plant, words, refused = PLANTED[what]
    plant(monkeypatch)
    profile = load_profile(exchange, market_type)
    verdict = await examine(profile)
    told = [each.text for each in verdict.differences]
    assert any(words in text for text in told), "\n".join(told[:8])
    assert refused <= set(verdict.refused), verdict.refused
    if not refused:
        assert not verdict.refused
    left = under(profile, verdict, profile)
    for key in refused & set(profile.orders):
        assert left.orders[key].support == "refused"
        assert "otherwise than ccxt" in str(left.orders[key].why)
    if "all orders" in refused:
        assert not any(rule.is_native for rule in left.orders.values())
    if "all streams" in refused:
        assert not (left.bars.stream or left.streams.trades or left.streams.orders)
