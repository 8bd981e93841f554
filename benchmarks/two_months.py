"""(r) Two months of a thousand orders a day, played in minutes: memory, and what an order costs early and late.

The play is ``clients/busy_account``: everything but the network. What is kept for later questions (ten thousand ended
orders, notifications and trades) fills first; from then on memory is to stay where it is.
"""

from __future__ import annotations

import gc
import logging
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.busy_account import ORDERS_A_ROUND, Busy, trade
from benchmarks.processes import Link, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size

NAME = "two_months"
TITLE = "two months of 1,000 orders a day through one store"

_PATIENCE_S = 3_600.0
_MB, _SESSION, _STRATEGY = "MB", "session thread µs/order", "strategy thread µs/order"


@dataclass(frozen=True, slots=True)
class Look:
    """After so many orders. CPU times are of the latest round, for each of its orders."""

    orders: int
    memory_mb: float
    session_us: float
    strategy_us: float


def run(size: Size) -> Report:
    points = size.pick((300, 10_000, 20_000, 30_000, 60_000), (300, 2_000, 4_000), (40, 80, 120))
    with worker(_measure, points) as run_of_months:
        looks: list[Look] = run_of_months.ask("play", patience_s=_PATIENCE_S)
    rows = tuple(
        Row(f"{look.orders:,} orders", "btccxt",
            {_MB: look.memory_mb, _SESSION: look.session_us, _STRATEGY: look.strategy_us})
        for look in looks
    )  # fmt: skip
    targets = []
    if size is Size.FULL:
        early, _, late, middle, last = looks
        targets = [
            Target("memory at 60,000 orders to that at 30,000", last.memory_mb / middle.memory_mb, 1.05),
            Target("an order's cost in the session thread, 20,000 to 300", late.session_us / early.session_us, 1.5),
        ]
    columns = (Column(_MB), Column(_SESSION, 0), Column(_STRATEGY, 0))
    return Report(NAME, TITLE, columns, _MB, rows, tuple(targets))


def _measure(link: Link, points: tuple[int, ...]) -> None:
    link.ready()
    link.question()
    logging.disable(logging.CRITICAL)
    looks: list[Look] = []
    watch = _CpuWatch()

    def look(play: Busy) -> None:
        costs = watch.round(play)
        if play.orders >= points[len(looks)]:
            gc.collect()
            looks.append(Look(play.orders, _most_memory_mb(), *costs))

    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        trade(-(-points[-1] // ORDERS_A_ROUND), look, Path(folder, "journal.sqlite3"))
    link.answer(looks)


class _CpuWatch:
    """CPU time of the two threads, for each order; the least of the latest five rounds."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._latest: list[tuple[float, float]] = []

    def round(self, play: Busy) -> tuple[float, float]:
        now = play.in_session(time.thread_time), time.thread_time()
        if self._before is not None:
            spent = [(after - before) / ORDERS_A_ROUND * 1e6 for before, after in zip(self._before, now, strict=True)]
            self._latest = [*self._latest[-4:], (spent[0], spent[1])]
        self._before = now
        if not self._latest:
            return 0.0, 0.0
        return min(session for session, _ in self._latest), min(strategy for _, strategy in self._latest)


def _most_memory_mb() -> float:
    """So far: what has been given back to Python, and not to the system, counts as well."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
