"""(r) How much of our own code lies on the way of a bar in, an order out and a fill back: calls and files.

Counted by ``sys.setprofile``, our own functions only, in the middle one of many passes, so that what polls beside it
does not count. It measures the house, not the machine.

An order out: ``strategy.buy()`` in the strategy's thread, and what the session and the journal do until ccxt sends the
request. A bar in: from the frame that ccxt hands over until ``next()``. A fill back: until ``notify_order()``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.clients import crossings_ours
from benchmarks.clients.crossings_ours import BAR, BOUGHT, BUY, FILL, REQUEST, Call
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.processes import Worker, WorkerFailed, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size

NAME = "crossings"
TITLE = "our own code on the way of a bar, an order and a fill"

_FRAME, _DELIVER = "_on_message", "deliver"
_INBOX = "session/inbox.py"
_CALLS, _CROSSING, _FILES, _STORE = "calls", "from file to file", "files", "into the store room"
_PER_S = 2.0  # slow enough for each order to have ended before the next
_PATIENCE_S = 60.0
_TARGET_FILES = 26  # as many as before pairs, brackets, risk limits and warm-up had rooms of their own


def run(size: Size) -> Report:
    calls = watch(size.pick(40, 20, 6))
    bar, order, fill = (_middle(passes) for passes in (bars_in(calls), orders_out(calls), fills_back(calls)))
    buy = [call for call in order if call.thread == order[0].thread]
    ways = {"a bar in": bar, "an order out": order, "buy() in the strategy's thread": buy, "a fill back": fill}
    rows = tuple(Row(way, "btccxt", _figures(passed)) for way, passed in ways.items())
    notes = ("The middle pass of each kind; coroutines count when they begin, not when they go on.",)
    columns = (Column(_CALLS, 0), Column(_CROSSING, 0), Column(_FILES, 0), Column(_STORE, 0))
    target = Target("files that buy() runs through", rows[2].values[_FILES], _TARGET_FILES, digits=0)
    return Report(NAME, TITLE, columns, _CALLS, rows, (target,), notes)


def _figures(passed: Sequence[Call]) -> dict[str, float]:
    crossing = [call for call in passed if call.crosses]
    in_store = sum(call.file.startswith("store/") for call in crossing)
    files = len({call.file for call in passed})
    return {_CALLS: len(passed), _CROSSING: len(crossing), _FILES: files, _STORE: in_store}


def _middle(passes: Sequence[list[Call]]) -> list[Call]:
    return sorted(passes, key=len)[(len(passes) - 1) // 2]


def watch(orders: int) -> list[Call]:
    """A run of so many bars, each with an order that fills at once."""
    with worker(serve, {"A": 1}) as exchange:
        client = Worker(crossings_ours.trade, exchange.ready, "A")
        try:
            exchange.ask("push", PushPlan("A", 1, orders, _PER_S))
            began_s = time.monotonic()
            while client.ask("filled") < orders:
                time.sleep(0.1)
                if time.monotonic() - began_s > _PATIENCE_S + orders / _PER_S:
                    raise WorkerFailed(f"{client.name}: {client.ask('filled')} of {orders} orders filled")
            found: list[Call] = client.ask("calls")
        finally:
            client.stop()
    return found


def orders_out(calls: Sequence[Call]) -> list[list[Call]]:
    passes = []
    for begin, mark in _marks(calls, BUY):
        end = next((at for at, call in _marks(calls, REQUEST) if at > begin), None)
        after = next((at for at, call in _marks(calls, BUY) if at > begin), len(calls))
        before = calls[:begin]
        settled = sum(1 for _ in _marks(before, BUY)) == sum(1 for _ in _marks(before, FILL))
        if end is None or end > after or not settled:  # the request may not be of this order
            continue
        bought = next(at for at, call in _marks(calls, BOUGHT) if at > begin)
        passes.append(
            [call for call in calls[begin:bought] if call.thread == mark.thread and call.file]
            + [call for call in calls[begin:end] if call.thread != mark.thread and call.file]
        )
    return passes


def bars_in(calls: Sequence[Call]) -> list[list[Call]]:
    return list(_inwards(calls, BAR, "bt/data.py"))


def fills_back(calls: Sequence[Call]) -> list[list[Call]]:
    return list(_inwards(calls, FILL, "store/news.py"))


def _inwards(calls: Sequence[Call], name: str, through: str) -> Iterator[list[Call]]:
    """From a frame into the inbox in the session's thread, and from the inbox to the mark in the strategy's."""
    for end, mark in _marks(calls, name):
        delivered = _last(calls[:end], lambda call: call.name == _DELIVER and call.file == _INBOX)
        if delivered is None:
            continue
        put = _last(calls[:delivered], lambda call: call.file == through)
        frame = None if put is None else _last(calls[:put], lambda call: call.name == _FRAME)
        if put is None or frame is None:
            continue
        session = calls[frame].thread
        yield [call for call in calls[frame : put + 1] if call.thread == session and call.file] + [
            call for call in calls[delivered:end] if call.thread == mark.thread and call.file
        ]


def _marks(calls: Sequence[Call], name: str) -> Iterator[tuple[int, Call]]:
    return ((at, call) for at, call in enumerate(calls) if not call.file and call.name == name)


def _last(calls: Sequence[Call], wanted: Callable[[Call], bool]) -> int | None:
    return next((at for at in range(len(calls) - 1, -1, -1) if wanted(calls[at])), None)
