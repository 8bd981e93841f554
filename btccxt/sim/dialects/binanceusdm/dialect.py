"""Binance USD-M perpetual contracts, as the unmodified ccxt clients ``binanceusdm`` (REST and pro) speak to them.

Hosts, routes and events; the endpoints themselves are in ``binanceusdm_market``, ``binanceusdm_orders`` and
``binanceusdm_account``, JSON in ``binanceusdm_format``; signatures, parameters and limits are Binance's common ones.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

from btccxt.matching.clearing import DEFAULT_LEVERAGE
from btccxt.matching.records import BalanceChanged, Event, OrderChanged, PositionChanged, PublicTrade
from btccxt.model import ZERO, Bar, Market, MarketType
from btccxt.sim.connection import Connection, Hub
from btccxt.sim.dialects.base import DialectError, Route, Venue, encode
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.protocol import BinanceProtocol, Call, OrderWindow
from btccxt.sim.dialects.binanceusdm import format as fmt
from btccxt.sim.dialects.binanceusdm.account import ACCOUNT_ROUTES
from btccxt.sim.dialects.binanceusdm.market import MARKET_ROUTES, ContractStreams
from btccxt.sim.dialects.binanceusdm.orders import ORDER_ROUTES

_EXECUTIONS = {
    "new": "NEW",
    "triggered": "NEW",
    "trade": "TRADE",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "amended": "AMENDMENT",
}
_ID_LETTERS = string.ascii_letters + string.digits
_KEY_LIFE_S = 3_600.0  # wall time: clients renew by their own clocks
_MOST_IN_BATCH = 5


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding payment between the longs and shorts of a symbol. ``received`` by account; negative: paid."""

    symbol: str
    rate: Decimal
    mark: Decimal
    time_ms: int
    received: Mapping[str, Decimal]


class UserStreams:
    """Listen keys, and the connections that were opened with them."""

    def __init__(self, venue: Venue, hub: Hub) -> None:
        self._venue = venue
        self._hub = hub
        self._random = random.Random(f"{venue.seed}:listen keys")
        self._keys: dict[str, tuple[str, float]] = {}  # by account: key, and until when (wall)

    def open_key(self, account: str) -> str:
        return self.renew(account) or self._new(account)

    def _new(self, account: str) -> str:
        key = "".join(self._random.choices(_ID_LETTERS, k=64))
        self._keys[account] = key, self._venue.wall_s() + _KEY_LIFE_S
        return key

    def renew(self, account: str) -> str | None:
        """The account's key, valid for another hour; None if it has none."""
        key, until_s = self._keys.get(account, ("", 0.0))
        if self._venue.wall_s() >= until_s:
            return None
        self._keys[account] = key, self._venue.wall_s() + _KEY_LIFE_S
        return key

    def connect(self, connection: Connection, key: str) -> None:
        """As on Binance, a stream with a key that does not exist stays empty."""
        for account, (known, until_s) in self._keys.items():
            if known == key and self._venue.wall_s() < until_s:
                self._hub.subscribe(connection, user_topic(account))

    def close(self, account: str) -> None:
        self._keys.pop(account, None)
        for connection in self._hub.subscribers(user_topic(account)):
            self._hub.unsubscribe(connection, user_topic(account))

    def expire(self, account: str) -> None:
        """The key's hour is over: say so, and nothing more on this stream."""
        key, _ = self._keys.get(account, ("", 0.0))
        event = {"e": "listenKeyExpired", "E": self._venue.now_ms(), "listenKey": key}
        self._hub.publish(user_topic(account), encode(event), "user")
        self.close(account)

    def expire_due(self) -> None:
        now_s = self._venue.wall_s()
        for account in [account for account, (_, until_s) in self._keys.items() if now_s >= until_s]:
            self.expire(account)


