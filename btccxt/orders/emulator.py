"""The emulator between broker and tracker: holds orders that must wait, watches prices for them, keeps pairs together.

Everything is journaled by the tracker before it waits (``hold=True``), so a restart finds it again. Lives in the
session loop; ``submit`` and ``cancel`` may be called from any thread.

Two selling orders of one spot position cannot both rest at the exchange: the coins can be bound only once. Of such a
pair one rests there (the protective one, if it is native) and the other waits here (``context['watch']``). When the
price reaches the waiting one, the resting one is cancelled, the cancel is confirmed, and then the other is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from btccxt.errors import BtccxtError
from btccxt.model import ZERO, Market, OrderRequest, round_amount
from btccxt.orders.contingency import BothFilled, Cancel, Consequence, Release, Ties, Trigger, Unprotected
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState
from btccxt.orders.tracker import OrderTracker

EMULATED = "watch"
"""Key of ``context``: the order waits on this machine for its price. The value says why, for people."""
_FIRED = "its price came: sent as soon as the other order of the pair is out of the way"


class OrderEmulator:
    """``watch_prices(symbol, wanted)`` opens or closes the price stream of a symbol; ``alarm`` is for people."""

    def __init__(
        self,
        tracker: OrderTracker,
        markets: Mapping[str, Market],
        watch_prices: Callable[[str, bool], None],
        alarm: Callable[[Alarm], None],
    ) -> None:
        self._tracker = tracker
        self._markets = markets
        self._watch_prices = watch_prices
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._ties = Ties()
        self._triggers: dict[str, Trigger] = {}
        self._requests: dict[str, OrderRequest] = {}
        self._contexts: dict[str, Mapping[str, str]] = {}
        self._firing: dict[str, set[str]] = {}  # fired order -> orders whose end it waits for

    # -------------------------------------------------------------- any thread

    def submit(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        """Send it now, or journal it and let it wait, as its context says."""
        hold = EMULATED in context or "parent" in context
        self._tracker.submit(request, context, hold=hold, begins=self._remember)

    def cancel(self, client_order_id: str) -> None:
        self._tracker.cancel(client_order_id)

    # -------------------------------------------------------------- session loop

    def restore(self, restored: RestoredState) -> None:
        """After a restart: what waited goes on waiting, pairs are pairs again, what ended meanwhile has its effects.

        Ends that the strategy was never told of (``changes``) have their effects now. The others had them then, unless
        the program was killed just then: what is left of those is made up for.
        """
        changed = [event.order for event in restored.changes]
        known = {order.client_order_id: order for order in (*changed, *restored.open_orders)}
        known = {name: self._tracker.order(name) or order for name, order in known.items()}
        told = {order.client_order_id: order for order in (*restored.ended_ties, *restored.ended_pairs)}
        told = {name: order for name, order in told.items() if name not in known}
        for order in sorted((*known.values(), *told.values()), key=_made):
            self._remember(order.request, order.context, arm=False)
        orders = sorted(known.values(), key=_made)
        for order in orders:
            parent = order.context.get("parent")
            if parent is not None and parent not in known:
                self._ties.done_parents.add(parent)
        for order in told.values():
            self._make_up_for(order, known)
        waiting = [order.client_order_id for order in orders if order.pending_release and not order.is_final]
        for name in waiting:
            if EMULATED in known[name].context and not self._ties.waits_for_parent(name):
                self._arm(name, restored.best_prices.get(name))
        fired = [name for name in waiting if _FIRED in known[name].notes]
        for name in fired:  # it outlives the orders that make way for it, those too that have done so already
            self._firing[name] = {other for other in self._ties.others(name) if other in known}
        for order in orders:
            if order.is_final:
                self._hear_end(order)
        for name in fired:
            self._go_on_firing(name)

    def _make_up_for(self, ended: LiveOrder, known: Mapping[str, LiveOrder]) -> None:
        """What followed from an end that the strategy was told of, in as far as it was not done."""
        for consequence in self._ties.hear(ended, self._net_filled(ended)):
            order = known.get(consequence.client_order_id)
            if order is None or order.is_final:
                continue
            if isinstance(consequence, Cancel):
                if not order.cancel_requested and _FIRED not in order.notes:
                    self._follow(consequence)
            elif isinstance(consequence, Release):
                self._follow(consequence)

    def hear(self, event: OrderEvent) -> None:
        """Every event of the tracker passes here."""
        if event.order.client_order_id in self._requests and event.order.is_final:
            self._hear_end(event.order)

    def _hear_end(self, order: LiveOrder) -> None:
        name = order.client_order_id
        self._disarm(name)
        fired = set(self._firing)  # whoever has fired outlives the order that makes way for it
        consequences = self._ties.hear(order, self._net_filled(order))
        for waiting in [each for each, others in self._firing.items() if name in others]:
            self._firing[waiting].discard(name)
            if not self._firing[waiting]:
                del self._firing[waiting]
                self._send_fired(waiting)
        for consequence in consequences:
            if not (isinstance(consequence, Cancel) and consequence.client_order_id in fired):
                self._follow(consequence)

    def on_price(self, symbol: str, price: Decimal) -> None:
        """The latest trade of a symbol."""
        for name, trigger in list(self._triggers.items()):
            if trigger.request.symbol != symbol or name in self._firing:
                continue
            self._triggers[name], fires = moved = trigger.on_price(price)
            if moved[0].best != trigger.best and moved[0].best is not None:
                self._tracker.keep_best_price(name, moved[0].best)
            if fires:
                self._fire(name)

    # -------------------------------------------------------------- inside

    def _remember(self, request: OrderRequest, context: Mapping[str, str], arm: bool = True) -> None:
        name = request.client_order_id
        if not {"parent", "oco", EMULATED} & set(context):
            self._requests[name] = request  # it may yet become a parent or a pair's first member
            self._contexts[name] = context
            self._ties.kinds[name] = request.kind
            return
        self._requests[name], self._contexts[name] = request, context
        self._ties.add(request, context)
        if arm and EMULATED in context and not self._ties.waits_for_parent(name):
            self._arm(name)

    def _arm(self, name: str, best: Decimal | None = None) -> None:
        symbol = self._requests[name].symbol
        if not any(trigger.request.symbol == symbol for trigger in self._triggers.values()):
            self._watch_prices(symbol, True)
        self._triggers[name] = Trigger(self._requests[name], best)

    def _disarm(self, name: str) -> None:
        trigger = self._triggers.pop(name, None)
        if trigger is None:
            return
        symbol = trigger.request.symbol
        if not any(other.request.symbol == symbol for other in self._triggers.values()):
            self._watch_prices(symbol, False)

    def _fire(self, name: str) -> None:
        blocking = {other for other in self._ties.others(name) if self._is_at_exchange(other)}
        if not blocking:
            self._send_fired(name)
            return
        self._firing[name] = blocking
        # On disk before the other order is cancelled: a restart in between must not take this one for the loser.
        noted = self._tracker.note(name, _FIRED)
        noted.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._cancel_all, blocking))

    def _go_on_firing(self, name: str) -> None:
        blocking = {other for other in self._firing.get(name, ()) if self._is_at_exchange(other)}
        if blocking:
            self._firing[name] = blocking
            self._cancel_all(blocking)
        elif name in self._firing:
            del self._firing[name]
            self._send_fired(name)

    def _cancel_all(self, names: set[str]) -> None:
        for name in list(names):
            self._tracker.cancel(name)

    def _is_at_exchange(self, name: str) -> bool:
        order = self._tracker.order(name)
        return order is not None and not order.pending_release and not order.is_final

    def _send_fired(self, name: str) -> None:
        """Send what fired, for what the orders that made way for it have left."""
        trigger = self._triggers.get(name)
        if trigger is None:
            return
        request = trigger.fired()
        if filled := self._ties.filled_by_others(name):
            request = replace(request, amount=max(request.amount - filled, ZERO))
        self._disarm(name)
        if not request.amount:
            self._tracker.cancel(name)
        else:
            self._tracker.release(name, request)

    def _follow(self, consequence: Consequence) -> None:
        name = consequence.client_order_id
        order = self._tracker.order(name)
        if isinstance(consequence, Release):
            if order is not None and (not order.pending_release or order.is_final):
                return  # released before a restart, or cancelled meanwhile
            request = self._resized(self._requests[name], consequence.amount)
            self._requests[name] = request
            if not request.amount:
                self._tracker.cancel(name)
            elif EMULATED in self._contexts[name]:
                self._arm(name)
            else:
                self._tracker.release(name, request)
        elif isinstance(consequence, Cancel):
            self._tracker.cancel(name)
        elif isinstance(consequence, Unprotected):
            text = f"protective order {name} was refused ({consequence.why}): its position has no stop"
            self._alarm(Alarm(AlarmKind.PROTECTIVE_REJECTED, text, name, once=f"unprotected {name}"))
        elif isinstance(consequence, BothFilled):
            text = f"more than one order of a pair has filled ({consequence.why}): the position is larger than intended"
            self._alarm(Alarm(AlarmKind.OVERFILL, text, name, once=f"pair {consequence.group}"))
        else:
            raise BtccxtError(f"unknown consequence {consequence!r}")

    def _resized(self, request: OrderRequest, amount: Decimal | None) -> OrderRequest:
        if amount is None or amount >= request.amount:
            return request
        return replace(request, amount=round_amount(self._markets[request.symbol], amount))

    def _net_filled(self, order: LiveOrder) -> Decimal:
        market = self._markets.get(order.symbol)
        if market is None or market.is_contract:
            return order.filled
        return order.filled - order.fees.get(market.base, ZERO)


def _made(order: LiveOrder) -> tuple[int, str]:
    return order.created_ms, order.client_order_id
