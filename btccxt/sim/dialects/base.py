"""What a dialect is: an exchange's wire format in front of the common engine. Thin: formats and tables, no matching.

To add one:

1. Make ``btccxt/sim/dialects/<name>/dialect.py`` with a subclass of ``Dialect``. Give it ``name`` (the ccxt id),
   ``hosts`` (the host names of its real URLs; shell patterns allowed) and ``market_types`` (which of the engine's
   markets it trades). What its endpoints need of it goes into a base class in ``core.py``, so that the files of
   endpoints import that and ``dialect.py`` imports them.
2. ``handle`` answers one REST request with a ``Reply``. Keep a table ``{'GET /path': Route(handler, weight, ...)}`` and
   look requests up with ``find_route``. Refuse by raising ``DialectError`` with the exchange's own body; map each
   ``RejectCode`` of the engine to one. ``trouble`` says in the exchange's words what a fault asks for.
3. ``on_message`` takes what a client sends over a WebSocket. Subscribe its connection to topics of your choosing:
   ``self.hub.subscribe(connection, topic)``. A call that does something (place an order) goes through
   ``self.venue.call``, which applies request faults and tells observers.
4. ``on_event``, ``on_candle`` and ``on_tick`` turn news of the engine and the market into frames:
   ``self.hub.publish(topic, encode(frame))``. Nothing is encoded for topics without subscribers: ask ``hub.has``.
5. Look accounts up with ``venue.account_by_key``; check signatures with ``hmac_hex`` / ``hmac_base64`` and ``same``;
   compare time stamps with ``venue.server_time_ms()`` and stretch every tolerance by ``venue.speed``.
6. Add the class to ``DIALECTS`` in ``btccxt/sim/dialects/__init__.py``, and tests with the unmodified ccxt client.

Everything here runs in the server's loop; handlers are plain functions, so a request is handled as one atom.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import parse_qsl

from btccxt.matching.records import Event
from btccxt.model import Bar, Market, MarketType, Trade
from btccxt.sim.connection import Connection, Hub
from btccxt.sim.faults import Fault
from btccxt.sim.mirror import BookMirror

if TYPE_CHECKING:
    from btccxt.matching.engine import Engine

try:
    import orjson

    def encode(value: Any) -> bytes:
        """Compact JSON."""
        return orjson.dumps(value)

    def decode(text: str | bytes) -> Any:
        """Raises ValueError for what is not JSON."""
        return orjson.loads(text)

except ImportError:

    def encode(value: Any) -> bytes:
        """Compact JSON."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def decode(text: str | bytes) -> Any:
        """Raises ValueError for what is not JSON."""
        return json.loads(text)


# ------------------------------------------------------------------ records


@dataclass(frozen=True, slots=True)
class SimAccount:
    """An account and the keys that open it. Some clients decode the secret from base64, so the default one is that."""

    name: str = "main"
    api_key: str = "sim-key"
    secret: str = "simsecretkey"
    password: str = "sim-password"
    balances: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    fee_currency: str | None = None  # a third coin that pays the fees; None: as is usual on the exchange


@dataclass(slots=True)
class AccountCall:
    """What a dialect has understood of a request, at least."""

    params: Mapping[str, Any]
    account: SimAccount | None
    now_ms: int

    @property
    def owner(self) -> str:
        assert self.account is not None, "route is not signed"
        return self.account.name


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request as it arrived. ``query`` and ``body`` are raw: signatures cover their exact bytes."""

    method: str
    host: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]  # case-insensitive
    arrived_ns: int

    @property
    def form(self) -> str:
        """Query string and form body together, in the order in which they are signed."""
        body = self.body.decode(errors="replace")
        return f"{self.query}&{body}" if self.query and body else self.query or body

    def params(self) -> dict[str, str]:
        """Parameters of query string and form body; the last of a repeated one counts."""
        return dict(parse_qsl(self.form, keep_blank_values=True))

    def seen(self) -> SeenRequest:
        """For observers: a JSON body's fields are parameters, too."""
        params: dict[str, Any] = self.params()
        if self.body.startswith(b"{"):
            with contextlib.suppress(ValueError):
                params = {**dict(parse_qsl(self.query, keep_blank_values=True)), **json.loads(self.body)}
        return SeenRequest(self.arrived_ns, self.host, self.method, self.path, params)


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """What observers are told of a request: REST, or a call over a WebSocket API (``method`` 'WS')."""

    arrived_ns: int
    host: str
    method: str
    path: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        return cls(status, encode(value), headers or {})


class DialectError(Exception):
    """The exchange refuses: HTTP status and the body it would send (bytes are sent as they are)."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}

    def reply(self) -> Reply:
        body = self.body if isinstance(self.body, bytes) else encode(self.body)
        return Reply(self.status, body, self.headers)


@dataclass(frozen=True, slots=True)
class Route:
    """One line of a dialect's table."""

    handler: Callable[..., Any]
    weight: int = 1
    signed: bool = False
    needs_key: bool = False  # an API key without a signature
    is_order: bool = False  # counts against the order limits too
    accepts: frozenset[str] | None = None  # names of parameters; None: whatever comes


