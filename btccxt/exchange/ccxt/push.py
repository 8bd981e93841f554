"""Loss-free push on top of ccxt.pro: every frame's result is handed on, whether or not somebody waits for it.

ccxt.pro's ``watch_*`` is a pull on an edge: what arrives while nobody awaits is cached but wakes nobody, two updates of
one order collapse, an exception in a frame handler ends the receive loop while the socket stays open, and re-arming
costs more than parsing. So each watch call is made once, to subscribe, and its results are taken where the client
resolves them (``Client.resolve``), synchronously, as copies.

One ``PushStream`` owns one ccxt instance: its connections, caches and subscriptions live and die together, so a
reconnect starts from nothing stale and one stream's fault is not another's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, WSServerHandshakeError
from ccxt.async_support.base.ws.future import Future as CcxtFuture

from btccxt.errors import ConnectionLost, ExchangeUnavailable, RateLimited
from btccxt.exchange.api import Deliver
from btccxt.exchange.ccxt.errors_map import retry_after_s
from btccxt.exchange.ccxt.frames import parts_of, walk
from btccxt.exchange.ccxt.keep_alive import judge_pongs_here
from btccxt.exchange.profile.profile_schema import Rename
from btccxt.model import StreamEvent, StreamKey, StreamKind, StreamOpened
from btccxt.observe.metrics import metrics
from btccxt.resilience.supervised import Tasks

News = tuple[StreamKey, StreamEvent]
Decode = Callable[[Any, Any], Iterable[News] | None]
"""(result that ccxt resolves, raw frame) -> news; None if the result is no data (the answer to a login, say)."""
FaultListener = Callable[[str, BaseException], None]

_SETTLE_S = 0.02  # after the answer to a frame: if ccxt subscribes to something more (login first), it does so by then
_NO_ANSWER_S = 3.0  # exchanges that do not acknowledge public subscriptions: taken as subscribed after this
_REANNOUNCE_S = 5.0
_FRAMES_PER_TURN = 64
_CLOSE_S = 0.5
_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


@dataclass(slots=True, eq=False)
class Subscription:
    """One ccxt watch call: which keys it serves, and how its results become news."""

    keys: tuple[StreamKey, ...]
    start: Callable[[Any], Coroutine[Any, Any, object]]  # given the ccxt instance
    decode: Decode
    opened: bool = False
    calls: int = 0  # of watch()/watch_multiple() so far; a login is one, too

    @property
    def name(self) -> str:
        more = f" and {len(self.keys) - 1} more" if len(self.keys) > 1 else ""
        return f"{self.keys[0]}{more}"


_current: ContextVar[Subscription | None] = ContextVar("subscription", default=None)


class PushStream:
    """Runs subscriptions on one ccxt.pro instance until a connection breaks. Used once, in the loop that made it."""

    def __init__(
        self,
        instance: Any,
        deliver: Deliver,
        report: FaultListener,
        *,
        frame_interval_s: float = 0.0,
        ends: Iterable[Mapping[str, str]] = (),
        renames: Sequence[Rename] = (),
    ) -> None:
        """``ends``: frames (path -> value) that break the stream, because ccxt passes over them.

        ``renames``: frames that ccxt passes over, and the word by which it knows them.
        """
        self._renames = renames
        self._instance = instance
        self._deliver = deliver
        self._report = report
        self._frame_interval_s = frame_interval_s
        self._ends = [[(parts_of(path), value) for path, value in each.items()] for each in ends]
        self._taken = False  # whether the frame that ccxt is handling was news
        self._loop = asyncio.get_running_loop()
        self._broken: asyncio.Future[BaseException] = self._loop.create_future()
        self._ended: ConnectionLost | None = None  # by a frame of ``ends``
        self._hooks: list[_ClientHook] = []
        self._subscriptions: Sequence[Subscription] = ()
        self._timers: list[asyncio.TimerHandle] = []
        self._known_faults: set[str] = set()
        self._reannounced_at = self._loop.time() - _REANNOUNCE_S
        self._reannouncing: asyncio.TimerHandle | None = None
        self.frame: Any = None  # the decoded frame that ccxt is handling right now
        self._hook()

    async def run(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe, then wait. Raises what broke it (ccxt's exception, or ConnectionLost); cleans up in any case."""
        self._subscriptions = subscriptions
        try:
            async with Tasks() as tasks:
                for each in subscriptions:
                    tasks.start(self._subscribe(each), f"subscribe {each.name}")
                error = await self._broken
                raise self._ended or error
        finally:
            await self._close()

    def fail(self, error: BaseException) -> None:
        """End the stream with this error; the first one counts."""
        if not self._broken.done():
            self._broken.set_result(_dial_error(error))

    # -------------------------------------------------------------- subscribing

    async def _subscribe(self, subscription: Subscription) -> None:
        _current.set(subscription)
        try:
            # Ends with the first result, which resolve() has handed on already; what counts is what it raises.
            await subscription.start(self._instance)
        except asyncio.CancelledError:
            self.fail(ConnectionLost("the connection was closed while subscribing"))
            raise
        except Exception as error:  # noqa: BLE001 - ccxt raises KeyError and TypeError as well; the caller judges
            self.fail(error)

    def _watched(self, hook: _ClientHook, hashes: Sequence[str], subscription: Subscription, *, sends: bool) -> None:
        subscription.calls += 1
        for message_hash in hashes:
            hook.routes[message_hash] = subscription
        if subscription.opened:
            return
        if not sends:
            # Nothing to send: connecting (or an earlier frame) was the subscription.
            calls = subscription.calls
            hook.client.connected.add_done_callback(
                lambda _: self._later(_SETTLE_S, self._settle, hook, subscription, calls)
            )

    def _settle(self, hook: _ClientHook, subscription: Subscription, calls: int) -> None:
        """Nothing more was asked for since ``calls``: that was the subscription itself, not a login before it."""
        if subscription.calls == calls and not subscription.opened and hook.client.isConnected:
            self._open(subscription, hook)

    def _open(self, subscription: Subscription, hook: _ClientHook) -> None:
        subscription.opened = True
        hook.awaiting.pop(subscription, None)
        for key in subscription.keys:
            self._hand_on(key, StreamOpened(hook.client.url.partition("?")[0]))

    def _later(self, delay_s: float, function: Callable[..., None], *arguments: object) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > self._loop.time()]
        self._timers.append(self._loop.call_later(delay_s, function, *arguments))

    # -------------------------------------------------------------- results

    def take(self, hook: _ClientHook, subscription: Subscription, result: Any) -> bool:
        """Hand on what a frame brought; False if it was no data."""
        news = subscription.decode(result, self.frame)
        if news is None:
            return False
        self._taken = True
        if not subscription.opened:
            self._open(subscription, hook)
        deliver = self._deliver
        for key, event in news:
            try:
                deliver(key, event)
            except Exception as error:  # noqa: BLE001 - a consumer's fault must not cost the others their frames
                self._report(f"consumer of {key}", error)
        return True

    def _hand_on(self, key: StreamKey, event: StreamEvent) -> None:
        try:
            self._deliver(key, event)
        except Exception as error:  # noqa: BLE001 - see take()
            self._report(f"consumer of {key}", error)

    def fault(self, error: Exception) -> None:
        """A frame that ccxt could not handle: said once per kind, survived."""
        metrics().frame_malformed(self._instance.id)
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
        kind = f"{type(error).__name__} in {place}"
        if kind not in self._known_faults:
            self._known_faults.add(kind)
            self._report(f"malformed frame ({kind})", error)
        # The frame may have been news of an order, or a trade: announced anew, the consumers of these streams look.
        if self._reannouncing is None:
            wait_s = max(0.0, self._reannounced_at + _REANNOUNCE_S - self._loop.time())
            self._reannouncing = self._loop.call_later(wait_s, self._reannounce)
            self._timers.append(self._reannouncing)

    def _reannounce(self) -> None:
        self._reannouncing, self._reannounced_at = None, self._loop.time()
        for subscription in self._subscriptions:
            for key in subscription.keys if subscription.opened else ():
                if key.kind.is_private or key.kind is StreamKind.TRADES:
                    self._hand_on(key, StreamOpened())

    # -------------------------------------------------------------- hooks into ccxt

    def _hook(self) -> None:
        """Replace methods on this one instance; its class and every other instance stay as they are."""
        instance = self._instance
        make_client, watch, watch_multiple = instance.client, instance.watch, instance.watch_multiple
        handle_message, on_error, on_close = instance.handle_message, instance.on_error, instance.on_close
        spawn, currency_to_precision = instance.spawn, instance.currency_to_precision
        taps: dict[Any, _ClientHook] = {}

        def client_of(url: str) -> Any:
            client = make_client(url)
            if client not in taps:
                judge_pongs_here(client)
                hook = taps[client] = _ClientHook(self, client, self._frame_interval_s)
                self._hooks.append(hook)
            return client

        def watch_one(
            url: str, message_hash: str, message: Any = None, subscribe_hash: Any = None, subscription: Any = None
        ) -> Any:
            current = _current.get()
            if current is None:
                return watch(url, message_hash, message, subscribe_hash, subscription)
            hook = taps[client_of(url)]
            sends = message is not None and not hook.client.subscriptions.get(subscribe_hash)
            future = watch(url, message_hash, message, subscribe_hash, subscription)
            self._watched(hook, (message_hash,), current, sends=sends)
            return future

        def watch_several(
            url: str,
            message_hashes: list[str],
            message: Any = None,
            subscribe_hashes: Any = None,
            subscription: Any = None,
        ) -> Any:
            current = _current.get()
            if current is None:
                return watch_multiple(url, message_hashes, message, subscribe_hashes, subscription)
            hook = taps[client_of(url)]
            missing = any(each not in hook.client.subscriptions for each in subscribe_hashes or ())
            future = watch_multiple(url, message_hashes, message, subscribe_hashes, subscription)
            self._watched(hook, message_hashes, current, sends=message is not None and missing)
            return future

        def handle(client: Any, message: Any) -> None:
            self.frame, self._taken = message, False
            try:
                handle_message(client, message)
                if not self._taken and self._renames and (renamed := self._renamed(message)) is not None:
                    self.frame = renamed
                    handle_message(client, renamed)
            finally:
                if not self._taken and self._ends:  # what is news ends nothing, so candles pay nothing for this
                    self._check_end(message)

        def failed(client: Any, error: Exception) -> None:
            on_error(client, error)
            self.fail(error)

        def closed(client: Any, code: Any) -> None:
            on_close(client, code)
            self.fail(client.error or ConnectionLost(f"{client.url.partition('?')[0]} was closed, code {code}"))

        def spawn_watched(method: Any, *arguments: Any) -> Any:
            future = spawn(method, *arguments)
            future.add_done_callback(self._spawned)
            return future

        def delay(timeout_ms: float, method: Any, *arguments: Any) -> Any:
            timer = self._loop.call_later(timeout_ms / 1000.0, spawn_watched, method, *arguments)
            self._timers.append(timer)
            return timer

        def fee_to_precision(code: str, amount: Any, network_code: Any = None) -> Any:
            """ccxt adds up the fees of an order's fills, and loses the fill if no market trades the fee's coin."""
            if code not in instance.currencies:
                return instance.number_to_string(amount)
            return currency_to_precision(code, amount, network_code)

        instance.currency_to_precision = fee_to_precision
        instance.client, instance.watch, instance.watch_multiple = client_of, watch_one, watch_several
        instance.handle_message, instance.on_error, instance.on_close = handle, failed, closed
        instance.spawn, instance.delay = spawn_watched, delay

    def _renamed(self, frame: Any) -> Any:
        for each in self._renames:
            if isinstance(frame, dict) and frame.get(each.field) == each.said:
                return {**frame, each.field: each.meant}
        return None

    def _check_end(self, frame: Any) -> None:
        for pattern in self._ends:
            if all(walk(frame, path) == value for path, value in pattern):
                said = ", ".join(value for _, value in pattern)
                # ccxt may have called it an error of its own by now, which would not be worth another try.
                self._ended = ConnectionLost(f"the exchange ended the subscription: {said}")
                self.fail(self._ended)

    def _spawned(self, future: asyncio.Future[Any]) -> None:
        """ccxt's background work (listen key refresh, snapshots) has ended; nobody else looks at how."""
        if not future.cancelled() and (error := future.exception()) is not None:
            self.fail(error)

    # -------------------------------------------------------------- the end

    async def _close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        async with Tasks() as tasks:
            if closing := [tasks.start(hook.close(), "close") for hook in self._hooks]:
                await asyncio.wait(closing)
        self._instance.clients = {}
        await self._instance.close()


