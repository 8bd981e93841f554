"""The matching engine of the embedded exchange: pure, deterministic, exact.

No clock, no socket, no randomness: every call that may change something takes ``now_ms``. Money is Decimal.

Rules, where exchanges differ:

* A resting order that ambient depth crosses is filled at its own price, up to the ambient amount at crossing levels.
* A printed trade fills resting orders it went through, and, at exactly its price, those on the maker's side of it:
  best price first, together never more than the printed amount. Accounts stand at the front of the queue there.
* Triggers watch the last trade. They are looked at when the order that moved the price has been worked.
* An account may trade with itself.
* A market order (also a fired one) that finds too little liquidity expires with what it got.
* One leg of an OCO list filling, even partly, or firing makes the others expire; cancelling one cancels all.
* Events are delivered when the call that caused them has finished its work, in order, before it returns. What a
  listener raises reaches the caller; the engine is consistent then, undelivered events come with the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from heapq import heappop, heappush
from types import MappingProxyType

from btccxt.matching.book import WorkingOrder
from btccxt.matching.clearing import Account
from btccxt.matching.filters import check, plain
from btccxt.matching.matching import Matching, OrderList
from btccxt.matching.positions import round_money
from btccxt.matching.records import (
    TRIGGER_KINDS,
    BalanceChanged,
    EngineReject,
    Event,
    NewOrder,
    OrderChanged,
    PositionChanged,
    PublicTrade,
    RejectCode,
    SimFill,
    SimOrder,
    SimStatus,
)
from btccxt.matching.triggers import reached
from btccxt.model import ZERO, Balance, Market, OrderKind, Position, Side, TimeInForce

__all__ = [
    "BalanceChanged",
    "Engine",
    "EngineReject",
    "Event",
    "NewOrder",
    "OrderChanged",
    "PositionChanged",
    "PublicTrade",
    "RejectCode",
    "SimFill",
    "SimOrder",
    "SimStatus",
]


class Engine(Matching):
    """All books, accounts and orders of one exchange. Not thread-safe: one thread or one loop calls it."""

    def __init__(self, markets: Iterable[Market], *, third_coin_fees: Mapping[str, Decimal] | None = None) -> None:
        """``third_coin_fees``: coin -> discount on fees paid with it (``{'BNB': Decimal('0.25')}``: 25 % less)."""
        super().__init__(markets, third_coin_fees or {})
        self.markets: Mapping[str, Market] = MappingProxyType(self._markets)
        self._expiries: list[tuple[int, int, WorkingOrder]] = []
        self._listeners: list[Callable[[Event], None]] = []

    # -------------------------------------------------------------- accounts

    def open_account(self, name: str, balances: Mapping[str, Decimal], fee_currency: str | None = None) -> None:
        """``fee_currency``: None (the coin received), ``'quote'``, or a coin of ``third_coin_fees``."""
        if name in self._accounts:
            raise EngineReject(RejectCode.BAD_REQUEST, f"account {name!r} exists already")
        account = self._accounts[name] = Account(name, fee_currency)
        self._orders[name], self._fills[name] = {}, []
        for coin, amount in balances.items():
            account.ledger.move(coin, amount)
        account.ledger.changed.clear()

    def deposit(self, account: str, coin: str, amount: Decimal, now_ms: int) -> None:
        """Money from (or, negative, to) outside."""
        self._begin(now_ms)
        ledger = self._account(account).ledger
        if ledger.free(coin) + amount < 0:
            raise EngineReject(RejectCode.INSUFFICIENT_FUNDS, f"only {plain(ledger.free(coin))} {coin} is free")
        ledger.move(coin, amount)
        self._end_of_call()

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, now_ms: int) -> None:
        self._begin(now_ms)
        owner, market = self._account(account), self._contract(symbol)
        if leverage < 1:
            raise EngineReject(RejectCode.BAD_REQUEST, f"leverage must be at least 1, not {plain(leverage)}")
        before = owner.leverage_of(symbol)
        owner.leverage[symbol] = leverage
        held = [position for (held_symbol, _), position in owner.positions.items() if held_symbol == symbol]
        for position in held:
            self._clearing.hold_margin(owner, market, position)
        if leverage < before and owner.ledger.shortfall(market.settle or market.quote):
            owner.leverage[symbol] = before
            for position in held:
                self._clearing.hold_margin(owner, market, position)
            raise EngineReject(RejectCode.INSUFFICIENT_FUNDS, "not enough free margin for a lower leverage")
        self._end_of_call()

    def set_hedge_mode(self, account: str, hedge_mode: bool) -> None:
        """Long and short positions side by side. Refused while there is a position or an open contract order."""
        owner = self._account(account)
        busy = any(p.amount for p in owner.positions.values()) or any(
            self._markets[order.request.symbol].is_contract for order in owner.open_orders.values()
        )
        if busy and hedge_mode != owner.hedge_mode:
            raise EngineReject(RejectCode.BAD_REQUEST, "close positions and contract orders before changing the mode")
        owner.hedge_mode = hedge_mode

    def balances(self, account: str) -> Mapping[str, Balance]:
        return self._account(account).ledger.balances()

    def positions(self, account: str) -> list[Position]:
        """Open positions; the mark price is the last trade."""
        owner, shown = self._account(account), []
        for state in owner.positions.values():
            mark = self.mark(state.symbol)
            if not state.amount or mark is None:
                continue
            market = self._markets[state.symbol]
            wallet = owner.ledger.total(market.settle or market.quote)
            shown.append(
                Position(
                    state.symbol,
                    state.amount,
                    state.entry_price,
                    state.updated_ms,
                    state.unrealised_pnl(mark),
                    owner.leverage_of(state.symbol),
                    state.liquidation_price(wallet),
                    "cross",
                    state.side,
                )
            )
        return shown

    @property
    def collected_fees(self) -> Mapping[str, Decimal]:
        return MappingProxyType(self._clearing.collected_fees)

    @property
    def street(self) -> Mapping[str, Decimal]:
        """Net coins of the anonymous market: accounts + fees + street is constant for each coin."""
        return MappingProxyType(self._clearing.street)

    # -------------------------------------------------------------- events

    def listen(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def _begin(self, now_ms: int) -> None:
        self._now_ms = now_ms
        while self._expiries and self._expiries[0][0] <= now_ms:
            order = heappop(self._expiries)[2]
            if not order.status.is_final:
                self._end(order, SimStatus.EXPIRED, "expired", "good till date")

    def _end_of_call(self) -> None:
        """Fire what the new prices fire, keep accounts solvent, tell the listeners."""
        while self._prices:
            symbol, price = self._prices.popleft()
            for order in self._triggers[symbol].fired_by(price):
                if order.status is SimStatus.TRIGGER_WAITING:
                    self._fire(order)
            if symbol in self._holders:
                self._liquidate(symbol)
        for account in self._accounts.values():
            if account.changed_positions:
                self._stay_solvent(account)
                for symbol in account.changed_positions:
                    self._emit(PositionChanged(account.name, symbol, self._now_ms))
                account.changed_positions.clear()
            if account.ledger.changed:
                self._emit(BalanceChanged(account.name, tuple(sorted(account.ledger.changed)), self._now_ms))
                account.ledger.changed.clear()
        while self._outbox:
            event = self._outbox.popleft()
            for listener in self._listeners:
                listener(event)

    # -------------------------------------------------------------- orders in

    def submit(self, account: str, order: NewOrder, now_ms: int) -> SimOrder:
        """Accept and match an order. Returns it as it is afterwards; raises EngineReject if it was not accepted."""
        self._begin(now_ms)
        owner = self._account(account)
        working = self._admit(owner, order)
        self._reserve(owner, working)
        self._accept(owner, working)
        self._start(working)
        self._end_of_call()
        return working.snapshot()

    def submit_list(self, account: str, orders: Sequence[NewOrder], now_ms: int) -> tuple[SimOrder, ...]:
        """An OCO list: legs of one symbol and side that share one reservation; none of them may execute at once."""
        self._begin(now_ms)
        owner = self._account(account)
        if len(orders) < 2 or len({(o.symbol, o.side) for o in orders}) > 1:
            raise EngineReject(RejectCode.BAD_REQUEST, "a list needs two or more orders of one symbol and side")
        list_id = orders[0].list_id or f"list-{self._last_order_id + 1}"
        if (account, list_id) in self._lists:
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, f"an open list has the id {list_id!r} already")
        legs = []
        for order in orders:
            leg = self._admit(owner, replace(order, list_id=list_id))
            crosses = order.price is not None and self._books[order.symbol].crosses(order.side, order.price)
            if order.kind is OrderKind.MARKET or (order.kind is OrderKind.LIMIT and crosses):
                raise EngineReject(RejectCode.WOULD_TAKE, "a leg of a list would execute at once")
            legs.append(leg)
        if len({leg.client_order_id for leg in legs}) < len(legs):
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "two legs have the same client order id")
        coin = self._clearing.coin_of(self._markets[orders[0].symbol], orders[0].side)
        reserved = max(self._affordable_need(owner, leg) for leg in legs)
        owner.ledger.reserve(coin, reserved)
        self._lists[account, list_id] = OrderList(legs, coin, reserved)
        for leg in legs:
            self._accept(owner, leg)
        for leg in legs:
            self._start(leg)
        self._end_of_call()
        return tuple(leg.snapshot() for leg in legs)

    def _admit(self, owner: Account, request: NewOrder) -> WorkingOrder:
        """Everything that can be refused, except for money. Changes nothing but the order counter."""
        market = self._market(request.symbol)
        book = self._books[market.symbol]
        check(market, request, book.last)
        if market.is_contract:
            if owner.hedge_mode != (request.position_side is not None):
                wanted = "needs a position side" if owner.hedge_mode else "has no position side"
                raise EngineReject(RejectCode.BAD_REQUEST, f"in this position mode an order {wanted}")
            if request.cost_quote is not None:
                raise EngineReject(RejectCode.BAD_REQUEST, "contracts are ordered by amount, not by cost")
        elif request.reduce_only or request.position_side is not None:
            raise EngineReject(RejectCode.BAD_REQUEST, "reduce-only and position sides are for contracts")
        if request.kind in TRIGGER_KINDS:
            if book.last is not None and reached(request, book.last):
                raise EngineReject(RejectCode.WOULD_TRIGGER, f"the trigger would fire at once: last {plain(book.last)}")
        elif request.post_only and request.price is not None and book.crosses(request.side, request.price):
            raise EngineReject(RejectCode.WOULD_TAKE, "a post-only order would take liquidity")
        elif market.is_contract and owner.only_reduces(request) and not owner.reducible(request):
            raise EngineReject(RejectCode.REDUCE_ONLY, "a reduce-only order has no position to reduce")
        client_id = request.client_order_id
        known = self._by_client_id.get((owner.name, request.symbol, client_id)) if client_id else None
        if known is not None and not known.status.is_final:
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, f"an open order has the client id {client_id!r} already")
        self._last_order_id += 1
        order_id = str(self._last_order_id)
        order = WorkingOrder(order_id, owner.name, client_id or f"sim-{order_id}", request, self._now_ms)
        if request.kind in TRIGGER_KINDS:
            order.status = SimStatus.TRIGGER_WAITING
        if request.time_in_force is TimeInForce.GTD and request.expires_ms is not None:
            if request.expires_ms <= self._now_ms:
                raise EngineReject(RejectCode.BAD_REQUEST, "the expiry time has passed already")
            heappush(self._expiries, (request.expires_ms, self._last_order_id, order))
        return order

    def _reserve(self, owner: Account, order: WorkingOrder) -> None:
        self._clearing.hold(owner, order, self._affordable_need(owner, order))

    def _start(self, order: WorkingOrder) -> None:
        if order.status is SimStatus.TRIGGER_WAITING:
            self._triggers[order.request.symbol].add(order, self._books[order.request.symbol].last)
        else:
            self._work(order)

    # -------------------------------------------------------------- orders out

    def cancel(
        self,
        account: str,
        *,
        symbol: str,
        order_id: str | None = None,
        client_order_id: str | None = None,
        now_ms: int,
    ) -> SimOrder:
        """Cancel an open order (with it, all legs of its list). What it has filled stays filled."""
        self._begin(now_ms)
        order = self._find(account, symbol, order_id, client_order_id)
        if order.status.is_final:
            raise EngineReject(RejectCode.ALREADY_FINAL, f"order {order.order_id} is {order.status.value} already")
        self._end(order, SimStatus.CANCELED, "canceled", "by request")
        self._end_of_call()
        return order.snapshot()

    def cancel_all(self, account: str, symbol: str | None, now_ms: int) -> list[SimOrder]:
        """Cancel all open orders of a symbol, or of the account."""
        self._begin(now_ms)
        chosen = [
            order
            for order in self._account(account).open_orders.values()
            if symbol is None or order.request.symbol == symbol
        ]
        for order in chosen:
            if not order.status.is_final:  # not yet cancelled as the leg of a list
                self._end(order, SimStatus.CANCELED, "canceled", "by request")
        self._end_of_call()
        return [order.snapshot() for order in chosen]

    def amend(
        self,
        account: str,
        *,
        symbol: str,
        order_id: str | None = None,
        client_order_id: str | None = None,
        price: Decimal | None = None,
        amount: Decimal | None = None,
        now_ms: int,
    ) -> SimOrder:
        """Change limit price or (whole) amount of an open limit order; it keeps its id and what it has filled.

        It keeps its place in the queue only if nothing but its amount changes, and that downwards.
        """
        self._begin(now_ms)
        order = self._find(account, symbol, order_id, client_order_id)
        owner, book, before = self._accounts[account], self._books[symbol], order.request
        if order.status.is_final:
            raise EngineReject(RejectCode.ALREADY_FINAL, f"order {order.order_id} is {order.status.value} already")
        if before.price is None or before.amount is None or (account, order.list_id) in self._lists:
            raise EngineReject(RejectCode.BAD_REQUEST, "only limit orders outside of lists can be amended")
        after = replace(before, price=price or before.price, amount=amount or before.amount)
        check(self._markets[symbol], after, book.last)
        if amount is not None and amount <= order.filled:
            raise EngineReject(RejectCode.BAD_REQUEST, f"{plain(order.filled)} is filled already; cancel the rest")
        waiting = order.status is SimStatus.TRIGGER_WAITING
        if after.post_only and not waiting and after.price and book.crosses(after.side, after.price):
            raise EngineReject(RejectCode.WOULD_TAKE, "a post-only order would take liquidity")
        reserved = order.reserved
        self._clearing.release(owner, order)
        order.request = after
        try:
            self._reserve(owner, order)
        except EngineReject:
            order.request = before
            self._clearing.hold(owner, order, reserved)
            raise
        order.updated_ms = now_ms
        keeps_place = after.price == before.price and (after.amount or ZERO) <= before.amount
        if keeps_place:
            order.visible = min(order.visible, order.remaining)
        elif not waiting:
            book.side(after.side).remove(order)
        order.price = after.price
        self._emit(OrderChanged(order.snapshot(), None, "amended"))
        if not keeps_place and not waiting:
            self._work(order)
        self._end_of_call()
        return order.snapshot()

    def order(
        self, account: str, *, symbol: str, order_id: str | None = None, client_order_id: str | None = None
    ) -> SimOrder:
        return self._find(account, symbol, order_id, client_order_id).snapshot()

    def orders(self, account: str, symbol: str | None = None, open_only: bool = False) -> list[SimOrder]:
        """Oldest first."""
        self._account(account)
        known = self._account(account).open_orders if open_only else self._orders[account]
        return [order.snapshot() for order in known.values() if symbol is None or order.request.symbol == symbol]

    def fills(self, account: str, symbol: str | None = None) -> list[SimFill]:
        """Oldest first."""
        self._account(account)
        return [fill for fill in self._fills[account] if symbol is None or fill.symbol == symbol]

    # -------------------------------------------------------------- the market

    def set_depth(
        self,
        symbol: str,
        bids: Iterable[tuple[Decimal, Decimal]],
        asks: Iterable[tuple[Decimal, Decimal]],
        now_ms: int,
    ) -> None:
        """Replace the ambient liquidity: (price, amount) levels. Fills the resting orders that it crosses."""
        self._market(symbol)
        bids, asks = list(bids), list(asks)
        if bids and asks and max(bids)[0] >= min(asks)[0]:
            crossed = f"bid {plain(max(bids)[0])}, ask {plain(min(asks)[0])}"
            raise EngineReject(RejectCode.BAD_REQUEST, f"depth is crossed: {crossed}")
        self._begin(now_ms)
        book = self._books[symbol]
        book.bids.set_ambient(bids)
        book.asks.set_ambient(asks)
        self._cross_with_ambient(symbol, book)
        self._end_of_call()

    def print_trade(
        self,
        symbol: str,
        price: Decimal,
        amount: Decimal,
        taker_side: Side | None,
        now_ms: int,
        trade_id: str | None = None,
    ) -> None:
        """A trade of the anonymous market: moves the last price, fills resting orders at or through its price."""
        self._market(symbol)
        self._begin(now_ms)
        self._serve_print(self._books[symbol], price, amount, taker_side)
        if trade_id is None:
            self._last_trade_id += 1
        self._print(symbol, price, amount, taker_side, trade_id, printed=True)
        self._end_of_call()

    def apply_funding(self, symbol: str, rate: Decimal, now_ms: int) -> dict[str, Decimal]:
        """Longs pay ``rate`` of their position's value, shorts receive it. Returns what each account received."""
        market = self._contract(symbol)
        self._begin(now_ms)
        received: dict[str, Decimal] = {}
        mark = self.mark(symbol)
        for account in self._holders.get(symbol, {}).values():
            for position in account.positions.values():
                if position.symbol != symbol or not position.amount or mark is None:
                    continue
                amount = -round_money(position.amount * position.contract_size * mark * rate)
                self._clearing.pay(account, market.settle or market.quote, amount)
                account.changed_positions[symbol] = None
                received[account.name] = received.get(account.name, ZERO) + amount
        self._end_of_call()
        return received

    def set_active(self, symbol: str, active: bool) -> None:
        """Open or close a market for new orders. Cancels stay possible."""
        self._markets[symbol] = replace(self._market(symbol), active=active)

    def expire_due(self, now_ms: int) -> None:
        """Expire good-till-date orders whose time has come (every other call does so, too)."""
        self._begin(now_ms)
        self._end_of_call()

    def best(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """Best bid and best ask."""
        self._market(symbol)
        book = self._books[symbol]
        return book.bids.best_price(), book.asks.best_price()

    def last(self, symbol: str) -> Decimal | None:
        self._market(symbol)
        return self._books[symbol].last

    def mark(self, symbol: str) -> Decimal | None:
        """Mark price of a contract: its last price."""
        return self.last(symbol)

    def depth(self, symbol: str, n: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """The ``n`` best bids and asks as (price, visible amount), best first."""
        self._market(symbol)
        book = self._books[symbol]
        return book.bids.levels(n), book.asks.levels(n)

    # -------------------------------------------------------------- look-ups

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            raise EngineReject(RejectCode.BAD_REQUEST, f"unknown account {name!r}")
        return account

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise EngineReject(RejectCode.UNKNOWN_SYMBOL, f"unknown symbol {symbol!r}")
        return market

    def _contract(self, symbol: str) -> Market:
        market = self._market(symbol)
        if not market.is_contract:
            raise EngineReject(RejectCode.BAD_REQUEST, f"{symbol} is not a contract")
        return market

    def _find(self, account: str, symbol: str, order_id: str | None, client_order_id: str | None) -> WorkingOrder:
        self._account(account)
        if order_id is not None:
            order = self._orders[account].get(order_id)
        else:
            order = self._by_client_id.get((account, symbol, client_order_id or ""))
        if order is None or order.request.symbol != symbol:
            raise EngineReject(RejectCode.UNKNOWN_ORDER, f"unknown order {order_id or client_order_id!r} of {symbol}")
        return order
