"""The broker's figures beside the exchange's own, after every reconciliation. The exchange is right, and it is told."""

from __future__ import annotations

from btccxt.account.explain import funding_that_explains, told, unexplained
from btccxt.account.ledger import AccountSnapshot, Drift
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook


class DriftMonitor:
    """Lives in the strategy's thread. ``agreed_ms``: when both sides had the same figures last."""

    def __init__(self, store: BrokerBackend, books: PositionBook, agreed_ms: int) -> None:
        self._store = store
        self._books = books
        self._agreed_ms = agreed_ms
        self._drift: tuple[Drift, ...] = ()
        self._fills_at_drift = 0

    def compare(self, snapshot: AccountSnapshot) -> None:
        """Take over the exchange's figures when a difference lasts while nothing of ours is under way."""
        if not snapshot.certain:
            return
        ledger, fills_booked = self._books.ledger, self._books.fills_booked
        ledger.take_rounding(snapshot.balances)
        drift = tuple(ledger.differences(snapshot.balances, snapshot.positions))
        lasting = drift and drift == self._drift and fills_booked == self._fills_at_drift
        self._drift, self._fills_at_drift = drift, fills_booked
        if not drift:
            self._agreed_ms = snapshot.asked_ms
        elif not lasting or not snapshot.looked:
            self._store.look_again(ledger.symbols_of(drift), self._agreed_ms)
        else:
            self._take_over(snapshot, drift)

    def _take_over(self, snapshot: AccountSnapshot, drift: tuple[Drift, ...]) -> None:
        """Who changed the account is told, if its trades say so; funding is no news."""
        ledger, agreed_ms = self._books.ledger, self._agreed_ms
        balances, positions = snapshot.balances, snapshot.positions
        funding = funding_that_explains(ledger, balances, positions, snapshot.funding, agreed_ms)
        left = unexplained(ledger, balances, positions, snapshot.outside, agreed_ms, snapshot.funding)
        ledger.reset(balances, positions)
        self._books.show_all()
        self._drift, self._agreed_ms = (), snapshot.asked_ms
        if funding:
            self._store.funding_booked(funding)
            return
        why = "no trade of this account explains" if left else "orders made outside this program explain"
        self._store.tell_drift(
            f"{why} what the exchange has; its figures were taken: {told(left or drift)}",
            explained=not left,
            stop_trading=any(item.what == "position" for item in left),
        )
