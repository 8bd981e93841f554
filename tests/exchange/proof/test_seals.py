"""Signatures that take long are made once of each kind at a start; a change is found all the same."""

from __future__ import annotations

from typing import Any

import ccxt.async_support as rest
import pytest
from ccxt.async_support.base.exchange import BaseExchange

from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof.examine import examine
from btccxt.model import MarketType

SIGNED_IN_PYTHON = [("hyperliquid", MarketType.LINEAR), ("aster", MarketType.SPOT), ("aster", MarketType.LINEAR)]


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    made: list[tuple[Any, ...]] = []
    encode = BaseExchange.eth_encode_structured_data

    def counting(*data: Any) -> Any:
        made.append(data)
        return encode(*data)

    monkeypatch.setattr(BaseExchange, "eth_encode_structured_data", staticmethod(counting))
    return made


@pytest.mark.parametrize(("exchange", "market_type"), SIGNED_IN_PYTHON)
async def test_a_start_signs_once_what_the_command_signs_each_time(
    exchange: str, market_type: MarketType, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, profile = _counted(monkeypatch), load_profile(exchange, market_type)
    assert (await examine(profile, every_signature=False)).good
    kinds = {repr(data[:2]) for data in made}
    assert 1 <= len(made) <= len(kinds) + 1  # once more where a conversation begins with a signed request
    made.clear()
    assert (await examine(profile)).good
    assert len(made) > 20


@pytest.mark.parametrize("every_signature", [False, True])
async def test_another_signature_is_found(every_signature: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = rest.hyperliquid.construct_phantom_agent
    monkeypatch.setattr(
        rest.hyperliquid,
        "construct_phantom_agent",
        lambda self, action, testnet=True: real(self, action, not testnet),
    )
    verdict = await examine(load_profile("hyperliquid", MarketType.LINEAR), every_signature=every_signature)
    assert any("signature." in each.text for each in verdict.differences)


async def test_what_is_not_signed_is_compared_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rest.hyperliquid.amount_to_precision
    monkeypatch.setattr(
        rest.hyperliquid, "amount_to_precision", lambda self, symbol, amount: str(float(real(self, symbol, amount)) * 2)
    )
    profile = load_profile("hyperliquid", MarketType.LINEAR)
    spared = await examine(profile, every_signature=False)
    full = await examine(profile)
    assert len(spared.differences) > 20
    assert {each.title for each in spared.differences} == {each.title for each in full.differences}
    assert set(spared.refused) == set(full.refused)
