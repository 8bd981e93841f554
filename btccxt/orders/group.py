"""A group of contingent orders: what is known of it, and how what stands at the exchange is brought to what is wanted.

Pure. What is wanted is decided in ``contingency.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from btccxt.model import ZERO, Market, OrderKind, OrderRequest, decimal_of, round_amount, round_price
from btccxt.orders.actions import Action, Cancel, Place, Reprice, Tell
from btccxt.orders.backstop import MOST_FAILURES, backstop_of, idle_backstops, is_behind
from btccxt.orders.closing import Shares
from btccxt.orders.context import EMULATED
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.exposure import gained, given_back
from btccxt.orders.from_entry import PRICED, priced_from
from btccxt.orders.iceberg import next_slice
from btccxt.orders.leg import MADE_WAY, Leg, Placement
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy, Unprotected
from btccxt.orders.trigger import Trigger

_BOUND = "the coins are bound by another order of its group: sent when the price comes, after that one is cancelled"
FOR_CLOSING = "an order of the strategy closes the position"
MOST_SLICES = 3  # orders at the exchange that carry one leg, before they are made one
LIST_ENDS_S = 2.0  # for news that the exchange has ended an order of a list; then it is asked for


class OrderGroup:
    """The legs of one group, its entry where it has one, and the orders that carry them."""

    def __init__(
        self,
        name: str,
        market: Market,
        policy: TrackerPolicy,
        *,
        entry_name: str | None = None,
        unprotected: Unprotected,
        are_exits: bool = True,
        held: Callable[[], Decimal] | None = None,
        may_list: Callable[[OrderRequest, OrderRequest], bool] = lambda stop, target: False,
    ) -> None:
        """``may_list(stop, target)``: whether the exchange takes these two as one order list."""
        self.name = name
        self.entry_name = entry_name
        self.entry: LiveOrder | None = None
        self.legs: dict[str, Leg] = {}
        self.are_exits = are_exits
        self.last_price: Decimal | None = None
        self.watched: list[Leg] = []  # they wait here for their price, or their trigger is to be noticed
        self.unprotected_since_s: float | None = None
        self.unprotected_total_s = 0.0
        self.cancelled = False  # the strategy wants it ended
        self.closing = Shares(market)  # orders that are none of its own, and close its position
        self._market = market
        self._policy = policy
        self._unprotected = unprotected
        self._active: str | None = None  # the target whose turn it is where the coins are bound once
        self._active_since_s = 0.0
        self._entry_gone = False  # it was never placed
        self._entry_cancelled = False
        self._first_fill_s: float | None = None
        self._held = held
        self._may_list = may_list
        self._lists_refused = 0
        self._list_again_s = 0.0
        self._half_until_s = 0.0
        self._most: tuple[Decimal, Decimal] | None = None  # what the account held when so much had been entered
        self._left_alone: Decimal | None = None  # what was open when all exits had ended
        self._said: set[str] = set()
        self._now_s = 0.0
        self._deadlines: list[float] = []
        self._actions: list[Action] = []
        self._new_id: Callable[[], str] = str

    # -------------------------------------------------------------- what is known

    @property
    def symbol(self) -> str:
        return self._market.symbol

    @property
    def step(self) -> Decimal:
        return self._market.amount_step or Decimal("1e-12")

    @property
    def is_exclusive(self) -> bool:
        """The coins can be bound by one of its orders only."""
        sides = {leg.request.side for leg in self.legs.values()}
        return not self._market.is_contract and len(sides) == 1

    @property
    def entry_is_over(self) -> bool:
        return self.entry_name is None or self._entry_gone or (self.entry is not None and self.entry.is_final)

    @property
    def entered(self) -> Decimal:
        if self.entry_name is None:
            return max((leg.request.amount for leg in self.legs.values() if not leg.is_guest), default=ZERO)
        return ZERO if self.entry is None else gained(self.entry, self._market)

    @property
    def exited(self) -> Decimal:
        orders = [each.order for leg in self.legs.values() for each in leg.placements if each.order is not None]
        return sum((given_back(order, self._market) for order in orders), ZERO) + self.closing.closed

    @property
    def exposure(self) -> Decimal:
        """What is to be protected, in whole steps."""
        entered = self.entered
        left = max(ZERO, entered - self.exited)
        if self._most is not None and self._most[1] == entered:
            left = min(left, self._most[0])
        return round_amount(self._market, left)

    @property
    def protected(self) -> Decimal:
        """What the exchange has confirmed a protective order for, or is guarded here."""
        guarded = ZERO
        for leg in self.legs.values():
            if leg.is_protective and leg.over is None:
                live = sum((each.remaining for each in leg.placements if each.is_live), ZERO)
                guarded = max(guarded, self.exposure if self._guards_here(leg) else live)
        return min(guarded, self.exposure)

    @property
    def is_over(self) -> bool:
        return self.entry_is_over and all(leg.over is not None and not leg.open for leg in self.legs.values())

    @property
    def wants_protection(self) -> bool:
        """It is, or was, about a position whose strategy asked for a stop."""
        has_stop = any(leg.is_protective for leg in self.legs.values())
        return self.are_exits and has_stop and bool(self.unprotected_total_s or (self.exposure and not self.cancelled))

    def amount_of(self, leg: Leg) -> Decimal:
        """The size of a leg as the strategy sees it: what was asked for, once its entry has ended at most its fills."""
        closed = self.closing.closed
        if not self.are_exits or not self.entry_is_over or not self.entered or (self.entry_name is None and not closed):
            return leg.request.amount
        return min(leg.request.amount, max(round_amount(self._market, self.entered - closed), leg.filled))

    def context_of(self, name: str) -> Mapping[str, str]:
        primary = self.legs[name].primary
        return {} if primary is None else primary.context

    def view(self, name: str) -> LiveOrder | None:
        leg = self.legs[name]
        waits = self.is_exclusive and len(self.legs) > 1 and leg.over is None and not leg.standing
        waits = waits and not self._may_rest_together
        waits = waits and not (leg.placements and self._is_ended_by_sibling(leg.placements[-1]))
        return leg.view(self.amount_of(leg), {EMULATED: _BOUND} if waits and leg.is_native else {})

    @property
    def _may_rest_together(self) -> bool:
        """Whether its orders are at the exchange, or will be, as one list that binds the coins once."""
        return False

    def next_deadline_s(self) -> float | None:
        """When ``plan`` has to be asked again though nothing was heard."""
        return min(self._deadlines, default=None)

    def _is_watched(self, leg: Leg) -> bool:
        if leg.over is not None or leg.fired or leg.entry_pct is not None or not self.entry_is_under_way:
            return False
        if not leg.standing:
            return not leg.open or not leg.is_native or self.is_exclusive
        return (
            leg.backstop is not None
            or leg.request.kind is OrderKind.STOP_LIMIT
            or (self.is_exclusive and len(self.legs) > 1)
        )

    @property
    def entry_is_under_way(self) -> bool:
        if self.entry_name is None:
            return True
        return self.exposure >= self.step if self.are_exits else self.entry_is_over and bool(self.entered)

    def _guards_here(self, leg: Leg) -> bool:
        """It is not at the exchange, and its price is watched here."""
        if leg.backstop is not None:
            return leg.fired or self._is_watched(leg)
        if leg.standing and not any(each.cancelling for each in leg.open):
            return False
        return leg.fired or (self._is_watched(leg) and (not leg.is_native or bool(leg.placements)))

    # -------------------------------------------------------------- one leg at the exchange

    def _settle_prices(self) -> bool:
        """Exits that are so many per cent from the entry get their price once, from what has been filled by then.

        False while no trade tells the price; soon the estimate has to do, for nobody stays without a stop for it.
        """
        legs = [leg for leg in self.legs.values() if leg.entry_pct is not None]
        if not legs:
            return True
        average = None if self.entry is None else self.entry.average
        if average is None and self._has_just_begun():
            return False
        for leg in legs:
            percent, leg.entry_pct = leg.entry_pct or ZERO, None
            if average is not None:
                leg.request = priced_from(leg.request, average, percent, self._market)
                leg.trigger = Trigger(leg.request)
                why = f"{PRICED}{percent.normalize():+f} % of {average:f}"
                self._actions.append(Reprice(leg.name, leg.request, why))
        return True

    def _has_just_begun(self) -> bool:
        """The first fill of the entry was a moment ago."""
        if self._first_fill_s is None:
            self._first_fill_s = self._now_s
        return self._before(self._first_fill_s + self._policy.market_entry_wait_s)

    def _cover(self, leg: Leg, want: Decimal) -> None:
        """Bring what stands for a leg to ``want``."""
        standing = leg.standing
        is_going = any(each.cancelling for each in leg.open)  # and may fill yet
        if is_going and (self.is_exclusive or not (standing or leg.is_protective)):
            return
        if leg.slice_amount is not None:
            self._place_slice(leg)
            return
        if leg.backstop is not None and self._move_backstop(leg, standing, want):
            return
        if leg.replacement is not None:
            new = next((each for each in standing if each.name == leg.replacement), None)
            if new is not None and not new.is_live:
                return
            if new is not None:
                self._cancel((each for each in standing if each is not new), "a new one has its place")
            leg.replacement = None
            return
        have = sum((each.remaining for each in standing), ZERO)
        gap = want - have
        if gap <= -self.step and self._makes_way(leg):
            self._cancel(standing, FOR_CLOSING)
            return
        leg.shrink_since_s = leg.shrink_since_s if gap <= -self.step else None
        if abs(gap) < self.step or self._before(leg.retry_at_s):
            return
        if gap < 0:
            self._shrink(leg, want)
        elif not have:
            if not self._place(leg, want):
                self._give_up(leg, want)
        elif all(each.is_live for each in standing) and not self._before(leg.grow_at_s):
            self._grow(leg, standing, want, gap)

    def _place_slice(self, leg: Leg) -> None:
        amount = round_amount(self._market, next_slice(leg, self._market))
        if not leg.open and not (amount >= self.step and self._place(leg, amount)):
            leg.over = LifecycleState.FILLED if amount < self.step else LifecycleState.CANCELED

    def _settle_slice(self, leg: Leg, order: LiveOrder) -> None:
        """It ended otherwise than filled, and nobody here asked for it: no other follows."""
        leg.over = LifecycleState.CANCELED if leg.filled else order.state
        if leg.filled:
            why = "; ".join(order.reasons) or order.state.value
            self._actions.append(Tell(leg.name, f"iceberg order {leg.name} ends with a part of it: {why}"))

    def _move_backstop(self, leg: Leg, standing: list[Placement], want: Decimal) -> bool:
        """Off, once the price has come here; up behind the price, where it can be. True: nothing else is done now."""
        if leg.fired or leg.at_market:
            self._cancel(idle_backstops(leg, standing), "the price has come")
            return any(each.cancelling for each in leg.open)
        if backstop_of(leg, self._market) is None or not (standing or self._is_placeable(leg, want)):
            return True
        if leg.replacement is not None or not is_behind(leg, standing, decimal_of(self._policy.backstop_move_pct)):
            return False
        if self._before(leg.backstop_moved_s + self._policy.backstop_move_s) or not all(e.is_live for e in standing):
            return False
        if self.is_exclusive:
            self._cancel(standing, "it follows the price")
        else:
            self._replace(leg, sum((each.remaining for each in standing), ZERO))
        return True

    def _lost_backstop(self, leg: Leg, order: LiveOrder) -> None:
        """Ended at the exchange, and nobody here asked for it: the trailing stop goes on being kept here."""
        leg.backstop_failures += 1
        leg.backstop_moved_s = self._now_s
        leg.retry_at_s = self._now_s + self._policy.backstop_move_s
        if leg.backstop_failures >= MOST_FAILURES:
            leg.backstop = None
            why = "; ".join(order.reasons) or order.state.value
            text = (
                f"no stop at the exchange stands behind {leg.name} any more ({why}): it is kept by this program alone"
            )
            self._actions.append(Tell(leg.name, text))

    def _makes_way(self, leg: Leg) -> bool:
        """For an order that closes the position: where the coins are bound once each exit, else the targets."""
        return bool(self.closing.pending) and (self.is_exclusive or not leg.is_protective)

    def has_made_way(self) -> bool:
        """Whether nothing at the exchange is in the way of orders that close the position."""
        room = max(self.exposure - self.closing.pending, ZERO)
        in_the_way = [leg for leg in self.legs.values() if self._makes_way(leg)]
        open_ = [[each for each in leg.open if not self._has_its_stops_coins(leg, each)] for leg in in_the_way]
        bound = [sum((each.remaining for each in placements), ZERO) for placements in open_]
        return (sum(bound, ZERO) if self.is_exclusive else max(bound, default=ZERO)) - room < self.step

    def _grow(self, leg: Leg, standing: list[Placement], want: Decimal, gap: Decimal) -> None:
        if len(standing) < MOST_SLICES and self._is_placeable(leg, gap):
            self._place(leg, gap)
        elif not self.is_exclusive:
            self._replace(leg, want)
        elif gap * 100 > want:
            self._cancel(standing, "they are made one")

    def _shrink(self, leg: Leg, want: Decimal) -> None:
        """More stands than is open. Where the coins are bound once it cannot be; else it may only reduce."""
        if self.is_exclusive:
            return
        if leg.shrink_since_s is None:
            leg.shrink_since_s = self._now_s
        if not self._before(leg.shrink_since_s + self._policy.resize_wait_s) and all(e.is_live for e in leg.standing):
            leg.shrink_since_s = None
            self._replace(leg, want)

    def _replace(self, leg: Leg, want: Decimal) -> None:
        """The new one first: for a moment too much is protected, never too little."""
        if self._place(leg, want):
            leg.replacement = leg.placements[-1].name

    def _place(self, leg: Leg, amount: Decimal) -> bool:
        if not self._is_placeable(leg, amount):
            return False
        rests = None if leg.fired or leg.at_market or leg.backstop is None else backstop_of(leg, self._market)
        is_own = leg.primary_is_free and rests is None and leg.slice_amount is None
        name = leg.name if is_own else self._new_id()
        request = replace(rests or leg.to_send(), client_order_id=name, amount=round_amount(self._market, amount))
        leg.backstop_moved_s = self._now_s
        if leg.request.limit_offset is not None and request.price is not None:
            request = replace(request, price=round_price(self._market, request.price))
        leg.placements.append(Placement(request))
        self._pause_growth(leg)
        self._actions.append(Place(leg.name, request))
        return True

    def _pause_growth(self, leg: Leg) -> None:
        leg.grow_pause_s = min(2.0, leg.grow_pause_s * 2 or self._policy.resize_wait_s)
        leg.grow_at_s = self._now_s + leg.grow_pause_s

    def _give_up(self, leg: Leg, amount: Decimal) -> None:
        """Less is left than the exchange takes; while the entry goes on it may yet become enough."""
        if self.entry_is_over:
            leg.over = LifecycleState.CANCELED
            if leg.is_protective:
                text = f"{amount.normalize():f} {self._market.symbol} is less than the exchange takes: it has no stop"
                self._say("too little", text, leg)

    def _is_placeable(self, leg: Leg, amount: Decimal) -> bool:
        market = self._market
        if amount < (market.min_amount or self.step):
            return False
        price = leg.request.price or leg.request.trigger_price or self.last_price
        if market.is_contract or market.min_cost is None or price is None:
            return True
        return amount * price >= market.min_cost

    def _cancel(self, placements: Iterable[Placement], why: str) -> None:
        """And with each the other one of its list, which the exchange does not keep without it."""
        for each in placements:
            if each.is_open and not each.cancelling and not self._is_left_to_the_exchange(each):
                for one in (each, self._sibling_to_end(each)):
                    if one is not None:
                        one.cancelling = True
                        self._actions.append(Cancel(one.name, MADE_WAY + why))

    def _twin(self, placement: Placement) -> tuple[Leg, Placement] | None:
        """The other order of its list, and the leg that this one carries."""
        if placement.sibling is not None:
            for leg in self.legs.values():
                if (found := leg.placement(placement.sibling)) is not None:
                    return leg, found
        return None

    def _has_its_stops_coins(self, leg: Leg, placement: Placement) -> bool:
        """A list binds the coins once."""
        twin = self._twin(placement)
        return twin is not None and not leg.is_protective and twin[1].is_open

    def _is_ended_by_sibling(self, placement: Placement) -> bool:
        """The other one of its list has taken its place for good, unless it is a target that fills in parts."""
        twin = self._twin(placement)
        return twin is not None and twin[1].is_executing and (twin[0].is_protective or not twin[1].is_open)

    def _sibling_to_end(self, placement: Placement) -> Placement | None:
        """What a cancel takes along. A sibling that is being executed has left its list."""
        twin = self._twin(placement)
        if twin is None or twin[1].is_executing or twin[1].cancelling or not twin[1].is_open:
            return None
        return twin[1]

    def _is_left_to_the_exchange(self, placement: Placement) -> bool:
        """Its sibling is being executed, so the exchange ends this one by itself; news of that takes a moment."""
        if (twin := self._twin(placement)) is None:
            return False
        leg, sibling = twin
        if not sibling.is_executing:
            return leg.is_protective and leg.is_executing and sibling in leg.standing
        if placement.left_since_s is None:
            placement.left_since_s = self._now_s
        return self._before(placement.left_since_s + LIST_ENDS_S)

    def _clear(self, leg: Leg, why: str) -> None:
        """Off the exchange, but not over."""
        self._cancel(leg.open, why)
        leg.grow_pause_s = 0.0
        leg.replacement = None

    def _say(self, what: str, text: str, leg: Leg | None = None, kind: AlarmKind = AlarmKind.UNPROTECTED) -> bool:
        """Once."""
        if what in self._said:
            return False
        self._said.add(what)
        name = leg.name if leg is not None else self.entry_name or next(iter(self.legs))
        once = None if what == "unprotected" else f"{what} {self.name}"
        self._actions.append(Alarm(kind, text, name, once=once))
        return True

    def _says_that_the_price_has_passed(self, why: str) -> bool:
        return any(text.lower() in why.lower() for text in self._policy.price_passed_texts)

    def _before(self, deadline_s: float) -> bool:
        """Whether that is still to come; then ``plan`` will be asked again at that time."""
        if self._now_s >= deadline_s:
            return False
        self._deadlines.append(deadline_s)
        return True
