"""How the positions stand whose strategy asked for a stop: what is open, what is protected, how long less was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from btccxt.model import ZERO
from btccxt.orders.group import OrderGroup


@dataclass(frozen=True, slots=True)
class Protection:
    """``group``: the client order id of its entry, or of the first order of a pair. Seconds are of this run.

    ``unprotected_s``: since when a part is without its stop; ``unprotected_total_s``: all such seconds.
    """

    group: str
    symbol: str
    open: Decimal
    protected: Decimal
    unprotected_s: float
    unprotected_total_s: float


def protection_of(group: OrderGroup, now_s: float) -> Protection:
    since_s = group.unprotected_since_s
    lacking_s = 0.0 if since_s is None else now_s - since_s
    total_s = group.unprotected_total_s + lacking_s
    return Protection(group.name, group.symbol, group.exposure, group.protected, lacking_s, total_s)


def unprotected_by_symbol(positions: Iterable[Protection]) -> dict[str, tuple[Decimal, float]]:
    """What is without its stop now, and the seconds in which a part was."""
    found: dict[str, tuple[Decimal, float]] = {}
    for each in positions:
        lacking, seconds = found.get(each.symbol, (ZERO, 0.0))
        missing = each.open - each.protected if each.unprotected_s else ZERO
        found[each.symbol] = lacking + missing, seconds + each.unprotected_total_s
    return found
