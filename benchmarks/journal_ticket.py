"""(f) How long a ticket takes to be durable: in memory, on disk, and beside the least that a disk asks for."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median, percentile
from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LiveOrder

NAME = "journal_ticket"
TITLE = "from handing over a ticket to its being durable"

_P50, _P99 = "p50 ms", "p99 ms"
_CASE = "one ticket at a time"
_DISK, _MEMORY = "btccxt, journal on disk", "btccxt, journal in memory"
_SQLITE, _FSYNC = "sqlite3 INSERT, synced", "write and fsync"
_ROW_BYTES = 500

Make = Callable[[int], None]


def run(size: Size) -> Report:
    count, rounds = size.pick(200, 100, 5), size.pick(5, 3, 1)
    found: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        for number in range(rounds):
            place = Path(folder, str(number))
            place.mkdir()
            for who, measure in _CONTENDERS.items():
                found.setdefault(who, []).append(measure(place, count))
    rows = tuple(
        Row(_CASE, who, {_P50: median(percentile(late_ms, 50) for late_ms in each),
                         _P99: median(percentile(late_ms, 99) for late_ms in each)})
        for who, each in found.items()
    )  # fmt: skip
    p50 = {row.who: row.values[_P50] for row in rows}
    targets = (Target("p50 of a durable ticket (ms)", p50[_DISK], 1.0),)
    return Report(NAME, TITLE, (Column(_P50, 3), Column(_P99, 3)), _P50, rows, targets)


def _of_journal(path: str, count: int) -> list[float]:
    journal = Journal.open(path, exchange="binance", mode="sim", account="benchmark")

    def make(number: int) -> None:
        journal.record_intent(_order(number), number + 1).result()

    try:
        return _times_ms(make, count)
    finally:
        journal.close()


def _on_disk(folder: Path, count: int) -> list[float]:
    return _of_journal(str(folder / "journal.sqlite3"), count)


def _in_memory(_folder: Path, count: int) -> list[float]:
    return _of_journal(":memory:", count)


def _by_sqlite(folder: Path, count: int) -> list[float]:
    connection = sqlite3.connect(folder / "plain.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE tickets (id INTEGER PRIMARY KEY, text TEXT)")
    text = "x" * _ROW_BYTES

    def make(number: int) -> None:
        connection.execute("INSERT INTO tickets VALUES (?, ?)", (number, text))

    try:
        return _times_ms(make, count)
    finally:
        connection.close()


def _by_fsync(folder: Path, count: int) -> list[float]:
    block = b"x" * _ROW_BYTES
    with open(folder / "plain.txt", "ab", buffering=0) as file:

        def make(_number: int) -> None:
            file.write(block)
            os.fsync(file.fileno())

        return _times_ms(make, count)


_CONTENDERS = {_DISK: _on_disk, _MEMORY: _in_memory, _SQLITE: _by_sqlite, _FSYNC: _by_fsync}


def _times_ms(make: Make, count: int) -> list[float]:
    times = []
    for number in range(count):
        began_s = time.perf_counter()
        make(number)
        times.append((time.perf_counter() - began_s) * 1000)
    return times


def _order(number: int) -> LiveOrder:
    request = OrderRequest(
        f"ticket{number}", "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.5"), price=Decimal("60000.5")
    )
    return LiveOrder(request, context={"ref": str(number), "tradeid": "0", "data": "BTC/USDT"})
