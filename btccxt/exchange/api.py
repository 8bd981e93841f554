"""ExchangeAPI: what an exchange is to btccxt.

``CCXTExchange`` implements it for everything ccxt knows, ``PaperExchange`` on top of public data, and a user can
implement it in one file (``examples/custom_exchange.py``, with orders ``custom_exchange_orders.py``) and hand the
instance to ``CCXTStore``.

All coroutines run in the session's event loop; none may block it. Errors are those of ``btccxt.errors``: an
implementation translates its own. Records are those of ``btccxt.model``, and a store checks each before it believes it
(``sensible.py``): a price that is no number or more filled than ordered is an attempt that failed, not a bar or a fill.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from btccxt.errors import Unsupported
from btccxt.exchange.history_pages import HistoryPages, pages_by_time
from btccxt.model import (
    Balances,
    Bar,
    ContractTerms,
    Fill,
    FundingPayment,
    LeverageBracket,
    MarginMode,
    Market,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Position,
    PositionMode,
    StreamEvent,
    StreamKey,
    Ticker,
    Trade,
    Transfer,
)

if TYPE_CHECKING:
    from btccxt.exchange.checked import CheckedRequests
    from btccxt.exchange.profile.profile_schema import Profile
    from btccxt.resilience.breaker import Breakers
    from btccxt.resilience.clock import ExchangeClock
    from btccxt.resilience.limiter import AsyncLimiter

Deliver = Callable[[StreamKey, StreamEvent], None]


class ExchangeAPI(ABC):
    """One exchange, one account. Instances belong to one event loop from ``open()`` to ``close()``."""

    id: str
    """Name for logs, the journal and messages: ``'binance'``."""

    def describe(self) -> Mapping[str, Any]:
        """What the mapping table would say of an exchange that is not in it: keys of a profile.

        The head of ``exchanges.yaml`` explains them; what is left out is the conservative default (market and limit
        orders). An order kind that ``create_order`` knows is ``{"orders": {"stop": {"native": {}}}}``.
        """
        return {}

    @property
    def data_mode(self) -> str | None:
        """Whose market its bars are of, so that the lake keeps those of different ones apart: 'live', 'testnet' …

        Override it where one class serves several. None: it cannot tell, and its history is not kept.
        """
        return f"custom-{type(self).__name__}"

    # -------------------------------------------------------------- life

    async def open(self) -> None:  # noqa: B027 - some have nothing to prepare
        """Prepare connections. Called once, in the loop that will own the instance."""

    async def close(self) -> None:  # noqa: B027
        """Release every socket and task; idempotent and bounded (a few seconds at most)."""

    # -------------------------------------------------------------- public reads (idempotent: callers may retry)

    @abstractmethod
    async def load_markets(self) -> Mapping[str, Market]:
        """Markets by unified symbol."""

    async def fetch_time(self) -> int:
        """The exchange's clock now, ms. Raises Unsupported where the exchange does not tell."""
        raise Unsupported(f"{self.id} does not tell its time")

    @abstractmethod
    async def fetch_ticker(self, symbol: str) -> Ticker: ...

    @abstractmethod
    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        """One page of candles, oldest first, the *forming* one included if the exchange sends it."""

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        """One page of public trades, oldest first. Raises Unsupported where the exchange does not list them."""
        raise Unsupported(f"{self.id} lists no trades: it has candles only")

    async def fetch_funding_rates(self, symbol: str, since_ms: int) -> Mapping[int, Decimal]:
        """Rates that were charged on a contract from ``since_ms`` (inclusive), by time: the exchange's one page.

        Positive: longs paid. Raises Unsupported where the exchange does not list them.
        """
        raise Unsupported(f"{self.id} lists no funding rates")

    # -------------------------------------------------------------- private reads (idempotent)
    # An exchange that gives data only leaves these out, and ``create_order`` and ``cancel_order``: mode 'paper' trades
    # on its prices, mode 'live' refuses a broker and names what is missing (``lacks_for_orders``).

    async def fetch_balance(self) -> Balances:
        raise self._gives_data_only("fetch_balance")

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        """Open contract positions; empty where the exchange has spot only."""
        return []

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        """Raises OrderNotFound only when the exchange said so explicitly."""
        raise self._gives_data_only("fetch_order")

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        """Open orders, waiting triggers included."""
        raise self._gives_data_only("fetch_open_orders")

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        raise self._gives_data_only("fetch_closed_orders")

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        """The account's fills from ``since_ms`` (inclusive), oldest first: one page at least, from the oldest on."""
        raise self._gives_data_only("fetch_my_trades")

    def trade_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[Fill]:
        """The account's fills of a span, a page at a time; some of before and after may be among them."""
        return pages_by_time(self.fetch_my_trades, lambda fill: fill.trade_id, symbol, since_ms, until_ms)

    def order_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[OrderUpdate]:
        """The account's ended orders of a span, a page at a time; open ones and some of before may be among them."""
        return pages_by_time(self.fetch_closed_orders, lambda order: order.order_id, symbol, since_ms, until_ms)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        """Funding that the account paid and received for a contract from ``since_ms`` (inclusive): the exchange's one
        page, which may not be all. Raises Unsupported where the exchange does not list it."""
        raise Unsupported(f"{self.id} lists no funding payments")

    async def fetch_fee_rates(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """The account's maker and taker rates by symbol. Raises Unsupported where the exchange does not tell."""
        raise Unsupported(f"{self.id} does not tell the account's fees")

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        """Deposits, withdrawals and transfers that have arrived or left, oldest first: the exchange's one page.

        Raises Unsupported where the exchange does not list them.
        """
        raise Unsupported(f"{self.id} lists no deposits and withdrawals")

    # -------------------------------------------------------------- how contracts are traded

    async def fetch_position_mode(self, symbol: str) -> PositionMode | None:
        """Of the account, or of this symbol where the exchange has one for each; None: it does not tell."""
        return None

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        """Leverage and margin mode of the account for this contract, as far as the exchange tells."""
        return ContractTerms(symbol)

    async def fetch_leverage_brackets(self, symbol: str) -> list[LeverageBracket]:
        """From the smallest position on; empty where the exchange does not tell."""
        return []

    async def set_position_mode(self, mode: PositionMode, symbol: str) -> None:
        raise Unsupported(f"{self.id}: the position mode cannot be set from here")

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        """``leverage``: what the symbol is to have, for exchanges that set both at once."""
        raise Unsupported(f"{self.id}: the margin mode cannot be set from here")

    async def set_leverage(self, leverage: Decimal, symbol: str, mode: MarginMode | None) -> None:
        """``mode``: the margin mode that it is for, where each has its own."""
        raise Unsupported(f"{self.id}: the leverage cannot be set from here")

    # -------------------------------------------------------------- orders (never retried by this layer)

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        """Send once. Raises Refused (definitely not placed), RateLimited / ClockSkew / ExchangeUnavailable
        (definitely not placed, may be sent again) or OrderOutcomeUnknown (may have been placed)."""
        raise self._gives_data_only("create_order")

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        """``create_order``, of which nothing may leave before ``ready`` has returned; what it raises, a ``Refused``,
        is raised as it is, and nothing is sent. An exchange may prepare the request before it waits for ``ready``."""
        await ready()
        return await self.create_order(request)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        """Send both once, as one list: they bind the coins of one, and one ends the other. Both are placed, or none.

        ``ready`` as in ``create_order_when``, errors as of ``create_order``.
        """
        raise Unsupported(f"{self.id} has no order lists")

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        """Ask for a cancel. The answer is not proof: callers confirm. Raises OrderNotFound."""
        raise self._gives_data_only("cancel_order")

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        """Change price or amount natively, keeping queue rules of the exchange."""
        raise Unsupported(f"{self.id} cannot edit orders; cancel and place a new one")

    async def cancel_all_after(self, timeout_ms: int) -> None:
        """Dead-man's switch: the exchange cancels all orders of the account unless it is told again within
        ``timeout_ms``; 0 disarms it. Repeating it is harmless."""
        raise Unsupported(f"{self.id} has no dead-man's switch")

    # -------------------------------------------------------------- streams

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        """Serve these subscriptions until cancelled; one call may share one connection.

        Calls ``deliver(key, StreamOpened())`` once per key when its subscription was sent, then every piece of news,
        each once, in order of arrival, as records that never change afterwards. Raises ConnectionLost when the
        connection breaks, Unsupported for a stream that this exchange does not have. Reconnecting, watching for
        silence and repairing gaps are the caller's work (``session/streams.py``).
        """
        raise Unsupported(f"{self.id} has no streams")

    def can_stream(self, key: StreamKey) -> bool:
        """Whether ``stream`` serves this key at all; where not, the session polls by REST."""
        return self.implements("stream")

    def implements(self, method: str) -> bool:
        """Whether it has this method itself, and not only the refusal or the default of ``ExchangeAPI``."""
        return getattr(type(self), method) is not getattr(ExchangeAPI, method)

    def _gives_data_only(self, method: str) -> Unsupported:
        return Unsupported(f"{self.id} gives data only: it has no {method}")


def lacks_for_orders(exchange: ExchangeAPI) -> tuple[str, ...]:
    """Methods that an exchange must have before orders go to it, and that this one leaves out; none: it can trade."""
    return tuple(name for name in _NEEDED_FOR_ORDERS if not exchange.implements(name))


_NEEDED_FOR_ORDERS = (
    "fetch_balance", "fetch_order", "fetch_open_orders", "fetch_closed_orders", "fetch_my_trades", "create_order",
    "cancel_order",
)  # fmt: skip


def lists_orders(exchange: ExchangeAPI) -> bool:
    """Whether it can be asked for order lists at all."""
    return exchange.implements("create_order_list")


@runtime_checkable
class DrivenExchange(Protocol):
    """An exchange whose calls go through btccxt's own limits and breakers, by a profile: ``CCXTExchange``.

    A Protocol, so that telling it apart does not import ccxt.
    """

    profile: Profile
    clock: ExchangeClock
    limiter: AsyncLimiter
    breakers: Breakers
    checked: CheckedRequests
