"""Fixtures of the tests that talk to the embedded exchange over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import client_of, exchange, set_book, trade


@pytest.fixture
async def sim() -> AsyncIterator[SimExchange]:
    async with exchange() as running:
        set_book(running)
        trade(running, "100.5")
        yield running


@pytest.fixture
async def client(sim: SimExchange) -> AsyncIterator[Any]:
    async with client_of(sim) as connected:
        await connected.load_markets()
        yield connected
