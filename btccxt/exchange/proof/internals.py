"""What the product relies on inside ccxt, tried out: attributes that it hooks, caches, futures, the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from btccxt.exchange.ccxt.frames import changed_rows
from btccxt.exchange.proof.differences import Concerns, Difference

_OF_STREAMS = (
    "client", "watch", "watch_multiple", "handle_message", "on_error", "on_close", "spawn", "delay",
    "currency_to_precision", "set_markets_from_exchange", "close", "open", "streaming",
)  # fmt: skip
_OF_CALLS = (
    "fetch", "sign", "on_rest_response", "throttle", "nonce", "milliseconds", "seconds", "microseconds", "load_markets",
    "set_markets", "safe_market_structure", "check_required_credentials", "create_order", "cancel_order", "fetch_order",
    "fetch_open_orders", "fetch_closed_orders", "fetch_my_trades", "fetch_balance", "fetch_positions", "fetch_ticker",
    "fetch_ohlcv", "fetch_trades", "parse_order", "parse_trade", "enableRateLimit", "precisionMode", "exceptions",
    "timeframes", "options", "has", "set_sandbox_mode", "enable_demo_trading",
)  # fmt: skip
_OF_CLIENTS = (
    "url", "futures", "subscriptions", "connected", "isConnected", "connection", "error", "ping_looper", "lastPong",
    "resolve", "reject", "send", "handle_message", "receive_loop", "throttle", "on_error", "on_close",
    "create_connection", "future",
)  # fmt: skip


class _Wrong(Exception):
    """Something inside ccxt does not do what it did."""


def internals(instance: Any) -> Iterator[Difference]:
    """What is missing or behaves otherwise. Needs a running loop."""
    for names, about in ((_OF_STREAMS, "push"), (_OF_CALLS, "calls")):
        for name in names:
            if not hasattr(instance, name):
                yield _missing(f"ccxt's {name}", about)
    trials: tuple[tuple[str, Concerns, Callable[[Any], None]], ...] = (
        ("ccxt's client of a socket", "push", _client),
        ("ccxt's futures", "push", _futures),
        ("ccxt's cache of rows", "push", _rows),
        ("ccxt's cache of candles", "push", _candles),
        ("ccxt's request", "calls", _request),
    )
    for title, about, trial in trials:
        try:
            trial(instance)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what is told
            told = str(error) if isinstance(error, _Wrong) else f"{type(error).__name__}: {error}"
            yield Difference(title, about, "as_it_was", f"!! {told}")


def _missing(title: str, about: Any) -> Difference:
    return Difference(title, about, "there", None)


def _expect(told: bool, otherwise: str) -> None:
    if not told:
        raise _Wrong(otherwise)


def _client(instance: Any) -> None:
    client = instance.client("wss://self-check.invalid")
    lacking = [name for name in _OF_CLIENTS if not hasattr(client, name)]
    _expect(not lacking, f"it has no {', '.join(lacking)}")
    _expect(instance.client("wss://self-check.invalid") is client, "it is another one at each call")
    waiting = client.future("trades")
    _expect(client.futures.get("trades") is waiting, "what waits is not in futures")
    _expect(client.resolve([1], "trades") == [1], "resolve hands nothing back")
    _expect(waiting.done() and waiting.result() == [1], "resolve does not reach who waits")
    _expect("trades" not in client.futures, "what was resolved still waits")
    refused = client.future("orders")
    client.reject(ValueError("refused"), "orders")
    _expect(refused.done() and isinstance(refused.exception(), ValueError), "reject does not reach who waits")
    both = [client.future(name) for name in ("one", "two")]
    client.reject(ValueError("closed"))
    _expect(all(isinstance(each.exception(), ValueError) for each in both), "reject does not reach all who wait")


def _futures(_: Any) -> None:
    from ccxt.async_support.base.ws.future import Future

    one, other = Future(), Future()
    _expect(isinstance(one, asyncio.Future), "they are no asyncio futures")
    one.resolve(5)
    one.resolve(6)
    _expect(one.result() == 5, "the second answer counts")
    other.reject(ValueError("no"))
    _expect(isinstance(other.exception(), ValueError), "reject keeps no error")


def _rows(_: Any) -> None:
    from ccxt.async_support.base.ws.cache import ArrayCache

    cache = ArrayCache(10)
    for number in (1, 2):
        cache.append({"symbol": "BTC/USDT", "id": number})
    _expect([row["id"] for row in changed_rows(cache) or ()] == [1, 2], "what is new is not told")
    cache.append({"symbol": "BTC/USDT", "id": 3})
    _expect([row["id"] for row in changed_rows(cache) or ()] == [3], "what is new is not told apart from what is old")


def _candles(_: Any) -> None:
    from ccxt.async_support.base.ws.cache import ArrayCacheByTimestamp

    cache = ArrayCacheByTimestamp(10)
    for row in ([60, 1.0], [120, 2.0]):
        cache.append(row)
    _expect(changed_rows(cache) == [[60, 1.0], [120, 2.0]], "what is new is not told")
    cache.append([120, 3.0])
    _expect(changed_rows(cache) == [[120, 3.0]], "a candle that moved is not told")
    _expect(changed_rows(cache) == [], "what is old is told again")


def _request(instance: Any) -> None:
    """Every request passes where the product watches: ``fetch2`` asks ``throttle`` and then ``fetch``."""
    for name in ("fetch2", "request"):
        _expect(hasattr(type(instance), name), f"there is no {name}")
    names = type(instance).fetch2.__code__.co_names
    for name in ("fetch", "throttle", "sign", "enableRateLimit"):
        _expect(name in names, f"it no longer passes {name}")
