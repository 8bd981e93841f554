"""The orders of one run: backtrader's objects, the intents behind them, how long they hold, and the money they bind.

Lives in the strategy's thread; sends nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.kept import KEPT, bound_notifications, forget_trades
from btccxt.bt.order_request import order_of, take_figures, take_ref
from btccxt.bt.ports import OrderHolder
from btccxt.errors import BtccxtError
from btccxt.exchange.position_side import split
from btccxt.model import ZERO, Market, OrderKind, OrderRequest, Side, decimal_of
from btccxt.orders.context import EMULATED, EXPIRES, FIRES
from btccxt.orders.funds import OpenOrder, bound
from btccxt.orders.leg import MADE_WAY
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.tracker import OrderEvent, RestoredState


class OrderStore:
    """Backtrader orders by client order id, and their intents by ``order.ref``."""

    def __init__(self) -> None:
        self.orders: list[bt.Order] = []
        """Every order of the run, refused ones too; of those that ended, the latest ``KEPT`` at least."""
        self.known: dict[str, bt.Order] = {}
        """By client order id, ended ones too: late fills count. As many as ``orders``."""
        self._open: dict[str, bt.Order] = {}  # those of them that may still fill
        self._requests: dict[int, OrderRequest] = {}  # of every order that is not final
        self._expiries_ms: dict[int, int] = {}  # of orders whose validity is kept here
        self._fires_ms: dict[int, int] = {}  # of orders that wait for a time
        self._waiting: set[int] = set()  # they wait on this machine and bind no money
        self.trailing: dict[int, bt.Order] = {}  # those whose price follows the market
        self._ending: set[int] = set()  # their cancel has been asked for
        self._guarding: set[int] = set()  # an order that closes what they guard has been sent

    def note(self, order: bt.Order) -> None:
        """An order that the strategy may ask about from now on; the oldest that ended are forgotten meanwhile."""
        self.orders.append(order)
        if order.owner is not None:
            bound_notifications(order.owner)
        if len(self.orders) >= 2 * KEPT:  # seldom, so that an order costs the same at any age of the run
            for owner in {each.owner for each in self.orders if each.owner is not None}:
                forget_trades(owner)
            latest = len(self.orders) - KEPT
            self.orders = [each for place, each in enumerate(self.orders) if place >= latest or each.alive()]
            refs = {each.ref for each in self.orders}
            self.known = {name: each for name, each in self.known.items() if each.ref in refs}

    def add(
        self,
        order: bt.Order,
        request: OrderRequest,
        *,
        waits: bool = False,
        expires_ms: int | None = None,
        fires_ms: int | None = None,
    ) -> None:
        """An order that may fill from now on."""
        self.known[request.client_order_id] = self._open[request.client_order_id] = order
        self._requests[order.ref] = request
        if order.exectype in (bt.Order.StopTrail, bt.Order.StopTrailLimit):
            self.trailing[order.ref] = order
        if waits:
            self._waiting.add(order.ref)
        if expires_ms is not None:
            self._expiries_ms[order.ref] = expires_ms
        if fires_ms is not None:
            self._fires_ms[order.ref] = fires_ms

    def end(self, order: bt.Order, client_order_id: str) -> None:
        self._open.pop(client_order_id, None)
        self._requests.pop(order.ref, None)
        self._expiries_ms.pop(order.ref, None)
        self._fires_ms.pop(order.ref, None)
        self._waiting.discard(order.ref)
        self._ending.discard(order.ref)
        self._guarding.discard(order.ref)
        self.trailing.pop(order.ref, None)

    def follow_prices(self) -> None:
        """Trailing orders show where they stand, as in a backtest: by the close of each bar."""
        for order in self.trailing.values():
            if len(order.data) and isfinite(order.data.close[0]):
                order.trailadjust(order.data.close[0])

    def is_open(self, client_order_id: str | None) -> bool:
        return client_order_id in self._open

    def open_refs(self) -> dict[str, int]:
        """Client order id -> ref."""
        return {name: order.ref for name, order in self._open.items()}

    # -------------------------------------------------------------- intents

    def request(self, order: bt.Order) -> OrderRequest | None:
        """What was asked for; None if the order has ended, or was never sent."""
        return self._requests.get(order.ref)

    def take_request(self, order: bt.Order, request: OrderRequest) -> None:
        """It is asked for something else now."""
        self._requests[order.ref] = request

    def waits(self, order: bt.Order) -> bool:
        return order.ref in self._waiting

    def set_waiting(self, order: bt.Order, waits: bool) -> None:
        """Whether it waits on this machine, or is at the exchange, where it binds money."""
        (self._waiting.add if waits else self._waiting.discard)(order.ref)

    def is_closed_by_another(self, client_order_id: str) -> None:
        """What this order guards is being closed: it makes way for that, and comes back for the rest."""
        if (order := self._open.get(client_order_id)) is not None:
            self._guarding.add(order.ref)

    def _is_guarding(self, order: bt.Order) -> bool:
        made_way = any(note.startswith(MADE_WAY) for note in order.info.get("notes") or ())
        return made_way or order.ref in self._guarding

    def is_tied(self, order: bt.Order) -> bool:
        """Whether it is part of a bracket or a pair."""
        tied = order.parent is not None or order.oco is not None or self._is_guarding(order)
        return tied or any(other.parent is order or other.oco is order for other in self._open.values())

    # -------------------------------------------------------------- validity kept here

    def expires_ms(self, order: bt.Order) -> int | None:
        return self._expiries_ms.get(order.ref)

    @property
    def some_fire(self) -> bool:
        return bool(self._fires_ms)

    def take_fired(self, now_ms: int) -> Iterator[str]:
        """Client order ids whose time to be sent has come, each once."""
        for ref, fires_ms in list(self._fires_ms.items()):
            if now_ms >= fires_ms:
                del self._fires_ms[ref]
                if (request := self._requests.get(ref)) is not None:
                    yield request.client_order_id

    @property
    def some_expire(self) -> bool:
        return bool(self._expiries_ms)

    def take_expired(self, now_ms: int) -> Iterator[tuple[str, bt.Order]]:
        """Client order ids and orders whose time has come, each once."""
        for ref, expires_ms in list(self._expiries_ms.items()):
            if now_ms >= expires_ms:
                del self._expiries_ms[ref]
                if (request := self._requests.get(ref)) is not None:
                    yield request.client_order_id, self._open[request.client_order_id]

    # -------------------------------------------------------------- money

    def is_ending(self, order: bt.Order) -> None:
        """Its cancel is under way: what it binds will be free, and what those bind that go with it."""
        self._ending.add(order.ref)
        if order.parent is not None and order.parent.alive():  # the entry goes; its exits stay for what it has filled
            self._ending.add(order.parent.ref)
        else:
            self._ending |= {other.ref for other in self._open.values() if _go_together(order, other)}

    def some_open(self, symbol: str, side: Side) -> bool:
        """Whether an order of this side may still fill."""
        return (symbol, side) in {(request.symbol, request.side) for request in self._requests.values()}

    @property
    def count(self) -> int:
        return len(self._open)

    def resting(self, symbol: str, side: Side) -> Decimal:
        """Signed sum of what entries of one side may still add to a position."""
        total = ZERO
        for order in self._open.values():
            request = self._requests.get(order.ref)
            if request is not None and request.symbol == symbol and request.side is side and order.parent is None:
                total += decimal_of(order.executed.remsize)
        return total

    def exits(self, symbol: str, side: Side) -> Iterator[tuple[str, Any]]:
        """Exits of brackets, and members of pairs, that are to stay; each with the name of its group."""
        leaders = {_leader(order) for order in self._open.values() if order.oco is not None}
        for order in self._open.values():
            request = self._requests.get(order.ref)
            if request is None or (request.symbol, request.side) != (symbol, side) or order.ref in self._ending:
                continue
            first = order.parent or (_first(order) if _leader(order) in leaders else None)
            if first is not None and "client_order_id" in first.info:
                yield first.info["client_order_id"], order

    def alone(self, symbol: str, side: Side) -> Iterator[tuple[str, Any]]:
        """Orders of no bracket or pair that bind coins at the exchange, and are to stay; each with its name."""
        tied = {other.ref for order in self._open.values() for other in (order.parent, order.oco) if other is not None}
        for name, order in self._open.items():
            request = self._requests.get(order.ref)
            if request is None or (request.symbol, request.side) != (symbol, side) or request.kind is OrderKind.MARKET:
                continue
            if order.parent is not None or order.oco is not None or order.ref in tied or order.ref in self._ending:
                continue
            if (order.ref not in self._waiting or self._is_guarding(order)) and "slices" not in order.info:
                yield name, order

    def open_orders(self, *, without_ending: bool = False, without: Collection[int] = ()) -> Iterator[OpenOrder]:
        """As funds see them; ``without``: refs that do not count."""
        for order in self._open.values():
            request = self._requests.get(order.ref)
            if request is None or order.ref in without or (without_ending and order.ref in self._ending):
                continue
            yield OpenOrder(
                request,
                decimal_of(abs(order.executed.remsize)),
                decimal_of(order.created.price) if isfinite(order.created.price) else None,
                waits=order.ref in self._waiting,
                ending=order.ref in self._ending,
                pair=_pair(order),
            )

    def free(self, currency: str, total: Decimal, markets: Mapping[str, Market]) -> Decimal:
        """What is left of ``total`` beyond the orders at the exchange."""
        return total - bound(currency, self.open_orders(), markets)


def _go_together(order: bt.Order, other: bt.Order) -> bool:
    """Exits of one entry, or members of one pair."""
    if order.parent is not None and other.parent is order.parent:
        return True
    return bool({order.ref, _leader(order)} & {other.ref, _leader(other)})


def _pair(order: bt.Order) -> int:
    """What exits of one entry, or members of one pair, have in common; an order that stands alone is its own."""
    return int(order.parent.ref) if order.parent is not None else _leader(order)


def _first(order: bt.Order) -> bt.Order:
    """The first order of its pair."""
    return _first(order.oco) if order.oco is not None else order


def _leader(order: bt.Order) -> int:
    return _first(order).ref


_FINAL_STATUS = {
    LifecycleState.FILLED: bt.Order.Completed,
    LifecycleState.CANCELED: bt.Order.Canceled,
    LifecycleState.EXPIRED: bt.Order.Expired,
    LifecycleState.REJECTED: bt.Order.Rejected,
}
_ON_EXCHANGE = {LifecycleState.OPEN, LifecycleState.PARTIALLY_FILLED}


class OrderEventHandler:
    """Applies what the tracker tells to a broker's orders and books, and notifies of it."""

    def __init__(self, broker: OrderHolder, own: OrderStore) -> None:
        self._broker = broker
        self._store = broker.store
        self._own = own

    def apply(self, event: OrderEvent) -> None:
        live = event.order
        order = self._own.known.get(live.request.client_order_id)
        if order is None and live.external and self._broker.books.first_data(live.symbol) is None:
            return  # somebody else's, in a market that this cerebro does not look at
        order = order or self._adopt(live)
        known, noted = self._own.request(order), order.info.get("notes") or ()
        self._copy_info(order, live)
        if known is not live.request and known is not None:
            self._own.take_request(order, live.request)
            if known != live.request:
                take_figures(order, live.request)
        if live.notes and any(note.startswith("edit") and note not in noted for note in live.notes):
            self._broker.notify(order)
        waits_here = live.pending_release and live.state is LifecycleState.JOURNALED and "waits_for" not in order.info
        self._own.set_waiting(order, live.pending_release)
        if order.status == bt.Order.Submitted and (live.state in _ON_EXCHANGE or event.fills or waits_here):
            order.accept(self._broker)
            self._broker.notify(order)
        for fill in event.fills:
            self._broker.books.execute(order, fill, live.request.amount)
            self._broker.notify(order)
        for correction in event.corrections:
            self._broker.books.correct(order, correction)
        final = _FINAL_STATUS.get(live.state)
        if final is not None and self._own.is_open(live.request.client_order_id):
            self._finish(order, live, final, notified=bool(event.fills) and order.status == final)

    def _finish(self, order: bt.Order, live: LiveOrder, status: int, notified: bool) -> None:
        if status == bt.Order.Canceled and order.info.get("expired_here"):
            status = bt.Order.Expired
        changed = order.status != status
        self._own.end(order, live.request.client_order_id)
        if changed:
            order.status = status
            if not order.p.simulated and len(order.data):
                order.executed.dt = order.executed.dt or order.data.datetime[0]
        if changed or not notified:
            self._broker.notify(order)

    @staticmethod
    def _copy_info(order: bt.Order, live: LiveOrder) -> None:
        news: dict[str, Any] = {
            "exchange_order_id": live.order_id,
            "raw_status": live.raw_status,
            "lifecycle": live.state.name,
            "emulated": live.context.get(EMULATED),
        }
        if live.reasons:
            news["reasons"] = tuple(live.reasons)
        if live.notes:
            news["notes"] = tuple(dict.fromkeys((*(order.info.get("notes") or ()), *live.notes)))
        order.addinfo(**{key: value for key, value in news.items() if value is not None})

    # -------------------------------------------------------------- what was there before

    def restore(self, restored: RestoredState, refs: Mapping[str, int]) -> None:
        """Orders of a former run. The account's start already contains their fills, so nothing is booked.

        ``refs``: the numbers they had if that run was in this process.
        """
        changed = (event.order for event in restored.changes)
        lives = {live.client_order_id: live for live in (*restored.ended_ties, *changed, *restored.open_orders)}
        told = {live.client_order_id for live in restored.ended_ties}
        for live in sorted(lives.values(), key=lambda live: int(live.context.get("ref", 0))):
            if live.is_final and self._broker.books.first_data(live.symbol) is None:
                self._tell_without_data(live, told)
                continue
            order = self._adopt(live, refs.get(live.client_order_id))
            order.accept(self._broker)
            self._broker.books.resume(order, live)
            self._copy_info(order, live)
            final = _FINAL_STATUS.get(live.state)
            if final is None:
                self._broker.notify(order)
            elif live.client_order_id in told:
                order.status = final
                self._own.end(order, live.client_order_id)
            else:
                self._finish(order, live, final, notified=False)

    def _tell_without_data(self, live: LiveOrder, told: Collection[str]) -> None:
        """An order that ended needs no data any more; the strategy hears of it where there is no backtrader order."""
        if live.client_order_id not in told:
            self._store.put_notification(
                f"order {live.client_order_id} for {live.symbol}, of which there is no data here, ended meanwhile: "
                f"{live.state.value}, filled {live.filled}"
            )
            self._store.order_told(live.client_order_id)

    def _adopt(self, live: LiveOrder, ref: int | None = None) -> bt.Order:
        """A backtrader order for one that a former run, or somebody else, placed. ``ref``: its number here so far."""
        request = live.request
        data = self._broker.books.first_data(request.symbol)
        if data is None:
            raise BtccxtError(
                f"order {request.client_order_id} is for {request.symbol}, of which this cerebro has no data; "
                f"add it with store.getdata(dataname={request.symbol!r})"
            )
        order = order_of(request, live.average, int(live.context.get("tradeid", 0)), data)
        if ref is not None:
            order.ref = ref
        else:
            take_ref(order, int(live.context.get("ref", 0)))
        order.parent = self._own.known.get(live.context.get("parent", ""))
        order.oco = self._own.known.get(live.context.get("oco", ""))
        order.addcomminfo(self._broker.getcommissioninfo(data))
        order.submit(self._broker)
        order.addinfo(client_order_id=request.client_order_id, restored=True)
        if (side := split(request.symbol)[1]) is not None:
            order.addinfo(position_side=side)
        self._own.note(order)
        expires_ms = int(live.context[EXPIRES]) if EXPIRES in live.context else None
        fires_ms = int(live.context[FIRES]) if FIRES in live.context and live.pending_release else None
        if FIRES in live.context:
            order.exectype = bt.Order.Close
        self._own.add(order, request, waits=live.pending_release, expires_ms=expires_ms, fires_ms=fires_ms)
        return order
