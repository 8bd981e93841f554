# ruff: noqa: E501 - one message per line reads as a table
"""Fills, positions and pushed orders of the exchanges that were listed later, as each documents them.

What ccxt reads otherwise, leaves out or does not deliver. Facts of the documentation, own figures.
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal as D
from typing import Any

import pytest
from ccxt.base.errors import InvalidOrder

from btccxt.exchange.ccxt.balances import balances
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.translate import fill, order_update, position
from btccxt.exchange.plausibility import check_order
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Fee, Fill, MarketType, OrderStatus, Origin, Position, Side
from tests.exchange.ccxt.replay import FakeClient, exchange_for

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
BUY, SELL = Side.BUY, Side.SELL
T, END = 1_700_000_000_000, 1_700_000_090_500


def _resolved(exchange_id: str, market_type: MarketType, *frames: Any) -> dict[str, Any]:
    exchange, client = exchange_for(exchange_id, market_type), FakeClient("wss://test/ws")
    for frame in frames:
        exchange.handle_message(client, deepcopy(frame))
    return {str(topic): result for topic, result in client.resolved}


_BINGX = {"e": "executionReport", "E": END, "s": "BTC-USDT", "S": "SELL", "o": "LIMIT", "q": "2", "p": "100", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 7, "l": "0.5", "z": "1.25", "L": "99.5", "n": "-0.04975", "N": "USDT", "T": END, "t": 5000, "O": T, "Z": "124", "Y": "49.75", "Q": "0", "m": False, "c": "b1"}  # fmt: skip
_XT = {
    "s": "btc_usdt",
    "i": "5000",
    "t": T,
    "oi": "7",
    "p": "99.5",
    "q": "0.5",
    "v": "49.75",
    "b": False,
    "tm": 1,
    "fe": "0.0995",
    "fc": "usdt",
}


def test_a_pushed_fill_of_bingx_is_the_fill_and_not_the_whole_order() -> None:
    frame = {"code": 0, "dataType": "spot.executionReport", "data": _BINGX}
    told = fill(_resolved("bingx", SPOT, frame)["spot:mytrades"][-1], load_profile("bingx", SPOT))
    assert (told.amount, told.price, told.fee) == (D("0.5"), D("99.5"), Fee("USDT", D("0.04975")))
    assert (told.trade_id, told.order_id, told.side, told.time_ms) == ("5000", "7", SELL, END)


def test_bingx_fills_that_have_their_time_with_a_zone_have_a_time() -> None:
    row = {"volume": "0.1", "price": "106.75", "amount": "10.675", "commission": "-0.0053", "currency": "USDT", "orderId": "7", "filledTime": "2023-11-15T06:13:20.000+0800", "symbol": "BTC-USDT", "side": "SELL", "positionSide": "BOTH"}  # fmt: skip
    told = fill(exchange_for("bingx", LINEAR).parse_trade(row), load_profile("bingx", LINEAR))
    assert (told.time_ms, told.fee, told.side) == (T, Fee("USDT", D("0.0053")), SELL)


@pytest.mark.parametrize(
    ("buyer_is_maker", "we", "side"), [(False, 1, BUY), (True, 1, SELL), (True, 2, BUY), (False, 2, SELL)]
)
def test_a_pushed_fill_of_xt_has_its_side_and_fee(buyer_is_maker: bool, we: int, side: Side) -> None:
    frame = {"topic": "trade", "event": "trade", "data": {**_XT, "b": buyer_is_maker, "tm": we}}
    told = fill(_resolved("xt", SPOT, frame)["trade::spot"][-1], load_profile("xt", SPOT))
    assert (told.side, told.fee, told.order_id) == (side, Fee("USDT", D("0.0995")), "7")


_POSITIONS: list[tuple[str, str, Any, str, str]] = [
    ("whitebit", "short", {"positionId": 1, "market": "BTC_PERP", "openDate": 1700000000.5, "modifyDate": 1700000001.5, "amount": "-0.5", "basePrice": "99.5", "liquidationPrice": "140", "pnl": "-0.75", "margin": "5", "liquidationState": None}, "-0.5", "99.5"),
    ("whitebit", "long", {"positionId": 1, "market": "BTC_PERP", "openDate": 1700000000.5, "amount": "0.5", "basePrice": "99.5", "pnl": "0.75"}, "0.5", "99.5"),
    ("bingx", "one way, short", {"positionId": "1", "symbol": "BTC-USDT", "positionAmt": "-0.5", "positionSide": "BOTH", "avgPrice": "99.5", "unrealizedProfit": "-0.75", "leverage": 10}, "-0.5", "99.5"),
    ("bingx", "two ways, short", {"positionId": "1", "symbol": "BTC-USDT", "positionAmt": "0.5", "positionSide": "SHORT", "avgPrice": "99.5", "unrealizedProfit": "-0.75", "leverage": 10}, "-0.5", "99.5"),
    ("cryptocom", "short", {"account_id": "a", "quantity": "-0.5", "cost": "-49.7", "open_position_pnl": "-0.75", "open_pos_cost": "-49.75", "session_pnl": "2", "update_timestamp_ms": T, "instrument_name": "BTCUSD-PERP", "type": "PERPETUAL_SWAP"}, "-0.5", "99.5"),
    ("backpack", "pushed", {"e": "positionAdjusted", "E": T, "s": "BTC_USDC_PERP", "b": "100.1", "B": "99.5", "l": "140", "M": "101", "q": "-0.5", "Q": "0.5", "n": "50.5", "i": 1, "p": "0", "P": "-0.75", "T": T}, "-0.5", "99.5"),
    ("backpack", "asked for", {"breakEvenPrice": "100.1", "entryPrice": "99.5", "markPrice": "101", "netCost": "-49.75", "netQuantity": "-0.5", "netExposureQuantity": "0.5", "pnlUnrealized": "-0.75", "symbol": "BTC_USDC_PERP", "imf": "0.02"}, "-0.5", "99.5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exchange_id", "raw", "amount", "entry"), [pytest.param(row[0], *row[2:], id=f"{row[0]}-{row[1]}") for row in _POSITIONS]
)  # fmt: skip
def test_a_position_has_its_sign_and_the_price_that_was_paid(exchange_id: str, raw: Any, amount: str, entry: str) -> None:  # fmt: skip
    parse = exchange_for(exchange_id, LINEAR).parse_position
    if exchange_id == "backpack" and "e" in raw:
        parse = exchange_for(exchange_id, LINEAR).parse_ws_position
    told = position(parse(deepcopy(raw)), T, load_profile(exchange_id, LINEAR).positions)
    assert (told.amount, told.entry_price) == (D(amount), D(entry))


def test_a_position_that_nobody_gives_a_size_is_no_flat_one() -> None:
    with pytest.raises(ValueError, match="without an amount"):
        position({"symbol": "BTC/USDT:USDT", "contracts": None, "entryPrice": 99.5, "info": {}}, T)
    flat: Position = position({"symbol": "BTC/USDT:USDT", "contracts": None, "entryPrice": None, "info": {}}, T)
    assert flat.amount == 0


async def test_whitebits_positions_are_asked_for_again_and_again() -> None:
    """Where ccxt has no figure, one that the table finds is no silence."""
    exchange = CCXTExchange(load_profile("whitebit", LINEAR))
    row = exchange_for("whitebit", LINEAR).parse_position(deepcopy(_POSITIONS[0][2]))
    for _ in range(2):
        assert [each.amount for each in exchange._to_positions([row])] == [D("-0.5")]


@pytest.mark.parametrize(
    ("exchange_id", "raw"),
    [
        ("bitfinex", {"result": ["tBTCF0:USTF0", "ACTIVE", -0.5, 99.5, 0, 0, -0.75, -1.5, 140, 10, None, 1, T, END, None, 1, None, 0, 0, {}]}),
        ("okx", {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "pos": "-0.5", "avgPx": "99.5", "posSide": "net", "mgnMode": "cross", "cTime": str(T), "uTime": str(END)}),
        ("bybit", {"symbol": "BTCUSDT", "side": "Sell", "size": "0.5", "avgPrice": "99.5", "createdTime": str(T), "updatedTime": str(END)}),
        ("gate", {"contract": "BTC_USDT", "size": -0.5, "entry_price": "99.5", "leverage": "0", "mode": "single", "open_time": T // 1000, "time_ms": END}),
        ("bitget", {"symbol": "BTCUSDT", "marginCoin": "USDT", "holdSide": "short", "posMode": "one_way_mode", "total": "0.5", "openPriceAvg": "99.5", "cTime": str(T), "uTime": str(END)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_position_is_as_old_as_its_last_change(exchange_id: str, raw: Any) -> None:
    row = exchange_for(exchange_id, LINEAR).parse_position(deepcopy(raw))
    told = position(row, 5, load_profile(exchange_id, LINEAR).positions)
    assert (told.amount, told.entry_price, told.time_ms) == (D("-0.5"), D("99.5"), END)


def test_an_exchange_without_hedge_mode_has_no_hedged_positions() -> None:
    """ccxt says "both" of each position that Kraken Futures pushes: it would count beside the one by REST."""
    row = {"instrument": "PF_XBTUSD", "balance": -0.5, "entry_price": 99.5, "pnl": -0.75, "mark_price": 101}
    told = position(exchange_for("krakenfutures", LINEAR).parse_ws_position(row), T)
    assert (told.amount, told.hedge_side) == (D("-0.5"), None)


# ------------------------------------------------------------------ pushed orders

_KRW = {"type": "myOrder", "code": "KRW-BTC", "uuid": "7", "ask_bid": "ASK", "order_type": "limit", "state": "trade", "trade_uuid": "5000", "price": 99.5, "avg_price": 99.5, "volume": 0.4, "remaining_volume": 0.6, "executed_volume": 1.4, "trades_count": 2, "reserved_fee": 0, "remaining_fee": 0, "paid_fee": 0.07, "locked": 0.6, "executed_funds": 139.3, "trade_fee": 0.02, "is_maker": True, "identifier": "b1", "trade_timestamp": END, "order_timestamp": T, "timestamp": END, "stream_type": "REALTIME"}  # fmt: skip


def _pushed_order(exchange_id: str, frame: Any) -> Any:
    row = _resolved(exchange_id, SPOT, frame)["myOrder"][-1]
    return check_order(order_update({**row, "symbol": "BTC/KRW"}, load_profile(exchange_id, SPOT), Origin.PUSH))


@pytest.mark.parametrize("exchange_id", ["upbit", "bithumb"])
def test_with_a_fill_the_volume_is_the_fills_and_not_the_orders(exchange_id: str) -> None:
    """The second fill is smaller than what is filled: the message would be disbelieved."""
    told = _pushed_order(exchange_id, _KRW)
    assert (told.amount, told.filled, told.average, told.status) == (D(2), D("1.4"), D("99.5"), OrderStatus.OPEN)


def test_a_fill_that_upbit_pushes_has_its_fee_at_once() -> None:
    assert _pushed_order("upbit", _KRW).fills == (
        Fill("5000", "BTC/KRW", SELL, D("99.5"), D("0.4"), END, "7", "b1", Fee("KRW", D("0.02"))),
    )
    for other in ({"state": "wait", "trade_uuid": None}, {"trade_fee": None}):
        assert _pushed_order("upbit", {**_KRW, **other}).fills == ()
    without = {name: value for name, value in _KRW.items() if name != "trade_fee"}
    assert _pushed_order("bithumb", without).fills == ()  # its fee is the order's: asked for, it is shared out


@pytest.mark.parametrize(("done", "status"), [("10.02", OrderStatus.FILLED), ("0", OrderStatus.CANCELED)])
@pytest.mark.parametrize("exchange_id", ["upbit", "bithumb"])
def test_a_buy_by_cost_that_leaves_some_won_over_is_filled(exchange_id: str, done: str, status: OrderStatus) -> None:
    raw = {"uuid": "7", "side": "bid", "ord_type": "price", "price": "1000", "state": "cancel", "market": "KRW-BTC", "created_at": "2023-11-14T22:13:20+00:00", "volume": None, "remaining_volume": None, "executed_volume": done, "paid_fee": "0.5", "trades": []}  # fmt: skip
    told = order_update(exchange_for(exchange_id, SPOT).parse_order(raw), load_profile(exchange_id, SPOT), Origin.QUERY)
    assert (told.status, told.filled, told.amount) == (status, D(done), None)


def test_an_order_by_cost_is_not_one_of_zero() -> None:
    raw = {"symbol": "BTC-USDT", "orderId": 7, "price": "100", "StopPrice": "0", "origQty": "0", "executedQty": "0.0802", "cummulativeQuoteQty": "4.9971", "origQuoteOrderQty": "5", "status": "FILLED", "type": "MARKET", "side": "BUY", "time": T, "updateTime": END, "fee": -0.0000802, "feeAsset": "BTC", "clientOrderID": "b1", "avgPrice": 62.308}  # fmt: skip
    told = order_update(exchange_for("bingx", SPOT).parse_order(raw), load_profile("bingx", SPOT), Origin.QUERY)
    assert (told.amount, told.filled, told.status) == (D("0.0802"), D("0.0802"), OrderStatus.FILLED)


def test_what_was_filled_of_an_ended_order_of_bitstamp_is_the_sum_of_its_trades() -> None:
    trades = [{"tid": 1, "price": "100.00", "btc": "1.5", "usd": "150.00", "fee": "0.30", "datetime": "2023-11-14 22:13:21", "type": 2}, {"tid": 2, "price": "102.00", "btc": "0.5", "usd": "51.00", "fee": "0.10", "datetime": "2023-11-14 22:13:22", "type": 2}]  # fmt: skip
    raw = {"id": 7, "datetime": "2023-11-14 22:13:20", "type": "1", "status": "Canceled", "market": "BTC/USD", "transactions": trades, "amount_remaining": "0.5", "client_order_id": "b1"}  # fmt: skip
    told = order_update(exchange_for("bitstamp", SPOT).parse_order(raw), load_profile("bitstamp", SPOT), Origin.QUERY)
    assert (told.status, told.filled, told.average) == (OrderStatus.CANCELED, D(2), D("100.5"))


def test_the_end_of_an_order_of_kraken_has_the_average_of_its_sums_and_no_invented_amount() -> None:
    frame = {"channel": "executions", "type": "update", "sequence": 8, "data": [{"timestamp": "2023-11-14T22:14:50.500Z", "order_status": "expired", "exec_type": "expired", "order_userref": 0, "order_id": "7", "cl_ord_id": "b1", "cum_qty": 1.25, "cum_cost": 124.4, "reason": "GTD expired"}]}  # fmt: skip
    row = _resolved("kraken", SPOT, frame)["orders"][-1]
    told = order_update(row, load_profile("kraken", SPOT), Origin.PUSH)
    assert (told.status, told.filled, told.average, told.amount) == (OrderStatus.EXPIRED, D("1.25"), D("99.52"), None)


def test_the_end_of_an_order_of_phemex_is_its_last_change() -> None:
    raw = {"actionTimeNs": T * 10**6, "bizError": 0, "clOrdID": "b1", "createdAt": T, "updatedAt": END, "orderId": "7", "ordType": 2, "ordStatus": 7, "side": 2, "symbol": "BTCUSDT", "orderQtyRq": "2", "priceRp": "100", "cumQtyRq": "2", "cumValueRv": "199", "leavesQtyRq": "0"}  # fmt: skip
    told = order_update(exchange_for("phemex", LINEAR).parse_order(raw), load_profile("phemex", LINEAR), Origin.QUERY)
    assert (told.time_ms, told.average) == (END, D("99.5"))


def test_what_ccxt_never_hands_on_is_not_waited_for() -> None:
    """Phemex's orders come as a list, of which ccxt makes an empty mapping."""
    row = {"action": "New", "clOrdID": "b1", "cumQtyRq": "2", "execID": "5000", "execQtyRq": "2", "execPriceRp": "100", "ordStatus": "Filled", "orderID": "7", "orderQtyRq": "2", "side": "Buy", "symbol": "BTCUSDT", "transactTimeNs": END * 10**6}  # fmt: skip
    frame = {
        "accounts_p": [],
        "orders_p": [row],
        "positions_p": [],
        "sequence": 1,
        "timestamp": END,
        "type": "incremental",
    }
    assert not [topic for topic in _resolved("phemex", LINEAR, frame) if "order" in topic or "trade" in topic]
    streams = load_profile("phemex", LINEAR).streams
    assert not (streams.orders or streams.fills)
    assert not load_profile("bingx", LINEAR).streams.fills  # no id, and another time than by REST


