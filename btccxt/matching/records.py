"""What goes into the matching engine and what comes out of it: frozen records, amounts as Decimal, times in ms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from btccxt.model import ZERO, Fee, OrderKind, Position, Side, TimeInForce, Trade

TRIGGER_KINDS = frozenset(
    {
        OrderKind.STOP,
        OrderKind.STOP_LIMIT,
        OrderKind.TAKE_PROFIT,
        OrderKind.TAKE_PROFIT_LIMIT,
        OrderKind.TRAILING_AMOUNT,
        OrderKind.TRAILING_PERCENT,
    }
)
TRAILING_KINDS = frozenset({OrderKind.TRAILING_AMOUNT, OrderKind.TRAILING_PERCENT})
LIQUIDATION = "liquidation"  # label of the orders that close what its margin no longer carries
STOP_KINDS = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT})


class RejectCode(Enum):
    """Why the exchange refused. Dialects map these to their own error bodies."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    PRICE_STEP = "price_step"
    AMOUNT_STEP = "amount_step"
    MIN_AMOUNT = "min_amount"
    MAX_AMOUNT = "max_amount"
    MIN_COST = "min_cost"
    PRICE_RANGE = "price_range"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_SYMBOL = "unknown_symbol"
    ALREADY_FINAL = "already_final"
    NO_LIQUIDITY = "no_liquidity"
    REDUCE_ONLY = "reduce_only"
    LEVERAGE = "leverage"
    POSITION_LIMIT = "position_limit"
    POSITION_OPEN = "position_open"
    MARKET_CLOSED = "market_closed"
    BAD_REQUEST = "bad_request"


class EngineReject(Exception):
    """The engine refused; nothing was changed."""

    def __init__(self, code: RejectCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it arrives. Amounts are base units (spot) or contracts; a market order may have a cost instead.

    ``trigger_price`` is the activation price of a trailing order. ``trigger_above`` overrides the direction that the
    kind implies. ``position_side`` ('long' / 'short') is needed in hedge mode only. ``closes_position``: a market order
    behind a trigger that takes its amount, all of the position, when it fires, and ends with the position.
    """

    symbol: str
    side: Side
    kind: OrderKind
    amount: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    cost_quote: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    iceberg_amount: Decimal | None = None
    client_order_id: str | None = None
    trailing_percent: Decimal | None = None  # 2 means 2 %
    trailing_amount: Decimal | None = None
    trigger_above: bool | None = None
    list_id: str | None = None
    position_side: str | None = None
    expires_ms: int | None = None  # for GTD
    closes_position: bool = False
    fires_at_once: bool = False  # where its trigger is reached already; else it is refused then
    label: str = ""  # what the dialect that placed it calls it; means nothing to the engine
    parent_id: str | None = None  # the order that it was attached to; means nothing to the engine


class SimStatus(Enum):
    NEW = "new"
    TRIGGER_WAITING = "trigger_waiting"
    PENDING = "pending"  # waits for another order of its list to be filled
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({SimStatus.FILLED, SimStatus.CANCELED, SimStatus.EXPIRED, SimStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class SimOrder:
    """Snapshot of an order. ``cost_quote`` is what its fills have cost so far (of inverse contracts: their value in
    the settlement coin); ``reserved`` what they still may.
    """

    order_id: str
    account: str
    client_order_id: str
    request: NewOrder
    status: SimStatus
    filled: Decimal
    cost_quote: Decimal
    created_ms: int
    updated_ms: int
    triggered: bool = False
    reserved: Decimal = ZERO
    list_id: str | None = None
    trigger_price: Decimal | None = None  # where it fires now (moves with a trailing order)

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def side(self) -> Side:
        return self.request.side

    @property
    def remaining(self) -> Decimal | None:
        """Amount not yet filled; None for a market order by cost."""
        return None if self.request.amount is None else self.request.amount - self.filled

    @property
    def is_open(self) -> bool:
        return not self.status.is_final


@dataclass(frozen=True, slots=True)
class SimFill:
    """One execution of one account's order. ``trade_id`` is shared by both sides of a trade and unique per engine."""

    trade_id: int
    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Fee
    maker: bool
    time_ms: int
    realized_pnl: Decimal = ZERO
    position_side: str | None = None


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """``reason``: 'new', 'triggered', 'trade', 'amended', 'canceled' or 'expired'; of a pending order also 'activated'
    and 'rejected'. ``detail`` is for people.
    """

    order: SimOrder
    fill: SimFill | None
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SimPosition(Position):
    """With its worth and margins, in the settlement coin. ``margin`` is what is set aside for it."""

    mark: Decimal = ZERO
    value: Decimal = ZERO
    margin: Decimal = ZERO
    maintenance: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    account: str
    currencies: tuple[str, ...]
    time_ms: int


@dataclass(frozen=True, slots=True)
class PositionChanged:
    account: str
    symbol: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class FundingCharged:
    """One funding between the longs and shorts of a symbol."""

    symbol: str
    rate: Decimal
    mark: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class Deposited:
    """Money from outside (or, negative, to it)."""

    number: int
    account: str
    coin: str
    amount: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """One account's part in a funding: ``received`` is negative where it paid. ``amount``: its signed contracts."""

    number: int
    account: str
    symbol: str
    position_side: str | None
    rate: Decimal
    mark: Decimal
    amount: Decimal
    received: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade on the tape. ``printed``: it came in through ``print_trade``; otherwise an account's order made it."""

    symbol: str
    trade: Trade
    printed: bool = False


Event = OrderChanged | BalanceChanged | PositionChanged | FundingPaid | PublicTrade
