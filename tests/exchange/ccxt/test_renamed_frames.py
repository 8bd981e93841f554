"""A frame under a name that ccxt does not know is told to it by one that it knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.profile.profile_schema import Rename
from btccxt.exchange.proof.record import load_proof
from btccxt.exchange.proof.tap import converse
from btccxt.model import MarketType

SPOT = MarketType.SPOT


def _candle(subject: str) -> str:
    data = {"symbol": "BTC-USDT", "candles": ["1700000040", "100", "101", "102", "99", "5", "500"], "time": 1}
    return json.dumps({"type": "message", "topic": "/market/candles:BTC-USDT_1min", "subject": subject, "data": data})


async def _told(*subjects: str, renames: tuple[Rename, ...] | None = None) -> tuple[str, ...]:
    profile, proof = load_profile("kucoin", SPOT), load_proof("kucoin")
    assert proof is not None
    market = proof.of(SPOT)
    assert market is not None and market.scripted is not None
    if renames is not None:
        profile = profile.model_copy(update={"websocket": profile.websocket.model_copy(update={"renames": renames})})
    scripted = replace(market.scripted, stream="bars", frames=[_candle(subject) for subject in subjects])
    return await converse(profile, proof.keys, market, scripted)


async def test_the_first_push_of_a_candle_of_kucoin_is_a_candle() -> None:
    """A minute with one trade has no other."""
    (added,) = await _told("trade.candles.add")
    assert "open=100.0, high=102.0, low=99.0, close=101.0, volume=5.0" in added
    assert (await _told("trade.candles.update")) == (added,)


@pytest.mark.parametrize("subject", ["trade.candles.add", "trade.candles.other"])
async def test_what_nobody_renames_stays_unread(subject: str) -> None:
    renames: Any = () if subject == "trade.candles.add" else None
    assert await _told(subject, renames=renames) == ()
