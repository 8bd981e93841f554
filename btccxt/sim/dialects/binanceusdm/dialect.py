"""Binance USD-M perpetual contracts, as the unmodified ccxt clients ``binanceusdm`` (REST and pro) speak to them.

Hosts, routes and events; the endpoints themselves are in ``market``, ``orders`` and ``account``, what they ask for in
``core``, listen keys in ``user_streams``, JSON in ``format``; signatures, parameters and limits are Binance's common
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from btccxt.matching.records import BalanceChanged, Event, FundingPaid, OrderChanged, PositionChanged, PublicTrade
from btccxt.model import Bar, Market, MarketType
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import DialectError, Route, Venue, encode
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.protocol import OrderWindow
from btccxt.sim.dialects.binanceusdm import format as fmt
from btccxt.sim.dialects.binanceusdm.account import ACCOUNT_ROUTES
from btccxt.sim.dialects.binanceusdm.core import BinanceUsdMCore
from btccxt.sim.dialects.binanceusdm.market import MARKET_ROUTES, ContractStreams
from btccxt.sim.dialects.binanceusdm.orders import ORDER_ROUTES
from btccxt.sim.dialects.binanceusdm.user_streams import user_topic

_EXECUTIONS = {
    "new": "NEW",
    "triggered": "NEW",
    "trade": "TRADE",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "amended": "AMENDMENT",
}


class BinanceUsdM(BinanceUsdMCore):
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
        self._told = {  # wallet balances as the user stream has shown them
            (account, coin): balance.total
            for account in venue.accounts
            for coin, balance in venue.engine.balances(account).items()
        }
        self._funded: set[tuple[str, str]] = set()  # accounts and symbols whose next news is of a funding
        self._sides: dict[tuple[str, str], str | None] = {}  # of the position that a fill changed last

    def market_id(self, market: Market) -> str:
        return market.base + market.quote

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
        elif isinstance(event, FundingPaid):
            self._funded.add((event.account, event.symbol))
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
        cause = "FUNDING_FEE" if (event.account, event.symbol) in self._funded else "ORDER"
        self._funded.discard((event.account, event.symbol))
        self._tell(event.account, fmt.account_event(cause, [coin], rows, self.venue.now_ms()))

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
