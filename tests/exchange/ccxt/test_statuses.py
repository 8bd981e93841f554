# ruff: noqa: E501 - one case per line reads as a table
"""What an exchange says of an order ends in the right status and the right filled amount - also where ccxt is wrong."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest

from btccxt.exchange.ccxt.statuses import judge
from btccxt.exchange.ccxt.translate import order_update
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.model import MarketType, OrderStatus, OrderUpdate, Origin
from tests.exchange.ccxt.replay import exchange_for, rows_of_frame
from tests.exchange.ccxt.source_samples import samples

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
OPEN, TRIGGERED, FILLED = OrderStatus.OPEN, OrderStatus.TRIGGERED, OrderStatus.FILLED
CANCELED, EXPIRED, REJECTED, UNKNOWN = (
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
    OrderStatus.REJECTED,
    OrderStatus.UNKNOWN,
)


def read(
    exchange_id: str, market_type: MarketType, raw: Any, origin: Origin = Origin.QUERY, **known: Any
) -> OrderUpdate:
    """A raw answer through ccxt's own parser and then the profile."""
    return order_update(
        _exchange(exchange_id, market_type).parse_order(raw), load_profile(exchange_id, market_type), origin, **known
    )


@lru_cache(maxsize=64)
def _exchange(exchange_id: str, market_type: MarketType) -> Any:
    return exchange_for(exchange_id, market_type)


# ------------------------------------------------------------------ word for word, per exchange

