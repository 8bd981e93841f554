"""One request to Bybit v5, and what its parameters say."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from btccxt.sim.dialects.base import AccountCall
from btccxt.sim.dialects.bybit.errors import parameter_error

CATEGORIES = frozenset({"spot", "linear", "inverse", "option"})


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query or JSON body as one mapping."""

    category: str = ""

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise parameter_error(f"{name} is required")
        if name == "category" and value not in CATEGORIES:
            raise parameter_error("Category is invalid")
        return value

    def flag(self, name: str) -> bool:
        return self.text(name) == "true"

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not value.isdecimal():
            raise parameter_error(f"{name} invalid")
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        """None also for zero, which says 'none' here."""
        value = self.text(name)
        try:
            return None if value is None else Decimal(value) or None
        except InvalidOperation:
            raise parameter_error(f"{name} invalid") from None

    def limit(self, default: int, most: int) -> int:
        return min(self.integer("limit") or default, most)
