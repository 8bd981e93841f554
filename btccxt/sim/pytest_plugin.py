"""pytest plugin: the embedded exchange as a fixture for tests of your own strategy.

    def test_my_strategy(btccxt_sim):
        sim = btccxt_sim(speed=600, balances={"USDT": 10_000})
        store = CCXTStore("binance", mode="sim", sim_address=str(sim.address))
        ...
        sim.faults.add(Fault(FaultKind.LOSE_ANSWER, method="POST", path="/api/v3/order"))
        orders = sim.call(lambda exchange: exchange.engine.orders("main"))

Nothing is imported before the fixture is used: the plugin costs a test run that has no use for it nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from btccxt.sim.background import BackgroundExchange
    from btccxt.sim.market import MarketSource


class StartExchange(Protocol):
    """What ``btccxt_sim`` is: call it once for each exchange that the test needs."""

    def __call__(self, source: MarketSource | None = None, **options: Any) -> BackgroundExchange: ...


@pytest.fixture
def btccxt_sim() -> Iterator[StartExchange]:
    """Starts embedded exchanges in threads of their own, and stops them when the test is over.

    ``source`` is the market (default: a synthetic one with the usual coins, the same for the same ``seed``); the
    options are those of ``SimExchange``: ``dialects``, ``speed``, ``clock``, ``balances``, ``faults``, ``limits`` ...
    """
    from btccxt.sim.background import BackgroundExchange
    from btccxt.sim.market import default_universe
    from btccxt.sim.server import SimExchange

    running: list[BackgroundExchange] = []

    def start(source: MarketSource | None = None, **options: Any) -> BackgroundExchange:
        def make() -> SimExchange:
            market = default_universe(options.get("seed", 0)) if source is None else source
            return SimExchange(market, **options)

        background = BackgroundExchange(make)
        background.start()
        running.append(background)
        return background

    yield start
    for background in reversed(running):
        background.stop()
