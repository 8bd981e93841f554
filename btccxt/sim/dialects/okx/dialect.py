"""OKX v5, spot and linear swaps on one account, as the unmodified ccxt client ``okx`` speaks to it.

Hosts, signatures, limits and private events; endpoints are in ``okx_market``, ``okx_orders``, ``okx_algos`` and
``okx_account``, streams in ``okx_streams``, attached exits in ``attached_exits``, JSON in ``okx_format``.
Source: www.okx.com/docs-v5, "Overview" (REST authentication, rate limits).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from btccxt.matching.clearing import DEFAULT_LEVERAGE
from btccxt.matching.records import (
    TRAILING_KINDS,
    TRIGGER_KINDS,
    BalanceChanged,
    EngineReject,
    Event,
    NewOrder,
    OrderChanged,
    PositionChanged,
    PublicTrade,
    RejectCode,
    SimOrder,
    SimStatus,
)
from btccxt.model import ZERO, Bar, Market, MarketType
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.attached_exits import AttachedExits, Exits
from btccxt.sim.dialects.base import (
    AccountCall,
    Dialect,
    DialectError,
    RateLimit,
    Reply,
    Request,
    Route,
    SimAccount,
    Venue,
    decode,
    find_route,
    hmac_base64,
    same,
)
from btccxt.sim.dialects.dead_man import DeadMansSwitches
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx.account import ACCOUNT_ROUTES, position_rows
from btccxt.sim.dialects.okx.algos import ALGO_ROUTES
from btccxt.sim.dialects.okx.errors import error, parameter_error, refused
from btccxt.sim.dialects.okx.market import MARKET_ROUTES
from btccxt.sim.dialects.okx.orders import ORDER_ROUTES, coin_spent
from btccxt.sim.dialects.okx.streams import OkxStreams
from btccxt.sim.faults import Fault, FaultKind

_WINDOW_MS = 30_000  # how old a request may be
_REFUSED_IDS = 10**15  # ids of orders that the engine never had
_SOCKETS = frozenset({"/ws/v5/public", "/ws/v5/private", "/ws/v5/business"})


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query, or JSON body; a body may be a list (``items``)."""

    batch: list[Mapping[str, Any]] = field(default_factory=list)

    def items(self) -> Iterator[Call]:
        for params in self.batch or [self.params]:
            yield Call(params, self.account, self.now_ms)

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise error(50014, f"Parameter {name} can not be empty.", 400)
        return value

    def flag(self, name: str) -> bool:
        return self.text(name) == "true"

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not value.isdecimal():
            raise parameter_error(name)
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name)
        try:
            return None if value is None else Decimal(value)
        except InvalidOperation:
            raise parameter_error(name) from None

    def limit(self, default: int, most: int) -> int:
        return min(self.integer("limit") or default, most)


