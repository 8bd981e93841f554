"""One order of a contingent group as the strategy knows it, and the orders at the exchange that carry it. Pure.

Usually it is carried by one order under its own client order id. Where it has to leave the exchange and come back (the
coins were needed by its pair, it has to grow with its entry, it ended with a remainder), the orders that carry it on
are *spawned* ones with ids of their own; the strategy goes on seeing one order, with the fills of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from btccxt.model import ZERO, OrderKind, OrderRequest, TimeInForce
from btccxt.orders.context import BACKSTOP, EMULATED, ENTRY_PCT, EXPIRES, FOLLOWS, SLICES, TRAILS_FROM
from btccxt.orders.live_order import FillLog, LifecycleState, LiveOrder, changed
from btccxt.orders.trigger import PROTECTIVE_KINDS, Trigger

MADE_WAY = "made way: "
"""How the note begins on an order that was cancelled here for another one's sake, not by the strategy."""

NOT_LISTED = MADE_WAY + "not placed as one order list: "


@dataclass(slots=True)
class Placement:
    """One order at the exchange, or on its way there, that carries a leg."""

    request: OrderRequest
    order: LiveOrder | None = None  # as last heard of
    cancelling: bool = False  # its end was asked for by us
    settled: bool = False  # its end has had its effects
    sibling: str | None = None  # the other order of its list
    left_since_s: float | None = None  # the exchange is to end it, for its sibling is being executed

    @property
    def name(self) -> str:
        return self.request.client_order_id

    @property
    def is_open(self) -> bool:
        return self.order is None or not self.order.is_final

    @property
    def is_live(self) -> bool:
        """The exchange has confirmed it, and it is to stay."""
        return self.order is not None and self.order.acknowledged and not self.order.is_final and not self.cancelling

    @property
    def filled(self) -> Decimal:
        return ZERO if self.order is None else self.order.filled

    @property
    def remaining(self) -> Decimal:
        if self.order is None:
            return self.request.amount
        return self.order.remaining if self.is_open else ZERO

    @property
    def is_executing(self) -> bool:
        """Its trigger has fired, or some of it has filled."""
        return self.order is not None and (self.order.triggered or self.order.filled > ZERO)


