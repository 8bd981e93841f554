"""How orders execute and end: the engine's inner half. Rules are listed in ``engine.py``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.matching.book import Book, WorkingOrder
from btccxt.matching.brackets import INVERSE, LINEAR, Bracket
from btccxt.matching.clearing import Account, Clearing
from btccxt.matching.filters import floor_to_step, plain
from btccxt.matching.positions import PositionState
from btccxt.matching.records import (
    EngineReject,
    Event,
    OrderChanged,
    PublicTrade,
    RejectCode,
    SimFill,
    SimStatus,
)
from btccxt.matching.triggers import TriggerBook
from btccxt.matching.values import is_inverse, value_of
from btccxt.model import ZERO, Market, Side, TimeInForce, Trade


@dataclass(slots=True)
class OrderList:
    """An OCO list: its legs share one reservation until one of them goes to work."""

    legs: list[WorkingOrder]
    coin: str
    reserved: Decimal


@dataclass(slots=True)
class PendingOrders:
    """Orders of a list that go to work when its working order is filled whole; several of them exclude each other."""

    working: WorkingOrder
    legs: list[WorkingOrder]


class Matching:
    """Books, triggers and open orders, and what moves them."""

    def __init__(
        self,
        markets: Iterable[Market],
        third_coin_fees: Mapping[str, Decimal],
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
        ended_kept: int | None = None,
        queued: bool = False,
    ) -> None:
        self._ended_kept = ended_kept
        self._markets = {market.symbol: market for market in markets}
        self._books = {symbol: Book(queued) for symbol in self._markets}
        self._triggers = {symbol: TriggerBook(market) for symbol, market in self._markets.items()}
        self._clearing = Clearing(self._markets, lambda symbol: self._books[symbol].last, third_coin_fees)
        self._accounts: dict[str, Account] = {}
        self._orders: dict[str, dict[str, WorkingOrder]] = {}  # account -> order id -> order, oldest first
        self._by_client_id: dict[tuple[str, str, str], WorkingOrder] = {}  # the newest with that id
        self._ended: dict[str, deque[WorkingOrder]] = {}  # those of them that have ended, in that order
        self._fills: dict[str, deque[SimFill]] = {}
        self._lists: dict[tuple[str, str], OrderList] = {}
        self._pending: dict[tuple[str, str], PendingOrders] = {}  # by account and list
        self._ready: deque[PendingOrders] = deque()  # their working order is filled
        self._brackets = {
            symbol: (brackets or {}).get(symbol, INVERSE if is_inverse(market) else LINEAR)
            for symbol, market in self._markets.items()
            if market.is_contract
        }
        self._holders: dict[str, dict[str, Account]] = {}  # contract symbol -> accounts that have traded it
        self._prices: deque[tuple[str, Decimal]] = deque()  # trades whose triggers have not been looked at
        self._outbox: deque[Event] = deque()
        self._last_order_id = 0
        self._last_trade_id = 0
        self._now_ms = 0

    def _emit(self, event: Event) -> None:
        self._outbox.append(event)

    # -------------------------------------------------------------- a taker at work

    def _work(self, order: WorkingOrder) -> None:
        """Let an accepted (or fired) order take what it may; the rest rests or expires."""
        request, book = order.request, self._books[order.request.symbol]
        fill_or_kill = request.time_in_force is TimeInForce.FOK and not order.is_market
        if fill_or_kill and book.available(request.side, order.price) < order.remaining:
            self._end(order, SimStatus.EXPIRED, "expired", "fill or kill: not enough liquidity")
            return
        self._take(order, book)
        if order.status.is_final:
            return
        if order.is_market:
            self._end(order, SimStatus.EXPIRED, "expired", "no liquidity")
        elif request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, SimStatus.EXPIRED, "expired", "immediate or cancel: rest not filled")
        elif self._allowed(order) <= 0:
            self._end(order, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
        else:
            book.side(request.side).add(order)

    def _take(self, order: WorkingOrder, book: Book) -> None:
        side, limit = order.request.side, order.price
        makers = book.side(side.opposite)
        while not order.status.is_final:
            maker = makers.maker()
            if maker is None:
                return
            price, offered, resting = maker
            if limit is not None and (price > limit if side is Side.BUY else price < limit):
                return
            if resting is not None:
                allowed = self._allowed(resting)
                if allowed <= 0:
                    self._end(resting, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
                    continue
                offered = min(offered, allowed)
            wanted = self._wanted(order, price)
            if wanted <= 0:
                return
            self._trade(order, book, price, min(offered, wanted), resting)

    def _wanted(self, order: WorkingOrder, price: Decimal) -> Decimal:
        """Amount the order may still take at this price."""
        budget = order.request.cost_quote
        if budget is None:
            return self._allowed(order)
        return floor_to_step((budget - order.cost) / price, self._markets[order.request.symbol].amount_step)

    def _allowed(self, order: WorkingOrder) -> Decimal:
        """Remaining amount, and no more than the position where the order may only reduce it."""
        account = self._accounts[order.account]
        if not self._markets[order.request.symbol].is_contract or not account.only_reduces(order.request):
            return order.remaining
        return min(order.remaining, account.reducible(order.request))

    def _trade(
        self, taker: WorkingOrder, book: Book, price: Decimal, amount: Decimal, resting: WorkingOrder | None
    ) -> None:
        makers = book.side(taker.request.side.opposite)
        self._last_trade_id += 1
        if resting is None:
            makers.take_ambient(price, amount)
        else:
            self._fill(resting, price, amount, maker=True)
            makers.reduce(resting, amount)
        self._fill(taker, price, amount, maker=False)
        self._print(taker.request.symbol, price, amount, taker.request.side)

    def _serve_resting(self, order: WorkingOrder, book: Book, amount: Decimal) -> None:
        """The anonymous market trades with a resting order, at the order's price."""
        price = order.price
        assert price is not None
        self._last_trade_id += 1
        self._fill(order, price, amount, maker=True)
        book.side(order.request.side).reduce(order, amount)

    def _fill(self, order: WorkingOrder, price: Decimal, amount: Decimal, maker: bool) -> None:
        account, market = self._accounts[order.account], self._markets[order.request.symbol]
        self._claim_list(order)
        fee, realised = self._clearing.settle(account, order, price, amount, maker, self._now_ms)
        if market.is_contract:
            self._holders.setdefault(market.symbol, {})[account.name] = account
        order.filled += amount
        order.cost += value_of(market, amount, price)
        order.updated_ms = self._now_ms
        if self._is_complete(order):
            order.status = SimStatus.FILLED
            self._clearing.release(account, order)
            self._retire(account, order)
            if order.list_id is not None and (order.account, order.list_id) in self._pending:
                self._ready.append(self._pending.pop((order.account, order.list_id)))
        else:
            order.status = SimStatus.PARTIALLY_FILLED
        fill = SimFill(
            self._last_trade_id,
            order.order_id,
            order.client_order_id,
            order.account,
            market.symbol,
            order.request.side,
            price,
            amount,
            fee,
            maker,
            self._now_ms,
            realised,
            order.request.position_side,
        )
        self._fills[order.account].append(fill)
        self._emit(OrderChanged(order.snapshot(), fill, "trade"))

    def _is_complete(self, order: WorkingOrder) -> bool:
        """Filled; an order by cost is, when its budget cannot pay one more step at the next price."""
        if order.request.cost_quote is None:
            return not order.remaining
        best = self._books[order.request.symbol].side(order.request.side.opposite).best_price()
        return order.cost >= order.request.cost_quote or (best is not None and self._wanted(order, best) <= 0)

    def _print(
        self,
        symbol: str,
        price: Decimal,
        amount: Decimal,
        taker_side: Side | None,
        trade_id: str | None = None,
        printed: bool = False,
    ) -> None:
        self._books[symbol].last = price
        self._prices.append((symbol, price))
        trade = Trade(
            trade_id or str(self._last_trade_id), self._now_ms, float(price), float(amount), taker_side, symbol
        )
        self._emit(PublicTrade(symbol, trade, printed))

    # -------------------------------------------------------------- the market moves

    def _cross_with_ambient(self, symbol: str, book: Book) -> None:
        """Fill resting orders that new depth has crossed."""
        for side in (Side.BUY, Side.SELL):
            resting_side, ambient_side = book.side(side), book.side(side.opposite)
            while True:
                order, ambient = resting_side.best_order(), ambient_side.best_ambient()
                if order is None or order.price is None or ambient is None:
                    break
                if order.price < ambient[0] if side is Side.BUY else order.price > ambient[0]:
                    break
                amount = min(order.visible, ambient[1], self._allowed(order))
                if amount <= 0:
                    self._end(order, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
                    continue
                price = order.price
                ambient_side.take_ambient(ambient[0], amount)
                self._serve_resting(order, book, amount)
                self._print(symbol, price, amount, side.opposite)

    def _serve_print(self, book: Book, price: Decimal, amount: Decimal, taker_side: Side | None) -> None:
        """Fill resting orders that a printed trade went through or, on its maker's side, met exactly and came to."""
        for side in (Side.BUY, Side.SELL):
            resting_side = book.side(side)
            reaches = ZERO if taker_side is side else resting_side.pass_by(price, amount)
            while amount > 0:
                order = resting_side.best_order()
                if order is None or order.price is None:
                    break
                through = order.price > price if side is Side.BUY else order.price < price
                offered = amount
                if not through:
                    if order.price != price or order.ahead != 0 or reaches <= 0:
                        break
                    offered = min(amount, reaches)
                part = min(order.visible, offered, self._allowed(order))
                if part <= 0:
                    self._end(order, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
                    continue
                amount -= part
                reaches -= ZERO if through else part
                self._serve_resting(order, book, part)

    # -------------------------------------------------------------- ends and firings

    def _fire(self, order: WorkingOrder) -> None:
        """A trigger was reached: the order goes to work as the market or limit order it carries."""
        owner, book = self._accounts[order.account], self._books[order.request.symbol]
        if order.request.closes_position:
            order.request = replace(order.request, amount=owner.reducible(order.request))
        order.triggered, order.status, order.updated_ms = True, SimStatus.NEW, self._now_ms
        self._claim_list(order)
        self._emit(OrderChanged(order.snapshot(), None, "triggered"))
        request = order.request
        if request.post_only and order.price is not None and book.crosses(request.side, order.price):
            self._end(order, SimStatus.EXPIRED, "expired", "a post-only order would take liquidity")
            return
        if self._allowed(order) <= 0:
            self._end(order, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
            return
        self._clearing.release(owner, order)
        try:
            self._clearing.hold(owner, order, self._affordable_need(owner, order))
        except EngineReject as reject:
            self._end(order, SimStatus.EXPIRED, "expired", reject.message)
            return
        self._work(order)

    def _affordable_need(self, owner: Account, order: WorkingOrder) -> Decimal:
        """What the order must reserve; raises EngineReject if that is not free."""
        request, book = order.request, self._books[order.request.symbol]
        market = self._markets[request.symbol]
        waiting = order.status is SimStatus.TRIGGER_WAITING
        if waiting and market.is_contract:  # contract triggers take no margin before they fire
            return ZERO
        amount = order.remaining
        if request.price is not None:
            cost = value_of(market, amount, request.price)
            if market.is_contract and request.side is Side.SELL and book.last is not None:
                cost = max(cost, value_of(market, amount, book.last))
        elif request.cost_quote is not None:
            cost = request.cost_quote
            amount = floor_to_step(book.amount_for(request.side, cost), market.amount_step)
        elif waiting:
            cost = amount * (order.trigger_price or book.last or ZERO)
        else:
            walked = book.walk_of(request.side, amount)
            cost = sum((value_of(market, taken, price) for price, taken in walked), ZERO)
        need = self._clearing.need(owner, order, cost, amount)
        coin = self._clearing.coin_of(market, request.side)
        free = owner.ledger.free(coin)
        if market.is_contract:  # what positions have lost on paper cannot be spent
            free = max(ZERO, free + min(ZERO, self._unrealised(owner, coin)))
        if need > free:
            raise EngineReject(RejectCode.INSUFFICIENT_FUNDS, f"needs {plain(need)} {coin}, only {plain(free)} is free")
        return need

    def _claim_list(self, order: WorkingOrder) -> None:
        """A leg goes to work: it takes the list's reservation, the other legs expire."""
        shared = self._lists.pop((order.account, order.list_id), None) if order.list_id is not None else None
        if shared is None:
            return
        owner = self._accounts[order.account]
        for leg in shared.legs:
            if leg is not order:
                self._close(leg, SimStatus.EXPIRED, "expired", "another order of the list filled or fired")
        owner.ledger.release(shared.coin, shared.reserved)
        price = order.price or order.trigger_price
        cost = value_of(self._markets[order.request.symbol], order.remaining, price) if price else ZERO
        self._clearing.hold(
            owner, order, min(shared.reserved, self._clearing.need(owner, order, cost, order.remaining))
        )

    def _end(self, order: WorkingOrder, status: SimStatus, reason: str, detail: str) -> None:
        """Finish an order that will not fill any more; as one of a list, with all others that are not filled."""
        ending = [order]
        if order.list_id is not None:
            shared = self._lists.pop((order.account, order.list_id), None)
            pending = self._pending.pop((order.account, order.list_id), None)
            if shared is not None:
                self._accounts[order.account].ledger.release(shared.coin, shared.reserved)
                ending = shared.legs
            elif pending is not None:
                ending = [pending.working, *pending.legs]
        for each in ending:
            self._close(each, status, reason, detail)

    def _close(self, order: WorkingOrder, status: SimStatus, reason: str, detail: str) -> None:
        account, symbol = self._accounts[order.account], order.request.symbol
        if order.status is SimStatus.TRIGGER_WAITING:
            self._triggers[symbol].remove(order)
        elif order.price is not None:
            self._books[symbol].side(order.request.side).remove(order)
        self._clearing.release(account, order)
        self._retire(account, order)
        order.status, order.updated_ms = status, self._now_ms
        self._emit(OrderChanged(order.snapshot(), None, reason, detail))

    def _retire(self, account: Account, order: WorkingOrder) -> None:
        """It has ended; the oldest that have are forgotten, as at any exchange."""
        if account.open_orders.pop(order.order_id, None) is None:
            return
        ended = self._ended[account.name]
        ended.append(order)
        if self._ended_kept is not None and len(ended) > self._ended_kept:
            oldest = ended.popleft()
            del self._orders[account.name][oldest.order_id]
            key = account.name, oldest.request.symbol, oldest.client_order_id
            if self._by_client_id.get(key) is oldest:
                del self._by_client_id[key]

    def _accept(self, owner: Account, order: WorkingOrder) -> None:
        self._orders[owner.name][order.order_id] = order
        self._by_client_id[owner.name, order.request.symbol, order.client_order_id] = order
        owner.open_orders[order.order_id] = order
        self._emit(OrderChanged(order.snapshot(), None, "new"))

    # -------------------------------------------------------------- contracts

    def _held(self, account: Account, coin: str) -> list[PositionState]:
        """Open positions that settle in ``coin`` and share its margin."""
        return [
            position
            for position in account.positions.values()
            if position.amount
            and not position.isolated
            and self._clearing.coin_of(self._markets[position.symbol], Side.BUY) == coin
        ]

    def _mark(self, symbol: str) -> Decimal:
        """The last price; a position has been traded at one."""
        last = self._books[symbol].last
        assert last is not None, symbol
        return last

    def _unrealised(self, account: Account, coin: str) -> Decimal:
        """Profit or loss, at the last prices, of the positions that settle in ``coin``."""
        return sum(
            (position.unrealised_pnl(self._mark(position.symbol)) for position in self._held(account, coin)),
            ZERO,
        )
