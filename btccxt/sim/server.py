"""The embedded exchange over real sockets: one TLS port, many exchanges, chosen by the ``Host`` header.

    exchange = SimExchange(source, dialects=("binance",))
    await exchange.start()
    session = aiohttp.ClientSession(connector=exchange.connector())
    client = ccxt.pro.binance({"session": session, "apiKey": "sim-key", "secret": "simsecretkey"})

Everything lives in the loop that called ``start``; ``btccxt.sim.background`` runs it in a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from btccxt.errors import ConfigError
from btccxt.matching.brackets import Bracket
from btccxt.matching.engine import Engine
from btccxt.model import Bar
from btccxt.sim.clock import MarketClock
from btccxt.sim.connection import Connection
from btccxt.sim.dialects import dialect_class
from btccxt.sim.dialects.base import Dialect, DialectError, Reply, Request, SeenRequest, SimAccount, encode
from btccxt.sim.faults import Fault, FaultKind, FaultPlan, Faults, RequestFaults
from btccxt.sim.market import MarketSource
from btccxt.sim.tls import INFO_PATH, CertificateAuthority, SimAddress, connector_for
from btccxt.sim.venue import SimVenue

log = logging.getLogger(__name__)

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_NOT_ACCEPTED = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.IGNORE_REQUEST,
        FaultKind.ERROR_BEFORE,
        FaultKind.RATE_LIMIT,
        FaultKind.BAN,
        FaultKind.MAINTENANCE,
    }
)
_STOP_PATIENCE_S = 2.0


class SimExchange:
    """A market (``source``), accounts and a matching engine, reachable at the real URLs of the given exchanges.

    ``clock`` runs at ``speed`` from ``start_ms`` (default: the source's start) unless one is given; a ``SteppedClock``
    moves by ``advance`` only. ``accounts`` default to one, with key ``'sim-key'`` and secret ``'simsecretkey'``, that
    owns ``balances``. ``limits`` lowers an exchange's own rate limits: ``{'binance': {'REQUEST_WEIGHT': 100}}``.
    ``brackets``: leverage by size of position, for contracts that are not to have the usual ones.
    ``faults`` may be a ``FaultPlan``, a list of ``Fault`` or a ``Faults`` of your own.
    """

    def __init__(
        self,
        source: MarketSource,
        dialects: Sequence[str | type[Dialect]] = ("binance",),
        *,
        clock: MarketClock | None = None,
        speed: float = 1.0,
        start_ms: int | None = None,
        seed: int = 0,
        faults: FaultPlan | Iterable[Fault] | Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        accounts: Iterable[SimAccount] | None = None,
        balances: Mapping[str, Decimal | int | float | str] | None = None,
        limits: Mapping[str, Mapping[str, int]] | None = None,
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
    ) -> None:
        if not dialects:
            raise ConfigError("an embedded exchange needs at least one dialect, for example dialects=('binance',)")
        self.faults = faults if isinstance(faults, Faults) else Faults(faults or (), seed=seed)
        classes = [dialect_class(item) if isinstance(item, str) else item for item in dialects]
        self.venue = SimVenue(
            source,
            clock=clock,
            speed=speed,
            start_ms=start_ms,
            seed=seed,
            accounts=accounts,
            balances=balances,
            limits=limits or {},
            brackets=brackets,
            faults=self.faults,
            call=self._call,
            fee_currency=classes[0].fee_currency,
        )
        self.dialects: dict[str, Dialect] = {found.name: found(self.venue) for found in classes}
        self.venue.attach(self.dialects.values())
        self._host, self._port = host, port
        self._market_id = secrets.token_hex(8)
        self._authority: CertificateAuthority | None = None
        self._runner: web.ServerRunner | None = None
        self._address: SimAddress | None = None
        self._stopping = asyncio.Event()
        self._market_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[int, Connection] = {}
        self._all_gone = asyncio.Event()  # no WebSocket connection is open
        self._all_gone.set()
        self._last_serial = 0
        self._observers: list[Callable[[SeenRequest], None]] = []
        self._gates: list[Callable[[SeenRequest], Awaitable[None]]] = []

    # -------------------------------------------------------------- life

    async def start(self) -> SimAddress:
        """Listen and let the market run. Starting twice changes nothing."""
        if self._address is not None:
            return self._address
        self._authority = CertificateAuthority()
        self._stopping = asyncio.Event()
        runner = self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=_STOP_PATIENCE_S
        )
        await runner.setup()
        try:
            context = self._authority.server_context()
            await web.TCPSite(runner, self._host, self._port, ssl_context=context).start()
        except OSError as error:
            await runner.cleanup()
            self._runner = None
            raise ConfigError(f"the embedded exchange cannot listen at {self._host}:{self._port}: {error}") from error
        port = int(runner.addresses[0][1])
        self._address = SimAddress(self._host, port, self._authority.pem)
        self._market_task = asyncio.get_running_loop().create_task(self.venue.run(), name="sim-market")
        self._market_task.add_done_callback(_report)
        return self._address

    async def stop(self) -> None:
        """Close every connection and the port. Idempotent; takes a few seconds at most."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._address = None
        self._stopping.set()
        for connection in self.connections:
            connection.close(1001, "going away")
        tasks: set[asyncio.Task[Any]] = set(self._tasks)
        if self._market_task is not None:
            self._market_task.cancel()
            tasks.add(self._market_task)
        tasks.add(asyncio.get_running_loop().create_task(self._all_gone.wait()))
        _, late = await asyncio.wait(tasks, timeout=_STOP_PATIENCE_S)
        for straggler in late:
            straggler.cancel()
        for connection in self.connections:
            connection.abort()
        await runner.cleanup()
        task, self._market_task = self._market_task, None
        if task is not None and task.done() and not task.cancelled() and (failure := task.exception()):
            raise failure

    async def __aenter__(self) -> SimExchange:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -------------------------------------------------------------- for those who test with it

    @property
    def address(self) -> SimAddress:
        if self._address is None:
            raise RuntimeError("the embedded exchange is not running; await start() first")
        return self._address

    @property
    def engine(self) -> Engine:
        return self.venue.engine

    @property
    def clock(self) -> MarketClock:
        return self.venue.clock

    @property
    def accounts(self) -> Mapping[str, SimAccount]:
        return self.venue.accounts

    def connector(self) -> aiohttp.TCPConnector:
        """For a client in this process: all hosts lead here. Call it in the client's running loop."""
        return connector_for(self.address)

    def on_request(self, observer: Callable[[SeenRequest], None]) -> None:
        """Tell ``observer`` of every REST request and WebSocket API call as it arrives, before any fault."""
        self._observers.append(observer)

    def hold_requests(self, gate: Callable[[SeenRequest], Awaitable[None]]) -> None:
        """Every REST request waits for ``gate(request)`` before faults and dialect see it: who comes first is yours."""
        self._gates.append(gate)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """WebSocket connections that are open now, oldest first."""
        return tuple(self._connections.values())

    def cut_connections(self, path: str = "*", host: str = "*", close_code: int | None = None) -> int:
        """Break matching WebSocket connections: without a word, or with a close frame. Returns how many."""
        chosen = self._connections_at(path, host)
        for connection in chosen:
            if close_code is None:
                connection.abort()
            else:
                connection.close(close_code, "going away")
        return len(chosen)

    def push_frame(self, frame: str | bytes, path: str = "*", host: str = "*") -> int:
        """Send this, text or binary, over matching WebSocket connections. Returns over how many."""
        chosen = self._connections_at(path, host)
        for connection in chosen:
            if isinstance(frame, bytes):
                connection.send_binary(frame)
            else:
                connection.send(frame.encode())
        return len(chosen)

    def _connections_at(self, path: str, host: str) -> list[Connection]:
        return [
            connection
            for connection in self._connections.values()
            if fnmatchcase(connection.path, path) and fnmatchcase(connection.host, host)
        ]

    def push_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        """Send a candle frame to whoever subscribed, as if the market had made it. Nothing is stored."""
        for dialect in self.dialects.values():
            dialect.on_candle(symbol, timeframe, bar, closed)

    def deposit(self, account: str, currency: str, amount: Decimal) -> None:
        """Money from outside (or to it, where negative)."""
        self.venue.engine.deposit(account, currency, amount, self.venue.now_ms())
        for dialect in self.dialects.values():
            dialect.on_deposit(account, currency, amount)

    def fund(self, symbol: str, rate: Decimal) -> Mapping[str, Decimal]:
        """Charge funding now: longs pay ``rate`` of their position's value. Returns what each account received."""
        return self.venue.engine.apply_funding(symbol, rate, self.venue.now_ms())

    def advance(self, ms: int) -> None:
        """Move a ``SteppedClock`` on, and the market with it."""
        self.venue.advance(ms)

    # -------------------------------------------------------------- HTTP

    def dialect_for(self, host: str) -> Dialect | None:
        """Owners first, then those who answer for a host while its owner is not here."""
        for dialect in self.dialects.values():
            if any(fnmatchcase(host, pattern) for pattern in dialect.hosts):
                return dialect
        for dialect in self.dialects.values():
            if any(fnmatchcase(host, pattern) for pattern in dialect.borrowed_hosts):
                return dialect
        return None

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        arrived_ns = time.time_ns()
        host = _host_name(http.headers.get("Host", ""))
        path, _, query = http.raw_path.partition("?")
        if path == INFO_PATH:
            return self._tell_about_myself()
        dialect = self.dialect_for(host)
        if dialect is None:
            known = ", ".join(sorted({host for found in self.dialects.values() for host in found.hosts}))
            text = f"The embedded exchange does not stand in for {host!r}. It stands in for: {known}\n"
            return web.Response(status=421, text=text)
        if http.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(http, dialect, host, path, query)
        request = Request(http.method, host, path, query, await http.read(), http.headers, arrived_ns)
        if self._observers or self._gates:
            seen = request.seen()
            self._observe(seen)
            for gate in self._gates:
                await gate(seen)
        trouble = self.faults.on_request(host, request.method, path)
        if trouble.fate is None and not trouble.delay_before_s and not trouble.delay_after_s:
            return _response(await self._perform(dialect, request))
        return await self._troubled(http, dialect, request, trouble)

    async def _perform(self, dialect: Dialect, request: Request) -> Reply:
        await self.venue.caught_up()
        try:
            return dialect.handle(request)
        except DialectError as refusal:
            return refusal.reply()

    def _tell_about_myself(self) -> web.Response:
        info = {
            "ca_pem": self.address.ca_pem,
            "speed": self.venue.speed,
            "now_ms": self.venue.now_ms(),
            "dialects": list(self.dialects),
            "market": self._market_id,
        }
        return web.Response(body=encode(info), content_type="application/json")

    def _observe(self, seen: SeenRequest) -> None:
        for observer in self._observers:
            observer(seen)

    async def _troubled(
        self, http: web.BaseRequest, dialect: Dialect, request: Request, trouble: RequestFaults
    ) -> web.StreamResponse:
        """One request that a fault strikes."""
        await asyncio.sleep(trouble.delay_before_s)
        fate = trouble.fate
        if fate is None:
            reply = await self._perform(dialect, request)
            await asyncio.sleep(trouble.delay_after_s)
            return _response(reply)
        if fate.kind is FaultKind.DROP_REQUEST:
            return await self._hang_up(http)
        if fate.kind is FaultKind.IGNORE_REQUEST:
            return await self._say_nothing()
        if fate.kind in _NOT_ACCEPTED:
            return _response(dialect.trouble(fate).reply())
        reply = await self._perform(dialect, request)
        await asyncio.sleep(trouble.delay_after_s)
        if fate.kind is FaultKind.LOSE_ANSWER:
            return await self._hang_up(http)
        if fate.kind is FaultKind.CUT_ANSWER:
            response = web.StreamResponse(status=reply.status, headers={"Content-Length": str(len(reply.body))})
            await response.prepare(http)
            await response.write(reply.body[: len(reply.body) // 2])
            return await self._hang_up(http, gently=True)
        if fate.kind is FaultKind.HANG:
            return await self._say_nothing()
        if fate.kind is FaultKind.ERROR_AFTER:
            return _response(dialect.trouble(fate).reply())
        if fate.kind is FaultKind.HTML_ANSWER:
            return web.Response(body=_HTML, content_type="text/html")
        if fate.kind is FaultKind.ODD_ANSWER:
            return _response(Reply(fate.status, fate.body_for(reply.body)))
        return _response(Reply(200, _garbled(fate, reply.body)))

    async def _hang_up(self, http: web.BaseRequest, gently: bool = False) -> web.StreamResponse:
        transport = http.transport
        if transport is not None:
            # An abort may discard what was just written; closing flushes it first.
            transport.close() if gently else transport.abort()
        return await self._say_nothing()

    async def _say_nothing(self) -> web.StreamResponse:
        """Until the client leaves (which cancels this handler) or the exchange stops."""
        await self._stopping.wait()
        return web.Response(status=503)

    # -------------------------------------------------------------- WebSocket

    async def _serve_socket(
        self, http: web.BaseRequest, dialect: Dialect, host: str, path: str, query: str
    ) -> web.StreamResponse:
        self._last_serial += 1
        serial = self._last_serial
        fault = self.faults.on_connect(host, path, serial)
        refusal = dialect.refuses(host, path) if fault is None else dialect.trouble(fault)
        if refusal is not None:
            return _response(refusal.reply())
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=1.0)
        await socket.prepare(http)
        connection = Connection(serial, host, path, query, http.transport, self.faults)
        self._connections[serial] = connection
        self._all_gone.clear()
        limit = dialect.message_limit(connection)
        try:
            dialect.on_connect(connection)
            async for message in socket:
                if self.faults.touch_frames and connection.is_half_open:
                    continue
                if limit is not None and connection.received_too_fast(*limit):
                    connection.close(1008, "Too many requests")
                elif message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    dialect.on_message(connection, message.data)
        finally:
            del self._connections[serial]
            if not self._connections:
                self._all_gone.set()
            dialect.on_disconnect(connection)
        return socket

    def _call(
        self,
        connection: Connection,
        name: str,
        params: Mapping[str, Any],
        perform: Callable[[], bytes],
        fail: Callable[[Fault], bytes],
    ) -> None:
        """A call over a WebSocket API; see ``Venue.call``."""
        if self._observers:
            self._observe(SeenRequest(time.time_ns(), connection.host, "WS", name, params))
        trouble = self.faults.on_request(connection.host, "WS", name)
        if trouble.fate is None and not trouble.delay_before_s and not trouble.delay_after_s:
            self.venue.catch_up()
            connection.send(perform())
            return
        task = asyncio.get_running_loop().create_task(self._call_troubled(connection, perform, fail, trouble))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_troubled(
        self,
        connection: Connection,
        perform: Callable[[], bytes],
        fail: Callable[[Fault], bytes],
        trouble: RequestFaults,
    ) -> None:
        await asyncio.sleep(trouble.delay_before_s)
        fate = trouble.fate
        kind = None if fate is None else fate.kind
        if kind is FaultKind.DROP_REQUEST:
            connection.abort()
            return
        if kind is FaultKind.IGNORE_REQUEST:
            return
        if fate is not None and kind in _NOT_ACCEPTED:
            connection.send(fail(fate))
            return
        self.venue.catch_up()
        answer = perform()
        await asyncio.sleep(trouble.delay_after_s)
        if kind in (FaultKind.LOSE_ANSWER, FaultKind.CUT_ANSWER):
            connection.abort()
        elif fate is not None and kind is FaultKind.ERROR_AFTER:
            connection.send(fail(fate))
        elif kind is FaultKind.HTML_ANSWER:
            connection.send(_HTML)
        elif fate is not None and kind is FaultKind.ODD_ANSWER:
            connection.send(fate.body_for(answer))
        elif kind is not FaultKind.HANG:
            connection.send(answer if fate is None else _garbled(fate, answer))


def _report(market_task: asyncio.Task[None]) -> None:
    """A market that breaks is said at once; ``stop`` raises the same error."""
    if not market_task.cancelled() and (failure := market_task.exception()):
        log.error("the market of the embedded exchange has broken down", exc_info=failure)


def _garbled(fault: Fault, body: bytes) -> bytes:
    return b"" if fault.kind is FaultKind.EMPTY_ANSWER else body[: len(body) // 2]


def _response(reply: Reply) -> web.Response:
    return web.Response(
        status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json", charset="utf-8"
    )


def _host_name(header: str) -> str:
    """``stream.binance.com:9443`` -> ``stream.binance.com``."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
