"""Bybit v5's WebSockets: subscriptions, candles, trades, tickers, order books, and the private channel's handshake.

Source: bybit-exchange.github.io/docs/v5/ws/connect. Public topics of the hub carry their category before a slash
(``spot/kline.1.BTCUSDT``), private ones the account (``main/order``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from btccxt.model import Bar, Market, Trade
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import decode, encode, hmac_hex, same
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.market import ticker_row

_PRIVATE = frozenset({"order", "execution", "execution.fast", "position", "wallet", "greeks", "dcp"})
_CATEGORIES = ("", ".spot", ".linear", ".inverse", ".option")
_DEPTHS = frozenset({"1", "50", "200", "500", "1000"})
_MAX_SPOT_ARGS = 10
_AUTH_AHEAD_MS = 10_000  # what clients add to the time of their signature
_PERIOD_S = 0.05  # of order books and tickers, however fast the market's clock runs


@dataclass(slots=True)
class _BookState:
    """What subscribers of one depth of one book have been told."""

    market: Market
    depth: int
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)


class BybitStreams:
    def __init__(self, dialect: BybitCore) -> None:
        self._dialect = dialect
        self._venue, self._hub = dialect.venue, dialect.hub
        self._books: dict[str, _BookState] = {}  # by topic of the hub
        self._tickers: dict[str, tuple[str, Market, dict[str, Any]]] = {}
        self._sent_s = float("-inf")

    # -------------------------------------------------------------- in

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            message = decode(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._answer(connection, {}, "error:invalid json")
            return
        operation, args = message.get("op"), message.get("args")
        if operation == "ping":
            self._pong(connection, message)
        elif operation == "auth" and isinstance(args, list) and connection.path == "/v5/private":
            self._authenticate(connection, args)
        elif operation in ("subscribe", "unsubscribe") and isinstance(args, list):
            self._change(connection, message, [str(arg) for arg in args])
        else:
            self._answer(connection, message, f"error:invalid op: {operation}")

    def _pong(self, connection: Connection, message: Mapping[str, Any]) -> None:
        about = {"req_id": message.get("req_id", ""), "conn_id": f"sim-{connection.serial}"}
        if connection.path == "/v5/private":
            connection.send(encode({**about, "op": "pong", "args": [str(self._venue.server_time_ms())]}))
        else:
            connection.send(encode({**about, "success": True, "ret_msg": "pong", "op": "ping"}))

    def _answer(self, connection: Connection, message: Mapping[str, Any], trouble: str = "") -> None:
        answer = {
            "success": not trouble,
            "ret_msg": trouble,
            "conn_id": f"sim-{connection.serial}",
            "op": message.get("op", ""),
        }
        if "req_id" in message:
            answer["req_id"] = str(message["req_id"])
        connection.send(encode(answer))

    def _authenticate(self, connection: Connection, args: list[Any]) -> None:
        key, expires, signature = (*(str(arg) for arg in args), "", "", "")[:3]
        account = self._venue.account_by_key(key)
        code, trouble = 0, ""
        # A client's clock is judged in wall time: a faster market clock stretches what it may be off by.
        late_ms = self._venue.server_time_ms() - int(expires) + _AUTH_AHEAD_MS if expires.isdecimal() else 0
        if account is None:
            code, trouble = 10003, "Invalid apikey"
        elif self._venue.checks_time() and late_ms > _AUTH_AHEAD_MS * self._venue.speed:
            code, trouble = 10002, "Params Error: expires is in the past"
        elif not same(hmac_hex(account.secret, f"GET/realtime{expires}"), signature):
            code, trouble = 10004, "Invalid sign"
        else:
            connection.state = account.name
        if code:
            failure = {"op": "auth", "success": False, "retCode": code, "retMsg": trouble}
            connection.send(encode({**failure, "connId": f"sim-{connection.serial}"}))
        else:
            self._answer(connection, {"op": "auth"})

    def _change(self, connection: Connection, message: Mapping[str, Any], topics: list[str]) -> None:
        is_private = connection.path == "/v5/private"
        category = connection.path.rpartition("/")[2]
        if is_private and connection.state is None:
            self._answer(connection, message, "Request not authorized")
            return
        if category == "spot" and len(topics) > _MAX_SPOT_ARGS:
            self._answer(connection, message, "args size >10")
            return
        unknown = [t for t in topics if not (_is_private(t) if is_private else self._is_public(category, t))]
        if unknown:
            self._answer(connection, message, f"error:handler not found,topic:{unknown[0]}")
            return
        scope = connection.state if is_private else category
        self._answer(connection, message)
        for topic in topics:
            if message["op"] == "unsubscribe":
                self._hub.unsubscribe(connection, f"{scope}/{topic}")
            elif self._hub.subscribe(connection, f"{scope}/{topic}") and not is_private:
                self._begin(connection, category, topic)

    def _is_public(self, category: str, topic: str) -> bool:
        channel, _, rest = topic.partition(".")
        option, _, own_id = rest.rpartition(".")
        if (category, own_id) not in self._dialect.by_category:
            return False
        if channel in ("publicTrade", "tickers"):
            return not option
        return option in (fmt.INTERVALS if channel == "kline" else _DEPTHS if channel == "orderbook" else ())

    def _begin(self, connection: Connection, category: str, topic: str) -> None:
        """Have the market make what the topic carries, and send the snapshot that it begins with."""
        channel, *options, own_id = topic.split(".")
        market, name = self._dialect.by_category[category, own_id], f"{category}/{topic}"
        if channel == "kline":
            with suppress(ValueError):  # recorded bars cannot be split into shorter ones
                self._venue.watch_candle(market.symbol, fmt.INTERVALS[options[0]])
        elif channel == "tickers":
            row = fmt.ticker_event(ticker_row(self._dialect, own_id, market), market)
            _, _, known = self._tickers.setdefault(name, (own_id, market, row))
            connection.send(encode(self._ticker_frame(topic, "snapshot", known)), topic)
        elif channel == "orderbook":
            if name not in self._books:
                self._books[name] = _BookState(market, int(options[0]))
                self._tick_book(name)
            state = self._books[name]
            rows = (state.bids.items(), state.asks.items())
            connection.send(encode(self._book_frame(topic, "snapshot", own_id, market, *rows)), topic)

    # -------------------------------------------------------------- out

    def publish(self, name: str, frame: Any) -> None:
        self._hub.publish(name, encode(frame), name.partition("/")[2])

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        interval, own_id = fmt.INTERVAL_OF.get(timeframe), self._dialect.ids.get(symbol)
        if interval is None or own_id is None:
            return
        topic = f"kline.{interval}.{own_id}"
        name = f"{self._dialect.category_of(symbol)}/{topic}"
        if self._hub.has(name):
            now_ms = self._venue.now_ms()
            data = [fmt.kline_event(interval, bar, closed, now_ms)]
            self.publish(name, {"topic": topic, "data": data, "ts": now_ms, "type": "snapshot"})

    def on_trade(self, symbol: str, trade: Trade) -> None:
        own_id = self._dialect.ids.get(symbol)
        if own_id is None:
            return
        topic = f"publicTrade.{own_id}"
        name = f"{self._dialect.category_of(symbol)}/{topic}"
        if self._hub.has(name):
            data = [fmt.trade_event(own_id, trade)]
            self.publish(name, {"topic": topic, "ts": self._venue.now_ms(), "type": "snapshot", "data": data})

    def on_tick(self) -> None:
        now_s = self._venue.wall_s()
        if now_s - self._sent_s < _PERIOD_S:
            return
        self._sent_s = now_s
        for name in [name for name in tuple(self._books) if self._keep(self._books, name)]:
            self._tick_book(name)
        for name in [name for name in tuple(self._tickers) if self._keep(self._tickers, name)]:
            self._tick_ticker(name)

    def _keep(self, states: dict[str, Any], name: str) -> bool:
        """Whether anybody still listens; what nobody listens to is forgotten."""
        if not self._hub.has(name):
            del states[name]
        return name in states

    def _tick_ticker(self, name: str) -> None:
        own_id, market, before = self._tickers[name]
        row = fmt.ticker_event(ticker_row(self._dialect, own_id, market), market)
        changed = {field: value for field, value in row.items() if before.get(field) != value}
        if not changed:
            return
        self._tickers[name] = own_id, market, row
        topic = name.partition("/")[2]
        if market.is_contract:  # contracts send what has changed, spot sends all
            self.publish(name, self._ticker_frame(topic, "delta", {"symbol": own_id, **changed}))
        else:
            self.publish(name, self._ticker_frame(topic, "snapshot", row))

    def _ticker_frame(self, topic: str, kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        return {"topic": topic, "type": kind, "data": row, "cs": now_ms, "ts": now_ms}

    def _tick_book(self, name: str) -> None:
        state = self._books[name]
        mirror = self._venue.mirror(state.market.symbol)
        mirror.refresh()
        bids, asks = dict(mirror.bids[: state.depth]), dict(mirror.asks[: state.depth])
        changed_bids, changed_asks = _changes(state.bids, bids), _changes(state.asks, asks)
        if not changed_bids and not changed_asks:
            return
        state.bids, state.asks = bids, asks
        if self._hub.has(name):
            own_id, topic = self._dialect.ids[state.market.symbol], name.partition("/")[2]
            kind = "snapshot" if state.depth == 1 else "delta"
            rows = (bids.items(), asks.items()) if state.depth == 1 else (changed_bids, changed_asks)
            self.publish(name, self._book_frame(topic, kind, own_id, state.market, *rows))

    def _book_frame(self, topic: str, kind: str, own_id: str, market: Market, bids: Any, asks: Any) -> dict[str, Any]:
        update_id, now_ms = self._venue.mirror(market.symbol).update_id, self._venue.now_ms()
        data = {"s": own_id, "b": fmt.levels(bids), "a": fmt.levels(asks), "u": update_id, "seq": update_id}
        return {"topic": topic, "type": kind, "ts": now_ms, "data": data, "cts": now_ms}


def _is_private(topic: str) -> bool:
    return any(topic == f"{name}{category}" for name in _PRIVATE for category in _CATEGORIES)


def _changes(before: Mapping[Decimal, Decimal], after: Mapping[Decimal, Decimal]) -> list[tuple[Decimal, Decimal]]:
    gone = [(price, Decimal(0)) for price in before if price not in after]
    return gone + [(price, amount) for price, amount in after.items() if before.get(price) != amount]
