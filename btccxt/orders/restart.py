"""Coming back: the journal's orders, rebuilt and compared with the exchange before the strategy's first bar."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from btccxt.errors import Retryable
from btccxt.orders.context import FUNDS
from btccxt.orders.events import NeverSent, OutcomeUnknown
from btccxt.orders.fills import FillFetcher
from btccxt.orders.funds import FUNDED
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.reconcile import Contradiction, Reconciler
from btccxt.orders.register import OrderEvent, OrderRegister, rebuild
from btccxt.orders.submission import Submission
from btccxt.resilience.clock import ExchangeClock


@dataclass(frozen=True, slots=True)
class RestoredState:
    """What the strategy is told before its first bar.

    ``changes``: orders that something happened to while the process was away (with the fills of that time), and ends
    that the strategy was never told of (without fills: all of an order's fills are in ``order.fills``).
    ``ended_ties``: ended orders that open ones name as their parent or pair. ``ended_pairs``: members of the same
    brackets and pairs as these orders that ended too, and were told. ``best_prices``: how far trailing orders that wait
    here had come, by client order id. ``entry_prices``: what the journal's fills say a spot position cost, by
    symbol.
    """

    open_orders: tuple[LiveOrder, ...] = ()
    changes: tuple[OrderEvent, ...] = ()
    ended_ties: tuple[LiveOrder, ...] = ()
    best_prices: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    entry_prices: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    ended_pairs: tuple[LiveOrder, ...] = ()


class Restart:
    """``run`` once, ``state_now`` for every further run on the same connection. Session loop."""

    def __init__(
        self,
        register: OrderRegister,
        journal: Journal,
        fills: FillFetcher,
        submission: Submission,
        reconciler: Reconciler,
        clock: ExchangeClock,
        policy: TrackerPolicy,
        restore_edits: Callable[[], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None],
    ) -> None:
        self._register = register
        self._journal = journal
        self._fills = fills
        self._submission = submission
        self._reconciler = reconciler
        self._clock = clock
        self._policy = policy
        self._restore_edits = restore_edits
        self._spawn = spawn

    async def run(self) -> tuple[RestoredState, tuple[Contradiction, ...]]:
        """Rebuild, compare, find out. Returns also what cannot be true on both sides.

        Raises JournalError, and the exchange's errors once ``start_total_s`` is over.
        """
        register = self._register
        heard: dict[str, list[OrderEvent]] = {}
        announce = register.publish
        register.publish = lambda event: heard.setdefault(event.order.client_order_id, []).append(event)
        try:
            stored = await asyncio.wrap_future(self._journal.load_unfinished())
            known_until_ms: dict[str, int] = await asyncio.wrap_future(self._journal.fills_known_until_ms())
            self._fills.known_until_ms.update(known_until_ms)
            unacknowledged = []
            for one in stored:
                order = register.restore(one)
                if order.is_final:
                    unacknowledged.append(order.client_order_id)
                elif order.state is LifecycleState.JOURNALED and not order.pending_release:
                    # Whether the request left in the last instant nobody knows; the exchange does.
                    register.apply(order.client_order_id, OutcomeUnknown("the program ended while it was to be sent"))
                elif order.pending_release and FUNDS in order.context and FUNDED not in order.notes:
                    why = f"never sent: the program ended while it waited for its funds ({order.context[FUNDS]})"
                    register.apply(order.client_order_id, NeverSent(why))
            await self._restore_edits()
            contradictions = await self._reconcile()
            await self._resolve_in_flight()
            await self._await_fills()
        finally:
            register.publish = announce
        changes = [
            _merged(register[client_order_id], heard.get(client_order_id, [])) for client_order_id in unacknowledged
        ]
        changes += [
            _merged(register[client_order_id], events)
            for client_order_id, events in heard.items()
            if client_order_id not in unacknowledged
        ]
        open_orders = sorted(register.unfinished(), key=lambda order: order.created_ms)
        told_now = {event.order.client_order_id for event in changes}
        ties = await self._ended_ties(open_orders, told_now)
        best = await asyncio.wrap_future(self._journal.best_prices())
        waiting = {
            order.client_order_id: best[order.client_order_id] for order in open_orders if order.client_order_id in best
        }
        pairs = await self._ended_pairs({order.client_order_id for order in open_orders} | told_now)
        return RestoredState(tuple(open_orders), tuple(changes), ties, waiting, ended_pairs=pairs), contradictions

    async def state_now(self, unacknowledged: Collection[str]) -> RestoredState:
        """The same for a further run. ``unacknowledged``: orders whose end the former run was not told."""
        open_orders = sorted(self._register.unfinished(), key=lambda order: order.created_ms)
        ended = [order for name in unacknowledged if (order := await self._find(name)) is not None and order.is_final]
        ties = await self._ended_ties(open_orders, {order.client_order_id for order in ended})
        return RestoredState(tuple(open_orders), tuple(OrderEvent(order) for order in ended), ties)

    async def _ended_ties(self, open_orders: Iterable[LiveOrder], known: Collection[str]) -> tuple[LiveOrder, ...]:
        named = {order.context[tie] for order in open_orders for tie in ("parent", "oco") if tie in order.context}
        found = [await self._find(name) for name in sorted(named - set(known))]
        return tuple(order for order in found if order is not None and order.is_final)

    async def _ended_pairs(self, known: Collection[str]) -> tuple[LiveOrder, ...]:
        members: set[str] = await asyncio.wrap_future(self._journal.group_members(known))
        found = [await self._find(name) for name in sorted(members - set(known))]
        return tuple(order for order in found if order is not None and order.is_final)

    async def _find(self, client_order_id: str) -> LiveOrder | None:
        """From memory or, if it ended long ago, from the journal; it is not kept."""
        order = self._register.orders.get(client_order_id)
        if order is None:
            stored = await asyncio.wrap_future(self._journal.load_order(client_order_id=client_order_id))
            order = None if stored is None else rebuild(stored, infer_fills=self._policy.infer_fills)
        return order

    async def _reconcile(self) -> tuple[Contradiction, ...]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._policy.start_total_s
        pause_s = 0.25
        while True:
            try:
                return await self._reconciler.run()
            except Retryable as error:
                wait_s = max(pause_s, getattr(error, "retry_after_s", None) or 0.0)
                if loop.time() + wait_s > deadline:
                    raise
                await asyncio.sleep(wait_s)
                pause_s = min(self._policy.max_backoff_s, pause_s * 2)

    async def _resolve_in_flight(self) -> None:
        """Those not known by ``start_total_s`` go on being looked for while the strategy runs."""
        tasks = []
        for order in self._register.unfinished():
            if order.state.is_in_flight:
                age_ms = self._clock.now_ms() - max(order.created_ms, order.sent_ms or 0)
                age_s = max(0.0, self._clock.wall_s(age_ms))
                tasks.append(self._spawn(self._submission.resolve(order.client_order_id, age_s), "send"))
        waiting = [task for task in tasks if task is not None]
        if waiting:
            await asyncio.wait(waiting, timeout=self._policy.start_total_s)

    async def _await_fills(self) -> None:
        for order in self._register.unfinished():
            if order.awaits_fills:
                await self._fills.complete(order.client_order_id)
                await self._register.wait(
                    order.client_order_id, lambda live: not live.awaits_fills, self._policy.fills_wait_s + 1.0
                )


def _merged(order: LiveOrder, events: list[OrderEvent]) -> OrderEvent:
    return OrderEvent(
        order,
        fills=tuple(fill for event in events for fill in event.fills),
        corrections=tuple(fill for event in events for fill in event.corrections),
    )
