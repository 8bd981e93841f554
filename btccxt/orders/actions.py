"""What follows from contingent orders: the pure core says it, the emulator does it."""

from __future__ import annotations

from dataclasses import dataclass

from btccxt.model import OrderRequest
from btccxt.orders.events import Alarm


@dataclass(frozen=True, slots=True)
class Place:
    """Send an order for a leg: its own (held so far), or a spawned one with an id of its own."""

    leg: str
    request: OrderRequest


@dataclass(frozen=True, slots=True)
class PlaceList:
    """Send both as one order list of the exchange."""

    stop: Place
    target: Place


@dataclass(frozen=True, slots=True)
class Cancel:
    """``note``, where there is one, is put on the order first: why this was not the strategy's wish."""

    client_order_id: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """A leg is over, and nothing at the exchange says so: withdraw what is held, tell the strategy."""

    leg: str


@dataclass(frozen=True, slots=True)
class Note:
    client_order_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Reprice:
    """A leg that waits here is another order now; ``why`` is noted on it, and found again after a restart."""

    leg: str
    request: OrderRequest
    why: str


@dataclass(frozen=True, slots=True)
class Tell:
    """A note on the order that the strategy hears of as well (``notify_store``): no alarm."""

    client_order_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Renew:
    """An exit that has ended is needed again, for its entry filled after all: a new order, also for the strategy."""

    leg: str
    request: OrderRequest


Action = Place | PlaceList | Cancel | End | Note | Reprice | Tell | Renew | Alarm


def placed_by(action: Action) -> tuple[Place, ...]:
    """What an action places, for which legs."""
    match action:
        case Place():
            return (action,)
        case PlaceList(stop, target):
            return stop, target
        case _:
            return ()
