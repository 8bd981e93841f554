"""(e) What importing costs, how long until the first bar, and how much memory that takes.

The first bar: from the start of the process to the first ``next()`` of a strategy (markets, clock, account, streams, a
page of history), on an exchange with 2,000 markets; for ccxt.pro until a page of candles is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.exchange_process import serve
from benchmarks.processes import worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median_of

NAME = "startup"
TITLE = "import, first bar, memory"

_WALL, _CPU, _MB = "wall ms", "CPU ms", "MB"
_IMPORTS = {
    "btccxt": "import btccxt",
    "btccxt.CCXTStore": "from btccxt import CCXTStore",
    "backtrader": "import backtrader",
    "ccxt.pro": "import ccxt.pro",
    "backtrader and ccxt.pro": "import backtrader, ccxt.pro",
}
_COMMAND = "import sys; sys.argv = ['btccxt', '--help']; from btccxt.cli import app; app(standalone_mode=False)"
_COMPLETION = (
    "import os, sys; sys.argv = ['btccxt']; os.environ |= {'_BTCCXT_COMPLETE': 'complete_bash', "
    "'COMP_WORDS': 'btccxt orders --', 'COMP_CWORD': '2'}; from btccxt.cli import app\n"
    "try: app()\nexcept SystemExit: pass"
)
_COMMANDS = {"btccxt --help": _COMMAND, "completion": _COMPLETION, "ccxt.pro": "import ccxt.pro"}
_SCRIPT = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
status = open("/proc/self/status").read()
print(json.dumps([wall * 1000, cpu * 1000, int(status.split("VmRSS:")[1].split()[0]) / 1024]))
"""
_ROOT = Path(__file__).parent.parent

Figures = tuple[float, float, float]


def run(size: Size) -> Report:
    markets = size.pick(2_000, 2_000, 5)
    found: dict[tuple[str, str], list[Figures]] = {}
    for _ in range(size.pick(9, 5, 1)):
        for who, statement in _IMPORTS.items():
            found.setdefault(("import", who), []).append(_import(statement))
        for who, statement in _COMMANDS.items():
            found.setdefault(("command line", who), []).append(_import(statement))
    with worker(serve, {"A": markets}) as exchange:
        for _ in range(size.pick(7, 3, 1)):
            for who, client in (("btccxt", "ours"), ("ccxt.pro", "bare")):
                case = f"first bar, {markets:,} markets"
                found.setdefault((case, who), []).append(_first_bar(client, str(exchange.ready)))
    rows = []
    for (case, who), each in found.items():
        wall_ms, cpu_ms, mb = median_of(each)
        rows.append(Row(case, who, {_WALL: wall_ms, _CPU: cpu_ms, _MB: mb}))
    notes = ("Importing the store imports backtrader; ccxt is imported when a store starts.",)
    cpu = {(row.case, row.who): row.values[_CPU] for row in rows}
    ccxt_ms = cpu["command line", "ccxt.pro"]
    targets = (
        Target(
            "import of CCXTStore beside backtrader and ccxt.pro (CPU ratio)",
            cpu["import", "btccxt.CCXTStore"] / cpu["import", "backtrader and ccxt.pro"],
            1.1,
        ),
        *(
            Target(f"{who} beside an import of ccxt.pro (CPU ratio)", cpu["command line", who] / ccxt_ms, 0.4)
            for who in ("btccxt --help", "completion")
        ),
    )
    return Report(NAME, TITLE, (Column(_WALL, 0), Column(_CPU, 0), Column(_MB, 0)), _CPU, tuple(rows), targets, notes)


def _import(statement: str) -> Figures:
    wall_ms, cpu_ms, mb = json.loads(_output("-c", _SCRIPT.format(statement=statement)))
    return wall_ms, cpu_ms, mb


def _first_bar(client: str, address: str) -> Figures:
    began_s = time.monotonic()
    first_s, cpu_s, mb = json.loads(_output("-m", "benchmarks.clients.first_bar", client, address))
    return (first_s - began_s) * 1000, cpu_s * 1000, mb


def _output(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=_ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments[:2]} failed:\n{done.stderr}")
    return done.stdout.splitlines()[-1]
