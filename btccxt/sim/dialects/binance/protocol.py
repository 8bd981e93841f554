"""What Binance's APIs have in common: error bodies, signatures, time window, parameters, limits, calls.

Source: binance-spot-api-docs, rest-api.md ("Limits", "Request Security"), errors.md, web-socket-api.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from btccxt.errors import ConfigError
from btccxt.matching.records import SimFill
from btccxt.model import Market
from btccxt.sim.connection import Connection
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
    encode,
    find_route,
    hmac_hex,
    same,
)
from btccxt.sim.dialects.binance.errors import error, missing
from btccxt.sim.faults import Fault, FaultKind

_SIGNING = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
_NUMBER = re.compile(r"([0-9]{1,20})(\.[0-9]{1,20})?")
_NUMBER_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = re.compile(r"[0-9]{1,20}")
_CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
_CLIENT_ID_RANGE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_SIGNATURE = re.compile(r"(^|&)signature=[^&]*")
_API_KEY = re.compile(r"[\w.=+/-]{1,128}")
_OFFENCES_BEFORE_BAN = 10
_BAN_S = 120.0
_MAX_RECV_WINDOW_MS = 60_000
_EARLY_MS = 1_000  # how far a client's clock may run ahead


@dataclass(slots=True)
class Call(AccountCall):
    """One request, whichever way it came: REST, or the WebSocket API."""

    params: Mapping[str, str]

    def optional(self, name: str) -> str | None:
        value = self.params.get(name)
        if value == "":
            raise error(-1105, f"Parameter '{name}' was empty.")
        return value

    def required(self, name: str) -> str:
        value = self.params.get(name)
        if not value:
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.optional(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise error(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.optional(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise error(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_NUMBER_RANGE}'.")
        number = Decimal(value)
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -8:
            raise error(-1111, f"Parameter '{name}' has too much precision.")
        return number

    def client_id(self, name: str) -> str | None:
        value = self.optional(name)
        if value is not None and not _CLIENT_ID.fullmatch(value):
            raise error(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_CLIENT_ID_RANGE}'.")
        return value

    def limit(self, default: int, most: int) -> int:
        """``limit``: above the maximum the maximum counts; zero is refused."""
        value = self.integer("limit")
        if value == 0:
            raise error(-1130, "Data sent for parameter 'limit' is not valid.")
        return default if value is None else min(value, most)


def page_of_fills(call: Call, fills: Iterable[SimFill], since_ms: int, until_ms: int) -> list[SimFill]:
    """One answer's worth of ``fills``: the oldest where the client names a beginning, else the newest."""
    first_id, order_id, limit = call.integer("fromId"), call.integer("orderId"), call.limit(500, 1000)
    found = [
        fill
        for fill in fills
        if (first_id is None or fill.trade_id >= first_id)
        and (order_id is None or fill.order_id == str(order_id))
        and since_ms <= fill.time_ms <= until_ms
    ]
    from_start = first_id is not None or call.params.get("startTime") is not None
    return found[:limit] if from_start else found[-limit:]


@dataclass(frozen=True, slots=True)
class OrderWindow:
    """A window in which orders are counted; ``name`` as in the header that tells the count."""

    name: str
    interval: str
    number: int
    length_s: float


