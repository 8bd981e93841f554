"""Exits after a restart: what the journal says of each, and what the strategy is told of those that others carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from btccxt.orders.contingency import ContingencyGroup
from btccxt.orders.from_entry import PRICED
from btccxt.orders.leg import Leg, made_way
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState


def told_of_legs(restored: RestoredState, legs: Mapping[str, tuple[ContingencyGroup, str]]) -> RestoredState:
    """``restored``, told of legs instead of the orders that carry them. ``legs``: by the name of each such order."""
    changes: dict[str, list[OrderEvent]] = {}
    touched: dict[str, tuple[ContingencyGroup, str]] = {}
    others = []
    for event in restored.changes:
        if (known := legs.get(event.order.client_order_id)) is None:
            others.append(event)
        else:
            changes.setdefault(known[1], []).append(event)
            touched[known[1]] = known
    for order in restored.open_orders:
        if (known := legs.get(order.client_order_id)) is not None:
            touched[known[1]] = known
    views = {name: group.view(leg) for name, (group, leg) in touched.items()}
    open_orders = [order for order in restored.open_orders if order.client_order_id not in legs]
    for name, view in views.items():
        if view is None:
            continue
        group, leg = touched[name]
        group.legs[leg].shown = view
        if not view.is_final:
            open_orders.append(view)
        if view.is_final or name in changes:
            events = changes.get(name, [])
            others.append(OrderEvent(view, _all(e.fills for e in events), _all(e.corrections for e in events)))
    open_orders.sort(key=lambda order: (order.created_ms, order.client_order_id))
    return replace(restored, open_orders=tuple(open_orders), changes=tuple(others))


def leg_as_it_was(group: ContingencyGroup, leg: Leg, order: LiveOrder, *, was_told: bool, now_ms: int) -> None:
    """Give a leg back what an order of the journal says of it. ``was_told``: the strategy has heard of the end."""
    is_own = order.client_order_id == leg.name
    if any(note.startswith(PRICED) for note in order.notes):
        leg.entry_pct = None
    group.hear(order, leg.name)
    if order.cancel_requested and not made_way(order):  # the strategy's wish, or its time was over
        if leg.ends_at_ms is not None and leg.ends_at_ms <= now_ms:
            leg.over = leg.over or LifecycleState.CANCELED
        else:
            group.cancelled = True
    if was_told and order.is_final and is_own:
        leg.over, leg.told, leg.shown = order.state, True, order
        leg.is_lost = leg.is_protective and not group.cancelled and order.state is not LifecycleState.FILLED


def _all(groups: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(each for group in groups for each in group)
