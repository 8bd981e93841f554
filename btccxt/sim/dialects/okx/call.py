"""One request to OKX v5, and what its parameters say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from btccxt.sim.dialects.base import AccountCall
from btccxt.sim.dialects.okx.errors import error, parameter_error


@dataclass(slots=True)
class Call(AccountCall):
    """One request: query, or JSON body; a body may be a list (``items``)."""

    batch: list[Mapping[str, Any]] = field(default_factory=list)

    def items(self) -> Iterator[Call]:
        for params in self.batch or [self.params]:
            yield self.of(params)

    def of(self, params: Mapping[str, Any]) -> Call:
        """The same call with other parameters: one of a list in it."""
        return Call(params, self.account, self.now_ms)

    def text(self, name: str) -> str | None:
        value = self.params.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise error(50014, f"Parameter {name} can not be empty.", 400)
        return value

    def flag(self, name: str) -> bool:
        return self.text(name) == "true"

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not value.isdecimal():
            raise parameter_error(name)
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name)
        try:
            return None if value is None else Decimal(value)
        except InvalidOperation:
            raise parameter_error(name) from None

    def limit(self, default: int, most: int) -> int:
        return min(self.integer("limit") or default, most)
