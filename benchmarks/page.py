"""(p) What being seen costs a bot: its record on disk, the page's process, a browser that looks.

Beside the same bot whose run is not recorded. 100 feeds at Binance's pace; and the way of an order out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clients import seen_run
from benchmarks.exchange_process import PushPlan, serve
from benchmarks.orders_out import PER_S, orders_round
from benchmarks.processes import Worker, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile

NAME = "page"
TITLE = "a bot that is recorded and shown, beside one that is not"

_MIX = 30  # one frame in thirty closes its bar
_FRAME_EVERY_S = 2.0  # Binance's, of a one-minute candle
_CPU, _P50 = "CPU ms/s", "p50 ms"
_UNSEEN, _RECORDED, _PAGE, _SHOWN = "unseen", "btccxt, recorded", "btccxt, the page's process", "btccxt, both"


def run(size: Size) -> Report:
    feeds, seconds, rounds = size.pick(100, 100, 2), size.pick(20.0, 10.0, 0.2), size.pick(5, 3, 1)
    orders = size.pick(60, 40, 3)
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        cpu = _feeds(Path(folder) / "feeds", feeds, seconds, rounds)
        late_ms = _orders(Path(folder) / "orders", orders, rounds)
    case, way = f"{feeds} feeds, {1 / _FRAME_EVERY_S:g} frames/s each", "buy() to the request's arrival"
    rows = (
        *(Row(case, who, {_CPU: median(each)}) for who, each in cpu.items()),
        *(Row(way, who, {_P50: median(each)}) for who, each in late_ms.items()),
    )
    ratio = median(cpu[_SHOWN]) / median(cpu[_UNSEEN])
    slower = median(late_ms[_RECORDED]) / median(late_ms[_UNSEEN])
    targets = (
        Target(f"CPU of {feeds} feeds, recorded and shown (ratio)", ratio, 1.05),
        Target("the way of an order out, recorded and shown (ratio)", slower, 1.05),
    )
    notes = ("A browser looks at every run meanwhile; its own CPU is not counted. The page does not run in the bot.",)
    return Report(NAME, TITLE, (Column(_CPU, 2), Column(_P50, 3)), _CPU, rows, targets, notes)


def _feeds(folder: Path, feeds: int, seconds: float, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {who: [] for who in (_UNSEEN, _RECORDED, _PAGE, _SHOWN)}
    per_s = feeds / _FRAME_EVERY_S
    with (
        worker(serve, {"A": feeds, "B": feeds}) as exchange,
        worker(seen_run.watch, exchange.ready, "A", feeds, str(folder), False) as unseen,
        worker(seen_run.watch, exchange.ready, "B", feeds, str(folder), True) as recorded,
    ):
        for group in "AB":
            exchange.ask("push", PushPlan(group, feeds, feeds, 1_000.0))  # next() begins when every data has a bar
        with _shown(folder) as page:
            for number in range(rounds + 1):
                times = []
                for group, bot in (("A", unseen), ("B", recorded)):
                    before = (bot.ask("cpu")[0], page.ask("cpu"))
                    exchange.ask("push", PushPlan(group, feeds, max(1, int(seconds * per_s)), per_s, _MIX))
                    times.append((bot.ask("cpu")[0] - before[0], page.ask("cpu") - before[1]))
                if number:  # the first round warms up
                    (alone_s, _), (bot_s, page_s) = times
                    for who, spent_s in zip(found, (alone_s, bot_s, page_s, bot_s + page_s), strict=True):
                        found[who].append(1_000 * spent_s / seconds)
    return found


def _orders(folder: Path, orders: int, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {_UNSEEN: [], _RECORDED: []}
    with (
        worker(serve, {"A": 1, "B": 1}) as exchange,
        worker(seen_run.send, exchange.ready, "A", str(folder), False) as unseen,
        worker(seen_run.send, exchange.ready, "B", str(folder), True) as recorded,
    ):
        exchange.ask("push", PushPlan("B", 1, 1, PER_S))
        with _shown(folder):
            for number in range(2 * rounds + 1):
                for who, group, bot in ((_UNSEEN, "A", unseen), (_RECORDED, "B", recorded)):
                    late_ms = orders_round(exchange, bot, group, orders, ours=True)
                    if number:
                        found[who].append(percentile(late_ms, 50))
    return found


@contextmanager
def _shown(folder: Path) -> Iterator[Worker]:
    """The page, with a browser that looks at every run of this folder."""
    with (
        worker(seen_run.show, str(folder)) as page,
        worker(seen_run.browse, page.ready, str(folder)),
    ):
        yield page
