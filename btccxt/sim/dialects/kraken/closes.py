"""Kraken's conditional close: each execution of an order makes a closing order of the same volume.

Once made, a closing order is an order like any other: nothing joins it to its primary but ``refid``. What is too small
for an order of its own waits for the next execution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.matching.engine import Engine
from btccxt.matching.records import EngineReject, NewOrder, RejectCode, SimFill, SimOrder
from btccxt.model import ZERO

Submit = Callable[[str, NewOrder, int], SimOrder]


@dataclass(slots=True)
class _Close:
    template: NewOrder
    volume: Decimal = ZERO  # executed, and not yet in a closing order


class ConditionalCloses:
    """``submit`` places an order for an account, as the dialect does it."""

    def __init__(self, engine: Engine, submit: Submit) -> None:
        self._submit = submit
        self._closes: dict[str, _Close] = {}  # by the id of the primary order
        self._due: dict[str, SimOrder] = {}
        engine.after_each_call(self._place_due)

    def of(self, order_id: str) -> NewOrder | None:
        close = self._closes.get(order_id)
        return None if close is None else close.template

    def attach(self, order: SimOrder, template: NewOrder) -> None:
        """Before its first fill. ``template``: the closing order without its volume."""
        self._closes[order.order_id] = _Close(replace(template, parent_id=order.order_id))

    def on_fill(self, order: SimOrder, fill: SimFill) -> None:
        close = self._closes.get(order.order_id)
        if close is not None:
            close.volume += fill.amount
            self._due[order.order_id] = order

    def _place_due(self, now_ms: int) -> None:
        due, self._due = self._due, {}
        for order_id, order in due.items():
            close = self._closes[order_id]
            volume, close.volume = close.volume, ZERO
            try:
                self._submit(order.account, replace(close.template, amount=volume), now_ms)
            except EngineReject as reject:  # else the coins are gone: Kraken says nothing about it either
                if reject.code in (RejectCode.MIN_AMOUNT, RejectCode.MIN_COST):
                    close.volume += volume
