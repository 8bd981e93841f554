"""Odd answers while a store starts: asked again, or one error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from btccxt import CCXTStore
from btccxt.errors import BtccxtError
from btccxt.orders.policy import TrackerPolicy
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.faults import Fault, FaultKind
from tests.exchange.ccxt.odd_json import BODIES
from tests.heal.kit import exchange

PATHS = {
    "the time": "/api/v3/time",
    "the markets": "/api/v3/exchangeInfo",
    "the account": "/api/v3/account",
    "the open orders": "/api/v3/openOrders",
}
ODD = (
    "a page",
    "nothing",
    "{}",
    "[]",
    "null",
    "half of it",
    "wrong types",
    "a maintenance message",
    "a firewall's 403",
)


@pytest.fixture(scope="module")
def venue() -> Iterator[BackgroundExchange]:
    with exchange(speed=1.0) as running:
        yield running


def start(venue: BackgroundExchange) -> None:
    store = CCXTStore(
        "binance",
        mode="sim",
        sim_address=str(venue.address),
        journal=":memory:",
        retry_attempts=2,
        tracker=TrackerPolicy(start_total_s=2.0),
    )
    store.getbroker()
    try:
        store.start()
        assert store.balance()["BTC"].total == 5
    finally:
        store.stop()


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.parametrize("label", ODD)
def test_a_start_survives_one_odd_answer(venue: BackgroundExchange, what: str, label: str) -> None:
    status, body = BODIES[label]
    struck = len(venue.faults.log)
    venue.faults.add(Fault(FaultKind.ODD_ANSWER, path=PATHS[what], status=status, body=body))
    try:
        start(venue)
    finally:
        venue.faults.clear()
    assert len(venue.faults.log) == struck + 1


@pytest.mark.parametrize("what", PATHS)
def test_a_start_that_hears_nothing_else_ends_with_one_error(venue: BackgroundExchange, what: str) -> None:
    status, body = BODIES["a page"]
    venue.faults.add(Fault(FaultKind.ODD_ANSWER, path=PATHS[what], status=status, body=body, times=None))
    try:
        with pytest.raises(BtccxtError, match="binance"):
            start(venue)
    finally:
        venue.faults.clear()
