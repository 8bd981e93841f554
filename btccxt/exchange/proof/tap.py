"""A conversation on a socket that is none: subscribe, frames come, and the product's own hooks hand on the news."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType

from btccxt.exchange.ccxt.push import PushStream
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.intents import stream_keys
from btccxt.exchange.proof.offline import Blocked, make_offline
from btccxt.exchange.proof.record import MarketProof, Scripted
from btccxt.exchange.proof.streams import TOKENS, subscriptions_of
from btccxt.exchange.reading import Reader
from btccxt.model import StreamEvent, StreamKey, StreamOpened
from btccxt.resilience.supervised import Tasks

_PATIENCE_S = 2.0  # of a conversation that takes milliseconds; beyond it ccxt has stopped reading


class _Connection:
    """What ccxt's client has in place of aiohttp's socket: frames that are there already."""

    closed = False
    close_code: int | None = None
    _conn = None

    def __init__(self, frames: Sequence[str]) -> None:
        self._frames = list(frames)
        self.read_all = asyncio.Event()

    async def receive(self) -> WSMessage:
        if not self._frames:
            self.read_all.set()
            await asyncio.Event().wait()
        return WSMessage(WSMsgType.TEXT, self._frames.pop(0), None)

    async def send_str(self, _text: str) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


def key_of(scripted: Scripted, profile: Profile, exchange: Any, market: Any) -> StreamKey | None:
    return next((key for key in stream_keys(profile, exchange, market) if key.kind.value == scripted.stream), None)


async def converse(
    profile: Profile, keys: Mapping[str, str], proof: MarketProof, scripted: Scripted
) -> tuple[str, ...]:
    """The news that the frames bring. Raises what ccxt or a hook raises, and Blocked where nobody reads the frames."""
    instance, market = make_offline(profile, keys, proof.market, for_streams=True)
    key = key_of(scripted, profile, instance, market)
    if key is None:
        raise Blocked(f"the profile lists no stream of {scripted.stream}")
    connection, make_client = _Connection(scripted.frames), instance.client
    news: list[str] = []
    faults: list[BaseException] = []

    async def fetch(*_: Any, **__: Any) -> Any:
        return TOKENS

    async def connect(_session: Any) -> Any:
        return connection

    def client(url: str) -> Any:
        made = make_client(url)
        made.create_connection = connect
        return made

    def deliver(_key: StreamKey, event: StreamEvent) -> None:
        if not isinstance(event, StreamOpened):
            news.append(f"{_key} {event}")

    instance.open()
    instance.fetch, instance.client = fetch, client
    renames = profile.websocket.renames
    push = PushStream(instance, deliver, lambda _what, error: faults.append(error), renames=renames)
    subscriptions = subscriptions_of(key, profile, instance, Reader(profile.exchange))
    async with Tasks() as tasks:
        running = tasks.start(push.run(subscriptions), f"replay of {scripted.stream}")
        reading = tasks.start(connection.read_all.wait(), f"frames of {scripted.stream}")
        await asyncio.wait({running, reading}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        read = reading.done()
    if not running.cancelled() and (error := running.exception()) is not None:
        raise error
    if faults:
        raise faults[0]
    if not read:
        raise Blocked("ccxt does not read the frames")
    return tuple(news)
