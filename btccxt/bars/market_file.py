"""Market records as plain JSON values and back, exact to the last digit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from btccxt.model import Market, MarketType

_FIELDS = {field.name: str(field.type) for field in fields(Market)}


def plain(market: Market) -> dict[str, Any]:
    """Decimals as text."""
    values = {name: getattr(market, name) for name in _FIELDS}
    return {
        name: str(value) if isinstance(value, Decimal) else value.value if isinstance(value, MarketType) else value
        for name, value in values.items()
        if value is not None
    }


def market_of(told: Mapping[str, Any]) -> Market:
    """Raises KeyError, TypeError or ValueError for what ``plain`` did not make."""
    values: dict[str, Any] = {name: None for name, kind in _FIELDS.items() if kind.endswith("| None")}
    for name, value in told.items():
        kind = _FIELDS.get(name, "")
        if kind.startswith("Decimal"):
            values[name] = Decimal(value)
        elif kind.startswith("MarketType"):
            values[name] = MarketType(value)
        elif kind:
            values[name] = value
    return Market(**values)
