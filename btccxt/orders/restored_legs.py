"""What the strategy is told after a restart of exits that other orders carry: of the exits that it knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from btccxt.orders.contingency import ContingencyGroup
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


def _all(groups: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(each for group in groups for each in group)
