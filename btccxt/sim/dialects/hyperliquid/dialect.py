"""Hyperliquid, spot and perpetuals, as the unmodified ccxt client ``hyperliquid`` speaks to it.

Hosts, signatures, limits and events; what can be asked is in ``info``, what can be done in ``actions``, what both need
in ``core``, wallets in ``keys``, streams in ``streams``, JSON in ``format``. Source: hyperliquid.gitbook.io, "API".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from btccxt.errors import ConfigError
from btccxt.matching.records import BalanceChanged, Event, OrderChanged, PositionChanged, PublicTrade, SimOrder
from btccxt.model import Bar, MarketType
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import DialectError, RateLimit, Reply, Request, SimAccount, Venue, decode, encode
from btccxt.sim.dialects.hyperliquid import actions, info, keys
from btccxt.sim.dialects.hyperliquid import format as fmt
from btccxt.sim.dialects.hyperliquid.core import SETTLE, HyperliquidCore
from btccxt.sim.dialects.hyperliquid.errors import ActionRefused, unreadable
from btccxt.sim.dialects.hyperliquid.streams import HyperliquidStreams
from btccxt.sim.faults import Fault, FaultKind

_MAIN, _TEST = "api.hyperliquid.xyz", "api.hyperliquid-testnet.xyz"
_DAY_MS = 86_400_000
_KEPT_NONCES = 100


class Hyperliquid(HyperliquidCore):
    name = "hyperliquid"
    hosts = (_MAIN, _TEST)
    market_types = frozenset({MarketType.SPOT, MarketType.LINEAR})
    quote = SETTLE
    # The user may change it by name: SimExchange(limits={"hyperliquid": {"WEIGHT_1M": 100}}).
    default_limits: ClassVar[Mapping[str, int]] = {"WEIGHT_1M": 1_200}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        limits = {**self.default_limits, **venue.limits_of(self.name)}
        unknown = limits.keys() - self.default_limits.keys()
        if unknown:
            raise ConfigError(f"{self.name} has no limit {sorted(unknown)}; it has {sorted(self.default_limits)}")
        self._weight = RateLimit(limits["WEIGHT_1M"], 60.0)
        self._nonces: dict[str, list[int]] = {}  # by account: the largest ones that were used
        self.streams = HyperliquidStreams(self)

    @classmethod
    def client_keys(cls, account: SimAccount) -> Mapping[str, str]:
        return {"walletAddress": keys.address(account), "privateKey": keys.private_key(account)}

    # -------------------------------------------------------------- REST

    def handle(self, request: Request) -> Reply:
        try:
            sent = decode(request.body)
        except ValueError:
            sent = None
        if request.method != "POST" or request.path not in ("/info", "/exchange"):
            raise DialectError(404, b"")
        if not isinstance(sent, dict):
            raise unreadable("expected a map")
        if request.path == "/info":
            self._count(info.weight(sent))
            return Reply.of(info.answer(self, sent))
        self._count(1)
        return Reply.of(self._act(sent, request.host == _TEST))

    def _count(self, weight: int) -> None:
        """A fast clock's minute is short: whoever lives by it asks as often in it as in a whole one."""
        if not self._weight.add(weight, self.venue.wall_s() * max(1.0, self.venue.speed)):
            raise DialectError(429, None)

    def _act(self, sent: Mapping[str, Any], testnet: bool) -> Any:
        """Signed actions are refused under HTTP 200."""
        try:
            account = self._signer(sent, testnet)
            done = actions.perform(self, account.name, sent["action"], self.venue.now_ms(), self._tell_refused)
        except ActionRefused as refusal:
            return {"status": "err", "response": str(refusal)}
        return {"status": "ok", "response": done}

    def _signer(self, sent: Mapping[str, Any], testnet: bool) -> SimAccount:
        action, nonce, signature = sent.get("action"), sent.get("nonce"), sent.get("signature")
        if not isinstance(action, dict) or not isinstance(nonce, int):
            raise unreadable("missing field `action` or `nonce`")
        signed = keys.digest(action, nonce, sent.get("vaultAddress"), sent.get("expiresAfter"), testnet=testnet)
        for account in self.venue.accounts.values():
            if keys.is_signed_by(signed, signature, account):
                self._check_nonce(account.name, nonce)
                return account
        raise ActionRefused("User or API Wallet 0x0000000000000000000000000000000000000000 does not exist.")

    def _check_nonce(self, owner: str, nonce: int) -> None:
        """A time within two days back and one ahead; never one twice, and none below the hundred largest."""
        now_ms, used = self.venue.server_time_ms(), self._nonces.setdefault(owner, [])
        if self.venue.checks_time() and not now_ms - 2 * _DAY_MS < nonce < now_ms + _DAY_MS:
            raise ActionRefused(f"Invalid nonce: nonce {nonce} is out of bounds")
        if nonce in used or (len(used) >= _KEPT_NONCES and nonce < used[0]):
            raise ActionRefused(f"Invalid nonce: duplicate nonce {nonce}")
        used.append(nonce)
        used.sort()
        del used[:-_KEPT_NONCES]

    def trouble(self, fault: Fault) -> DialectError:
        if fault.kind in (FaultKind.RATE_LIMIT, FaultKind.BAN):
            return DialectError(429, None)
        if fault.body is not None:
            return DialectError(fault.status, fault.body.encode())
        return DialectError(fault.status, b"<html><body><h1>Service Unavailable</h1></body></html>")

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        return None if path == "/ws" else DialectError(404, b"")

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    def post(self, connection: Connection, number: Any, asked: Mapping[str, Any]) -> None:
        """A question or an action over the socket."""
        kind, payload = str(asked.get("type")), asked.get("payload")

        def perform() -> bytes:
            if not isinstance(payload, dict) or kind not in ("info", "action"):
                return _posted(number, "error", "Invalid post request")
            try:
                done = info.answer(self, payload) if kind == "info" else self._act(payload, connection.host == _TEST)
            except DialectError as refusal:
                return _posted(number, "error", f"{refusal.status}")
            return _posted(number, kind, {"type": payload.get("type"), "data": done} if kind == "info" else done)

        named = payload if isinstance(payload, dict) else {}
        self.venue.call(connection, f"post {kind}", named, perform, lambda fault: _posted(number, "error", "503"))

    # -------------------------------------------------------------- news

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        if symbol in self.ids:
            self.streams.on_candle(symbol, timeframe, bar)

    def on_tick(self) -> None:
        now_ms = self.venue.now_ms()
        for account in self.switches.run_out(now_ms):
            self.cancel_all(account, now_ms)
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            if event.symbol in self.ids:
                self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged):
            if event.order.symbol in self.ids:
                self._on_order(event)
        elif isinstance(event, BalanceChanged | PositionChanged):
            self.streams.tell_state(event.account)

    def _on_order(self, event: OrderChanged) -> None:
        """Partial fills change no status and are told as fills alone."""
        order = event.order
        if event.fill is not None:
            self.note_fill(event.fill)
            self.streams.tell_fill(order.account, self.fill_row(event.fill))
            if order.is_open:
                return
        self._tell_order(order, fmt.status(order))

    def _tell_refused(self, order: SimOrder, status: str) -> None:
        self._tell_order(order, status)

    def _tell_order(self, order: SimOrder, status: str) -> None:
        row = {"order": fmt.basic_order(self.ids[order.symbol], order), "status": status}
        self.streams.tell_order(order.account, {**row, "statusTimestamp": order.updated_ms})


def _posted(number: Any, kind: str, payload: Any) -> bytes:
    return encode({"channel": "post", "data": {"id": number, "response": {"type": kind, "payload": payload}}})
