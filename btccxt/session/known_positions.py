"""What one message of a position left out is kept from the one before. Pure."""

from __future__ import annotations

from dataclasses import replace

from btccxt.model import Position

_KEPT = ("entry_price", "liquidation_price", "leverage", "margin_mode", "mark_price", "margin", "unrealised_pnl")


def with_former(position: Position, former: Position | None) -> Position:
    """Streams tell less than REST: what is missing is what was told of the same position.

    What follows from its size is kept only while that is the same.
    """
    if former is None or not position.amount or position.amount * former.amount <= 0:
        return position
    same = position.amount == former.amount
    names = _KEPT if same else ("leverage", "margin_mode", "mark_price")
    known = {name: value for name in names if (value := getattr(former, name)) is not None}
    missing = {name: value for name, value in known.items() if getattr(position, name) is None}
    return replace(position, **missing) if missing else position
