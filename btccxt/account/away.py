"""What happened while no program looked at the account: a line each for the strategy. Pure."""

from __future__ import annotations

from btccxt.model import ZERO, OrderRequest
from btccxt.orders.restart import RestoredState

_LINES = 20


def told_of_absence(restored: RestoredState) -> list[str]:
    """Orders that changed or ended meanwhile, oldest first, and how many are open; [] where nothing was before."""
    lines = []
    for event in restored.changes:
        live = event.order
        filled = sum((fill.amount for fill in event.fills), ZERO)
        text = f"while this program was away: {_words(live.request)}: {live.state.value.replace('_', ' ')}"
        if filled:
            text += f", filled {filled.normalize():f}"
            text += "" if live.average is None else f" at {live.average.normalize():f} on average"
        lines.append(text)
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], f"… and {len(lines) - _LINES} more orders: btccxt orders shows them"]
    if restored.open_orders:
        number = len(restored.open_orders)
        lines.append(f"{number} {'order is' if number == 1 else 'orders are'} open from before")
    return lines


def _words(request: OrderRequest) -> str:
    price = request.price or request.trigger_price
    words = f"{request.side.value} {request.amount.normalize():f} {request.symbol} {request.kind.value}"
    return words if price is None else f"{words} at {price.normalize():f}"
