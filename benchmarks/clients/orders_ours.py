"""btccxt's orders: out of a strategy's next(), and back into its notify_order()."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from benchmarks.clients.fill_frames import FillFrames
from benchmarks.clients.ours import answer_in_thread, store_at
from benchmarks.market import PRICE, symbols_of
from benchmarks.processes import Link
from btccxt.bt.compat import bt
from btccxt.sim.tls import SimAddress
from btccxt.store.engine import run

FAR_PRICE = float(PRICE) / 2  # the book is around PRICE, so nothing fills there


class _Trader(bt.Strategy):
    """Notes instants (``time.time_ns``) by client order id."""

    params = (("on_live", None), ("frames", None))

    def __init__(self) -> None:
        self.instants: dict[str, int] = {}
        self.is_live = False

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        if status == data.LIVE and not self.is_live:
            self.is_live = True
            self.p.on_live(self)

    def answer(self, question: tuple[Any, ...]) -> Any:
        if question[0] == "instants":
            found, self.instants = self.instants, {}
            return found
        if question[0] == "received":
            return self.p.frames.take()
        raise ValueError(f"no such question: {question}")


class Sender(_Trader):
    """With every bar one order, which the exchange expires at once."""

    def next(self) -> None:
        began_ns = time.time_ns()
        order = self.buy(size=1.0, price=FAR_PRICE, exectype=bt.Order.Limit, tif="IOC")
        self.instants[order.info.client_order_id] = began_ns


class Rester(_Trader):
    """Keeps one order in the book; when it fills, places the next."""

    def next(self) -> None:
        if not self.instants:
            self._place()

    def notify_order(self, order: Any) -> None:
        now_ns = time.time_ns()
        if order.status in (order.Partial, order.Completed):
            self.instants.setdefault(order.info.client_order_id, now_ns)
        if order.status == order.Completed:
            self._place()

    def _place(self) -> None:
        self.buy(size=1.0, price=FAR_PRICE, exectype=bt.Order.Limit)


def send(link: Link, address: SimAddress, group: str, journal: str) -> None:
    """A worker."""
    _run(link, Sender, address, group, journal, None)


def rest(link: Link, address: SimAddress, group: str, journal: str) -> None:
    """A worker."""
    _run(link, Rester, address, group, journal, FillFrames())


def _run(
    link: Link, strategy: type[_Trader], address: SimAddress, group: str, journal: str, frames: FillFrames | None
) -> None:
    logging.disable(logging.WARNING)

    def on_live(trader: _Trader) -> None:
        threading.Thread(target=answer_in_thread, args=(link, trader.answer, trader), daemon=True).start()

    store = store_at(address, group, journal=journal)
    run(
        strategy, store=store, symbol=symbols_of(group, 1), timeframe="1h",
        data_options={"backfill_start": False}, params={"on_live": on_live, "frames": frames},
    )  # fmt: skip
