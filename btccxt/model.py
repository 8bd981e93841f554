"""The records that the rooms hand to each other: frozen, typed, units in names.

Prices and volumes of *bars and public trades* are floats (backtrader's lines are doubles, and this is the hot path).
Whatever is *money of the account* (orders, fills, fees, balances, positions) is ``Decimal``: sums of fills must equal
the exchange's ledger to the last digit. All times are integer milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

ZERO = Decimal(0)


def decimal_of(number: Any) -> Decimal:
    """Exact decimal of what an exchange wrote: floats go through ``repr``, so 0.1 is 0.1; numpy's numbers too."""
    if isinstance(number, Decimal):
        return number
    # numpy 2 writes np.float64(0.1) as its repr; ``float.__repr__`` reads the number.
    return Decimal(float.__repr__(number)) if isinstance(number, float) else Decimal(str(number))


class Side(str, Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderKind(str, Enum):
    """What an order is. Values are the keys of the mapping table (``exchanges.yaml``: ``orders``)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_AMOUNT = "trailing_amount"
    TRAILING_PERCENT = "trailing_percent"


class OrderFeature(str, Enum):
    """What may be asked of an order besides its kind. Keys of the mapping table as well."""

    POST_ONLY = "post_only"
    REDUCE_ONLY = "reduce_only"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    ICEBERG = "iceberg"
    ATTACHED_EXITS = "attached_exits"
    OCO = "oco"
    MARKET_BY_COST = "market_by_cost"


class TimeInForce(str, Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class OrderStatus(str, Enum):
    """What the exchange says of an order, after the profile has translated its raw word."""

    UNKNOWN = "unknown"  # no status in the answer, or a word nobody knows: ask again
    OPEN = "open"  # live in the book, or a trigger that waits
    TRIGGERED = "triggered"  # a trigger fired; its child order is what fills
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return self in _FINAL_STATUSES


_FINAL_STATUSES = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


class MarketType(str, Enum):
    """Market types of the mapping table. ``inverse``: contracts that are settled in their base coin."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"
    OPTION = "option"


class PositionMode(str, Enum):
    """Whether a contract account holds one position a symbol, or a long and a short one side by side."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(str, Enum):
    """Whether a contract position is backed by the whole account, or by a margin of its own."""

    CROSS = "cross"
    ISOLATED = "isolated"


class StreamKind(str, Enum):
    BARS = "bars"
    TRADES = "trades"
    TICKER = "ticker"
    ORDER_BOOK = "order_book"
    ORDERS = "orders"
    FILLS = "fills"
    BALANCE = "balance"
    POSITIONS = "positions"

    @property
    def is_private(self) -> bool:
        return self in (StreamKind.ORDERS, StreamKind.FILLS, StreamKind.BALANCE, StreamKind.POSITIONS)


class ConnectionState(str, Enum):
    """State of one stream, and of a store as a whole (the worst of its streams)."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    DEGRADED = "degraded"  # served by REST polling
    STOPPED = "stopped"


class Origin(str, Enum):
    """Where a piece of news came from. REST is the truth, a push is a hint that arrives sooner."""

    CREATE = "create"  # the answer to create_order
    CANCEL = "cancel"  # the answer to cancel_order
    PUSH = "push"
    QUERY = "query"


# ------------------------------------------------------------------ market data


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed candle. ``open_ms`` is the exchange's stamp: the instant the candle opened."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class BarUpdate:
    """One frame of a candle stream. ``closed`` is the exchange's own flag, None where frames have none."""

    symbol: str
    timeframe: str
    bar: Bar
    closed: bool | None


def made_up_trade_id(time_ms: int, price: float, amount: float) -> str:
    """The id of a public trade where the exchange gives none."""
    return f"{time_ms}:{price!r}:{amount!r}"


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade (a tick). ``side`` is the taker's, None where the exchange does not say.

    Where the exchange gives no id one is made of what the trade is, so that equal trades share it.
    """

    trade_id: str
    time_ms: int
    price: float
    amount: float
    side: Side | None = None
    symbol: str = ""

    @property
    def has_own_id(self) -> bool:
        if ":" not in self.trade_id:  # nearly always
            return bool(self.trade_id)
        return not self.trade_id.startswith(made_up_trade_id(self.time_ms, self.price, self.amount))


@dataclass(frozen=True, slots=True)
class Ticker:
    """Best bid and ask; amounts are None where the stream carries prices only."""

    symbol: str
    time_ms: int
    bid: float | None
    ask: float | None
    bid_amount: float | None = None
    ask_amount: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The best levels of one symbol, (price, amount), best first. ``time_ms``: when it was so."""

    symbol: str
    time_ms: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Market:
    """What the exchange's market list says of one symbol. Steps are sizes, not digit counts.

    Amounts are in *base units* for spot and in *contracts* for swaps; ``contract_size`` is base units per contract.
    """

    symbol: str
    base: str
    quote: str
    settle: str | None
    type: MarketType
    active: bool
    price_step: Decimal | None
    amount_step: Decimal | None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    contract_size: Decimal = Decimal(1)
    maker_rate: Decimal = ZERO
    taker_rate: Decimal = ZERO
    id: str = ""  # what the exchange's own requests call it; empty: not known

    @property
    def is_contract(self) -> bool:
        return self.type is not MarketType.SPOT


# ------------------------------------------------------------------ orders


def _no_params() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An intent, ready to be sent: rounded, checked, with its client order id."""

    client_order_id: str
    symbol: str
    side: Side
    kind: OrderKind
    amount: Decimal
    price: Decimal | None = None  # limit price
    trigger_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None  # 2 means 2 %
    limit_offset: Decimal | None = None  # of a trailing order: it ends as a limit order so far below its stop
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_ms: int | None = None  # for GTD
    post_only: bool = False
    reduce_only: bool = False
    iceberg_amount: Decimal | None = None  # visible part
    stop_loss_price: Decimal | None = None  # attached exits
    take_profit_price: Decimal | None = None
    cost_quote: Decimal | None = None  # market-by-cost: spend this much quote currency
    position_side: str | None = None  # 'long' / 'short': which of two positions in hedge mode; None in one-way mode
    params: Mapping[str, Any] = field(default_factory=_no_params)  # passed to ccxt as it is


@dataclass(frozen=True, slots=True)
class OrderReference:
    """How to point at an order: by the exchange's id where known, else by our client order id.

    ``conditional`` is True for trigger orders, which several exchanges keep in a book of their own.
    """

    symbol: str
    client_order_id: str | None
    order_id: str | None = None
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Fee:
    currency: str
    cost: Decimal  # positive: paid; negative: rebate


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one of our orders. ``trade_id`` is unique per symbol and side at the exchange."""

    trade_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    time_ms: int
    order_id: str | None = None
    client_order_id: str | None = None
    fee: Fee | None = None
    maker: bool | None = None
    position_side: str | None = None  # as in OrderRequest; without meaning in one-way mode

    @property
    def key(self) -> tuple[str, str, Side]:
        """What it is told apart by: of a trade of the account with itself both sides are told, under one id."""
        return self.symbol, self.trade_id, self.side


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """What a contract position cost or brought at a funding time. ``amount``: positive when the account received it."""

    symbol: str
    currency: str
    amount: Decimal
    time_ms: int
    payment_id: str = ""


class TransferKind(str, Enum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"  # between accounts of one owner
    OTHER = "other"  # a rebate, a reward, interest
    UNKNOWN = "unknown"  # the exchange lists none that explains what moved


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came to the account (positive) or left it without a trade, the exchange's fee included."""

    currency: str
    amount: Decimal
    time_ms: int
    kind: TransferKind
    transfer_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What the exchange said of one order, once. None means: this message did not say.

    ``filled`` is the raw cumulative amount of the exchange, never one that ccxt inferred from a status.
    """

    symbol: str
    status: OrderStatus
    origin: Origin
    order_id: str | None = None
    client_order_id: str | None = None
    side: Side | None = None
    kind: OrderKind | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    amount: Decimal | None = None
    filled: Decimal | None = None
    average: Decimal | None = None
    time_ms: int | None = None
    raw_status: str | None = None
    reject_reason: str | None = None
    child_order_id: str | None = None  # the order that a fired trigger created
    conditional: bool = False
    fills: tuple[Fill, ...] = ()
    position_side: str | None = None  # as in OrderRequest


# ------------------------------------------------------------------ account


@dataclass(frozen=True, slots=True)
class Balance:
    currency: str
    free: Decimal
    used: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.used


@dataclass(frozen=True, slots=True)
class Balances:
    """All balances at one instant. A push may carry only the coins that changed (``complete=False``)."""

    time_ms: int
    by_currency: Mapping[str, Balance]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """An open contract position. ``amount`` is signed contracts: short is negative, flat is zero.

    ``coins`` is the same in base units. Money (``margin``, ``unrealised_pnl``) is in the coin that settles it. None:
    the exchange has not said.
    """

    symbol: str
    amount: Decimal
    entry_price: Decimal | None
    time_ms: int
    unrealised_pnl: Decimal | None = None
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None
    margin_mode: str | None = None
    hedge_side: str | None = None  # 'long' / 'short' in hedge mode, None in one-way mode
    mark_price: Decimal | None = None
    margin: Decimal | None = None  # that the position binds
    coins: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """How an account trades one contract. None: the exchange does not say."""

    symbol: str
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """The leverage that positions up to a size may have. ``max_notional`` is in the settlement coin, ``max_amount`` in
    contracts; exchanges tell one of the two, and both None where only the leverage is known."""

    max_leverage: Decimal
    max_notional: Decimal | None = None
    max_amount: Decimal | None = None


# ------------------------------------------------------------------ streams


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One subscription. Private streams have no symbol; only bars have a timeframe."""

    kind: StreamKind
    symbol: str | None = None
    timeframe: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind.value, self.symbol, self.timeframe) if part)


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """First event of a stream after each (re)connect: the subscription has been sent."""

    url: str = ""


StreamEvent = StreamOpened | BarUpdate | Trade | Ticker | OrderBook | OrderUpdate | Fill | Balances | Position


# A float carries about 16 digits: 0.1 + 0.2 lies within this fraction of a step of 0.3 and means 0.3.
_FLOAT_NOISE = Decimal("1e-6")


def round_amount(market: Market, amount: Decimal) -> Decimal:
    """Floor to the amount step; float noise just below a step counts as that step."""
    step = market.amount_step
    if not step:
        return amount
    steps = amount / step
    nearest = steps.to_integral_value(ROUND_HALF_UP)
    if abs(steps - nearest) > _FLOAT_NOISE:
        nearest = steps.to_integral_value(ROUND_FLOOR)
    return nearest * step


def round_price(market: Market, price: Decimal) -> Decimal:
    """Nearest price step, halves up."""
    step = market.price_step
    if not step:
        return price
    return (price / step).to_integral_value(ROUND_HALF_UP) * step
