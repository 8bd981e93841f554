"""OKX v5, spot and swaps on one account, as the unmodified ccxt client ``okx`` speaks to it.

Hosts, signatures, limits and private events; endpoints are in ``market``, ``orders``, ``algos`` and ``account``,
what they ask for in ``core``, parameters in ``call``, streams in ``streams``, JSON in ``format`` and
``order_format``.
Source: www.okx.com/docs-v5, "Overview" (REST authentication, rate limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from btccxt.matching.records import (
    TRAILING_KINDS,
    TRIGGER_KINDS,
    BalanceChanged,
    Event,
    OrderChanged,
    PositionChanged,
    PublicTrade,
    SimOrder,
)
from btccxt.model import ZERO, Bar, Market, MarketType
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import (
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
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx import order_format as order_fmt
from btccxt.sim.dialects.okx.account import ACCOUNT_ROUTES, position_rows
from btccxt.sim.dialects.okx.algos import ALGO_ROUTES
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.core import OkxCore, is_algo
from btccxt.sim.dialects.okx.errors import error
from btccxt.sim.dialects.okx.market import MARKET_ROUTES
from btccxt.sim.dialects.okx.orders import ORDER_ROUTES
from btccxt.sim.dialects.okx.streams import OkxStreams
from btccxt.sim.faults import Fault, FaultKind

_WINDOW_MS = 30_000  # how old a request may be
_SOCKETS = frozenset({"/ws/v5/public", "/ws/v5/private", "/ws/v5/business"})


class Okx(OkxCore):
    name = "okx"
    hosts = ("www.okx.com", "aws.okx.com", "ws.okx.com", "wsaws.okx.com", "wspap.okx.com", "eea.okx.com", "us.okx.com")
    market_types = frozenset({MarketType.SPOT, MarketType.LINEAR, MarketType.INVERSE})
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES, **ALGO_ROUTES, **ACCOUNT_ROUTES}
    # Per endpoint. The user may change these by name: SimExchange(limits={"okx": {"ORDERS_2S": 5}}).
    default_limits: ClassVar[Mapping[str, int]] = {"REQUESTS_2S": 20, "ORDERS_2S": 60}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.streams = OkxStreams(self)
        self._limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = self._limits.keys() - self.default_limits.keys()
        if unknown:
            raise ValueError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._rates: dict[str, RateLimit] = {}

    def market_id(self, market: Market) -> str:
        return f"{market.base}-{market.quote}" + ("-SWAP" if market.is_contract else "")

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

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path in _SOCKETS else error(50000, f"There is no WebSocket at {path}.", 404)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        now_ms = self.venue.now_ms()
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
        if is_algo(order) and self._is_algo_news(event):
            channel = "algo-advance" if order.request.kind in TRAILING_KINDS else "orders-algo"
            kind = fmt.instrument_type(self.venue.engine.markets[order.symbol])
            self.streams.tell(order.account, channel, self.ids[order.symbol], kind, [self.algo_row(order)])
        if not is_algo(order) or order.triggered:
            self.tell_order(order, {} if fill is None else order_fmt.fill_fields(fill))
        self.exits.on_order(order, self._base_fee(order))

    def _is_algo_news(self, event: OrderChanged) -> bool:
        """Of a pair one leg speaks: the first, or the one that has fired."""
        order, legs = event.order, self.legs_of(event.order)
        if order.triggered:
            return event.reason == "triggered"
        return order.order_id == legs[0].order_id and not any(leg.triggered for leg in legs)

    def tell_order(self, order: SimOrder, more: Mapping[str, Any]) -> None:
        kind = fmt.instrument_type(self.venue.engine.markets[order.symbol])
        self.streams.tell(order.account, "orders", self.ids[order.symbol], kind, [{**self.order_row(order), **more}])


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