# exchange, market, raw order, status, filled
_CASES: list[tuple[str, MarketType, dict[str, Any] | list[Any], OrderStatus, str | None]] = [
    ("binance", SPOT, {"status": "NEW", "executedQty": "0", "origQty": "2"}, OPEN, "0"),
    ("binance", SPOT, {"status": "PENDING_NEW", "executedQty": "0", "origQty": "2"}, OPEN, "0"),
    ("binance", SPOT, {"status": "PARTIALLY_FILLED", "executedQty": "0.5", "origQty": "2"}, OPEN, "0.5"),
    ("binance", SPOT, {"status": "CANCELED", "executedQty": "0.5", "origQty": "2"}, CANCELED, "0.5"),
    ("binance", SPOT, {"status": "EXPIRED", "executedQty": "0.5", "origQty": "2"}, EXPIRED, "0.5"),
    ("binance", SPOT, {"status": "EXPIRED_IN_MATCH", "executedQty": "0", "origQty": "2"}, EXPIRED, "0"),
    ("binance", SPOT, {"status": "REJECTED", "executedQty": "0", "origQty": "2"}, REJECTED, "0"),
    ("binance", SPOT, {"status": "FILLED", "executedQty": "2", "origQty": "2"}, FILLED, "2"),
    ("binanceusdm", LINEAR, {"algoId": 7, "algoStatus": "TRIGGERED", "quantity": "2"}, TRIGGERED, None),
    ("binanceusdm", LINEAR, {"algoId": 7, "algoStatus": "FINISHED", "quantity": "2"}, TRIGGERED, None),
    ("binanceusdm", LINEAR, {"algoId": 7, "algoStatus": "EXPIRED", "quantity": "2"}, EXPIRED, None),
    ("binanceusdm", LINEAR, {"algoId": 7, "algoStatus": "REJECTED", "quantity": "2"}, REJECTED, None),
    ("bybit", LINEAR, {"orderStatus": "Untriggered", "cumExecQty": "0", "qty": "2"}, OPEN, "0"),
    ("bybit", LINEAR, {"orderStatus": "Triggered", "cumExecQty": "0", "qty": "2"}, OPEN, "0"),
    ("bybit", SPOT, {"orderStatus": "PartiallyFilledCanceled", "cumExecQty": "0.5", "qty": "2"}, CANCELED, "0.5"),
    ("bybit", LINEAR, {"orderStatus": "Deactivated", "cumExecQty": "0", "qty": "2"}, CANCELED, "0"),
    ("bybit", LINEAR, {"orderStatus": "Rejected", "cumExecQty": "0", "qty": "2"}, REJECTED, "0"),
    ("bybit", LINEAR, {"orderStatus": "Rejected", "cumExecQty": "0.5", "qty": "2"}, CANCELED, "0.5"),
    ("okx", SPOT, {"state": "partially_filled", "accFillSz": "0.5", "sz": "2", "ordType": "limit"}, OPEN, "0.5"),
    ("okx", SPOT, {"state": "canceled", "accFillSz": "0.5", "sz": "2", "ordType": "ioc"}, CANCELED, "0.5"),
    ("okx", SPOT, {"state": "mmp_canceled", "accFillSz": "0", "sz": "2"}, CANCELED, "0"),
    ("okx", LINEAR, {"algoId": "7", "state": "effective", "sz": "2", "ordType": "trigger"}, TRIGGERED, None),
    ("okx", LINEAR, {"algoId": "7", "state": "order_failed", "sz": "2", "ordType": "trigger"}, REJECTED, None),
    ("okx", LINEAR, {"algoId": "7", "ordId": "8", "state": "filled", "accFillSz": "2", "sz": "2"}, FILLED, "2"),
    ("kraken", SPOT, {"status": "pending", "vol": "2", "vol_exec": "0"}, OPEN, "0"),
    ("kraken", SPOT, {"status": "closed", "vol": "2", "vol_exec": "2"}, FILLED, "2"),
    ("kraken", SPOT, {"status": "canceled", "vol": "2", "vol_exec": "0.5"}, CANCELED, "0.5"),
    ("kraken", SPOT, {"status": "expired", "vol": "2", "vol_exec": "0.5"}, EXPIRED, "0.5"),
    ("krakenfutures", LINEAR, {"status": "partiallyFilled", "filledSize": 1, "unfilledSize": 1}, OPEN, "1"),
    ("krakenfutures", LINEAR, {"status": "iocWouldNotExecute", "orderEvents": []}, REJECTED, "0"),
    ("coinbase", SPOT, {"status": "PENDING", "filled_size": "0"}, OPEN, "0"),
    ("coinbase", SPOT, {"status": "CANCEL_QUEUED", "filled_size": "0.5"}, OPEN, "0.5"),
    ("coinbase", SPOT, {"status": "CANCELLED", "filled_size": "0.5"}, CANCELED, "0.5"),
    ("coinbase", SPOT, {"status": "EXPIRED", "filled_size": "0.5"}, EXPIRED, "0.5"),
    ("coinbase", SPOT, {"status": "FAILED", "filled_size": "0"}, REJECTED, "0"),
    ("coinbase", SPOT, {"status": "FILLED", "filled_size": "2"}, FILLED, "2"),
    ("coinbase", SPOT, {"status": "UNKNOWN_ORDER_STATUS", "filled_size": "0"}, UNKNOWN, "0"),
    ("kucoin", SPOT, {"isActive": True, "cancelExist": False, "size": "2", "dealSize": "0.5"}, OPEN, "0.5"),
    ("kucoin", SPOT, {"isActive": False, "cancelExist": True, "size": "2", "dealSize": "0.5"}, CANCELED, "0.5"),
    ("kucoin", SPOT, {"isActive": False, "cancelExist": False, "size": "2", "dealSize": "2"}, FILLED, "2"),
    ("kucoin", SPOT, {"status": "NEW", "stop": "loss", "size": "2", "stopPrice": "90"}, OPEN, None),
    ("kucoin", SPOT, {"status": "TRIGGERED", "stop": "loss", "size": "2", "stopPrice": "90"}, TRIGGERED, None),
    ("kucoin", LINEAR, {"isActive": False, "cancelExist": True, "status": "done", "size": 2, "filledSize": 1}, CANCELED, "1"),
    ("kucoin", LINEAR, {"isActive": False, "status": "done", "size": 2, "filledSize": 2}, FILLED, "2"),
    ("gate", SPOT, {"status": "open", "amount": "2", "left": "1.5", "type": "limit"}, OPEN, "0.5"),
    ("gate", SPOT, {"status": "closed", "finish_as": "filled", "amount": "2", "left": "0", "type": "limit"}, FILLED, "2"),
    ("gate", SPOT, {"status": "cancelled", "finish_as": "ioc", "amount": "2", "left": "1.5", "type": "limit"}, CANCELED, "0.5"),
    ("gate", SPOT, {"status": "cancelled", "finish_as": "stp", "amount": "2", "left": "2", "type": "limit"}, CANCELED, "0"),
    ("gate", LINEAR, {"status": "finished", "finish_as": "cancelled", "size": -2, "left": -1, "price": "9"}, CANCELED, "1"),
    ("gate", LINEAR, {"status": "finished", "finish_as": "reduce_only", "size": 2, "left": 2, "price": "9"}, CANCELED, "0"),
    ("gate", LINEAR, {"status": "finished", "finish_as": "succeeded", "trigger": {"price": "9"}, "initial": {"size": 2}}, TRIGGERED, None),
    ("gate", LINEAR, {"status": "finished", "finish_as": "failed", "trigger": {"price": "9"}, "initial": {"size": 2}}, REJECTED, None),
    ("gate", LINEAR, {"status": "finished", "finish_as": "expired", "trigger": {"price": "9"}, "initial": {"size": 2}}, EXPIRED, None),
    ("bitget", SPOT, {"status": "partially_filled", "baseVolume": "0.5", "size": "2", "orderType": "limit"}, OPEN, "0.5"),
    ("bitget", SPOT, {"status": "cancelled", "baseVolume": "0.5", "size": "2", "orderType": "limit"}, CANCELED, "0.5"),
    ("bitget", LINEAR, {"state": "filled", "baseVolume": "2", "size": "2"}, FILLED, "2"),
    ("bitget", LINEAR, {"planType": "normal_plan", "planStatus": "executed", "size": "2"}, TRIGGERED, None),
    ("bitget", LINEAR, {"planType": "normal_plan", "planStatus": "fail_execute", "size": "2"}, REJECTED, None),
    ("bitget", LINEAR, {"planType": "normal_plan", "planStatus": "cancelled", "size": "2"}, CANCELED, None),
    ("mexc", SPOT, {"status": "PARTIALLY_CANCELED", "executedQty": "0.5", "origQty": "2"}, CANCELED, "0.5"),
    ("mexc", SPOT, {"status": "FILLED", "executedQty": "2", "origQty": "2"}, FILLED, "2"),
    ("mexc", LINEAR, {"state": 2, "dealVol": 1, "vol": 2}, OPEN, "1"),
    ("mexc", LINEAR, {"state": 3, "dealVol": 2, "vol": 2}, FILLED, "2"),
    ("mexc", LINEAR, {"state": 4, "dealVol": 1, "vol": 2}, CANCELED, "1"),
    ("mexc", LINEAR, {"state": 5, "dealVol": 0, "vol": 2}, REJECTED, "0"),
    ("htx", SPOT, {"state": "partial-filled", "field-amount": "0.5", "amount": "2", "type": "buy-limit"}, OPEN, "0.5"),
    ("htx", SPOT, {"state": "partial-canceled", "field-amount": "0.5", "amount": "2", "type": "buy-limit"}, CANCELED, "0.5"),
    ("htx", SPOT, {"state": "submitting", "field-amount": "0", "amount": "2", "type": "buy-limit"}, OPEN, "0"),
    ("htx", LINEAR, {"status": 5, "trade_volume": 1, "volume": 2}, CANCELED, "1"),
    ("htx", LINEAR, {"status": 6, "trade_volume": 2, "volume": 2}, FILLED, "2"),
    ("htx", LINEAR, {"algo_id": "7", "state": "triggered", "volume": "2"}, TRIGGERED, None),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "1.5"}, "status": "open"}, OPEN, "0.5"),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "1.5"}, "status": "marginCanceled"}, CANCELED, "0.5"),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "2"}, "status": "reduceOnlyCanceled"}, CANCELED, "0"),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "2"}, "status": "minTradeNtlRejected"}, REJECTED, "0"),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "2"}, "status": "triggered"}, OPEN, "0"),
    ("hyperliquid", LINEAR, {"order": {"oid": 7, "origSz": "2", "sz": "0"}, "status": "filled"}, FILLED, "2"),
    ("hyperliquid", LINEAR, {"error": "Insufficient margin"}, REJECTED, None),
    ("deribit", LINEAR, {"order_state": "untriggered", "filled_amount": 0, "amount": 2}, OPEN, "0"),
    ("deribit", LINEAR, {"order_state": "triggered", "filled_amount": 0, "amount": 2}, TRIGGERED, "0"),
    ("deribit", LINEAR, {"order_state": "cancelled", "filled_amount": 1, "amount": 2}, CANCELED, "1"),
    ("deribit", LINEAR, {"order_state": "rejected", "filled_amount": 0, "amount": 2}, REJECTED, "0"),
]  # fmt: skip


