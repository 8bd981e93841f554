"""Coinbase Advanced, spot, as the unmodified ccxt client ``coinbase`` speaks to it.

Hosts, tokens, limits and events; endpoints are in ``market`` and ``orders``, what they ask for in ``core``, parameters
in ``call``, keys in ``keys``, streams in ``streams``, JSON in ``format``. Source: docs.cdp.coinbase.com.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from btccxt.errors import ConfigError
from btccxt.matching.records import Event, OrderChanged, PublicTrade
from btccxt.model import Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import DialectError, RateLimit, Reply, Request, Route, SimAccount, Venue, decode
from btccxt.sim.dialects.coinbase import keys
from btccxt.sim.dialects.coinbase.call import Call
from btccxt.sim.dialects.coinbase.core import CoinbaseCore
from btccxt.sim.dialects.coinbase.errors import argument_error, error, too_much, unauthorized
from btccxt.sim.dialects.coinbase.market import MARKET_ROUTES
from btccxt.sim.dialects.coinbase.orders import ORDER_ROUTES
from btccxt.sim.dialects.coinbase.streams import CoinbaseStreams
from btccxt.sim.faults import Fault, FaultKind

_REST_HOST, _SOCKET_HOST = "api.coinbase.com", "advanced-trade-ws.coinbase.com"
_EARLY_S = 5  # how far a client's clock may run ahead
_NAMED = frozenset({"products", "historical"})  # after them an id stands in the path
_FIXED = frozenset({"batch", "fills"})


class Coinbase(CoinbaseCore):
    name = "coinbase"
    hosts = (_REST_HOST, _SOCKET_HOST)
    fee_currency = "quote"
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES}
    # The user may change these by name: SimExchange(limits={"coinbase": {"PRIVATE_1S": 5}}).
    default_limits: ClassVar[Mapping[str, int]] = {"PRIVATE_1S": 30, "PUBLIC_1S": 10}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = limits.keys() - self.default_limits.keys()
        if unknown:
            raise ConfigError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._limits = limits
        self._rates: dict[str, RateLimit] = {}
        self.streams = CoinbaseStreams(self)

    @classmethod
    def client_keys(cls, account: SimAccount) -> Mapping[str, str]:
        return {"apiKey": keys.key_name(account), "secret": keys.private_pem(account)}

    def market_id(self, market: Market) -> str:
        return f"{market.base}-{market.quote}"

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        path, named = _template(request.path)
        route = self.routes.get(f"{request.method} {path}")
        if route is None:
            raise error("not_found", f"There is no {request.method} {request.path}.", 404)
        account = self._signer(request) if route.signed else None
        self._count(account)
        params = _params(request)
        return Reply.of(route.handler(self, Call(params, account, self.venue.now_ms(), named)))

    def _signer(self, request: Request) -> SimAccount:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        account = self.account_of_token(token, f"{request.method} {request.host}{request.path}")
        if scheme != "Bearer" or account is None:
            raise unauthorized()
        return account

    def account_of_token(self, token: str, uri: str) -> SimAccount | None:
        """Whose it is, if it is signed, not too old and made for this request (``uri``; empty on a WebSocket)."""
        claims = keys.read(token)
        account = None if claims is None else self.venue.account_by_key(keys.api_key_of(claims.key_name))
        if claims is None or account is None or claims.uri != uri or not keys.is_signed_by(token, account):
            return None
        # Tolerances are about networks and computers, so they are wall time: a faster market clock stretches them.
        now_s, speed = self.venue.server_time_ms() / 1000, self.venue.speed
        late_s = (claims.expires_s - claims.issued_s) * speed
        in_time = claims.issued_s - _EARLY_S * speed <= now_s <= claims.issued_s + late_s
        return account if in_time or not self.venue.checks_time() else None

    def _count(self, account: SimAccount | None) -> None:
        limit = self._limits["PUBLIC_1S" if account is None else "PRIVATE_1S"]
        rate = self._rates.setdefault("" if account is None else account.name, RateLimit(limit, 1.0))
        if not rate.add(1, self.venue.wall_s()):
            raise too_much()

    def trouble(self, fault: Fault) -> DialectError:
        if fault.kind in (FaultKind.RATE_LIMIT, FaultKind.BAN):
            return too_much()
        if fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        if fault.kind is FaultKind.MAINTENANCE:
            return error("UNAVAILABLE", "Service is under maintenance", fault.status)
        return error("INTERNAL", "Internal server error", fault.status)

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if host == _SOCKET_HOST else error("not_found", f"There is no WebSocket at {path}.", 404)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def on_disconnect(self, connection: Connection) -> None:
        super().on_disconnect(connection)
        self.streams.on_disconnect(connection)

    # -------------------------------------------------------------- news

    def on_tick(self) -> None:
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            if event.symbol in self.ids:
                self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged) and event.order.symbol in self.ids:
            if event.fill is not None:
                self._count_fee(event.fill)
            self.streams.tell_order(event.order.account, self.user_row(event.order))


def _template(path: str) -> tuple[str, str]:
    """``/…/products/BTC-USD/candles`` -> (``/…/products/*/candles``, ``BTC-USD``)."""
    parts, named = path.split("/"), ""
    for before, part in pairwise(parts):
        if before in _NAMED and part not in _FIXED:
            named = part
    return "/".join("*" if named and part == named else part for part in parts), named


def _params(request: Request) -> Mapping[str, Any]:
    if request.method == "GET":
        return request.params()
    try:
        sent = decode(request.body) if request.body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise argument_error("the body is no JSON object")
    return sent
