"""Faults planted on purpose: in btccxt, for the chaos tests to find, and in the machine, which must not matter."""

from __future__ import annotations

import random
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from btccxt.model import Fill
from btccxt.orders.events import Sent
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.submission import Submission
from btccxt.orders.tracker import OrderTracker
from tests.chaos import referee


def plant(name: str) -> None:
    plants = {
        "fills that are told again count again": _count_fills_told_again,
        "tickets are kept in memory": _keep_tickets_in_memory,
        "requests leave before their tickets are on disk": _leave_early,
        "a slow machine": _slow_the_machine,
    }
    if name not in plants:
        raise ValueError(f"no such fault: {name!r}; there are {sorted(plants)}")
    plants[name]()


def _count_fills_told_again() -> None:
    on_fill = OrderTracker.on_fill
    told: set[str] = set()

    def twice_at_most(self: OrderTracker, fill: Fill) -> None:
        on_fill(self, replace(fill, trade_id=f"{fill.trade_id}000") if fill.trade_id in told else fill)
        told.add(fill.trade_id)

    OrderTracker.on_fill = twice_at_most  # type: ignore[method-assign]


def _keep_tickets_in_memory() -> None:
    def kept(self: Journal, order: LiveOrder, next_sequence: int | None = None) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done

    Journal.record_intent = kept  # type: ignore[method-assign]


def _leave_early() -> None:
    async def leaves(self: Submission, client_order_id: str, ticket: Future[None] | None) -> None:
        order = self._register[client_order_id]
        self._register.apply(client_order_id, Sent(order.attempts + 1))

    Submission._leaves = leaves  # type: ignore[method-assign]


def _slow_the_machine() -> None:
    """Every thread dawdles now and then, never twice for as long."""
    select = referee.Selector.select
    dice = random.Random(referee.real_urandom(8))

    def dawdling(self: referee.Selector, timeout: float | None = None) -> Any:
        if dice.random() < 0.05:
            referee.real_sleep(dice.random() * 0.01)
        return select(self, timeout)

    referee.Selector.select = dawdling  # type: ignore[method-assign]
