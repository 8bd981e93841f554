"""Asking the exchange for the account's trades: since the last time, and until an order has all of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from btccxt.errors import Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, Fill
from btccxt.orders.events import FillsOverdue
from btccxt.orders.journal.journal import Journal
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.register import OrderRegister

_MAX_PAGES = 200


class FillFetcher:
    """Lives in the session loop. What it finds goes to ``deliver`` (trades seen before are recognised there)."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        journal: Journal,
        now_ms: Callable[[], int],
        policy: TrackerPolicy,
        deliver: Callable[[Fill], None],
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._journal = journal
        self._now_ms = now_ms
        self._policy = policy
        self._deliver = deliver
        self._completing: set[str] = set()
        self.known_until_ms: dict[str, int] = {}
        """By symbol: up to when all trades have been asked for."""

    def since_ms(self, symbol: str) -> int:
        """From where to ask: the last complete answer or, before the first one, the oldest order that is not final."""
        known = self.known_until_ms.get(symbol)
        if known is None:
            created = [order.created_ms for order in self._register.unfinished() if order.symbol == symbol]
            known = min(created, default=self._now_ms())
        return known - self._policy.fills_overlap_ms

    async def fetch(self, symbol: str, since_ms: int | None = None) -> set[Fill]:
        """Deliver and return all trades of ``symbol`` since ``since_ms`` (default: the last time, with an overlap).

        Raises the exchange's errors; what was delivered before stays delivered.
        """
        asked_ms = self._now_ms()
        since = self.since_ms(symbol) if since_ms is None else since_ms
        seen: set[Fill] = set()
        limit: int | None = None  # the exchange's own, as long as that does
        stuck = 0  # length of the longest page that did not get beyond one millisecond
        for _ in range(_MAX_PAGES):
            page = await self._exchange.fetch_my_trades(symbol, since, limit)
            for fill in page:
                if fill not in seen:
                    seen.add(fill)
                    self._deliver(fill)
            if len(page) < self._policy.fills_page_size:
                break
            newest = max(fill.time_ms for fill in page)
            if newest > since:
                since, stuck = newest, 0
            elif len(page) > stuck:
                stuck, limit = len(page), 2 * len(page)  # more trades within one millisecond than fit on a page
            else:
                since, stuck, limit = since + 1, 0, None  # the page does not grow: that millisecond is complete
        if asked_ms > self.known_until_ms.get(symbol, 0):
            self.known_until_ms[symbol] = asked_ms
            self._journal.fills_are_known_until(symbol, asked_ms)
        return seen

    async def complete(self, client_order_id: str) -> None:
        """Get the trades that the exchange says an order has beyond those that arrived; bounded by ``fills_wait_s``.

        An order that is closed at the exchange then counts as closed even if some are still missing (with an alarm).
        """
        if client_order_id in self._completing:
            return
        self._completing.add(client_order_id)
        try:
            await self._complete(client_order_id)
        finally:
            self._completing.discard(client_order_id)

    async def _complete(self, client_order_id: str) -> None:
        register, policy = self._register, self._policy
        loop = asyncio.get_running_loop()
        deadline = loop.time() + policy.fills_wait_s
        pause_s = policy.fills_first_wait_s
        while not await register.wait(client_order_id, lambda order: order.trades_missing == ZERO, pause_s):
            order = register[client_order_id]
            started_ms = min(order.created_ms, order.sent_ms or order.created_ms)
            try:
                await self.fetch(order.symbol, started_ms - policy.fills_overlap_ms)
            except Unsupported:
                return  # this exchange names no trades; cumulative amounts are all there is
            except Exception as error:  # noqa: BLE001 - asked again until the deadline, which has an alarm
                if loop.time() >= deadline:
                    self._journal.note(f"fetching trades failed: {error}", self._now_ms(), client_order_id)
            if loop.time() >= deadline:
                if register[client_order_id].awaits_fills:
                    register.apply(client_order_id, FillsOverdue())
                return
            pause_s = min(1.0, max(pause_s, 0.05) * 2)
