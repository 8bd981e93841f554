"""What a request to Coinbase says: its query or JSON body, and what stands in its path."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation

from btccxt.sim.dialects.base import AccountCall
from btccxt.sim.dialects.coinbase.errors import argument_error


@dataclass(slots=True)
class Call(AccountCall):
    """``named``: the id in the path, of an order or a product."""

    named: str = ""

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise argument_error(f"{name} is required")
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not value.isdecimal():
            raise argument_error(f"{name} is invalid")
        return None if value is None else int(value)

    def positive(self, name: str) -> Decimal | None:
        return positive(self.text(name), name)

    def time_ms(self, name: str) -> int | None:
        """RFC 3339."""
        value = self.text(name)
        return None if value is None else read_time_ms(value)


def positive(value: object, name: str) -> Decimal | None:
    try:
        number = None if value in (None, "") else Decimal(str(value))
    except InvalidOperation:
        raise argument_error(f"{name} is invalid") from None
    if number is not None and (not number.is_finite() or number <= 0):
        raise argument_error(f"{name} is invalid")
    return number


def read_time_ms(text: str) -> int:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argument_error(f"{text} is no time") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return int(found.timestamp() * 1000)
