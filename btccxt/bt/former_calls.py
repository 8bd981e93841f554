"""Calls of bt-ccxt-store's broker: a strategy that was written for it runs unchanged. All answer from memory."""

from __future__ import annotations

from typing import Any, Protocol


class AskedBroker(Protocol):
    """What answers them."""

    @property
    def ledger(self) -> Any: ...
    def getfree(self, currency: str | None = None) -> float: ...
    def getcash(self) -> float: ...
    def getvalue(self) -> float: ...


class FormerCalls:
    """``get_wallet_balance`` and ``get_balance``; what is to be written in new code: docs/from-other-stores.md."""

    def get_wallet_balance(self: AskedBroker, currency: str, params: Any = None) -> tuple[float, float]:
        """Free and total of a coin; zero of one that the account does not have."""
        return self.getfree(currency), float(self.ledger.totals.get(currency, 0))

    def get_balance(self: AskedBroker) -> tuple[float, float]:
        """Cash and value."""
        return self.getcash(), self.getvalue()
