"""What ccxt asks for when a stream is subscribed to, up to where it waits for the exchange's word."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from btccxt.exchange.ccxt.push import Subscription
from btccxt.exchange.ccxt.subscriptions import StreamChecks, subscriptions_for
from btccxt.exchange.plausibility import check_trade
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.differences import ANY
from btccxt.exchange.proof.offline import NOW_MS, Blocked, captured, drive, flatten
from btccxt.exchange.proof.offline import _shown as shown
from btccxt.exchange.reading import Reader
from btccxt.model import Bar, StreamKey

# What a REST request on the way to a subscription is told: a listen key or token under each name that one has.
_TOKEN = "token0token0"
TOKENS: Mapping[str, Any] = {
    "code": "200000", "listenKey": _TOKEN, "token": _TOKEN, "websocket_token": _TOKEN, "accessToken": _TOKEN,
    "result": {"token": _TOKEN, "listenKey": _TOKEN, "accessToken": _TOKEN, "listenToken": _TOKEN},
    "data": {
        "token": _TOKEN, "listenKey": _TOKEN,
        "instanceServers": [{"endpoint": "wss://endpoint.invalid/", "pingInterval": 18_000, "pingTimeout": 10_000}],
    },
}  # fmt: skip


def anything_goes(reader: Reader) -> StreamChecks:
    """Checks for the standing clock: what is asked is whether ccxt reads it as before."""

    def as_it_is(bar: Bar) -> Bar:
        return bar

    return StreamChecks(reader, lambda _timeframe: as_it_is, lambda trade: check_trade(trade, float("inf")))


def subscriptions_of(key: StreamKey, profile: Profile, instance: Any, reader: Reader) -> list[Subscription]:
    return list(subscriptions_for([key], profile, instance.has, lambda: NOW_MS, anything_goes(reader)))


async def capture_stream(instance: Any, key: StreamKey, profile: Profile) -> str:
    """Every request and subscription in one line. Raises what ccxt raises."""
    told: list[str] = []
    waiting = instance.client("wss://waiting.invalid")

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        told.append(captured(instance, url, method, headers, body).line())
        return TOKENS

    def watch(url: str, message_hash: str, message: Any = None, *_: Any, **__: Any) -> Any:
        told.append(_line(url, [message_hash], message))
        return waiting.future(f"{message_hash} {len(told)}")

    def watch_multiple(url: str, hashes: list[str], message: Any = None, *_: Any, **__: Any) -> Any:
        told.append(_line(url, hashes, message))
        return waiting.future(f"{hashes} {len(told)}")

    def logged_in(url: str) -> Any:
        """A client on which the login has been answered already."""
        client = make_client(url)
        if "authenticated" not in client.futures and "authenticated" not in client.subscriptions:
            client.future("authenticated").resolve(True)
        return client

    def spawned(method: Any, *arguments: Any) -> Any:
        future = spawn(method, *arguments)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody looks at some of them
        return future

    make_client, spawn = instance.client, instance.spawn
    instance.fetch, instance.watch, instance.watch_multiple, instance.client = fetch, watch, watch_multiple, logged_in
    instance.spawn, instance.delay = spawned, lambda *_: waiting.future("delayed")
    for each in subscriptions_of(key, profile, instance, Reader(profile.exchange)):
        with contextlib.suppress(Blocked):
            await drive(each.start(instance))
    if not told:
        raise Blocked("ccxt subscribes to nothing")
    return " ; ".join(told)


def _line(url: str, hashes: list[str], message: Any) -> str:
    address, _, query = str(url).partition("?")
    fields = sorted(f"{name}={shown(name, value)}" for name, value in flatten(message))
    more = [f"query={shown('query', query)}"] if query else []
    return " ".join(("WS", address, *more, *(f"hash={_plain(each)}" for each in hashes), *fields))


def _plain(message_hash: Any) -> str:
    return str(message_hash).replace(" ", "_") or ANY
