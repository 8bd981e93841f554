"""Comparing what we believe with what the exchange says by REST, which is the truth.

The comparison is pure (``plan``, ``open_orders_interval_s``); ``Reconciler`` asks and carries the plan out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from btccxt.errors import OrderNotFound, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, OrderUpdate
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.fills import FillFetcher
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.queries import Inquiry
from btccxt.orders.register import OrderRegister

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """The exchange lists one of our orders: apply it."""

    client_order_id: str
    update: OrderUpdate


@dataclass(frozen=True, slots=True)
class Ask:
    """We believe it is open, the exchange does not list it: ask for this one before concluding anything."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Open at the exchange, and not one of the orders we know."""

    update: OrderUpdate


@dataclass(frozen=True, slots=True)
class Contradiction:
    """We believe that it has ended, the exchange lists it as open."""

    client_order_id: str
    update: OrderUpdate


Action = Heard | Ask | Foreign | Contradiction


def plan(
    orders: Mapping[str, LiveOrder],
    exchange_open: Iterable[OrderUpdate],
    find: Callable[[OrderUpdate], str | None],
    asked_ms: int,
) -> tuple[Action, ...]:
    """What follows from a list of open orders that was asked for at ``asked_ms``.

    ``find`` names the order that an update is about. Orders in flight are left to whoever sent them; what changed after
    ``asked_ms`` is left to the next reconciliation, for the list may be older than the change.
    """
    actions: list[Action] = []
    listed: set[str] = set()
    for update in exchange_open:
        client_order_id = find(update)
        if client_order_id is None:
            actions.append(Foreign(update))
            continue
        listed.add(client_order_id)
        order = orders[client_order_id]
        if order.is_final and not order.never_arrived:
            if order.updated_ms <= asked_ms:
                actions.append(Contradiction(client_order_id, update))
        else:
            actions.append(Heard(client_order_id, update))
    actions += [
        Ask(order.client_order_id)
        for order in orders.values()
        if order.acknowledged
        and not order.is_final
        and not order.reported_terminal
        and order.client_order_id not in listed
        and order.updated_ms <= asked_ms
    ]
    return tuple(actions)


def open_orders_interval_s(private_stream_age_s: float | None, policy: TrackerPolicy) -> float:
    """How often to look at the open orders: seldom while the private stream speaks, often when it has fallen silent."""
    if private_stream_age_s is None:
        return policy.open_orders_fast_s
    silence = min(1.0, max(0.0, private_stream_age_s) / max(policy.private_stream_silent_s, 1e-9))
    return policy.open_orders_slow_s - silence * (policy.open_orders_slow_s - policy.open_orders_fast_s)


class Reconciler:
    """Asks the exchange and applies the plan. Lives in the session loop."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        fills: FillFetcher,
        inquiry: Inquiry,
        now_ms: Callable[[], int],
        policy: TrackerPolicy,
        find: Callable[[OrderUpdate], str | None],
        on_foreign: Callable[[OrderUpdate], Awaitable[None]],
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._fills = fills
        self._inquiry = inquiry
        self._now_ms = now_ms
        self._policy = policy
        self._find = find
        self._on_foreign = on_foreign
        self._lock = asyncio.Lock()

    async def run(self) -> tuple[Contradiction, ...]:
        """One comparison of open orders and trades. Returns what cannot be true on both sides, after asking again.

        Raises the exchange's errors; what was applied before stays applied.
        """
        async with self._lock:
            asked_ms, changes = self._now_ms(), self._register.changes
            listed = await self._open_orders()
            # Trades before conclusions: an order missing from the list has usually filled.
            for symbol in self._symbols():
                with contextlib.suppress(Unsupported):  # it names no trades: cumulative amounts are all there is
                    await self._fills.fetch(symbol)
            actions = plan(self._register.orders, listed, self._find, asked_ms)
            contradictions = []
            asks = []
            for action in actions:
                match action:
                    case Heard(client_order_id, update):
                        self._register.apply(client_order_id, update)
                    case Foreign(update):
                        await self._on_foreign(update)
                    case Ask(client_order_id):
                        asks.append(client_order_id)
                    case Contradiction():
                        contradictions.append(action)
            await self._ask_all(asks)
            standing = tuple([action for action in contradictions if await self._still_open(action)])
            if self._register.changes != changes:
                log.info(
                    EventName.RECONCILED, exchange=self._exchange.id, changes=self._register.changes - changes,
                    contradictions=len(standing),
                )  # fmt: skip
            return standing

    async def _open_orders(self) -> list[OrderUpdate]:
        try:
            return await self._exchange.fetch_open_orders(None)
        except Unsupported:  # this exchange lists them symbol by symbol only
            return [update for symbol in self._symbols() for update in await self._exchange.fetch_open_orders(symbol)]

    def _symbols(self) -> list[str]:
        """Symbols whose trades may still tell something: of orders that live, and of ended ones that miss trades."""
        orders = list(self._register.orders.values())
        return sorted(
            {
                order.symbol
                for order in orders
                if (not order.is_final and not order.pending_release)
                or (order.fills_overdue and order.fills_missing > ZERO)
            }
        )

    async def _ask_all(self, client_order_ids: list[str]) -> None:
        limit = asyncio.Semaphore(self._policy.max_parallel_queries)

        async def ask(client_order_id: str) -> None:
            async with limit:
                await self._inquiry.ask(client_order_id)

        answers = await asyncio.gather(*(ask(one) for one in client_order_ids), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _still_open(self, contradiction: Contradiction) -> bool:
        """Lists lag behind; the order itself does not. The id that we know may be wrong, the list's is not."""
        reference = self._register[contradiction.client_order_id].reference
        try:
            update = await self._exchange.fetch_order(reference)
        except OrderNotFound:
            listed = replace(reference, order_id=contradiction.update.order_id)
            if listed == reference:
                return False  # it has gone meanwhile
            update = await self._exchange.fetch_order(listed)
        self._register.apply(contradiction.client_order_id, update)
        return not update.status.is_final