@pytest.mark.parametrize(("exchange_id", "market_type", "raw", "status", "filled"), _CASES)
def test_a_raw_order_ends_in_its_status_with_its_filled_amount(
    exchange_id: str, market_type: MarketType, raw: Any, status: OrderStatus, filled: str | None
) -> None:
    update = read(exchange_id, market_type, raw)
    assert (update.status, update.filled) == (status, None if filled is None else Decimal(filled))


@pytest.mark.parametrize(
    ("state", "left", "status"),
    [
        ("ACTIVE", 2, OPEN),
        ("PARTIALLY FILLED @ 107.6(-0.5)", 1.5, OPEN),
        ("EXECUTED @ 107.6(2.0)", 0, FILLED),
        ("EXECUTED @ 107.6(0.5): was PARTIALLY FILLED @ 107.5(1.5)", 0, FILLED),
        ("CANCELED was: PARTIALLY FILLED @ 107.6(0.5)", 1.5, CANCELED),
        ("POSTONLY CANCELED", 2, CANCELED),
        ("IOC CANCELED", 2, CANCELED),
        ("FILLORKILL CANCELED", 2, CANCELED),
        ("INSUFFICIENT BALANCE (U1) was: PARTIALLY FILLED @ 1.0(0.5)", 1.5, CANCELED),
        ("RSN_DUST (amount is less than 0.00000001)", 2, REJECTED),
    ],
)
def test_bitfinex_says_the_status_in_a_sentence(state: str, left: float, status: OrderStatus) -> None:
    row: list[Any] = [None] * 32
    row[0], row[2], row[3], row[6], row[7], row[8], row[13], row[16] = (
        1,
        99,
        "tBTCUSD",
        left,
        2,
        "EXCHANGE LIMIT",
        state,
        1,
    )
    update = read("bitfinex", SPOT, {"result": row})
    assert (update.status, update.filled) == (status, Decimal(str(2 - left)))
    assert (update.client_order_id, update.order_id) == ("99", "1")


