"""An order that carried a leg has ended, and nobody here asked for it: what becomes of the leg. Pure."""

from __future__ import annotations

from btccxt.model import ZERO, OrderKind, round_amount
from btccxt.orders.actions import Tell
from btccxt.orders.backstop import is_backstop
from btccxt.orders.events import AlarmKind
from btccxt.orders.leg import Leg, Placement
from btccxt.orders.listed_pair import ListedPair
from btccxt.orders.live_order import LifecycleState, LiveOrder

_MOST_RETURNS = 3  # of a stop that somebody takes off at the exchange, or that never reaches it


class LegEnds(ListedPair):
    """The part of a group that judges ends."""

    def _settle(self, leg: Leg, placement: Placement) -> None:
        """An order that carried a leg has ended."""
        order = placement.order
        assert order is not None
        if placement.cancelling or leg.over is not None or order.state is LifecycleState.FILLED or self.cancelled:
            return
        if leg.slice_amount is not None:
            self._settle_slice(leg, order)
            return
        if is_backstop(leg, placement):
            if placement.is_executing:
                leg.fired = leg.at_market = True
            else:
                self._lost_backstop(leg, order)
            return
        if placement.sibling is not None and not placement.is_executing:
            if self._explained_by_list(leg, placement):
                return
            leg, placement = self._both_ended(leg, placement)
            order = placement.order or order
        if order.never_arrived and self.are_exits and self._is_placed_again(leg, placement):
            return
        if not self.are_exits or not leg.is_protective:
            if not leg.standing:
                leg.over = self._end_of_other(leg, order)
            return
        if self.exposure < self.step:  # it had nothing to protect
            return
        leg.failures += 1
        if leg.failures > 1 and self._was_closed_elsewhere(leg):
            return
        if placement.is_executing or placement.request.kind is OrderKind.MARKET:
            leg.fired = True
            leg.at_market = leg.at_market or placement.is_executing
            if leg.failures > 1 and order.state is LifecycleState.REJECTED:
                why = "; ".join(order.reasons) or "refused"
                text = f"{placement.name}, which closes the position of {leg.name}, was refused ({why}): tried again"
                self._say("close refused", text, leg, AlarmKind.PROTECTIVE_REJECTED)
        elif order.state is LifecycleState.REJECTED:
            self._refused(leg, order)
        else:
            self._taken_away(leg, order)
        if leg.failures > 1 or not leg.is_executing:
            self._pause(leg)

    def _pause(self, leg: Leg) -> None:
        pause_s = min(30.0, self._policy.protect_retry_s * 2.0 ** (leg.failures - 1))
        leg.retry_at_s = max(leg.retry_at_s, self._now_s + pause_s)

    def _is_placed_again(self, leg: Leg, placement: Placement) -> bool:
        """The exchange never saw it, so nothing speaks against it; one whose price has passed is refused by it."""
        if placement.request.kind is OrderKind.MARKET or self.exposure < self.step or leg.failures >= _MOST_RETURNS:
            return False
        leg.failures += 1
        if leg.failures > 1:
            self._pause(leg)
        self._actions.append(Tell(leg.name, f"exit {placement.name} never reached the exchange: it is placed again"))
        return True

    def _end_of_other(self, leg: Leg, order: LiveOrder) -> LifecycleState:
        """Of a leg that protects nothing: refused while its position is closed, it counts as cancelled by its pair."""
        others = (each for each in self.legs.values() if each is not leg)
        is_closing = self.exposure < self.step or any(each.is_executing for each in others)
        late = self.are_exits and order.state is LifecycleState.REJECTED and is_closing
        return LifecycleState.CANCELED if late else order.state

    def _was_closed_elsewhere(self, leg: Leg) -> bool:
        """Whether the account holds less than is to be closed, so that no exit for it can ever be placed."""
        if self._held is None:
            return False
        held = round_amount(self._market, max(ZERO, self._held() * -leg.request.side.sign))
        missing = self.exposure - held
        if missing < self.step:
            return False
        text = f"{missing.normalize():f} {self.symbol} of group {self.name} was closed by other orders: "
        self._say("closed elsewhere", text + "its exits do not follow it any more", leg)
        self._most = held, self.entered
        return True

    def _refused(self, leg: Leg, order: LiveOrder) -> None:
        why = "; ".join(order.reasons) or "refused"
        if self._has_passed(leg, why):  # so it is hit: what a stop is there for
            leg.fired = leg.at_market = True
            text = f"the price had passed stop {leg.name} when it was to be placed ({why}): "
            self._actions.append(Tell(leg.name, text + "its position is closed at market"))
            return
        text = f"protective order {leg.name} was refused ({why}): "
        if self._unprotected == "exit":
            leg.fired = leg.at_market = True
            self._say("refused", text + "its position is closed at market", leg, AlarmKind.PROTECTIVE_REJECTED)
        elif self._unprotected == "retry":
            self._say("refused", text + "it is guarded here, and tried again", leg, AlarmKind.PROTECTIVE_REJECTED)
        else:
            leg.over, leg.is_lost = order.state, True
            self._say("refused", text + "its position has no stop", leg, AlarmKind.PROTECTIVE_REJECTED)

    def _has_passed(self, leg: Leg, why: str) -> bool:
        """Whether a stop was refused because its price has come already."""
        if self.last_price is not None and leg.trigger.is_reached(self.last_price):
            return True
        return self._says_that_the_price_has_passed(why)

    def _taken_away(self, leg: Leg, order: LiveOrder) -> None:
        """Ended at the exchange, and nobody here asked for it: somebody by hand, or the exchange itself."""
        text = (
            f"protective order {leg.name} has ended at the exchange ({order.state.value}), nobody here asked for it: "
        )
        if self._unprotected == "alarm":
            leg.over, leg.is_lost = order.state, True
            self._say("taken away", text + "its position has no stop", leg)
        elif leg.failures > _MOST_RETURNS and self._unprotected == "exit":
            leg.fired = leg.at_market = True
            self._say("taken away again", text + "its position is closed at market", leg)
        elif self.is_exclusive or leg.failures > 1:
            # Else it may be that the exchange closed it with its position, and the fill that says so is on its way.
            self._say("taken away", text + "it is placed again", leg)
