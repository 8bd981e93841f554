"""Paper trading: the exchange's real, public data; orders filled by the embedded exchange's matching engine.

Every public call goes to the real exchange. Orders never leave the process: they rest in ``engine`` and are filled
against the streamed order book, else the best bid and ask with the amounts shown there, else trades
(``paper_market.py``). So paper passes through the same tracker, journal and broker as live trading.

The account lives in the journal, if that is on disk. What the market did while no process ran fills nothing; the first
price after it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    OrderNotFound,
    Refused,
    Unsupported,
)
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.matching.engine import (
    BalanceChanged,
    Engine,
    EngineReject,
    Event,
    OrderChanged,
    PositionChanged,
    RejectCode,
    SimOrder,
)
from btccxt.matching.paper_options import Latency, PaperOptions
from btccxt.matching.values import average_price
from btccxt.model import (
    ZERO,
    Balance,
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
    Origin,
    Position,
    StreamKey,
    StreamKind,
    StreamOpened,
    Ticker,
    Trade,
    Transfer,
)
from btccxt.orders.journal.journal import Journal
from btccxt.resilience.supervised import TaskListener, Tasks
from btccxt.store.paper_account import ACCOUNT, ENDED_KEPT, PaperAccount
from btccxt.store.paper_funding import PERIOD_S, PaperFunding
from btccxt.store.paper_market import PaperMarket
from btccxt.store.paper_records import fill_of, funding_of, new_order, update_of

_LEAST_APART_S = 1e-6


class PaperExchange(ExchangeAPI):
    """``public`` gives the data; ``balances`` is the start of a new account; ``now_ms`` the exchange's clock.

    ``on_task`` hears of price streams that broke; they are opened again.
    """

    journal: Journal | None = None
    """Where the account lives, if that is set before the markets are loaded; else it ends with the process."""

    def __init__(
        self,
        public: ExchangeAPI,
        balances: Mapping[str, Decimal],
        now_ms: Callable[[], int],
        on_task: TaskListener | None = None,
        options: PaperOptions | None = None,
    ) -> None:
        self.id = public.id
        self.options = options or PaperOptions()
        self._latency = Latency(self.options)
        self._arrived_s = 0.0
        self.public = public
        self._start_balances = dict(balances)
        self._now_ms = now_ms
        self._tasks = Tasks(on_task)
        self._engine: Engine | None = None
        self._market: PaperMarket | None = None
        self._account: PaperAccount | None = None
        self._funding: PaperFunding | None = None
        self._account_rates: Mapping[str, tuple[Decimal, Decimal]] = {}
        self._deliver: dict[StreamKind, tuple[StreamKey, Deliver]] = {}

    # -------------------------------------------------------------- life and public data

    async def open(self) -> None:
        await self.public.open()

    async def close(self) -> None:
        await self._tasks.close()
        await self.public.close()

    async def load_markets(self) -> Mapping[str, Market]:
        listed = await self.public.load_markets()
        if self.options.account_fees and not self._account_rates:
            self._account_rates = await self._fetch_account_rates()
        markets = {symbol: self._with_fees(market) for symbol, market in listed.items()}
        if self._engine is None:
            engine = Engine(markets.values(), ended_kept=ENDED_KEPT, queued=True)
            self._market = PaperMarket(self.public, engine, self._now_ms, self._tasks, self.options.match)
            if self.journal is None:
                engine.open_account(ACCOUNT, self._start_balances)
            else:
                self._account = PaperAccount(engine, self.journal)
                await self._account.open(self._start_balances)
                for symbol in self._account.symbols():
                    self._market.begin(symbol)
            engine.listen(self._on_engine_event)
            self._engine = engine
            if any(market.is_contract for market in markets.values()):
                self._funding = PaperFunding(self.public, engine, self._now_ms)
                self._tasks.every(PERIOD_S, self._funding.charge, "paper funding", at_once=True)
        return markets

    async def _fetch_account_rates(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        try:
            return await self.public.fetch_fee_rates()
        except (Unsupported, AuthenticationFailed) as error:
            raise ConfigError(
                f"paper.account_fees: {error}. Give the account's keys in config=, or maker_fee_pct and taker_fee_pct"
            ) from error

    def _with_fees(self, market: Market) -> Market:
        listed = self._account_rates.get(market.symbol, (market.maker_rate, market.taker_rate))
        maker, taker = self.options.rates(*listed)
        return replace(market, maker_rate=maker, taker_rate=taker)

    def facts(self) -> dict[str, Any]:
        """How orders are filled here, for ``health()``."""
        options = self.options
        return {
            "account": "ends with this process" if self.journal is None else self.journal.path,
            "match": {} if self._market is None else self._market.followed(),
            "funding": self._funding is not None and self._funding.is_listed,
            "latency_ms": options.latency_ms,
            "latency_p99_ms": options.latency_p99_ms,
            "maker_fee_pct": None if options.maker_fee_pct is None else str(options.maker_fee_pct),
            "taker_fee_pct": None if options.taker_fee_pct is None else str(options.taker_fee_pct),
            "account_fees": options.account_fees,
        }

    @property
    def came_back(self) -> bool:
        """Whether the account is the one that the journal's last program left."""
        return self._account is not None and self._account.came_back

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
        self._keep()

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        try:
            self.engine.set_isolated(ACCOUNT, symbol, mode is MarginMode.ISOLATED)
        except EngineReject as error:
            raise Refused(str(error)) from None
        self._keep()

    def _keep(self) -> None:
        if self._account is not None:
            self._account.keep()

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        return self._told(self._find(reference), Origin.QUERY)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return [self._told(order, Origin.QUERY) for order in self.engine.orders(ACCOUNT, symbol, open_only=True)]

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        closed = [
            order
            for order in self.engine.orders(ACCOUNT, symbol)
            if not order.is_open and order.updated_ms >= (since_ms or 0)
        ]
        return [self._told(order, Origin.QUERY) for order in closed[-limit if limit else 0 :]]

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        fills = [fill_of(fill) for fill in self.engine.fills(ACCOUNT, symbol) if fill.time_ms >= (since_ms or 0)]
        return fills[:limit]

    def _told(self, order: SimOrder, origin: Origin, detail: str = "") -> OrderUpdate:
        market = self.engine.markets[order.symbol]
        average = average_price(market, order.filled, order.cost_quote) if order.filled else None
        return update_of(order, average, origin, detail)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        market = self.engine.markets[symbol]
        paid = self.engine.fundings(ACCOUNT, symbol)
        currency = market.settle or market.quote
        return [funding_of(each, currency) for each in paid if each.time_ms >= since_ms]

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        """None: nothing comes to a paper account or leaves it but by trades."""
        return []

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

    async def _follow(self, symbol: str) -> None:
        if self._market is not None:
            await self._market.follow(symbol)

    async def _arrive(self) -> None:
        """The way to the exchange, on which nothing overtakes what was sent before."""
        if not self.options.latency_ms:
            return
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        self._arrived_s = max(self._arrived_s + _LEAST_APART_S, loop.time() + self._latency.draw_ms() / 1000)
        loop.call_at(self._arrived_s, arrived.set)
        await arrived.wait()

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        if request.stop_loss_price is not None or request.take_profit_price is not None:
            raise Refused("attached exits are not supported in paper mode")
        await self._follow(request.symbol)
        await self._arrive()
        try:
            order = self.engine.submit(ACCOUNT, new_order(request), self._now_ms())
        except EngineReject as reject:
            raise Refused(reject.message) from reject
        return self._told(order, Origin.CREATE)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        await self._follow(stop.symbol)
        await ready()
        await self._arrive()
        try:
            placed = self.engine.submit_list(ACCOUNT, (new_order(stop), new_order(target)), self._now_ms())
        except EngineReject as reject:
            raise Refused(reject.message) from reject
        return self._told(placed[0], Origin.CREATE), self._told(placed[1], Origin.CREATE)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        await self._arrive()
        found = self._find(reference)
        try:
            cancelled = self.engine.cancel(ACCOUNT, symbol=found.symbol, order_id=found.order_id, now_ms=self._now_ms())
        except EngineReject as reject:
            if reject.code in (RejectCode.ALREADY_FINAL, RejectCode.UNKNOWN_ORDER):
                raise OrderNotFound(f"paper: {reject.message}") from reject
            raise Refused(reject.message) from reject
        return self._told(cancelled, Origin.CANCEL)

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
            self._tell(StreamKind.ORDERS, self._told(event.order, Origin.PUSH, event.detail))
            if event.fill is not None:
                self._tell(StreamKind.FILLS, fill_of(event.fill))
        elif isinstance(event, BalanceChanged):
            self._tell(StreamKind.BALANCE, self._balances(event.currencies))
        elif isinstance(event, PositionChanged):
            held = [position for position in self.engine.positions(ACCOUNT) if position.symbol == event.symbol]
            for position in held:
                self._tell(StreamKind.POSITIONS, position)
            if not held:
                self._tell(StreamKind.POSITIONS, Position(event.symbol, ZERO, None, event.time_ms))
