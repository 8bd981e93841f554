"""Money from and to outside, as each exchange's own list tells it through ccxt."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.transfers import transfers_since
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, TransferKind
from btccxt.resilience.clock import ExchangeClock
from btccxt.sim.dialects import dialect_class
from btccxt.sim.dialects.base import SimAccount
from tests.sim.dialects.unified_kit import PERP, START_MS, book, exchange


@pytest.mark.parametrize("name", ["binance", "binanceusdm", "bybit", "okx"])
async def test_what_came_and_went_is_listed_with_its_sign_and_funding_and_trades_are_not(name: str) -> None:
    kind = MarketType.SPOT if name == "binance" else MarketType.LINEAR
    async with exchange(name) as sim:
        subject = CCXTExchange(
            load_profile(name, kind),
            dialect_class(name).client_keys(SimAccount()),
            clock=ExchangeClock(sim.clock),
            connector=sim.connector,
        )
        await subject.open()
        try:
            sim.deposit("main", "USDT", D("500.5"))
            sim.deposit("main", "BTC", D("-0.25"))
            if kind is MarketType.LINEAR:
                book(sim, PERP, amount="1000")
                sim.fund(PERP, D("0.001"))
            found = await subject.fetch_transfers(sim.venue.now_ms() - 60_000)
        finally:
            await subject.close()
    assert sorted((each.currency, each.amount) for each in found) == [("BTC", D("-0.25")), ("USDT", D("500.5"))]
    assert len({each.transfer_id for each in found}) == 2
    wanted = {TransferKind.TRANSFER} if name != "binance" else {TransferKind.DEPOSIT, TransferKind.WITHDRAWAL}
    assert {each.kind for each in found} == wanted


async def test_what_is_not_credited_yet_is_no_money_and_the_fee_of_a_withdrawal_is() -> None:
    rows = {
        "fetch_deposits": [
            {"id": "1", "amount": 5.0, "currency": "USDT", "status": "pending", "timestamp": START_MS + 2_000},
            {"id": "2", "amount": 6.0, "currency": "USDT", "status": "ok", "timestamp": START_MS + 2_000},
            {"id": "3", "amount": 7.0, "currency": "USDT", "status": "ok", "timestamp": START_MS + 1_000},
        ],
        "fetch_withdrawals": [
            {"id": "2", "amount": 4.0, "currency": "USDT", "status": "ok", "timestamp": START_MS + 1_500,
             "fee": {"currency": "USDT", "cost": 1.0}},
        ],
    }  # fmt: skip

    async def read(method: str, *_: object, understand: Callable[[Any], Any]) -> list[Any]:
        return [understand(row) for row in rows[method]]

    has = {"fetchDeposits": True, "fetchWithdrawals": True}
    found = await transfers_since(read, has, load_profile("kraken", MarketType.SPOT), START_MS + 1_500)
    assert [(each.amount, each.transfer_id) for each in found] == [(-5, "withdrawal 2"), (6, "deposit 2")]
