"""OKX v5's WebSockets: login, subscriptions, candles, trades, tickers, order books.

Source: www.okx.com/docs-v5, "WebSocket". A topic of the hub is the canonical text of a subscription's ``arg``; private
ones begin with the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from btccxt.model import Bar, Market, Trade
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import decode, encode, hmac_base64, same
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx.account import account_row, position_rows
from btccxt.sim.dialects.okx.core import OkxCore
from btccxt.sim.dialects.okx.errors import ws_error
from btccxt.sim.dialects.okx.market import ticker_row

_LOGIN_WINDOW_MS = 30_000
_PERIOD_S = 0.05  # of order books and tickers, however fast the market's clock runs
_PRIVATE = {
    "/ws/v5/private": frozenset({"orders", "account", "positions", "balance_and_position", "fills"}),
    "/ws/v5/business": frozenset({"orders-algo", "algo-advance"}),
    "/ws/v5/public": frozenset(),
}
_BOOKS = {"books": 400, "books5": 5, "bbo-tbt": 1}
_INSTRUMENT_TYPES = frozenset({"ANY", "SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"})


@dataclass(slots=True)
class _BookState:
    """What subscribers of a 'books' channel have been told."""

    sequence: int = 0
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)


def topic_of(channel: str, *parts: str) -> str:
    """``candle1m:BTC-USDT``, ``orders:SPOT:BTC-USDT``, ``account``."""
    return ":".join(part for part in (channel, *parts) if part)


class OkxStreams:
    def __init__(self, dialect: OkxCore) -> None:
        self._dialect = dialect
        self._venue, self._hub = dialect.venue, dialect.hub
        self._books: dict[str, _BookState] = {}
        self._tickers: dict[str, dict[str, Any]] = {}
        self._sent_s = float("-inf")

    # -------------------------------------------------------------- in

    def on_message(self, connection: Connection, text: str) -> None:
        if text == "ping":
            connection.send(b"pong")
            return
        try:
            message = decode(text)
        except ValueError:
            message = None
        args = message.get("args") if isinstance(message, dict) else None
        operation = message.get("op") if isinstance(message, dict) else None
        if not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args):
            self._refuse(connection, 60012, f"Invalid request: {text}")
        elif operation == "login":
            self._login(connection, args[0] if args else {})
        elif operation in ("subscribe", "unsubscribe"):
            for arg in args:
                self._change(connection, operation, arg, message.get("id"))
        else:
            self._refuse(connection, 60012, f"Illegal request: {text}")

    def _refuse(self, connection: Connection, code: int, message: str, **more: Any) -> None:
        connection.send(encode(ws_error(code, message, _connection_id(connection), **more)))

    def _login(self, connection: Connection, arg: Mapping[str, Any]) -> None:
        key, phrase, stamp, sign = (str(arg.get(name, "")) for name in ("apiKey", "passphrase", "timestamp", "sign"))
        account = self._venue.account_by_key(key)
        if account is None:
            self._refuse(connection, 60005, "Invalid apiKey")
            return
        # A client's clock is judged in wall time: a faster market clock stretches what it may be off by.
        off_ms = abs(int(stamp) * 1000 - self._venue.server_time_ms()) if stamp.isdecimal() else _LOGIN_WINDOW_MS**2
        if self._venue.checks_time() and off_ms > _LOGIN_WINDOW_MS * self._venue.speed:
            self._refuse(connection, 60006, "Timestamp request expired")
        elif not same(hmac_base64(account.secret, f"{stamp}GET/users/self/verify"), sign):
            self._refuse(connection, 60007, "Invalid sign")
        elif phrase != account.password:
            self._refuse(connection, 60024, "Wrong passphrase")
        else:
            connection.state = account.name
            answer = {"event": "login", "code": "0", "msg": "", "connId": _connection_id(connection)}
            connection.send(encode(answer))

    def _change(self, connection: Connection, operation: str, arg: dict[str, Any], number: Any) -> None:
        channel, own_id = str(arg.get("channel", "")), str(arg.get("instId", ""))
        kind = str(arg.get("instType", ""))
        more = {} if number is None else {"id": number}
        private = channel in _PRIVATE[connection.path]
        if private and connection.state is None:
            self._refuse(connection, 60011, "Please log in", **more)
            return
        wrong_id = bool(own_id) and own_id not in self._dialect.markets
        if wrong_id or not (private or self._is_public(connection.path, channel, own_id)):
            what = f"channel:{channel},instId:{own_id}" if own_id else f"channel:{channel}"
            self._refuse(connection, 60018, f"Wrong URL or {what} doesn't exist. Please use the correct URL.", **more)
            return
        if private and channel in ("orders", "positions", "orders-algo", "algo-advance"):
            if kind not in _INSTRUMENT_TYPES:
                self._refuse(connection, 60012, "Invalid request: instType", **more)
                return
            topic = topic_of(f"{connection.state}/{channel}", kind, own_id)
        else:
            topic = topic_of(f"{connection.state}/{channel}" if private else channel, own_id)
        connection.send(encode({"event": operation, "arg": arg, "connId": _connection_id(connection), **more}))
        if operation == "unsubscribe":
            self._hub.unsubscribe(connection, topic)
        elif self._hub.subscribe(connection, topic):
            self._begin(connection, channel, topic, arg)

    def _is_public(self, path: str, channel: str, own_id: str) -> bool:
        if not own_id:
            return False
        if path == "/ws/v5/business":
            return channel.removeprefix("candle") in fmt.BARS and channel.startswith("candle")
        return path == "/ws/v5/public" and channel in ("trades", "tickers", *_BOOKS)

    def _begin(self, connection: Connection, channel: str, topic: str, arg: dict[str, Any]) -> None:
        """Have the market make what the topic carries, and send the snapshot that it begins with."""
        market = self._dialect.markets.get(str(arg.get("instId", "")))
        if channel.startswith("candle") and market is not None:
            with suppress(ValueError):  # recorded bars cannot be split into shorter ones
                self._venue.watch_candle(market.symbol, fmt.BARS[channel.removeprefix("candle")])
        elif channel == "tickers" and market is not None:
            row = ticker_row(self._dialect, str(arg["instId"]), market)
            self._tickers[topic] = row
            connection.send(encode({"arg": arg, "data": [row]}), topic)
        elif channel in _BOOKS and market is not None:
            if topic not in self._books:
                self._books[topic] = _BookState()
                self._refresh_book(topic, market, _BOOKS[channel])
            connection.send(encode(self._book_frame(arg, self._books[topic], market, channel)), topic)
        elif channel == "account":
            connection.send(encode({"arg": arg, "data": [account_row(self._dialect, connection.state)]}), topic)
        elif channel == "positions":
            rows = position_rows(self._dialect, connection.state)
            connection.send(encode({"arg": arg, "data": rows}), topic)

    # -------------------------------------------------------------- out

    def publish(self, topic: str, frame: Any) -> None:
        self._hub.publish(topic, encode(frame), topic.partition("/")[2] or topic)

    def tell(self, account: str, channel: str, own_id: str, kind: str, data: list[dict[str, Any]]) -> None:
        """To all subscriptions that a private event of one instrument concerns."""
        for named_kind in ("ANY", kind):
            for named_id in ("", own_id):
                topic = topic_of(f"{account}/{channel}", named_kind, named_id)
                if self._hub.has(topic):
                    arg = {"channel": channel, "instType": named_kind, **({"instId": named_id} if named_id else {})}
                    self.publish(topic, {"arg": {**arg, "uid": "1"}, "data": data})

    def tell_account(self, account: str, coins: Iterable[str]) -> None:
        topic = topic_of(f"{account}/account")
        if self._hub.has(topic):
            row = account_row(self._dialect, account, tuple(coins))
            self.publish(topic, {"arg": {"channel": "account", "uid": "1"}, "data": [row]})

    def on_candle(self, symbol: str, timeframe: str, bar: Bar, closed: bool) -> None:
        name, own_id = fmt.BAR_OF.get(timeframe), self._dialect.ids.get(symbol)
        if name is None or own_id is None:
            return
        topic = topic_of(f"candle{name}", own_id)
        if self._hub.has(topic):
            row = fmt.candle_row(bar, self._dialect.markets[own_id], closed)
            self.publish(topic, {"arg": {"channel": f"candle{name}", "instId": own_id}, "data": [row]})

    def on_trade(self, symbol: str, trade: Trade) -> None:
        own_id = self._dialect.ids.get(symbol)
        if own_id is None:
            return
        topic = topic_of("trades", own_id)
        if self._hub.has(topic):
            self.publish(topic, {"arg": {"channel": "trades", "instId": own_id}, "data": [fmt.trade(own_id, trade)]})

    def on_tick(self) -> None:
        now_s = self._venue.wall_s()
        if now_s - self._sent_s < _PERIOD_S:
            return
        self._sent_s = now_s
        for topic in [topic for topic in tuple(self._tickers) if self._keep(self._tickers, topic)]:
            self._tick_ticker(topic)
        for topic in [topic for topic in tuple(self._books) if self._keep(self._books, topic)]:
            self._tick_book(topic)

    def _keep(self, states: dict[str, Any], topic: str) -> bool:
        """Whether anybody still listens; what nobody listens to is forgotten."""
        if not self._hub.has(topic):
            del states[topic]
        return topic in states

    def _tick_ticker(self, topic: str) -> None:
        own_id = topic.rpartition(":")[2]
        row = ticker_row(self._dialect, own_id, self._dialect.markets[own_id])
        if {**row, "ts": ""} != {**self._tickers[topic], "ts": ""}:
            self._tickers[topic] = row
            self.publish(topic, {"arg": {"channel": "tickers", "instId": own_id}, "data": [row]})

    # -------------------------------------------------------------- order books

    def _tick_book(self, topic: str) -> None:
        channel, _, own_id = topic.partition(":")
        market, state = self._dialect.markets[own_id], self._books[topic]
        before = state.sequence
        changed = self._refresh_book(topic, market, _BOOKS[channel])
        if changed is None:
            return
        arg = {"channel": channel, "instId": own_id}
        if channel != "books":
            self.publish(topic, self._book_frame(arg, state, market, channel))
            return
        row = self._book_row(changed[0], changed[1], state.sequence, before)
        self.publish(topic, {"arg": arg, "action": "update", "data": [row]})

    def _refresh_book(self, topic: str, market: Market, depth: int) -> tuple[list[Any], list[Any]] | None:
        """Changed bids and asks since the last look; None if nothing changed."""
        state, mirror = self._books[topic], self._venue.mirror(market.symbol)
        mirror.refresh()
        bids, asks = dict(mirror.bids[:depth]), dict(mirror.asks[:depth])
        changed = _changes(state.bids, bids), _changes(state.asks, asks)
        if not any(changed):
            return None
        state.bids, state.asks, state.sequence = bids, asks, mirror.update_id
        return changed

    def _book_frame(self, arg: Mapping[str, Any], state: _BookState, market: Market, channel: str) -> dict[str, Any]:
        row = self._book_row(state.bids.items(), state.asks.items(), state.sequence, -1)
        if channel == "books":
            return {"arg": arg, "action": "snapshot", "data": [row]}
        return {"arg": arg, "data": [{**row, "instId": arg["instId"]}]}

    def _book_row(self, bids: Iterable[Any], asks: Iterable[Any], sequence: int, before: int) -> dict[str, Any]:
        return {
            "asks": fmt.levels(asks),
            "bids": fmt.levels(bids),
            "ts": str(self._venue.now_ms()),
            "checksum": 0,
            "seqId": sequence,
            "prevSeqId": before,
        }


def _connection_id(connection: Connection) -> str:
    return f"sim{connection.serial}"


def _changes(before: Mapping[Decimal, Decimal], after: Mapping[Decimal, Decimal]) -> list[tuple[Decimal, Decimal]]:
    gone = [(price, Decimal(0)) for price in before if price not in after]
    return gone + [(price, amount) for price, amount in after.items() if before.get(price) != amount]
