"""Binance spot's market streams: subscriptions, candles, trades, tickers, order books.

Source: binance-spot-api-docs, web-socket-streams.md. A stream is a topic of the dialect's hub; a connection to
``/stream`` gets its frames wrapped (``{"stream", "data"}``) and so has topics of its own, marked by a slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from btccxt.model import Bar, Trade
from btccxt.sim.connection import Connection, Hub
from btccxt.sim.dialects.base import decode, encode
from btccxt.sim.dialects.binance import format as fmt
from btccxt.sim.dialects.binance.market import best_quotes
from btccxt.sim.mirror import BookChange

if TYPE_CHECKING:
    from btccxt.sim.dialects.base import Venue

MAX_STREAMS = 1024
_KLINE = re.compile(r"([a-z0-9]+)@kline_(1s|[1-9]\d*[mhdw]|1M)")
_BOOK = re.compile(r"([a-z0-9]+)@(bookTicker|depth(5|10|20)?(@100ms)?)")
_TICKER = re.compile(r"([a-z0-9]+)@(ticker|miniTicker)")
_BOOK_PERIOD_S = 0.02
_TICKER_PERIOD_MS = 1_000
_MIN_PERIOD_S = 0.1  # however fast the market's clock runs


@dataclass(slots=True)
class _DepthFeed:
    """Changes of one book since its last frame. One for each update speed."""

    period_s: float
    first_id: int = 0
    last_id: int = 0
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    sent_s: float = float("-inf")

    def add(self, change: BookChange) -> None:
        self.first_id = self.first_id or change.first_id
        self.last_id = change.last_id
        self.bids.update(change.bids)
        self.asks.update(change.asks)

    def take(self) -> tuple[int, int, list[list[str]], list[list[str]]]:
        taken = (self.first_id, self.last_id, fmt.levels(self.bids.items()), fmt.levels(self.asks.items()))
        self.first_id = 0
        self.bids, self.asks = {}, {}
        return taken


class MarketStreams:
    """Serves ``/ws`` and ``/stream`` connections."""

    def __init__(self, venue: Venue, hub: Hub, ids: Mapping[str, str]) -> None:
        self._venue = venue
        self._hub = hub
        self._ids = ids
        self._lower = {symbol: own_id.lower() for symbol, own_id in ids.items()}
        self._symbols = {lower: symbol for symbol, lower in self._lower.items()}
        self._feeds: dict[str, tuple[_DepthFeed, _DepthFeed]] = {}  # by symbol: every 100 ms, every second
        self._tickers_ms = 0
        self._tickers_s = float("-inf")
        self._books_s = float("-inf")

    # -------------------------------------------------------------- subscriptions

    def on_connect(self, connection: Connection) -> None:
        """Streams may be named in the URL: ``/ws/btcusdt@trade``, ``/stream?streams=a/b``."""
        named = connection.path.removeprefix("/ws").strip("/").split("/")
        named += parse_qs(connection.query).get("streams", [""])[0].split("/")
        self._subscribe(connection, [name for name in named if "@" in name])

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            message = decode(text)
        except ValueError as broken:
            connection.send(encode({"error": {"code": 3, "msg": f"Invalid JSON: {broken}"}}))
            return
        number = message.get("id") if isinstance(message, dict) else None
        method = message.get("method") if isinstance(message, dict) else None
        names = message.get("params") or [] if isinstance(message, dict) else []
        known = method in ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")
        if not known or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._answer_error(connection, number, f"Invalid request: unknown or malformed request {method!r}")
        elif method == "LIST_SUBSCRIPTIONS":
            listed = sorted(topic.removeprefix("/") for topic in connection.topics)
            connection.send(encode({"result": listed, "id": number}))
        elif method == "SUBSCRIBE" and len(connection.topics) + len(names) > MAX_STREAMS:
            self._answer_error(connection, number, f"Invalid request: more than {MAX_STREAMS} streams")
        else:
            (self._subscribe if method == "SUBSCRIBE" else self._unsubscribe)(connection, names)
            connection.send(encode({"result": None, "id": number}))

    @staticmethod
    def _answer_error(connection: Connection, number: Any, message: str) -> None:
        connection.send(encode({"error": {"code": 2, "msg": message}, "id": number}))

    def _subscribe(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            self._hub.subscribe(connection, _topic(connection, name))
            self._prepare(name)

    def _prepare(self, name: str) -> None:
        """Have the market make what this stream carries. As on Binance, a stream that does not exist stays empty."""
        kline, book = _KLINE.fullmatch(name), _BOOK.fullmatch(name)
        if kline and kline[1] in self._symbols and kline[2] in fmt.INTERVALS:
            with suppress(ValueError):  # recorded bars cannot be split into shorter ones
                self._venue.watch_candle(self._symbols[kline[1]], kline[2])
        elif book and book[1] in self._symbols:
            self._watch_book(self._symbols[book[1]])

    def _unsubscribe(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            self._hub.unsubscribe(connection, _topic(connection, name))

    # -------------------------------------------------------------- publishing

    def _wanted(self, name: str) -> bool:
        return self._hub.has(name) or self._hub.has(f"/{name}")

    def _publish(self, name: str, event: Any) -> None:
        payload = encode(event)
        self._hub.publish(name, payload)
        if self._hub.has(f"/{name}"):
            wrapped = b'{"stream":' + encode(name) + b',"data":' + payload + b"}"
            self._hub.publish(f"/{name}", wrapped, name)

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        lower = self._lower.get(symbol)
        if lower is None:
            return
        name = f"{lower}@kline_{timeframe}"
        if self._wanted(name):
            event = fmt.kline_event(self._ids[symbol], timeframe, bar, closed, self._venue.now_ms())
            self._publish(name, event)

    def on_trade(self, symbol: str, trade: Trade) -> None:
        lower = self._lower.get(symbol)
        if lower is None:
            return
        if self._wanted(f"{lower}@trade"):
            self._publish(f"{lower}@trade", fmt.trade_event(self._ids[symbol], trade, self._venue.now_ms()))
        if self._wanted(f"{lower}@aggTrade"):
            event = fmt.aggregate_trade_event(self._ids[symbol], trade, self._venue.now_ms())
            self._publish(f"{lower}@aggTrade", event)

    def on_tick(self) -> None:
        now_ms, now_s = self._venue.now_ms(), self._venue.wall_s()
        if now_s - self._books_s >= _BOOK_PERIOD_S:
            self._books_s = now_s
            for symbol in self._feeds:
                self._tick_book(symbol)
        if now_ms - self._tickers_ms >= _TICKER_PERIOD_MS and now_s - self._tickers_s >= _MIN_PERIOD_S:
            self._tickers_ms, self._tickers_s = now_ms, now_s
            self._tick_tickers(now_ms)

    def _tick_tickers(self, now_ms: int) -> None:
        wanted = {topic.removeprefix("/") for topic in self._hub.topics}
        for name in wanted:
            ticker = _TICKER.fullmatch(name)
            symbol = self._symbols.get(ticker[1]) if ticker else None
            if ticker and symbol is not None:
                self._publish_ticker(name, symbol, ticker[2], now_ms)
        for name, kind in (("!miniTicker@arr", "miniTicker"), ("!ticker@arr", "ticker")):
            if name in wanted:
                events = [self._ticker_event(symbol, kind, now_ms) for symbol in self._ids]
                self._publish(name, [event for event in events if event is not None])

    def _publish_ticker(self, name: str, symbol: str, kind: str, now_ms: int) -> None:
        event = self._ticker_event(symbol, kind, now_ms)
        if event is not None:
            self._publish(name, event)

    def _ticker_event(self, symbol: str, kind: str, now_ms: int) -> dict[str, Any] | None:
        day = self._venue.day_bar(symbol)
        if day is None:
            return None
        if kind == "miniTicker":
            return fmt.mini_ticker_event(self._ids[symbol], day, now_ms)
        mirror = self._venue.mirror(symbol)
        mirror.refresh()
        return fmt.day_ticker_event(self._ids[symbol], day, now_ms, *best_quotes(mirror))

    # -------------------------------------------------------------- order books

    def _watch_book(self, symbol: str) -> None:
        if symbol not in self._feeds:
            self._feeds[symbol] = (_DepthFeed(0.1), _DepthFeed(1.0))
            mirror = self._venue.mirror(symbol)
            mirror.refresh()
            mirror.listeners.append(self._on_book_change)

    def _on_book_change(self, change: BookChange) -> None:
        for feed in self._feeds[change.symbol]:
            feed.add(change)
        name = f"{self._lower[change.symbol]}@bookTicker"
        if change.best_changed and self._wanted(name):
            mirror = self._venue.mirror(change.symbol)
            event = fmt.book_ticker_event(self._ids[change.symbol], change.last_id, *best_quotes(mirror))
            self._publish(name, event)

    def _tick_book(self, symbol: str) -> None:
        mirror = self._venue.mirror(symbol)
        mirror.refresh()
        now_s = self._venue.wall_s()
        fast, slow = self._feeds[symbol]
        for feed, suffix in ((fast, "@100ms"), (slow, "")):
            if not feed.first_id or now_s - feed.sent_s < feed.period_s:
                continue
            feed.sent_s = now_s
            self._send_depth(symbol, feed, suffix)

    def _send_depth(self, symbol: str, feed: _DepthFeed, suffix: str) -> None:
        first_id, last_id, bids, asks = feed.take()
        lower = self._lower[symbol]
        name = f"{lower}@depth{suffix}"
        if self._wanted(name):
            event = {
                "e": "depthUpdate",
                "E": self._venue.now_ms(),
                "s": self._ids[symbol],
                "U": first_id,
                "u": last_id,
                "b": bids,
                "a": asks,
            }
            self._publish(name, event)
        mirror = self._venue.mirror(symbol)
        for count in (5, 10, 20):
            name = f"{lower}@depth{count}{suffix}"
            if self._wanted(name):
                snapshot = {
                    "lastUpdateId": mirror.update_id,
                    "bids": fmt.levels(mirror.bids[:count]),
                    "asks": fmt.levels(mirror.asks[:count]),
                }
                self._publish(name, snapshot)


def _topic(connection: Connection, name: str) -> str:
    return f"/{name}" if connection.path.startswith("/stream") else name
