# ruff: noqa: E501 - one order per line reads as a table
"""Orders of the fourteen exchanges that were listed later, in the shape that each documents, and what each of them means.

Every order is for 2 at 100, begins at ``T`` and ends at ``END``. Facts of the documentation, own figures.
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt.exchange.ccxt.balances import balances
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.translate import order_update
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, OrderStatus, Origin, Side
from tests.exchange.capture import make_exchange
from tests.exchange.ccxt.replay import exchange_for

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
T, END = 1_700_000_000_000, 1_700_000_090_500
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
EXPIRED, REJECTED, UNKNOWN = OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.UNKNOWN
BUY, SELL = Side.BUY, Side.SELL


def _cryptocom(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "account_id": "a",
        "order_id": "7",
        "client_oid": "b1",
        "order_type": "LIMIT",
        "time_in_force": "GOOD_TILL_CANCEL",
        "side": "BUY",
        "exec_inst": [],
        "quantity": "2",
        "limit_price": "100",
        "order_value": "200",
        "avg_price": "100" if done != "0" else "0",
        "cumulative_quantity": done,
        "cumulative_value": "0",
        "cumulative_fee": "0",
        "status": status,
        "instrument_name": "BTC_USDT",
        "fee_instrument_name": "BTC",
        "create_time": T,
        "update_time": END,
        **more,
    }


def _bingx(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC-USDT",
        "orderId": 7,
        "side": "BUY",
        "positionSide": "BOTH",
        "type": "LIMIT",
        "origQty": "2",
        "price": "100",
        "executedQty": done,
        "avgPrice": "100" if done != "0" else "0",
        "cumQuote": "0",
        "stopPrice": "",
        "profit": "0",
        "commission": "0",
        "status": status,
        "time": T,
        "updateTime": END,
        "clientOrderId": "b1",
        **more,
    }


def _bitvavo(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "orderId": "7",
        "clientOrderId": "b1",
        "market": "BTC-EUR",
        "created": T,
        "updated": END,
        "status": status,
        "side": "buy",
        "orderType": "limit",
        "amount": "2",
        "amountRemaining": "0",
        "price": "100",
        "onHold": "0",
        "filledAmount": done,
        "filledAmountQuote": str(D(done) * 99),
        "feePaid": "0",
        "feeCurrency": "EUR",
        "fills": [],
        "selfTradePrevention": "decrementAndCancel",
        "visible": True,
        "timeInForce": "GTC",
        "postOnly": False,
        **more,
    }


def _gemini(**more: Any) -> dict[str, Any]:
    return {
        "order_id": "7",
        "id": "7",
        "symbol": "btcusd",
        "exchange": "gemini",
        "avg_execution_price": "0.00",
        "side": "buy",
        "type": "exchange limit",
        "timestamp": "1700000000",
        "timestampms": T,
        "is_live": False,
        "is_cancelled": False,
        "is_hidden": False,
        "client_order_id": "b1",
        "options": [],
        "price": "100",
        "original_amount": "2",
        "remaining_amount": "2",
        "executed_amount": "0",
        **more,
    }


def _phemex(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "bizError": 0,
        "orderID": "7",
        "clOrdID": "b1",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "actionTimeNs": T * 1_000_000,
        "transactTimeNs": END * 1_000_000,
        "orderType": "Limit",
        "priceRp": "100",
        "orderQtyRq": "2",
        "displayQtyRq": "2",
        "timeInForce": "GoodTillCancel",
        "reduceOnly": False,
        "cumQtyRq": done,
        "cumValueRv": str(D(done) * 99),
        "leavesQtyRq": "0",
        "stopPxRp": "0",
        "ordStatus": status,
        **more,
    }


def _whitebit(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "orderId": 7,
        "clientOrderId": "b1",
        "market": "BTC_USDT",
        "side": "buy",
        "type": "limit",
        "timestamp": 1700000000.0,
        "ftime": 1700000090.5,
        "dealMoney": str(D(done) * 99),
        "dealStock": done,
        "amount": "2",
        "left": "0",
        "dealFee": "0",
        "price": "100",
        "postOnly": False,
        "ioc": False,
        "status": status,
        **more,
    }


def _upbit(state: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "uuid": "7",
        "identifier": "b1",
        "side": "ask",
        "ord_type": "limit",
        "price": "100",
        "state": state,
        "market": "KRW-BTC",
        "created_at": "2023-11-14T22:13:20+00:00",
        "volume": "2",
        "remaining_volume": "0",
        "reserved_fee": "0",
        "remaining_fee": "0",
        "paid_fee": "0",
        "locked": "0",
        "executed_volume": done,
        "executed_funds": str(D(done) * 99),
        "trades_count": 0,
        **more,
    }


def _bithumb(state: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {**_upbit(state, done), "client_order_id": "b1", "order_id": "7", **more}


_TRADES = [
    {"market": "KRW-BTC", "uuid": "t1", "price": "99", "volume": "1.5", "funds": "148.5", "side": "ask", "created_at": "2023-11-14T22:13:21+00:00"},
    {"market": "KRW-BTC", "uuid": "t2", "price": "98", "volume": "0.5", "funds": "49", "side": "ask", "created_at": "2023-11-14T22:13:22+00:00"},
]  # fmt: skip


def _woo(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "orderId": 7,
        "clientOrderId": 81985529,
        "symbol": "SPOT_BTC_USDT",
        "orderTag": "default",
        "side": "BUY",
        "quantity": 2,
        "amount": None,
        "type": "LIMIT",
        "status": status,
        "price": 100,
        "executed": D(done),
        "visible": 0,
        "averageExecutedPrice": 99 if done != "0" else None,
        "totalFee": 0,
        "feeAsset": "BTC",
        "createdTime": str(T),
        "updatedTime": str(END),
        "reduceOnly": False,
        **more,
    }


def _backpack(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "id": "7",
        "clientId": 81985529,
        "symbol": "BTC_USDC",
        "side": "Bid",
        "orderType": "Limit",
        "quantity": "2",
        "price": "100",
        "executedQuantity": done,
        "executedQuoteQuantity": str(D(done) * 99),
        "status": status,
        "timeInForce": "GTC",
        "createdAt": T,
        "postOnly": False,
        "reduceOnly": None,
        **more,
    }


def _lbank(status: int, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "symbol": "btc_usdt",
        "orderId": "7",
        "clientOrderId": "b1",
        "type": "buy",
        "price": "100",
        "origQty": "2",
        "executedQty": done,
        "cummulativeQuoteQty": str(D(done) * 99),
        "status": status,
        "time": T,
        **more,
    }


def _xt(state: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "symbol": "btc_usdt",
        "orderId": "7",
        "clientOrderId": "b1",
        "baseCurrency": "btc",
        "quoteCurrency": "usdt",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "100",
        "origQty": "2",
        "executedQty": done,
        "leavingQty": "0",
        "tradeBase": done,
        "avgPrice": "99" if done != "0" else None,
        "fee": None,
        "feeCurrency": None,
        "state": state,
        "time": T,
        "updatedTime": END,
        **more,
    }


def _aster(status: str, done: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 7,
        "clientOrderId": "b1",
        "price": "100",
        "origQty": "2",
        "executedQty": done,
        "cumQuote": "0",
        "avgPrice": "99" if done != "0" else "0",
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "reduceOnly": False,
        "stopPrice": "0",
        "time": T,
        "updateTime": END,
        **more,
    }


def _bitstamp(status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "datetime": "2023-11-14 22:13:20",
        "type": "0",
        "status": status,
        "market": "BTC/USD",
        "transactions": [],
        "amount_remaining": "2",
        "client_order_id": "b1",
        **more,
    }


_ORDERS: list[tuple[str, MarketType, Any, OrderStatus, str | None, str | None, int | None]] = [
    ("cryptocom", SPOT, _cryptocom("NEW"), OPEN, "0", None, END),
    ("cryptocom", SPOT, _cryptocom("ACTIVE", "0.5"), OPEN, "0.5", "100", END),
    ("cryptocom", SPOT, _cryptocom("FILLED", "2"), FILLED, "2", "100", END),
    ("cryptocom", SPOT, _cryptocom("CANCELED", "0.5"), CANCELED, "0.5", "100", END),
    ("cryptocom", SPOT, _cryptocom("EXPIRED"), EXPIRED, "0", None, END),
    ("cryptocom", SPOT, _cryptocom("HALTED"), UNKNOWN, "0", None, END),
    ("bingx", SPOT, _bingx("NEW"), OPEN, "0", None, END),
    ("bingx", SPOT, _bingx("FILLED", "2"), FILLED, "2", "100", END),
    ("bingx", SPOT, _bingx("FAILED"), REJECTED, "0", None, END),
    ("bingx", LINEAR, _bingx("CANCELLED", "0.5"), CANCELED, "0.5", "100", END),
    ("bitvavo", SPOT, _bitvavo("new"), OPEN, "0", None, END),
    ("bitvavo", SPOT, _bitvavo("awaitingTrigger"), OPEN, "0", None, END),
    ("bitvavo", SPOT, _bitvavo("filled", "2"), FILLED, "2", "99", END),
    ("bitvavo", SPOT, _bitvavo("canceledIOC", "0.5"), CANCELED, "0.5", "99", END),
    ("bitvavo", SPOT, _bitvavo("rejected"), REJECTED, "0", None, END),
    ("bitstamp", SPOT, _bitstamp("Open", amount_at_create="2"), OPEN, "0", None, T),
    ("bitstamp", SPOT, _bitstamp("Open", amount_at_create="2", amount_remaining="1.5"), OPEN, "0.5", None, T),
    ("bitstamp", SPOT, _bitstamp("Finished"), FILLED, None, None, T),
    ("bitstamp", SPOT, _bitstamp("Cancel pending"), OPEN, None, None, T),
    ("bitstamp", SPOT, _bitstamp("Expired"), EXPIRED, None, None, T),
    ("gemini", SPOT, _gemini(is_live=True), OPEN, "0", None, T),
    ("gemini", SPOT, _gemini(is_cancelled=True, executed_amount="0.5", avg_execution_price="99", remaining_amount="1.5"), CANCELED, "0.5", "99", T),
    ("gemini", SPOT, _gemini(executed_amount="2", avg_execution_price="99", remaining_amount="0"), FILLED, "2", "99", T),
    ("gemini", SPOT, _gemini(executed_amount="1", avg_execution_price="99", remaining_amount="1"), UNKNOWN, "1", "99", T),
    ("phemex", LINEAR, _phemex("New"), OPEN, "0", None, END),
    ("phemex", LINEAR, _phemex("Untriggered"), OPEN, "0", None, END),
    ("phemex", LINEAR, _phemex("Filled", "2"), FILLED, "2", "99", END),
    ("phemex", LINEAR, _phemex("Deactivated"), CANCELED, "0", None, END),
    ("phemex", LINEAR, _phemex("3"), OPEN, "0", None, END),
    ("phemex", LINEAR, _phemex("7", "2"), FILLED, "2", "99", END),
    ("whitebit", SPOT, _whitebit("OPEN", "0.5"), OPEN, "0.5", "99", END),
    ("whitebit", SPOT, _whitebit("FILLED", "2"), FILLED, "2", "99", END),
    ("whitebit", SPOT, _whitebit("CANCELED"), CANCELED, "0", None, END),
    ("upbit", SPOT, _upbit("wait"), OPEN, "0", None, T),
    ("upbit", SPOT, _upbit("done", "2"), FILLED, "2", "99", T),
    ("upbit", SPOT, _upbit("cancel", "0.5"), CANCELED, "0.5", "99", T),
    ("upbit", SPOT, _upbit("prevented"), CANCELED, "0", None, T),
    ("bithumb", SPOT, _bithumb("wait", "0.5"), OPEN, "0.5", "99", T),
    ("bithumb", SPOT, _bithumb("done", "2"), FILLED, "2", "99", T),
    ("woo", SPOT, _woo("NEW"), OPEN, "0", None, END),
    ("woo", SPOT, _woo("CANCEL_SENT"), OPEN, "0", None, END),
    ("woo", SPOT, _woo("FILLED", "2"), FILLED, "2", "99", END),
    ("woo", SPOT, _woo("CANCELLED", "0.5"), CANCELED, "0.5", "99", END),
    ("backpack", SPOT, _backpack("New"), OPEN, "0", None, T),
    ("backpack", SPOT, _backpack("Filled", "2"), FILLED, "2", "99", T),
    ("backpack", SPOT, _backpack("Expired", "0.5"), EXPIRED, "0.5", "99", T),
    ("lbank", SPOT, _lbank(0), OPEN, "0", None, T),
    ("lbank", SPOT, _lbank(2, "2"), FILLED, "2", "99", T),
    ("lbank", SPOT, _lbank(4, "0.5"), OPEN, "0.5", "99", T),
    ("lbank", SPOT, _lbank(-1), CANCELED, "0", None, T),
    ("lbank", SPOT, _lbank(3, "0.5"), CANCELED, "0.5", "99", T),
    ("xt", SPOT, _xt("NEW"), OPEN, "0", None, END),
    ("xt", SPOT, _xt("FILLED", "2"), FILLED, "2", "99", END),
    ("xt", SPOT, _xt("PARTIALLY_CANCELED", "0.5"), CANCELED, "0.5", "99", END),
    ("aster", LINEAR, _aster("NEW"), OPEN, "0", None, END),
    ("aster", LINEAR, _aster("FILLED", "2"), FILLED, "2", "99", END),
    ("aster", SPOT, _aster("EXPIRED", "0.5"), EXPIRED, "0.5", "99", END),
    ("aster", SPOT, _aster("REJECTED"), REJECTED, "0", None, END),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "raw", "status", "filled", "average", "time_ms"),
    [pytest.param(*row, id=f"{row[0]}-{row[1].value}-{number}") for number, row in enumerate(_ORDERS)],
)
def test_a_documented_order_means_what_the_exchange_says(
    exchange_id: str, market_type: MarketType, raw: Any, status: OrderStatus, filled: str | None, average: str | None, time_ms: int | None,
) -> None:  # fmt: skip
    exchange, profile = exchange_for(exchange_id, market_type), load_profile(exchange_id, market_type)
    update = order_update(exchange.parse_order(deepcopy(raw)), profile, Origin.QUERY)
    assert (update.status, update.time_ms) == (status, time_ms), update
    assert (update.filled, update.average) == (
        None if filled is None else D(filled),
        None if average is None else D(average),
    ), update
    assert (update.order_id, update.client_order_id) == (
        "7",
        "81985529" if exchange_id in ("woo", "backpack") else "b1",
    ), update
    assert update.side is (SELL if exchange_id in ("upbit", "bithumb") else BUY), update
    assert update.reject_reason == ("prevented" if update.raw_status == "prevented" else None), update


_WALLETS: list[tuple[str, MarketType, Any]] = [
    ("bingx", LINEAR, {"code": 0, "data": [{"asset": "USDT", "balance": "1000", "equity": "1012.5", "unrealizedProfit": "12.5", "availableMargin": "912.5", "usedMargin": "80", "freezedMargin": "20"}]}),
    ("bingx", LINEAR, {"e": "ACCOUNT_UPDATE", "E": T, "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "1000", "cw": "900", "bc": "0"}], "P": []}}),
    ("phemex", LINEAR, {"code": 0, "data": {"account": {"accountId": 1, "currency": "USDT", "accountBalanceRv": "1000", "totalUsedBalanceRv": "100", "bonusBalanceRv": "0"}, "positions": []}}),
    ("woo", LINEAR, {"success": True, "data": {"holding": [{"token": "USDT", "holding": 1000, "frozen": 100, "availableBalance": 912.5, "pnl24Hour": 12.5}]}}),
    ("aster", LINEAR, [{"asset": "USDT", "balance": "1000", "crossWalletBalance": "1000", "crossUnPnl": "12.5", "availableBalance": "912.5", "maxWithdrawAmount": "900"}]),
    ("cryptocom", LINEAR, {"result": {"data": [{"instrument_name": "USD", "total_available_balance": "912.5", "total_margin_balance": "1012.5", "total_initial_margin": "100", "total_cash_balance": "1000", "total_session_unrealized_pnl": "12.5"}]}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "answer"),
    _WALLETS,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(_WALLETS)],
)
def test_the_total_is_the_wallet_whatever_is_open(exchange_id: str, market_type: MarketType, answer: Any) -> None:
    profile = load_profile(exchange_id, market_type)
    coin = profile.settle_currency or ""
    made_by_ccxt = {coin: {"free": 912.5, "used": 100.0, "total": 1012.5}, "info": answer}
    assert balances(made_by_ccxt, 5, profile=profile).by_currency[coin].total == D(1000)


def test_what_ccxt_would_sign_for_itself_is_switched_off() -> None:
    assert load_profile("aster", LINEAR).options["builderFee"] is False
    assert load_profile("bitvavo", SPOT).options["operatorId"] == 1


async def test_funding_that_ccxt_leaves_under_the_exchanges_own_symbol_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Phemex's: what is positive was paid."""
    profile = load_profile("phemex", LINEAR)
    exchange, market = CCXTExchange(profile), make_exchange("phemex", LINEAR)[1]
    row = {"symbol": "BTCUSDT", "code": "USDT", "timestamp": T, "id": "9", "amount": 0.3, "info": {}}

    async def read(*_: Any) -> Any:
        return [row, {**row, "symbol": "ETHUSDT"}, {**row, "timestamp": T - 1}]

    async def found(_: str) -> Any:
        return market

    monkeypatch.setattr(
        exchange, "_rest", SimpleNamespace(has={"fetchFundingHistory": True}, fetch_funding_history=read)
    )
    monkeypatch.setattr(exchange, "_market", found)
    (payment,) = await exchange.fetch_funding(market.symbol, T)
    assert (payment.symbol, payment.amount, payment.currency) == (market.symbol, D("-0.3"), "USDT")


