"""Contingent orders: entries with their exits (one triggers others), and orders of which one cancels the others.

Pure, and built on *exposure*: a group knows what was entered, what its exits have given back, and which order carries
which leg. It does not follow events one by one. Whatever is heard of (a fill, a refusal, a cancel, a late trade, a
correction, an edit, a restart) is put down, and ``plan`` compares what should stand at the exchange with what does::

    protected = entered - exited

Exits grow and shrink with their entry. On spot the coins can be bound by one exit only: the protective one rests at the
exchange, the target waits here; when its price comes they change places, and back when the target has not filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from btccxt.model import ZERO, OrderKind, decimal_of
from btccxt.orders.actions import Action, Cancel, End, Note, Renew
from btccxt.orders.backstop import idle_backstops, is_behind
from btccxt.orders.events import AlarmKind
from btccxt.orders.exposure import traded
from btccxt.orders.leg import MADE_WAY, Leg
from btccxt.orders.leg_ends import LegEnds
from btccxt.orders.live_order import LifecycleState, LiveOrder

FIRED = "its price came: sent as soon as the other orders of its group are out of the way"


class ContingencyGroup(LegEnds):
    """The exits of one entry (``entry_name``), or a group of orders of which one cancels the others.

    ``are_exits``: its legs close a position, so what is left of it is to stay protected. Else it is taken literally:
    the first fill or end of one ends the others, as in backtrader's own broker.
    """

    # -------------------------------------------------------------- what is heard

    def add(self, leg: Leg) -> None:
        self.legs[leg.name] = leg
        self._said.discard("filled after all")

    def hear(self, order: LiveOrder, leg: str | None = None) -> None:
        """News of the entry or, with ``leg``, of an order that carries it."""
        if leg is not None:
            self.legs[leg].hear(order)
        elif order.client_order_id == self.entry_name:
            self.entry = order

    def entry_never_came(self) -> None:
        self._entry_gone = True

    def entered_late(self, amount: Decimal) -> None:
        """So much of the entry was learned of only now, after a restart."""
        if all(leg.over is not None for leg in self.legs.values()):
            self._left_alone = max(ZERO, self.exposure - amount)

    def cancel(self, name: str, now_ms: int) -> list[str]:
        """The strategy wants a leg ended. Returns orders that are to be cancelled for it.

        As in backtrader's own broker the whole group goes, the entry too if it has not ended: it comes first, and what
        it has filled until then keeps its exits. A leg whose own time is over (``valid``) goes alone.
        """
        leg = self.legs[name]
        if leg.is_guest or (leg.ends_at_ms is not None and now_ms >= leg.ends_at_ms):
            leg.over = LifecycleState.CANCELED
            return []
        if not self.entry_is_over and self.entry_name is not None:
            self._entry_cancelled = True
            return [self.entry_name]
        self.cancelled = True
        return []

    def on_price(self, price: Decimal, now_s: float) -> tuple[bool, list[tuple[str, Decimal]]]:
        """The latest trade. Returns whether ``plan`` has something to do, and how far trailing legs have come."""
        self.last_price, moved, changed = price, [], False
        for leg in self.watched:
            trigger, fires = leg.trigger.on_price(price)
            if trigger.best != leg.trigger.best and trigger.best is not None:
                moved.append((leg.name, trigger.best))
            is_first, leg.trigger = leg.trigger.best is None, trigger
            if leg.backstop is not None:
                changed = (
                    changed or is_first or is_behind(leg, leg.standing, decimal_of(self._policy.backstop_move_pct))
                )
            if fires and not leg.fired:
                if leg.standing and leg.is_native:  # it fires at the exchange; spot's triggers go by the last trade
                    changed = changed or not leg.reached
                    leg.reached = leg.is_protective and self.is_exclusive
                else:
                    changed = True
                    self._fire(leg, now_s)
        if self._active is not None and self._has_turned(self.legs[self._active]):
            changed = True
        return changed, moved

    def fired_before(self, leg: Leg, now_s: float) -> None:
        """Its price came in a former life, and it has not been sent yet."""
        self._fire(leg, now_s)
        self._actions.clear()  # it is noted already

    def fire(self, name: str, now_s: float) -> None:
        """Its time has come, whatever the price."""
        leg = self.legs[name]
        if not leg.fired and leg.over is None:
            self._fire(leg, now_s)

    def _fire(self, leg: Leg, now_s: float) -> None:
        leg.fired = True
        leg.retry_at_s = now_s
        if self.is_exclusive and not (leg.is_protective and self.are_exits):
            self._active, self._active_since_s = leg.name, now_s
        self._actions.append(Note(leg.name, FIRED))

    # -------------------------------------------------------------- what follows

    def plan(self, now_s: float, new_id: Callable[[], str]) -> list[Action]:
        """What is to be done now. ``new_id`` gives client order ids."""
        self._now_s, self._new_id, self._deadlines = now_s, new_id, []
        for leg in self.legs.values():
            for each in leg.placements:
                if not each.is_open and not each.settled:
                    each.settled = True
                    self._settle(leg, each)
            if leg.is_guest and leg.over is None and not leg.open and leg.request.amount - leg.filled < self.step:
                leg.over = LifecycleState.FILLED
        if self.are_exits:
            self._plan_exits()
            self._look_for_overfill()
        else:
            self._plan_literally()
        for leg in self.legs.values():
            if leg.over is not None:
                self._end(leg)
        self._measure()
        self.watched = [leg for leg in self.legs.values() if self._is_watched(leg)]
        actions, self._actions = self._actions, []
        return actions

    def _plan_exits(self) -> None:
        exposure = self.exposure
        if self.cancelled or (self.entry_is_over and exposure < self.step):
            grown = exposure - (exposure if self._left_alone is None else self._left_alone)
            if grown >= self.step:
                self._say(
                    "filled after all",
                    f"{grown.normalize():f} {self.symbol} was filled after the strategy had "
                    "cancelled its exits: it has no stop",
                )
            guests = self._guests() if exposure >= self.step else []
            for leg in self.legs.values():
                if leg not in guests:
                    self._finish(leg)
            self._plan_guests(guests, max(ZERO, exposure - self.closing.pending))
            ended = all(leg.over is not None for leg in self.legs.values() if not leg.is_guest)
            self._left_alone = exposure if ended else None
            return
        hit = [leg for leg in self.legs.values() if leg.is_protective and leg.is_executing]
        if hit and not self.entry_is_over:
            self._end_entry()
        if exposure < self.step:  # nothing entered yet, or all of it given back while the entry goes on
            for leg in self.legs.values():
                self._clear(leg, "nothing is open just now")
            return
        if all(leg.over is not None for leg in self.legs.values()):
            self._revive(exposure)
            return
        self._left_alone = None
        leaving = next((leg for leg in hit if leg.over is None), None)
        if leaving is not None:
            self._exit(leaving, exposure - self.closing.under_way)
        elif not (self._may_fill_at_once() and self._has_just_begun()) and self._settle_prices():
            self._protect(exposure)

    def _may_fill_at_once(self) -> bool:
        """A market order fills within a moment: its exits are not armed piece by piece."""
        if self.entry_is_over or self.entry is None:
            return False
        return self.entry.request.kind is OrderKind.MARKET

    def _protect(self, exposure: Decimal) -> None:
        if self._is_half_there():
            return
        wanted = self._wanted()
        rest = max(ZERO, exposure - self.closing.pending)
        if self._cover_as_list(rest):
            return
        others = [leg for leg in self.legs.values() if leg not in wanted]
        for leg in others:
            self._clear(leg, "the coins are needed by another order of its group")
        if self.is_exclusive and any(leg.open for leg in others):
            return
        for leg in wanted:
            open_ = rest if self._makes_way(leg) else exposure
            self._cover(leg, min(open_, leg.request.amount - leg.filled))

    def _guests(self) -> list[Leg]:
        return [leg for leg in self.legs.values() if leg.is_guest and leg.over is None]

    def _plan_guests(self, guests: list[Leg], exposure: Decimal) -> None:
        """The exits are gone by the strategy's wish: orders of its own that shared their coins have them now."""
        if any(leg.open for leg in self.legs.values() if leg not in guests):
            return
        for leg in guests:
            amount = min(exposure, leg.request.amount - leg.filled)
            if leg.rests or leg.fired:
                self._cover(leg, amount)
                exposure -= amount

    def _wanted(self) -> list[Leg]:
        """Legs that should stand at the exchange now."""
        alive = [leg for leg in self.legs.values() if leg.over is None]
        ready = [leg for leg in alive if leg.rests or leg.fired]
        if not self.is_exclusive:
            return ready
        active = self._active_target(alive)
        if active is not None:
            return [active]
        protective = [leg for leg in alive if leg.is_protective]
        at_once = [leg for leg in ready if leg.request.kind is OrderKind.MARKET]
        first = [leg for leg in (protective or alive) if leg.rests][:1]
        return at_once[:1] or first

    def _active_target(self, alive: list[Leg]) -> Leg | None:
        """The target whose turn it is, unless its time is over: then the others have theirs back."""
        if self._active is None:
            return None
        target = self.legs[self._active]
        others = [leg for leg in alive if leg is not target]
        if target not in alive:
            self._active = None
        elif others and target.trigger.fired().kind is OrderKind.LIMIT and self._has_stayed_unfilled(target):
            target.fired = False
            self._active = None
        return None if self._active is None else target

    def _has_stayed_unfilled(self, leg: Leg) -> bool:
        return self._has_turned(leg) or not self._before(self._active_since_s + self._policy.swap_back_s)

    def _has_turned(self, leg: Leg) -> bool:
        """The price has gone a part of the way from the target ``leg`` to the stop."""
        target = leg.trigger.level
        stop = next((leg.trigger.level for leg in self.legs.values() if leg.is_protective and leg.over is None), None)
        if target is None or stop is None or self.last_price is None or target == stop:
            return False
        return (target - self.last_price) / (target - stop) * 100 >= self._policy.swap_back_turn_pct

    # -------------------------------------------------------------- leaving, ends

    def _end_entry(self) -> None:
        if self.entry_name is not None and not self._entry_cancelled:
            self._entry_cancelled = True
            self._actions.append(Cancel(self.entry_name, MADE_WAY + "the stop of its bracket was hit"))

    def _exit(self, leg: Leg, exposure: Decimal) -> None:
        """The protective leg is being executed: what is open goes by it, all else is out of the way."""
        others = [other for other in self.legs.values() if other is not leg]
        for other in others:
            self._clear(other, f"{leg.name} is being executed")
        leg.executing_since_s = leg.executing_since_s or self._now_s
        if not leg.at_market and not self._before(leg.executing_since_s + self._policy.escalate_stop_s):
            leg.at_market = True
        self._cancel(idle_backstops(leg, leg.open), "the price has come")
        wrong = [each for each in leg.open if leg.at_market and each.request.kind is not OrderKind.MARKET]
        self._cancel(wrong, "it rests unfilled: what is left goes at market")
        standing = sum((each.remaining for each in leg.standing), ZERO)
        need = exposure - standing
        if need < self.step or any(each.cancelling for each in leg.open):
            return
        if any(other.open for other in others) and not (leg.request.reduce_only and self._market.is_contract):
            return
        if not self._before(leg.retry_at_s):
            leg.fired = True
            if not self._place(leg, need) and not leg.open:
                self._give_up(leg, need)

    def _finish(self, leg: Leg) -> None:
        """Nothing is left to do for this leg."""
        self._cancel(leg.open, "nothing is left for it to close") if not self.cancelled else self._cancel_plainly(leg)
        if leg.over is None and not leg.open:
            leg.over = LifecycleState.FILLED if self._has_done_its_part(leg) else LifecycleState.CANCELED

    def _has_done_its_part(self, leg: Leg) -> bool:
        """One that may only reduce is ended by the exchange where it is larger than what was left to close."""
        last = leg.placements[-1].order if leg.placements else None
        if last is None or not leg.filled:
            return False
        return last.state is LifecycleState.FILLED or leg.filled >= self.amount_of(leg)

    def _cancel_plainly(self, leg: Leg) -> None:
        for each in leg.open:
            if not each.cancelling:
                each.cancelling = True
                self._actions.append(Cancel(each.name))
                if not self.cancelled and (sibling := self._sibling_to_end(each)) is not None:
                    self._cancel([sibling], "the other one of its list ends")

    def _end(self, leg: Leg) -> None:
        self._cancel_plainly(leg)
        if not leg.told and not leg.open:
            leg.told = True
            self._actions.append(End(leg.name))

    def _revive(self, exposure: Decimal) -> None:
        """All exits have ended. What was filled after that needs them again."""
        before, self._left_alone = self._left_alone, exposure
        if before is None or exposure - before < self.step:
            return
        text = f"{(exposure - before).normalize():f} {self._market.symbol} was filled after its exits had ended: "
        if self._say("filled after all", text + "they are placed anew"):
            followed = {leg.follows for leg in self.legs.values()}
            for leg in self.legs.values():
                if not leg.is_guest and leg.name not in followed:
                    self._actions.append(Renew(leg.name, replace(leg.request, client_order_id=self._new_id())))

    # -------------------------------------------------------------- taken literally

    def _plan_literally(self) -> None:
        legs = list(self.legs.values())
        if not self.entry_is_over:
            return
        never = self.entry_name is not None and (self.entry is None or not traded(self.entry))
        if self.cancelled or never:
            for leg in legs:
                self._finish(leg)
            return
        first = next((leg for leg in legs if leg.filled or leg.over is not None or leg.has_filled), None)
        if first is not None:
            for leg in legs:
                if leg is not first:
                    self._finish(leg)
            if first.over is None and not first.open and first.has_filled and first.slice_amount is None:
                first.over = LifecycleState.FILLED
            self._look_for_overfill()
            if first.over is not None or (self.is_exclusive and any(leg.open for leg in legs if leg is not first)):
                return
            self._cover(first, first.request.amount - first.filled)
            return
        if self._is_half_there():
            return
        wanted = self._wanted()
        if self._cover_as_list(max(leg.request.amount for leg in legs)):
            return
        others = [leg for leg in legs if leg not in wanted]
        for leg in others:
            self._clear(leg, "the coins are needed by another order of its group")
        if self.is_exclusive and any(leg.open for leg in others):
            return
        for leg in wanted:
            self._cover(leg, leg.request.amount)

    # -------------------------------------------------------------- measuring, telling

    def _measure(self) -> None:
        """The seconds in which less is protected than is open."""
        asked = (
            self.are_exits
            and not self.cancelled
            and any(leg.is_protective and (leg.over is None or leg.is_lost) for leg in self.legs.values())
        )
        if not asked or self.exposure - self.protected < self.step:
            if self.unprotected_since_s is not None:
                self.unprotected_total_s += self._now_s - self.unprotected_since_s
            self.unprotected_since_s = None
            self._said.discard("unprotected")
            return
        if self.unprotected_since_s is None:
            self.unprotected_since_s = self._now_s
        if not self._before(self.unprotected_since_s + self._policy.unprotected_alarm_s):
            missing = self.exposure - self.protected
            text = (
                f"{missing.normalize():f} {self._market.symbol} of group {self.name} has been without its stop for "
                f"{self._policy.unprotected_alarm_s:g} s; btccxt goes on trying"
            )
            self._say("unprotected", text)

    def _look_for_overfill(self) -> None:
        executed = [leg for leg in self.legs.values() if leg.filled and leg.slice_amount is None]
        filled = {each.name: each.filled for leg in executed for each in leg.placements if each.filled}
        if closed := self.closing.closed:
            filled["orders of its own"] = closed
        wanted = max(leg.request.amount for leg in self.legs.values())
        if self.are_exits and self.entry is not None:
            wanted = traded(self.entry)
        together = sum(filled.values(), ZERO)
        if executed and len(filled) > 1 and together - wanted >= self.step:
            parts = ", ".join(f"{name} {amount.normalize():f}" for name, amount in filled.items())
            text = (
                f"more than one order of a pair has filled ({parts}: together {together.normalize():f}, at most "
                f"{wanted.normalize():f} was wanted): the position is larger than intended"
            )
            self._say("pair", text, executed[-1], AlarmKind.OVERFILL)
