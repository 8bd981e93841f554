"""One order as it stands: the frozen record that the order core hands out, and the states it moves through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import Enum
from itertools import islice
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from btccxt.model import ZERO, Fill, OrderReference, OrderRequest, OrderStatus


class FillLog(Mapping[str, Fill]):
    """By trade id, in order of arrival. ``with_fill`` gives a new log; this one stays what it is.

    All logs that grew from each other share one list, and each sees only its own first part of it. Any thread may read
    any of them; one thread adds.
    """

    __slots__ = ("_places", "_size", "_trades")

    def __init__(self, fills: Iterable[Fill] = ()) -> None:
        self._trades: list[Fill] = []
        self._places: dict[str, int] = {}  # trade id -> place in the list
        for fill in fills:
            self._append(fill)
        self._size = len(self._trades)

    def with_fill(self, fill: Fill) -> FillLog:
        """One trade more, or another version of a trade that is known."""
        if fill.trade_id in self or self._size != len(self._trades):  # the list has gone another way since
            return FillLog({**self, fill.trade_id: fill}.values())
        self._append(fill)
        log = object.__new__(FillLog)
        log._trades, log._places, log._size = self._trades, self._places, self._size + 1
        return log

    def _append(self, fill: Fill) -> None:
        self._places[fill.trade_id] = len(self._trades)
        self._trades.append(fill)

    def __contains__(self, trade_id: object) -> bool:  # Mapping's own raises and catches a KeyError
        return self._places.get(trade_id, self._size) < self._size  # type: ignore[call-overload,no-any-return]

    def get(self, trade_id: str, default: Any = None) -> Any:
        return self._trades[self._places[trade_id]] if trade_id in self else default

    def __getitem__(self, trade_id: str) -> Fill:
        place = self._places[trade_id]
        if place >= self._size:
            raise KeyError(trade_id)
        return self._trades[place]

    def __iter__(self) -> Iterator[str]:
        return (fill.trade_id for fill in islice(self._trades, self._size))

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"FillLog({list(self.values())!r})"


_CONDITIONAL_KINDS = frozenset(
    {"stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_amount", "trailing_percent"}
)


class LifecycleState(str, Enum):
    """Where an order stands. Later members outrank earlier ones (``rank``); a state is never left for a lower one."""

    INTENT = "intent"  # asked for, nothing on disk yet
    JOURNALED = "journaled"  # durable; not sent, or held back (bracket child, emulated order)
    SENT = "sent"  # the request left; no answer yet
    UNKNOWN = "unknown"  # it may have been placed; being looked up
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    FILLED = "filled"

    rank: int
    is_final: bool

    @property
    def is_unsent(self) -> bool:
        """No request of it has left."""
        return self in (LifecycleState.INTENT, LifecycleState.JOURNALED)

    @property
    def is_in_flight(self) -> bool:
        return self in (LifecycleState.SENT, LifecycleState.UNKNOWN)


for _rank, _state in enumerate(LifecycleState):
    _state.rank = _rank
    _state.is_final = _state.value in ("canceled", "expired", "rejected", "filled")
TERMINAL_STATES = {
    OrderStatus.FILLED: LifecycleState.FILLED,
    OrderStatus.CANCELED: LifecycleState.CANCELED,
    OrderStatus.EXPIRED: LifecycleState.EXPIRED,
    OrderStatus.REJECTED: LifecycleState.REJECTED,
}


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


def _no_fees() -> Mapping[str, Decimal]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """One order and all the evidence about it. Amounts in base units (spot) or contracts (swaps); times in ms UTC."""

    request: OrderRequest
    context: Mapping[str, str] = field(default_factory=_nothing)  # the broker's own: backtrader ref, oco, parent …
    original: OrderRequest | None = None  # what was asked for, where it was sent as something else (a stop at market)
    state: LifecycleState = LifecycleState.INTENT
    order_id: str | None = None
    child_order_id: str | None = None  # what a fired trigger created; its fills are this order's fills
    filled: Decimal = ZERO
    cost: Decimal = ZERO  # sum of price * amount over ``filled``
    fees: Mapping[str, Decimal] = field(default_factory=_no_fees)  # by currency
    fills: FillLog = field(default_factory=FillLog)  # by trade id
    raw_status: str | None = None
    reasons: tuple[str, ...] = ()  # why it was refused, is unknown, …
    notes: tuple[str, ...] = ()  # what a user should know: edited how, counted how
    created_ms: int = 0
    sent_ms: int | None = None
    updated_ms: int = 0
    attempts: int = 0
    pending_release: bool = False  # durable, but to be sent only when released
    cancel_requested: bool = False
    triggered: bool = False  # the trigger fired; not a fill
    external: bool = False  # made outside and adopted
    listed: str | None = None  # the client order id of the order that it was sent with, in one order list
    # Evidence behind the state.
    acknowledged: bool = False  # the exchange spoke of it
    reported_terminal: frozenset[LifecycleState] = frozenset()  # final states that the exchange, or a conclusion, named
    reported_filled: Decimal = ZERO  # highest cumulative amount the exchange named
    hinted_average: Decimal | None = None
    reported_filled_at_close: Decimal | None = None  # cumulative amount named together with "filled"
    closed_full: bool = False  # … and it was the whole order
    traded: Decimal = ZERO  # sum of the trades themselves
    traded_cost: Decimal = ZERO
    anonymous: int = 0  # trades without an id among ``fills``
    infer_fills: bool = False  # this exchange names no trades: believe cumulative amounts
    fills_overdue: bool = False
    never_arrived: bool = False
    overfilled: bool = False
    replaced_ids: tuple[str, ...] = ()  # exchange ids that an edit left behind

    @property
    def client_order_id(self) -> str:
        return self.request.client_order_id

    @property
    def intent(self) -> OrderRequest:
        """What was asked for."""
        return self.original or self.request

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def amount(self) -> Decimal:
        return self.request.amount

    @property
    def remaining(self) -> Decimal:
        return max(ZERO, self.request.amount - self.filled)

    @property
    def average(self) -> Decimal | None:
        """Volume-weighted price of what is filled; None before the first fill."""
        return self.cost / self.filled if self.filled else None

    @property
    def is_final(self) -> bool:
        return self.state.is_final

    @property
    def is_conditional(self) -> bool:
        return self.request.kind.value in _CONDITIONAL_KINDS

    @property
    def fills_missing(self) -> Decimal:
        """What the exchange says was traded beyond the trades that have arrived."""
        expected = self.reported_filled
        if LifecycleState.FILLED in self.reported_terminal:
            expected = max(expected, self.amount_to_close)
        return max(ZERO, expected - self.filled)

    @property
    def trades_missing(self) -> Decimal:
        """The same, what was inferred counted as missing too: the trades behind it bring its fees."""
        return max(self.fills_missing, self.filled - self.traded)

    @property
    def amount_to_close(self) -> Decimal:
        if self.reported_filled_at_close is not None:
            return self.reported_filled_at_close
        return self.request.amount if self.has_exact_amount else ZERO

    @property
    def has_exact_amount(self) -> bool:
        """False for orders by cost: their amount is an estimate until they are filled."""
        return self.request.cost_quote is None

    @property
    def awaits_fills(self) -> bool:
        """The exchange has closed it, and trades are still missing."""
        return bool(self.reported_terminal) and not self.fills_overdue and self.fills_missing > ZERO

    @property
    def reference(self) -> OrderReference:
        """How to point the exchange at it: once a trigger has fired and its child is known, at the child."""
        return OrderReference(
            symbol=self.request.symbol,
            client_order_id=self.request.client_order_id,
            order_id=self.child_order_id or self.order_id,
            conditional=self.is_conditional and self.child_order_id is None,
        )


_NAMES = tuple(item.name for item in fields(LiveOrder))
_get_all = attrgetter(*_NAMES)
_setters = {name: getattr(LiveOrder, name).__set__ for name in _NAMES}


def changed(order: LiveOrder, **changes: Any) -> LiveOrder:
    """``dataclasses.replace``, in a third of its time: an order changes some ten times between intent and end."""
    copy: LiveOrder = object.__new__(LiveOrder)
    for name, value in zip(_NAMES, _get_all(order), strict=True):
        _setters[name](copy, value)
    for name, value in changes.items():
        _setters[name](copy, value)
    return copy
