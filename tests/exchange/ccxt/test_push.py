"""Push: every frame is handed on, whether or not somebody waits; one bad frame costs one frame."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from btccxt.errors import ConnectionLost
from btccxt.exchange.ccxt.frames import ClosedFlag, changed_rows
from btccxt.exchange.ccxt.push import PushStream, Subscription
from btccxt.exchange.ccxt.subscriptions import subscriptions_for
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import (
    BarUpdate,
    Fill,
    MarketType,
    OrderStatus,
    OrderUpdate,
    StreamKey,
    StreamKind,
    StreamOpened,
)
from tests.exchange.ccxt.tiny_binance import ANYTHING_GOES, TinyBinance, execution, kline, until

BTC_1M = StreamKey(StreamKind.BARS, "BTC/USDT", "1m")
ETH_1M = StreamKey(StreamKind.BARS, "ETH/USDT", "1m")
ORDERS = StreamKey(StreamKind.ORDERS)
FILLS = StreamKey(StreamKind.FILLS)
PROFILE = load_profile("binance", MarketType.SPOT)


class Listener:
    """Runs a PushStream on a tiny server and keeps what it delivers."""

    def __init__(self, server: TinyBinance, keys: list[StreamKey], **options: float) -> None:
        self.events: list[tuple[StreamKey, object]] = []
        self.faults: list[tuple[str, BaseException]] = []
        self.instance = server.ccxt()
        self.push = PushStream(
            self.instance, self.deliver, lambda what, error: self.faults.append((what, error)), **options
        )
        plan = list(subscriptions_for(keys, PROFILE, self.instance.has, self.instance.milliseconds, ANYTHING_GOES))
        self.task = asyncio.create_task(self.push.run(plan))

    def deliver(self, key: StreamKey, event: object) -> None:
        self.events.append((key, event))

    def of(self, kind: type) -> list:
        return [event for _, event in self.events if isinstance(event, kind)]

    @property
    def opened(self) -> set[StreamKey]:
        return {key for key, event in self.events if isinstance(event, StreamOpened)}

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(BaseException):
            await self.task
        await self.instance.close()


@pytest.fixture
async def server():
    server = await TinyBinance().start()
    yield server
    await server.stop()


@pytest.fixture
async def listen(server):
    listeners: list[Listener] = []

    async def start(*keys: StreamKey, **options: float) -> Listener:
        listener = Listener(server, list(keys), **options)
        listeners.append(listener)
        await until(lambda: listener.opened == set(keys) or listener.task.done())
        return listener

    yield start
    for listener in listeners:
        await listener.stop()


async def test_every_candle_frame_arrives_in_order_with_the_exchanges_own_closed_flag(server, listen):
    listener = await listen(BTC_1M, ETH_1M)
    for number in range(30):
        await server.public.send_json(kline("BTCUSDT", 60_000, 1 + number))
        await server.public.send_json(kline("ETHUSDT", 60_000, 500 + number))
    await server.public.send_json(kline("BTCUSDT", 60_000, 77, closed=True))
    await server.public.send_json(kline("BTCUSDT", 120_000, 78))
    await until(lambda: len(listener.of(BarUpdate)) == 62)
    btc = [event for key, event in listener.events if key == BTC_1M and isinstance(event, BarUpdate)]
    assert [update.bar.close for update in btc] == [*range(1, 31), 77, 78]
    assert [update.closed for update in btc] == [False] * 30 + [True, False]
    assert [update.bar.open_ms for update in btc[-2:]] == [60_000, 120_000]


async def test_a_late_correction_of_an_older_candle_is_handed_on_as_that_candle(server, listen):
    listener = await listen(BTC_1M)
    for open_ms, close in ((60_000, 1), (120_000, 2), (60_000, 3)):
        await server.public.send_json(kline("BTCUSDT", open_ms, close))
    await until(lambda: len(listener.of(BarUpdate)) == 3)
    assert [(each.bar.open_ms, each.bar.close) for each in listener.of(BarUpdate)][-1] == (60_000, 3)


async def test_forty_order_events_and_fills_between_awaits_arrive_without_any_awaiter(server, listen):
    listener = await listen(ORDERS, FILLS)
    await server.private.send_json(execution(7))
    for number in range(1, 41):
        status = "FILLED" if number == 40 else "PARTIALLY_FILLED"
        await server.private.send_json(execution(7, status=status, filled=str(number), trade_id=100 + number, last="1"))
    await until(lambda: len(listener.of(OrderUpdate)) == 41 and len(listener.of(Fill)) == 40)
    updates = listener.of(OrderUpdate)
    assert [int(update.filled) for update in updates] == list(range(41)), "copies: none changed afterwards"
    assert updates[-1].status is OrderStatus.FILLED
    assert all(update.fills == () for update in updates), "fills come once, in their own stream"
    assert [fill.trade_id for fill in listener.of(Fill)] == [str(100 + number) for number in range(1, 41)]


async def test_a_malformed_frame_is_said_once_per_kind_and_survived(server, listen):
    listener = await listen(BTC_1M)
    for _ in range(3):
        await server.public.send_str("{not json")
        await server.public.send_json({"e": "kline", "s": "BTCUSDT"})
    await server.public.send_json(kline("BTCUSDT", 60_000, 5))
    await until(lambda: listener.of(BarUpdate))
    assert len(listener.faults) == 2, listener.faults
    assert all("malformed frame" in what for what, _ in listener.faults)
    server.abort()
    await until(listener.task.done)
    assert isinstance(listener.task.exception(), Exception), "an abort after a malformed frame is noticed as well"


async def test_a_malformed_private_frame_makes_the_consumers_look_again(server, listen, monkeypatch):
    monkeypatch.setattr("btccxt.exchange.ccxt.push._REANNOUNCE_S", 0.0)
    listener = await listen(ORDERS)
    before = len(listener.of(StreamOpened))
    await server.private.send_str('{"subscriptionId": 0, "event": ')
    await until(lambda: len(listener.of(StreamOpened)) > before)


@pytest.mark.parametrize("end", ["abort", "close"])
async def test_the_end_of_the_connection_is_noticed_at_once(server, listen, end):
    listener = await listen(BTC_1M)
    if end == "abort":
        server.abort()
    else:
        await server.public.close(code=1001)
    await until(listener.task.done)
    assert listener.task.exception() is not None
    assert not listener.task.cancelled()


async def test_a_server_that_is_not_there_ends_the_stream_with_the_cause():
    server = await TinyBinance().start()
    await server.stop()
    listener = Listener(server, [BTC_1M])
    await until(listener.task.done)
    assert "Connect" in str(listener.task.exception())
    await listener.stop()


async def test_private_streams_are_announced_after_the_login_not_before(server, listen, monkeypatch):
    monkeypatch.setattr("btccxt.exchange.ccxt.push._NO_ANSWER_S", 0.01)
    server.may_log_in.clear()
    starting = asyncio.create_task(listen(ORDERS, FILLS))
    await until(lambda: server.subscribed == ["userDataStream.subscribe.signature"])
    for _ in range(10):
        await server.private.ping()
        await asyncio.sleep(0.01)
    assert not starting.done()
    server.may_log_in.set()
    listener = await starting
    assert len(listener.of(StreamOpened)) == 2, "once per key"
    assert server.subscribed.count("userDataStream.subscribe.signature") == 1


async def test_a_subscription_counts_as_open_when_its_own_frame_was_answered_not_the_login_before_it(server):
    async def login_then_subscribe(ccxt):
        url = ccxt.urls["api"]["ws"]["spot"] + "/0"
        ccxt.watch(url, "login", {"method": "SUBSCRIBE", "params": ["login"], "id": 1}, "login").add_done_callback(
            lambda future: future.cancelled() or future.exception()
        )
        await until(lambda: server.subscribed == ["login"])
        await ccxt.watch(url, "data", {"method": "SUBSCRIBE", "params": ["data"], "id": 2}, "data")

    opened_after: list[list[str]] = []
    push = PushStream(
        server.ccxt(), lambda *_: opened_after.append(list(server.subscribed)), lambda *_: None, frame_interval_s=0.2
    )
    task = asyncio.create_task(push.run([Subscription((ORDERS,), login_then_subscribe, lambda *_: None)]))
    await until(lambda: opened_after)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert opened_after == [["login", "data"]]


async def test_somebody_always_waits_because_some_handlers_look_for_that_before_they_parse(server, listen):
    listener = await listen(BTC_1M)
    for number in range(3):
        await server.public.send_json(kline("BTCUSDT", 60_000, number))
    await until(lambda: len(listener.of(BarUpdate)) == 3)
    (client,) = listener.instance.clients.values()
    assert not client.futures["ohlcv::BTC/USDT::1m"].done()


async def test_streams_that_acknowledge_nothing_are_taken_as_open_after_a_while(monkeypatch):
    monkeypatch.setattr("btccxt.exchange.ccxt.push._NO_ANSWER_S", 0.05)
    server = await TinyBinance(acknowledge=False).start()
    listener = Listener(server, [BTC_1M])
    await until(lambda: listener.opened == {BTC_1M})
    await listener.stop()
    await server.stop()


async def test_a_consumer_that_raises_is_reported_and_costs_nobody_a_frame(server, listen):
    listener = await listen(BTC_1M)
    keep = listener.deliver

    def deliver(key: StreamKey, event: object) -> None:
        keep(key, event)
        raise ZeroDivisionError("strategy code")

    listener.push._deliver = deliver
    for number in range(3):
        await server.public.send_json(kline("BTCUSDT", 60_000, number))
    await until(lambda: len(listener.of(BarUpdate)) == 3)
    assert [what for what, _ in listener.faults] == ["consumer of bars BTC/USDT 1m"] * 3


async def test_cancelling_leaves_no_task_no_socket_and_no_complaint(server, listen, recwarn):
    complaints: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    listener = await listen(BTC_1M, ETH_1M, ORDERS, FILLS)
    await server.public.send_json(kline("BTCUSDT", 60_000, 5))
    await until(lambda: listener.of(BarUpdate))
    await listener.stop()
    await until(lambda: server.public.closed and server.private.closed)
    await until(
        lambda: not {task for task in asyncio.all_tasks() - before if "test" not in task.get_name()} - _servers()
    )
    assert complaints == []


def _servers() -> set[asyncio.Task]:
    """Tasks of the aiohttp server in this same loop."""
    return {task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task.get_coro())}


async def test_subscribe_frames_are_paced_by_the_profile_not_by_the_rest_limit(server, listen):
    profile = PROFILE.model_copy(update={"websocket": PROFILE.websocket.model_copy(update={"batch": {}})})
    instance = server.ccxt(rateLimit=60_000)
    seen: list[StreamKey] = []
    push = PushStream(instance, lambda key, _event: seen.append(key), lambda *_: None, frame_interval_s=0.01)
    keys = [StreamKey(StreamKind.BARS, symbol, "1m") for symbol in ("BTC/USDT", "ETH/USDT", "LTC/USDT")]
    task = asyncio.create_task(
        push.run(list(subscriptions_for(keys, profile, instance.has, instance.milliseconds, ANYTHING_GOES)))
    )
    await until(lambda: len(server.subscribed) == 3)
    await until(lambda: set(seen) == set(keys))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_terminated_user_stream_ends_the_stream_though_nobody_waits_under_its_name(server, listen):
    listener = await listen(ORDERS)
    await server.private.send_json({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}})
    await until(listener.task.done)
    assert listener.task.exception() is not None


def test_the_closed_flag_is_found_by_path_and_by_the_candles_own_time():
    assert ClosedFlag("k.x").read({"k": {"x": True}}, 60_000) is True
    assert ClosedFlag("k.x").read({"k": {}}, 60_000) is None
    two = json.loads('{"data": [{"start": 60000, "confirm": true}, {"start": 120000, "confirm": false}]}')
    assert ClosedFlag("data.*.confirm").read(two, 60_000) is True
    assert ClosedFlag("data.*.confirm").read(two, 120_000) is False
    rows = {"data": [["60000", "1", "2", "1", "2", "9", "9", "9", "1"]]}
    assert ClosedFlag("data.*.8").read(rows, 60_000) is True
    assert ClosedFlag("data.*.8").read({"data": []}, 60_000) is None


def test_what_is_not_a_cache_or_a_list_is_no_data():
    assert changed_rows({"status": 200}) is None
    assert changed_rows(True) is None
    assert ConnectionLost  # the error that callers are promised for a plain drop
