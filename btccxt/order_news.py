"""What became of orders, brought into backtrader's: the news of this run, and the orders of a former one.

Runs in the strategy's thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from btccxt.bt.compat import bt
from btccxt.bt.order_plan import EXPIRES
from btccxt.bt.order_request import order_of, take_ref
from btccxt.bt.orders import OwnOrders
from btccxt.bt_edit import take_figures
from btccxt.errors import BtccxtError
from btccxt.orders.emulator import WATCH
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.tracker import OrderEvent, RestoredState

if TYPE_CHECKING:
    from btccxt.bt.broker import CCXTBroker

_FINAL_STATUS = {
    LifecycleState.FILLED: bt.Order.Completed,
    LifecycleState.CANCELED: bt.Order.Canceled,
    LifecycleState.EXPIRED: bt.Order.Expired,
    LifecycleState.REJECTED: bt.Order.Rejected,
}
_ON_EXCHANGE = {LifecycleState.OPEN, LifecycleState.PARTIALLY_FILLED}


class OrderNews:
    """Applies what the tracker tells to a broker's orders and books, and notifies of it."""

    def __init__(self, broker: CCXTBroker, own: OwnOrders) -> None:
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
        waits_here = live.held and live.state is LifecycleState.JOURNALED
        if not live.held:
            self._own.left(order)
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

    def _finish(self, order: Any, live: LiveOrder, status: int, notified: bool) -> None:
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
    def _copy_info(order: Any, live: LiveOrder) -> None:
        news: dict[str, Any] = {
            "exchange_order_id": live.order_id,
            "raw_status": live.raw_status,
            "lifecycle": live.state.name,
            "emulated": live.context.get(WATCH),
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

    def _adopt(self, live: LiveOrder, ref: int | None = None) -> Any:
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
        self._broker.orders.append(order)
        expires_ms = int(live.context[EXPIRES]) if EXPIRES in live.context else None
        self._own.add(order, request, waits=live.held, expires_ms=expires_ms)
        return order
