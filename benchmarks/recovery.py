"""(f) After a kill -9: from the start of the new process until every order is known and compared with the exchange."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clients.recover import fill_journal
from benchmarks.exchange_process import serve
from benchmarks.processes import Worker, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median_of

NAME = "recovery"
TITLE = "process start to reconciled, after a kill -9"

_WALL, _CPU = "wall ms", "CPU ms"
_ROOT = Path(__file__).parent.parent


def run(size: Size) -> Report:
    ended, opened = size.pick((900, 100), (900, 100), (3, 2))
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder, worker(serve, {"A": 1}) as exchange:
        journal = str(Path(folder, "journal.sqlite3"))
        Worker(fill_journal, exchange.ready, journal, ended, opened).kill()
        found = [_recover(str(exchange.ready), journal, opened) for _ in range(size.pick(5, 3, 1))]
    wall_ms, cpu_ms = median_of(found)
    case = f"{ended + opened:,} journaled, {opened} open"
    return Report(
        NAME, TITLE, (Column(_WALL, 0), Column(_CPU, 0)), _WALL,
        (Row(case, "btccxt", {_WALL: wall_ms, _CPU: cpu_ms}),),
        (Target(f"process start to reconciled, {case} (ms)", wall_ms, 3_000.0, digits=0),),
        ("Starting Python and importing everything is part of it (see startup).",),
    )  # fmt: skip


def _recover(address: str, journal: str, opened: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.clients.recover", address, journal]
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"the recovery failed:\n{done.stderr}")
    ready_s, cpu_s, found = json.loads(done.stdout.splitlines()[-1])
    if found != opened:
        raise AssertionError(f"{found} of {opened} open orders came back")
    return (ready_s - began_s) * 1000, cpu_s * 1000