class Okx(Dialect):
    name = "okx"
    hosts = ("www.okx.com", "aws.okx.com", "ws.okx.com", "wsaws.okx.com", "wspap.okx.com", "eea.okx.com", "us.okx.com")
    market_types = frozenset({MarketType.SPOT, MarketType.LINEAR})
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES, **ALGO_ROUTES, **ACCOUNT_ROUTES}
    # Per endpoint. The user may change these by name: SimExchange(limits={"okx": {"ORDERS_2S": 5}}).
    default_limits: ClassVar[Mapping[str, int]] = {"REQUESTS_2S": 20, "ORDERS_2S": 60}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.leverages: dict[tuple[str, str], Decimal] = {}
        self.hedged: set[str] = set()
        self.streams = OkxStreams(self)
        self.exits = AttachedExits(venue.engine)
        self._limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = self._limits.keys() - self.default_limits.keys()
        if unknown:
            raise ValueError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self.switches = DeadMansSwitches()
        self._rates: dict[str, RateLimit] = {}
        self._fees: dict[str, dict[str, Decimal]] = {}  # order id -> coin -> what its fills have cost
        self._refused: dict[str, list[SimOrder]] = {}  # post-only orders that would have taken, by account

    def market_id(self, market: Market) -> str:
        return f"{market.base}-{market.quote}" + ("-SWAP" if market.is_contract else "")

    def market_of(self, call: Call) -> tuple[str, Market]:
        own_id = call.required("instId")
        market = self.markets.get(own_id)
        if market is None:
            raise error(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return own_id, self.venue.engine.markets[market.symbol]

    def leverage_of(self, owner: str, symbol: str) -> Decimal:
        return self.leverages.get((owner, symbol), DEFAULT_LEVERAGE)

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        route = find_route(self.routes, request.method, request.path)
        if route is None:
            raise error(50000, f"There is no {request.method} {request.path}.", 404)
        account = self._signer(request) if route.signed else None
        self._count(request.path, route, account)
        params, batch = _params(request)
        result = route.handler(self, Call(params, account, self.venue.now_ms(), batch))
        return Reply.of({"code": "0", "msg": "", "data": result})

    def _signer(self, request: Request) -> SimAccount:
        key, phrase, stamp, sign = (
            request.headers.get(f"OK-ACCESS-{name}", "") for name in ("KEY", "PASSPHRASE", "TIMESTAMP", "SIGN")
        )
        if not key:
            raise error(50103, 'Request header "OK-ACCESS-KEY" can not be empty.', 401)
        account = self.venue.account_by_key(key)
        if account is None:
            raise error(50111, "Invalid OK-ACCESS-KEY.", 401)
        try:
            sent_ms = int(datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000)
        except ValueError:
            raise error(50112, "Invalid OK-ACCESS-TIMESTAMP.", 401) from None
        # Tolerances are about networks and computers, so they are wall time: a faster market clock stretches them.
        off_ms = abs(sent_ms - self.venue.server_time_ms())
        if self.venue.checks_time() and off_ms > _WINDOW_MS * self.venue.speed:
            raise error(50102, "Timestamp request expired.", 401)
        target = f"{request.path}?{request.query}" if request.query else request.path
        message = f"{stamp}{request.method}{target}{request.body.decode(errors='replace')}"
        if not same(hmac_base64(account.secret, message), sign):
            raise error(50113, "Invalid Sign.", 401)
        if phrase != account.password:
            raise error(50105, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401)
        return account

    def _count(self, path: str, route: Route, account: SimAccount | None) -> None:
        key = f"{account.name if account else ''} {path}"
        limit = self._limits["ORDERS_2S" if route.is_order else "REQUESTS_2S"]
        if not self._rates.setdefault(key, RateLimit(limit, 2.0)).add(1, self.venue.wall_s()):
            raise self._too_much()

    @staticmethod
    def _too_much() -> DialectError:
        return error(50011, "Too Many Requests", 429)

    def trouble(self, fault: Fault) -> DialectError:
        if fault.kind in (FaultKind.RATE_LIMIT, FaultKind.BAN):
            return self._too_much()
        if fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        if fault.kind is FaultKind.MAINTENANCE:
            return error(50001, "Service temporarily unavailable. Try again later", fault.status)
        return error(50026, "System error. Try again later", fault.status)

    # -------------------------------------------------------------- orders

    def submit(self, owner: str, order: NewOrder, now_ms: int, exits: Exits) -> SimOrder:
        """Raises OrderRefused. A post-only order that would take is accepted, and cancelled at once."""
        market = self.venue.engine.markets[order.symbol]
        try:
            if order.client_order_id is not None and self.knows(owner, order.symbol, order.client_order_id):
                raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "")
            placed = self.venue.engine.submit(owner, order, now_ms)
        except EngineReject as reject:
            if reject.code is not RejectCode.WOULD_TAKE:
                raise refused(reject, coin_spent(market, order.side)) from None
            return self._refuse_to_take(owner, order, now_ms)
        self.exits.attach(placed, exits, self._base_fee(placed))
        return placed

    def _refuse_to_take(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        refused_before = self._refused.setdefault(owner, [])
        order_id = str(_REFUSED_IDS + len(refused_before))
        link = order.client_order_id or f"sim-{order_id}"
        ended = SimOrder(order_id, owner, link, order, SimStatus.CANCELED, ZERO, ZERO, now_ms, now_ms)
        refused_before.append(ended)
        self._tell_order(ended, {})
        return ended

    def knows(self, owner: str, symbol: str, client_id: str) -> bool:
        known = [*self.venue.engine.orders(owner, symbol), *self._refused.get(owner, ())]
        return any(order.client_order_id == client_id for order in known)

    def plain_orders(self, owner: str, symbol: str | None = None) -> list[SimOrder]:
        """Plain ones and those that fired algo orders have made, oldest first."""
        found = [order for order in self.venue.engine.orders(owner, symbol) if not _is_algo(order) or order.triggered]
        mine = [order for order in self._refused.get(owner, ()) if symbol in (None, order.symbol)]
        return [order for order in found + mine if order.symbol in self.ids]

    def algo_orders(self, owner: str, symbol: str | None = None) -> list[SimOrder]:
        return [order for order in self.venue.engine.orders(owner, symbol) if _is_algo(order)]

    def order_row(self, order: SimOrder) -> dict[str, Any]:
        market = self.venue.engine.markets[order.symbol]
        leverage = fmt.text(self.leverage_of(order.account, order.symbol))
        would_take = int(order.order_id) >= _REFUSED_IDS
        fees = self._fees.get(order.order_id, {})
        return fmt.order(self.ids[order.symbol], order, market, fees=fees, leverage=leverage, would_take=would_take)

    def algo_row(self, order: SimOrder) -> dict[str, Any]:
        market = self.venue.engine.markets[order.symbol]
        leverage = fmt.text(self.leverage_of(order.account, order.symbol))
        return fmt.algo_order(self.ids[order.symbol], order, market, _algo_type(order), leverage)

    def _base_fee(self, order: SimOrder) -> Decimal:
        market = self.venue.engine.markets[order.symbol]
        return ZERO if market.is_contract else self._fees.get(order.order_id, {}).get(market.base, ZERO)

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path in _SOCKETS else error(50000, f"There is no WebSocket at {path}.", 404)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        now_ms = self.venue.now_ms()
        self.exits.place_due(now_ms)
        for account in self.switches.run_out(now_ms):
            for order in self.venue.engine.orders(account, None, open_only=True):
                if order.request.kind not in TRIGGER_KINDS:  # algo orders have a book of their own
                    self.venue.engine.cancel(account, symbol=order.symbol, order_id=order.order_id, now_ms=now_ms)
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged):
            if event.order.symbol in self.ids:
                self._on_order(event)
        elif isinstance(event, BalanceChanged):
            self.streams.tell_account(event.account, event.currencies)
        elif isinstance(event, PositionChanged) and event.symbol in self.ids:
            rows = position_rows(self, event.account, event.symbol)
            self.streams.tell(event.account, "positions", self.ids[event.symbol], "SWAP", rows)

    def _on_order(self, event: OrderChanged) -> None:
        order, fill = event.order, event.fill
        if fill is not None:
            fees = self._fees.setdefault(order.order_id, {})
            fees[fill.fee.currency] = fees.get(fill.fee.currency, ZERO) + fill.fee.cost
        if _is_algo(order) and (not order.triggered or event.reason == "triggered"):
            channel = "algo-advance" if order.request.kind in TRAILING_KINDS else "orders-algo"
            kind = fmt.instrument_type(self.venue.engine.markets[order.symbol])
            self.streams.tell(order.account, channel, self.ids[order.symbol], kind, [self.algo_row(order)])
        if not _is_algo(order) or order.triggered:
            self._tell_order(order, {} if fill is None else fmt.fill_fields(fill))
        self.exits.on_order(order, self._base_fee(order))

    def _tell_order(self, order: SimOrder, more: Mapping[str, Any]) -> None:
        kind = fmt.instrument_type(self.venue.engine.markets[order.symbol])
        self.streams.tell(order.account, "orders", self.ids[order.symbol], kind, [{**self.order_row(order), **more}])


def _is_algo(order: SimOrder) -> bool:
    return order.request.kind in TRIGGER_KINDS


def _algo_type(order: SimOrder) -> str:
    if order.request.kind in TRAILING_KINDS:
        return "move_order_stop"
    if order.list_id is not None:
        return "oco"
    # A plain trigger says where the price comes from; a stop-loss or take-profit implies it.
    return "trigger" if order.request.trigger_above is not None else "conditional"


def _params(request: Request) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    if request.method == "GET":
        return request.params(), []
    try:
        sent = decode(request.body) if request.body else {}
    except ValueError:
        sent = None
    rows: list[Any] = sent if isinstance(sent, list) else [sent]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise error(50002, "JSON syntax error", 400)
    return rows[0], rows if isinstance(sent, list) else []
