"""Supervised streams: brought back when they break, doubted when silent, degraded and recovered, all announced."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest

from btccxt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    Refused,
    Unsupported,
)
from btccxt.exchange.api import Deliver
from btccxt.model import Bar, BarUpdate, ConnectionState, StreamKey, StreamKind, StreamOpened
from btccxt.resilience.backoff import Backoff
from btccxt.session.stream_policy import Rhythm
from btccxt.session.streams import StreamChanged, StreamPolicy, StreamSupervisor, Verdict
from tests.exchange.ccxt.tiny_binance import until

ORDERS = StreamKey(StreamKind.ORDERS)
FAST = Backoff(first_s=0.0, start_s=0.001, factor=1.0, max_s=0.002)


def bars(symbol: str) -> StreamKey:
    return StreamKey(StreamKind.BARS, symbol, "1m")


def frame(key: StreamKey, close: float = 1.0) -> BarUpdate:
    return BarUpdate(key.symbol or "", key.timeframe or "", Bar(60_000, 1, 2, 1, close, 1), closed=False)


class Connection:
    """One call of ``stream``, in the hands of the test."""

    def __init__(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        self.keys = tuple(keys)
        self.deliver = deliver
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cancelled = False

    def open(self, *keys: StreamKey) -> None:
        for key in keys or self.keys:
            self.deliver(key, StreamOpened())

    def fail(self, error: BaseException) -> None:
        self.end.set_exception(error)


class ScriptedExchange:
    """Only what the supervisor uses. ``on_connect`` is asked for each new connection, in order."""

    def __init__(self, on_connect: Callable[[Connection], None] | None = None, without: StreamKind | None = None):
        self.connections: list[Connection] = []
        self.on_connect = on_connect or (lambda connection: connection.open())
        self.without = without

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind is not self.without

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        connection = Connection(keys, deliver)
        self.connections.append(connection)
        self.on_connect(connection)
        try:
            await connection.end
        except asyncio.CancelledError:
            connection.cancelled = True
            raise

    @property
    def alive(self) -> list[Connection]:
        return [each for each in self.connections if not each.end.done()]


class Consumer:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.events: list[object] = []

    def on_event(self, key: StreamKey, event: object) -> None:
        self.events.append(event)

    def on_up(self, key: StreamKey) -> None:
        self.log.append("up")

    def on_down(self, key: StreamKey, reason: str) -> None:
        self.log.append("down")


class RealTime:
    def wall_s(self, exchange_ms: float) -> float:
        return exchange_ms / 1000


class Bench:
    """A supervisor on a scripted exchange, and all it announces."""

    def __init__(self, exchange: ScriptedExchange, *, decide=None, **policy: object) -> None:
        self.exchange = exchange
        self.changes: list[StreamChanged] = []
        self.faults: list[str] = []
        self.supervisor = StreamSupervisor(
            exchange,  # type: ignore[arg-type]
            RealTime(),
            policy=StreamPolicy(**{"backoff": FAST, "recover_after_s": 0.0, **policy}),
            listener=self.changes.append,
            decide=decide,
            report=lambda what, _error: self.faults.append(what),
            rng=random.Random(1),
        )

    def states(self, key: StreamKey) -> list[str]:
        return [change.new.value for change in self.changes if change.key == key]

    def state(self, key: StreamKey) -> ConnectionState:
        return next(health.state for health in self.supervisor.snapshot() if health.key == key)


@pytest.fixture
async def bench():
    benches: list[Bench] = []

    def make(exchange: ScriptedExchange | None = None, **options: object) -> Bench:
        benches.append(Bench(exchange or ScriptedExchange(), **options))
        return benches[-1]

    yield make
    for each in benches:
        await each.supervisor.stop()
        assert each.exchange.alive == []


async def test_a_broken_stream_is_announced_and_its_subscriptions_are_replayed(bench):
    it, consumer = bench(), Consumer()
    keys = [bars("BTC/USDT"), bars("ETH/USDT")]
    for key in keys:
        it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.exchange.connections[0].fail(ConnectionLost("cut"))
    await until(lambda: len(it.exchange.connections) == 2 and it.supervisor.state is ConnectionState.LIVE)
    assert it.exchange.connections[1].keys == tuple(keys)
    for key in keys:
        assert it.states(key) == ["connecting", "live", "reconnecting", "live"]
    assert [change.reason for change in it.changes if change.new is ConnectionState.RECONNECTING] == ["cut", "cut"]
    assert consumer.log == ["up", "up", "down", "down", "up", "up"]


async def test_events_reach_every_consumer_of_their_key_and_one_that_raises_harms_nobody(bench):
    it, good, key = bench(), Consumer(), bars("BTC/USDT")

    class Broken(Consumer):
        def on_event(self, key: StreamKey, event: object) -> None:
            raise ZeroDivisionError

    it.supervisor.add(key, Broken())
    it.supervisor.add(key, good)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.exchange.connections[0].deliver(key, frame(key))
    assert good.events == [frame(key)]
    assert it.faults == ["consumer of bars BTC/USDT 1m"]


async def test_two_hundred_symbols_are_spread_over_connections_within_the_limit(bench):
    it, consumer = bench(keys_per_connection=64), Consumer()
    keys = [bars(f"C{number}/USDT") for number in range(200)]
    for key in keys:
        it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    assert sorted(len(connection.keys) for connection in it.exchange.connections) == [8, 64, 64, 64]
    assert {key for connection in it.exchange.connections for key in connection.keys} == set(keys)


async def test_different_kinds_do_not_share_a_connection_but_private_streams_do(bench):
    it, consumer = bench(), Consumer()
    trades, fills = StreamKey(StreamKind.TRADES, "BTC/USDT"), StreamKey(StreamKind.FILLS)
    for key in (bars("BTC/USDT"), trades, ORDERS, fills):
        it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    asked = {connection.keys for connection in it.exchange.connections}
    assert asked == {(bars("BTC/USDT"),), (trades,), (ORDERS, fills)}


async def test_one_key_that_the_exchange_refuses_does_not_take_down_the_others(bench):
    bad = bars("BAD/USDT")

    def connect(connection: Connection) -> None:
        if bad in connection.keys:
            connection.fail(Unsupported("no market 'BAD/USDT'"))
        else:
            connection.open()

    it, consumer = bench(ScriptedExchange(connect)), Consumer()
    good = [bars(f"C{number}/USDT") for number in range(7)]
    for key in (*good[:3], bad, *good[3:]):
        it.supervisor.add(key, consumer)
    await until(lambda: all(it.state(key) is ConnectionState.LIVE for key in good))
    await until(lambda: it.state(bad) is ConnectionState.DEGRADED)
    calls = len(it.exchange.connections)
    await asyncio.sleep(0.02)
    assert len(it.exchange.connections) == calls, "what the exchange refuses is not asked for again"
    assert next(health.last_error for health in it.supervisor.snapshot() if health.key == bad) == "no market 'BAD/USDT'"


async def test_wrong_keys_stop_the_private_streams_for_good(bench):
    it, consumer = (
        bench(ScriptedExchange(lambda connection: connection.fail(AuthenticationFailed("invalid api key")))),
        Consumer(),
    )
    it.supervisor.add(ORDERS, consumer)
    it.supervisor.add(StreamKey(StreamKind.BALANCE), consumer)
    await until(lambda: it.supervisor.state is ConnectionState.STOPPED)
    assert len(it.exchange.connections) == 1
    assert consumer.log == ["down", "down"]


async def test_the_users_hook_decides_what_is_repeated(bench):
    asked: list[tuple[str, int]] = []

    def decide(error: BaseException, attempts: int) -> Verdict:
        asked.append((str(error), attempts))
        return Verdict.RETRY if attempts < 3 else Verdict.GIVE_UP

    it = bench(ScriptedExchange(lambda connection: connection.fail(ConfigError("odd"))), decide=decide)
    it.supervisor.add(ORDERS, Consumer())
    await until(lambda: it.state(ORDERS) is ConnectionState.STOPPED)
    assert asked == [("odd", 1), ("odd", 2), ("odd", 3)]


async def test_after_repeated_failures_a_stream_is_degraded_and_comes_back_only_when_it_has_held(bench):
    key, consumer = bars("BTC/USDT"), Consumer()
    failures = 4

    def connect(connection: Connection) -> None:
        if len(it.exchange.connections) <= failures:
            connection.fail(ConnectionLost("refused"))
        else:
            connection.open()

    it = bench(ScriptedExchange(connect), degrade_after=3, recover_after_s=0.1)
    it.supervisor.add(key, consumer)
    await until(lambda: len(it.exchange.connections) == failures + 1)
    it.exchange.connections[-1].deliver(key, frame(key, 1))
    assert it.state(key) is ConnectionState.DEGRADED, "connected, but not yet trusted"
    assert consumer.events == [], "a consumer that polls gets no frames"
    await until(lambda: it.state(key) is ConnectionState.LIVE)
    it.exchange.connections[-1].deliver(key, frame(key, 2))
    assert consumer.events == [frame(key, 2)]
    assert consumer.log == ["down", "up"]
    assert it.states(key) == ["connecting", "reconnecting", "degraded", "live"]


async def test_breaks_of_connections_that_had_proved_themselves_do_not_add_up(bench):
    it, key = bench(degrade_after=2, proven_after_s=0.0), bars("BTC/USDT")
    it.supervisor.add(key, Consumer())
    for number in range(1, 6):
        await until(lambda number=number: it.states(key).count("live") == number)
        it.exchange.connections[-1].fail(ConnectionLost("cut"))
    await until(lambda: it.states(key).count("live") == 6)
    assert "degraded" not in it.states(key)


async def test_a_degraded_stream_that_breaks_on_probation_stays_degraded(bench):
    key = bars("BTC/USDT")

    def connect(connection: Connection) -> None:
        if len(it.exchange.connections) <= 3:
            connection.fail(ConnectionLost("refused"))
        else:
            connection.open()

    it = bench(ScriptedExchange(connect), degrade_after=3, recover_after_s=3600.0)
    it.supervisor.add(key, Consumer())
    await until(lambda: len(it.exchange.connections) == 4)
    it.exchange.connections[-1].fail(ConnectionLost("again"))
    await until(lambda: len(it.exchange.connections) == 5)
    assert it.states(key) == ["connecting", "reconnecting", "degraded"]


async def test_a_stream_that_does_not_exist_is_degraded_at_once_and_never_dialled(bench):
    it, consumer = bench(ScriptedExchange(without=StreamKind.BARS)), Consumer()
    it.supervisor.add(bars("BTC/USDT"), consumer)
    assert it.states(bars("BTC/USDT")) == ["degraded"]
    assert consumer.log == ["down"]
    assert it.exchange.connections == []


async def test_a_silent_connection_is_replaced_and_the_patience_grows_until_it_is_degraded(bench):
    key, consumer = bars("BTC/USDT"), Consumer()
    quick = {"silence_ms": {StreamKind.BARS: 1}, "least_silence_s": 0.01, "check_every_s": 0.005}
    it = bench(degrade_after=3, **quick)
    it.supervisor.add(key, consumer)
    await until(lambda: it.state(key) is ConnectionState.DEGRADED)
    assert it.states(key)[:3] == ["connecting", "live", "stale"]
    assert it.states(key).count("stale") == 2
    assert "never spoke" in next(change.reason for change in it.changes if change.new is ConnectionState.STALE)
    assert it.exchange.connections[0].cancelled
    assert it.supervisor.snapshot()[0].patience_s >= 0.08, "doubled with each fruitless attempt"
    await until(lambda: len(it.exchange.alive) == 1)
    it.exchange.alive[0].deliver(key, frame(key))
    await until(lambda: it.state(key) is ConnectionState.LIVE)
    assert consumer.log[-1] == "up"


async def test_one_silent_key_among_talking_ones_gets_a_new_connection_and_the_others_keep_theirs(bench):
    talking, silent = bars("BTC/USDT"), bars("ETH/USDT")
    it, consumer = bench(silence_ms={StreamKind.BARS: 1}, least_silence_s=0.1, check_every_s=0.01), Consumer()
    for key in (talking, silent):
        it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    first = it.exchange.connections[0]

    def speak_until_split() -> bool:
        first.deliver(talking, frame(talking))
        return len(it.exchange.connections) == 2

    await until(speak_until_split)
    assert it.exchange.connections[1].keys == (silent,)
    assert not first.cancelled
    assert it.states(talking) == ["connecting", "live"]
    await until(lambda: it.state(silent) is ConnectionState.LIVE)
    consumer.events.clear()
    first.deliver(silent, frame(silent))
    assert consumer.events == [], "what the old connection still says of a moved key is not heard twice"


async def test_a_subscription_that_is_never_answered_is_not_waited_for_for_ever(bench):
    it = bench(ScriptedExchange(lambda connection: None), open_within_s=0.02, check_every_s=0.005)
    it.supervisor.add(ORDERS, Consumer())
    await until(lambda: len(it.exchange.connections) >= 3)
    assert "no answer to the subscription" in it.supervisor.snapshot()[0].last_error
    await until(lambda: it.state(ORDERS) is ConnectionState.DEGRADED)


async def test_what_the_exchange_asks_for_as_a_pause_is_waited(bench):
    key = bars("BTC/USDT")
    it = bench(ScriptedExchange(lambda connection: connection.fail(ExchangeUnavailable("maintenance", 3600.0))))
    it.supervisor.add(key, Consumer())
    await until(lambda: it.state(key) is ConnectionState.RECONNECTING)
    await asyncio.sleep(0.05)
    assert len(it.exchange.connections) == 1, "the back-off alone would have tried twenty times by now"


async def test_keys_come_and_go_at_run_time(bench):
    it, consumer = bench(), Consumer()
    first, second = bars("BTC/USDT"), bars("ETH/USDT")
    it.supervisor.add(first, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.supervisor.add(second, consumer)
    await until(lambda: it.state(second) is ConnectionState.LIVE)
    assert not it.exchange.connections[0].cancelled
    it.supervisor.remove(first, consumer)
    await until(lambda: it.exchange.connections[0].cancelled)
    assert [health.key for health in it.supervisor.snapshot()] == [second]
    assert it.states(first)[-1] == "stopped"


async def test_a_late_consumer_of_a_live_stream_is_told_that_it_is_up(bench):
    it, late, key = bench(), Consumer(), bars("BTC/USDT")
    it.supervisor.add(key, Consumer())
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.supervisor.add(key, late)
    assert late.log == ["up"]
    assert len(it.exchange.connections) == 1


async def test_a_suspected_stream_is_connected_anew_without_counting_as_a_failure(bench):
    it, consumer = bench(), Consumer()
    it.supervisor.add(ORDERS, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.supervisor.suspect([ORDERS], "REST knew a fill that was not pushed")
    await until(lambda: len(it.exchange.connections) == 2 and it.supervisor.state is ConnectionState.LIVE)
    assert it.supervisor.snapshot()[0].attempts == 0
    assert consumer.log == ["up", "down", "up"]


async def test_stopping_ends_every_connection_and_leaves_no_task(bench):
    before = asyncio.all_tasks()
    it = bench()
    for key in (bars("BTC/USDT"), ORDERS):
        it.supervisor.add(key, Consumer())
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    await it.supervisor.stop()
    await it.supervisor.stop()
    assert all(connection.cancelled for connection in it.exchange.connections)
    assert asyncio.all_tasks() == before
    with pytest.raises(ConnectionLost):
        it.supervisor.add(ORDERS, Consumer())


def test_impatience_that_cannot_work_is_refused():
    for wrong in ({"keys_per_connection": 0}, {"check_every_s": 0}, {"recover_after_s": -1}):
        with pytest.raises(ConfigError):
            StreamPolicy(**wrong)


# ---------------------------------------------------------------- silence that a stream is used to


def listened(pauses_s, first_s=90.0, least_s=5.0):
    """Patience after these pauses, and the rhythm with its clock."""
    rhythm, now = Rhythm(), 0.0
    rhythm.heard(now)
    for pause_s in pauses_s:
        now += pause_s
        rhythm.heard(now)
    return rhythm, now, rhythm.patience_s(first_s, least_s)


@pytest.mark.parametrize(
    ("pauses_s", "patience_s"),
    [
        ([1.0] * 20, 90.0),  # not listened to for long enough
        ([1.0] * 100, 8.0),  # bars of a second
        ([0.01] * 10_000, 5.0),  # never less than the least
        ([0.1] * 1000 + [4.0], 32.0),  # as long as it is used to at most
        ([20.0] * 10, 90.0),  # a quiet market: never more than the policy says
    ],
)
def test_silence_is_judged_by_what_the_stream_is_used_to(pauses_s, patience_s):
    assert listened(pauses_s)[2] == pytest.approx(patience_s, rel=0.01)


def test_a_long_pause_is_forgotten_slowly_whatever_the_rate():
    for pause_s in (0.1, 1.0):
        before = listened([4.0, *[pause_s] * round(120 / pause_s)])[2]
        assert 20.0 < before < 32.0
        assert listened([4.0, *[pause_s] * round(1_800 / pause_s)])[2] <= max(8 * pause_s, 5.0)


def test_a_market_that_has_become_quiet_is_doubted_once():
    rhythm, now, patience_s = listened([0.5] * 200)
    assert patience_s == 5.0
    rhythm.doubted(6.0)
    rhythm.interrupted()
    rhythm.heard(now + 30.0)  # the pause of the reconnect itself says nothing
    assert rhythm.patience_s(90.0, 5.0) == 48.0


async def test_a_stream_that_used_to_speak_often_is_doubted_before_its_first_patience(bench):
    key, consumer = bars("BTC/USDT"), Consumer()
    it = bench(silence_ms={StreamKind.BARS: 1_000}, least_silence_s=0.05, check_every_s=0.01)
    it.supervisor.add(key, consumer)
    await until(lambda: it.state(key) is ConnectionState.LIVE)
    stream = it.supervisor._streams[key]
    stream.rhythm._heard_s, stream.rhythm._longest_s = 100.0, 0.001  # has been listened to
    it.exchange.connections[0].deliver(key, frame(key))
    assert it.supervisor.snapshot()[0].patience_s < 1.0
    await until(lambda: len(it.exchange.connections) == 2)
    assert ConnectionState.STALE.value in it.states(key)


async def test_a_hook_that_raises_is_said_and_the_usual_verdict_counts(bench):
    def decide(_error: BaseException, _attempts: int) -> Verdict:
        raise ValueError("a mistake of the user's")

    it, consumer, key = bench(decide=decide), Consumer(), bars("BTC/USDT")
    it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.exchange.connections[0].fail(ConnectionLost("cut"))
    await until(lambda: len(it.exchange.connections) == 2 and it.supervisor.state is ConnectionState.LIVE)
    assert consumer.log == ["up", "down", "up"]
    assert it.faults == ["decide (the usual verdict counts)"]


async def test_a_fault_of_the_supervisor_takes_its_streams_down_and_they_come_back(bench, monkeypatch):
    it, consumer, key = bench(), Consumer(), bars("BTC/USDT")
    real, calls = it.supervisor._connect, []

    async def connect(shard):
        calls.append(shard)
        if len(calls) == 2:
            raise KeyError("a mistake of ours")
        return await real(shard)

    monkeypatch.setattr(it.supervisor, "_connect", connect)
    it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE)
    it.exchange.connections[0].fail(ConnectionLost("cut"))
    await until(lambda: len(calls) == 3 and it.supervisor.state is ConnectionState.LIVE)
    assert consumer.log == ["up", "down", "up"]
    assert it.faults == ["streams bars BTC/USDT 1m"]


async def test_a_refused_subscription_is_found_and_asked_for_again_and_the_others_live(bench):
    refused = bars("BAD/USDT")

    def connect(connection: Connection) -> None:
        if refused in connection.keys and refusals:
            refusals.pop()
            connection.fail(Refused("no such market (says a firewall's page)"))
        else:
            connection.open()

    refusals = [1] * 4
    it, consumer = bench(ScriptedExchange(connect)), Consumer()
    for key in (refused, bars("A/USDT"), bars("B/USDT")):
        it.supervisor.add(key, consumer)
    await until(lambda: it.supervisor.state is ConnectionState.LIVE and not refusals)
    assert it.states(refused)[-1] == "live"


async def test_silence_that_is_looked_into_is_believed_and_others_is_not(bench):
    class Judge(Consumer):
        answer = True
        asked = 0

        def look_at_silence(self, key):
            self.asked += 1
            return self.answer

    key, judge = bars("BTC/USDT"), Judge()
    it = bench(silence_ms={StreamKind.BARS: 1}, least_silence_s=0.02, check_every_s=0.005)
    it.supervisor.add(key, judge)
    await until(lambda: judge.asked >= 3)
    assert it.states(key) == ["connecting", "live"]
    assert len(it.exchange.connections) == 1
    judge.answer = False
    await until(lambda: len(it.exchange.connections) == 2)
    assert "stale" in it.states(key)
