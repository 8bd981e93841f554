"""Money of one account: per coin a total and the part of it that is reserved (used)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from btccxt.model import ZERO, Balance


class Holding:
    __slots__ = ("total", "used")

    def __init__(self) -> None:
        self.total = ZERO
        self.used = ZERO


class Ledger:
    """Totals and reservations; callers check ``free`` first. ``changed`` collects the coins that were touched.

    A contract loss may push ``used`` above ``total`` until the engine has cancelled what can no longer be paid for;
    what is shown is then clipped, so that free never looks negative.
    """

    def __init__(self) -> None:
        self._holdings: dict[str, Holding] = {}
        self.changed: set[str] = set()

    def _holding(self, coin: str) -> Holding:
        holding = self._holdings.get(coin)
        if holding is None:
            holding = self._holdings[coin] = Holding()
        return holding

    def total(self, coin: str) -> Decimal:
        holding = self._holdings.get(coin)
        return ZERO if holding is None else holding.total

    def free(self, coin: str) -> Decimal:
        holding = self._holdings.get(coin)
        return ZERO if holding is None else max(ZERO, holding.total - holding.used)

    def shortfall(self, coin: str) -> Decimal:
        """How much more is reserved than there is."""
        holding = self._holdings.get(coin)
        return ZERO if holding is None else max(ZERO, holding.used - holding.total)

    def reserve(self, coin: str, amount: Decimal) -> None:
        if amount:
            self._holding(coin).used += amount
            self.changed.add(coin)

    def release(self, coin: str, amount: Decimal) -> None:
        if amount:
            self._holding(coin).used -= amount
            self.changed.add(coin)

    def move(self, coin: str, amount: Decimal) -> None:
        """Money comes in (positive) or goes out (negative)."""
        if amount:
            self._holding(coin).total += amount
            self.changed.add(coin)

    def balances(self) -> Mapping[str, Balance]:
        shown = {}
        for coin, holding in self._holdings.items():
            used = max(ZERO, min(holding.used, holding.total))
            shown[coin] = Balance(coin, free=holding.total - used, used=used)
        return shown
