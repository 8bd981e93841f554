"""What a check works with: one exchange, one market, a limit on what an order may cost, a list of what was placed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from btccxt.errors import BtccxtError, OrderNotFound, OrderOutcomeUnknown, RateLimited, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.model import (
    Market,
    MarketType,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Side,
    Ticker,
    TimeInForce,
    decimal_of,
    round_amount,
    round_price,
)
from btccxt.orders.client_ids import ClientIds, new_tag
from btccxt.resilience.clock import ExchangeClock

T = TypeVar("T")
FAR = Decimal("0.10")  # of the price: what rests so far away does not fill while a check looks at it
_POLL_S = 0.05
_WAITS_S = (0.5, 1.5)  # before an order that was definitely not placed is sent again
_UNTOLD_LEAST_COST = Decimal(10)  # quote units; several exchanges have a least cost that their market list leaves out
_COST_MARGIN = Decimal("1.2")  # above the exchange's smallest order: prices move, fees are taken


class NotProven(Exception):
    """The exchange did not do what the check's name promises; the text says what it did instead."""


class NotApplicable(Exception):
    """There is nothing to prove here; the text says why."""


@dataclass(slots=True)
class Subject:
    """One exchange under test. ``patience_s`` is the wall time that anything may take beyond the market's own."""

    exchange: ExchangeAPI
    clock: ExchangeClock
    profile: Profile
    symbol: str
    timeframe: str = "1m"
    max_notional: Decimal = Decimal(0)
    patience_s: float = 20.0
    market: Market = field(init=False)
    bought: str | None = field(init=False, default=None)
    """What a check has bought and not sold again yet."""
    _ids: ClientIds = field(init=False)
    _placed: dict[str, OrderReference] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = ClientIds(new_tag(), 1)

    async def open(self) -> None:
        """Connect and find the market. Raises btccxt errors, NotProven for a symbol that is not there."""
        await self.exchange.open()
        markets = await self.exchange.load_markets()
        if self.symbol not in markets:
            raise NotProven(f"{self.exchange.id} lists no {self.symbol}")
        self.market = markets[self.symbol]

    # -------------------------------------------------------------- waiting

    async def until(self, found: Callable[[], T | None], what: str, market_ms: float = 0) -> T:
        """The first true answer of ``found``. Raises NotProven after ``market_ms`` (exchange time) and the patience."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self.clock.wall_s(market_ms) + self.patience_s
        while not (answer := found()):
            if loop.time() > end_s:
                raise NotProven(f"waited in vain for {what}")
            await asyncio.sleep(_POLL_S)
        return answer

    async def asking(self, ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], what: str) -> T:
        """Ask until the answer is good: what was accepted a moment ago may not be visible yet. Raises NotProven."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self.clock.wall_s(self.profile.visibility_delay_ms) + self.patience_s
        last: object = None
        while True:
            try:
                answer = await ask()
                if good(answer):
                    return answer
                last = answer
            except OrderNotFound as error:
                last = error
            except RateLimited as error:
                last = error
                await asyncio.sleep(min(error.retry_after_s or _WAITS_S[-1], self.patience_s))
            if loop.time() > end_s:
                raise NotProven(f"{what}; last answer: {last}")
            await asyncio.sleep(_POLL_S * 4)

    # -------------------------------------------------------------- orders

    async def prices(self) -> tuple[Decimal, Ticker]:
        """The middle of the market now, and the ticker it comes from."""
        ticker = await self.exchange.fetch_ticker(self.symbol)
        sides = [price for price in (ticker.bid, ticker.ask) if price] or [ticker.last or 0.0]
        middle = decimal_of(sum(sides) / len(sides))
        if not middle:
            raise NotProven("the ticker has no price")
        return middle, ticker

    def at(self, middle: Decimal, distance: Decimal) -> Decimal:
        """A valid price so far above (or below, where negative) the middle."""
        return round_price(self.market, middle * (1 + distance))

    def smallest_amount(self, price: Decimal) -> Decimal:
        """A little more than the smallest order that the market takes at this price."""
        market = self.market
        step = market.amount_step or Decimal("0.00000001")
        least = max(
            (market.min_cost or _UNTOLD_LEAST_COST) / self._worth(price),
            market.min_amount or Decimal(0),
            step,
        )
        return (least * _COST_MARGIN / step).to_integral_value(ROUND_CEILING) * step

    def _worth(self, price: Decimal) -> Decimal:
        """Of one unit, or one contract, in the quote currency."""
        market = self.market
        return market.contract_size if market.type is MarketType.INVERSE else price * market.contract_size

    def request(
        self, kind: OrderKind, amount: Decimal, reference: Decimal, *, side: Side = Side.BUY, **more: object
    ) -> OrderRequest:
        """An order of at most ``max_notional`` at the ``reference`` price, with a fresh client order id."""
        worst = max(
            [reference, *(value for key, value in more.items() if key == "price" and isinstance(value, Decimal))]
        )
        notional = amount * self._worth(worst)
        if notional > self.max_notional:
            raise NotApplicable(
                f"the smallest such order costs {notional:.2f}, more than the {self.max_notional} allowed"
            )
        ids = self.profile.client_id
        client_order_id = self._ids.new(ids.form, ids.max_length)
        return OrderRequest(client_order_id, self.symbol, side, kind, amount, **more)  # type: ignore[arg-type]

    async def resting(self) -> OrderRequest:
        """A small limit order so far below the market that it will not fill."""
        middle, _ = await self.prices()
        price = self.at(middle, -FAR)
        return self.request(
            OrderKind.LIMIT, self.smallest_amount(price), price, price=price, time_in_force=TimeInForce.GTC
        )

    async def place(self, request: OrderRequest) -> OrderUpdate:
        """Send, and remember it for ``clean_up``. An unknown outcome is found out by asking, never by sending again;
        only "not placed, come later" is followed by another try."""
        conditional = request.kind.value in self.profile.conditional.kinds
        reference = OrderReference(request.symbol, request.client_order_id, None, conditional)
        self._placed[request.client_order_id] = reference
        try:
            update = await self._send(request)
        except OrderOutcomeUnknown:
            update = await self.asking(
                lambda: self.exchange.fetch_order(reference),
                lambda _: True,
                "the answer was lost and the order is not found",
            )
        self._placed[request.client_order_id] = OrderReference(
            request.symbol, request.client_order_id, update.order_id, conditional
        )
        return update

    async def _send(self, request: OrderRequest) -> OrderUpdate:
        for wait_s in _WAITS_S:
            try:
                return await self.exchange.create_order(request)
            except Retryable:  # by contract: definitely not placed
                await asyncio.sleep(wait_s)
        return await self.exchange.create_order(request)

    def reference(self, request: OrderRequest) -> OrderReference:
        """How to point at an order that was placed here."""
        return self._placed[request.client_order_id]

    def by_client_id(self, request: OrderRequest) -> OrderReference:
        """The same, without the exchange's id."""
        known = self.reference(request)
        return OrderReference(known.symbol, known.client_order_id, None, known.conditional)

    async def cancel(self, request: OrderRequest) -> OrderUpdate:
        """Cancel, and ask until the exchange says that it is over. Raises NotProven."""
        reference = self.reference(request)
        await self.exchange.cancel_order(reference)
        ended = await self.asking(
            lambda: self.exchange.fetch_order(reference), lambda order: order.status.is_final, "not cancelled"
        )
        self._placed.pop(request.client_order_id, None)
        return ended

    def done(self, request: OrderRequest) -> None:
        """This order has ended: nothing to clean up."""
        self._placed.pop(request.client_order_id, None)

    async def clean_up(self) -> list[str]:
        """Cancel what a failed check left behind. Returns what a person must look at."""
        left = [self.bought] if self.bought else []
        self.bought = None
        for client_order_id, reference in list(self._placed.items()):
            try:
                if not await self._gone(reference):
                    left.append(f"{client_order_id} ({reference.order_id or 'no exchange id'}) may still be open")
            except BtccxtError as error:
                left.append(f"{client_order_id} ({reference.order_id or 'no exchange id'}): {error}")
        self._placed.clear()
        return left

    async def _gone(self, reference: OrderReference) -> bool:
        for _ in range(5):
            try:
                if (await self.exchange.fetch_order(reference)).status.is_final:
                    return True
                await self.exchange.cancel_order(reference)
            except OrderNotFound:
                await asyncio.sleep(self.clock.wall_s(self.profile.visibility_delay_ms))
                try:
                    await self.exchange.fetch_order(reference)
                except OrderNotFound:
                    return True
            except Retryable:
                await asyncio.sleep(_POLL_S * 4)
        return False

    # -------------------------------------------------------------- what is asked often

    @property
    def is_spot(self) -> bool:
        return self.market.type is MarketType.SPOT

    def floor(self, amount: Decimal) -> Decimal:
        return round_amount(self.market, amount)
