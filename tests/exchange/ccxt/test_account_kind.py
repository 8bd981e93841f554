"""Unified accounts of Bitget and KuCoin are refused at the start, with what their owner can do."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.errors import ExchangeUnavailable, Unsupported
from btccxt.exchange.ccxt.account_kind import AccountKind
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType

pytestmark = pytest.mark.asyncio
SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR


@pytest.mark.parametrize("market_type", [SPOT, LINEAR])
async def test_kucoin_is_asked_once_what_kind_of_account_it_is(market_type: MarketType) -> None:
    asked: list[str] = []

    def answering(mode: str) -> Any:
        async def read(method: str) -> Any:
            asked.append(method)
            return {"code": "200000", "data": {"selfAccountMode": mode, "unifiedSubAccount": []}}

        return read

    kind = AccountKind(load_profile("kucoin", market_type))
    with pytest.raises(Unsupported, match=r"unified account, which btccxt does not serve.*classic.*UNIFIED"):
        await kind.check(answering("UNIFIED"))
    await kind.check(answering("CLASSIC"))
    await kind.check(answering("CLASSIC"))
    assert asked == ["utaPrivateGetAccountMode"] * 2


@pytest.mark.parametrize("market_type", [SPOT, LINEAR])
async def test_bitgets_number_is_put_into_words(market_type: MarketType) -> None:
    async def read(method: str) -> Any:
        raise AssertionError(method)

    kind = AccountKind(load_profile("bitget", market_type))
    await kind.check(read)
    told = ExchangeUnavailable('bitget {"code":"40085","msg":"You are in Unified Account mode, ..."}')
    explained = kind.explained(told)
    assert isinstance(explained, Unsupported)
    assert "make a classic sub-account" in str(explained)
    other = ExchangeUnavailable("bitget 40725")
    assert kind.explained(other) is other
