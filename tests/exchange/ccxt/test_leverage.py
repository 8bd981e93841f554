"""Futures orders of KuCoin and Bitfinex name a leverage: the account's own or the asked one, not a default."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.leverage import AccountLeverage
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, OrderKind, OrderRequest, Side

pytestmark = pytest.mark.asyncio
REQUEST = OrderRequest("b1", "BTC/USDT:USDT", Side.BUY, OrderKind.MARKET, D(1))
KUCOIN = load_profile("kucoin", MarketType.LINEAR)


class Exchange:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def read(self, method: str, symbol: str) -> Any:
        self.asked.append(f"{method} {symbol}")
        return self.answers.pop(0)


async def sent(leverage: AccountLeverage, exchange: Exchange) -> OrderRequest:
    await leverage.learn(REQUEST, exchange.read)
    return leverage.in_request(REQUEST)


async def test_the_accounts_leverage_is_sent_and_asked_for_once_a_minute() -> None:
    now = [0]
    leverage, exchange = AccountLeverage(KUCOIN, lambda: now[0]), Exchange({"longLeverage": 7}, {"longLeverage": 9})
    assert (await sent(leverage, exchange)).params == {"leverage": 7}
    now[0] = 60_000
    assert (await sent(leverage, exchange)).params == {"leverage": 7}
    now[0] = 60_001
    assert (await sent(leverage, exchange)).params == {"leverage": 9}
    assert exchange.asked == ["fetch_leverage BTC/USDT:USDT"] * 2


async def test_the_users_own_word_stands() -> None:
    exchange = Exchange()
    given = OrderRequest("b1", "BTC/USDT:USDT", Side.BUY, OrderKind.MARKET, D(1), params={"leverage": 2})
    leverage = AccountLeverage(KUCOIN, lambda: 0)
    await leverage.learn(given, exchange.read)
    assert leverage.in_request(given) is given


@pytest.mark.parametrize("answer", [{}, None, {"longLeverage": None}, {"longLeverage": 0}])
async def test_an_order_is_not_sent_with_a_guessed_leverage(answer: Any) -> None:
    with pytest.raises(Refused, match="does not tell the leverage"):
        await AccountLeverage(KUCOIN, lambda: 0).learn(REQUEST, Exchange(answer).read)


async def test_other_exchanges_are_not_asked() -> None:
    bybit = AccountLeverage(load_profile("bybit", MarketType.LINEAR), lambda: 0)
    assert await sent(bybit, Exchange()) is REQUEST


async def test_where_the_account_has_none_orders_name_the_one_that_was_asked_for_and_none_goes_without() -> None:
    exchange = CCXTExchange(load_profile("bitfinex", MarketType.LINEAR), {"apiKey": "k", "secret": "s"})
    symbol = REQUEST.symbol
    await exchange.open()
    try:
        with pytest.raises(Refused, match="give the store leverage="):
            await exchange._leverage.learn(REQUEST, exchange._read)
        with pytest.raises(Unsupported, match="whole numbers"):
            await exchange.set_leverage(D("2.5"), symbol, None)
        await exchange.set_leverage(D(3), symbol, None)
        assert (await exchange.fetch_contract_terms(symbol)).leverage == 3
        await exchange._leverage.learn(REQUEST, exchange._read)
        assert exchange._leverage.in_request(REQUEST).params == {"lev": 3}
    finally:
        await exchange.close()
