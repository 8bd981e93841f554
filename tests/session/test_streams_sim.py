"""Supervisor, push and unmodified ccxt.pro together, on the embedded Binance with its faults."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.model import (
    BarUpdate,
    ConnectionState,
    Fill,
    OrderKind,
    OrderRequest,
    Side,
    StreamEvent,
    StreamKey,
    StreamKind,
)
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.clock import ExchangeClock
from btccxt.session.loop_thread import Session
from btccxt.session.streams import StreamChanged, StreamPolicy, StreamSupervisor
from btccxt.sim.faults import Fault, FaultKind
from tests.exchange.ccxt.sim_kit import BTC_1M, ETH_1M, FILLS, KEYS, ORDERS, SPOT, opened, running_sim
from tests.exchange.ccxt.tiny_binance import until

FAST = Backoff(first_s=0.01, start_s=0.02, factor=1.2, max_s=0.1)


class Consumer:
    def __init__(self) -> None:
        self.events: list[tuple[StreamKey, StreamEvent]] = []
        self.ups: list[StreamKey] = []
        self.downs: list[str] = []

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        self.events.append((key, event))

    def on_up(self, key: StreamKey) -> None:
        self.ups.append(key)

    def on_down(self, key: StreamKey, reason: str) -> None:
        self.downs.append(reason)

    def of(self, key: StreamKey) -> list[StreamEvent]:
        return [event for each, event in self.events if each == key]


@pytest.fixture
async def sim():
    async with running_sim(speed=5) as sim:
        yield sim


@pytest.fixture
async def supervise(sim):
    supervisors: list[StreamSupervisor] = []
    faults: list[tuple[str, BaseException]] = []
    async with opened(sim, report=lambda what, error: faults.append((what, error))) as exchange:

        def start(**policy: object) -> tuple[StreamSupervisor, Consumer, list[StreamChanged]]:
            changes: list[StreamChanged] = []
            supervisors.append(
                StreamSupervisor(
                    exchange,
                    exchange.clock,
                    policy=StreamPolicy(**{"backoff": FAST, **policy}),
                    listener=changes.append,
                    report=lambda what, error: faults.append((what, error)),
                )
            )
            return supervisors[-1], Consumer(), changes

        start.exchange, start.faults = exchange, faults  # type: ignore[attr-defined]
        yield start
        for supervisor in supervisors:
            await supervisor.stop()


def live(supervisor: StreamSupervisor) -> bool:
    return supervisor.state is ConnectionState.LIVE


async def test_after_every_cut_the_subscriptions_are_back_and_data_flows(sim, supervise):
    supervisor, consumer, changes = supervise(proven_after_s=0.0)
    for key in (BTC_1M, ETH_1M, ORDERS):
        supervisor.add(key, consumer)
    await until(lambda: live(supervisor))
    for _ in range(5):
        ups, events = len(consumer.ups), len(consumer.events)
        assert sim.cut_connections() == 2
        await until(lambda ups=ups: len(consumer.ups) == ups + 3)
        await until(lambda events=events: {key for key, _ in consumer.events[events:]} >= {BTC_1M, ETH_1M})
    assert live(supervisor)
    assert not {change.new for change in changes} & {ConnectionState.DEGRADED, ConnectionState.STOPPED}
    assert len(sim.connections) == 2


async def test_a_malformed_frame_costs_one_frame_and_no_connection(sim, supervise):
    supervisor, consumer, changes = supervise()
    supervisor.add(BTC_1M, consumer)
    await until(lambda: consumer.of(BTC_1M))
    sim.faults.add(Fault(FaultKind.MALFORMED, stream="btcusdt@kline_1m"))
    await until(lambda: supervise.faults)
    seen = len(consumer.of(BTC_1M))
    await until(lambda: len(consumer.of(BTC_1M)) > seen)
    assert [change.new for change in changes] == [ConnectionState.CONNECTING, ConnectionState.LIVE]


@pytest.mark.parametrize("fault", [FaultKind.SILENCE, FaultKind.HALF_OPEN], ids=lambda kind: kind.value)
async def test_a_stream_that_falls_silent_while_its_socket_lives_is_noticed_and_replaced(sim, supervise, fault):
    supervisor, consumer, changes = supervise(silence_ms={StreamKind.BARS: 1}, least_silence_s=1.0, check_every_s=0.05)
    supervisor.add(BTC_1M, consumer)
    await until(lambda: consumer.of(BTC_1M))
    sim.faults.add(Fault(fault, host="stream.*"))
    await until(lambda: ConnectionState.STALE in [change.new for change in changes])
    seen = len(consumer.of(BTC_1M))
    await until(lambda: live(supervisor) and len(consumer.of(BTC_1M)) > seen)
    await until(lambda: len([each for each in sim.connections if each.host.startswith("stream")]) == 1)


async def test_a_refusing_exchange_degrades_the_stream_and_its_return_is_announced(sim, supervise):
    supervisor, consumer, changes = supervise(degrade_after=2, recover_after_s=0.05)
    sim.faults.add(Fault(FaultKind.REFUSE_CONNECTION, host="stream.*", times=None, status=503))
    supervisor.add(BTC_1M, consumer)
    await until(lambda: supervisor.state is ConnectionState.DEGRADED)
    assert consumer.downs
    sim.faults.clear()
    await until(lambda: live(supervisor))
    assert [change.new.value for change in changes] == ["connecting", "reconnecting", "degraded", "live"]
    await until(lambda: any(isinstance(event, BarUpdate) for event in consumer.of(BTC_1M)))


async def test_a_symbol_that_does_not_exist_costs_the_others_nothing(sim, supervise):
    supervisor, consumer, changes = supervise()
    wrong = StreamKey(StreamKind.BARS, "BTC/USD", "1m")
    for key in (BTC_1M, wrong, ETH_1M):
        supervisor.add(key, consumer)
    await until(lambda: {key for key, _ in consumer.events} >= {BTC_1M, ETH_1M})
    assert supervisor.state is ConnectionState.DEGRADED
    assert "did you mean BTC/USDT" in next(change.reason for change in changes if change.new is supervisor.state)


async def test_fills_made_between_cuts_are_pushed_while_connected(sim, supervise):
    supervisor, consumer, _ = supervise()
    supervisor.add(ORDERS, consumer)
    supervisor.add(FILLS, consumer)
    for number in range(3):
        await until(lambda: live(supervisor) and {each.host for each in sim.connections} >= {"ws-api.binance.com"})
        await supervise.exchange.create_order(
            OrderRequest(f"f{number}", "BTC/USDT", Side.BUY, OrderKind.MARKET, Decimal("0.001"))
        )
        await until(lambda number=number: len(consumer.of(FILLS)) == number + 1)
        downs = len(consumer.downs)
        sim.cut_connections()
        await until(lambda downs=downs: len(consumer.downs) == downs + 2)
    assert len({event.trade_id for event in consumer.of(FILLS) if isinstance(event, Fill)}) == 3


async def test_a_hundred_subscriptions_share_a_few_connections(sim, supervise):
    frames = SPOT.bars.timeframes
    markets = list(await supervise.exchange.load_markets())
    keys = [StreamKey(StreamKind.BARS, symbol, frame) for symbol in markets for frame in frames]
    supervisor, consumer, _ = supervise(keys_per_connection=25)
    for key in keys:
        supervisor.add(key, consumer)
    await until(lambda: live(supervisor))
    await until(lambda: {key for key, _ in consumer.events} == set(keys))
    assert len(sim.connections) == -(-len(keys) // 25)


async def test_stopping_a_session_leaves_no_thread_no_socket_and_no_complaint(sim):
    complaints: list[tuple[str, BaseException]] = []
    session = Session("whole", on_error=lambda what, error: complaints.append((what, error))).start()
    exchange = CCXTExchange(SPOT, KEYS, clock=ExchangeClock(sim.clock), connector=sim.connector)
    supervisor = StreamSupervisor(exchange, exchange.clock)
    consumer = Consumer()
    session.at_stop("exchange", exchange.close)
    session.at_stop("streams", supervisor.stop)

    async def begin() -> None:
        await exchange.open()
        for key in (BTC_1M, ORDERS):
            supervisor.add(key, consumer)

    session.submit(begin())
    await until(lambda: consumer.of(BTC_1M) and ORDERS in consumer.ups)
    stopped: list[bool] = []
    stopper = threading.Thread(target=lambda: stopped.append(session.stop()))
    stopper.start()
    await until(lambda: stopped)
    assert stopped == [True]
    await until(lambda: sim.connections == ())
    assert complaints == []
    assert "btccxt-whole" not in [thread.name for thread in threading.enumerate()]
