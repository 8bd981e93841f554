"""A subscription that the exchange ends by a frame which ccxt passes over breaks the stream at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from btccxt.errors import ConnectionLost
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.push import PushStream
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.clock import ExchangeClock
from tests.exchange.ccxt.sim_kit import ORDERS, Watcher
from tests.exchange.ccxt.tiny_binance import until
from tests.sim.dialects.unified_kit import exchange as embedded
from tests.sim_keys import SIM_KEYS


async def test_an_expired_listen_key_ends_the_stream_so_that_it_is_opened_anew() -> None:
    async with embedded("binanceusdm") as sim:
        profile = load_profile("binanceusdm", MarketType.LINEAR)
        subject = CCXTExchange(profile, SIM_KEYS, clock=ExchangeClock(sim.clock), connector=sim.connector)
        await subject.open()
        watcher = await Watcher(subject, ORDERS).open()
        try:
            assert not watcher.task.done()
            sim.dialects["binanceusdm"].user_streams.expire("main")
            await until(watcher.task.done)
            error = watcher.task.exception()
            assert isinstance(error, ConnectionLost) and "listenKeyExpired" in str(error)
        finally:
            await watcher.stop()
            await subject.close()


class Silent:
    """A ccxt instance whose handler makes nothing of a frame."""

    id = "silent"

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.mark.parametrize(
    ("exchange_id", "frame", "dead"),
    [
        ("binance", {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}, True),
        ("binance", {"subscriptionId": 0, "event": {"e": "balanceUpdate", "E": 1}}, False),
        ("kraken", {"error": "ESession:Invalid session", "method": "subscribe", "success": False}, True),
        ("kraken", {"error": "Already subscribed", "method": "subscribe", "success": False}, False),
        ("kraken", ["no", "mapping"], False),
    ],
)
async def test_only_the_frames_of_the_mapping_table_end_a_stream(exchange_id: str, frame: Any, dead: bool) -> None:
    broken: list[BaseException] = []
    instance = Silent()
    ends = load_profile(exchange_id, MarketType.SPOT).websocket.ends
    push = PushStream(instance, lambda *_: None, lambda *_: None, ends=ends)
    push.fail = broken.append  # type: ignore[method-assign]
    instance.handle_message(None, frame)
    await asyncio.sleep(0)
    assert [type(error) for error in broken] == ([ConnectionLost] if dead else [])
