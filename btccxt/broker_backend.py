"""What the broker asks of its store, and the account's figures that come back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from btccxt.model import Balances, Fill, FundingPayment, Market, OrderFeature, OrderKind, OrderRequest, Position
from btccxt.orders.tracker import RestoredState


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """Balances and positions as REST told them, after a reconciliation."""

    balances: Balances
    positions: tuple[Position, ...] = ()
    certain: bool = True
    """No order was on its way meanwhile: what is not explained by known fills has another cause."""
    asked_ms: int = 0
    """When it was asked for: what happened before is in the figures."""
    looked: bool = True
    """What may explain a difference was looked for, as ``look_again`` asked."""
    outside: tuple[Fill, ...] = ()
    """Trades of orders that are not ours, of the symbols and the time that ``look_again`` named."""
    funding: tuple[FundingPayment, ...] = ()
    """Of the same symbols and time, and of every position."""


class RunBegins:
    """Comes between what belongs to the former run of a store that is kept open and what belongs to this one."""


RUN_BEGINS = RunBegins()


class BrokerBackend(Protocol):
    """What the broker needs of its store. All of it answers from memory."""

    currency: str

    @property
    def markets(self) -> Mapping[str, Market]: ...
    def now_ms(self) -> int: ...
    def next_client_order_id(self) -> str: ...
    def order_refusals(self, request: OrderRequest) -> tuple[str, ...]: ...
    def order_refused(self, reason: str) -> None: ...
    def order_rule(self, key: OrderKind | OrderFeature) -> Any: ...
    def submit_order(self, request: OrderRequest, context: Mapping[str, str]) -> None: ...
    def cancel_order(self, client_order_id: str) -> None: ...
    def account_snapshot(self, untold: Collection[str] = ()) -> AccountSnapshot: ...
    def latest_prices(self, symbols: Collection[str]) -> Mapping[str, Decimal]: ...
    def restored_orders(self) -> RestoredState: ...
    def order_told(self, client_order_id: str) -> None: ...
    def leverage(self, symbol: str) -> float: ...
    def attach_broker(self, broker: Any) -> None: ...
    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...
    def look_again(self, symbols: Collection[str], since_ms: int) -> None: ...
    def tell_drift(self, text: str, *, explained: bool, stop_trading: bool) -> None: ...
    def funding_booked(self, payments: Sequence[FundingPayment]) -> None: ...
