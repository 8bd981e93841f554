"""One account as records that can be kept and brought back: what an engine must know to go on where another ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from btccxt.matching.book import WorkingOrder
from btccxt.matching.clearing import Account
from btccxt.matching.records import FundingPaid, NewOrder, SimFill, SimStatus
from btccxt.model import ZERO


@dataclass(frozen=True, slots=True)
class KeptTotal:
    """Of a coin. What is reserved of it follows from orders and positions."""

    coin: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class KeptPosition:
    symbol: str
    side: str | None
    amount: Decimal
    cost: Decimal
    margin: Decimal
    isolated: bool
    updated_ms: int


@dataclass(frozen=True, slots=True)
class KeptLeverage:
    symbol: str
    leverage: Decimal


@dataclass(frozen=True, slots=True)
class KeptPrice:
    """The last price of a symbol: what its positions are worth until the next one."""

    symbol: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class KeptList:
    """An OCO list whose legs still share a reservation."""

    list_id: str
    order_ids: tuple[str, ...]
    coin: str
    reserved: Decimal


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """All of an order that its snapshot for customers leaves out, too."""

    order_id: str
    client_order_id: str
    request: NewOrder
    status: SimStatus
    filled: Decimal
    cost: Decimal
    created_ms: int
    updated_ms: int
    triggered: bool = False
    reserve_coin: str = ""
    reserved: Decimal = ZERO
    list_id: str | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    best_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """Everything of an account but its orders and its past."""

    totals: tuple[KeptTotal, ...]
    positions: tuple[KeptPosition, ...] = ()
    leverage: tuple[KeptLeverage, ...] = ()
    isolated: tuple[str, ...] = ()
    hedge_mode: bool = False
    lists: tuple[KeptList, ...] = ()
    prices: tuple[KeptPrice, ...] = ()
    last_order_id: int = 0
    last_trade_id: int = 0


@dataclass(frozen=True, slots=True)
class KeptPast:
    """Orders open and ended, fills and funding, each oldest first."""

    orders: Sequence[KeptOrder] = ()
    fills: Sequence[SimFill] = ()
    fundings: Sequence[FundingPaid] = ()

    def symbols(self) -> set[str]:
        return {order.request.symbol for order in self.orders}


def kept_order(order: WorkingOrder) -> KeptOrder:
    return KeptOrder(
        order.order_id,
        order.client_order_id,
        order.request,
        order.status,
        order.filled,
        order.cost,
        order.created_ms,
        order.updated_ms,
        order.triggered,
        order.reserve_coin,
        order.reserved,
        order.list_id,
        order.price,
        order.trigger_price,
        order.best_price,
    )


def working_order(account: str, kept: KeptOrder) -> WorkingOrder:
    order = WorkingOrder(kept.order_id, account, kept.client_order_id, kept.request, kept.created_ms)
    order.status, order.filled, order.cost = kept.status, kept.filled, kept.cost
    order.updated_ms, order.triggered = kept.updated_ms, kept.triggered
    order.reserve_coin, order.reserved, order.list_id = kept.reserve_coin, kept.reserved, kept.list_id
    order.price, order.trigger_price, order.best_price = kept.price, kept.trigger_price, kept.best_price
    return order


def kept_positions(account: Account) -> tuple[KeptPosition, ...]:
    return tuple(
        KeptPosition(
            each.symbol, each.side, each.amount, each.cost, each.margin, each.isolated, each.updated_ms
        )
        for each in account.positions.values()
        if each.amount
    )  # fmt: skip


def totals_of(balances: Iterable[tuple[str, Decimal]]) -> tuple[KeptTotal, ...]:
    return tuple(KeptTotal(coin, amount) for coin, amount in balances)
