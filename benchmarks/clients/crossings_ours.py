"""btccxt watched call by call: what of our own code runs on the way of a bar in, an order out and a fill back."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import btccxt
from benchmarks.clients.ours import answer_in_thread, store_at
from benchmarks.market import symbols_of
from benchmarks.processes import Link
from btccxt.bt.compat import bt
from btccxt.sim.tls import SimAddress
from btccxt.store.engine import run

_ROOT = str(Path(btccxt.__file__).parent) + "/"
_CCXT_FETCH = "/ccxt/async_support/base/exchange.py"
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
BAR, BUY, BOUGHT, REQUEST, FILL = "next", "buy", "bought", "request", "notify_order"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function of ours, or a mark (``file`` is empty)."""

    at_ns: int
    thread: int
    file: str
    name: str
    crosses: bool = True
    """Whether whoever of us called it is of another file."""


class Watch:
    """Every call of our own functions, in every thread that begins after ``begin`` and in the one that calls it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._first: dict[CodeType, int] = {}  # where a coroutine is when it is called; further on it is resumed

    def begin(self) -> None:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def end(self) -> None:
        threading.setprofile(None)
        sys.setprofile(None)

    def mark(self, name: str) -> None:
        self.calls.append(Call(time.perf_counter_ns(), threading.get_ident(), "", name))

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if not code.co_filename.startswith(_ROOT):
            if code.co_name == "fetch" and code.co_filename.endswith(_CCXT_FETCH):
                self.mark(REQUEST)
            return
        if code.co_name.startswith("<"):  # lambdas and comprehensions
            return
        if code.co_flags & _SUSPENDABLE:
            first = self._first.setdefault(code, frame.f_lasti)
            if frame.f_lasti > first:
                return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(_ROOT):
            caller = caller.f_back
        crosses = caller is None or caller.f_code.co_filename != code.co_filename
        file, name = code.co_filename[len(_ROOT) :], code.co_name
        self.calls.append(Call(time.perf_counter_ns(), threading.get_ident(), file, name, crosses))


class _Trader(bt.Strategy):
    """With every bar a market order, which is filled at once."""

    params = (("on_live", None), ("watch", None), ("orders", 0))

    def __init__(self) -> None:
        self.is_live = False
        self.filled = 0

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        if status == data.LIVE and not self.is_live:
            self.is_live = True
            self.p.on_live(self)

    def next(self) -> None:
        self.p.watch.mark(BAR)
        self.p.watch.mark(BUY)
        self.buy(size=1.0)
        self.p.watch.mark(BOUGHT)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed:
            self.p.watch.mark(FILL)
            self.filled += 1

    def answer(self, question: tuple[Any, ...]) -> Any:
        if question[0] == "filled":
            return self.filled
        if question[0] == "calls":
            return list(self.p.watch.calls)
        raise ValueError(f"no such question: {question}")


def trade(link: Link, address: SimAddress, group: str) -> None:
    """A worker."""
    logging.disable(logging.WARNING)
    watch = Watch()

    def on_live(trader: _Trader) -> None:
        threading.Thread(target=answer_in_thread, args=(link, trader.answer, trader), daemon=True).start()

    store = store_at(address, group, journal=":memory:")
    watch.begin()
    run(
        _Trader, store=store, symbol=symbols_of(group, 1), timeframe="1h",
        data_options={"backfill_start": False}, params={"on_live": on_live, "watch": watch},
    )  # fmt: skip
    watch.end()