class Venue(Protocol):
    """What the server lends to its dialects."""

    engine: Engine
    seed: int

    @property
    def accounts(self) -> Mapping[str, SimAccount]:
        """By name."""

    @property
    def speed(self) -> float:
        """Exchange seconds per wall second."""

    def now_ms(self) -> int:
        """The market's time: for stamps, and for the engine."""

    def server_time_ms(self) -> int:
        """The clock that the exchange shows and judges requests by: off while a CLOCK_SKEW fault stands."""

    def wall_s(self) -> float:
        """Monotonic wall seconds: for limits, which concern the client's machine and not the market."""

    def checks_time(self) -> bool:
        """False with a clock that stands still until it is told to advance: client clocks cannot follow that."""

    def account_by_key(self, api_key: str) -> SimAccount | None: ...

    def limits_of(self, dialect: str) -> Mapping[str, int]:
        """Limits that the user changed: the dialect's own names -> count."""

    def watch_candle(self, symbol: str, timeframe: str) -> None:
        """Build this candle from now on; ``on_candle`` hears of it. Raises ValueError where the market cannot."""

    def history(self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int) -> list[Bar]:
        """Bars that open within [since_ms, until_ms], oldest first, the forming one included; the first ``limit``."""

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int) -> list[Bar]:
        """The latest ``limit`` bars that opened at or before ``until_ms``, oldest first, the forming one included."""

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        """Public trades, oldest first; the first ``limit`` within the window."""

    def last_trades(self, symbol: str, limit: int) -> list[Trade]:
        """The latest public trades, oldest first."""

    def day_bar(self, symbol: str) -> Bar | None:
        """The last 24 hours as one bar; None before the first trade."""

    def mirror(self, symbol: str) -> BookMirror:
        """The book as it was last published, with update ids; shared by all who publish it."""

    def call(
        self,
        connection: Connection,
        name: str,
        params: Mapping[str, Any],
        perform: Callable[[], bytes],
        fail: Callable[[Fault], bytes],
    ) -> None:
        """Serve a call over a WebSocket API. ``perform`` does it and returns the answer; ``fail`` words an error."""


class Hooks:
    """What happens around a dialect. It overrides what it cares about."""

    def on_connect(self, connection: Connection) -> None:
        """After a WebSocket handshake."""

    def on_event(self, event: Event) -> None:
        """News of the engine, in order: orders, fills, balances, positions, public trades."""

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        """A forming bar changed, or a bar closed."""

    def on_tick(self) -> None:
        """The market has moved on: a moment to publish order books and tickers that changed."""

    def on_deposit(self, account: str, currency: str, amount: Decimal) -> None:
        """Money came from outside, or went there (negative)."""


class Dialect(Hooks, ABC):
    """One exchange's REST and WebSocket formats."""

    name: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    borrowed_hosts: ClassVar[tuple[str, ...]] = ()  # answered only where no other dialect in use owns them
    market_types: ClassVar[frozenset[MarketType]] = frozenset({MarketType.SPOT})
    quote: ClassVar[str] = "USDT"  # of the markets it has where nobody names any
    fee_currency: ClassVar[str | None] = None  # of accounts that name none: None takes fees from the coin received

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.hub = Hub()
        self.markets: dict[str, Market] = {}  # by the exchange's own id
        self.ids: dict[str, str] = {}  # unified symbol -> the exchange's own id
        for market in venue.engine.markets.values():
            if market.type in self.market_types:
                own_id = self.market_id(market)
                self.markets[own_id], self.ids[market.symbol] = market, own_id

    @classmethod
    def client_keys(cls, account: SimAccount) -> Mapping[str, str]:
        """What a client of this account gives to ccxt."""
        return {"apiKey": account.api_key, "secret": account.secret, "password": account.password}

    @abstractmethod
    def market_id(self, market: Market) -> str:
        """``BTC/USDT`` -> ``BTCUSDT``."""

    @abstractmethod
    def handle(self, request: Request) -> Reply:
        """Answer one REST request, or raise DialectError."""

    @abstractmethod
    def on_message(self, connection: Connection, text: str) -> None:
        """A text frame from a client."""

    @abstractmethod
    def trouble(self, fault: Fault) -> DialectError:
        """An ERROR_*, RATE_LIMIT, BAN or MAINTENANCE fault, as this exchange would say it."""

    def refuses(self, host: str, path: str) -> DialectError | None:
        """Whether a WebSocket handshake at this path is refused, with the answer."""
        return None

    def message_limit(self, connection: Connection) -> tuple[int, float] | None:
        """(count, wall seconds) of messages that a client may send; more closes the connection with 1008."""
        return None

    def on_disconnect(self, connection: Connection) -> None:
        self.hub.drop(connection)


def find_route(table: Mapping[str, Route], method: str, path: str) -> Route | None:
    return table.get(f"{method} {path}")


# ------------------------------------------------------------------ signatures


def hmac_hex(secret: str | bytes, message: str | bytes, algorithm: str = "sha256") -> str:
    return hmac.new(_bytes(secret), _bytes(message), algorithm).hexdigest()


def hmac_base64(secret: str | bytes, message: str | bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(_bytes(secret), _bytes(message), algorithm).digest()).decode()


def sha256(message: str | bytes) -> bytes:
    return hashlib.sha256(_bytes(message)).digest()


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


# ------------------------------------------------------------------ limits


class RateLimit:
    """Weights counted in windows of wall time, as exchanges count them: a fast market clock does not trip it."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._spent: deque[tuple[float, int]] = deque()
        self.used = 0

    def add(self, weight: int, now_s: float) -> bool:
        """Count; False when the limit is exceeded (what exceeds it is counted as well)."""
        self.expire(now_s)
        self._spent.append((now_s, weight))
        self.used += weight
        return self.used <= self.limit

    def expire(self, now_s: float) -> None:
        while self._spent and self._spent[0][0] <= now_s - self.window_s:
            self.used -= self._spent.popleft()[1]

    def retry_after_s(self, now_s: float) -> int:
        """Whole seconds until there is room again."""
        return max(1, int(self._spent[0][0] + self.window_s - now_s) + 1) if self._spent else 1