class BinanceUsdM(BinanceProtocol):
    name = "binanceusdm"
    hosts = (
        "fapi.binance.com",
        "fstream.binance.com",
        "testnet.binancefuture.com",
        "stream.binancefuture.com",
        "fstream.binancefuture.com",
        "demo-fapi.binance.com",
    )
    borrowed_hosts = ("api.binance.com",)  # ccxt asks there for coins and margin pairs
    market_types = frozenset({MarketType.LINEAR})
    routes: ClassVar[Mapping[str, Route]] = {**MARKET_ROUTES, **ORDER_ROUTES, **ACCOUNT_ROUTES}
    ws_calls: ClassVar[Mapping[str, str]] = {}
    default_limits: ClassVar[Mapping[str, int]] = {"REQUEST_WEIGHT": 2_400, "ORDERS_10S": 300, "ORDERS_1M": 1_200}
    order_windows = (OrderWindow("10S", "SECOND", 10, 10.0), OrderWindow("1M", "MINUTE", 1, 60.0))

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.streams = ContractStreams(venue, self.hub, self.ids)
        self.user_streams = UserStreams(venue, self.hub)
        self.hedging: set[str] = set()  # accounts in hedge mode
        self.fundings: list[Funding] = []
        self._leverage: dict[tuple[str, str], Decimal] = {}
        self._told = {  # wallet balances as the user stream has shown them
            (account, coin): balance.total
            for account in venue.accounts
            for coin, balance in venue.engine.balances(account).items()
        }
        self._sides: dict[tuple[str, str], str | None] = {}  # of the position that a fill changed last
        self._random = random.Random(f"{venue.seed}:binanceusdm")

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

    # -------------------------------------------------------------- what endpoints need

    def new_client_id(self) -> str:
        return "".join(self._random.choices(_ID_LETTERS, k=22))

    def each_of_batch(self, call: Call, perform: Callable[[Any, Call], Any]) -> list[Any]:
        """``batchOrders``: a JSON list of parameters; an answer or an error for each."""
        try:
            rows = json.loads(call.required("batchOrders"))
        except ValueError:
            rows = None
        if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_IN_BATCH:
            raise error(-4082, "Invalid batch place order count.")
        answers: list[Any] = []
        for row in rows:
            params = {
                name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in row.items()
            }
            try:
                answers.append(perform(self, replace(call, params=params)))
            except DialectError as refusal:
                answers.append(refusal.body)
        return answers

    def leverage_of(self, account: str, symbol: str) -> Decimal:
        return self._leverage.get((account, symbol), DEFAULT_LEVERAGE)

    def remember_leverage(self, account: str, symbol: str, leverage: Decimal) -> None:
        self._leverage[account, symbol] = leverage

    def funding_rate_of(self, symbol: str) -> Decimal:
        """The last one that was charged; zero before the first: the embedded exchange charges when told to."""
        return next((funding.rate for funding in reversed(self.fundings) if funding.symbol == symbol), ZERO)

    def fund(self, symbol: str, rate: Decimal) -> Mapping[str, Decimal]:
        """Charge funding now. Returns what each account received; negative: paid."""
        engine, now_ms = self.venue.engine, self.venue.now_ms()
        mark = engine.mark(symbol) or ZERO
        received = engine.apply_funding(symbol, rate, now_ms)
        self.fundings.append(Funding(symbol, rate, mark, now_ms, received))
        return received

    # -------------------------------------------------------------- WebSockets

    def refuses(self, host: str, path: str) -> DialectError | None:
        if path.startswith(("/ws", "/stream", "/public/ws", "/market/ws", "/private/ws")):
            return None
        return error(-1000, f"No WebSocket at {path}.", 404)

    def message_limit(self, connection: Connection) -> tuple[int, float] | None:
        return 10, 1.0

    def on_connect(self, connection: Connection) -> None:
        name, _, key = connection.query.partition("=")
        if name == "listenKey":
            self.user_streams.connect(connection, key)
        elif connection.path.startswith("/ws/") and len(connection.path) == len("/ws/") + 64:
            self.user_streams.connect(connection, connection.path.removeprefix("/ws/"))
        else:
            self.streams.on_connect(connection)

    def on_message(self, connection: Connection, text: str) -> None:
        self.streams.on_message(connection, text)

    # -------------------------------------------------------------- news

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        self.streams.on_tick()
        self.user_streams.expire_due()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged) and event.order.symbol in self.ids:
            self._on_order(event)
        elif isinstance(event, PositionChanged) and event.symbol in self.ids:
            self._on_position(event)
        elif isinstance(event, BalanceChanged):
            self._on_balance(event)

    def _on_order(self, event: OrderChanged) -> None:
        order, now_ms = event.order, self.venue.now_ms()
        self._sides[order.account, order.symbol] = order.request.position_side
        if not self.hub.has(user_topic(order.account)):
            return
        own_id = self.ids[order.symbol]
        if fmt.is_plain(order):
            if event.reason == "triggered":
                self._tell(order.account, fmt.algo_event(own_id, order, now_ms))
            execution = _EXECUTIONS[event.reason]
            self._tell(order.account, fmt.order_event(own_id, order, event.fill, execution, now_ms))
        ended = order.triggered and order.status.is_final
        if not fmt.is_plain(order) or ended:
            self._tell(order.account, fmt.algo_event(own_id, order, now_ms))

    def _on_position(self, event: PositionChanged) -> None:
        """Position and wallet in one event, as the exchange sends them."""
        if not self.hub.has(user_topic(event.account)):
            return
        engine, market = self.venue.engine, self.venue.engine.markets[event.symbol]
        found = [position for position in engine.positions(event.account) if position.symbol == event.symbol]
        own_id = self.ids[event.symbol]
        rows = [fmt.position_event(own_id, market, position, position.hedge_side) for position in found]
        side = self._sides.get((event.account, event.symbol))
        if side not in {position.hedge_side for position in found}:
            rows.append(fmt.position_event(own_id, market, None, side))
        coin = engine.balances(event.account)[market.settle or market.quote]
        self._told[event.account, coin.currency] = coin.total
        self._tell(event.account, fmt.account_event("ORDER", [coin], rows, self.venue.now_ms()))

    def _on_balance(self, event: BalanceChanged) -> None:
        """Only what changes a wallet is news; margin that orders hold is not."""
        balances = self.venue.engine.balances(event.account)
        changed = [
            balances[coin]
            for coin in event.currencies
            if coin in balances and self._told.get((event.account, coin)) != balances[coin].total
        ]
        for coin in changed:
            self._told[event.account, coin.currency] = coin.total
        if changed:
            self._tell(event.account, fmt.account_event("DEPOSIT", changed, [], self.venue.now_ms()))

    def _tell(self, account: str, event: Mapping[str, Any]) -> None:
        self.hub.publish(user_topic(account), encode(event), "user")


def user_topic(account: str) -> str:
    return f"user:{account}"
