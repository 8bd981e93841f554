# ruff: noqa: E501 - one answer per line reads as a table
"""Balances as each exchange documents them, asked for and pushed, of an account with an open position and a resting order.

Wallet 1000, open profit 12.5, position margin 80, order margin 20: the total is 1000 whatever is open, or a resting order
would look like money that came or went. Facts of the documentation, own figures.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.exchange.ccxt.balances import balances
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Balances, MarketType
from tests.exchange.ccxt.replay import FakeClient, exchange_for

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
T = 1_700_000_000_000

_DERIBIT = {
    "currency": "USDC",
    "balance": 1000.0,
    "equity": 1012.5,
    "margin_balance": 1012.5,
    "initial_margin": 100.0,
    "maintenance_margin": 40.0,
    "available_funds": 912.5,
    "available_withdrawal_funds": 900.0,
    "session_upl": 12.5,
    "futures_session_upl": 12.5,
    "total_pl": 12.5,
    "spot_reserve": 0.0,
}
_HYPERLIQUID = {
    "marginSummary": {
        "accountValue": "1012.5",
        "totalNtlPos": "800.0",
        "totalRawUsd": "212.5",
        "totalMarginUsed": "80.0",
    },
    "crossMarginSummary": {
        "accountValue": "1012.5",
        "totalNtlPos": "800.0",
        "totalRawUsd": "212.5",
        "totalMarginUsed": "80.0",
    },
    "crossMaintenanceMarginUsed": "8.0",
    "withdrawable": "912.5",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "BTC",
                "szi": "8",
                "entryPx": "98",
                "positionValue": "800",
                "unrealizedPnl": "16.0",
                "marginUsed": "60",
                "leverage": {"type": "cross", "value": 10},
            },
        },
        {
            "type": "oneWay",
            "position": {
                "coin": "ETH",
                "szi": "-1",
                "entryPx": "98",
                "positionValue": "100",
                "unrealizedPnl": "-3.5",
                "marginUsed": "20",
                "leverage": {"type": "cross", "value": 10},
            },
        },
    ],
    "time": T,
}
_MEXC = {
    "currency": "USDT",
    "positionMargin": 80,
    "availableBalance": 900,
    "cashBalance": 900,
    "frozenBalance": 20,
    "equity": 1012.5,
    "unrealized": 12.5,
    "bonus": 0,
}
_BITGET = {
    "marginCoin": "USDT",
    "locked": "20",
    "available": "1000",
    "crossedMaxAvailable": "912.5",
    "isolatedMaxAvailable": "912.5",
    "maxTransferOut": "900",
    "accountEquity": "1012.5",
    "usdtEquity": "1012.5",
    "btcEquity": "0.01",
    "crossedRiskRate": "0",
    "unrealizedPL": "12.5",
    "coupon": "0",
    "crossedMargin": "80",
    "isolatedMargin": "0",
}
_KUCOIN = {
    "accountEquity": 1012.5,
    "unrealisedPNL": 12.5,
    "marginBalance": 1000,
    "positionMargin": 80,
    "orderMargin": 20,
    "frozenFunds": 0,
    "availableBalance": 912.5,
    "currency": "USDT",
}
_GATE = {
    "order_margin": "20",
    "position_margin": "80",
    "unrealised_pnl": "12.5",
    "total": "1000",
    "available": "900",
    "currency": "USDT",
    "in_dual_mode": False,
    "user": 1,
    "point": "0",
    "bonus": "0",
}
_HTX = {
    "currency": "USDT",
    "equity": "1012.5",
    "available": "900",
    "profit_unreal": "12.5",
    "initial_margin": "100",
    "maintenance_margin": "8",
    "available_margin": "912.5",
    "withdraw_available": "900",
    "isolated_equity": "0",
    "isolated_profit_unreal": "0",
    "voucher": "0",
}
_KRAKENFUTURES = {
    "accounts": {
        "flex": {
            "currencies": {
                "USD": {"quantity": "1000", "value": "1000", "collateral": "950", "available": "900"},
                "XBT": {"quantity": "0.5", "value": "30000", "collateral": "29000", "available": "0.5"},
            },
            "initialMargin": "100",
            "pnl": "12.5",
            "portfolioValue": "31012.5",
            "type": "multiCollateralMarginAccount",
        }
    },
    "result": "success",
    "serverTime": "2023-11-14T22:13:20.000Z",
}
_OKX = {
    "ccy": "USDT",
    "cashBal": "1000",
    "eq": "1012.5",
    "availEq": "912.5",
    "availBal": "900",
    "frozenBal": "100",
    "upl": "12.5",
}
_BYBIT = {
    "coin": "USDT",
    "walletBalance": "1000",
    "equity": "1012.5",
    "locked": "0",
    "totalPositionIM": "80",
    "totalOrderIM": "20",
    "unrealisedPnl": "12.5",
    "availableToWithdraw": "",
}
_BINANCE = {
    "asset": "USDT",
    "walletBalance": "1000",
    "unrealizedProfit": "12.5",
    "marginBalance": "1012.5",
    "initialMargin": "100",
    "availableBalance": "912.5",
    "crossWalletBalance": "1000",
    "crossUnPnl": "12.5",
    "maintMargin": "8",
    "maxWithdrawAmount": "900",
}

# what the answers are: exchange, market, used of the wallet, answer
_ASKED: list[tuple[str, MarketType, str, Any]] = [
    ("deribit", LINEAR, "100", {"jsonrpc": "2.0", "result": {"summaries": [_DERIBIT]}}),
    ("hyperliquid", LINEAR, "80", _HYPERLIQUID),
    ("mexc", LINEAR, "100", {"success": True, "code": 0, "data": [_MEXC]}),
    ("bitget", LINEAR, "100", {"code": "00000", "data": [_BITGET]}),
    ("kucoin", LINEAR, "100", {"code": "200000", "data": _KUCOIN}),
    ("gate", LINEAR, "100", _GATE),
    ("htx", LINEAR, "100", {"code": 200, "data": {"equity": "1012.5", "details": [_HTX]}, "ts": T}),
    ("krakenfutures", LINEAR, "100", _KRAKENFUTURES),
    ("okx", LINEAR, "100", {"code": "0", "data": [{"uTime": str(T), "details": [_OKX]}]}),
    ("bybit", LINEAR, "100", {"retCode": 0, "result": {"list": [{"accountType": "UNIFIED", "coin": [_BYBIT]}]}, "time": T}),
    ("binance", LINEAR, "100", {"assets": [_BINANCE], "positions": [], "totalWalletBalance": "1000"}),
    ("binanceusdm", LINEAR, "100", {"assets": [_BINANCE], "positions": [], "totalWalletBalance": "1000"}),
    ("bitfinex", LINEAR, "100", [["margin", "USTF0", 1000, 0, 900, None, None], ["exchange", "UST", 7, 0, 7, None, None]]),
]  # fmt: skip

_PUSHED: list[tuple[str, MarketType, str, Any]] = [
    ("deribit", LINEAR, "100", {"params": {"channel": "user.portfolio.usdc", "data": _DERIBIT}, "method": "subscription", "jsonrpc": "2.0"}),
    ("hyperliquid", LINEAR, "80", {"channel": "clearinghouseState", "data": {"dex": "", "user": "0x1", "clearinghouseState": _HYPERLIQUID}}),
    ("mexc", LINEAR, "100", {"channel": "push.personal.asset", "data": {"availableBalance": 900, "bonus": 0, "currency": "USDT", "frozenBalance": 20, "positionMargin": 80}, "ts": T}),
    ("bitget", LINEAR, "100", {"action": "snapshot", "arg": {"instType": "USDT-FUTURES", "channel": "account", "coin": "default"}, "data": [{"marginCoin": "USDT", "frozen": "20", "available": "1000", "maxOpenPosAvailable": "900", "maxTransferOut": "900", "equity": "1012.5", "usdtEquity": "1012.5", "crossedRiskRate": "0", "unrealizedPL": "12.5"}], "ts": T}),
    ("kucoin", LINEAR, "100", {"topic": "/contractAccount/wallet", "type": "message", "subject": "walletBalance.change", "channelType": "private", "data": {"crossPosMargin": "80", "isolatedOrderMargin": "0", "holdBalance": "0", "equity": "1012.5", "availableBalance": "912.5", "isolatedPosMargin": "0", "walletBalance": "1000", "crossUnPnl": "12.5", "currency": "USDT", "crossOrderMargin": "20", "isolatedUnPnl": "0", "timestamp": str(T)}}),
    ("gate", LINEAR, "0", {"time": 1, "channel": "futures.balances", "event": "update", "result": [{"balance": 1000, "change": -0.5, "text": "BTC_USDT:1", "time": 1700000000, "time_ms": T, "type": "fee", "user": "1"}]}),
    ("htx", LINEAR, "100", {"op": "notify", "topic": "account", "ts": T, "event": "snapshot", "data": {"equity": "1012.5", "details": [_HTX]}}),
    ("krakenfutures", LINEAR, "100", {"feed": "balances", "account": "a", "flex_futures": {"currencies": {"USD": {"quantity": 1000.0, "value": 1000.0, "collateral_value": 950.0, "available": 900.0, "haircut": 0.0, "conversion_spread": 0.0}}, "balance_value": 1000.0, "portfolio_value": 1012.5, "collateral_value": 950.0, "pnl": 12.5}, "timestamp": T, "seq": 1}),
    ("okx", LINEAR, "100", {"arg": {"channel": "account"}, "data": [{"uTime": str(T), "details": [_OKX]}]}),
    ("bybit", LINEAR, "100", {"topic": "wallet", "data": [{"accountType": "UNIFIED", "coin": [_BYBIT]}]}),
    ("binance", LINEAR, "0", {"e": "ACCOUNT_UPDATE", "E": T, "T": T, "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "1000", "cw": "900", "bc": "0"}], "P": []}}),
    ("bitfinex", LINEAR, "100", [0, "wu", ["margin", "USTF0", 1000, 0, 900, "Trading fees", None]]),
    ("binance", SPOT, "100", {"e": "outboundAccountPosition", "E": T, "u": T, "B": [{"a": "USDT", "f": "900", "l": "100"}]}),
    ("kucoin", SPOT, "100", {"topic": "/account/balance", "type": "message", "subject": "account.balance", "channelType": "private", "data": {"accountId": "1", "available": "900", "availableChange": "-30", "currency": "USDT", "hold": "100", "holdChange": "0", "relationEvent": "trade_hf.hold", "relationEventId": "1", "time": str(T), "total": "1000"}}),
    ("gate", SPOT, "100", {"time": 1, "channel": "spot.balances", "event": "update", "result": [{"timestamp": "1700000000", "timestamp_ms": str(T), "user": "1", "currency": "USDT", "change": "0", "total": "1000", "available": "900", "freeze": "100", "freeze_change": "5", "change_type": "order-create"}]}),
]  # fmt: skip


def _named(rows: list[tuple[str, MarketType, str, Any]]) -> Any:
    return pytest.mark.parametrize(
        ("exchange_id", "market_type", "used", "answer"),
        [pytest.param(*row, id=f"{row[0]}-{row[1].value}") for row in rows],
    )


def _exchange(exchange_id: str, market_type: MarketType) -> Any:
    exchange = exchange_for(exchange_id, market_type)
    exchange.options |= {"defaultType": "spot" if market_type is SPOT else "swap", "defaultSubType": "linear"}
    return exchange


@_named(_ASKED)
def test_the_total_is_the_wallet_whatever_is_open(
    exchange_id: str, market_type: MarketType, used: str, answer: Any
) -> None:
    exchange, profile = _exchange(exchange_id, market_type), load_profile(exchange_id, market_type)

    async def fetch(*_: Any, **__: Any) -> Any:
        return deepcopy(answer)

    exchange.fetch = fetch
    told = asyncio.run(exchange.fetch_balance(dict(profile.balances.query_params)))
    _check(balances(told, 5, profile=profile), profile.settle_currency or "", used)


@_named(_PUSHED)
def test_a_push_says_what_the_answer_says(exchange_id: str, market_type: MarketType, used: str, answer: Any) -> None:
    profile = load_profile(exchange_id, market_type)
    told = _pushed(_exchange(exchange_id, market_type), exchange_id, market_type, answer)
    found = balances(told, 5, complete=False, profile=profile, frame=answer)
    _check(found, profile.settle_currency or profile.quote_currency, used)
    assert len(found.by_currency) == 1


def _check(found: Balances, coin: str, used: str) -> None:
    assert (found.by_currency[coin].total, found.by_currency[coin].used) == (D(1000), D(used)), found


def _pushed(exchange: Any, exchange_id: str, market_type: MarketType, *frames: Any) -> Any:
    """What ccxt hands on after the last frame."""
    client = FakeClient("wss://test/ws")
    if exchange_id.startswith("binance"):
        kind = "spot" if market_type is SPOT else "linear"
        client.subscriptions[f"{kind}:fetchBalanceSnapshot"] = client.subscriptions[kind] = True
        exchange.balance = {kind: {}}
    for frame in frames:
        exchange.handle_balance(client, deepcopy(frame), *([None] if exchange_id == "bitfinex" else []))
    return client.resolved[-1][1]


def test_a_deposit_is_counted_once() -> None:
    """Binance tells it twice: the change, and what there is after it. ccxt adds the change to what there is."""
    there = {"e": "outboundAccountPosition", "E": T, "u": T, "B": [{"a": "USDT", "f": "5000", "l": "0"}]}
    change = {"e": "balanceUpdate", "E": T, "a": "USDT", "d": "5000", "T": T}
    told = _pushed(_exchange("binance", SPOT), "binance", SPOT, there, change)
    assert told["USDT"]["free"] == 10_000
    assert not balances(told, 5, complete=False, profile=load_profile("binance", SPOT)).by_currency


def test_a_frame_that_names_no_wallet_tells_no_balance() -> None:
    """KuCoin's older frames have what is free, and nothing of the positions' margin."""
    frame = {"topic": "/contractAccount/wallet", "type": "message", "subject": "availableBalance.change", "data": {"currency": "USDT", "holdBalance": "20", "availableBalance": "900", "timestamp": str(T)}}  # fmt: skip
    told = _pushed(_exchange("kucoin", LINEAR), "kucoin", LINEAR, frame)
    assert not balances(told, 5, complete=False, profile=load_profile("kucoin", LINEAR)).by_currency


def test_coins_have_the_names_that_ccxt_gives_them() -> None:
    profile = load_profile("krakenfutures", LINEAR)
    told = _exchange("krakenfutures", LINEAR).parse_balance(_KRAKENFUTURES["accounts"]["flex"])
    found = balances({**told, "info": _KRAKENFUTURES}, 5, profile=profile).by_currency
    assert {coin: each.total for coin, each in found.items()} == {"USD": D(1000), "BTC": D("0.5")}


def test_an_absurd_time_is_none() -> None:
    nanoseconds = {"USDT": {"free": 1.0, "used": 0.0, "total": 1.0}, "timestamp": T * 1_000_000, "info": {}}
    assert balances(nanoseconds, 5).time_ms == 5
    assert balances({**nanoseconds, "timestamp": T}, 5).time_ms == T