class BinanceProtocol(Dialect):
    """Routes REST requests and WebSocket API calls of one Binance API."""

    routes: ClassVar[Mapping[str, Route]]
    ws_calls: ClassVar[Mapping[str, str]]  # name of a WebSocket API call -> key in ``routes``
    # The user may change these by name: SimExchange(limits={"binance": {"REQUEST_WEIGHT": 100}}).
    default_limits: ClassVar[Mapping[str, int]] = {"REQUEST_WEIGHT": 6_000, "ORDERS_10S": 100, "ORDERS_1D": 200_000}

    order_windows: ClassVar[tuple[OrderWindow, ...]] = (
        OrderWindow("10S", "SECOND", 10, 10.0),
        OrderWindow("1D", "DAY", 1, 86_400.0),
    )

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = self.limits.keys() - self.default_limits.keys()
        if unknown:
            raise ConfigError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._weights = RateLimit(self.limits["REQUEST_WEIGHT"], 60.0)
        self._orders: dict[str, dict[OrderWindow, RateLimit]] = {}
        self._offences = 0
        self._banned_until_s = 0.0

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        route = find_route(self.routes, request.method, request.path)
        if route is None:
            return self.not_found(request)
        self._spend(route.weight)
        account = None
        try:
            params = request.params()
            if route.signed or route.needs_key:
                account = self._account(request.headers.get("X-MBX-APIKEY", ""))
            if account is not None and route.signed:
                body = request.body.decode(errors="replace")
                # Query string and body are signed one after the other, with nothing in between.
                signed_text = _SIGNATURE.sub("", request.query) + _SIGNATURE.sub("", body)
                self._check_signature(account, signed_text, params)
            _refuse_surplus(route, params)
            result = self.perform(route, params, account)
        except DialectError as refusal:
            refusal.headers = {**refusal.headers, **self._usage(account)}
            raise
        return Reply.of(result, 200, self._usage(account))

    def perform(self, route: Route, params: Mapping[str, str], account: SimAccount | None) -> Any:
        """The call itself, however it came in and whoever signed it."""
        if route.is_order and account is not None:
            self._count_order(account)
        return route.handler(self, Call(params, account, self.venue.now_ms()))

    def not_found(self, request: Request) -> Reply:
        body = {
            "timestamp": self.venue.server_time_ms(),
            "status": 404,
            "error": "Not Found",
            "message": "No message available",
            "path": request.path,
        }
        return Reply.of(body, 404)

    def trouble(self, fault: Fault) -> DialectError:
        headers = {"Retry-After": str(fault.retry_after_s)}
        if fault.kind is FaultKind.RATE_LIMIT:
            return DialectError(429, self._too_much().body, headers)
        if fault.kind is FaultKind.BAN:
            until = self.venue.server_time_ms() + fault.retry_after_s * 1000
            return DialectError(418, self._banned(until).body, headers)
        if fault.kind is FaultKind.MAINTENANCE:
            return DialectError(fault.status, {"code": 1, "msg": "System maintenance."}, headers)
        if fault.kind is FaultKind.REFUSE_CONNECTION:
            return DialectError(fault.status, {"code": fault.status, "msg": "Connection refused."}, headers)
        if fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        if fault.status == 503:
            return error(-1001, "Internal error; unable to process your request. Please try again.", 503)
        return error(-1000, "An unknown error occurred while processing the request.", fault.status)

    # -------------------------------------------------------------- WebSocket API

    def ws_call(self, connection: Connection, message: Mapping[str, Any]) -> None:
        """``{"id", "method", "params"}`` -> the answer that belongs to it."""
        name, raw = str(message.get("method")), message.get("params") or {}
        number = message.get("id")
        route = self.routes.get(self.ws_calls.get(name, ""))
        if route is None or not isinstance(raw, dict):
            connection.send(self._ws_error(number, error(-1000, f"Invalid method: {name}"), False))
            return
        params = {key: _as_text(value) for key, value in raw.items() if value is not None}
        wants_limits = params.pop("returnRateLimits", "true") != "false"

        def perform() -> bytes:
            account = None
            try:
                self._spend(route.weight)
                if route.signed or route.needs_key:
                    account = self._account(params.get("apiKey", ""))
                if account is not None and route.signed:
                    signed = {key: _as_text(value) for key, value in raw.items() if key != "signature"}
                    text = "&".join(f"{key}={signed[key]}" for key in sorted(signed))
                    self._check_signature(account, text, params)
                result = self.ws_perform(connection, name, route, params, account)
            except DialectError as refusal:
                return self._ws_error(number, refusal, wants_limits)
            answer = {"id": number, "status": 200, "result": result}
            if wants_limits:
                answer["rateLimits"] = self._usage_list(account)
            return encode(answer)

        self.venue.call(
            connection, name, params, perform, lambda fault: self._ws_error(number, self.trouble(fault), False)
        )

    def ws_perform(
        self, connection: Connection, name: str, route: Route, params: Mapping[str, str], account: SimAccount | None
    ) -> Any:
        """For calls that need the connection as well: override."""
        return self.perform(route, params, account)

    def _ws_error(self, number: Any, refusal: DialectError, wants_limits: bool) -> bytes:
        if isinstance(refusal.body, bytes):
            return refusal.body
        answer = {"id": number, "status": refusal.status, "error": refusal.body}
        if wants_limits:
            answer["rateLimits"] = self._usage_list(None)
        return encode(answer)

    # -------------------------------------------------------------- who asks

    def _account(self, api_key: str) -> SimAccount:
        if not _API_KEY.fullmatch(api_key):
            raise error(-2014, "API-key format invalid.", 401)
        account = self.venue.account_by_key(api_key)
        if account is None:
            raise error(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return account

    def _check_signature(self, account: SimAccount, signed_text: str, params: Mapping[str, str]) -> None:
        for name in ("timestamp", "signature"):
            if not params.get(name):
                raise missing(name)
        if not same(hmac_hex(account.secret, signed_text), params["signature"]):
            raise error(-1022, "Signature for this request is not valid.")
        window_text = params.get("recvWindow", "5000")
        if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", window_text) or float(window_text) > _MAX_RECV_WINDOW_MS:
            raise error(-1131, f"recvWindow must be less than {_MAX_RECV_WINDOW_MS}.")
        if not _INTEGER.fullmatch(params["timestamp"]):
            raise error(-1100, "Illegal characters found in parameter 'timestamp'; legal range is '^[0-9]{1,20}$'.")
        if not self.venue.checks_time():
            return
        # Tolerances are about networks and computers, so they are wall time: a faster market clock stretches them.
        ahead_ms = int(params["timestamp"]) - self.venue.server_time_ms()
        if ahead_ms > _EARLY_MS * self.venue.speed:
            raise error(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if -ahead_ms > float(window_text) * self.venue.speed:
            raise error(-1021, "Timestamp for this request is outside of the recvWindow.")

    def market_of(self, call: Call, name: str = "symbol") -> tuple[str, Market]:
        """(own id, market) of a mandatory symbol parameter."""
        own_id = call.required(name)
        market = self.markets.get(own_id)
        if market is None:
            raise error(-1121, "Invalid symbol.")
        return own_id, market

    # -------------------------------------------------------------- limits

    def _spend(self, weight: int) -> None:
        now_s = self.venue.wall_s()
        if now_s < self._banned_until_s:
            raise self._ban_answer(now_s)
        if self._weights.add(weight, now_s):
            self._offences = 0
            return
        self._offences += 1
        if self._offences > _OFFENCES_BEFORE_BAN:
            self._banned_until_s = now_s + _BAN_S
            raise self._ban_answer(now_s)
        refusal = self._too_much()
        refusal.headers = {"Retry-After": str(self._weights.retry_after_s(now_s)), **self._usage(None)}
        raise refusal

    def _too_much(self) -> DialectError:
        limit = self.limits["REQUEST_WEIGHT"]
        return error(
            -1003,
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
        )

    def _ban_answer(self, now_s: float) -> DialectError:
        left_s = self._banned_until_s - now_s
        until_ms = self.venue.server_time_ms() + int(left_s * 1000 * self.venue.speed)
        refusal = self._banned(until_ms)
        refusal.headers = {"Retry-After": str(int(left_s) + 1)}
        return refusal

    @staticmethod
    def _banned(until_ms: int) -> DialectError:
        return error(
            -1003,
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            418,
        )

    def _count_order(self, account: SimAccount) -> None:
        now_s = self.venue.wall_s()
        exceeded = [limit for limit in self._order_limits(account).items() if not limit[1].add(1, now_s)]
        if exceeded:
            window, limit = exceeded[0]
            text = f"Too many new orders; current limit is {limit.limit} orders per {window.number} {window.interval}."
            refusal = error(-1015, text, 429)
            refusal.headers = {"Retry-After": str(limit.retry_after_s(now_s))}
            raise refusal

    def _order_limits(self, account: SimAccount) -> dict[OrderWindow, RateLimit]:
        if account.name not in self._orders:
            self._orders[account.name] = {
                window: RateLimit(self.limits[f"ORDERS_{window.name}"], window.length_s)
                for window in self.order_windows
            }
        return self._orders[account.name]

    def _usage(self, account: SimAccount | None) -> dict[str, str]:
        used = str(self._weights.used)
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if account is not None:
            limits = self._order_limits(account)
            headers |= {f"X-MBX-ORDER-COUNT-{window.name}": str(limit.used) for window, limit in limits.items()}
        return headers

    def rate_limits(self) -> list[dict[str, Any]]:
        """As exchangeInfo lists them."""
        rows = [("REQUEST_WEIGHT", "REQUEST_WEIGHT", "MINUTE", 1)]
        rows += [(f"ORDERS_{window.name}", "ORDERS", window.interval, window.number) for window in self.order_windows]
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": self.limits[name]}
            for name, kind, interval, number in rows
        ]

    def _usage_list(self, account: SimAccount | None) -> list[dict[str, Any]]:
        counts = [self._weights.used]
        if account is not None:
            counts += [limit.used for limit in self._order_limits(account).values()]
        return [{**row, "count": count} for row, count in zip(self.rate_limits(), counts, strict=False)]


def _refuse_surplus(route: Route, params: Mapping[str, str]) -> None:
    """REST refuses parameters that it does not know. (Over the WebSocket API ccxt itself sends such.)"""
    if route.accepts is None:
        return
    sent = params.keys() - _SIGNING
    surplus = sent - route.accepts
    if surplus and route.signed:
        read = len(params) - len(surplus)
        raise error(
            -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'."
        )
    if surplus:
        raise error(-1101, f"Too many parameters; expected '{len(sent - surplus)}' and received '{len(sent)}'.")


def _as_text(value: Any) -> str:
    """JSON values as they are signed: booleans in lower case, numbers as they were written."""
    return str(value).lower() if isinstance(value, bool) else str(value)
