"""Paper trading: the exchange's real, public data; orders filled by the embedded exchange's matching engine.

Every public call goes to the real exchange. Orders never leave the process: they rest in ``sim.engine`` and are filled
against the streamed best bid and ask (with the amounts shown there), or against trades where the exchange streams no
tickers. So paper passes through the same tracker, journal and broker as live trading.

What it cannot know: the place in the queue (a resting order fills only when the other side's best price reaches it),
and what the market would have done about an order of that size. An account starts afresh with each process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from btccxt.errors import ConnectionLost, OrderNotFound, Refused, Unsupported
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.matching.engine import (
    BalanceChanged,
    Engine,
    EngineReject,
    Event,
    NewOrder,
    OrderChanged,
    PositionChanged,
    RejectCode,
    SimFill,
    SimOrder,
    SimStatus,
)
from btccxt.model import (
    Balance,
    Balances,
    Bar,
    ContractTerms,
    Fill,
    LeverageBracket,
    MarginMode,
    Market,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    StreamEvent,
    StreamKey,
    StreamKind,
    StreamOpened,
    Ticker,
    Trade,
    decimal_of,
    round_amount,
    round_price,
)
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskListener, TaskPolicy, Tasks

ACCOUNT = "paper"
_ASSUMED_DEPTH_COST = Decimal(100_000)  # quote units at the best price, where a stream shows no amounts
_ENDED_KEPT = 10_000  # orders and fills
_RECONNECT_S = 1.0
_POLICY = TaskPolicy(Backoff(first_s=_RECONNECT_S, start_s=_RECONNECT_S, factor=1.5, max_s=10.0))
_STATUS = {
    SimStatus.NEW: OrderStatus.OPEN,
    SimStatus.TRIGGER_WAITING: OrderStatus.OPEN,
    SimStatus.PARTIALLY_FILLED: OrderStatus.OPEN,
    SimStatus.FILLED: OrderStatus.FILLED,
    SimStatus.CANCELED: OrderStatus.CANCELED,
    SimStatus.EXPIRED: OrderStatus.EXPIRED,
    SimStatus.REJECTED: OrderStatus.REJECTED,
}


class PaperExchange(ExchangeAPI):
    """``public`` gives the data; ``balances`` is the start of the account; ``now_ms`` the exchange's clock.

    ``on_task`` hears of price streams that broke; they are opened again.
    """

    def __init__(
        self,
        public: ExchangeAPI,
        balances: Mapping[str, Decimal],
        now_ms: Callable[[], int],
        on_task: TaskListener | None = None,
    ) -> None:
        self.id = public.id
        self.public = public
        self._start_balances = dict(balances)
        self._now_ms = now_ms
        self._tasks = Tasks(on_task)
        self._engine: Engine | None = None
        self._deliver: dict[StreamKind, tuple[StreamKey, Deliver]] = {}
        self._followed: dict[str, asyncio.Task[None]] = {}

    # -------------------------------------------------------------- life and public data

    async def open(self) -> None:
        await self.public.open()

    async def close(self) -> None:
        await self._tasks.close()
        self._followed.clear()
        await self.public.close()

    async def load_markets(self) -> Mapping[str, Market]:
        markets = await self.public.load_markets()
        if self._engine is None:
            self._engine = Engine(markets.values(), ended_kept=_ENDED_KEPT)
            self._engine.open_account(ACCOUNT, self._start_balances)
            self._engine.listen(self._on_engine_event)
        return markets

    async def fetch_time(self) -> int:
        return await self.public.fetch_time()

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return await self.public.fetch_ticker(symbol)

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return await self.public.fetch_ohlcv(symbol, timeframe, since_ms, limit)

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        return await self.public.fetch_trades(symbol, since_ms, limit)

    # -------------------------------------------------------------- the account

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise ConnectionLost("the paper account opens when the markets are loaded")
        return self._engine

    async def fetch_balance(self) -> Balances:
        return self._balances(None)

    def _balances(self, only: tuple[str, ...] | None) -> Balances:
        all_of_them = self.engine.balances(ACCOUNT)
        chosen: dict[str, Balance] = {
            currency: balance for currency, balance in all_of_them.items() if only is None or currency in only
        }
        return Balances(self._now_ms(), chosen, complete=only is None)

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        return [item for item in self.engine.positions(ACCOUNT) if symbols is None or item.symbol in symbols]

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        mode = MarginMode.ISOLATED if self.engine.is_isolated(ACCOUNT, symbol) else MarginMode.CROSS
        return ContractTerms(symbol, self.engine.leverage(ACCOUNT, symbol), mode)

    async def fetch_leverage_brackets(self, symbol: str) -> list[LeverageBracket]:
        brackets = self.engine.brackets(symbol)
        return [LeverageBracket(each.max_leverage, max_notional=each.cap) for each in brackets]

    async def set_leverage(self, leverage: Decimal, symbol: str, mode: MarginMode | None) -> None:
        try:
            self.engine.set_leverage(ACCOUNT, symbol, leverage, self._now_ms())
        except EngineReject as error:
            raise Refused(str(error)) from None

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        try:
            self.engine.set_isolated(ACCOUNT, symbol, mode is MarginMode.ISOLATED)
        except EngineReject as error:
            raise Refused(str(error)) from None

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        return _update(self._find(reference), Origin.QUERY)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return [_update(order, Origin.QUERY) for order in self.engine.orders(ACCOUNT, symbol, open_only=True)]

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        closed = [
            order
            for order in self.engine.orders(ACCOUNT, symbol)
            if not order.is_open and order.updated_ms >= (since_ms or 0)
        ]
        return [_update(order, Origin.QUERY) for order in closed[-limit if limit else 0 :]]

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        fills = [_fill(fill) for fill in self.engine.fills(ACCOUNT, symbol) if fill.time_ms >= (since_ms or 0)]
        return fills[:limit]

    def _find(self, reference: OrderReference) -> SimOrder:
        try:
            return self.engine.order(
                ACCOUNT,
                symbol=reference.symbol,
                order_id=reference.order_id,
                client_order_id=None if reference.order_id else reference.client_order_id,
            )
        except EngineReject as reject:
            raise OrderNotFound(f"paper: {reject.message}") from reject

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        if request.stop_loss_price is not None or request.take_profit_price is not None:
            raise Refused("attached exits are not supported in paper mode")
        await self._follow(request.symbol)
        try:
            order = self.engine.submit(ACCOUNT, _new_order(request), self._now_ms())
        except EngineReject as reject:
            raise Refused(reject.message) from reject
        return _update(order, Origin.CREATE)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        await self._follow(stop.symbol)
        await ready()
        try:
            placed = self.engine.submit_list(ACCOUNT, (_new_order(stop), _new_order(target)), self._now_ms())
        except EngineReject as reject:
            raise Refused(reject.message) from reject
        return _update(placed[0], Origin.CREATE), _update(placed[1], Origin.CREATE)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        found = self._find(reference)
        try:
            cancelled = self.engine.cancel(ACCOUNT, symbol=found.symbol, order_id=found.order_id, now_ms=self._now_ms())
        except EngineReject as reject:
            if reject.code in (RejectCode.ALREADY_FINAL, RejectCode.UNKNOWN_ORDER):
                raise OrderNotFound(f"paper: {reject.message}") from reject
            raise Refused(reject.message) from reject
        return _update(cancelled, Origin.CANCEL)

    # -------------------------------------------------------------- prices for the engine

    async def _follow(self, symbol: str) -> None:
        """Have current prices of a symbol in the engine, and keep them current."""
        task = self._followed.get(symbol)
        if task is not None and not task.done():
            return
        self._take_ticker(await self.public.fetch_ticker(symbol))
        if symbol not in self._followed or self._followed[symbol].done():
            wanted = [StreamKey(StreamKind.TICKER, symbol), StreamKey(StreamKind.TRADES, symbol)]
            keys = [key for key in wanted if self.public.can_stream(key)]
            name = f"paper prices of {symbol}"
            self._followed[symbol] = self._tasks.keep(partial(self._keep_prices, symbol, keys), name, _POLICY)

    async def _keep_prices(self, symbol: str, keys: list[StreamKey]) -> None:
        """While the stream does not serve, the ticker is asked for."""
        while True:
            self._take_ticker(await self.public.fetch_ticker(symbol))
            try:
                if keys:
                    await self.public.stream(keys, self._on_price)
            except Unsupported:
                keys.clear()
                raise
            await asyncio.sleep(_RECONNECT_S)

    def _on_price(self, key: StreamKey, event: StreamEvent) -> None:
        if isinstance(event, Ticker):
            self._take_ticker(event)
        elif isinstance(event, Trade) and key.symbol is not None:
            self.engine.print_trade(
                key.symbol, decimal_of(event.price), decimal_of(event.amount), event.side, self._now_ms()
            )

    def _take_ticker(self, ticker: Ticker) -> None:
        bid, ask = ticker.bid or ticker.last, ticker.ask or ticker.last
        if bid is None or ask is None:
            return
        market = self.engine.markets[ticker.symbol]
        if ask <= bid:  # one price only (its last), or a quote caught between two updates; a book is never crossed
            ask = bid + float(market.price_step or decimal_of(bid) / 10_000)
        bids, asks = [_level(market, bid, ticker.bid_amount)], [_level(market, ask, ticker.ask_amount)]
        self.engine.set_depth(ticker.symbol, bids, asks, self._now_ms())

    # -------------------------------------------------------------- streams

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind.is_private or self.public.can_stream(key)

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        private = [key for key in keys if key.kind.is_private]
        public = [key for key in keys if not key.kind.is_private]
        for key in private:
            self._deliver[key.kind] = (key, deliver)
            deliver(key, StreamOpened("paper"))
        try:
            if public:
                await self.public.stream(public, deliver)
            else:
                await asyncio.get_running_loop().create_future()  # until cancelled: nothing here can break
        finally:
            for key in private:
                self._deliver.pop(key.kind, None)

    def _tell(self, kind: StreamKind, news: OrderUpdate | Fill | Balances | Position) -> None:
        if kind in self._deliver:
            key, deliver = self._deliver[kind]
            deliver(key, news)

    def _on_engine_event(self, event: Event) -> None:
        if isinstance(event, OrderChanged):
            self._tell(StreamKind.ORDERS, _update(event.order, Origin.PUSH, event.detail))
            if event.fill is not None:
                self._tell(StreamKind.FILLS, _fill(event.fill))
        elif isinstance(event, BalanceChanged):
            self._tell(StreamKind.BALANCE, self._balances(event.currencies))
        elif isinstance(event, PositionChanged):
            for position in self.engine.positions(ACCOUNT):
                if position.symbol == event.symbol:
                    self._tell(StreamKind.POSITIONS, position)


def _level(market: Market, price: float, amount: float | None) -> tuple[Decimal, Decimal]:
    exact = round_price(market, decimal_of(price))
    return exact, decimal_of(amount) if amount else round_amount(market, _ASSUMED_DEPTH_COST / exact)


def _new_order(request: OrderRequest) -> NewOrder:
    return NewOrder(
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        amount=None if request.cost_quote is not None else request.amount,
        price=request.price,
        trigger_price=request.trigger_price,
        cost_quote=request.cost_quote,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        iceberg_amount=request.iceberg_amount,
        client_order_id=request.client_order_id,
        trailing_percent=request.trailing_percent,
        trailing_amount=request.trailing_amount,
        expires_ms=request.expires_ms,
    )


def _update(order: SimOrder, origin: Origin, detail: str = "") -> OrderUpdate:
    request, status = order.request, _STATUS[order.status]
    return OrderUpdate(
        symbol=request.symbol,
        status=status,
        origin=origin,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=request.side,
        kind=request.kind,
        price=request.price,
        trigger_price=request.trigger_price,
        amount=request.amount,
        filled=order.filled,
        average=order.cost_quote / order.filled if order.filled else None,
        time_ms=order.updated_ms,
        raw_status=order.status.value,
        reject_reason=detail if status in (OrderStatus.REJECTED, OrderStatus.EXPIRED) and detail else None,
    )


def _fill(fill: SimFill) -> Fill:
    return Fill(
        trade_id=str(fill.trade_id),
        symbol=fill.symbol,
        side=fill.side,
        price=fill.price,
        amount=fill.amount,
        time_ms=fill.time_ms,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        fee=fill.fee,
        maker=fill.maker,
    )