class _ClientHook:
    """The hooks on one ccxt Client, that is, on one connection."""

    def __init__(self, stream: PushStream, client: Any, frame_interval_s: float) -> None:
        self.client = client
        self.routes: dict[str, Subscription] = {}
        self.awaiting: dict[Subscription, int] = {}
        self._stream = stream
        self._frame_interval_s = frame_interval_s
        self._next_frame_at = 0.0
        self._tasks = Tasks()
        self._parked: dict[str, Any] = {}
        self._resolve, self._reject, self._send = client.resolve, client.reject, client.send
        self._handle_message = client.handle_message
        client.resolve, client.reject, client.send = self._on_resolve, self._on_reject, self._on_send
        client.handle_message, client.receive_loop, client.throttle = self._on_message, self._start_reading, self._pace

    # The hot path: one call per frame.
    def _on_message(self, message: Any) -> None:
        try:
            self._handle_message(message)
        except Exception as error:  # noqa: BLE001 - whatever a frame provokes in ccxt must not end the receiving
            self._stream.fault(error)
        if self.awaiting and message.type in _DATA:
            self._answered()

    def _on_resolve(self, result: Any, message_hash: str) -> Any:
        subscription = self.routes.get(message_hash)
        if subscription is None or not self._stream.take(self, subscription, result):
            return self._resolve(result, message_hash)
        parked = self._parked.get(message_hash)
        if parked is None or self.client.futures.get(message_hash) is not parked:
            # Several of ccxt's handlers look for waiting futures before they parse, so one always waits.
            self._resolve(result, message_hash)
            parked = self._parked[message_hash] = CcxtFuture()
            parked.add_done_callback(_consume)
            self.client.futures[message_hash] = parked
        return result

    def _on_reject(self, error: Any, message_hash: str | None = None) -> Any:
        """A subscription was refused or terminated; some exchanges say so under a name nobody waits for."""
        for future in self.client.futures.values():
            future.add_done_callback(_consume)  # nobody waits for some of them, and asyncio would complain of that
        result = self._reject(error, message_hash)
        self._stream.fail(error if isinstance(error, BaseException) else ConnectionLost(str(error)))
        return result

    async def _on_send(self, message: Any) -> Any:
        await self._send(message)
        subscription = _current.get()
        if subscription is not None and not subscription.opened:
            self.awaiting[subscription] = subscription.calls
            if not subscription.keys[0].kind.is_private:  # what goes unanswered there may be the login
                self._stream._later(_NO_ANSWER_S, self._stream._settle, self, subscription, subscription.calls)

    def _answered(self) -> None:
        for subscription, calls in list(self.awaiting.items()):
            self._stream._later(_SETTLE_S, self._stream._settle, self, subscription, calls)
        self.awaiting.clear()

    async def _pace(self, _cost: float | None = None) -> None:
        """In place of ccxt's throttle, which spaces frames by the REST limit (a second each on some exchanges)."""
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._next_frame_at)
        self._next_frame_at = at + self._frame_interval_s
        if at > loop.time():
            await asyncio.sleep(at - loop.time())

    # ------------------------------------------------------------------ receiving

    def _start_reading(self) -> None:
        """In place of ccxt's receive loop, which makes a task per frame and dies with the first exception."""
        self._tasks.start(self._read(), "read")

    async def _read(self) -> None:
        client = self.client
        connection, handle = client.connection, client.handle_message
        frames = 0
        try:
            while True:
                message = await connection.receive()
                handle(message)
                if message.type in _ENDS:
                    break
                frames += 1
                if frames % _FRAMES_PER_TURN == 0:  # receive() does not yield while frames are buffered
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - reported as the end of this connection
            client.on_error(ConnectionLost(f"{client.url.partition('?')[0]}: {type(error).__name__}: {error}"))
            return
        if message.type in (WSMsgType.CLOSING, WSMsgType.CLOSED):  # ccxt's handler passes over these two
            client.on_close(connection.close_code or 1006)

    async def close(self) -> None:
        client, connection = self.client, self.client.connection
        if client.ping_looper is not None:
            client.ping_looper.cancel()
        await self._tasks.close()
        for future in list(client.futures.values()):
            future.cancel()
        if connection is None:
            return
        http = connection._conn  # aiohttp has no public way to abort; ccxt reaches for it as well
        transport = http.transport if http is not None else None
        with contextlib.suppress(asyncio.TimeoutError, TimeoutError, OSError):
            # A half-open peer never answers the close frame, and aiohttp would wait ten seconds for it.
            await asyncio.wait_for(connection.close(), _CLOSE_S)
        if transport is not None:
            transport.abort()


def _dial_error(error: BaseException) -> BaseException:
    """A refused handshake says how long to stay away; ccxt keeps only its text."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, WSServerHandshakeError):
        return error
    text = f"the exchange refused the connection: HTTP {cause.status} {cause.message}"
    pause_s = retry_after_s(cause.headers or {})
    if cause.status in (418, 429):
        return RateLimited(text, pause_s)
    return ExchangeUnavailable(text, pause_s) if cause.status >= 500 else ConnectionLost(text)


def _consume(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
