"""Fees and balances that ccxt hands on with another meaning than the exchange's own."""

from __future__ import annotations

import json
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

import ccxt.pro
import pytest

from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.balances import balances
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Balance, Fee, MarketType

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
SOCKET = SimpleNamespace(resolve=lambda *news: None)  # where ccxt would hand its result on


def test_a_fee_in_okxs_order_stream_is_paid_and_no_rebate() -> None:
    """OKX writes paid fees as negative numbers; ccxt turns the sign of REST fills, but not of pushed ones."""
    client = ccxt.pro.okx()
    pushed = {"instId": "BTC-USDT", "side": "buy", "ordId": "2", "tradeId": "9", "fillPx": "100", "fillSz": "1",
              "fillFee": "-0.001", "fillFeeCcy": "BTC", "fee": "-0.005", "feeCcy": "BTC", "execType": "T",
              "fillTime": "1700000000000", "state": "partially_filled", "sz": "2", "accFillSz": "1"}  # fmt: skip
    trade = client.order_to_trade(client.parse_order(pushed))
    assert translate.fill(trade, load_profile("okx", SPOT)).fee == Fee("BTC", D("0.001"))
    rebate = client.order_to_trade(client.parse_order({**pushed, "fillFee": "0.0002"}))
    assert translate.fill(rebate, load_profile("okx", SPOT)).fee == Fee("BTC", D("-0.0002"))
    queried = {"instId": "BTC-USDT", "side": "buy", "ordId": "2", "tradeId": "9", "fillPx": "100", "fillSz": "1",
               "fee": "-0.001", "feeCcy": "BTC", "ts": "1700000000000"}  # fmt: skip
    assert translate.fill(client.parse_trade(queried), load_profile("okx", SPOT)).fee == Fee("BTC", D("0.001"))


OKX_COIN = {"ccy": "USDT", "cashBal": "1000", "eq": "1012.5", "availEq": "912.5", "availBal": "900", "frozenBal": "100"}
BYBIT_COIN = {
    "coin": "USDT", "walletBalance": "1000", "equity": "1012.5", "locked": "0", "totalPositionIM": "80",
    "totalOrderIM": "20", "availableToWithdraw": "",
}  # fmt: skip


def parsed(exchange: str, *, pushed: bool) -> Any:
    """Through unmodified ccxt: the answer to fetch_balance, or what watch_balance gives."""
    client = getattr(ccxt.pro, exchange)()
    if exchange == "okx":
        answer = {"data": [{"uTime": "1700000000000", "details": [OKX_COIN]}]}
        if not pushed:
            return client.parse_trading_balance({"code": "0", **answer})
        client.handle_balance(SOCKET, {"arg": {"channel": "account"}, **answer})
        return client.balance
    wallet = {"accountType": "UNIFIED", "coin": [BYBIT_COIN]}
    if not pushed:
        return client.parse_balance({"retCode": 0, "result": {"list": [wallet]}, "time": 1700000000000})
    client.handle_balance(SOCKET, {"topic": "wallet", "data": [wallet]})
    return client.balance["unified"]


@pytest.mark.parametrize("exchange", ["okx", "bybit"])
@pytest.mark.parametrize("pushed", [False, True], ids=["asked", "pushed"])
def test_the_profit_of_an_open_position_is_no_part_of_the_balance(exchange: str, pushed: bool) -> None:
    found = balances(parsed(exchange, pushed=pushed), 5, profile=load_profile(exchange, LINEAR))
    assert dict(found.by_currency) == {"USDT": Balance("USDT", D(900), D(100))}


def test_a_push_of_one_coin_says_nothing_of_those_pushed_before() -> None:
    client = ccxt.pro.okx()
    for coin in (OKX_COIN, {**OKX_COIN, "ccy": "BTC", "cashBal": "2", "frozenBal": "0"}):
        message = {"arg": {"channel": "account"}, "data": [{"details": [json.loads(json.dumps(coin))]}]}
        client.handle_balance(SOCKET, message)
    found = balances(client.balance, 5, complete=False, profile=load_profile("okx", LINEAR))
    assert dict(found.by_currency) == {"BTC": Balance("BTC", D(2), D(0))}