@dataclass(slots=True)
class Leg:
    """``request``: as it was asked for. ``is_native``: it may rest at the exchange; else it waits here for a price."""

    request: OrderRequest
    is_native: bool
    primary: LiveOrder | None = None
    placements: list[Placement] = field(default_factory=list)
    over: LifecycleState | None = None  # its end, as the strategy is told it
    told: bool = False  # … and that it was told
    ends_at_ms: int | None = None  # ``valid``, where it is kept here
    trigger: Trigger = field(init=False)
    fired: bool = False  # its price came here
    at_market: bool = False  # what is left of it goes at market
    reached: bool = False  # its price came while it was at the exchange, which watches the same price
    is_lost: bool = False  # it is to be had no more, and its position stands
    executing_since_s: float | None = None
    failures: int = 0  # placements that were refused, or ended without anybody here having asked for it
    retry_at_s: float = 0.0  # after a failure
    grow_at_s: float = 0.0  # not before
    grow_pause_s: float = 0.0
    replacement: str | None = None  # this placement takes the place of the older ones once it is confirmed
    shrink_since_s: float | None = None
    shown: LiveOrder | None = None  # as the strategy saw it last
    entry_pct: Decimal | None = None  # its price lies so far from what the entry was filled at, and is not settled yet
    slice_amount: Decimal | None = None  # an iceberg order of slices: how much stands at the exchange at a time
    backstop: str | None = None  # a plain stop at the exchange follows it while it waits here (``context.BACKSTOP``)
    backstop_moved_s: float = 0.0
    backstop_failures: int = 0
    follows: str | None = None  # of an exit that was placed anew: the one whose place it has (``context.FOLLOWS``)
    is_guest: bool = False  # an order of its own that closes the position of a group whose coins are bound once

    def __post_init__(self) -> None:
        self.trigger = Trigger(self.request)

    @classmethod
    def of(cls, request: OrderRequest, context: Mapping[str, str]) -> Leg:
        """``context``: as it is journaled with the order."""
        leg = cls(request, EMULATED not in context or SLICES in context)
        leg.slice_amount = Decimal(context[SLICES]) if SLICES in context else None
        if TRAILS_FROM in context:
            leg.trigger = Trigger(request, Decimal(context[TRAILS_FROM]))
        leg.ends_at_ms = int(context[EXPIRES]) if EXPIRES in context else None
        leg.entry_pct = Decimal(context[ENTRY_PCT]) if ENTRY_PCT in context else None
        leg.backstop = context.get(BACKSTOP)
        leg.follows = context.get(FOLLOWS)
        return leg

    @property
    def name(self) -> str:
        return self.request.client_order_id

    @property
    def is_protective(self) -> bool:
        return self.request.kind in PROTECTIVE_KINDS and not self.is_guest

    @property
    def rests(self) -> bool:
        """Something of it stands at the exchange while its price has not come."""
        return self.is_native or self.backstop is not None

    @property
    def filled(self) -> Decimal:
        return sum((each.filled for each in self.placements), ZERO)

    @property
    def open(self) -> list[Placement]:
        return [each for each in self.placements if each.is_open]

    @property
    def standing(self) -> list[Placement]:
        """Open, and to stay."""
        return [each for each in self.placements if each.is_open and not each.cancelling]

    @property
    def is_executing(self) -> bool:
        return self.fired or self.at_market or self.reached or any(each.is_executing for each in self.placements)

    @property
    def has_filled(self) -> bool:
        return any(each.order is not None and each.order.state is LifecycleState.FILLED for each in self.placements)

    @property
    def primary_is_free(self) -> bool:
        """The order of its own name has not been sent yet, so the next placement may be it."""
        if any(each.name == self.name for each in self.placements):
            return False
        return self.primary is None or (self.primary.pending_release and not self.primary.is_final)

    def to_send(self) -> OrderRequest:
        """What goes to the exchange now: the order itself or, once its price has come, what it turns into."""
        request = self.trigger.fired() if self.fired or self.at_market or not self.is_native else self.request
        if self.at_market and request.kind is not OrderKind.MARKET:
            return replace(
                request, kind=OrderKind.MARKET, price=None, post_only=False, iceberg_amount=None, expires_ms=None,
                time_in_force=TimeInForce.GTC,
            )  # fmt: skip
        return request if self.slice_amount is None else replace(request, iceberg_amount=None)

    def placement(self, name: str) -> Placement | None:
        return next((each for each in self.placements if each.name == name), None)

    def hear(self, order: LiveOrder) -> None:
        """``order``: the one of its own name, or one that carries it."""
        if order.client_order_id == self.name:
            self.primary = order
        known = self.placement(order.client_order_id)
        if known is not None:
            self._follow_edit(known, order)
            known.order = order
        elif order.client_order_id != self.name or not order.pending_release or order.is_final:
            self.placements.append(Placement(order.request, order, made_way(order), sibling=order.listed))

    def _follow_edit(self, placement: Placement, order: LiveOrder) -> None:
        """The strategy has changed a price where it rests: that counts for whatever carries it on, too."""
        before, now = placement.order, order.request
        if before is None or now.kind is not self.request.kind:
            return
        if (now.price, now.trigger_price) != (before.request.price, before.request.trigger_price):
            self.request = replace(self.request, price=now.price, trigger_price=now.trigger_price)
            self.trigger = Trigger(self.request, self.trigger.best)

    # -------------------------------------------------------------- as the strategy sees it

    def view(self, amount: Decimal, context: Mapping[str, str]) -> LiveOrder | None:
        """One order with the fills of all that carried it; None before its primary is known. ``amount``: its size."""
        if self.primary is None:
            return None
        primary = changed(self.primary, context={**self.primary.context, **context}) if context else self.primary
        carried_on = any(each.name != self.name for each in self.placements)
        # What a list ends expires at the exchange, and an exit whose position has gone is refused; for the strategy its
        # pair has cancelled it.
        expired = primary.listed is not None and primary.state is LifecycleState.EXPIRED
        ended_otherwise = expired or primary.state is LifecycleState.REJECTED
        carried_on = carried_on or (ended_otherwise and self.over is LifecycleState.CANCELED)
        carried_on = carried_on or (self.over is LifecycleState.FILLED and primary.state is not self.over)
        if not carried_on and (self.over is not None or not primary.is_final):
            if primary.request.amount == amount or primary.is_final:
                return primary
            return changed(primary, request=replace(primary.request, amount=amount))
        orders = [each.order for each in self.placements if each.order is not None]
        now = next((order for order in reversed(orders) if not order.is_final), None)
        filled = sum((order.filled for order in orders), ZERO)
        fees: dict[str, Decimal] = {}
        for order in orders:
            for coin, cost in order.fees.items():
                fees[coin] = fees.get(coin, ZERO) + cost
        ended = self.over is not None and not self.open
        if self.over is not None and ended:
            state = self.over
        elif filled:
            state = LifecycleState.PARTIALLY_FILLED
        else:
            state = now.state if now is not None else LifecycleState.JOURNALED
        return changed(
            primary,
            request=replace(self.request, amount=filled if state is LifecycleState.FILLED else amount),
            state=state,
            order_id=(now or (orders[-1] if orders else primary)).order_id,
            raw_status=None if now is None else now.raw_status,
            filled=filled,
            cost=sum((order.cost for order in orders), ZERO),
            fees=fees,
            fills=FillLog(fill for order in orders for fill in order.fills.values()),
            reasons=_each_once(order.reasons for order in (primary, *orders) if not made_way(order)),
            notes=_each_once(order.notes for order in (primary, *orders)),
            pending_release=now is None and not ended,
            cancel_requested=now is not None and now.cancel_requested,
            triggered=any(order.triggered for order in orders),
        )


def made_way(order: LiveOrder) -> bool:
    return any(note.startswith(MADE_WAY) for note in order.notes)


def _each_once(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))
