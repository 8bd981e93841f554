"""Fills inside an order's answer take the order's side: Binance's own rows do not carry one."""

from __future__ import annotations

import ccxt
import pytest

from btccxt.exchange.ccxt.translate import fill, order_update
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, Origin, Side


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_fills_of_a_create_answer_have_the_side_of_the_order(side):
    binance = ccxt.binance()
    profile = load_profile("binance", MarketType.SPOT)
    answer = {
        "symbol": "BTCUSDT", "orderId": 28, "clientOrderId": "b1", "transactTime": 1507725176595, "price": "0",
        "origQty": "10", "executedQty": "10", "cummulativeQuoteQty": "40000", "status": "FILLED", "type": "MARKET",
        "side": side,
        "fills": [{"price": "4000", "qty": "10", "commission": "4", "commissionAsset": "USDT", "tradeId": 56}],
    }  # fmt: skip
    update = order_update(binance.parse_order(answer), profile, Origin.CREATE)
    assert [each.side for each in update.fills] == [Side(side.lower())]


def test_a_trade_without_any_side_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="neither buy nor sell"):
        fill({"id": "1", "price": 1.0, "amount": 1.0}, load_profile("binance", MarketType.SPOT))
