"""A running embedded Binance, and a CCXTExchange on it."""

from __future__ import annotations

import pytest

from tests.exchange.ccxt.sim_kit import opened, running_sim


@pytest.fixture
async def sim():
    async with running_sim() as sim:
        yield sim


@pytest.fixture
async def exchange(sim):
    async with opened(sim) as exchange:
        yield exchange
