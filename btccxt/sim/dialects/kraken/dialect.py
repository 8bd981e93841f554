"""Kraken spot, as the unmodified ccxt clients ``kraken`` (REST, and pro over WebSocket v2) speak to it.

Hosts, signatures, nonces, call counter and private events; endpoints are in ``market`` and ``orders``, what they
ask for in ``core``, parameters in ``call``, streams in ``streams``, JSON in ``format`` and ``frames``. Source:
docs.kraken.com, "Spot REST Authentication", "Spot REST Rate Limits".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from btccxt.errors import ConfigError
from btccxt.matching.records import BalanceChanged, Event, OrderChanged, PublicTrade
from btccxt.model import Bar, Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import (
    DialectError,
    Reply,
    Request,
    Route,
    SimAccount,
    Venue,
    decode,
    find_route,
    hmac_base64,
    same,
    sha256,
)
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.dialects.kraken.call import Call
from btccxt.sim.dialects.kraken.core import PRIVATE_HOST, KrakenCore
from btccxt.sim.dialects.kraken.errors import error
from btccxt.sim.dialects.kraken.market import MARKET_ROUTES
from btccxt.sim.dialects.kraken.orders import ORDER_ROUTES
from btccxt.sim.dialects.kraken.streams import KrakenStreams
from btccxt.sim.faults import Fault, FaultKind

_CHANGES = {"canceled": "canceled", "expired": "expired", "amended": "amended", "triggered": "status"}


class CallCounter:
    """Counts an account's calls up to ``most`` and forgets ``decay`` of them each second of wall time."""

    def __init__(self, most: int, decay: float) -> None:
        self._most = most
        self._decay = decay
        self._count = 0.0
        self._at_s = 0.0

    def add(self, weight: int, now_s: float) -> bool:
        """False when there is no room: the call is not counted then."""
        count = max(0.0, self._count - (now_s - self._at_s) * self._decay)
        if count + weight > self._most:
            return False
        self._count, self._at_s = count + weight, now_s
        return True