# ------------------------------------------------------------------ statuses that lie


def test_a_trigger_that_fired_is_no_fill_and_names_its_child() -> None:
    algo = {"e": "ALGO_UPDATE", "T": 1, "E": 1, "o": {
        "caid": "b1", "aid": 7, "at": "CONDITIONAL", "o": "STOP", "s": "BTCUSDT", "S": "BUY", "ps": "BOTH", "f": "GTC",
        "q": "2", "X": "FINISHED", "ai": "88", "ap": "100", "aq": "2", "act": "LIMIT", "tp": "99", "p": "100", "V": "NONE",
        "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False, "pP": False, "R": False, "tt": 0, "gtd": 0, "rm": ""}}  # fmt: skip
    exchange = exchange_for("binanceusdm", LINEAR)
    (row,) = rows_of_frame(exchange, algo, "orders", "wss://fstream.binance.com/private/ws?listenKey=1")
    assert (row["status"], row["filled"]) == ("closed", 2.0), "ccxt invents the fill; if it no longer does, look again"
    update = order_update(row, load_profile("binanceusdm", LINEAR), Origin.PUSH)
    assert (update.status, update.filled, update.conditional) == (TRIGGERED, None, True)
    assert (update.order_id, update.child_order_id, update.client_order_id) == ("7", "88", "b1")


def test_a_trigger_order_that_ccxt_calls_closed_has_fired_and_no_more() -> None:
    facts = judge(
        {"status": "closed", "filled": 2.0, "info": {"algoId": 7}}, load_profile("binanceusdm", LINEAR), Origin.QUERY
    )
    assert (facts.status, facts.filled) == (TRIGGERED, None)


def test_the_child_of_an_okx_algo_order_keeps_its_own_id() -> None:
    child = {
        "algoId": "7",
        "algoClOrdId": "b1",
        "ordId": "8",
        "clOrdId": "",
        "state": "filled",
        "accFillSz": "2",
        "sz": "2",
    }
    update = read("okx", LINEAR, child)
    assert (update.order_id, update.client_order_id, update.conditional) == ("8", "b1", False)
    assert update.child_order_id is None
    parent = read("okx", LINEAR, {"algoId": "7", "algoClOrdId": "b1", "ordId": "8", "state": "effective", "sz": "2"})
    assert (parent.order_id, parent.child_order_id, parent.conditional) == ("7", "8", True)


def test_a_fired_stop_that_kraken_futures_removes_is_not_canceled() -> None:
    info = {"order_id": "7", "qty": 2.0, "filled": 0.0, "reason": "stop_order_triggered"}
    order = {"id": "7", "status": "canceled", "filled": 0.0, "amount": 2.0, "info": info}
    facts = judge(order, load_profile("krakenfutures", LINEAR), Origin.PUSH)
    assert (facts.status, facts.filled) == (TRIGGERED, None)


def test_a_filled_order_that_leaves_the_book_of_kraken_futures_has_no_stale_amount() -> None:
    info = {
        "order_id": "7",
        "qty": 2.0,
        "filled": 0.0,
        "reason": "full_fill",
    }  # the figures of the order's first message
    order = {"id": "7", "status": "closed", "filled": 0.0, "amount": 2.0, "info": info}
    facts = judge(order, load_profile("krakenfutures", LINEAR), Origin.PUSH)
    assert (facts.status, facts.filled) == (FILLED, None)


def test_a_kucoin_stop_that_fired_in_vain_is_rejected() -> None:
    info = {"orderId": "7", "type": "triggered", "stop": "up", "size": "2", "error": "accountBalanceInsufficient"}
    kucoin = load_profile("kucoin", LINEAR)
    assert (
        judge({"status": "triggered", "info": {**info, "triggerSuccess": True}}, kucoin, Origin.PUSH).status
        is TRIGGERED
    )
    update = order_update({"status": "canceled", "info": {**info, "triggerSuccess": False}}, kucoin, Origin.PUSH)
    assert (update.status, update.reject_reason) == (REJECTED, "accountBalanceInsufficient")


def test_a_limit_order_that_is_closed_with_a_rest_was_canceled() -> None:
    raw = {
        "status": "closed",
        "vol": "2",
        "vol_exec": "0.5",
        "descr": {"ordertype": "limit", "type": "buy", "price": "9"},
    }
    assert read("kraken", SPOT, raw).status is CANCELED


def test_a_market_buy_by_cost_is_filled_although_its_amount_is_in_quote_currency() -> None:
    okx = {"state": "filled", "accFillSz": "0.001", "sz": "100", "tgtCcy": "quote_ccy", "ordType": "market", "instType": "SPOT", "side": "buy", "instId": "BTC-USDT", "avgPx": "100000"}  # fmt: skip
    gate = {"status": "closed", "finish_as": "filled", "amount": "100", "left": "0", "filled_amount": "0.001", "type": "market", "side": "buy"}  # fmt: skip
    htx = {"state": "filled", "field-amount": "0.001", "amount": "100", "type": "buy-market"}
    for exchange_id, raw in (("okx", okx), ("gate", gate), ("htx", htx)):
        update = read(exchange_id, SPOT, raw)
        assert (update.status, update.filled) == (FILLED, Decimal("0.001")), exchange_id


def test_the_rest_of_a_market_buy_by_cost_says_nothing_of_what_is_filled() -> None:
    raw = {"status": "closed", "finish_as": "filled", "amount": "100", "left": "0", "type": "market", "side": "buy"}
    update = read("gate", SPOT, raw)
    assert (update.status, update.filled) == (FILLED, None)


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "answer"),
    [
        ("okx", SPOT, {"ordId": "7", "clOrdId": "b1", "sCode": "0", "sMsg": ""}),
        ("bybit", LINEAR, {"orderId": "7", "orderLinkId": "b1"}),
        ("kraken", SPOT, {"descr": {"order": "buy 2 XBTUSD @ limit 9"}, "txid": ["7"]}),
        ("bitget", SPOT, {"orderId": "7", "clientOid": "b1"}),
        ("coinbase", SPOT, {"order_id": "7", "client_order_id": "b1"}),
        ("htx", LINEAR, {"order_id": "7", "client_order_id": "1"}),
        ("mexc", SPOT, {"orderId": "7", "symbol": "BTCUSDT"}),
    ],
)
def test_a_create_answer_without_a_status_says_nothing(exchange_id: str, market_type: MarketType, answer: Any) -> None:
    update = read(exchange_id, market_type, answer, Origin.CREATE)
    assert (update.status, update.filled) == (UNKNOWN, None)


