"""Binance USD-M's listen keys: who has one, until when, and which connections were opened with it."""

from __future__ import annotations

import random
import string

from btccxt.sim.connection import Connection, Hub
from btccxt.sim.dialects.base import Venue, encode

_KEY_LETTERS = string.ascii_letters + string.digits
_KEY_LIFE_S = 3_600.0  # wall time: clients renew by their own clocks


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
        key = "".join(self._random.choices(_KEY_LETTERS, k=64))
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


def user_topic(account: str) -> str:
    return f"user:{account}"