class Kraken(KrakenCore):
    name = "kraken"
    hosts = ("api.kraken.com", "ws.kraken.com", PRIVATE_HOST)
    fee_currency = "quote"  # ``fciq``, the default; ccxt takes REST's fees to be in the quote currency
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES}
    # The user may change it by name: SimExchange(limits={"kraken": {"PRIVATE_CALLS": 15}}).
    default_limits: ClassVar[Mapping[str, int]] = {"PRIVATE_CALLS": 20}
    decay_per_s: ClassVar[float] = 0.5  # of an "intermediate" account

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = limits.keys() - self.default_limits.keys()
        if unknown:
            raise ConfigError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._most_calls = limits["PRIVATE_CALLS"]
        self._counters: dict[str, CallCounter] = {}
        self._nonces: dict[str, int] = {}
        self._ledger_rows = 0
        self._told = {
            (account, coin): balance.total
            for account in venue.accounts
            for coin, balance in venue.engine.balances(account).items()
        }
        self._keys = {account.name: _key_bytes(account) for account in venue.accounts.values()}
        self.streams = KrakenStreams(self)

    def market_id(self, market: Market) -> str:
        return fmt.pair_id(market)

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        route = find_route(self.routes, request.method, request.path)
        if route is None:
            raise error("EGeneral:Unknown method")
        params = self._params(request)
        account = self._signer(request, params) if route.signed else None
        if account is not None and route.weight:
            counter = self._counters.setdefault(account.name, CallCounter(self._most_calls, self.decay_per_s))
            if not counter.add(route.weight, self.venue.wall_s()):
                raise error("EAPI:Rate limit exceeded")
        return Reply.of({"error": [], "result": route.handler(self, Call(params, account, self.venue.now_ms()))})

    @staticmethod
    def _params(request: Request) -> Mapping[str, Any]:
        if "json" not in request.headers.get("Content-Type", ""):
            return request.params()
        try:
            body = decode(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise error("EGeneral:Invalid arguments")
        return body

    def _signer(self, request: Request, params: Mapping[str, Any]) -> SimAccount:
        """HMAC-SHA512 over path and SHA256(nonce + body), with the secret decoded from base64."""
        key, signature = request.headers.get("API-Key", ""), request.headers.get("API-Sign", "")
        account = self.venue.account_by_key(key)
        if account is None:
            raise error("EAPI:Invalid key")
        nonce = str(params.get("nonce", ""))
        signed = request.path.encode() + sha256(nonce.encode() + request.body)
        if not same(hmac_base64(self._keys[account.name], signed, "sha512"), signature):
            raise error("EAPI:Invalid signature")
        if not nonce.isdecimal() or int(nonce) <= self._nonces.get(key, 0):
            raise error("EAPI:Invalid nonce")
        self._nonces[key] = int(nonce)
        return account

    def trouble(self, fault: Fault) -> DialectError:
        if fault.kind is FaultKind.RATE_LIMIT:
            refusal = error("EAPI:Rate limit exceeded")
        elif fault.kind is FaultKind.BAN:
            refusal = error("EGeneral:Temporary lockout")
        elif fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        elif fault.kind is FaultKind.MAINTENANCE:
            refusal = error("EService:Unavailable", status=fault.status)
        else:
            refusal = error("EGeneral:Internal error", status=fault.status)
        if fault.kind in (FaultKind.RATE_LIMIT, FaultKind.BAN, FaultKind.MAINTENANCE):
            refusal.headers = {"Retry-After": str(fault.retry_after_s)}
        return refusal

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path.rstrip("/") == "/v2" and host != "api.kraken.com" else error("Not found", status=404)

    def on_connect(self, connection: Connection) -> None:
        self.streams.on_connect(connection)

    def on_disconnect(self, connection: Connection) -> None:
        super().on_disconnect(connection)
        self.streams.on_disconnect(connection)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    # -------------------------------------------------------------- news

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        if symbol in self.ids:
            self.streams.on_candle(symbol, timeframe, bar)

    def on_tick(self) -> None:
        now_ms = self.venue.now_ms()
        for account in self.switches.run_out(now_ms):
            self.venue.engine.cancel_all(account, None, now_ms)
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            if event.symbol in self.ids:
                self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged) and event.order.symbol in self.ids:
            self._on_order(event)
        elif isinstance(event, BalanceChanged):
            self._on_balance(event)

    def _on_order(self, event: OrderChanged) -> None:
        order = event.order
        user_ref, close = self._placing
        if event.reason == "new" and user_ref:
            self._user_refs[order.order_id] = user_ref
        if event.reason == "new" and close is not None:
            self.closes.attach(order, close)
        if event.fill is not None:
            self.closes.on_fill(order, event.fill)
        if self.streams.wants("executions", order.account):
            for row in self._executions(event):
                self.streams.tell("executions", order.account, [row])

    def _executions(self, event: OrderChanged) -> list[dict[str, Any]]:
        """A partial fill is a trade and nothing else; only a full one is followed by the order's new state."""
        order, user_ref = event.order, self.user_ref_of(event.order)
        if event.reason == "new":
            close = self.closes.of(order.order_id)
            whole = frames.execution_open(order.symbol, order, user_ref, "pending_new", close)
            return [whole, frames.execution_change(order, user_ref, "new")]
        if event.fill is not None:
            rows = [frames.execution_trade(order.symbol, order, event.fill, user_ref)]
            return rows if order.is_open else [*rows, frames.execution_change(order, user_ref, "filled")]
        kind = _CHANGES.get(event.reason, "status")
        if kind == "expired":
            kind = fmt.ws_status(order)
        reason = "User requested" if event.reason == "canceled" else event.detail
        return [frames.execution_change(order, user_ref, kind, reason)]

    def _on_balance(self, event: BalanceChanged) -> None:
        """What orders hold is no news, only what the account owns."""
        balances, rows = self.venue.engine.balances(event.account), []
        for coin in event.currencies:
            balance = balances.get(coin)
            before = self._told.get((event.account, coin), Decimal(0))
            if balance is not None and balance.total != before:
                self._told[event.account, coin] = balance.total
                self._ledger_rows += 1
                change = balance.total - before
                rows.append(frames.balance_change(balance, change, self._ledger_rows, event.time_ms))
        if rows:
            self.streams.tell("balances", event.account, rows)


def _key_bytes(account: SimAccount) -> bytes:
    try:
        return base64.b64decode(account.secret, validate=True)
    except binascii.Error:
        raise ConfigError(
            f"account {account.name!r}: this exchange's clients decode the secret from base64; give it a text that is"
        ) from None