def test_a_refused_create_answer_is_a_rejection_with_its_reason() -> None:
    update = read(
        "okx", SPOT, {"ordId": "", "clOrdId": "b1", "sCode": "51008", "sMsg": "Insufficient balance"}, Origin.CREATE
    )
    assert (update.status, update.reject_reason) == (REJECTED, "Insufficient balance")


def test_a_word_nobody_knows_is_unknown() -> None:
    for exchange_id in known_exchanges():
        profile = load_profile(exchange_id, market_types(exchange_id)[0])
        fields = [field for field in profile.statuses.raw_fields[-1:] if "." not in field]
        info: Any = dict.fromkeys(fields, "SOMETHING_NEW")
        facts = judge({"status": "SOMETHING_NEW", "info": info}, profile, Origin.PUSH)
        assert facts.status is UNKNOWN, exchange_id


def test_an_unlisted_exchange_is_read_by_ccxts_words_and_its_closed_amount_is_not_believed() -> None:
    profile = load_profile("poloniex", SPOT)
    open_order = order_update(
        {"id": "7", "status": "open", "filled": 0.5, "amount": 2.0, "info": {}}, profile, Origin.QUERY
    )
    closed = order_update(
        {"id": "7", "status": "closed", "filled": 2.0, "amount": 2.0, "info": {}}, profile, Origin.QUERY
    )
    assert (open_order.status, open_order.filled) == (OPEN, Decimal("0.5"))
    assert (closed.status, closed.filled) == (FILLED, None)


