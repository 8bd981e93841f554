"""A scripted exchange: keeps a small book of orders, fails when told to, and writes down every request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from btccxt.errors import OrderNotFound, Refused, Unsupported
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.model import (
    ZERO,
    Balance,
    Balances,
    Bar,
    Fee,
    Fill,
    Market,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    StreamKey,
    Ticker,
    Trade,
)


@dataclass
class Placed:
    """An order in the fake's book."""

    request: OrderRequest
    order_id: str
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = ZERO
    child_order_id: str | None = None
    book_of_triggers: bool | None = None  # kept apart from ordinary orders; None: one book for all


@dataclass
class Script:
    """What the next call does: fail before or after the exchange has done its work, or answer something else."""

    before: BaseException | None = None
    after: BaseException | None = None
    answer: Callable[[OrderUpdate], OrderUpdate] | None = None
    gate: Callable[[], Awaitable[None]] | None = None  # awaited after the work was done, before the answer


@dataclass
class FakeExchange(ExchangeAPI):
    id: str = "fake"
    now_ms: Callable[[], int] = lambda: 1_700_000_000_000
    book: dict[str, Placed] = field(default_factory=dict)
    trades: list[Fill] = field(default_factory=list)
    calls: list[tuple[str, object]] = field(default_factory=list)
    scripts: dict[str, deque[Script]] = field(default_factory=dict)
    invisible: bool = False  # orders are not shown to queries
    knows_client_ids: bool = True
    can_edit: bool = False
    forgets_canceled: bool = False
    fees: Fee | None = None
    balances: dict[str, Decimal] = field(default_factory=dict)
    open_positions: list[Position] = field(default_factory=list)

    # -------------------------------------------------------------- the test's side

    def script(self, method: str, *scripts: Script | BaseException) -> None:
        """What the next calls of ``method`` do, in turn; a bare exception fails before anything is done."""
        queue = self.scripts.setdefault(method, deque())
        queue.extend(item if isinstance(item, Script) else Script(before=item) for item in scripts)

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def sent(self) -> list[str]:
        """Client order ids in the order in which they were sent."""
        return [
            argument.client_order_id
            for name, argument in self.calls
            if name == "create_order" and isinstance(argument, OrderRequest)
        ]

    def place(self, request: OrderRequest) -> Placed:
        placed = Placed(request, order_id=f"x{len(self.book) + 1}")
        self.book[placed.order_id] = placed
        return placed

    def trade(self, placed: Placed, amount: str, price: str = "100", **changes: object) -> Fill:
        """Fill a part of an order; returns the trade as a push would bring it."""
        request = placed.request
        fill = Fill(
            trade_id=f"t{len(self.trades) + 1}",
            symbol=request.symbol,
            side=request.side,
            price=Decimal(price),
            amount=Decimal(amount),
            time_ms=self.now_ms(),
            order_id=placed.order_id,
            client_order_id=request.client_order_id if self.knows_client_ids else None,
            fee=self.fees,
        )
        fill = replace(fill, **changes)
        self.trades.append(fill)
        placed.filled += fill.amount
        if placed.filled >= request.amount:
            placed.status = OrderStatus.FILLED
        return fill

    def update(self, placed: Placed, origin: Origin = Origin.QUERY, **changes: object) -> OrderUpdate:
        request = placed.request
        update = OrderUpdate(
            symbol=request.symbol,
            status=placed.status,
            origin=origin,
            order_id=placed.order_id,
            client_order_id=request.client_order_id if self.knows_client_ids else None,
            side=request.side,
            kind=request.kind,
            price=request.price,
            amount=request.amount,
            filled=placed.filled,
            time_ms=self.now_ms(),
            raw_status=placed.status.value.upper(),
            child_order_id=placed.child_order_id,
        )
        return replace(update, **changes)

    def find(self, reference: OrderReference) -> Placed:
        for placed in self.book.values():
            if placed.book_of_triggers is not None and placed.book_of_triggers is not reference.conditional:
                continue
            if self.forgets_canceled and placed.status is OrderStatus.CANCELED and not placed.filled:
                continue
            if reference.order_id is not None:
                if placed.order_id == reference.order_id:
                    return placed
            elif placed.request.client_order_id == reference.client_order_id:
                return placed
        raise OrderNotFound(f"no order {reference.order_id or reference.client_order_id}")

    async def _call(self, method: str, argument: object, work: Callable[[], OrderUpdate]) -> OrderUpdate:
        self.calls.append((method, argument))
        await asyncio.sleep(0)
        queue = self.scripts.get(method)
        script = queue.popleft() if queue else Script()
        if script.before is not None:
            raise script.before
        update = work()
        if script.gate is not None:
            await script.gate()
        if script.after is not None:
            raise script.after
        return script.answer(update) if script.answer is not None else update

    async def _list(self, method: str, argument: object) -> None:
        self.calls.append((method, argument))
        await asyncio.sleep(0)
        queue = self.scripts.get(method)
        script = queue.popleft() if queue else Script()
        if script.gate is not None:
            await script.gate()
        if script.before is not None:
            raise script.before

    # -------------------------------------------------------------- ExchangeAPI

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        def work() -> OrderUpdate:
            if any(placed.request.client_order_id == request.client_order_id for placed in self.book.values()):
                raise AssertionError(f"order {request.client_order_id} was placed twice")
            return self.update(self.place(request), Origin.CREATE)

        return await self._call("create_order", request, work)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        await ready()
        placed: list[Placed] = []

        def work() -> OrderUpdate:
            names = {each.request.client_order_id for each in self.book.values()}
            assert not names & {stop.client_order_id, target.client_order_id}, "a list was placed twice"
            placed.extend(self.place(each) for each in (stop, target))
            return self.update(placed[0], Origin.CREATE)

        first = await self._call("create_order_list", (stop, target), work)
        return first, self.update(placed[1], Origin.CREATE)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        def work() -> OrderUpdate:
            placed = self.find(reference)
            if placed.status.is_final:
                raise OrderNotFound("Unknown order sent.")
            placed.status = OrderStatus.CANCELED
            return self.update(placed, Origin.CANCEL)

        return await self._call("cancel_order", reference, work)

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        if not self.can_edit:
            raise Unsupported("the fake cannot edit")

        def work() -> OrderUpdate:
            placed = self.find(reference)
            if placed.status.is_final:
                raise Refused("the order has ended")
            del self.book[placed.order_id]
            placed.request = replace(request, client_order_id=placed.request.client_order_id)
            placed.order_id = placed.order_id + "e"
            self.book[placed.order_id] = placed
            return self.update(placed)

        return await self._call("edit_order", (reference, request), work)

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        def work() -> OrderUpdate:
            if reference.order_id is None and not self.knows_client_ids:
                raise Unsupported("no query by client order id")
            if self.invisible:
                raise OrderNotFound("not visible yet")
            return self.update(self.find(reference))

        return await self._call("fetch_order", reference, work)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        await self._list("fetch_open_orders", symbol)
        return [
            self.update(placed)
            for placed in self.book.values()
            if not placed.status.is_final and not self.invisible and symbol in (None, placed.request.symbol)
        ]

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        await self._list("fetch_closed_orders", symbol)
        return [self.update(placed) for placed in self.book.values() if placed.status.is_final and not self.invisible]

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        await self._list("fetch_my_trades", (symbol, since_ms))
        found = [fill for fill in self.trades if fill.symbol == symbol and fill.time_ms >= (since_ms or 0)]
        return found[: limit or 50]

    async def fetch_balance(self) -> Balances:
        await self._list("fetch_balance", None)
        return Balances(self.now_ms(), {name: Balance(name, free, ZERO) for name, free in self.balances.items()})

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        return list(self.open_positions)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def load_markets(self) -> Mapping[str, Market]:
        return {}

    async def fetch_time(self) -> int:
        return self.now_ms()

    async def fetch_ticker(self, symbol: str) -> Ticker:
        raise Unsupported("no market data here")

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        raise Unsupported("no market data here")

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        raise Unsupported("no market data here")

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        raise Unsupported("no streams here")
