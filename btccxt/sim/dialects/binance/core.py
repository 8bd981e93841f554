"""Binance spot's accounts behind its endpoints: client ids, placing, cancelling, order lists, private events."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from btccxt.matching.records import NewOrder, RejectCode, SimFill, SimOrder, SimStatus
from btccxt.model import ZERO
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import Venue, encode
from btccxt.sim.dialects.binance import order_format as fmt
from btccxt.sim.dialects.binance.lists import OrderLists
from btccxt.sim.dialects.binance.protocol import BinanceProtocol

_ID_LETTERS = string.ascii_letters + string.digits


class BinanceSpotCore(BinanceProtocol):
    """State of the accounts, and what endpoints ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.lists = OrderLists(self.name, venue, self.ids, self.new_client_id, self.tell)
        self._random = random.Random(f"{venue.seed}:binance")
        self._fresh_fills: list[SimFill] = []
        self._cancel_id: str | None = None
        self._sequence = 0

    def new_client_id(self) -> str:
        return "".join(self._random.choices(_ID_LETTERS, k=22))

    def submit(self, owner: str, order: NewOrder, now_ms: int) -> tuple[SimOrder, list[SimFill]]:
        """The order after matching, and the fills it got at once."""
        self._fresh_fills = []
        placed = self.venue.engine.submit(owner, order, now_ms)
        return placed, [fill for fill in self._fresh_fills if fill.order_id == placed.order_id]

    @contextmanager
    def cancelling(self, cancel_id: str) -> Iterator[None]:
        """While it lasts, reports of cancelled orders carry this cancel id."""
        self._cancel_id = cancel_id
        try:
            yield
        finally:
            self._cancel_id = None

    def tell_rejected(self, account: str, order: NewOrder, code: RejectCode) -> None:
        """Only where a cancel-replace has cancelled, but could not replace; else a refusal is no event."""
        now_ms = self.venue.now_ms()
        self._sequence += 1
        rejected = SimOrder(
            "-1", account, order.client_order_id or "", order, SimStatus.REJECTED, ZERO, ZERO, now_ms, now_ms
        )
        report = fmt.execution_report(
            self.ids[order.symbol],
            rejected,
            None,
            execution="REJECTED",
            sequence=self._sequence,
            now_ms=now_ms,
            list_number=-1,
            reject=code,
        )
        self.tell(account, report)

    def tell(self, account: str, event: Mapping[str, Any]) -> None:
        """To every private stream of this account."""
        subscribers: Sequence[Connection] = self.hub.subscribers(user_topic(account))
        if not subscribers:
            return
        payload = encode(event)
        for connection in subscribers:
            for number, name in connection.state.accounts.items():
                if name == account:
                    connection.send(b'{"subscriptionId":%d,"event":%b}' % (number, payload), "user")


def user_topic(account: str) -> str:
    return f"user:{account}"
