"""Coinbase Advanced's WebSocket: subscriptions, trades, tickers, order books, and the account's orders.

Source: docs.cdp.coinbase.com, Advanced Trade WebSocket. There are no candles of one minute, no fills and no balances.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.model import Trade
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import decode, encode
from btccxt.sim.dialects.coinbase import format as fmt
from btccxt.sim.dialects.coinbase.core import CoinbaseCore

_PUBLIC = {"market_trades": "market_trades", "ticker": "ticker", "ticker_batch": "ticker_batch", "level2": "l2_data"}
_PERIOD_S = 0.05  # of order books and tickers, however fast the market's clock runs
_HEARTBEAT_S = 1.0
_Side = dict[Decimal, Decimal]


class CoinbaseStreams:
    def __init__(self, dialect: CoinbaseCore) -> None:
        self._dialect = dialect
        self._venue, self._hub = dialect.venue, dialect.hub
        self._books: dict[str, tuple[_Side, _Side]] = {}  # by product: bids and asks as last sent
        self._tickers: dict[str, dict[str, str]] = {}
        self._sequences: dict[Connection, int] = {}
        self._beats = 0
        self._sent_s = self._beat_s = float("-inf")

    def on_disconnect(self, connection: Connection) -> None:
        self._sequences.pop(connection, None)

    # -------------------------------------------------------------- in

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            message = decode(text)
        except ValueError:
            message = None
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(message, dict) or kind not in ("subscribe", "unsubscribe"):
            self._fail(connection, "failure to subscribe")
            return
        channel, products = str(message.get("channel", "")), list(message.get("product_ids") or ())
        if channel == "user":
            account = self._dialect.account_of_token(str(message.get("jwt", "")), "")
            if account is None:
                self._fail(connection, "authentication failure")
                return
            topics = [f"user:{account.name}"]
        elif channel == "heartbeats":
            topics = ["heartbeats"]
        elif channel in _PUBLIC and all(product in self._dialect.markets for product in products):
            topics = [f"{channel}:{product}" for product in products]
        else:
            self._fail(connection, f"failure to subscribe: channel {channel}, products {','.join(map(str, products))}")
            return
        for topic in topics:
            if kind == "unsubscribe":
                self._hub.unsubscribe(connection, topic)
            elif self._hub.subscribe(connection, topic):
                self._begin(connection, topic)
        self._confirm(connection)

    def _fail(self, connection: Connection, why: str) -> None:
        connection.send(encode({"type": "error", "message": why}))

    def _confirm(self, connection: Connection) -> None:
        held: dict[str, list[str]] = {}
        for topic in sorted(connection.topics):
            channel, _, product = topic.partition(":")
            held.setdefault(channel, []).append("" if channel == "user" else product)
        self._send(connection, "subscriptions", [{"subscriptions": held}])

    def _begin(self, connection: Connection, topic: str) -> None:
        """What a subscription begins with."""
        channel, _, name = topic.partition(":")
        if channel == "user":
            orders = [self._dialect.user_row(order) for order in self._dialect.orders(name, open_only=True)]
            empty: dict[str, list[Any]] = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
            self._send(connection, "user", [{"type": "snapshot", "orders": orders, "positions": empty}], topic)
        elif channel == "market_trades":
            market = self._dialect.markets[name]
            trades = [fmt.trade(name, trade) for trade in reversed(self._venue.last_trades(market.symbol, 50))]
            if trades:
                self._send(connection, channel, [{"type": "snapshot", "trades": trades}], topic)
        elif channel == "level2":
            self._books.setdefault(name, self._best(name))
            self._send(connection, "l2_data", [self._book_event("snapshot", name, *self._books[name])], topic)
        elif channel in ("ticker", "ticker_batch"):
            row = self._ticker(name)
            if row is not None:
                self._send(connection, channel, [{"type": "snapshot", "tickers": [row]}], topic)

    # -------------------------------------------------------------- out

    def _send(self, connection: Connection, channel: str, events: list[Any], topic: str | None = None) -> None:
        """Numbered per connection."""
        number = self._sequences.get(connection, -1) + 1
        self._sequences[connection] = number
        frame = {
            "channel": channel,
            "client_id": "",
            "timestamp": fmt.iso(self._venue.now_ms()),
            "sequence_num": number,
            "events": events,
        }
        name = "user" if topic is not None and topic.startswith("user:") else topic
        connection.send(encode(frame), *(() if name is None else (name,)))

    def _publish(self, topic: str, channel: str, event: Mapping[str, Any]) -> None:
        for connection in self._hub.subscribers(topic):
            self._send(connection, channel, [event], topic)

    def tell_order(self, account: str, row: Mapping[str, Any]) -> None:
        self._publish(f"user:{account}", "user", {"type": "update", "orders": [row]})

    def on_trade(self, symbol: str, trade: Trade) -> None:
        own_id = self._dialect.ids[symbol]
        topic = f"market_trades:{own_id}"
        if self._hub.has(topic):
            self._publish(topic, "market_trades", {"type": "update", "trades": [fmt.trade(own_id, trade)]})

    def on_tick(self) -> None:
        now_s = self._venue.wall_s()
        if now_s - self._beat_s >= _HEARTBEAT_S:
            self._beat_s, self._beats = now_s, self._beats + 1
            beat = {"current_time": fmt.iso(self._venue.now_ms()), "heartbeat_counter": self._beats}
            self._publish("heartbeats", "heartbeats", beat)
        if now_s - self._sent_s < _PERIOD_S:
            return
        self._sent_s = now_s
        for topic in self._hub.topics:
            channel, _, own_id = topic.partition(":")
            if channel == "level2":
                self._tick_book(own_id, topic)
            elif channel in ("ticker", "ticker_batch"):
                self._tick_ticker(own_id, topic, channel)

    def _ticker(self, own_id: str) -> dict[str, str] | None:
        symbol = self._dialect.markets[own_id].symbol
        day, mirror = self._venue.day_bar(symbol), self._venue.mirror(symbol)
        mirror.refresh()
        return None if day is None else fmt.ticker(own_id, day, mirror.best_bid, mirror.best_ask)

    def _tick_ticker(self, own_id: str, topic: str, channel: str) -> None:
        row = self._ticker(own_id)
        if row is not None and row != self._tickers.get(topic):
            self._tickers[topic] = row
            self._publish(topic, channel, {"type": "update", "tickers": [row]})

    def _best(self, own_id: str) -> tuple[_Side, _Side]:
        mirror = self._venue.mirror(self._dialect.markets[own_id].symbol)
        mirror.refresh()
        return dict(mirror.bids), dict(mirror.asks)

    def _tick_book(self, own_id: str, topic: str) -> None:
        before, now = self._books[own_id], self._best(own_id)
        self._books[own_id] = now
        bids, asks = (_changes(old, new) for old, new in zip(before, now, strict=True))
        if bids or asks:
            self._publish(topic, "l2_data", self._book_event("update", own_id, bids, asks))

    def _book_event(self, kind: str, own_id: str, bids: _Side, asks: _Side) -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        updates = fmt.book_updates("bid", bids.items(), now_ms) + fmt.book_updates("offer", asks.items(), now_ms)
        return {"type": kind, "product_id": own_id, "updates": updates}


def _changes(before: _Side, after: _Side) -> _Side:
    gone = {price: Decimal(0) for price in before if price not in after}
    return {**gone, **{price: amount for price, amount in after.items() if before.get(price) != amount}}
