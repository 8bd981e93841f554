"""Supervised streams: every subscription has a state, is brought back when it breaks, and is doubted when it is silent.

Keys are put together on connections (shards). A shard runs ``ExchangeAPI.stream`` until it breaks, then again after a
growing, jittered pause. Silence is judged by the age of data, because a half-open socket and a server that only
answers pings look alive; a quiet market looks the same, so each fruitless reconnect doubles the patience for that key.
After repeated failures a stream is *degraded*: its consumers are down and poll by REST, and it counts as back only
after it has held for a while. Everything here runs in the session's loop.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from btccxt.errors import AuthenticationFailed, ConnectionLost, ExchangeUnavailable, RateLimited, Refused, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ConnectionState, StreamEvent, StreamKey, StreamOpened
from btccxt.resilience.supervised import TaskFailed, TaskListener, TaskNews, TaskPolicy, Tasks
from btccxt.session.stream_policy import (
    Decide,
    Listener,
    OnTrouble,
    Rhythm,
    SilenceJudge,
    StreamChanged,
    StreamClock,
    StreamConsumer,
    StreamHealth,
    StreamPolicy,
    Verdict,
    default_verdict,
)

__all__ = [
    "Decide",
    "Listener",
    "StreamChanged",
    "StreamConsumer",
    "StreamHealth",
    "StreamPolicy",
    "StreamSupervisor",
    "Verdict",
    "default_verdict",
]

_WORST_FIRST = (
    ConnectionState.STOPPED,
    ConnectionState.RECONNECTING,
    ConnectionState.STALE,
    ConnectionState.DEGRADED,
    ConnectionState.CONNECTING,
    ConnectionState.LIVE,
)
_GATHER_S = 0.05  # keys added in quick succession share a connection
_GATHER_AT_MOST_S = 0.5


@dataclass(slots=True, eq=False)
class _Stream:
    key: StreamKey
    consumers: tuple[StreamConsumer, ...]
    patience_s: float | None
    first_patience_s: float | None
    rhythm: Rhythm = field(default_factory=Rhythm)
    state: ConnectionState | None = None
    heard_at: float | None = None  # last data
    doubted_from: float = 0.0  # silence counts from here: last data, or the last subscription
    doubts: int = 0  # fruitless reconnects for silence, in a row
    up: bool = False
    probation: int = 0  # connection that has to last before a degraded stream counts as back
    reconnects: int = 0
    last_error: str = ""


@dataclass(slots=True, eq=False)
class _Shard:
    """Streams that share one connection."""

    streams: dict[StreamKey, _Stream]
    task: asyncio.Task[None] | None = None
    kicked: asyncio.Future[ConnectionLost] | None = None
    failures: int = 0
    dialled_at: float = 0.0
    opened_at: float | None = None
    connection: int = 0  # counts connections, so that a timer knows whether its own still stands


class StreamSupervisor:
    """All streams of one exchange. ``add`` and ``remove`` at any time, in the session's loop.

    ``listener`` hears of every transition, ``decide`` overrules which errors are worth repeating, ``report`` hears of
    consumers that raise. ``on_task`` hears of faults of the supervisor itself, which are survived.
    """

    def __init__(
        self,
        exchange: ExchangeAPI,
        clock: StreamClock,
        *,
        policy: StreamPolicy | None = None,
        listener: Listener | None = None,
        decide: Decide | None = None,
        report: OnTrouble | None = None,
        on_task: TaskListener | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.policy = policy or StreamPolicy()
        self._exchange = exchange
        self._clock = clock
        self._listener = listener
        self._decide = decide or default_verdict
        self._report = report or (lambda _what, _error: None)
        self._rng = rng or random.Random()
        self._streams: dict[StreamKey, _Stream] = {}
        self._shards: list[_Shard] = []
        self._waiting: list[_Stream] = []
        self._gather_timer: asyncio.TimerHandle | None = None
        self._gather_until = 0.0
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks = Tasks(on_task or self._said)
        self._watched = False
        self._loop: asyncio.AbstractEventLoop
        self._stopped = False

    # -------------------------------------------------------------- what others call

    def add(self, key: StreamKey, consumer: StreamConsumer) -> None:
        """Subscribe. A stream the exchange does not have is announced as degraded at once: poll."""
        if self._stopped:
            raise ConnectionLost("the streams have been stopped")
        if not self._watched:
            self._watched, self._loop = True, asyncio.get_running_loop()
            self._tasks.every(self.policy.check_every_s, self._watch, "stream watchdog")
        known = self._streams.get(key)
        if known is not None:
            known.consumers += (consumer,)
            if known.state is not ConnectionState.CONNECTING:
                self._tell(known, up=known.up, reason=known.last_error, only=consumer)
            return
        patience_s = self.policy.patience_s(key, self._clock)
        stream = self._streams[key] = _Stream(key, (consumer,), patience_s, patience_s)
        if not self._exchange.can_stream(key):
            self._take_down(stream, ConnectionState.DEGRADED, f"there is no {key.kind.value} stream: polling", 0)
            return
        self._become(stream, ConnectionState.CONNECTING, "", 0)
        self._waiting.append(stream)
        now = self._loop.time()
        if self._gather_timer is None:
            self._gather_until = now + _GATHER_AT_MOST_S
        else:
            self._gather_timer.cancel()
        self._gather_timer = self._loop.call_at(min(now + _GATHER_S, self._gather_until), self._start_waiting)

    def remove(self, key: StreamKey, consumer: StreamConsumer) -> None:
        """Unsubscribe one consumer; the last one ends the stream."""
        stream = self._streams.get(key)
        if stream is None:
            return
        stream.consumers = tuple(each for each in stream.consumers if each is not consumer)
        if stream.consumers:
            return
        del self._streams[key]
        if stream in self._waiting:
            self._waiting.remove(stream)
        for shard in list(self._shards):
            if shard.streams.pop(key, None) is not None and not shard.streams:
                self._end(shard)
        self._become(stream, ConnectionState.STOPPED, "no longer wanted", 0)

    def suspect(self, keys: Iterable[StreamKey], reason: str) -> None:
        """Somebody saw by other means that these streams miss something: connect them anew."""
        for shard in {id(shard): shard for key in keys for shard in self._shards if key in shard.streams}.values():
            self._kick(shard, reason)

    async def stop(self) -> None:
        """End every stream; idempotent. Consumers are not called any more."""
        self._stopped = True
        for timer in (self._gather_timer, *self._timers):
            if timer is not None:
                timer.cancel()
        await self._tasks.close()
        self._shards.clear()
        self._waiting.clear()
        for stream in self._streams.values():
            self._become(stream, ConnectionState.STOPPED, "stopped", 0)

    @property
    def tasks(self) -> Tasks:
        """For ``health()``."""
        return self._tasks

    @property
    def state(self) -> ConnectionState:
        """The worst of all streams; LIVE when there are none."""
        states = {stream.state for stream in self._streams.values()}
        return next((state for state in _WORST_FIRST if state in states), ConnectionState.LIVE)

    def snapshot(self) -> tuple[StreamHealth, ...]:
        """Every stream's health. In the loop only."""
        now = asyncio.get_running_loop().time()
        attempts = {key: shard.failures for shard in self._shards for key in shard.streams}
        return tuple(
            StreamHealth(
                key,
                stream.state or ConnectionState.CONNECTING,
                None if stream.heard_at is None else now - stream.heard_at,
                attempts.get(key, 0),
                stream.reconnects,
                stream.last_error,
                stream.patience_s,
            )
            for key, stream in self._streams.items()
        )

    # -------------------------------------------------------------- shards

    def _start_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._gather_timer = None
        by_group: dict[str, list[_Stream]] = {}
        for stream in waiting:
            # Trouble with one kind of data must not interrupt another; private streams share a login.
            group = "private" if stream.key.kind.is_private else stream.key.kind.value
            by_group.setdefault(group, []).append(stream)
        for streams in by_group.values():
            self._start(streams)

    def _start(self, streams: Sequence[_Stream], failures: int = 0) -> None:
        size = self.policy.keys_per_connection
        for first in range(0, len(streams), size):
            shard = _Shard({stream.key: stream for stream in streams[first : first + size]}, failures=failures)
            self._shards.append(shard)
            name = f"streams {next(iter(shard.streams))}"
            shard.task = self._tasks.keep(partial(self._guarded, shard), name, TaskPolicy(self.policy.backoff))

    async def _guarded(self, shard: _Shard) -> None:
        try:
            await self._run(shard)
        except Exception as error:  # a fault of the supervisor itself: the consumers poll until the shard is run again
            for stream in shard.streams.values():
                self._take_down(stream, ConnectionState.RECONNECTING, f"{type(error).__name__}: {error}", 0)
            raise

    def _said(self, news: TaskNews) -> None:
        if isinstance(news, TaskFailed):
            self._report(news.name, news.error)

    def _verdict(self, error: BaseException, attempts: int) -> Verdict:
        """The user's word, unless it raises."""
        try:
            return self._decide(error, attempts)
        except Exception as fault:  # noqa: BLE001 - whatever a hook provokes must not end the streams
            self._report("decide (the usual verdict counts)", fault)
            return default_verdict(error, attempts)

    def _end(self, shard: _Shard) -> None:
        if shard in self._shards:
            self._shards.remove(shard)
        if shard.task is not None and shard.task is not asyncio.current_task():
            shard.task.cancel()

    async def _run(self, shard: _Shard) -> None:
        loop = asyncio.get_running_loop()
        delays = self.policy.backoff.delays(self._rng)
        while shard.streams:
            error, kicked = await self._connect(shard)
            lasted_s = 0.0 if shard.opened_at is None else loop.time() - shard.opened_at
            if kicked or lasted_s >= self.policy.proven_after_s:
                shard.failures, delays = 0, self.policy.backoff.delays(self._rng)
            if not kicked:
                shard.failures += 1
            if self._verdict(error, shard.failures) is Verdict.GIVE_UP:
                self._give_up(shard, error)
                return
            if isinstance(error, Refused) and len(shard.streams) > 1:
                self._halve(shard, error)
                return
            for stream in shard.streams.values():
                stays = shard.failures >= self.policy.degrade_after or stream.state is ConnectionState.DEGRADED
                state = ConnectionState.DEGRADED if stays else ConnectionState.RECONNECTING
                stream.reconnects += 1
                self._take_down(stream, state, str(error), shard.failures)
            if not kicked:
                await asyncio.sleep(max(next(delays), _asked_pause_s(error)))

    async def _connect(self, shard: _Shard) -> tuple[BaseException, bool]:
        """One connection, from dialling to its end: why it ended, and whether we gave up one that did open."""
        loop = asyncio.get_running_loop()
        shard.connection += 1
        shard.opened_at, shard.dialled_at = None, loop.time()
        shard.kicked = loop.create_future()
        for stream in shard.streams.values():
            stream.doubted_from = loop.time()
            stream.rhythm.interrupted()
        async with Tasks() as tasks:
            work = self._exchange.stream(tuple(shard.streams), partial(self._deliver, shard))
            serving = tasks.start(work, "stream")
            await asyncio.wait((serving, shard.kicked), return_when=asyncio.FIRST_COMPLETED)
        if shard.kicked.done():
            return shard.kicked.result(), shard.opened_at is not None
        failure = None if serving.cancelled() else serving.exception()
        return failure or ConnectionLost("the stream ended"), False

    def _kick(self, shard: _Shard, reason: str) -> None:
        if shard.kicked is not None and not shard.kicked.done():
            shard.kicked.set_result(ConnectionLost(reason))

    def _give_up(self, shard: _Shard, error: BaseException) -> None:
        """Repeating cannot help: find out whom it concerns, and let the others go on."""
        if len(shard.streams) > 1 and not isinstance(error, AuthenticationFailed):
            self._halve(shard, error)
            return
        streams = list(shard.streams.values())
        self._end(shard)
        state = ConnectionState.DEGRADED if isinstance(error, Unsupported) else ConnectionState.STOPPED
        for stream in streams:
            self._take_down(stream, state, str(error), shard.failures)

    def _halve(self, shard: _Shard, error: BaseException) -> None:
        """Not all of them need be concerned."""
        streams = list(shard.streams.values())
        self._end(shard)
        middle = len(streams) // 2
        for half in (streams[:middle], streams[middle:]):
            for stream in half:
                self._take_down(stream, ConnectionState.RECONNECTING, str(error), 0)
            self._start(half)

    # -------------------------------------------------------------- events

    def _deliver(self, shard: _Shard, key: StreamKey, event: StreamEvent) -> None:
        stream = shard.streams.get(key)
        if stream is None:  # removed, or moved to another connection
            return
        if event.__class__ is StreamOpened:
            self._opened(shard, stream)
            return
        now = stream.heard_at = stream.doubted_from = self._loop.time()
        stream.rhythm.heard(now)
        stream.patience_s = stream.rhythm.patience_s(stream.first_patience_s, self.policy.least_silence_s)
        if not stream.up:
            self._opened(shard, stream, spoke=True)
            if not stream.up:  # degraded, and on probation: the consumer polls
                return
        for consumer in stream.consumers:
            try:
                consumer.on_event(key, event)
            except Exception as error:  # noqa: BLE001 - one consumer's fault is not the others'
                self._report(f"consumer of {key}", error)

    def _opened(self, shard: _Shard, stream: _Stream, *, spoke: bool = False) -> None:
        now = self._loop.time()
        stream.doubted_from = now
        if shard.opened_at is None:
            shard.opened_at = now
        if stream.state is not ConnectionState.DEGRADED:
            self._bring_up(stream, "", shard.failures)
            return
        if stream.doubts and not spoke:
            return  # degraded for its silence: that it connects says nothing
        stream.doubts = 0
        if stream.probation != shard.connection:
            stream.probation = shard.connection
            timer = self._loop.call_later(self.policy.recover_after_s, self._recover, shard, stream, shard.connection)
            self._timers = {each for each in self._timers if not each.cancelled() and each.when() > now}
            self._timers.add(timer)

    def _recover(self, shard: _Shard, stream: _Stream, connection: int) -> None:
        still = shard.connection == connection and shard in self._shards and stream.key in shard.streams
        if still and shard.opened_at is not None and stream.state is ConnectionState.DEGRADED:
            shard.failures = 0
            self._bring_up(stream, f"held for {self.policy.recover_after_s:g} s", 0)

    def _bring_up(self, stream: _Stream, reason: str, attempts: int) -> None:
        stream.up = True
        stream.last_error = ""
        self._become(stream, ConnectionState.LIVE, reason, attempts)
        self._tell(stream, up=True, reason=reason)

    def _take_down(self, stream: _Stream, state: ConnectionState, reason: str, attempts: int) -> None:
        was_told = stream.state is not None and stream.state is not ConnectionState.CONNECTING and not stream.up
        stream.up = False
        stream.last_error = reason
        self._become(stream, state, reason, attempts)
        if not was_told:
            self._tell(stream, up=False, reason=reason)

    def _become(self, stream: _Stream, state: ConnectionState, reason: str, attempts: int) -> None:
        old, stream.state = stream.state, state
        if old is not state and self._listener is not None:
            try:
                self._listener(StreamChanged(stream.key, old, state, reason, attempts))
            except Exception as error:  # noqa: BLE001 - whoever listens must not stop the streams
                self._report("stream listener", error)

    def _tell(self, stream: _Stream, *, up: bool, reason: str, only: StreamConsumer | None = None) -> None:
        for consumer in stream.consumers if only is None else (only,):
            try:
                if up:
                    consumer.on_up(stream.key)
                else:
                    consumer.on_down(stream.key, reason)
            except Exception as error:  # noqa: BLE001 - see _deliver
                self._report(f"consumer of {stream.key}", error)

    # -------------------------------------------------------------- silence

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time()
        for shard in list(self._shards):
            self._check(shard, now)

    def _check(self, shard: _Shard, now: float) -> None:
        if now - shard.dialled_at > self.policy.open_within_s and self._some_unopened(shard):
            self._kick(shard, f"no answer to the subscription within {self.policy.open_within_s:g} s")
            return
        silent = [
            stream
            for stream in shard.streams.values()
            if stream.patience_s is not None and now - stream.doubted_from > stream.patience_s
        ]
        silent = [stream for stream in silent if not (shard.opened_at is not None and self._is_looked_at(stream, now))]
        if shard.opened_at is None or not silent:
            return
        for stream in silent:
            stream.doubts += 1
            stream.rhythm.doubted(now - stream.doubted_from)
            stream.patience_s = min(self.policy.most_silence_s, 2 * (stream.patience_s or 0.0))
            stream.doubted_from = now
            if stream.state is not ConnectionState.DEGRADED:
                spoke = "never spoke" if stream.heard_at is None else f"silent for {now - stream.heard_at:.0f} s"
                gone = stream.doubts >= self.policy.degrade_after
                state = ConnectionState.DEGRADED if gone else ConnectionState.STALE
                self._take_down(stream, state, spoke, stream.doubts)
        if len(silent) == len(shard.streams):
            self._kick(shard, f"{silent[0].key}: {silent[0].last_error}")
            return
        # The others speak, so the connection lives: only the silent ones get a new one.
        for stream in silent:
            del shard.streams[stream.key]
        self._start(silent)

    def _is_looked_at(self, stream: _Stream, now: float) -> bool:
        """Silence that somebody checks by other means: believed until he says otherwise, twice as long every time."""
        if not stream.up or not any(
            isinstance(each, SilenceJudge) and each.look_at_silence(stream.key) for each in stream.consumers
        ):
            return False
        stream.patience_s = min(self.policy.most_silence_s, 2 * (stream.patience_s or 0.0))
        stream.rhythm.doubted(now - stream.doubted_from)
        stream.doubted_from = now
        return True

    def _some_unopened(self, shard: _Shard) -> bool:
        """Nothing was opened, or a private stream was not; public ones may wait for their turn to be asked for."""
        return shard.opened_at is None or any(
            not stream.up and stream.key.kind.is_private and stream.state is not ConnectionState.DEGRADED
            for stream in shard.streams.values()
        )


def _asked_pause_s(error: BaseException) -> float:
    asked = error.retry_after_s if isinstance(error, (RateLimited, ExchangeUnavailable)) else None
    return asked or 0.0
