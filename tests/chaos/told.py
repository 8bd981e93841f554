"""Orders as the strategy knows them: those that carry an exit on, or a part of it, are that exit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from btccxt.model import ZERO
from btccxt.orders.context import PRIMARY
from btccxt.orders.live_order import LiveOrder
from btccxt.store.store import CCXTStore


def name_of(order: LiveOrder) -> str:
    """The client order id under which the strategy knows it."""
    return order.context.get(PRIMARY, order.client_order_id)


def as_told(store: CCXTStore, orders: Mapping[str, LiveOrder]) -> dict[str, LiveOrder]:
    """``orders``: as the tracker, or the journal, has them."""
    legs = store._open_session.emulator._legs
    told: dict[str, LiveOrder] = {}
    for name, order in orders.items():
        if PRIMARY in order.context:
            continue
        group, leg = legs.get(name, (None, name))
        view = None if group is None else group.view(leg)
        if view is not None:
            told[name] = view
            continue
        carriers = [each for each in orders.values() if name_of(each) == name]
        told[name] = replace(order, filled=sum((each.filled for each in carriers), ZERO))
    return told
