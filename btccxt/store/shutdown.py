"""What becomes of orders and positions when a store stops: leave them, cancel them, or flatten the account.

Runs in the strategy's thread after the strategy has stopped. Bounded: what has not ended by then is said, by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from btccxt.bt.broker import CCXTBroker
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.position_names import held_positions
from btccxt.config import OnStop
from btccxt.observe.log import EventName, get_logger

log = get_logger(__name__)
_PATIENCE_S = 0.1


def end_orders(
    broker: CCXTBroker, cerebro_loop: CerebroLoop, policy: OnStop, timeout_s: float, say: Callable[[str], None]
) -> None:
    """Blocks until every order has ended or ``timeout_s`` is over. LEAVE returns at once."""
    if policy is OnStop.LEAVE:
        return
    deadline = time.monotonic() + timeout_s
    for order in broker.get_orders_open():
        broker.cancel(order)
    _wait(broker, cerebro_loop, deadline)
    if policy is OnStop.FLATTEN:
        _flatten(broker, cerebro_loop, deadline, say)
    for order in broker.get_orders_open():
        say(
            f"order {order.info.get('client_order_id')} on {order.data._dataname} had not ended after {timeout_s:g} s; "
            "look at it on the exchange"
        )


def _flatten(broker: CCXTBroker, cerebro_loop: CerebroLoop, deadline: float, say: Callable[[str], None]) -> None:
    """Close at market, again for what a thin book left, as long as that gets on; what is left is said."""
    left = list(held_positions(broker))
    while left:
        for held in left:
            order = held.close(broker)
            log.info(EventName.ON_STOP, action="flatten", symbol=held.name, size=held.size, ref=order.ref)
            for reason in order.info.get("reasons", ()) or ():
                say(f"{held.name}: position of {held.size:g} was not closed: {reason}")
        _wait(broker, cerebro_loop, deadline)
        before, left = left, list(held_positions(broker))
        if left == before or time.monotonic() >= deadline:
            break
    for held in left:
        say(f"{held.name}: NOT FLAT after on_stop='flatten', {held.size:g} is left; close it at the exchange")


def _wait(broker: CCXTBroker, cerebro_loop: CerebroLoop, deadline: float) -> None:
    broker.next()
    while broker.get_orders_open() and time.monotonic() < deadline:
        cerebro_loop.inbox.deliver(_PATIENCE_S)
        broker.next()
