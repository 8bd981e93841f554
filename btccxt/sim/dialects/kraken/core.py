"""Kraken's accounts behind its endpoints: pair names, user references, tokens, what a snapshot of executions shows."""

from __future__ import annotations

import random
import string
from typing import Any

from btccxt.matching.records import NewOrder, SimOrder
from btccxt.model import Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import Dialect, Venue
from btccxt.sim.dialects.dead_man import DeadMansSwitches
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.dialects.kraken.closes import ConditionalCloses
from btccxt.sim.dialects.kraken.errors import error

PRIVATE_HOST = "ws-auth.kraken.com"
_TOKEN_LIFE_S = 900
_TOKEN_LETTERS = string.ascii_letters + string.digits + "+/"
_SNAPSHOT_TRADES = 50


class KrakenCore(Dialect):
    """State of the accounts, and what endpoints and streams ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._names = {fmt.pair_altname(market): own_id for own_id, market in self.markets.items()}
        self._tokens: dict[str, tuple[str, float]] = {}  # token -> account, and until when (wall)
        self.switches = DeadMansSwitches()
        self._user_refs: dict[str, int] = {}  # by order id
        self._placing: tuple[int, NewOrder | None] = (0, None)  # user reference and close of a new order
        self.closes = ConditionalCloses(venue.engine, self._submit_close)
        self._random = random.Random(f"{venue.seed}:kraken")

    def market_of(self, name: str) -> tuple[str, Market]:
        """By id or alternative name."""
        own_id = self._names.get(name, name)
        if own_id not in self.markets:
            raise error("EQuery:Unknown asset pair")
        return own_id, self.markets[own_id]

    def submit(
        self, owner: str, order: NewOrder, now_ms: int, user_ref: int, close: NewOrder | None = None
    ) -> SimOrder:
        """``close``: what each execution makes. Raises EngineReject."""
        before, self._placing = self._placing, (user_ref, close)
        try:
            return self.venue.engine.submit(owner, order, now_ms)
        finally:
            self._placing = before

    def _submit_close(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        return self.submit(owner, order, now_ms, self._user_refs.get(order.parent_id or "", 0))

    def user_ref_of(self, order: SimOrder) -> int:
        return self._user_refs.get(order.order_id, 0)

    def new_token(self, account: str) -> tuple[str, int]:
        """A token to subscribe with, and for how many seconds it may be used."""
        token = "".join(self._random.choices(_TOKEN_LETTERS, k=43))
        self._tokens[token] = account, self.venue.wall_s() + _TOKEN_LIFE_S
        return token, _TOKEN_LIFE_S

    def account_of_token(self, token: str) -> str | None:
        account, until_s = self._tokens.get(token, ("", 0.0))
        return account if account and self.venue.wall_s() < until_s else None

    def expire_tokens(self) -> None:
        """What was subscribed with them stays; nothing new can be."""
        self._tokens.clear()

    def is_private(self, connection: Connection) -> bool:
        return connection.host == PRIVATE_HOST

    def open_executions(self, account: str) -> list[dict[str, Any]]:
        """For the snapshot of a subscription."""
        orders = self.venue.engine.orders(account, None, open_only=True)
        return [
            frames.execution_open(order.symbol, order, self.user_ref_of(order), "new", self.closes.of(order.order_id))
            for order in orders
            if order.symbol in self.ids
        ]

    def last_executions(self, account: str) -> list[dict[str, Any]]:
        engine = self.venue.engine
        rows = []
        for fill in engine.fills(account)[-_SNAPSHOT_TRADES:]:
            if fill.symbol in self.ids:
                order = engine.order(account, symbol=fill.symbol, order_id=fill.order_id)
                rows.append(frames.execution_trade(fill.symbol, order, fill, self.user_ref_of(order)))
        return rows
