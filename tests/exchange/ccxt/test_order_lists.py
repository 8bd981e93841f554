"""Every list in which an exchange keeps orders is asked, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.exchange.ccxt.order_lists import OrderLists
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR


async def asked(exchange_id: str, market_type: MarketType, *, conditional: bool | None) -> list[dict[str, Any]]:
    """ccxt params of each request for the ended orders of one symbol."""
    profile, seen = load_profile(exchange_id, market_type), []

    async def read(_method: str, _symbol: str, _since: Any, _limit: Any, params: dict[str, Any]) -> list[Any]:
        seen.append(params)
        return []

    lists = OrderLists(profile.conditional, {}, read, profile.closed_lists)
    await lists.closed_rows("BTC/USDT", conditional=conditional)
    return seen


async def test_what_ended_on_deribit_is_looked_for_in_the_archive_and_among_the_unfilled() -> None:
    lists = [{"include_unfilled": True}, {"include_unfilled": True, "historical": True}]
    assert await asked("deribit", LINEAR, conditional=False) == lists
    assert await asked("deribit", LINEAR, conditional=True) == lists  # no book of their own


@pytest.mark.parametrize(("exchange_id", "market_type"), [("bitget", SPOT), ("bitget", LINEAR), ("gate", LINEAR)])
async def test_a_trigger_that_fired_is_looked_for_among_the_ended_triggers(
    exchange_id: str, market_type: MarketType
) -> None:
    assert await asked(exchange_id, market_type, conditional=True) == [{"trigger": True}]
    assert await asked(exchange_id, market_type, conditional=False) == [{}]
    assert await asked(exchange_id, market_type, conditional=None) == [{}, {"trigger": True}]
