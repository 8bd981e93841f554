"""Kraken's WebSocket v2: subscriptions, candles, trades, tickers, books, and the account's executions and balances.

Source: docs.kraken.com, Spot WebSocket v2. A stream is a topic of the dialect's hub: ``ohlc:BTC/USDT:1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from btccxt.model import Bar, Trade
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import decode, encode
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.dialects.kraken.core import KrakenCore
from btccxt.sim.dialects.kraken.market import INTERVALS
from btccxt.timeframe import parse_timeframe

_DEPTHS = (10, 25, 100, 500, 1000)
_OHLC_SNAPSHOT = 10
_PUBLIC = frozenset({"ohlc", "trade", "ticker", "book"})
_PRIVATE = frozenset({"executions", "balances"})
_BOOK_PERIOD_S = 0.05
_HEARTBEAT_S = 1.0
_MINUTES = {name: minutes for minutes, name in INTERVALS.items()}


class KrakenStreams:
    """Serves ``/v2`` connections of both hosts."""

    def __init__(self, dialect: KrakenCore) -> None:
        self._dialect = dialect
        self._venue = dialect.venue
        self._hub = dialect.hub
        self._books: dict[str, tuple[dict[Any, Any], dict[Any, Any]]] = {}  # by topic: bids and asks as last sent
        self._quotes: dict[str, Any] = {}  # by symbol: last and best prices of the last ticker
        self._book_s = self._heartbeat_s = float("-inf")
        self._sequences: dict[Connection, int] = {}

    # -------------------------------------------------------------- subscriptions

    def on_connect(self, connection: Connection) -> None:
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": connection.serial}
        connection.send(encode({"channel": "status", "type": "update", "data": [status]}))

    def on_disconnect(self, connection: Connection) -> None:
        self._sequences.pop(connection, None)

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            message = decode(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            connection.send(encode({"error": "Unsupported message format", "success": False, **self._times()}))
            return
        method, params = message.get("method"), message.get("params") or {}
        number = {"req_id": message["req_id"]} if "req_id" in message else {}
        if method == "ping":
            connection.send(encode({"method": "pong", **number, **self._times()}))
        elif method in ("subscribe", "unsubscribe") and isinstance(params, dict):
            self._change(connection, method, params, number)
        else:
            self._refuse(connection, str(method), "Method not supported", number)

    def _times(self) -> dict[str, str]:
        now = fmt.iso(self._venue.now_ms())
        return {"time_in": now, "time_out": now}

    def _refuse(self, connection: Connection, method: str, text: str, more: Mapping[str, Any]) -> None:
        connection.send(encode({"error": text, "method": method, **more, "success": False, **self._times()}))

    def _accept(
        self, connection: Connection, method: str, result: Mapping[str, Any], number: Mapping[str, Any]
    ) -> None:
        connection.send(encode({"method": method, "result": result, "success": True, **self._times(), **number}))

    def _change(
        self, connection: Connection, method: str, params: Mapping[str, Any], number: Mapping[str, Any]
    ) -> None:
        channel = params.get("channel")
        if channel in _PUBLIC and not self._dialect.is_private(connection):
            for symbol in params.get("symbol") or ():
                self._change_public(connection, method, channel, symbol, params, number)
        elif channel in _PRIVATE and self._dialect.is_private(connection):
            account = self._dialect.account_of_token(str(params.get("token", "")))
            if account is None:
                self._refuse(connection, method, "ESession:Invalid session", number)
            else:
                self._change_private(connection, method, channel, account, params, number)
        else:
            self._refuse(connection, method, "Channel not supported", number)

    def _change_public(
        self,
        connection: Connection,
        method: str,
        channel: str,
        symbol: str,
        params: Mapping[str, Any],
        number: Mapping[str, Any],
    ) -> None:
        if symbol not in self._dialect.ids:
            more = {**number, "symbol": symbol}
            self._refuse(connection, method, f"Currency pair not supported {symbol}", more)
            return
        detail: dict[str, Any] = {}
        if channel == "ohlc":
            detail = {"interval": params.get("interval", 1)}
            if detail["interval"] not in INTERVALS:
                self._refuse(connection, method, "Interval not supported", number)
                return
        elif channel == "book":
            detail = {"depth": params.get("depth", 10)}
            if detail["depth"] not in _DEPTHS:
                self._refuse(connection, method, "Depth not supported", number)
                return
        topic = ":".join(str(part) for part in (channel, symbol, *detail.values()))
        if method == "unsubscribe":
            self._hub.unsubscribe(connection, topic)
            self._accept(connection, method, {"channel": channel, **detail, "symbol": symbol}, number)
            return
        snapshot = bool(params.get("snapshot", channel != "trade"))
        if channel == "ohlc":
            self._venue.watch_candle(symbol, INTERVALS[detail["interval"]])
        if not self._hub.subscribe(connection, topic):
            self._refuse(connection, method, "Already subscribed", {**number, "symbol": symbol})
            return
        self._accept(connection, method, {"channel": channel, **detail, "snapshot": snapshot, "symbol": symbol}, number)
        if snapshot:
            self._send_snapshot(connection, channel, symbol, topic, detail)

    def _send_snapshot(
        self, connection: Connection, channel: str, symbol: str, topic: str, detail: Mapping[str, Any]
    ) -> None:
        if channel == "ohlc":
            bars = self._venue.last_bars(symbol, INTERVALS[detail["interval"]], self._venue.now_ms(), _OHLC_SNAPSHOT)
            data = [self._candle(symbol, detail["interval"], bar) for bar in bars]
        elif channel == "trade":
            data = [frames.ws_trade(symbol, trade) for trade in self._venue.last_trades(symbol, 50)]
        elif channel == "ticker":
            ticker = self._ticker(symbol)
            data = [] if ticker is None else [ticker]
        else:
            data = [self._book_snapshot(symbol, topic, detail["depth"])]
        connection.send(self._frame(channel, "snapshot", data), topic)

    def _frame(self, channel: str, kind: str, data: Any, **more: Any) -> bytes:
        if channel == "ohlc":
            more["timestamp"] = fmt.iso(self._venue.now_ms())
        return encode({"channel": channel, "type": kind, "data": data, **more})

    def _publish(self, topic: str, channel: str, data: list[Any]) -> None:
        self._hub.publish(topic, self._frame(channel, "update", data))

    # -------------------------------------------------------------- market

    def _candle(self, symbol: str, minutes: int, bar: Bar) -> dict[str, Any]:
        length_ms = parse_timeframe(INTERVALS[minutes]).next_open(bar.open_ms) - bar.open_ms
        return frames.ws_candle(symbol, minutes, length_ms, bar)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar) -> None:
        """Nothing says that a candle is closed; one without trades is not told of."""
        minutes = _MINUTES.get(timeframe)
        topic = f"ohlc:{symbol}:{minutes}"
        if bar.volume and minutes is not None and self._hub.has(topic):
            self._publish(topic, "ohlc", [self._candle(symbol, minutes, bar)])

    def on_trade(self, symbol: str, trade: Trade) -> None:
        topic = f"trade:{symbol}"
        if self._hub.has(topic):
            self._publish(topic, "trade", [frames.ws_trade(symbol, trade)])

    def on_tick(self) -> None:
        now_s = self._venue.wall_s()
        if now_s - self._heartbeat_s >= _HEARTBEAT_S:
            self._heartbeat_s = now_s
            beat = encode({"channel": "heartbeat"})
            topics = self._hub.topics
            for connection in {each for topic in topics for each in self._hub.subscribers(topic)}:
                connection.send(beat, "heartbeat")
        if now_s - self._book_s >= _BOOK_PERIOD_S:
            self._book_s = now_s
            for topic in self._hub.topics:
                channel, symbol, *detail = topic.split(":")
                if channel == "book":
                    self._tick_book(symbol, topic, int(detail[0]))
                elif channel == "ticker":
                    self._tick_ticker(symbol, topic)

    def _ticker(self, symbol: str) -> dict[str, Any] | None:
        day, mirror = self._venue.day_bar(symbol), self._venue.mirror(symbol)
        mirror.refresh()
        self._quotes[symbol] = (mirror.best_bid, mirror.best_ask, day and day.close)
        if day is None:
            return None
        return frames.ws_ticker(symbol, day, mirror.best_bid, mirror.best_ask, self._venue.now_ms())

    def _tick_ticker(self, symbol: str, topic: str) -> None:
        before = self._quotes.get(symbol)
        ticker = self._ticker(symbol)
        if ticker is not None and before != self._quotes[symbol]:
            self._publish(topic, "ticker", [ticker])

    # -------------------------------------------------------------- books

    def _book_snapshot(self, symbol: str, topic: str, depth: int) -> dict[str, Any]:
        """As last published, so that the changes that follow fit to it."""
        if topic not in self._books or len(self._hub.subscribers(topic)) == 1:
            self._books[topic] = self._best(symbol, depth)
        bids, asks = (list(side.items()) for side in self._books[topic])
        return self._book(symbol, bids, asks, bids, asks)

    def _best(self, symbol: str, depth: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
        mirror = self._venue.mirror(symbol)
        mirror.refresh()
        return dict(mirror.bids[:depth]), dict(mirror.asks[:depth])

    def _tick_book(self, symbol: str, topic: str, depth: int) -> None:
        before = self._books.get(topic, ({}, {}))
        now = self._books[topic] = self._best(symbol, depth)
        bids, asks = (_changes(old, new) for old, new in zip(before, now, strict=True))
        if bids or asks:
            whole_bids, whole_asks = (list(side.items()) for side in now)
            self._publish(topic, "book", [self._book(symbol, bids, asks, whole_bids, whole_asks)])

    def _book(self, symbol: str, bids: Any, asks: Any, whole_bids: Any, whole_asks: Any) -> dict[str, Any]:
        market = self._venue.engine.markets[symbol]
        return {
            "symbol": symbol,
            "bids": frames.ws_levels(bids),
            "asks": frames.ws_levels(asks),
            "checksum": frames.checksum(market, whole_bids, whole_asks),
            "timestamp": fmt.iso(self._venue.now_ms()),
        }

    # -------------------------------------------------------------- account

    def _change_private(
        self,
        connection: Connection,
        method: str,
        channel: str,
        account: str,
        params: Mapping[str, Any],
        number: Mapping[str, Any],
    ) -> None:
        topic = f"{channel}:{account}"
        if method == "unsubscribe":
            self._hub.unsubscribe(connection, topic)
            self._accept(connection, method, {"channel": channel}, number)
            return
        if not self._hub.subscribe(connection, topic):
            self._refuse(connection, method, "Already subscribed", number)
            return
        if channel == "balances":
            self._accept(connection, method, {"channel": channel, "snapshot": True}, number)
            held = self._venue.engine.balances(account).values()
            self._send_private(connection, topic, "snapshot", [frames.balance_row(balance) for balance in held])
            return
        orders, trades = bool(params.get("snap_orders", True)), bool(params.get("snap_trades", False))
        kept = {"snap_orders": orders, "snap_trades": trades, "snapshot": True}
        self._accept(connection, method, {"channel": channel, "maxratecount": 180, **kept}, number)
        if trades:
            self._send_private(connection, topic, "snapshot", self._dialect.last_executions(account))
        self._send_private(connection, topic, "snapshot", self._dialect.open_executions(account) if orders else [])

    def tell(self, channel: str, account: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """An update of a private channel."""
        topic, data = f"{channel}:{account}", list(rows)
        for connection in self._hub.subscribers(topic):
            self._send_private(connection, topic, "update", data)

    def wants(self, channel: str, account: str) -> bool:
        return self._hub.has(f"{channel}:{account}")

    def _send_private(self, connection: Connection, topic: str, kind: str, data: list[Any]) -> None:
        """Numbered per connection."""
        sequence = self._sequences[connection] = self._sequences.get(connection, 0) + 1
        channel = topic.partition(":")[0]
        connection.send(self._frame(channel, kind, data, sequence=sequence), channel)


def _changes(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    gone = [(price, 0) for price in before if price not in after]
    return [level for level in after.items() if before.get(level[0]) != level[1]] + gone