# ------------------------------------------------------------------ samples in ccxt's own source


_METHODS = [
    "parse_order",
    "parse_contract_order",
    "parse_spot_order",
    "fetch_order",
    "cancel_order",
    "fetch_open_orders",
    "fetch_closed_orders",
    "fetch_canceled_orders",
    "fetch_orders",
    "fetch_canceled_and_closed_orders",
    "fetch_orders_by_status",
    "fetch_contract_orders",
]
_FINAL_WORDS = {"closed": {FILLED, TRIGGERED, CANCELED}, "canceled": {CANCELED, EXPIRED, REJECTED, TRIGGERED}}
_FINAL_WORDS |= {"open": {OPEN, TRIGGERED, FILLED}, "rejected": {REJECTED}, "expired": {EXPIRED}}


@pytest.mark.parametrize("exchange_id", known_exchanges())
def test_the_samples_in_ccxts_source_are_understood(exchange_id: str) -> None:
    """None stays unknown, contradicts ccxt without cause, or shows a fill that is not in the raw answer."""
    seen = 0
    for raw in _raw_orders(exchange_id):
        for market_type in market_types(exchange_id)[:: -1 if "contract" in str(raw) else 1][:1]:
            try:
                order = _exchange(exchange_id, market_type).parse_order(raw)
            except (ValueError, TypeError):  # a slip of the pen in the comment, such as "0. 001"; no order
                continue
            update = order_update(order, load_profile(exchange_id, market_type), Origin.QUERY)
            if order["status"] not in _FINAL_WORDS:
                continue
            seen += 1
            assert update.status in _FINAL_WORDS[order["status"]], (raw, update)
            if update.filled:
                assert _holds(raw, update.filled), (raw, update.filled)
    assert seen >= _LEAST_SAMPLES.get(exchange_id, 3), (
        f"only {seen} samples found: has ccxt's source changed its style?"
    )


_LEAST_SAMPLES = {"bybit": 2, "hyperliquid": 1, "bitfinex": 0, "deribit": 1, "aster": 2}
_LEAST_SAMPLES |= dict.fromkeys(("gemini", "phemex", "whitebit", "upbit", "bithumb", "bitstamp"), 0)


def _raw_orders(exchange_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if {"id", "orderId", "order_id", "ordId", "algoId", "oid", "order", "vol"} & set(node) and _has_status(
                node
            ):
                found.append(node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for _, sample in samples(exchange_id, *(name for name in _METHODS if _has_method(exchange_id, name))):
        walk(sample)
    return found


def _has_method(exchange_id: str, name: str) -> bool:
    import ccxt.async_support

    return hasattr(getattr(ccxt.async_support, exchange_id), name)


def _has_status(node: dict[str, Any]) -> bool:
    words = ("status", "state", "orderStatus", "algoStatus", "isActive", "order_state", "planStatus")
    return any(isinstance(node.get(word), (str, int)) for word in words)


def _holds(raw: Any, figure: Decimal) -> bool:
    """Whether the figure, or two figures whose difference it is, stand in the raw answer."""
    numbers: set[Decimal] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
        else:
            try:
                numbers.add(abs(Decimal(str(node))))
            except ArithmeticError:
                return

    walk(raw)
    return figure in numbers or any(one - other == figure for one in numbers for other in numbers)
