"""The broker's figures beside the exchange's own, after every reconciliation. The exchange is right, and it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from btccxt.account.explain import funding_that_explains, told, unexplained
from btccxt.account.ledger import AccountSnapshot, Drift
from btccxt.account.transfers import explained
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook
from btccxt.model import ZERO, FundingPayment, Transfer, TransferKind
from btccxt.notices import MoneyMoved


class DriftMonitor:
    """Lives in the strategy's thread. ``agreed_ms``: when both sides had the same figures last.

    ``on_money(worth, value_before)`` hears of money that moved, in the account's currency; ``on_funding`` of payments.
    """

    def __init__(
        self,
        store: BrokerBackend,
        books: PositionBook,
        agreed_ms: int,
        on_money: Callable[[Decimal, Decimal], None],
        on_funding: Callable[[Sequence[FundingPayment]], None],
    ) -> None:
        self._store = store
        self._books = books
        self._agreed_ms = agreed_ms
        self._on_money = on_money
        self._on_funding = on_funding
        self._drift: tuple[Drift, ...] = ()
        self._fills_at_drift = 0
        self._booked: set[str] = set()  # ids of transfers

    def compare(self, snapshot: AccountSnapshot) -> None:
        """Take over the exchange's figures when a difference lasts while nothing of ours is under way.

        Money that moved, as the exchange's own list says, is booked when it is first seen.
        """
        if not snapshot.certain:
            return
        ledger, fills_booked = self._books.ledger, self._books.fills_booked
        ledger.take_rounding(snapshot.balances)
        drift = tuple(ledger.differences(snapshot.balances, snapshot.positions))
        lasting = drift and drift == self._drift and fills_booked == self._fills_at_drift
        self._drift, self._fills_at_drift = drift, fills_booked
        if not drift:
            self._agreed_ms = snapshot.asked_ms
        elif (lasting and snapshot.looked) or self._is_listed(snapshot, drift):
            self._take_over(snapshot, drift)
        else:
            self._store.look_again(ledger.symbols_of(drift), self._agreed_ms)

    def _is_listed(self, snapshot: AccountSnapshot, drift: tuple[Drift, ...]) -> bool:
        """Whether deposits, withdrawals and transfers are all of the difference."""
        if snapshot.transfers is None or any(item.what != "balance" for item in drift):
            return False
        moved = explained(drift, snapshot.transfers, self._booked, snapshot.asked_ms)
        return all(each.kind is not TransferKind.UNKNOWN for each in moved)

    def _take_over(self, snapshot: AccountSnapshot, drift: tuple[Drift, ...]) -> None:
        """Who changed the account is told, if its trades or transfers say so; funding is no news."""
        ledger, agreed_ms = self._books.ledger, self._agreed_ms
        balances, positions = snapshot.balances, snapshot.positions
        funding = funding_that_explains(ledger, balances, positions, snapshot.funding, agreed_ms)
        left = unexplained(ledger, balances, positions, snapshot.outside, agreed_ms, snapshot.funding)
        value_before = ledger.value
        ledger.reset(balances, positions)
        self._books.show_all()
        self._drift, self._agreed_ms = (), snapshot.asked_ms
        if funding:
            self._on_funding(funding)
            self._store.funding_booked(funding)
            return
        moved = explained(left, snapshot.transfers or (), self._booked, snapshot.asked_ms)
        if moved:
            self._book(moved, value_before)
        if left and all(item.what == "balance" for item in left) and not _unknown(moved):
            return
        why = "no trade of this account explains" if left else "orders made outside this program explain"
        self._store.tell_drift(
            f"{why} what the exchange has; its figures were taken: {told(left or drift)}",
            explained=not left,
            stop_trading=any(item.what == "position" for item in left),
        )

    def _book(self, moved: tuple[Transfer, ...], value_before: Decimal) -> None:
        ledger = self._books.ledger
        self._booked |= {each.transfer_id for each in moved if each.transfer_id}
        worth = sum((ledger.convert(each.amount, each.currency) or ZERO for each in moved), ZERO)
        self._on_money(worth, value_before)
        self._store.money_moved(MoneyMoved(moved, worth, ledger.currency))


def _unknown(moved: tuple[Transfer, ...]) -> bool:
    return any(each.kind is TransferKind.UNKNOWN for each in moved)
