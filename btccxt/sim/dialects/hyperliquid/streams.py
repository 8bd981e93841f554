"""Hyperliquid's WebSocket: one socket for markets, accounts, questions and actions.

Source: hyperliquid.gitbook.io, "WebSocket". A topic of the hub is the channel with what it is of: ``trades:BTC``,
``candle:BTC:1m``, ``orderUpdates:main``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from btccxt.model import Bar, Trade
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import decode, encode
from btccxt.sim.dialects.hyperliquid import format as fmt
from btccxt.sim.dialects.hyperliquid import info, keys
from btccxt.sim.dialects.hyperliquid.core import HyperliquidCore

_OF_COINS = frozenset({"trades", "l2Book", "candle", "activeAssetCtx"})
_OF_ACCOUNTS = frozenset({"orderUpdates", "userFills", "clearinghouseState", "spotState", "userFundings"})
_PERIOD_S = 0.05  # of order books and contexts, however fast the market's clock runs


class HyperliquidStreams:
    def __init__(self, dialect: HyperliquidCore) -> None:
        self._dialect = dialect
        self._venue, self._hub = dialect.venue, dialect.hub
        self._asked: dict[str, Mapping[str, Any]] = {}  # by topic: the subscription, as it was written
        self._last: dict[str, Any] = {}  # by topic: what was sent last
        self._sent_s = float("-inf")

    # -------------------------------------------------------------- in

    def on_message(self, connection: Connection, text: str) -> None:
        try:
            message = decode(text)
        except ValueError:
            message = None
        method = message.get("method") if isinstance(message, dict) else None
        if method == "ping":
            connection.send(encode({"channel": "pong"}))
        elif isinstance(message, dict) and method in ("subscribe", "unsubscribe"):
            self._change(connection, str(method), message.get("subscription") or {})
        elif isinstance(message, dict) and method == "post":
            self._dialect.post(connection, message.get("id"), message.get("request") or {})
        else:
            self._fail(connection, f"Error parsing JSON into valid websocket request: {text}")

    def _fail(self, connection: Connection, why: str) -> None:
        connection.send(encode({"channel": "error", "data": why}))

    def _change(self, connection: Connection, method: str, asked: Mapping[str, Any]) -> None:
        topic = self._topic(asked)
        if topic is None:
            self._fail(connection, f"Invalid subscription {encode(asked).decode()}")
            return
        if method == "unsubscribe":
            self._hub.unsubscribe(connection, topic)
        elif not self._hub.subscribe(connection, topic):
            self._fail(connection, f"Already subscribed: {encode(asked).decode()}")
            return
        else:
            self._asked[topic] = asked
        connection.send(encode({"channel": "subscriptionResponse", "data": {"method": method, "subscription": asked}}))
        if method == "subscribe":
            self._begin(connection, topic, asked)

    def _topic(self, asked: Mapping[str, Any]) -> str | None:
        channel, coin = str(asked.get("type")), str(asked.get("coin"))
        if channel in _OF_ACCOUNTS:
            account = self._dialect.account_at(asked.get("user"))
            return None if account is None else f"{channel}:{account.name}"
        if channel == "allMids":
            return channel
        if channel not in _OF_COINS or self._dialect.market_at(coin) is None:
            return None
        if channel == "candle":
            interval = str(asked.get("interval"))
            return f"{channel}:{coin}:{interval}" if interval in fmt.INTERVALS else None
        return f"{channel}:{coin}"

    def _begin(self, connection: Connection, topic: str, asked: Mapping[str, Any]) -> None:
        """Have the market make what the topic carries, and send what it begins with."""
        channel, _, name = topic.partition(":")
        if channel == "candle":
            market = self._dialect.market_at(asked["coin"])
            with suppress(ValueError):  # recorded bars cannot be split into shorter ones
                if market is not None:
                    self._venue.watch_candle(market.symbol, str(asked["interval"]))
        elif channel == "userFills":
            fills = info.user_fills(self._dialect, asked)
            data = {"isSnapshot": True, "user": str(asked["user"]), "fills": fills}
            self._send([connection], topic, channel, data)
        elif channel == "clearinghouseState":
            self._send([connection], topic, channel, self._clearinghouse(name))
        elif channel == "spotState":
            self._send([connection], topic, channel, self._spot(name))
        elif channel in ("l2Book", "activeAssetCtx", "allMids"):
            self._last[topic] = None
            self._tick(topic)

    # -------------------------------------------------------------- out

    def _send(self, connections: Iterable[Connection], topic: str, channel: str, data: Any) -> None:
        frame = encode({"channel": channel, "data": data})
        stream = "user" if topic.partition(":")[0] in _OF_ACCOUNTS else topic
        for connection in connections:
            connection.send(frame, stream)

    def _publish(self, topic: str, channel: str, data: Any) -> None:
        self._send(self._hub.subscribers(topic), topic, channel, data)

    def tell_order(self, account: str, row: Mapping[str, Any]) -> None:
        self._publish(f"orderUpdates:{account}", "orderUpdates", [row])

    def tell_fill(self, account: str, row: Mapping[str, Any]) -> None:
        topic = f"userFills:{account}"
        if self._hub.has(topic):
            user = keys.address(self._venue.accounts[account])
            self._publish(topic, "userFills", {"user": user, "fills": [row]})

    def tell_state(self, account: str) -> None:
        if self._hub.has(f"clearinghouseState:{account}"):
            self._publish(f"clearinghouseState:{account}", "clearinghouseState", self._clearinghouse(account))
        if self._hub.has(f"spotState:{account}"):
            self._publish(f"spotState:{account}", "spotState", self._spot(account))

    def _clearinghouse(self, account: str) -> dict[str, Any]:
        user = keys.address(self._venue.accounts[account])
        return {"user": user, "dex": "", "clearinghouseState": self._dialect.clearinghouse_state(account)}

    def _spot(self, account: str) -> dict[str, Any]:
        return {"user": keys.address(self._venue.accounts[account]), "spotState": self._dialect.spot_state(account)}

    def on_candle(self, symbol: str, timeframe: str, bar: Bar) -> None:
        """Nothing says that a candle is closed."""
        coin = self._dialect.ids[symbol]
        topic = f"candle:{coin}:{timeframe}"
        if self._hub.has(topic):
            self._publish(topic, "candle", fmt.candle(coin, timeframe, bar))

    def on_trade(self, symbol: str, trade: Trade) -> None:
        coin = self._dialect.ids[symbol]
        if self._hub.has(f"trades:{coin}"):
            self._publish(f"trades:{coin}", "trades", [fmt.trade(coin, trade)])

    def on_tick(self) -> None:
        now_s = self._venue.wall_s()
        if now_s - self._sent_s < _PERIOD_S:
            return
        self._sent_s = now_s
        for topic in self._hub.topics:
            if topic.partition(":")[0] in ("l2Book", "activeAssetCtx", "allMids"):
                self._tick(topic)

    def _tick(self, topic: str) -> None:
        """Send what has changed, whole."""
        channel, asked = topic.partition(":")[0], self._asked[topic]
        data: Any
        if channel == "allMids":
            data = same = {"mids": info.all_mids(self._dialect, asked)}
        elif channel == "l2Book":
            data = info.book(self._dialect, asked)
            same = data["levels"]
        else:
            market = self._dialect.market_at(asked["coin"])
            assert market is not None
            channel = "activeAssetCtx" if market.is_contract else "activeSpotAssetCtx"
            data = same = {"coin": asked["coin"], "ctx": info.context(self._dialect, market)}
        if same != self._last.get(topic):
            self._last[topic] = same
            self._publish(topic, channel, data)
