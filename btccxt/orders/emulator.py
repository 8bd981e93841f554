"""The emulator between broker and tracker: holds orders that must wait, watches prices for them, keeps groups whole.

What follows from what is decided by the pure ``contingency.ContingencyGroup``; here it is done: orders are released,
spawned and cancelled, prices and clocks are listened to, and what the tracker says of the orders that carry an exit is
told to the strategy as news of that one exit. Everything is journaled by the tracker before it waits (``hold=True``),
so a restart finds it again. Lives in the session loop; ``submit`` and ``cancel`` may be called from any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.model import ZERO, Market, OrderRequest
from btccxt.orders.actions import Action, Cancel, End, Note, Place, PlaceList, Renew, Reprice, Tell, placed_by
from btccxt.orders.carriers import Carriers
from btccxt.orders.closing import is_followed, is_guest, waits_for_way
from btccxt.orders.closing_orders import ClosingOrders
from btccxt.orders.context import EMULATED, FOLLOWS, FUNDS, GROUPED
from btccxt.orders.contingency import FIRED, ContingencyGroup
from btccxt.orders.event_loop import Loop
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.funds import FUNDED
from btccxt.orders.groups import Groups
from btccxt.orders.leg import MADE_WAY, NOT_LISTED, Placement
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.protection import Protection, protection_of
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState
from btccxt.orders.restored_legs import leg_as_it_was, told_of_legs
from btccxt.orders.tracker import OrderTracker
from btccxt.orders.trigger import Trigger


class OrderEmulator:
    """``watch_prices(symbol, wanted)`` opens or closes the price stream of a symbol; ``alarm`` is for people.

    ``may_list(stop, target)`` says whether the exchange takes these two as one order list.
    ``publish`` takes news for the strategy that no event of the tracker brings. ``held(symbol)`` says what the account
    holds of a market: coins on spot, the signed position of a contract. ``tell`` takes what is worth a word to the
    strategy, and no alarm.
    """

    def __init__(
        self,
        tracker: OrderTracker,
        markets: Mapping[str, Market],
        watch_prices: Callable[[str, bool], None],
        alarm: Callable[[Alarm], None],
        publish: Callable[[OrderEvent], None],
        *,
        now_ms: Callable[[], int],
        held: Callable[[str], Decimal] = lambda symbol: ZERO,
        may_list: Callable[[OrderRequest, OrderRequest], bool] = lambda stop, target: False,
        tell: Callable[[str], None] = lambda text: None,
        policy: TrackerPolicy | None = None,
        loop: Loop | None = None,
    ) -> None:
        self._tracker = tracker
        self._carriers = Carriers(tracker)
        self._markets = markets
        self._watch_prices = watch_prices
        self._alarm = alarm
        self._publish = publish
        self._now_ms = now_ms
        self._tell = tell
        self._policy = policy or TrackerPolicy()
        self._loop: Loop = loop or asyncio.get_running_loop()
        self._groups = groups = Groups(markets, self._policy, self._order, held, may_list, self._plan, self._loop)
        self._legs, self._entries = groups.legs, groups.entries
        self._closing = ClosingOrders(markets, groups.guarding, tracker.release, self._withdraw, self._loop)
        self._watching: dict[str, dict[str, ContingencyGroup]] = {}  # by symbol and name: they wait for a price
        self._timer: tuple[float, Any] | None = None
        self._closed = False
        self._restored: dict[str, LiveOrder] = {}  # while a former life is brought back
        self._todo: list[tuple[ContingencyGroup, Action]] = []

    # -------------------------------------------------------------- any thread

    def submit(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        """Send it now, or journal it and let it wait, as its context says."""
        if FUNDS in context:
            self._tracker.submit(request, context, hold=True)
            return
        alone = context.keys().isdisjoint(GROUPED)
        held = not alone and self._holds(request, context)
        self._tracker.submit(request, context, hold=held, begins=None if alone else self._begins)

    def funds_came(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        """An order that waited for its funds goes on as any other. Those of a bracket come before their entry."""
        if self._holds(request, context):
            self._loop.call_soon_threadsafe(self._go_on, request, context)
        else:
            self._tracker.release(request.client_order_id)

    def _go_on(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        order = self._tracker.order(request.client_order_id)
        if order is None or order.is_final:
            return
        self._begins(request, context)
        self._tracker.note(order.client_order_id, FUNDED)  # its group hears of it by this

    def cancel(self, client_order_id: str) -> None:
        """The strategy wants an order ended."""
        self._loop.call_soon_threadsafe(self._cancel, client_order_id)

    def edit(self, client_order_id: str, request: OrderRequest, *, follows: bool = False) -> None:
        """Change an order; one that another carries on is changed where it stands."""
        known = self._legs.get(client_order_id)
        standing = known[0].legs[known[1]].standing if known is not None else []
        if not standing:
            self._tracker.edit(client_order_id, request, follows=follows)
        for each in standing:
            amount = request.amount if len(standing) == 1 else each.request.amount
            self._tracker.edit(each.name, replace(request, amount=amount), follows=follows)
            request = replace(request, client_order_id=self._tracker.next_client_order_id())

    def fire(self, client_order_id: str) -> None:
        """The time of an order that waits for one (``context.FIRES``) has come. Any thread."""
        self._loop.call_soon_threadsafe(self._fire, client_order_id)

    def _fire(self, name: str) -> None:
        known = self._legs.get(name)
        if known is not None:
            known[0].fire(known[1], self._loop.time())
            self._plan(known[0])

    def told(self, client_order_id: str) -> None:
        """The strategy has been notified of the end of this order."""
        known = self._legs.get(client_order_id)
        carriers = [each.name for each in known[0].legs[known[1]].placements] if known is not None else []
        for name in dict.fromkeys((client_order_id, *carriers)):
            self._tracker.confirm_told(name)

    # -------------------------------------------------------------- session loop

    def hear(self, event: OrderEvent) -> list[OrderEvent]:
        """Every event of the tracker passes here. Returns what of it is for the strategy."""
        order = event.order
        name = order.client_order_id
        known, entry_of, closed = self._legs.get(name), self._entries.get(name), self._closing.hear(order)
        if known is None and entry_of is None and not closed:
            return [event]
        touched = list(closed)
        if known is not None:
            known[0].hear(order, known[1])
            touched.append(known[0])
        if entry_of is not None and known is None:
            entry_of.hear(order)
            touched.append(entry_of)
        for group in touched:
            self._plan(group)
        return [event] if known is None else self._seen(*known, event)

    def on_price(self, symbol: str, price: Decimal) -> None:
        """The latest trade of a symbol."""
        now_s = self._loop.time()
        for group in list(self._watching.get(symbol, {}).values()):
            changed, moved = group.on_price(price, now_s)
            for name, best in moved:
                self._tracker.keep_best_price(name, best)
            if changed:
                self._plan(group)

    def protection(self) -> tuple[Protection, ...]:
        """Of every position whose strategy asked for a stop."""
        now_s = self._loop.time()
        return tuple(
            protection_of(group, now_s) for group in list(self._groups.by_name.values()) if group.wants_protection
        )

    # -------------------------------------------------------------- groups

    def _holds(self, request: OrderRequest, context: Mapping[str, str]) -> bool:
        """Whether the group decides when it is sent. On spot the coins of a pair can be bound once."""
        if EMULATED in context or "parent" in context or waits_for_way(request, context):
            return True
        market = self._markets[request.symbol]
        return ("oco" in context and not market.is_contract) or is_guest(request, context, market)

    def _begins(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        if is_followed(request, context, self._markets[request.symbol]):
            for closed in self._closing.join(request, context):
                self._plan(closed)
            self._closing.look([request.client_order_id])
        group = self._groups.join(request, context)
        if group is None or request.client_order_id == group.entry_name:
            return
        leg = group.legs[request.client_order_id]
        if not self._holds(request, context):
            leg.placements.append(Placement(request))  # it is sent at once
        self._plan(group)

    def _order(self, name: str) -> LiveOrder | None:
        return self._restored.get(name) or self._tracker.order(name)

    # -------------------------------------------------------------- doing

    def _cancel(self, name: str) -> None:
        known = self._legs.get(name)
        if known is None:
            self._tracker.cancel(name)
            return
        group, leg = known
        for other in group.cancel(leg, self._now_ms()):
            self._cancel(other)
        self._plan(group)

    def _plan(self, group: ContingencyGroup) -> None:
        try:
            actions = group.plan(self._loop.time(), self._tracker.next_client_order_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the news of its orders must go on to the strategy
            text = f"group {group.name} ({group.symbol}) is followed no more: {type(error).__name__}: {error}"
            self._alarm(Alarm(AlarmKind.FAULT, text + "; look after its orders yourself", group.name))
            return
        self._show_sizes(group)
        self._watch(group)
        self._set_timer(group.next_deadline_s())
        if group.is_over:
            for old in self._groups.end(group):
                self._closing.forget(old)
        for action in actions:
            for each in placed_by(action):
                if each.request.client_order_id != each.leg:
                    self._legs[each.request.client_order_id] = group, each.leg
            if not self._todo:
                self._loop.call_soon(self._do_all)
            self._todo.append((group, action))
        if group.closing:
            self._closing.look(group.closing.waiting)

    def _show_sizes(self, group: ContingencyGroup) -> None:
        """An exit is as large as what its entry has filled, and the strategy sees that."""
        for name, leg in group.legs.items():
            if leg.shown is None or leg.shown.is_final or leg.shown.amount == group.amount_of(leg):
                continue
            seen = group.view(name)
            if seen is not None and not seen.is_final:
                leg.shown = seen
                self._publish(OrderEvent(seen))

    def close(self) -> None:
        """Nothing more is sent; what waits goes on waiting in the journal."""
        self._closed = True
        if self._timer is not None:
            self._timer[1].cancel()

    def _do_all(self) -> None:
        todo, self._todo = self._todo, []
        if self._closed:
            return
        for group, action in todo:
            self._do(group, action)

    def _do(self, group: ContingencyGroup, action: Action) -> None:
        match action:
            case Place(leg, request):
                self._carriers.place(group, leg, request)
            case PlaceList(stop, target):
                self._carriers.place_list(group, stop, target)
            case Cancel(name, note):
                if note is not None and self._tracker.order(name) is None:
                    self._loop.call_soon(self._cancel_noted, group, name, note)  # it begins in this turn of the loop
                else:
                    self._cancel_noted(group, name, note)
            case End(leg):
                self._end(group, leg)
            case Note(name, text):
                if self._tracker.order(name) is not None:
                    self._tracker.note(name, text)
            case Reprice(leg, request, why):
                self._tracker.edit(leg, request, why=why)
            case Tell(name, text):
                self._tracker.note(name, text)
                self._tell(text)
            case Renew(leg, request):
                context = {key: value for key, value in group.context_of(leg).items() if key != "ref"}
                self.submit(request, {**context, FOLLOWS: leg})
            case Alarm():
                self._alarm(action)

    def _cancel_noted(self, group: ContingencyGroup, name: str, note: str | None) -> None:
        """The note first: a life to come must not take our cancel for the strategy's."""
        if note is not None and self._tracker.order(name) is not None:
            self._tracker.note(name, note)
        (self._cancel if name == group.entry_name else self._tracker.cancel)(name)

    def _withdraw(self, name: str, why: str) -> None:
        """A held order is not sent any more."""
        if self._tracker.order(name) is not None:
            self._tracker.note(name, why)
        self._tracker.cancel(name)

    def _end(self, group: ContingencyGroup, leg: str) -> None:
        primary = self._tracker.order(leg)
        if primary is not None and not primary.is_final:
            if not primary.cancel_requested:
                self._tracker.note(leg, MADE_WAY + "nothing is left for it to do")
            self._tracker.cancel(leg)  # held, so it is withdrawn
            return
        seen = group.view(leg)
        shown = group.legs[leg].shown
        if seen is not None and (shown is None or not shown.is_final):
            group.legs[leg].shown = seen
            self._publish(OrderEvent(seen))
        self._follow_leg(group, leg)

    def _seen(self, group: ContingencyGroup, leg: str, event: OrderEvent) -> list[OrderEvent]:
        """An event of an order that carries a leg, as news of the leg."""
        seen = group.view(leg)
        if seen is None:
            return []
        before = group.legs[leg].shown
        group.legs[leg].shown = seen
        self._follow_leg(group, leg)
        if before == seen and not event.fills and not event.corrections:
            return []
        return [OrderEvent(seen, event.fills, event.corrections)]

    def _follow_leg(self, group: ContingencyGroup, leg: str) -> None:
        """A leg may itself be the entry of a bracket."""
        bracket = self._entries.get(leg)
        seen = group.view(leg)
        if bracket is not None and seen is not None and bracket.entry != seen:
            bracket.hear(seen)
            self._plan(bracket)

    # -------------------------------------------------------------- prices and time

    def _watch(self, group: ContingencyGroup) -> None:
        symbol, watching = group.symbol, self._watching.setdefault(group.symbol, {})
        before = bool(watching)
        if group.watched:
            watching[group.name] = group
        else:
            watching.pop(group.name, None)
        if before != bool(watching):
            self._watch_prices(symbol, bool(watching))
        if not watching:
            del self._watching[symbol]

    def _set_timer(self, at_s: float | None) -> None:
        if at_s is None or (self._timer is not None and self._timer[0] <= at_s):
            return
        if self._timer is not None:
            self._timer[1].cancel()
        if self._closed:
            return
        self._timer = at_s, self._loop.call_at(at_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        for group in self._groups.unfinished():
            deadline_s = group.next_deadline_s()
            if deadline_s is not None and deadline_s <= now_s:
                self._plan(group)
            else:
                self._set_timer(deadline_s)

    # -------------------------------------------------------------- after a restart

    def restore(self, restored: RestoredState) -> RestoredState:
        """What waited goes on waiting, groups are whole again, what ended meanwhile has its effects.

        Returns it as the strategy is to be told: exits as the orders that it knows.
        """
        told = {order.client_order_id: order for order in (*restored.ended_ties, *restored.ended_pairs)}
        known = {order.client_order_id: order for order in restored.open_orders}
        known |= {event.order.client_order_id: event.order for event in restored.changes}
        known = {name: self._tracker.order(name) or order for name, order in known.items()}
        told = {name: order for name, order in told.items() if name not in known}
        orders = sorted((*known.values(), *told.values()), key=lambda order: (order.created_ms, order.client_order_id))
        self._restored = {order.client_order_id: order for order in orders}
        for order in orders:
            if is_followed(order.intent, order.context, self._markets[order.symbol]):
                self._closing.join(order.intent, order.context)
            self._groups.join(order.intent, order.context)
        self._restored = {}
        for order in orders:
            self._bring_back(order, order.client_order_id in told, restored.best_prices)
        for name in self._entries.keys() & self._legs.keys():  # entries that other orders carry
            self._follow_leg(*self._legs[name])
        for group in list(self._groups.by_name.values()):
            if group.entry_name is not None and group.entry is None:
                group.entry_never_came()
        for event in restored.changes:
            if (bracket := self._entries.get(event.order.client_order_id)) is not None:
                bracket.entered_late(sum((fill.amount for fill in event.fills), ZERO))
        for group in list(self._groups.by_name.values()):
            self._plan(group)
        self._closing.look_all()
        return self.translated(restored)

    def translated(self, restored: RestoredState) -> RestoredState:
        """The same, told of exits instead of the orders that carry them."""
        return told_of_legs(restored, self._legs)

    def _bring_back(self, order: LiveOrder, was_told: bool, best_prices: Mapping[str, Decimal]) -> None:
        name = order.client_order_id
        self._closing.hear(order)
        if (bracket := self._entries.get(name)) is not None:
            bracket.hear(order)
        if (found := self._legs.get(name)) is None:
            return
        group, leg_name = found
        leg = group.legs[leg_name]
        if name != leg_name and order.pending_release and not order.is_final:
            self._tracker.note(name, NOT_LISTED + "the program ended before it was sent")
            self._tracker.cancel(name)
            return
        leg_as_it_was(group, leg, order, was_told=was_told, now_ms=self._now_ms())
        if name == leg_name and (best := best_prices.get(name)) is not None:
            leg.trigger = Trigger(leg.request, best)
        if name == leg_name and not order.is_final and FIRED in order.notes:
            group.fired_before(leg, self._loop.time())