@pytest.mark.parametrize(("exchange_id", "make"), [("upbit", _upbit), ("bithumb", _bithumb)])
def test_fills_that_only_the_orders_own_answer_lists_have_their_prices_and_their_shares_of_its_fee(
    exchange_id: str, make: Any
) -> None:
    raw = make("done", "2", paid_fee="0.79", trades=deepcopy(_TRADES))
    del raw["executed_funds"]  # told by stream only
    exchange, profile = exchange_for(exchange_id, SPOT), load_profile(exchange_id, SPOT)
    parsed = {**exchange.parse_order(raw), "symbol": "BTC/KRW"}  # an answer is asked for with its market
    update = order_update(parsed, profile, Origin.QUERY)
    told = [(each.trade_id, each.price, each.amount, each.time_ms, each.side) for each in update.fills]
    assert told == [("t1", D(99), D("1.5"), T + 1_000, SELL), ("t2", D(98), D("0.5"), T + 2_000, SELL)]
    fees = [each.fee for each in update.fills if each.fee is not None]
    assert [fee.currency for fee in fees] == ["KRW"] * 2
    assert [round(fee.cost, 9) for fee in fees] == [D("0.594"), D("0.196")]
    raw = make("cancel", "0", paid_fee="0", trades=[])
    assert order_update(exchange.parse_order(raw), profile, Origin.QUERY).fills == ()
