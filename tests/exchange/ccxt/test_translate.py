"""ccxt's dicts become records: exact decimals, copies, and nothing that ccxt made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.balances import balances
from btccxt.exchange.ccxt.translate import order_book
from btccxt.exchange.plausibility import Implausible, check_order_book
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Balance, Fee, MarketType, OrderKind, OrderStatus, Origin, Side

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
D = Decimal
T = 1_700_000_000_000


def order(**changes: Any) -> dict[str, Any]:
    info = {
        "symbol": "BTCUSDT",
        "orderId": 7,
        "status": "PARTIALLY_FILLED",
        "origQty": "0.30000000",
        "executedQty": "0.1",
    }
    plain = {
        "id": "7", "clientOrderId": "b1", "symbol": "BTC/USDT", "side": "buy", "type": "limit", "status": "open",
        "price": 100.1, "amount": 0.3, "filled": 0.1, "average": 100.05,
        "timestamp": T, "lastUpdateTimestamp": T + 1000, "trades": [], "info": info,
    }  # fmt: skip
    return {**plain, **changes}


def test_an_order_becomes_an_update_with_exact_decimals() -> None:
    update = translate.order_update(order(), load_profile("binance", SPOT), Origin.QUERY)
    assert (update.symbol, update.side, update.kind) == ("BTC/USDT", Side.BUY, OrderKind.LIMIT)
    assert (update.order_id, update.client_order_id) == ("7", "b1")
    assert (update.price, update.amount, update.filled, update.average) == (D("100.1"), D("0.3"), D("0.1"), D("100.05"))
    assert (update.status, update.raw_status, update.origin) == (OrderStatus.OPEN, "PARTIALLY_FILLED", Origin.QUERY)
    assert (update.time_ms, update.trigger_price, update.reject_reason) == (T + 1000, None, None)


@pytest.mark.parametrize(("status", "raw"), [("closed", "FILLED"), ("open", "NEW"), ("canceled", "CANCELED")])
def test_ccxts_filled_is_never_taken(status: str, raw: str) -> None:
    answer = order(filled=0.3, status=status, info={"status": raw})
    assert translate.order_update(answer, load_profile("binance", SPOT), Origin.QUERY).filled is None


def test_krakens_user_reference_is_no_client_order_id() -> None:
    kraken = load_profile("kraken", SPOT)
    assert (
        translate.order_update(order(clientOrderId="3", info={"userref": 3}), kraken, Origin.PUSH).client_order_id
        is None
    )
    info = {"userref": 3, "cl_ord_id": "b1"}
    assert translate.order_update(order(clientOrderId="3", info=info), kraken, Origin.PUSH).client_order_id == "b1"


def test_what_ccxt_changes_later_does_not_change_the_record() -> None:
    answer = order(trades=[{"id": "5", "price": 100.0, "amount": 0.1, "side": "buy", "timestamp": 1}])
    update = translate.order_update(answer, load_profile("binance", SPOT), Origin.PUSH)
    answer["trades"].clear()
    answer["info"]["executedQty"] = "0.3"
    assert update.filled == D("0.1")
    assert [fill.trade_id for fill in update.fills] == ["5"]


def test_the_id_of_a_cancel_is_not_the_id_of_the_order() -> None:
    info = {
        "orderId": 7,
        "status": "CANCELED",
        "clientOrderId": "cancel1",
        "origClientOrderId": "b1",
        "executedQty": "0",
    }
    update = translate.order_update(
        order(clientOrderId="cancel1", info=info), load_profile("binance", SPOT), Origin.CANCEL
    )
    assert update.client_order_id == "b1"


def test_the_prefix_of_gate_is_taken_off_again() -> None:
    update = translate.order_update(
        order(info={"text": "t-b1", "status": "open"}), load_profile("gate", SPOT), Origin.PUSH
    )
    assert update.client_order_id == "b1"


def test_an_exit_attached_to_a_limit_order_does_not_make_it_a_take_profit() -> None:
    assert translate.order_update(order(takeProfitPrice=120.0), load_profile("okx", SPOT), Origin.QUERY).kind is None


def test_a_fill_keeps_its_fee_and_its_maker_flag() -> None:
    trade = {
        "id": "5", "order": "7", "symbol": "BTC/USDT", "side": "sell", "price": 100.1, "amount": 0.1, "timestamp": T,
        "takerOrMaker": "maker", "fee": {"currency": "BNB", "cost": 0.00001}, "info": {},
    }  # fmt: skip
    fill = translate.fill(trade, load_profile("binance", SPOT))
    assert (fill.trade_id, fill.order_id, fill.side, fill.price, fill.amount) == (
        "5",
        "7",
        Side.SELL,
        D("100.1"),
        D("0.1"),
    )
    assert (fill.fee, fill.maker, fill.time_ms) == (Fee("BNB", D("0.00001")), True, T)


def test_the_same_fill_without_an_id_has_the_same_made_up_id() -> None:
    trade = {"order": "7", "side": "buy", "price": 100.1, "amount": 0.1, "timestamp": 9, "info": {}}
    first, again = (translate.fill(dict(trade), load_profile("okx", SPOT), symbol="BTC/USDT") for _ in range(2))
    assert first.trade_id == again.trade_id
    assert translate.fill({**trade, "amount": 0.2}, load_profile("okx", SPOT)).trade_id != first.trade_id


def test_fees_come_from_the_list_where_there_is_only_that() -> None:
    trade = {"id": "5", "price": 1, "amount": 1, "side": "buy", "fee": {"cost": None, "currency": None}}
    trade["fees"] = [{"cost": "0.1", "currency": "USDT"}]
    assert translate.fill(trade, load_profile("okx", SPOT)).fee == Fee("USDT", D("0.1"))
    assert translate.fill({**trade, "fees": []}, load_profile("okx", SPOT)).fee is None


def test_balances_are_free_and_used_whichever_two_the_exchange_gives() -> None:
    answer = {
        "info": {}, "timestamp": None, "free": {"BTC": 1.0}, "used": {}, "total": {},
        "BTC": {"free": 1.1, "used": 0.2, "total": 1.3}, "ETH": {"free": None, "used": 1, "total": 3},
        "BNB": {"free": 2, "used": None, "total": 5}, "XRP": {"free": None, "used": None, "total": None},
    }  # fmt: skip
    found = balances(answer, 5000)
    assert found.time_ms == 5000
    assert dict(found.by_currency) == {
        "BTC": Balance("BTC", D("1.1"), D("0.2")),
        "ETH": Balance("ETH", D(2), D(1)),
        "BNB": Balance("BNB", D(2), D(3)),
    }
    assert not balances({}, 1, complete=False).complete


def test_a_short_position_is_negative_and_hedge_mode_is_marked() -> None:
    entry = {"symbol": "BTC/USDT:USDT", "contracts": 2, "side": "short", "entryPrice": 100.1, "hedged": False}
    short = translate.position(entry, 9)
    assert (short.amount, short.entry_price, short.time_ms, short.hedge_side) == (D(-2), D("100.1"), 9, None)
    assert translate.position({**entry, "side": "long", "hedged": True}, 9).hedge_side == "long"
    assert translate.position({"symbol": "X", "contracts": None, "side": None}, 9).amount == 0


def _market(**changes: Any) -> dict[str, Any]:
    plain = {
        "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "settle": None, "spot": True, "contract": False,
        "active": True, "taker": 0.001, "maker": 0.0005, "contractSize": None,
        "precision": {"amount": 0.00001, "price": 0.01},
        "limits": {"amount": {"min": 0.0001, "max": 9000}, "price": {"min": 0}, "cost": {"min": 5}},
    }  # fmt: skip
    return {**plain, **changes}


def test_a_market_has_steps_and_limits() -> None:
    market = translate.market(_market(), ccxt.TICK_SIZE)
    assert market is not None
    assert (market.type, market.price_step, market.amount_step) == (SPOT, D("0.01"), D("0.00001"))
    assert (market.min_amount, market.max_amount, market.min_price, market.min_cost) == (
        D("0.0001"),
        D(9000),
        None,
        D(5),
    )
    assert (market.taker_rate, market.maker_rate, market.contract_size) == (D("0.001"), D("0.0005"), D(1))


def test_a_contract_that_is_ordered_in_base_units_has_the_size_one() -> None:
    entry = _market(symbol="BTC/USDC:USDC", spot=False, contract=True, contractSize=0.0001)
    counted, in_base = (translate.market(entry, ccxt.TICK_SIZE, amounts_in_base=each) for each in (False, True))
    assert counted is not None and in_base is not None
    assert (counted.contract_size, in_base.contract_size) == (D("0.0001"), D(1))


@pytest.mark.parametrize(
    ("mode", "price", "amount", "price_step", "amount_step"),
    [
        (ccxt.DECIMAL_PLACES, 2, 5, D("0.01"), D("0.00001")),
        (ccxt.SIGNIFICANT_DIGITS, 5, 8, None, D("0.00000001")),
        (ccxt.TICK_SIZE, 0.5, 1, D("0.5"), D(1)),
        (ccxt.TICK_SIZE, None, None, None, None),
    ],
)
def test_precision_modes_become_steps(
    mode: int, price: Any, amount: Any, price_step: Decimal | None, amount_step: Decimal | None
) -> None:
    market = translate.market(_market(precision={"price": price, "amount": amount}), mode)
    assert market is not None
    assert (market.price_step, market.amount_step) == (price_step, amount_step)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"spot": False, "contract": True, "swap": True, "linear": True, "contractSize": 0.01}, LINEAR),
        ({"spot": False, "contract": True, "swap": True, "inverse": True}, MarketType.INVERSE),
        ({"spot": False, "contract": True, "option": True}, MarketType.OPTION),
    ],
)
def test_market_types_are_told_apart(changes: dict[str, Any], kind: MarketType) -> None:
    market = translate.market(_market(**changes), ccxt.TICK_SIZE)
    assert market is not None
    assert market.type is kind
    assert market.is_contract


def test_what_is_no_market_of_ours_is_left_out() -> None:
    assert translate.market(_market(spot=False), ccxt.TICK_SIZE) is None


def test_bars_trades_and_tickers_become_records() -> None:
    bar = translate.bar([60000, 1, 2, 0.5, 1.5, None])
    assert (bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume) == (60000, 1.0, 2.0, 0.5, 1.5, 0.0)
    trade = translate.trade(
        {"id": None, "timestamp": 5, "price": 1.5, "amount": 2, "side": "sell", "symbol": "BTC/USDT"}
    )
    assert (trade.trade_id, trade.time_ms, trade.price, trade.side) == ("5:1.5:2.0", 5, 1.5, Side.SELL)
    ticker = translate.ticker({"symbol": "BTC/USDT", "timestamp": None, "bid": "1.5", "ask": None, "last": 2}, 77)
    assert (ticker.time_ms, ticker.bid, ticker.ask, ticker.last) == (77, 1.5, None, 2.0)


@pytest.mark.parametrize(("exchange", "told", "amount"), [("binance", -0.3, D("-0.3")), ("bybit", 0.3, D("-0.3"))])
def test_funding_that_was_paid_is_negative_whatever_the_exchange_calls_it(
    exchange: str, told: float, amount: Decimal
) -> None:
    """Bybit tells it as a fee."""
    row = {"symbol": "BTC/USDT:USDT", "code": "USDT", "timestamp": T, "id": "9", "amount": told, "info": {}}
    payment = translate.funding(row, load_profile(exchange, LINEAR))
    assert (payment.symbol, payment.currency, payment.amount) == ("BTC/USDT:USDT", "USDT", amount)
    assert (payment.time_ms, payment.payment_id) == (T, "9")


def test_equal_trades_of_one_answer_without_ids_are_told_apart() -> None:
    row = {"id": None, "timestamp": T, "price": 1.5, "amount": 2, "side": "sell", "symbol": "BTC/USDT"}
    found = translate.told_apart(map(translate.trade, [{**row, "timestamp": T + 1, "id": "own"}, row, dict(row)]))
    assert [each.trade_id for each in found] == [f"{T}:1.5:2.0", f"{T}:1.5:2.0#2", "own"]
    assert [each.has_own_id for each in found] == [False, False, True]


# ------------------------------------------------------------------ order books

LEVELS = {
    "symbol": "BTC/USDT",
    "timestamp": 1_700_000_000_000,
    "bids": [[99.0, 1.0], [98.0, 2.0]],
    "asks": [[100.0, 3]],
}


def test_an_order_book_is_a_copy_of_the_best_levels() -> None:
    entry = {**LEVELS, "bids": [list(row) for row in LEVELS["bids"]]}  # type: ignore[attr-defined]
    book = order_book(entry, 5, 1)
    entry["bids"][0][1] = 7.0
    assert (book.time_ms, book.bids, book.asks) == (1_700_000_000_000, ((99.0, 1.0),), ((100.0, 3.0),))
    assert order_book({**LEVELS, "timestamp": None}, 5, 1).time_ms == 5


@pytest.mark.parametrize(
    "odd",
    [
        {"bids": [[101.0, 1.0]]},
        {"bids": [[98.0, 1.0], [99.0, 1.0]]},
        {"asks": [[-1.0, 1.0]]},
        {"asks": [[100.0, -1.0]]},
    ],
)
def test_an_order_book_that_cannot_be_is_not_believed(odd: dict[str, Any]) -> None:
    check_order_book(order_book(LEVELS, 5, 25))
    with pytest.raises(Implausible):
        check_order_book(order_book({**LEVELS, **odd}, 5, 25))


@pytest.mark.parametrize(
    ("exchange", "info", "side", "told"),
    [("binanceusdm", {"positionSide": "SHORT"}, "buy", "short"), ("binanceusdm", {"ps": "LONG"}, "buy", "long"),
     ("binanceusdm", {"positionSide": "BOTH"}, "buy", None), ("okx", {"posSide": "long"}, "sell", "long"),
     ("okx", {"posSide": "net"}, "sell", None), ("bybit", {"closedSize": "0"}, "buy", "long"),
     ("bybit", {"closedSize": "2"}, "buy", "short"), ("bybit", {"closedSize": "2"}, "sell", "long"),
     ("bybit", {"closedSize": ""}, "sell", None), ("gate", {"positionSide": "LONG"}, "sell", None)],
)  # fmt: skip
def test_a_fill_tells_which_of_two_positions_it_changed(
    exchange: str, info: dict[str, Any], side: str, told: str | None
) -> None:
    row = {"id": "1", "order": "7", "symbol": "BTC/USDT:USDT", "side": side, "price": 100, "amount": 2, "info": info}
    fill = translate.fill({**row, "timestamp": 9}, load_profile(exchange, MarketType.LINEAR))
    assert fill.position_side == told


@pytest.mark.parametrize(
    ("exchange", "info", "told"),
    [("binanceusdm", {"positionSide": "SHORT"}, "short"), ("bybit", {"positionIdx": 1}, "long"),
     ("bybit", {"positionIdx": "0"}, None), ("okx", {"posSide": "short"}, "short")],
)  # fmt: skip
def test_an_order_tells_which_of_two_positions_it_is_of(exchange: str, info: dict[str, Any], told: str | None) -> None:
    row = {"id": "7", "symbol": "BTC/USDT:USDT", "side": "buy", "status": "open", "info": info}
    profile = load_profile(exchange, MarketType.LINEAR)
    assert translate.order_update(row, profile, Origin.QUERY).position_side == told
