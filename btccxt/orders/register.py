"""All orders this process knows, and the one place where news of them is applied, journaled and announced."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.model import ZERO, Fill, OrderReference, OrderUpdate
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    AskAgain,
    CancelGhost,
    FetchFills,
    FillCorrected,
    Journaled,
    LifecycleEvent,
    NewFill,
)
from btccxt.orders.journal.journal import Journal, StoredOrder
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LifecycleState, LiveOrder

log = get_logger(__name__)

FollowUp = FetchFills | AskAgain | CancelGhost
_ROUNDING = Decimal("1.000001")
_GATHER_S = 0.005  # what is learned within this time goes into the journal together


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One order has changed. ``fills``: what it gained, each fill in exactly one event.

    ``corrections`` are fees learned after their trade was counted: amount 0, ``fee`` is what was missing.
    """

    order: LiveOrder
    fills: tuple[Fill, ...] = ()
    corrections: tuple[Fill, ...] = ()


class OrderRegister:
    """Lives in the session loop; ``orders`` may be read from any thread (its values never change)."""

    def __init__(
        self,
        journal: Journal,
        now_ms: Callable[[], int],
        publish: Callable[[OrderEvent], None],
        alarm: Callable[[Alarm], None],
        follow_up: Callable[[LiveOrder, FollowUp], None],
        *,
        infer_fills: bool,
        final_orders_kept: int,
    ) -> None:
        self.orders: dict[str, LiveOrder] = {}
        self._journal = journal
        self._now_ms = now_ms
        self.publish = publish
        self._alarm = alarm
        self._follow_up = follow_up
        self._infer_fills = infer_fills
        self._kept = final_orders_kept
        self._unfinished: dict[str, None] = {}  # of ``orders``, so that looking for them costs the same at any age
        self._lacking: set[str] = set()  # those of which trades are known to be missing
        self._final: deque[str] = deque()
        self._by_order_id: dict[tuple[str, str], str] = {}
        self._aliases: dict[str, str] = {}
        self._aliases_of: dict[str, list[str]] = {}
        self.changes = 0
        """How often an order has become another; for whoever wants to know whether something changed."""
        self._doubted: set[str] = set()  # orders of which something was said that cannot be
        self._gathering = False
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self.on_id_known: Callable[[LiveOrder], None] = lambda order: None

    def __getitem__(self, client_order_id: str) -> LiveOrder:
        return self.orders[client_order_id]

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self.orders

    def unfinished(self) -> Iterator[LiveOrder]:
        known = (self.orders.get(name) for name in list(self._unfinished))
        return (order for order in known if order is not None and not order.is_final)

    @property
    def lacks_trades(self) -> bool:
        """Whether trades of an order are known to be missing."""
        return bool(self._lacking)

    # -------------------------------------------------------------- adding

    def add(self, order: LiveOrder) -> None:
        self._keep(order)
        self._index(order)

    def restore(self, stored: StoredOrder) -> LiveOrder:
        """Rebuild an order from the journal; nothing is announced or written. Idempotent."""
        client_order_id = stored.request.client_order_id
        if client_order_id in self.orders:
            return self.orders[client_order_id]
        order = rebuild(stored, infer_fills=self._infer_fills)
        self.add(order)
        self._note_final(order)
        return order

    def alias(self, other_client_order_id: str, client_order_id: str) -> None:
        """The exchange knows the order under a second client order id as well (after an edit)."""
        self._aliases[other_client_order_id] = client_order_id
        self._aliases_of.setdefault(client_order_id, []).append(other_client_order_id)

    def drop_alias(self, other_client_order_id: str) -> None:
        self._aliases.pop(other_client_order_id, None)

    # -------------------------------------------------------------- finding

    def find(self, symbol: str, client_order_id: str | None, *order_ids: str | None) -> str | None:
        """The client order id of whom this news is about, or None."""
        if client_order_id is not None:
            client_order_id = self._aliases.get(client_order_id, client_order_id)
            if client_order_id in self.orders:
                return client_order_id
        for order_id in order_ids:
            if order_id is not None and (known := self._by_order_id.get((symbol, order_id))) is not None:
                return known
        return None

    def find_reference(self, reference: OrderReference) -> str | None:
        return self.find(reference.symbol, reference.client_order_id, reference.order_id)

    # -------------------------------------------------------------- applying

    def apply(self, client_order_id: str, event: LifecycleEvent) -> LiveOrder:
        """Apply one event: journal what changed, announce it, start what follows from it."""
        if isinstance(event, OrderUpdate) and event.fills:
            for fill in event.fills:
                self.apply(client_order_id, fill)
            event = replace(event, fills=())
        before = self.orders[client_order_id]
        if (why := contradiction(before, event)) is not None:
            self._disbelieve(before, why)
            return before
        now_ms = self._now_ms()
        order, effects = apply(before, event, now_ms)
        self._raise_alarms(effects)
        if order is not before:
            self._store(before, order)
            if not isinstance(event, Journaled):
                self._record(order, event, now_ms, effects)
        self._announce(before, order, effects)
        return order

    def _disbelieve(self, order: LiveOrder, why: str) -> None:
        """Said, and not applied; the order and its trades are asked for again."""
        text = f"order {order.client_order_id} ({order.symbol}): {why}; that is not believed: look at the exchange"
        self._alarm(Alarm(AlarmKind.DRIFT, text, order.client_order_id, once=f"contradiction {order.client_order_id}"))
        if order.client_order_id not in self._doubted:  # once: the exchange may go on saying it
            self._doubted.add(order.client_order_id)
            self._follow_up(order, FetchFills(ZERO))

    def apply_durably(self, client_order_id: str, event: LifecycleEvent) -> Future[None]:
        """Like ``apply``; the future resolves when the event is synced to disk."""
        before = self.orders[client_order_id]
        now_ms = self._now_ms()
        order, effects = apply(before, event, now_ms)
        self._raise_alarms(effects)
        self._store(before, order)
        durable = self._journal.record_durably(order, event, now_ms)
        self._announce(before, order, effects)
        return durable

    def _raise_alarms(self, effects: tuple[object, ...]) -> None:
        """In the journal before the evidence, which raises them once: a kill between the two may not silence them."""
        for effect in effects:
            if isinstance(effect, Alarm):
                self._alarm(effect)

    def _record(self, order: LiveOrder, event: LifecycleEvent, now_ms: int, effects: tuple[object, ...]) -> None:
        inferred: tuple[Fill, ...] = ()
        if order.infer_fills and not isinstance(event, Fill):
            inferred = tuple(effect.fill for effect in effects if isinstance(effect, NewFill))
        self._journal.record(order, event, now_ms, inferred)
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(_GATHER_S, self._write_gathered)

    def _write_gathered(self) -> None:
        self._gathering = False
        self._journal.write_now()

    def _store(self, before: LiveOrder, order: LiveOrder) -> None:
        self._keep(order)
        self.changes += 1
        if order.state is not before.state:
            log.info(
                EventName.ORDER_STATE_CHANGED, order=order.client_order_id, symbol=order.symbol,
                side=order.request.side.value, before=before.state.value, state=order.state.value,
                order_id=order.order_id, filled=str(order.filled), amount=str(order.amount),
            )  # fmt: skip
        if order.order_id != before.order_id or order.child_order_id != before.child_order_id:
            self._index(order)
        if order.is_final and not before.is_final:
            self._note_final(order)

    def _announce(self, before: LiveOrder, order: LiveOrder, effects: tuple[object, ...]) -> None:
        fills = tuple(effect.fill for effect in effects if isinstance(effect, NewFill))
        corrections = tuple(effect.fill for effect in effects if isinstance(effect, FillCorrected))
        if order is not before and (fills or corrections or _shows(before) != _shows(order)):
            self.publish(OrderEvent(order, fills, corrections))
            self._wake(order.client_order_id)
        for effect in effects:
            if isinstance(effect, FetchFills | AskAgain | CancelGhost):
                self._follow_up(order, effect)
        if order.order_id != before.order_id or order.child_order_id != before.child_order_id:
            self.on_id_known(order)

    # -------------------------------------------------------------- waiting

    async def wait(self, client_order_id: str, until: Callable[[LiveOrder], bool], timeout_s: float) -> bool:
        """Wait until the order satisfies ``until``; False after ``timeout_s``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not until(self.orders[client_order_id]):
            left_s = deadline - loop.time()
            if left_s <= 0:
                return False
            changed: asyncio.Future[None] = loop.create_future()
            waiters = self._waiters.setdefault(client_order_id, [])
            waiters.append(changed)
            handle = loop.call_later(left_s, _resolve, changed)
            try:
                await changed
            finally:
                handle.cancel()
                if changed in waiters:
                    waiters.remove(changed)
        return True

    def _wake(self, client_order_id: str) -> None:
        for waiter in self._waiters.pop(client_order_id, ()):
            _resolve(waiter)

    # -------------------------------------------------------------- indexes and memory

    def _keep(self, order: LiveOrder) -> None:
        name = order.client_order_id
        self.orders[name] = order
        if order.is_final:
            self._unfinished.pop(name, None)
        else:
            self._unfinished[name] = None
        (self._lacking.add if order.trades_missing > ZERO else self._lacking.discard)(name)

    def _index(self, order: LiveOrder) -> None:
        for order_id in (order.order_id, order.child_order_id, *order.replaced_ids):
            if order_id is not None:
                self._by_order_id[order.symbol, order_id] = order.client_order_id

    def _note_final(self, order: LiveOrder) -> None:
        if not order.is_final:
            return
        self._final.append(order.client_order_id)
        while len(self._final) > self._kept:
            old = self.orders.pop(self._final.popleft(), None)
            if old is None:
                continue
            self._doubted.discard(old.client_order_id)
            self._lacking.discard(old.client_order_id)
            for alias in self._aliases_of.pop(old.client_order_id, ()):
                self._aliases.pop(alias, None)
            for order_id in (old.order_id, old.child_order_id, *old.replaced_ids):
                if order_id is not None:
                    self._by_order_id.pop((old.symbol, order_id), None)


def contradiction(order: LiveOrder, event: LifecycleEvent) -> str | None:
    """Why this cannot be news of this order; None where it can."""
    if not isinstance(event, OrderUpdate | Fill):
        return None
    if event.side is not None and event.side is not order.request.side:
        what = f"trade {event.trade_id}" if isinstance(event, Fill) else "news"
        return f"{what} of a {event.side.value}, but it is a {order.request.side.value}"
    if event.symbol and event.symbol != order.symbol:
        return f"news of {event.symbol}"
    if isinstance(event, Fill) or event.filled is None or not order.has_exact_amount:
        return None
    # What was made larger elsewhere is told with its new amount.
    if event.filled > max(order.amount, event.amount or ZERO) * _ROUNDING:
        return f"{event.filled} of it filled, but it is one of {order.amount}"
    return None


def rebuild(stored: StoredOrder, *, infer_fills: bool) -> LiveOrder:
    """The order that the journal's evidence adds up to."""
    order = LiveOrder(
        request=stored.request,
        context=stored.context,
        created_ms=stored.created_ms,
        updated_ms=stored.created_ms,
        pending_release=stored.pending_release,
        external=stored.external,
        infer_fills=infer_fills,
    )
    order, _ = apply(order, Journaled(), stored.created_ms)
    for at_ms, event in stored.evidence:
        order, _ = apply(order, event, at_ms)
    return order


def _shows(order: LiveOrder) -> tuple[object, ...]:
    """What an observer can see of it; hints and counters are internal, and so is the way out of an order."""
    return (
        LifecycleState.INTENT
        if not order.pending_release and order.state.rank <= LifecycleState.SENT.rank
        else order.state,
        order.request,
        order.order_id,
        order.child_order_id,
        order.raw_status,
        order.reasons,
        order.notes,
        order.pending_release,
        order.triggered,
        order.cancel_requested,
    )


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