# ------------------------------------------------------------------ ids and balances

_CLIENT_IDS: list[tuple[str, Any]] = [
    ("bitvavo", {"id": "5000", "orderId": "7", "clientOrderId": "b1", "timestamp": T, "market": "BTC-EUR", "side": "buy", "amount": "0.5", "price": "100", "taker": False, "fee": "0.1", "feeCurrency": "EUR", "settled": True}),
    ("gemini", {"price": "100", "amount": "0.5", "timestamp": T // 1000, "timestampms": T, "type": "Buy", "aggressor": True, "fee_currency": "USD", "fee_amount": "0.1", "tid": 5000, "order_id": "7", "client_order_id": "b1", "symbol": "BTCUSD"}),
    ("whitebit", {"id": 5000, "clientOrderId": "b1", "time": T / 1000, "side": "buy", "role": 2, "amount": "0.5", "price": "100", "deal": "50", "fee": "0.1", "orderId": 7, "feeAsset": "USDT"}),
    ("woo", {"symbol": "SPOT_BTC_USDT", "clientOrderId": "b1", "orderId": 7, "side": "BUY", "quantity": 2, "price": 100, "tradeId": 5000, "executedPrice": 100, "executedQuantity": 0.5, "fee": 0.1, "feeAsset": "USDT", "timestamp": T, "maker": False}),
    ("backpack", {"clientId": "b1", "fee": "0.1", "feeSymbol": "USDC", "isMaker": False, "orderId": "7", "price": "100", "quantity": "0.5", "side": "Bid", "symbol": "BTC_USDC", "timestamp": "2023-11-14T22:13:20.000", "tradeId": 5000}),
]  # fmt: skip


@pytest.mark.parametrize(("exchange_id", "row"), _CLIENT_IDS, ids=[row[0] for row in _CLIENT_IDS])
def test_a_fill_names_the_client_order_id_where_the_exchange_does(exchange_id: str, row: Any) -> None:
    exchange = exchange_for(exchange_id, SPOT)
    parse = exchange.parse_ws_trade if exchange_id == "woo" else exchange.parse_trade
    told = fill(parse(row, next(iter(exchange.markets.values()))), load_profile(exchange_id, SPOT))
    assert (told.trade_id, told.order_id, told.client_order_id, told.time_ms) == ("5000", "7", "b1", T)
    assert (told.side, told.amount, told.price) == (BUY, D("0.5"), D(100))


def test_a_pushed_balance_of_woo_tells_the_wallet() -> None:
    frame = {
        "topic": "balance",
        "ts": END,
        "data": {"balances": {"USDT": {"holding": 1000, "frozen": 100, "interest": 0, "version": 1, "markPrice": 1}}},
    }
    told = balances(
        _resolved("woo", LINEAR, frame)["balance"], T, complete=False, profile=load_profile("woo", LINEAR), frame=frame
    )
    assert (told.by_currency["USDT"].total, told.by_currency["USDT"].used) == (D(1000), D(100))


@pytest.mark.parametrize(
    ("exchange_id", "frame", "used"),
    [
        ("bitget", {"action": "snapshot", "arg": {"instType": "SPOT", "channel": "account", "coin": "default"}, "data": [{"coin": "USDT", "available": "900", "frozen": "95", "locked": "5", "limitAvailable": "0", "uTime": str(END)}], "ts": END}, "100"),
        ("htx", {"action": "push", "ch": "accounts.update#2", "data": {"currency": "usdt", "accountId": 1, "balance": "1000", "available": "900", "changeType": "order.place", "accountType": "trade", "seqNum": "8", "changeTime": END}}, "100"),
    ],
    ids=["bitget", "htx"],
)  # fmt: skip
def test_a_pushed_balance_tells_all_that_is_bound(exchange_id: str, frame: Any, used: str) -> None:
    (pushed,) = _resolved(exchange_id, SPOT, frame).values()
    told = balances(pushed, T, complete=False, profile=load_profile(exchange_id, SPOT), frame=frame)
    assert (told.by_currency["USDT"].total, told.by_currency["USDT"].used) == (D(1000), D(used))


def test_coins_of_lbank_count_where_ccxt_looks_for_a_network() -> None:
    answer = {
        "result": "true",
        "data": [{"usableAmt": "14.36", "assetAmt": "15.36", "freezeAmt": "1", "networkList": [], "coin": "usdt"}],
        "error_code": 0,
        "ts": T,
    }
    told = balances(exchange_for("lbank", SPOT).parse_balance(answer), T, profile=load_profile("lbank", SPOT))
    assert (told.by_currency["USDT"].total, told.by_currency["USDT"].used) == (D("15.36"), D(1))


def test_mexcs_limit_of_orders_is_no_duplicate() -> None:
    """By ccxt's list and MEXC's own."""
    rule = load_profile("mexc", SPOT).client_id
    assert not rule.is_duplicate(InvalidOrder('mexc {"code":30029,"msg":"Cannot exceed the maximum order limit"}'))
    assert rule.is_duplicate(InvalidOrder('mexc {"code":700004,"msg":"Duplicate order"}'))
