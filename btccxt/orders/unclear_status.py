"""Orders in a status that nobody knows: nothing is concluded from it, the exchange is asked again."""

from __future__ import annotations

from collections.abc import Callable

from btccxt.errors import BtccxtError
from btccxt.model import OrderStatus
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.queries import Inquiry
from btccxt.orders.register import OrderRegister

_UNCLEAR_ANSWERS = 2  # by REST, with a status that nobody knows, before a person is told


class UnclearStatuses:
    """``alarm`` is called once of an order whose status stays unknown."""

    def __init__(
        self, register: OrderRegister, inquiry: Inquiry, policy: TrackerPolicy, alarm: Callable[[Alarm], None]
    ) -> None:
        self._register = register
        self._inquiry = inquiry
        self._policy = policy
        self._alarm = alarm
        self._asking: dict[str, str | None] = {}  # order -> the word that was not understood

    def take(self, order: LiveOrder) -> bool:
        """Keep the word that was not understood; whether ``ask_again`` is to be run, not running already."""
        is_new = order.client_order_id not in self._asking
        self._asking[order.client_order_id] = order.raw_status
        return is_new

    async def ask_again(self, client_order_id: str) -> None:
        """News without a known status: ask, ever less often, until something else is known."""
        policy, register = self._policy, self._register
        pause_s, unclear = policy.ask_again_s, 0
        infers = register[client_order_id].infer_fills
        try:
            while not await register.wait(client_order_id, self._is_clear, pause_s):
                pause_s = min(policy.ask_again_most_s, pause_s * 2)
                try:
                    update = await self._inquiry.ask(client_order_id)
                except BtccxtError:
                    continue  # proves nothing; asked again
                if update is None or (infers and update.status is not OrderStatus.UNKNOWN):
                    continue
                if update.status is not OrderStatus.UNKNOWN:
                    return
                unclear += 1
                if unclear == _UNCLEAR_ANSWERS:
                    text = (
                        f"order {client_order_id} ({update.symbol}): the exchange says {update.raw_status!r}, "
                        "no status that is known; nothing is concluded from it, it is asked again: look there yourself"
                    )
                    self._alarm(Alarm(AlarmKind.OUTCOME_UNKNOWN, text, client_order_id))
        finally:
            del self._asking[client_order_id]

    def _is_clear(self, order: LiveOrder) -> bool:
        """Something else has been said of it than what was not understood."""
        return (
            order.is_final or bool(order.reported_terminal) or order.raw_status != self._asking[order.client_order_id]
        )
