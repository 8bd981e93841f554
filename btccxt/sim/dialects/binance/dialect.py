"""Binance spot, as the unmodified ccxt clients ``binance`` (REST and pro) speak to it.

Hosts, routes and events; the endpoints themselves are in ``market``, ``orders``, ``list_orders`` and ``account``, what
they ask for in ``core`` and ``lists``, market streams in ``streams``, JSON in ``format`` and ``order_format``,
signatures, parameters and limits in ``protocol``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from btccxt.matching.records import BalanceChanged, Event, OrderChanged, PublicTrade, RejectCode
from btccxt.model import Bar, Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import DialectError, Reply, Request, Route, SimAccount, Venue, decode, encode
from btccxt.sim.dialects.binance import order_format as fmt
from btccxt.sim.dialects.binance.account import ACCOUNT_CALLS, ACCOUNT_ROUTES
from btccxt.sim.dialects.binance.core import BinanceSpotCore, user_topic
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.list_orders import LIST_CALLS, LIST_ROUTES
from btccxt.sim.dialects.binance.market import MARKET_CALLS, MARKET_ROUTES
from btccxt.sim.dialects.binance.orders import ORDER_CALLS, ORDER_ROUTES
from btccxt.sim.dialects.binance.protocol import Call
from btccxt.sim.dialects.binance.streams import MarketStreams

_EXECUTIONS = {
    "new": "NEW",
    "activated": "NEW",
    "triggered": "NEW",
    "trade": "TRADE",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
_CONTRACT_HOSTS = ("fapi.binance.com", "dapi.binance.com", "eapi.binance.com", "papi.binance.com")


def _subscribe_user(dialect: BinanceSpot, call: Call) -> Any:
    """Answered by ``BinanceSpot.ws_perform``, which knows the connection."""
    raise error(-1000, "Only over the WebSocket API.")


@dataclass(slots=True)
class _UserStreams:
    """Private subscriptions of one WebSocket API connection."""

    accounts: dict[int, str] = field(default_factory=dict)  # by subscription id
    next_id: int = 0


class BinanceSpot(BinanceSpotCore):
    name = "binance"
    hosts = (
        "api.binance.com",
        "api-gcp.binance.com",
        "api[1-4].binance.com",
        "data-api.binance.vision",
        "stream.binance.com",
        "data-stream.binance.vision",
        "ws-api.binance.com",
        "testnet.binance.vision",
        "api.testnet.binance.vision",
        "stream.testnet.binance.vision",
        "ws-api.testnet.binance.vision",
        "demo-api.binance.com",
        "demo-stream.binance.com",
        "demo-ws-api.binance.com",
    )
    # ccxt asks these for their markets as well: they have none, unless their own dialect runs beside this one.
    borrowed_hosts = _CONTRACT_HOSTS
    routes: ClassVar[Mapping[str, Route]] = {
        **MARKET_ROUTES,
        **ORDER_ROUTES,
        **LIST_ROUTES,
        **ACCOUNT_ROUTES,
        "WS userDataStream.subscribe.signature": Route(_subscribe_user, 2, signed=True),
        "WS userDataStream.unsubscribe": Route(_subscribe_user, 2),
    }
    ws_calls: ClassVar[Mapping[str, str]] = {
        **MARKET_CALLS,
        **ORDER_CALLS,
        **LIST_CALLS,
        **ACCOUNT_CALLS,
        "userDataStream.subscribe.signature": "WS userDataStream.subscribe.signature",
        "userDataStream.unsubscribe": "WS userDataStream.unsubscribe",
    }

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.streams = MarketStreams(venue, self.hub, self.ids)

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

    def handle(self, request: Request) -> Reply:
        if request.host in _CONTRACT_HOSTS:
            if not request.path.endswith("/exchangeInfo"):
                return self.not_found(request)
            listing = {"timezone": "UTC", "serverTime": self.venue.server_time_ms(), "rateLimits": [], "symbols": []}
            return Reply.of(listing)
        return super().handle(request)

    # -------------------------------------------------------------- WebSockets

    @staticmethod
    def _is_api(connection: Connection) -> bool:
        return connection.path.startswith("/ws-api")

    def refuses(self, host: str, path: str) -> DialectError | None:
        if path.startswith(("/ws", "/stream")):
            return None
        return error(-1000, f"No WebSocket at {path}.", 404)

    def message_limit(self, connection: Connection) -> tuple[int, float] | None:
        return None if self._is_api(connection) else (5, 1.0)

    def on_connect(self, connection: Connection) -> None:
        if self._is_api(connection):
            connection.state = _UserStreams()
        else:
            self.streams.on_connect(connection)

    def on_message(self, connection: Connection, text: str) -> None:
        if not self._is_api(connection):
            self.streams.on_message(connection, text)
            return
        try:
            message = decode(text)
        except ValueError:
            message = None
        if isinstance(message, dict):
            self.ws_call(connection, message)
        else:
            connection.send(encode({"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON."}}))

    def ws_perform(
        self, connection: Connection, name: str, route: Route, params: Mapping[str, str], account: SimAccount | None
    ) -> Any:
        streams: _UserStreams = connection.state
        if name == "userDataStream.subscribe.signature" and account is not None:
            number, streams.next_id = streams.next_id, streams.next_id + 1
            streams.accounts[number] = account.name
            self.hub.subscribe(connection, user_topic(account.name))
            return {"subscriptionId": number}
        if name == "userDataStream.unsubscribe":
            wanted = params.get("subscriptionId")
            for number in [n for n in streams.accounts if wanted is None or str(n) == wanted]:
                left = streams.accounts.pop(number)
                if left not in streams.accounts.values():
                    self.hub.unsubscribe(connection, user_topic(left))
            return {}
        return self.perform(route, params, account)

    # -------------------------------------------------------------- news

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        self.streams.on_candle(symbol, timeframe, bar, closed)

    def on_tick(self) -> None:
        self.streams.on_tick()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade):
            self.streams.on_trade(event.symbol, event.trade)
        elif isinstance(event, OrderChanged) and event.order.symbol in self.ids:
            self._on_order(event)
        elif isinstance(event, BalanceChanged):
            self._on_balance(event)

    def _on_order(self, event: OrderChanged) -> None:
        order = event.order
        if event.fill is not None:
            self._fresh_fills.append(event.fill)
        self._sequence += 1
        if self.hub.has(user_topic(order.account)):
            self.tell(
                order.account,
                fmt.execution_report(
                    self.ids[order.symbol],
                    order,
                    event.fill,
                    execution=_EXECUTIONS[event.reason],
                    sequence=self._sequence,
                    now_ms=self.venue.now_ms(),
                    list_number=self.lists.number_of(order),
                    cancel_id=self._cancel_id if event.reason == "canceled" else None,
                    reject=RejectCode.INSUFFICIENT_FUNDS if event.reason == "rejected" else None,
                ),
            )
        self.lists.on_order(order)

    def _on_balance(self, event: BalanceChanged) -> None:
        if self.hub.has(user_topic(event.account)):
            balances = self.venue.engine.balances(event.account)
            changed = [balances[coin] for coin in event.currencies if coin in balances]
            self.tell(event.account, fmt.account_position(changed, event.time_ms, self.venue.now_ms()))

    def on_deposit(self, account: str, currency: str, amount: Decimal) -> None:
        self.tell(account, fmt.balance_update(currency, amount, self.venue.now_ms()))
