"""Orders in and out: what is accepted, refused, cancelled, amended, looked up; and the end of every call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from heapq import heappop, heappush

from btccxt.matching.book import WorkingOrder
from btccxt.matching.brackets import Bracket, largest_value
from btccxt.matching.clearing import Account
from btccxt.matching.filters import check, plain
from btccxt.matching.matching import OrderList, PendingOrders
from btccxt.matching.records import (
    TRIGGER_KINDS,
    BalanceChanged,
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
from btccxt.matching.solvency import Solvency
from btccxt.matching.triggers import reached
from btccxt.matching.values import value_of
from btccxt.model import ZERO, Market, OrderKind, TimeInForce


class OrderEntry(Solvency):
    """What accounts may ask of the engine."""

    def __init__(
        self,
        markets: Iterable[Market],
        third_coin_fees: Mapping[str, Decimal],
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
        ended_kept: int | None = None,
        queued: bool = False,
    ) -> None:
        super().__init__(markets, third_coin_fees, brackets, ended_kept, queued)
        self._expiries: list[tuple[int, int, WorkingOrder]] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._follow_ups: list[Callable[[int], None]] = []
        self._recorders: list[Callable[[Sequence[Event]], None]] = []

    # -------------------------------------------------------------- events

    def listen(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def record(self, recorder: Callable[[Sequence[Event]], None]) -> None:
        """``recorder`` gets all events of a call at once, before any listener is told of one."""
        self._recorders.append(recorder)

    def after_each_call(self, follow_up: Callable[[int], None]) -> None:
        """``follow_up(now_ms)`` runs when a call is over and its events are told; it may place and cancel orders."""
        self._follow_ups.append(follow_up)

    def _begin(self, now_ms: int) -> None:
        self._now_ms = now_ms
        while self._expiries and self._expiries[0][0] <= now_ms:
            order = heappop(self._expiries)[2]
            if not order.status.is_final:
                self._end(order, SimStatus.EXPIRED, "expired", "good till date")

    def _end_of_call(self) -> None:
        """Fire what the new prices fire, keep accounts solvent, tell the listeners."""
        while self._prices or self._ready:
            if self._ready:
                self._activate(self._ready.popleft())
                continue
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
        if self._outbox:
            for recorder in self._recorders:
                recorder(tuple(self._outbox))
        while self._outbox:
            event = self._outbox.popleft()
            for listener in self._listeners:
                listener(event)
        for follow_up in self._follow_ups:
            follow_up(self._now_ms)

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
        if (account, list_id) in self._lists or (account, list_id) in self._pending:
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, f"an open list has the id {list_id!r} already")
        legs = []
        for order in orders:
            leg = self._admit(owner, replace(order, list_id=list_id))
            self._check_leg(order)
            legs.append(leg)
        if len({leg.client_order_id for leg in legs}) < len(legs):
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "two legs have the same client order id")
        self._share_reservation(owner, legs)
        for leg in legs:
            self._accept(owner, leg)
        for leg in legs:
            self._start(leg)
        self._end_of_call()
        return tuple(leg.snapshot() for leg in legs)

    def submit_with_pending(
        self, account: str, order: NewOrder, pending: Sequence[NewOrder], now_ms: int
    ) -> tuple[SimOrder, ...]:
        """A limit order, and one that goes to work when it is filled whole, or two of which one cancels the other.

        Pending orders hold no money: if there is too little of it when they are activated, they are rejected. Returns
        all orders as they are before that.
        """
        self._begin(now_ms)
        owner = self._account(account)
        if order.kind is not OrderKind.LIMIT or not 1 <= len(pending) <= 2:
            raise EngineReject(RejectCode.BAD_REQUEST, "a limit order triggers one or two pending orders")
        if any(each.symbol != order.symbol for each in pending):
            raise EngineReject(RejectCode.BAD_REQUEST, "all orders of a list are for one symbol")
        list_id = order.list_id or f"list-{self._last_order_id + 1}"
        if (account, list_id) in self._lists or (account, list_id) in self._pending:
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, f"an open list has the id {list_id!r} already")
        working = self._admit(owner, replace(order, list_id=list_id))
        legs = [self._admit(owner, replace(each, list_id=list_id), pending=True) for each in pending]
        if len({each.client_order_id for each in (working, *legs)}) <= len(legs):
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "two orders have the same client order id")
        self._reserve(owner, working)
        self._pending[account, list_id] = PendingOrders(working, legs)
        for each in (working, *legs):
            self._accept(owner, each)
        self._start(working)
        placed = tuple(each.snapshot() for each in (working, *legs))
        self._end_of_call()
        return placed

    def _activate(self, pending: PendingOrders) -> None:
        legs = pending.legs
        owner, book = self._accounts[legs[0].account], self._books[legs[0].request.symbol]
        for leg in legs:
            waits = leg.request.kind in TRIGGER_KINDS
            leg.status, leg.updated_ms = SimStatus.TRIGGER_WAITING if waits else SimStatus.NEW, self._now_ms
        try:
            for leg in legs:
                self._check_entry(leg.request, book.last)
                if len(legs) > 1:
                    self._check_leg(leg.request)
            if len(legs) == 1:
                self._reserve(owner, legs[0])
            else:
                self._share_reservation(owner, legs)
        except EngineReject as reject:
            for leg in legs:
                self._close(leg, SimStatus.REJECTED, "rejected", reject.message)
            return
        for leg in legs:
            self._emit(OrderChanged(leg.snapshot(), None, "activated"))
        for leg in legs:
            self._start(leg)

    def _share_reservation(self, owner: Account, legs: list[WorkingOrder]) -> None:
        """Money for the dearest leg of an OCO list; only one of them can come to need it."""
        request = legs[0].request
        coin = self._clearing.coin_of(self._markets[request.symbol], request.side)
        reserved = max(self._affordable_need(owner, leg) for leg in legs)
        owner.ledger.reserve(coin, reserved)
        self._lists[owner.name, request.list_id or ""] = OrderList(legs, coin, reserved)

    def _check_leg(self, order: NewOrder) -> None:
        crosses = order.price is not None and self._books[order.symbol].crosses(order.side, order.price)
        if order.kind is OrderKind.MARKET or (order.kind is OrderKind.LIMIT and crosses):
            raise EngineReject(RejectCode.WOULD_TAKE, "a leg of a list would execute at once")

    def _check_entry(self, request: NewOrder, last: Decimal | None) -> None:
        """Refuse a trigger that would fire at once, and a post-only order that would take."""
        if request.kind in TRIGGER_KINDS:
            if last is not None and reached(request, last) and not request.fires_at_once:
                raise EngineReject(RejectCode.WOULD_TRIGGER, f"the trigger would fire at once: last {plain(last)}")
        elif request.post_only and request.price and self._books[request.symbol].crosses(request.side, request.price):
            raise EngineReject(RejectCode.WOULD_TAKE, "a post-only order would take liquidity")

    def _admit(self, owner: Account, request: NewOrder, *, pending: bool = False) -> WorkingOrder:
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
        elif request.reduce_only or request.closes_position or request.position_side is not None:
            raise EngineReject(RejectCode.BAD_REQUEST, "reduce-only and position sides are for contracts")
        if not pending:
            self._check_entry(request, book.last)
            plain_reducer = market.is_contract and request.kind not in TRIGGER_KINDS and owner.only_reduces(request)
            if plain_reducer and not owner.reducible(request):
                raise EngineReject(RejectCode.REDUCE_ONLY, "a reduce-only order has no position to reduce")
        client_id = request.client_order_id
        known = self._by_client_id.get((owner.name, request.symbol, client_id)) if client_id else None
        if known is not None and not known.status.is_final:
            raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, f"an open order has the client id {client_id!r} already")
        self._last_order_id += 1
        order_id = str(self._last_order_id)
        order = WorkingOrder(order_id, owner.name, client_id or f"sim-{order_id}", request, self._now_ms)
        if pending:
            order.status = SimStatus.PENDING
        elif request.kind in TRIGGER_KINDS:
            order.status = SimStatus.TRIGGER_WAITING
        if request.time_in_force is TimeInForce.GTD and request.expires_ms is not None:
            if request.expires_ms <= self._now_ms:
                raise EngineReject(RejectCode.BAD_REQUEST, "the expiry time has passed already")
            heappush(self._expiries, (request.expires_ms, self._last_order_id, order))
        return order

    def _check_position_limit(self, owner: Account, order: WorkingOrder) -> None:
        """A position with all that rests to enlarge it must fit into a bracket that allows its leverage."""
        request, market = order.request, self._markets[order.request.symbol]
        price = request.price or request.trigger_price or self._books[market.symbol].last
        if not market.is_contract or owner.only_reduces(request) or price is None:
            return
        amount = order.remaining + sum(
            other.remaining
            for other in owner.open_orders.values()
            if other is not order
            and other.request.symbol == market.symbol
            and other.request.side is request.side
            and other.request.position_side == request.position_side
            and not owner.only_reduces(other.request)
        )
        position = owner.positions.get((market.symbol, request.position_side if owner.hedge_mode else None))
        after = abs((position.amount if position is not None else ZERO) + request.side.sign * amount)
        leverage = owner.leverage_of(market.symbol)
        most = largest_value(self._brackets[market.symbol], leverage)
        if value_of(market, after, price) > most:
            raise EngineReject(
                RejectCode.POSITION_LIMIT, f"at a leverage of {plain(leverage)} a position may be worth {plain(most)}"
            )

    def _reserve(self, owner: Account, order: WorkingOrder) -> None:
        need = self._affordable_need(owner, order)
        self._check_position_limit(owner, order)
        self._clearing.hold(owner, order, need)

    def _start(self, order: WorkingOrder) -> None:
        last = self._books[order.request.symbol].last
        if order.status is not SimStatus.TRIGGER_WAITING:
            if not order.status.is_final:  # not ended by a leg of its list that fired at once
                self._work(order)
        elif last is not None and reached(order.request, last):
            self._fire(order)
        else:
            self._triggers[order.request.symbol].add(order, last)

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
        if before.price is None or before.amount is None or self._is_listed(order):
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

    def _is_listed(self, order: WorkingOrder) -> bool:
        key = (order.account, order.list_id or "")
        return key in self._lists or key in self._pending

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
