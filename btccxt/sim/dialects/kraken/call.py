"""One request to Kraken, and what its parameters say."""

from __future__ import annotations

import string
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from btccxt.sim.dialects.base import AccountCall
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.dialects.kraken.errors import invalid

_CLIENT_ID_LETTERS = frozenset(string.ascii_letters + string.digits + "-")


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query, form or JSON body as one mapping."""

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(name)
        return value

    def flag(self, name: str) -> bool:
        return (self.text(name) or "").lower() == "true"

    def integer(self, name: str) -> int | None:
        value = self.decimal(name)
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name)
        try:
            number = None if value is None else Decimal(value)
        except InvalidOperation:
            raise invalid(name) from None
        if number is not None and not number.is_finite():
            raise invalid(name)
        return number

    def optional_positive(self, name: str) -> Decimal | None:
        value = self.decimal(name)
        if value is not None and value <= 0:
            raise invalid(name)
        return value

    def positive(self, name: str) -> Decimal:
        value = self.optional_positive(name)
        if value is None:
            raise invalid(name)
        return value

    def client_id(self) -> str | None:
        """Up to 18 letters and digits, or a UUID."""
        value = self.text("cl_ord_id")
        free = value is not None and len(value) <= 18
        uuid = value is not None and len(value.replace("-", "")) == 32
        if value is not None and not (set(value) <= _CLIENT_ID_LETTERS and (free or uuid)):
            raise invalid("cl_ord_id")
        return value
