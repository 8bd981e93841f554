"""A stop and a target that stand at the exchange as one order list: the coins are bound once, and both rest. Pure.

What the exchange does by itself: when one begins to fill, or its trigger fires, the other one expires; a cancel of one
takes both. News of the two comes one after the other, so a list of which one half has ended is one whose other half is
being executed, or ends in a moment. What a partly filled target leaves stays in the book, and the stop's price is
watched here; after a while, or when the price has turned, it is a list again.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from btccxt.model import round_amount
from btccxt.orders.actions import Place, PlaceList, Tell
from btccxt.orders.group import FOR_CLOSING, LIST_ENDS_S, MOST_SLICES, OrderGroup
from btccxt.orders.leg import NOT_LISTED, Leg, Placement
from btccxt.orders.live_order import LifecycleState, LiveOrder

_MOST_REFUSALS = 3
_REFUSED_S = 60.0  # after a refusal the orders stand one by one for so long at least


class ListedPair(OrderGroup):
    """Of a group: its stop and its target, where the exchange takes them as one."""

    def _cover_as_list(self, exposure: Decimal) -> bool:
        """Bring the lists to ``exposure``; False: the orders are to stand one by one."""
        if (pair := self._pair()) is None:
            return False
        stop, target = pair
        want = min(exposure, *(leg.request.amount - leg.filled for leg in pair))
        lists = [each for each in stop.standing if self._is_whole(each)]
        if not lists and not self._is_time_for_a_list(stop, target, want):
            return False
        listed = {name for each in lists for name in (each.name, each.sibling)}
        for leg in self.legs.values():
            self._cancel([each for each in leg.open if each.name not in listed], "an order list takes its place")
        for each in lists:
            if (twin := self._twin(each)) is not None and twin[1].is_executing:
                self._cancel([each], "the other one of its list has begun to fill")
        if any(each.cancelling for leg in self.legs.values() for each in leg.open):
            return True
        have = sum((each.remaining for each in lists), Decimal(0))
        gap = want - have
        if gap <= -self.step and self.closing.pending:
            self._cancel(lists, FOR_CLOSING)
        if gap < self.step or self._before(stop.retry_at_s):
            return True
        if not lists:
            self._place_list(stop, target, want)
        elif all(each.is_live for leg in pair for each in leg.standing) and not self._before(stop.grow_at_s):
            if len(lists) < MOST_SLICES and self._are_placeable(pair, gap):
                self._place_list(stop, target, gap)
            elif gap * 100 > want:
                self._cancel(lists, "they are made one")
        return True

    def _pair(self) -> tuple[Leg, Leg] | None:
        """Stop and target that may be one list, by what they are."""
        alive = [leg for leg in self.legs.values() if leg.over is None]
        pair = [leg for leg in alive if not leg.is_guest]
        if not self.is_exclusive or self._active is not None or len(pair) != 2:
            return None
        stop, target = sorted(pair, key=lambda leg: not leg.is_protective)
        if any(leg.fired or leg.at_market for leg in alive) or not (stop.is_native and target.is_native):
            return None
        return (stop, target) if self._may_list(stop.request, target.request) else None

    @property
    def _may_rest_together(self) -> bool:
        return self._pair() is not None and not self._lists_refused

    def _is_time_for_a_list(self, stop: Leg, target: Leg, want: Decimal) -> bool:
        if self._lists_refused and (stop.standing or self._now_s < self._list_again_s):
            return False
        if self._lists_refused >= _MOST_REFUSALS:
            return False
        if self.last_price is not None and any(leg.trigger.is_reached(self.last_price) for leg in (stop, target)):
            return False
        return self._are_placeable((stop, target), want)

    def _are_placeable(self, pair: tuple[Leg, Leg], amount: Decimal) -> bool:
        return all(self._is_placeable(leg, amount) for leg in pair)

    def _is_whole(self, placement: Placement) -> bool:
        twin = self._twin(placement)
        return twin is not None and twin[1] in twin[0].standing

    def _place_list(self, stop: Leg, target: Leg, amount: Decimal) -> None:
        names = [leg.name if leg.primary_is_free else self._new_id() for leg in (stop, target)]
        amount = round_amount(self._market, amount)
        placed = []
        for leg, name, sibling in ((stop, names[0], names[1]), (target, names[1], names[0])):
            request = replace(leg.to_send(), client_order_id=name, amount=amount)
            leg.placements.append(Placement(request, sibling=sibling))
            placed.append(Place(leg.name, request))
        self._pause_growth(stop)
        self._actions.append(PlaceList(*placed))

    # -------------------------------------------------------------- ends

    def _explained_by_list(self, leg: Leg, placement: Placement) -> bool:
        """Whether an order of a list has ended because of the other one, or was never taken with it."""
        order, twin = placement.order, self._twin(placement)
        if twin is None or order is None:
            return False
        sibling = twin[1]
        if not order.acknowledged:
            self._list_refused(leg, order, sibling)
            return True
        if sibling.is_open and not sibling.cancelling:
            self._half_until_s = self._now_s + LIST_ENDS_S
            return True
        filled = sibling.order is not None and sibling.order.state is LifecycleState.FILLED
        return filled or sibling.is_executing or sibling.cancelling

    def _both_ended(self, leg: Leg, placement: Placement) -> tuple[Leg, Placement]:
        """Neither was executed, and nobody here asked: it counts as the end of the stop, once."""
        if (twin := self._twin(placement)) is None:
            return leg, placement
        twin[1].settled = True
        self._active = None
        for each in (leg, twin[0]):
            each.fired = each.fired and each.is_protective
        return (leg, placement) if leg.is_protective else twin

    def _is_half_there(self) -> bool:
        """News of the other half is on its way. A target that fills goes on, and the stop's price is watched here."""
        for leg in self.legs.values():
            for each in leg.standing:
                twin = self._twin(each)
                if twin is None or twin[1].is_open or self._active is not None:
                    continue
                if each.is_executing and not leg.is_protective:
                    self._turn_to(leg)
                    return False
                return self._before(self._half_until_s)
        return False

    def _turn_to(self, target: Leg) -> None:
        target.fired = True
        self._active, self._active_since_s = target.name, self._now_s

    def _list_refused(self, leg: Leg, order: LiveOrder, sibling: Placement) -> None:
        if sibling.is_open:  # told in a moment
            self._half_until_s = self._now_s + LIST_ENDS_S
            return
        sibling.settled = True
        if order.never_arrived:
            return
        self._lists_refused += 1
        self._list_again_s = self._now_s + _REFUSED_S
        notes = (note.removeprefix(NOT_LISTED) for note in order.notes if note.startswith(NOT_LISTED))
        why = "; ".join((*order.reasons, *notes))
        text = f"the exchange does not take stop and target of group {self.name} as one order list ({why}): "
        if "list" not in self._said and not self._says_that_the_price_has_passed(why):
            self._said.add("list")
            self._actions.append(Tell(leg.name, text + "one of them rests there, the other is watched here"))
