"""Bybit v5, spot and linear contracts on one unified account, as the unmodified ccxt client ``bybit`` speaks to it.

Hosts, signatures, limits and private events; endpoints are in ``bybit_market``, ``bybit_orders`` and
``bybit_account``, streams in ``bybit_streams``, attached exits in ``attached_exits``, JSON in ``bybit_format``.
Source: bybit-exchange.github.io/docs/v5/guide ("Authentication") and /rate-limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from btccxt.matching.clearing import DEFAULT_LEVERAGE
from btccxt.matching.records import (
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
    hmac_hex,
    same,
)
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.account import ACCOUNT_ROUTES, position_rows, wallet
from btccxt.sim.dialects.bybit.errors import body_of, error, parameter_error, refused
from btccxt.sim.dialects.bybit.market import MARKET_ROUTES
from btccxt.sim.dialects.bybit.orders import ORDER_ROUTES
from btccxt.sim.dialects.bybit.streams import BybitStreams
from btccxt.sim.faults import Fault, FaultKind

_EARLY_MS = 1_000  # how far a client's clock may run ahead
_REFUSED_IDS = 10**15  # ids of orders that the engine never had
_CATEGORIES = frozenset({"spot", "linear", "inverse", "option"})
_PUBLIC_PATHS = frozenset(f"/v5/public/{category}" for category in _CATEGORIES)


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query or JSON body as one mapping."""

    category: str = ""

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise parameter_error(f"{name} is required")
        if name == "category" and value not in _CATEGORIES:
            raise parameter_error("Category is invalid")
        return value

    def flag(self, name: str) -> bool:
        return self.text(name) == "true"

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not value.isdecimal():
            raise parameter_error(f"{name} invalid")
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        """None also for zero, which says 'none' here."""
        value = self.text(name)
        try:
            return None if value is None else Decimal(value) or None
        except InvalidOperation:
            raise parameter_error(f"{name} invalid") from None

    def limit(self, default: int, most: int) -> int:
        return min(self.integer("limit") or default, most)


