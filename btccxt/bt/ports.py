"""What the broker asks of its store, and the account's figures that come back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from btccxt.account.contract_terms import TradedTerms
from btccxt.account.ledger import AccountLedger, AccountSnapshot
from btccxt.bars.columns import Columns
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.positions import PositionBook
from btccxt.exchange.profile.order_rule import OrderRule
from btccxt.model import (
    Bar,
    FundingPayment,
    Market,
    OrderFeature,
    OrderKind,
    OrderRequest,
    Trade,
)
from btccxt.notices import MoneyMoved
from btccxt.orders.risk import RiskLimits
from btccxt.orders.tracker import RestoredState
from btccxt.orders.trading_state import TradingControl
from btccxt.session.events import FeedEvent, FeedRequest

History = Columns | Sequence[Bar] | Sequence[Trade]
"""What is past: bars as columns or as records, or trades."""


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """What one order asks on its way, each a call of its own: resolved once a run, from memory, any number of times."""

    markets: Mapping[str, Market]
    now_ms: Callable[[], int]
    next_client_order_id: Callable[[], str]
    order_refusals: Callable[[OrderRequest], tuple[str, ...]]
    order_rule: Callable[[OrderKind | OrderFeature], OrderRule]
    submit: Callable[[OrderRequest, Mapping[str, str]], None]
    funds_came: Callable[[OrderRequest, Mapping[str, str]], None]
    withdraw: Callable[[str, str], None]


class RunBroker(Protocol):
    """What a store needs of a broker to take part in its run."""

    @property
    def cerebro(self) -> bt.Cerebro: ...


class BrokerBackend(Protocol):
    """What the broker needs of its store. All of it answers from memory."""

    currency: str

    @property
    def markets(self) -> Mapping[str, Market]: ...
    def now_ms(self) -> int: ...
    def order_desk(self) -> OrderDesk: ...
    def next_client_order_id(self) -> str: ...
    def order_refusals(self, request: OrderRequest) -> tuple[str, ...]: ...
    def contract_terms(self, symbol: str) -> TradedTerms | None: ...
    def order_refused(self, reason: str, order: str, reasons: Sequence[str]) -> None: ...
    def fire_order(self, client_order_id: str) -> None: ...
    def cancel_order(self, client_order_id: str) -> None: ...
    def edit_order(self, client_order_id: str, request: OrderRequest, *, follows: bool = False) -> None: ...
    @property
    def edits_natively(self) -> bool: ...
    def account_snapshot(self, unacknowledged: Collection[str] = ()) -> AccountSnapshot: ...
    def latest_prices(self, symbols: Collection[str]) -> Mapping[str, Decimal]: ...
    @property
    def coin_prices(self) -> dict[str, Decimal]:
        """News of the symbols that ``follow_prices`` named; the reader takes them out."""

    def follow_prices(self, streamed: Collection[str], asked: Collection[str]) -> None: ...
    def restored_orders(self) -> RestoredState: ...
    def order_told(self, client_order_id: str) -> None: ...
    def attach_broker(self, broker: RunBroker) -> None: ...
    def wall_s(self, exchange_ms: float) -> float: ...
    @property
    def trading(self) -> TradingControl: ...
    @property
    def risk_limits(self) -> RiskLimits: ...
    def variables(self, owner: str) -> str | None: ...
    def keep_variables(self, owner: str, text: str) -> None: ...
    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...
    def look_again(self, symbols: Collection[str], since_ms: int) -> None: ...
    def tell_drift(self, text: str, *, explained: bool, stop_trading: bool) -> None: ...
    def money_moved(self, moved: MoneyMoved) -> None: ...
    def funding_booked(self, payments: Sequence[FundingPayment]) -> None: ...


class OrderHolder(Protocol):
    """What whoever applies news of orders needs of their broker."""

    store: BrokerBackend

    @property
    def orders(self) -> list[bt.Order]: ...
    @property
    def books(self) -> PositionBook: ...
    def getcommissioninfo(self, data: bt.AbstractDataBase) -> bt.CommInfoBase: ...
    def notify(self, order: bt.Order) -> None: ...


class PlacingBroker(OrderHolder, Protocol):
    """What placing an order needs of its broker."""

    @property
    def ledger(self) -> AccountLedger: ...
    def why_not_tradable(self, data: bt.AbstractDataBase) -> str | None: ...
    def latest_price(self, data: bt.AbstractDataBase) -> Decimal | None: ...
    def getvalue(self, datas: Sequence[bt.AbstractDataBase] | None = None) -> float: ...


class FeedHandle(Protocol):
    def close(self) -> None:
        """No more events. Idempotent, does not block."""


class FeedSource(Protocol):
    """What a Data needs of its store."""

    name: str
    """Of the exchange, for messages."""
    cerebro_loop: CerebroLoop | None
    """Set when a Data of this source joins a cerebro."""

    def start(self) -> object:
        """Connect, if that has not been done. Cerebro calls it; for a data inside another, the data does."""

    def timeframes(self) -> Collection[str]:
        """Candle timeframes on offer, in ccxt's notation. Does not ask the network."""

    def open_feed(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> FeedHandle:
        """History, seam, stream. Does not block; ``sink`` may be called from any thread."""

    def history(self, request: FeedRequest) -> History:
        """All of it, oldest first. Blocks; called before the strategy starts."""

    def now_ms(self) -> float:
        """The exchange's clock."""

    def wall_s(self, exchange_ms: float) -> float:
        """Seconds on this computer that a span of the exchange's time takes."""

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...
