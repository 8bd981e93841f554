"""Bybit v5, spot and contracts on one unified account, as the unmodified ccxt client ``bybit`` speaks to it.

Hosts, signatures, limits and private events; endpoints are in ``market``, ``orders``, ``trading_stop`` and ``account``,
what they ask for in ``core``, parameters in ``call``, streams in ``streams``, JSON in ``format`` and
``order_format``.
Source: bybit-exchange.github.io/docs/v5/guide ("Authentication") and /rate-limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from btccxt.matching.records import (
    BalanceChanged,
    Event,
    FundingPaid,
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
    hmac_hex,
    same,
)
from btccxt.sim.dialects.bybit import order_format as order_fmt
from btccxt.sim.dialects.bybit.account import ACCOUNT_ROUTES, position_rows, wallet
from btccxt.sim.dialects.bybit.call import CATEGORIES, Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import body_of, error, parameter_error
from btccxt.sim.dialects.bybit.market import MARKET_ROUTES
from btccxt.sim.dialects.bybit.orders import ORDER_ROUTES
from btccxt.sim.dialects.bybit.streams import BybitStreams
from btccxt.sim.dialects.bybit.trading_stop import TRADING_STOP_ROUTES
from btccxt.sim.faults import Fault, FaultKind

_EARLY_MS = 1_000  # how far a client's clock may run ahead
_PUBLIC_PATHS = frozenset(f"/v5/public/{category}" for category in CATEGORIES)


class Bybit(BybitCore):
    name = "bybit"
    hosts = (
        "api.bybit.com",
        "api.bytick.com",
        "stream.bybit.com",
        "api-testnet.bybit.com",
        "stream-testnet.bybit.com",
        "api-demo.bybit.com",
        "stream-demo.bybit.com",
    )
    market_types = frozenset({MarketType.SPOT, MarketType.LINEAR, MarketType.INVERSE})
    routes: ClassVar[Mapping[str, Route]] = {
        **MARKET_ROUTES,
        **ORDER_ROUTES,
        **TRADING_STOP_ROUTES,
        **ACCOUNT_ROUTES,
    }
    # The user may change these by name: SimExchange(limits={"bybit": {"ORDERS_1S": 5}}).
    default_limits: ClassVar[Mapping[str, int]] = {"REQUESTS_5S": 600, "ORDERS_1S": 20}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.streams = BybitStreams(self)
        self._limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = self._limits.keys() - self.default_limits.keys()
        if unknown:
            raise ValueError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._requests = RateLimit(self._limits["REQUESTS_5S"], 5.0)
        self._order_rates: dict[str, RateLimit] = {}
        self._messages = 0

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        try:
            route = find_route(self.routes, request.method, request.path)
            if route is None:
                raise error(10017, f"request path not found: {request.path}", 404)
            self._count_request()
            params = _params(request)
            account = self._signer(request) if route.signed else None
            headers = self._count_order(account) if route.is_order and account is not None else {}
            result = route.handler(self, Call(params, account, self.venue.now_ms()))
        except DialectError as refusal:
            refusal.body = body_of(refusal, self.venue.server_time_ms())
            raise
        now_ms = self.venue.server_time_ms()
        return Reply.of(
            {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}, 200, headers
        )

    def _signer(self, request: Request) -> SimAccount:
        key, stamp, window, signature = (
            request.headers.get(f"X-BAPI-{name}", "") for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW", "SIGN")
        )
        window = window or "5000"
        account = self.venue.account_by_key(key)
        if account is None:
            raise error(10003, "API key is invalid.")
        if not stamp.isdecimal() or not window.isdecimal():
            raise parameter_error("timestamp or recv_window invalid")
        self._check_time(int(stamp), int(window))
        payload = request.query if request.method == "GET" else request.body.decode(errors="replace")
        if not same(hmac_hex(account.secret, stamp + key + window + payload), signature):
            raise error(10004, "error sign! please check your signature generation algorithm.")
        return account

    def _check_time(self, stamp_ms: int, window_ms: int) -> None:
        # Tolerances are about networks and computers, so they are wall time: a faster market clock stretches them.
        now_ms, speed = self.venue.server_time_ms(), self.venue.speed
        if self.venue.checks_time() and not now_ms - window_ms * speed <= stamp_ms < now_ms + _EARLY_MS * speed:
            raise error(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{stamp_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
            )

    def _count_request(self) -> None:
        if not self._requests.add(1, self.venue.wall_s()):
            raise error(10018, "Exceeded the IP Rate Limit. access too frequent, please try again in 5 minutes", 403)

    def _count_order(self, account: SimAccount) -> dict[str, str]:
        rate = self._order_rates.setdefault(account.name, RateLimit(self._limits["ORDERS_1S"], 1.0))
        within = rate.add(1, self.venue.wall_s())
        headers = {
            "X-Bapi-Limit": str(rate.limit),
            "X-Bapi-Limit-Status": str(max(0, rate.limit - rate.used)),
            "X-Bapi-Limit-Reset-Timestamp": str(self.venue.server_time_ms() + 1000),
        }
        if not within:
            raise error(10006, "Too many visits. Exceeded the API Rate Limit.", 200, headers)
        return headers

    def trouble(self, fault: Fault) -> DialectError:
        if fault.kind is FaultKind.RATE_LIMIT:
            reset_ms = self.venue.server_time_ms() + int(fault.retry_after_s * 1000 * self.venue.speed)
            headers = {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(reset_ms)}
            return error(10006, "Too many visits. Exceeded the API Rate Limit.", 200, headers)
        if fault.kind is FaultKind.BAN:
            return error(10018, "Exceeded the IP Rate Limit. access too frequent, please try again in 5 minutes", 403)
        if fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        if fault.kind is FaultKind.MAINTENANCE:
            return error(10016, "Service is restarting. The system is under maintenance.", fault.status)
        return error(10016, "Server error", fault.status)

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path == "/v5/private" or path in _PUBLIC_PATHS else error(10017, "no such endpoint", 404)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged):
            if event.order.symbol in self.ids:
                self._on_order(event)
        elif isinstance(event, BalanceChanged):
            self._tell(event.account, "wallet", [wallet(self, event.account, ",".join(event.currencies))])
        elif isinstance(event, FundingPaid) and event.symbol in self.ids:
            row = order_fmt.funding(self.ids[event.symbol], event, self.venue.engine.markets[event.symbol])
            self._tell(event.account, "execution", [row], self.category_of(event.symbol))
        elif isinstance(event, PositionChanged) and event.symbol in self.ids:
            self._tell(event.account, "position", position_rows(self, event.account, event.symbol, "entryPrice"))

    def _on_order(self, event: OrderChanged) -> None:
        order, fill = event.order, event.fill
        if fill is not None:
            fees = self._fees.setdefault(order.order_id, {})
            fees[fill.fee.currency] = fees.get(fill.fee.currency, ZERO) + fill.fee.cost
            category = self.category_of(order.symbol)
            row = order_fmt.execution(self.ids[order.symbol], fill, order, self.venue.engine.markets[order.symbol])
            self._tell(order.account, "execution", [{**row, "feeCoin": fill.fee.currency, "extraFees": []}], category)
        self.tell_order(order, "Triggered" if event.reason == "triggered" else None)
        if order.request.closes_position and event.reason in ("new", "canceled"):  # the position shows its exits
            self._tell(order.account, "position", position_rows(self, order.account, order.symbol, "entryPrice"))
        self.exits.on_order(order, self._base_fee(order))
        self.position_exits.on_order(order)

    def tell_order(self, order: SimOrder, status: str | None = None) -> None:
        category = self.category_of(order.symbol)
        self._tell(order.account, "order", [{"category": category, **self.order_row(order, status)}], category)

    def _tell(self, account: str, topic: str, data: list[dict[str, Any]], category: str = "") -> None:
        """To the topic, and to its variant for one category (``order.linear``)."""
        for name in (topic, f"{topic}.{category}"):
            if data and self.hub.has(f"{account}/{name}"):
                self._messages += 1
                head = {"id": f"sim-{self._messages}", "topic": name, "creationTime": self.venue.now_ms()}
                self.streams.publish(f"{account}/{name}", {**head, "data": data})


def _params(request: Request) -> Mapping[str, Any]:
    if request.method == "GET":
        return request.params()
    try:
        sent = decode(request.body) if request.body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise parameter_error("the body is no JSON object")
    return sent
