"""Kraken spot, as the unmodified ccxt clients ``kraken`` (REST, and pro over WebSocket v2) speak to it.

Hosts, signatures, nonces, call counter and private events; endpoints are in ``kraken_market`` and ``kraken_orders``,
streams in ``kraken_streams``, JSON in ``kraken_format`` and ``kraken_frames``. Source: docs.kraken.com, "Spot REST
Authentication", "Spot REST Rate Limits".
"""

from __future__ import annotations

import base64
import binascii
import random
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from btccxt.errors import ConfigError
from btccxt.matching.records import BalanceChanged, Event, OrderChanged, PublicTrade, SimOrder
from btccxt.model import Bar, Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import (
    AccountCall,
    Dialect,
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
from btccxt.sim.dialects.dead_man import DeadMansSwitches
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.dialects.kraken.errors import error, invalid
from btccxt.sim.dialects.kraken.market import MARKET_ROUTES
from btccxt.sim.dialects.kraken.orders import ORDER_ROUTES
from btccxt.sim.dialects.kraken.streams import KrakenStreams
from btccxt.sim.faults import Fault, FaultKind

_TOKEN_LIFE_S = 900
_TOKEN_LETTERS = string.ascii_letters + string.digits + "+/"
_PRIVATE_HOST = "ws-auth.kraken.com"
_CLIENT_ID_LETTERS = frozenset(string.ascii_letters + string.digits + "-")
_CHANGES = {"canceled": "canceled", "expired": "expired", "amended": "amended", "triggered": "status"}
_SNAPSHOT_TRADES = 50


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query, form or JSON body as one mapping."""

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(name)
        return value

    def flag(self, name: str) -> bool:
        return (self.text(name) or "").lower() == "true"

    def integer(self, name: str) -> int | None:
        value = self.decimal(name)
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name)
        try:
            number = None if value is None else Decimal(value)
        except InvalidOperation:
            raise invalid(name) from None
        if number is not None and not number.is_finite():
            raise invalid(name)
        return number

    def optional_positive(self, name: str) -> Decimal | None:
        value = self.decimal(name)
        if value is not None and value <= 0:
            raise invalid(name)
        return value

    def positive(self, name: str) -> Decimal:
        value = self.optional_positive(name)
        if value is None:
            raise invalid(name)
        return value

    def client_id(self) -> str | None:
        """Up to 18 letters and digits, or a UUID."""
        value = self.text("cl_ord_id")
        free = value is not None and len(value) <= 18
        uuid = value is not None and len(value.replace("-", "")) == 32
        if value is not None and not (set(value) <= _CLIENT_ID_LETTERS and (free or uuid)):
            raise invalid("cl_ord_id")
        return value


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


class Kraken(Dialect):
    name = "kraken"
    hosts = ("api.kraken.com", "ws.kraken.com", _PRIVATE_HOST)
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
        self._names = {fmt.pair_altname(market): own_id for own_id, market in self.markets.items()}
        self._most_calls = limits["PRIVATE_CALLS"]
        self._counters: dict[str, CallCounter] = {}
        self._nonces: dict[str, int] = {}
        self._tokens: dict[str, tuple[str, float]] = {}  # token -> account, and until when (wall)
        self.switches = DeadMansSwitches()
        self._user_refs: dict[str, int] = {}  # by order id
        self._next_user_ref = 0
        self._ledger_rows = 0
        self._told = {
            (account, coin): balance.total
            for account in venue.accounts
            for coin, balance in venue.engine.balances(account).items()
        }
        self._keys = {account.name: _key_bytes(account) for account in venue.accounts.values()}
        self._random = random.Random(f"{venue.seed}:kraken")
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

    # -------------------------------------------------------------- what endpoints need

    def market_of(self, name: str) -> tuple[str, Market]:
        """By id or alternative name."""
        own_id = self._names.get(name, name)
        if own_id not in self.markets:
            raise error("EQuery:Unknown asset pair")
        return own_id, self.markets[own_id]

    @contextmanager
    def named(self, user_ref: int) -> Iterator[None]:
        """While it lasts, new orders get this user reference."""
        self._next_user_ref = user_ref
        try:
            yield
        finally:
            self._next_user_ref = 0

    def user_ref_of(self, order: SimOrder) -> int:
        return self._user_refs.get(order.order_id, 0)

    def new_token(self, account: str) -> tuple[str, int]:
        """A token to subscribe with, and for how many seconds it may be used."""
        token = "".join(self._random.choices(_TOKEN_LETTERS, k=43))
        self._tokens[token] = account, self.venue.wall_s() + _TOKEN_LIFE_S
        return token, _TOKEN_LIFE_S

    def account_of_token(self, token: str) -> str | None:
        account, until_s = self._tokens.get(token, ("", 0.0))
        return account if account and self.venue.wall_s() < until_s else None

    def expire_tokens(self) -> None:
        """What was subscribed with them stays; nothing new can be."""
        self._tokens.clear()

    # -------------------------------------------------------------- WebSockets

    def is_private(self, connection: Connection) -> bool:
        return connection.host == _PRIVATE_HOST

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
        if event.reason == "new" and self._next_user_ref:
            self._user_refs[order.order_id] = self._next_user_ref
        if self.streams.wants("executions", order.account):
            for row in self._executions(event):
                self.streams.tell("executions", order.account, [row])

    def _executions(self, event: OrderChanged) -> list[dict[str, Any]]:
        """A partial fill is a trade and nothing else; only a full one is followed by the order's new state."""
        order, user_ref = event.order, self.user_ref_of(event.order)
        if event.reason == "new":
            whole = frames.execution_open(order.symbol, order, user_ref, "pending_new")
            return [whole, frames.execution_change(order, user_ref, "new")]
        if event.fill is not None:
            rows = [frames.execution_trade(order.symbol, order, event.fill, user_ref)]
            return rows if order.is_open else [*rows, frames.execution_change(order, user_ref, "filled")]
        kind = _CHANGES[event.reason]
        if kind == "expired":
            kind = fmt.ws_status(order)
        reason = "User requested" if event.reason == "canceled" else event.detail
        return [frames.execution_change(order, user_ref, kind, reason)]

    def open_executions(self, account: str) -> list[dict[str, Any]]:
        """For the snapshot of a subscription."""
        orders = self.venue.engine.orders(account, None, open_only=True)
        return [
            frames.execution_open(order.symbol, order, self.user_ref_of(order), "new")
            for order in orders
            if order.symbol in self.ids
        ]

    def last_executions(self, account: str) -> list[dict[str, Any]]:
        engine = self.venue.engine
        rows = []
        for fill in engine.fills(account)[-_SNAPSHOT_TRADES:]:
            if fill.symbol in self.ids:
                order = engine.order(account, symbol=fill.symbol, order_id=fill.order_id)
                rows.append(frames.execution_trade(fill.symbol, order, fill, self.user_ref_of(order)))
        return rows

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
