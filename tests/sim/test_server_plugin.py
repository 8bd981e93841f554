"""The pytest fixture that users get: an embedded exchange for tests of their own strategies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import aiohttp

from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.pytest_plugin import StartExchange, btccxt_sim
from btccxt.sim.tls import connector_for

__all__ = ["btccxt_sim"]  # the plugin itself is registered where btccxt is installed


def test_an_exchange_runs_beside_the_test_and_obeys_it(btccxt_sim: StartExchange) -> None:
    sim = btccxt_sim(speed=60, balances={"USDT": 5_000})
    other = btccxt_sim(seed=3)
    assert sim.address.port != other.address.port

    async def server_time() -> Any:
        url = "https://api.binance.com/api/v3/time"
        async with aiohttp.ClientSession(connector=connector_for(sim.address)) as session, session.get(url) as answer:
            return answer.status

    assert asyncio.run(server_time()) == 200
    sim.faults.add(Fault(FaultKind.MAINTENANCE))
    assert asyncio.run(server_time()) == 503
    assert sim.call(lambda exchange: exchange.engine.balances("main")["USDT"].total) == 5_000


def test_the_same_seed_gives_the_same_market(btccxt_sim: StartExchange) -> None:
    def history(seed: int) -> Any:
        sim = btccxt_sim(seed=seed)
        return sim.call(lambda exchange: exchange.venue.history("BTC/USDT", "1d", 0, exchange.venue.now_ms(), 3))

    assert history(1) == history(1) != history(2)


def test_no_thread_outlives_the_fixture() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "sim-exchange"]


def test_the_plugin_imports_nothing_heavy() -> None:
    """It is loaded in every test run of everybody who has btccxt installed."""
    code = (
        "import sys, btccxt.sim.pytest_plugin;"
        "heavy = {'aiohttp', 'ccxt', 'backtrader', 'cryptography', 'btccxt.store.store'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert result.returncode == 0, result.stderr