class Bybit(Dialect):
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
    market_types = frozenset({MarketType.SPOT, MarketType.LINEAR})
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES, **ACCOUNT_ROUTES}
    # The user may change these by name: SimExchange(limits={"bybit": {"ORDERS_1S": 5}}).
    default_limits: ClassVar[Mapping[str, int]] = {"REQUESTS_5S": 600, "ORDERS_1S": 20}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        # Spot and linear share ids: BTCUSDT is both.
        self.by_category: dict[tuple[str, str], Market] = {
            (self.category_of(symbol), own_id): venue.engine.markets[symbol] for symbol, own_id in self.ids.items()
        }
        self.leverages: dict[tuple[str, str], Decimal] = {}
        self.streams = BybitStreams(self)
        self.exits = AttachedExits(venue.engine)
        self._limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = self._limits.keys() - self.default_limits.keys()
        if unknown:
            raise ValueError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._requests = RateLimit(self._limits["REQUESTS_5S"], 5.0)
        self._order_rates: dict[str, RateLimit] = {}
        self._fees: dict[str, dict[str, Decimal]] = {}  # order id -> coin -> what its fills have cost
        self._refused: dict[str, list[SimOrder]] = {}  # post-only orders that would have taken, by account
        self._tpsl: set[str] = set()
        self._messages = 0

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

    def category_of(self, symbol: str) -> str:
        return "linear" if self.venue.engine.markets[symbol].is_contract else "spot"

    def listed(self, category: str) -> list[tuple[str, Market]]:
        return [(own_id, market) for (found, own_id), market in self.by_category.items() if found == category]

    def market_of(self, call: Call) -> tuple[str, str, Market]:
        """(category, own id, market) of the mandatory parameters."""
        category, own_id = call.required("category"), call.required("symbol")
        market = self.by_category.get((category, own_id))
        if market is None:
            raise refused(EngineReject(RejectCode.UNKNOWN_SYMBOL, ""), category)
        return category, own_id, self.venue.engine.markets[market.symbol]

    def leverage_of(self, owner: str, symbol: str) -> Decimal:
        return self.leverages.get((owner, symbol), DEFAULT_LEVERAGE)

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

    # -------------------------------------------------------------- orders

    def submit(
        self,
        owner: str,
        order: NewOrder,
        now_ms: int,
        order_filter: str | None,
        exits: tuple[Decimal | None, Decimal | None],
    ) -> SimOrder:
        """Raises DialectError. A post-only order that would take is accepted, and cancelled at once."""
        category = self.category_of(order.symbol)
        known = (found.client_order_id for found in self.orders(owner, order.symbol))
        try:
            if order.client_order_id is not None and order.client_order_id in known:
                raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "")
            placed = self.venue.engine.submit(owner, order, now_ms)
        except EngineReject as reject:
            if reject.code is not RejectCode.WOULD_TAKE:
                raise refused(reject, category) from None
            return self._refuse_to_take(owner, order, now_ms)
        if order_filter == "tpslOrder":
            self._tpsl.add(placed.order_id)
        self.exits.attach(placed, Exits(*exits), self._base_fee(placed))
        return placed

    def _refuse_to_take(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        refused_before = self._refused.setdefault(owner, [])
        order_id = str(_REFUSED_IDS + len(refused_before))
        link = order.client_order_id or f"sim-{order_id}"
        ended = SimOrder(order_id, owner, link, order, SimStatus.CANCELED, ZERO, ZERO, now_ms, now_ms)
        refused_before.append(ended)
        self._tell_order(ended)
        return ended

    def orders(self, owner: str, symbol: str | None = None, *, open_only: bool = False) -> list[SimOrder]:
        """Whatever this account may ask after, oldest first."""
        found = self.venue.engine.orders(owner, symbol, open_only)
        if open_only:
            return found
        return found + [order for order in self._refused.get(owner, ()) if symbol in (None, order.symbol)]

    def filter_of(self, order: SimOrder) -> str:
        """In which of Bybit's books an order is: once triggered, it is a plain one."""
        if order.request.kind not in TRIGGER_KINDS or order.triggered:
            return "Order"
        is_exit = order.order_id in self._tpsl or order.order_id in self.exits.stop_types
        return "tpslOrder" if is_exit and self.category_of(order.symbol) == "spot" else "StopOrder"

    def order_row(self, order: SimOrder, status: str | None = None) -> dict[str, Any]:
        category = self.category_of(order.symbol)
        stop_type = ""
        if order.request.kind in TRIGGER_KINDS:
            stop_type = "tpslOrder" if order.order_id in self._tpsl else "Stop"
        return fmt.order(
            self.ids[order.symbol],
            order,
            category,
            fees=self._fees.get(order.order_id, {}),
            stop_type=self.exits.stop_types.get(order.order_id, stop_type),
            status=status,
            would_take=int(order.order_id) >= _REFUSED_IDS,
        )

    def _base_fee(self, order: SimOrder) -> Decimal:
        market = self.venue.engine.markets[order.symbol]
        return ZERO if market.is_contract else self._fees.get(order.order_id, {}).get(market.base, ZERO)

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path == "/v5/private" or path in _PUBLIC_PATHS else error(10017, "no such endpoint", 404)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        self.exits.place_due(self.venue.now_ms())
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged):
            if event.order.symbol in self.ids:
                self._on_order(event)
        elif isinstance(event, BalanceChanged):
            self._tell(event.account, "wallet", [wallet(self, event.account, ",".join(event.currencies))])
        elif isinstance(event, PositionChanged) and event.symbol in self.ids:
            self._tell(event.account, "position", position_rows(self, event.account, event.symbol, "entryPrice"))

    def _on_order(self, event: OrderChanged) -> None:
        order, fill = event.order, event.fill
        if fill is not None:
            fees = self._fees.setdefault(order.order_id, {})
            fees[fill.fee.currency] = fees.get(fill.fee.currency, ZERO) + fill.fee.cost
            category = self.category_of(order.symbol)
            row = fmt.execution(self.ids[order.symbol], fill, order, category)
            self._tell(order.account, "execution", [{**row, "feeCoin": fill.fee.currency, "extraFees": []}], category)
        self._tell_order(order, "Triggered" if event.reason == "triggered" else None)
        self.exits.on_order(order, self._base_fee(order))

    def _tell_order(self, order: SimOrder, status: str | None = None) -> None:
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
